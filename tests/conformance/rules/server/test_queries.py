"""Family queries: the shipped queries have their plans on any amount of data, and lose them with their index."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from pymongo.database import Database
from pymongo.errors import OperationFailure

from conformance.config.configuration import NamedQuery, Plan
from conformance.errors import ConfigurationError, TargetError
from conformance.model.collection import Model
from conformance.results import Outcome
from conformance.rules.server.queries import rules, values_for
from conformance.server.query_plan import explained
from tests.validation import configuration_for, context_for, failed, run_rules

Mongo = Database[dict[str, Any]]

#: Indexes to drop, by collection and name, and the queries that must notice. The `deleted` and single-field indexes
#: that are not here serve the connector and the devices, and no named query.
DROPPED = [
    ("orders", "order_id_1", "orders.order_with_items"),
    ("order_items", "order_id_1_product_id_1", "orders.order_with_items orders.top_products_by_category"),
    ("products", "product_id_1", "orders.top_products_by_category inventory.inventory_report"),
    ("product_embeddings", "product_id_1", "product_embeddings.similar_products"),
    ("orders", "customer_id_1_order_date_-1", "orders.customer_history orders.customer_analytics"),
    ("orders", "order_date_-1", "orders.sales_by_date"),
    ("orders", "store_id_1_order_date_-1", "orders.sales_by_store orders.orders_of_store"),
    ("orders", "store_id_1_status_1", "orders.pending_of_store"),
    ("order_items", "store_id_1_deleted_1", "order_items.items_of_store"),
    ("order_items", "product_id_1", "order_items.items_of_product"),
    ("inventory", "store_id_1_product_id_1", "inventory.store_inventory"),
    ("inventory", "product_id_1", "inventory.stock_of_product"),
    ("inventory", "store_id_1_stock_level_1_reorder_threshold_1", "inventory.low_stock"),
    ("inventory", "location.aisle_1", "inventory.aisle_lookup"),
    ("inventory", "location.shelf_1", "inventory.shelf_lookup"),
    ("products", "sku_1", "products.by_sku"),
    ("products", "product_name_text_product_description_text", "products.text_search"),
    ("products", "category_id_1", "products.of_category"),
    ("products", "type_id_1", "products.of_type"),
    ("product_types", "category_id_1", "product_types.types_of_category"),
    ("customers", "last_name_1_first_name_1", "customers.by_name"),
    ("customers", "email_1", "customers.by_email"),
    ("customers", "primary_store_id_1", "customers.live_of_store"),
]


def fill(database: Mongo, orders: int) -> None:
    """Insert a small shop with the fields that queries name: this number of orders, with two items each."""
    draw = random.Random(orders)
    stores = [f"store_{n}" for n in range(4)]
    live: dict[str, Any] = {"deleted": False}
    database["product_types"].insert_many(
        [{"_id": f"t{n}", "type_id": f"t{n}", "category_id": f"c{n % 3}"} | live for n in range(12)]
    )
    database["products"].insert_many(
        [
            {"_id": f"p{n}", "product_id": f"p{n}", "sku": f"S{n}", "type_id": f"t{n % 12}", "category_id": f"c{n % 3}"}
            | {"product_name": f"Hammer number{n}", "product_description": "It hits."}
            | live
            for n in range(40)
        ]
    )
    database["product_embeddings"].insert_many(
        [{"_id": f"p{n}", "product_id": f"p{n}", "description_embedding": [1.0] * 1536} | live for n in range(40)]
    )
    database["inventory"].insert_many(
        [
            {"store_id": store, "product_id": f"p{n}", "stock_level": draw.randint(0, 50), "reorder_threshold": 10}
            | {"location": {"aisle": f"A{draw.randint(0, 9)}", "shelf": f"S{draw.randint(0, 9)}"}}
            | live
            for store in stores
            for n in range(40)
        ]
    )
    database["customers"].insert_many(
        [
            {"customer_id": f"k{n}", "email": f"k{n}@example.com", "primary_store_id": stores[n % 4]}
            | {"last_name": f"L{n % 9}", "first_name": f"F{n % 7}"}
            | live
            for n in range(60)
        ]
    )
    for n in range(orders):
        key, store = f"order_{n:06d}", draw.choice(stores)
        database["orders"].insert_one(
            {"_id": key, "order_id": key, "store_id": store, "customer_id": f"k{draw.randrange(60)}", "total": 10.0}
            | {"order_date": f"2024-{1 + n * 11 // orders:02d}-{1 + n % 28:02d}T10:00:00Z"}
            | {"status": draw.choice(["pending", "completed", "completed", "cancelled"])}
            | live
        )
        items = [{"order_id": key, "store_id": store, "product_id": f"p{draw.randrange(40)}"} | live for _ in range(2)]
        database["order_items"].insert_many([item | {"quantity": 1, "line_total": 5.0} for item in items])


def provision(model: Model, database: Mongo) -> None:
    """Every index of the model."""
    for collection in model:
        for index in collection.indexes:
            options = {"unique": True} if index.unique else {}
            options |= {"weights": dict(index.weights)} if index.weights else {}  # type: ignore[dict-item]
            database[collection.name].create_index(list(index.keys), **options)  # type: ignore[arg-type]


def verdict(model: Model, database: Mongo) -> dict[str, Outcome]:
    """The outcome of every shipped query."""
    return run_rules(rules(model, configuration_for(model)), context_for(model, database))


@pytest.fixture(scope="module")
def shop(model: Model, server: Any) -> Any:
    """A filled and provisioned database that tests change and put back."""
    database = server["validation_queries"]
    server.drop_database(database.name)
    provision(model, database)
    fill(database, 600)
    yield database
    server.drop_database(database.name)


@pytest.mark.parametrize("orders", [1, 2, 30])
def test_plans_are_correct_on_little_data(model: Model, database: Mongo, orders: int) -> None:
    provision(model, database)
    fill(database, orders)
    outcomes = verdict(model, database)
    assert failed(outcomes) == set()
    assert {outcome.skipped for outcome in outcomes.values()} == {None}


def test_plans_are_correct_and_shown(model: Model, shop: Mongo) -> None:
    outcomes = verdict(model, shop)
    assert failed(outcomes) == set()
    assert len(outcomes) == 25
    assert all(outcome.examined == 1 and not outcome.skipped for outcome in outcomes.values())
    evidence = outcomes["queries.orders.customer_history"].evidence
    customer = shop["orders"].find_one(sort=[("_id", 1)])["customer_id"]  # type: ignore[index]
    own = min(20, shop["orders"].count_documents({"customer_id": customer}))
    assert evidence["parameters"] == {"customer_id": f'"{customer}"'}
    assert evidence["indexes"] == ["customer_id_1_order_date_-1"]
    assert {"FETCH", "IXSCAN", "LIMIT"} <= set(evidence["stages"])
    assert evidence["documents_examined"] == evidence["keys_examined"] == evidence["returned"] == own
    assert {"TEXT", "SORT"} <= set(outcomes["queries.products.text_search"].evidence["stages"])
    assert outcomes["queries.orders.top_products_by_category"].evidence["returned"] == 3


@pytest.mark.parametrize(("collection", "name", "fails"), DROPPED, ids=[f"{c}.{n}" for c, n, _ in DROPPED])
def test_dropped_index_fails_its_queries(model: Model, shop: Mongo, collection: str, name: str, fails: str) -> None:
    shop[collection].drop_index(name)
    try:
        outcomes = verdict(model, shop)
    finally:
        provision(model, shop)
    named = {f"queries.{query}" for query in fails.split()}
    assert failed(outcomes) == named
    for query in named:
        assert outcomes[query].violations == 1
        assert outcomes[query].samples[0].ref == f"config/queries.yaml: {query.split('.')[2]}"


def test_every_query_fails_without_one_of_its_indexes(model: Model) -> None:
    configuration = configuration_for(model)
    named = {name for *_, fails in DROPPED for name in fails.split()}
    assert named == {f"{query.collection}.{query.name}" for query in configuration.queries}


def test_soft_deleted_and_cancelled_documents_do_not_fail_a_plan(model: Model, database: Mongo) -> None:
    provision(model, database)
    fill(database, 200)
    for collection in model:
        some = [one["_id"] for one in database[collection.name].find({}, {"_id": 1})]
        most = {"_id": {"$in": some[: len(some) * 9 // 10]}}
        database[collection.name].update_many(most, {"$set": {"deleted": True}})
    database["orders"].update_many({}, {"$set": {"status": "cancelled"}})
    outcomes = verdict(model, database)
    assert failed(outcomes) == set()
    assert outcomes["queries.orders.pending_of_store"].evidence["returned"] == 0


def test_index_equal_to_another_for_the_planner_is_recognised(model: Model, database: Mongo) -> None:
    """The planner compares plans by their first hundred documents, which here are all of the queried store."""
    database["customers"].insert_many(
        {"_id": number, "primary_store_id": f"store_{min(number // 200, 1)}", "deleted": False} | names(number)
        for number in range(1_000)
    )
    provision(model, database)
    database["customers"].drop_index("primary_store_id_1")
    assert failed(verdict(model, database)) == {"queries.customers.live_of_store"}
    database["customers"].create_index("primary_store_id")
    database["customers"].drop_index(model["customers"].indexes[0].name)  # the first that is tried
    outcome = verdict(model, database)["queries.customers.live_of_store"]
    assert outcome.violations == 0
    assert outcome.evidence["indexes"] == ["primary_store_id_1"]
    assert outcome.evidence["documents_examined"] == 200


def names(number: int) -> dict[str, Any]:
    """Return the unique field names of customers."""
    return {"customer_id": f"k{number}", "email": f"k{number}@example.com"}


@pytest.mark.parametrize(
    "options",
    [{"partialFilterExpression": {"deleted": True}}, {"sparse": True, "hidden": True}, {"collation": {"locale": "fr"}}],
    ids=["partial", "sparse and hidden", "collation"],
)
def test_partial_index_serves_no_query(options: dict[str, Any], model: Model, database: Mongo) -> None:
    """A hinted partial index returns and reads nothing, which looks like a perfect plan."""
    provision(model, database)
    fill(database, 30)
    database["customers"].drop_index("primary_store_id_1")
    database["customers"].create_index("primary_store_id", **options)
    assert failed(verdict(model, database)) == {"queries.customers.live_of_store"}


@pytest.mark.parametrize(
    ("condition", "fails"),
    [({"$regex": "er5"}, True), ({"$regex": "^L3"}, False), ({"$in": ["L1", "L2", "L5"]}, False)],
    ids=["anywhere", "prefix", "list"],
)
def test_condition_that_scans_the_whole_index_is_reported(
    condition: dict[str, Any], fails: bool, model: Model, database: Mongo
) -> None:
    provision(model, database)
    database["customers"].insert_many(
        [
            {"_id": n, "last_name": f"L{n % 9}" if n % 50 else f"number{n}", "first_name": "A"} | names(n)
            for n in range(400)
        ]
    )
    wanted = {"last_name": condition}
    plan = Plan(require=("IXSCAN",), forbid=("COLLSCAN",), examined_per_returned=1, indexed=wanted)
    query = _query(collection="customers", find=wanted, parameters={}, plan=plan)
    (outcome,) = run_rules(
        rules(model, replace(configuration_for(model), queries=(query,))), context_for(model, database)
    ).values()
    assert bool(outcome.violations) == fails
    if fails:
        assert outcome.samples[0].why == (
            "reads 400 index keys of last_name_1_first_name_1 for 1 matching documents; expected at most 5; the"
            " condition scans the index instead of seeking in it"
        )


def test_value_truncated_by_explain_within_a_character_is_read(model: Model, database: Mongo) -> None:
    provision(model, database)
    name = {"last_name": "x" + "é" * 80, "first_name": "A"}
    database["customers"].insert_one({"_id": 1, "primary_store_id": "s", "deleted": False} | name | names(1))
    assert verdict(model, database)["queries.customers.by_name"].violations == 0


ODD = [
    None, 5, 1.5, True, "", "$$ROOT", ["store_1"], [], {"$gt": ""}, {"aisle": ["A1"]}, [{"aisle": "A1", "shelf": "S"}],
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_odd_values_do_not_stop_the_rules(model: Model, database: Mongo, odd: Any) -> None:
    provision(model, database)
    fill(database, 20)
    for collection in model:
        unique = {group[0] for group in collection.unique if len(group) == 1}
        for number, field in enumerate(collection.fields):
            if field.name not in unique and field.name != "_id":
                own = {name: f"odd {number}" for group in collection.unique for name in group if name != field.name}
                database[collection.name].insert_one({"_id": number, field.name: odd} | own)  # the first by _id
    assert failed(verdict(model, database)) == set()


def test_query_without_usable_values_is_skipped(model: Model, database: Mongo) -> None:
    provision(model, database)
    database["customers"].insert_one({"email": 5, "primary_store_id": None})
    outcomes = verdict(model, database)
    assert failed(outcomes) == set()
    reason = "no document of customers has email of the right type for the parameters"
    assert outcomes["queries.customers.by_email"].skipped == reason
    assert outcomes["queries.orders.sales_by_date"].skipped == "orders is empty"
    assert {outcome.skipped is None for outcome in outcomes.values()} == {False}


@pytest.mark.parametrize(("later", "value"), [(0, "o1"), (1, "o2"), (2, "o3"), (3, "o3"), (100, "o3")])
def test_value_of_a_later_document_is_used(later: int, value: str, model: Model, database: Mongo) -> None:
    """A position after the last usable value gives the last one."""
    database["orders"].insert_many([{"_id": n, "order_id": f"o{n}"} for n in (2, 3, 1)] + [{"_id": 4, "order_id": 4}])
    query = _query(parameters={"x": {"field": "orders.order_id", "later": later}}, find={"order_id": "$$x"})
    assert values_for(context_for(model, database), query) == {"x": value}


def test_query_rejected_by_the_server_is_a_finding(model: Model, shop: Mongo) -> None:
    query = _query(find={"$text": {"$search": "x"}}, plan={"require": ["TEXT"]})
    configuration = replace(configuration_for(model), queries=(query,))
    outcomes = run_rules(rules(model, configuration), context_for(model, shop))
    assert failed(outcomes) == {"queries.orders.q"}
    outcome = outcomes["queries.orders.q"]
    assert outcome.examined == 1
    assert outcome.samples[0].why == 'the server rejected the query: "text index required for $text query"'


def test_missing_privilege_is_a_target_error(model: Model, shop: Mongo) -> None:
    configuration = replace(configuration_for(model), queries=(_query(),))
    context = context_for(model, shop)
    assert context.counts["orders"] == 600
    refused = OperationFailure("not authorized", 13, {"errmsg": "not authorized on shop"})
    database = mock.create_autospec(shop, instance=True)
    database.command.side_effect = refused
    vars(context)["database"] = database
    with pytest.raises(TargetError, match="explain of orders was rejected"):
        run_rules(rules(model, configuration), context)


def test_several_plan_problems_are_one_finding(model: Model, shop: Mongo) -> None:
    plan = {"require": ["TEXT"], "forbid": ["COLLSCAN"], "examined_per_returned": 1, "indexed": {"total": 99.0}}
    configuration = replace(configuration_for(model), queries=(_query(find={"total": 99.0}, plan=plan),))
    (outcome,) = run_rules(rules(model, configuration), context_for(model, shop)).values()
    assert (outcome.examined, outcome.violations) == (1, 1)
    assert (
        outcome.samples[0].why == "the plan has no TEXT; the plan has COLLSCAN; reads 600 documents; expected at most 0"
    )


def _query(**given: Any) -> NamedQuery:
    whole = {"name": "q", "collection": "orders", "title": "Q", "find": {}, "plan": {"require": ["IXSCAN"]}} | given
    return NamedQuery.model_validate(whole)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"collection": "order"}, "there is no collection 'order'"),
        ({"find": {"order_id": "$$order"}}, "$$order is not a parameter"),
        ({"find": {"order_id": "a", "delted": False}}, "orders has no field 'delted'"),
        ({"sort": {"order_dat": 1}}, "orders has no field 'order_dat'"),
        ({"plan": {"forbid": ["SORT"], "examined_per_returned": 1, "indexed": {"store": "a"}}},
         "orders has no field 'store'"),
        ({"plan": {"forbid": ["COLSCAN"]}}, "it forbids COLSCAN, which no plan has"),
        ({"find": None, "pipeline": [{"$lookup": {"from": "order_itemz"}}]}, "it looks up 'order_itemz'"),
        ({"parameters": {"x": "orders.order_id"}}, "the parameter x is not used"),
        ({"parameters": {"x": "orders.number"}, "find": {"order_id": "$$x"}}, "there is no field 'orders.number'"),
        ({"parameters": {"x": "sales.order_id"}, "find": {"order_id": "$$x"}}, "there is no field 'sales.order_id'"),
        ({"parameters": {"a": {"literal": 5}, "x": "orders.number"}, "find": {"total": "$$a", "order_id": "$$x"}},
         "there is no field 'orders.number'"),
        ({"find": None, "pipeline": [{"$match": {"status": "$$status"}}]}, "$$status is not a parameter"),
        ({"find": None, "pipeline": [{"$sortByCount": "status"}, {"$match": {"s": "$$status"}}]},
         "$$status is not a parameter"),
        ({"find": {"$or": [{"let": "$$e"}]}}, "$$e is not a parameter"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_query_that_does_not_fit_the_model_is_rejected(model: Model, given: dict[str, Any], message: str) -> None:
    configuration = replace(configuration_for(model), queries=(_query(**given),))
    with pytest.raises(ConfigurationError) as raised:
        list(rules(model, configuration))
    assert message in str(raised.value)
    assert str(raised.value).startswith("config/queries.yaml: q: ")


def test_two_queries_of_the_same_name_are_rejected(model: Model) -> None:
    configuration = replace(configuration_for(model), queries=(_query(), _query()))
    with pytest.raises(ConfigurationError, match="two of this name"):
        list(rules(model, configuration))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"pipeline": []}, "a find or a pipeline"),
        ({"find": None}, "a find or a pipeline"),
        ({"find": None, "pipeline": [], "limit": 5}, "sort and limit belong to find"),
        ({"plan": {}}, "set require or forbid"),
        ({"plan": {"require": ["X"], "examined_per_returned": 1}}, "belong together"),
        ({"parameters": {"x": {"literal": 5, "field": "orders.total"}}}, "write one of them"),
        ({"parameters": {"x": {}}}, "write one of them"),
        ({"find": None, "pipeline": [{"$lookup": {}}]}
         | {"plan": {"require": ["X"], "examined_per_returned": 1, "indexed": {}}}, "two collections"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_malformed_query_is_rejected(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _query(**given)


def test_pipeline_variables_are_not_parameters(model: Model) -> None:
    inner = [{"$match": {"$expr": {"$eq": ["$x", "$$mine.y"]}}}, {"$set": {"now": "$$NOW"}}]
    pipeline = [
        {"$lookup": {"from": "stores", "let": {"mine": "$$ROOT"}, "pipeline": inner, "as": "s"}},
        {"$set": {"s": {"$map": {"input": "$s", "as": "one", "in": "$$one.x"}}}},
    ]
    configuration = replace(configuration_for(model), queries=(_query(find=None, pipeline=pipeline),))
    assert len(list(rules(model, configuration))) == 1


#: Explains of servers that no test starts, cut down to what is read, and what must be read from them.
SHAPES: list[tuple[str, dict[str, Any], tuple[str, ...], tuple[int, int, int]]] = [
    (
        "express, 8.0",
        {"queryPlanner": {"winningPlan": {"isCached": False, "stage": "EXPRESS_IXSCAN", "indexName": "a_1"},
                          "rejectedPlans": [{"stage": "COLLSCAN"}]},
         "executionStats": {"nReturned": 1, "totalKeysExamined": 1, "totalDocsExamined": 1}},
        ("IXSCAN",), (1, 1, 1),
    ),
    (
        "sharded find",
        {"queryPlanner": {"winningPlan": {"stage": "SHARD_MERGE", "shards": [
            {"shardName": "a", "winningPlan": {"stage": "FETCH", "inputStage": {"stage": "IXSCAN"}}},
            {"shardName": "b", "winningPlan": {"stage": "COLLSCAN", "filter": {"stage": "TEXT"}}}]}},
         "executionStats": {"nReturned": 3, "totalKeysExamined": 2, "totalDocsExamined": 9, "executionStages": {
             "shards": [{"executionStats": {"totalDocsExamined": 9}}]}}},
        ("SHARD_MERGE", "FETCH", "IXSCAN", "COLLSCAN"), (9, 2, 3),
    ),
    (
        "sharded aggregate",
        {"shards": {name: {"stages": [{"$cursor": {
            "queryPlanner": {"winningPlan": {"queryPlan": {"stage": "IXSCAN"}, "slotBasedPlan": {"stages": "scan"}}},
            "executionStats": {"nReturned": 2, "totalKeysExamined": 4, "totalDocsExamined": 4}}}]} for name in "ab"}},
        ("IXSCAN",), (8, 8, 4),
    ),
    (
        "classic $lookup without an index",
        {"stages": [
            {"$cursor": {"queryPlanner": {"winningPlan": {"stage": "IXSCAN"}},
                         "executionStats": {"nReturned": 1, "totalKeysExamined": 1, "totalDocsExamined": 1}}},
            {"$lookup": {"from": "x", "let": {"stage": "SORT"}}, "totalDocsExamined": 900, "collectionScans": 2,
             "indexesUsed": []},
            {"$sort": {"sortKey": {"stage": 1}}, "nReturned": 7}]},
        ("IXSCAN", "$lookup", "COLLSCAN", "SORT"), (1, 1, 7),
    ),
    (
        "slot-based $lookup without an index",
        {"queryPlanner": {"winningPlan": {"queryPlan": {"stage": "EQ_LOOKUP", "strategy": "HashJoin",
                                                        "inputStage": {"stage": "IDHACK"}}}},
         "executionStats": {"nReturned": 1, "totalKeysExamined": 1, "totalDocsExamined": 901}},
        ("EQ_LOOKUP", "COLLSCAN", "IXSCAN"), (901, 1, 1),
    ),
    ("nothing", {}, (), (0, 0, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("explain", "stages", "figures"), [row[1:] for row in SHAPES], ids=[row[0] for row in SHAPES])
def test_explain_of_any_shape_is_read(
    explain: Mapping[str, Any], stages: tuple[str, ...], figures: tuple[int, int, int]
) -> None:
    plan = explained(explain)
    assert plan.stages == stages
    assert (plan.documents, plan.keys, plan.returned) == figures

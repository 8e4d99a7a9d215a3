"""Family queries: the plan of each query that the apps run, on real data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from pymongo.database import Database
from pymongo.errors import OperationFailure

from conformance.config.configuration import Plan
from conformance.errors import TargetError
from conformance.model.collection import Model
from conformance.results import Outcome
from conformance.rules.server.queries import rules, values_for
from tests.conformance.rules.server.queried_shop import DROPPED, fill, provision, query_of
from tests.validation import configuration_for, context_for, failed, run_rules

Mongo = Database[dict[str, Any]]


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
    query = query_of(collection="customers", find=wanted, parameters={}, plan=plan)
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
    query = query_of(parameters={"x": {"field": "orders.order_id", "later": later}}, find={"order_id": "$$x"})
    assert values_for(context_for(model, database), query) == {"x": value}


def test_query_rejected_by_the_server_is_a_finding(model: Model, shop: Mongo) -> None:
    query = query_of(find={"$text": {"$search": "x"}}, plan={"require": ["TEXT"]})
    configuration = replace(configuration_for(model), queries=(query,))
    outcomes = run_rules(rules(model, configuration), context_for(model, shop))
    assert failed(outcomes) == {"queries.orders.q"}
    outcome = outcomes["queries.orders.q"]
    assert outcome.examined == 1
    assert outcome.samples[0].why == 'the server rejected the query: "text index required for $text query"'


def test_missing_privilege_is_a_target_error(model: Model, shop: Mongo) -> None:
    configuration = replace(configuration_for(model), queries=(query_of(),))
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
    configuration = replace(configuration_for(model), queries=(query_of(find={"total": 99.0}, plan=plan),))
    (outcome,) = run_rules(rules(model, configuration), context_for(model, shop)).values()
    assert (outcome.examined, outcome.violations) == (1, 1)
    assert (
        outcome.samples[0].why == "the plan has no TEXT; the plan has COLLSCAN; reads 600 documents; expected at most 0"
    )

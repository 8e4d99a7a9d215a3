"""Families indexes, validators and streams: each fault of the server's set-up fails exactly the rules that name it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from bson import Int64
from pymongo import MongoClient
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import OperationFailure

from conformance.checks.base import Context, Rule
from conformance.checks.round_trip import Event, problems, round_trips
from conformance.config.configuration import Configuration
from conformance.config.loading import load_configuration
from conformance.config.settings import Settings
from conformance.embedded.server import EmbeddedServer
from conformance.model.collection import Index, Model, VectorIndex
from conformance.results import Outcome
from conformance.rules.server import indexes, streams, validators
from conformance.server.metadata import LiveCollection
from conformance.server.provision import apply, plan
from tests.validation import shipped_model

pytestmark = pytest.mark.server

Documents = Database[dict[str, Any]]


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoClient[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("rules")
    with EmbeddedServer(folder, cache_gb=0.25) as server, MongoClient(server.uri) as client:
        yield client


@pytest.fixture
def database(client: MongoClient[dict[str, Any]], model: Model) -> Documents:
    """A database in the state of the model, with one document in each collection; each test starts repaired."""
    provision(client.rules, model)
    return client.rules


@pytest.fixture
def scratch(client: MongoClient[dict[str, Any]]) -> Iterator[Documents]:
    name = f"scratch_{uuid.uuid4().hex[:12]}"
    yield client[name]
    client.drop_database(name)


def provision(database: Documents, model: Model) -> None:
    for view in database.list_collections(filter={"type": "view"}):
        database.drop_collection(view["name"])
    apply(plan(model, database, drop_extra=True), database)
    for collection in model:
        database[collection.name].delete_many({})
        put(database, collection.name, {"_id": f"{collection.name}_1", "deleted": False, "n": Int64(7)})


def put(database: Documents, collection: str, document: Mapping[str, Any]) -> None:
    """Insert documents that the validator might reject."""
    database.command({"insert": collection, "documents": [document], "bypassDocumentValidation": True})


def context_of(
    model: Model, database: Documents, scratch: Documents | None = None, *, embedded: bool = True
) -> Context:
    return Context(model, configuration(), Settings(), database, embedded, scratch)


@cache
def configuration() -> Configuration:
    """The project's configuration; read once, because reading takes longer than these families."""
    return load_configuration(shipped_model(), Settings().constants())


def all_rules(model: Model) -> list[Rule]:
    families = (indexes, validators, streams)
    return list(chain.from_iterable(family.rules(model, configuration()) for family in families))


def run_all(context: Context, rules: Iterable[Rule] | None = None) -> dict[str, Outcome]:
    """Return every rule's outcome; rules of one group run together."""
    groups: dict[object, list[Rule]] = {}
    for rule in all_rules(context.model) if rules is None else rules:
        groups.setdefault(rule.group, []).append(rule)
    outcomes: dict[str, Outcome] = {}
    for group in groups.values():
        outcomes |= group[0].check(context, group)
    return outcomes


def failed(outcomes: Mapping[str, Outcome]) -> set[str]:
    return {name for name, outcome in outcomes.items() if outcome.violations}


def skips(outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    return {name: outcome.skipped for name, outcome in outcomes.items() if outcome.skipped is not None}


# --- what there is, and that all of it passes -------------------------------------------------------------------------


def test_rules_have_the_expected_ids(model: Model) -> None:
    ids = [rule.id for rule in all_rules(model)]
    assert len(ids) == len(set(ids))
    assert [name for name in ids if name.split(".")[1] == "order_items"] == [
        "indexes.order_items._id",
        "indexes.order_items.product_id",
        "indexes.order_items.store_id+deleted",
        "indexes.order_items.order_id+product_id",
        "indexes.order_items.extra",
        "indexes.order_items.redundant",
        "indexes.order_items.foreign-keys",
        "validators.order_items.present",
        "validators.order_items.definition",
        "validators.order_items.level",
        "validators.order_items.action",
        "validators.order_items.devices",
        "streams.order_items.images",
        "streams.order_items.round_trip",
    ]
    assert "streams.product_embeddings.round_trip" not in ids
    assert "indexes.stores.foreign-keys" not in ids


def test_every_rule_has_a_why_and_a_fix(model: Model) -> None:
    for rule in all_rules(model):
        assert rule.why.endswith("."), rule.id
        assert rule.fix.endswith("."), rule.id
        assert not rule.title.endswith("."), rule.id


def test_provisioned_database_passes(database: Documents, scratch: Documents, model: Model) -> None:
    outcomes = run_all(context_of(model, database, scratch))
    assert failed(outcomes) == set()
    assert set(skips(outcomes)) == {"streams._database.connector_version", "streams._database.oplog_window"}
    assert all(outcome.examined for name, outcome in outcomes.items() if not outcome.skipped)
    assert outcomes["indexes.orders.extra"].examined == 8
    assert outcomes["indexes.orders.foreign-keys"].evidence == {
        "led_by": {"customer_id": "customer_id_1_order_date_-1", "store_id": "store_id_1_order_date_-1"}
    }


# --- faults -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """An edit to a provisioned database, the rules that fail, and the first one's sample (ref, why)."""

    title: str
    damage: Callable[[Documents], Any]
    fails: tuple[str, ...]
    ref: str
    why: str


def rebuilt(collection: str, index: str, keys: Any, **options: Any) -> Callable[[Documents], Any]:
    def damage(database: Documents) -> None:
        database[collection].drop_index(index)
        database[collection].create_index(keys, **options)

    return damage


def modified(collection: str, **options: Any) -> Callable[[Documents], Any]:
    return lambda database: database.command({"collMod": collection, **options})


TEXT = "product_name_text_product_description_text"
BOTH = [("product_name", "text"), ("product_description", "text")]
WEIGHTS = {"product_name": 10, "product_description": 5}
SEARCH = "indexes.products.product_name+product_description"
TYPES = "indexes.product_types"

FAULTS = (
    Fault(
        "missing",
        lambda db: db.stores.drop_index("is_online_1"),
        ("indexes.stores.is_online",),
        "stores.is_online_1",
        "there is no index on is_online",
    ),
    Fault(
        "missing, and it led a reference",
        lambda db: db.product_types.drop_index("category_id_1"),
        (f"{TYPES}.category_id", f"{TYPES}.foreign-keys"),
        "product_types.category_id_1",
        "there is no index on category_id",
    ),
    Fault(
        "not unique",
        rebuilt("customers", "email_1", "email"),
        ("indexes.customers.email",),
        "customers.email_1",
        "it is not unique",
    ),
    Fault(
        "not unique, under another name",
        rebuilt("customers", "email_1", "email", name="mail"),
        ("indexes.customers.email",),
        "customers.email_1",
        "mail: it is not unique",
    ),
    Fault(
        "unique unasked",
        rebuilt("stores", "deleted_1", "deleted", unique=True),
        ("indexes.stores.deleted",),
        "stores.deleted_1",
        "it is unique, but the model declares it as not unique",
    ),
    Fault(
        "wrong direction",
        rebuilt("orders", "order_date_-1", "order_date"),
        ("indexes.orders.order_date",),
        "orders.order_date_-1",
        "order_date_1: its keys are order_date instead of order_date (descending)",
    ),
    Fault(
        "wrong order",
        rebuilt("customers", "last_name_1_first_name_1", [("first_name", 1), ("last_name", 1)]),
        ("indexes.customers.last_name+first_name",),
        "customers.last_name_1_first_name_1",
        "first_name_1_last_name_1: its keys are first_name, last_name instead of last_name, first_name",
    ),
    Fault(
        "no weights",
        rebuilt("products", TEXT, BOTH),
        (SEARCH,),
        f"products.{TEXT}",
        'its weights are {"product_description": 1, "product_name": 1} instead of '
        '{"product_description": 5, "product_name": 10}',
    ),
    Fault(
        "text of another language",
        rebuilt("products", TEXT, BOTH, weights=WEIGHTS, default_language="french"),
        (SEARCH,),
        f"products.{TEXT}",
        "its default_language is french instead of english",
    ),
    Fault(
        "a field names each document's language",
        rebuilt("products", TEXT, BOTH, weights=WEIGHTS, language_override="tongue"),
        (SEARCH,),
        f"products.{TEXT}",
        'it has language_override "tongue"',
    ),
    Fault(
        "text of one field less",
        rebuilt("products", TEXT, BOTH[:1], weights={"product_name": 10}),
        (SEARCH,),
        f"products.{TEXT}",
        "product_name_text: its keys are product_name (text) instead of product_description (text), product_name",
    ),
    Fault(
        "partial",
        rebuilt("product_types", "category_id_1", "category_id", partialFilterExpression={"deleted": False}),
        (f"{TYPES}.category_id", f"{TYPES}.foreign-keys"),
        "product_types.category_id_1",
        'it has partialFilterExpression {"deleted": false}',
    ),
    Fault(
        "hidden",
        rebuilt("product_types", "category_id_1", "category_id", hidden=True),
        (f"{TYPES}.category_id", f"{TYPES}.foreign-keys"),
        "product_types.category_id_1",
        "it has hidden true",
    ),
    Fault(
        "another collation",
        rebuilt("product_types", "category_id_1", "category_id", collation={"locale": "fr"}),
        (f"{TYPES}.category_id", f"{TYPES}.foreign-keys"),
        "product_types.category_id_1",
        'it has collation {"locale": "fr", ',
    ),
    Fault(
        "sparse, which look-ups can still use",
        rebuilt("product_types", "category_id_1", "category_id", sparse=True),
        (f"{TYPES}.category_id",),
        "product_types.category_id_1",
        "it has sparse true",
    ),
    Fault(
        "documents expire at once",
        rebuilt("stores", "is_online_1", "is_online", expireAfterSeconds=0),
        ("indexes.stores.is_online",),
        "stores.is_online_1",
        "it has expireAfterSeconds 0",
    ),
    Fault(
        "the name belongs to other keys",
        rebuilt("stores", "is_online_1", "created_at", name="is_online_1"),
        ("indexes.stores.is_online", "indexes.stores.extra"),
        "stores.is_online_1",
        "there is no index on is_online",
    ),
    Fault(
        "one index more",
        lambda db: db.orders.create_index([("total", -1), ("tax", 1)]),
        ("indexes.orders.extra",),
        "orders.total_-1_tax_1",
        "the index on total (descending), tax exists but the model does not declare it",
    ),
    Fault(
        "a prefix",
        lambda db: db.inventory.create_index("store_id"),
        ("indexes.inventory.redundant", "indexes.inventory.extra"),
        "inventory.store_id_1",
        "the index on store_id is covered by store_id_1_product_id_1 (store_id, product_id)",
    ),
    Fault(
        "a prefix backwards",
        lambda db: db.inventory.create_index([("store_id", -1), ("stock_level", -1)]),
        ("indexes.inventory.redundant", "indexes.inventory.extra"),
        "inventory.store_id_-1_stock_level_-1",
        "store_id_1_stock_level_1_reorder_threshold_1",
    ),
    Fault(
        "the same backwards: one of the two is named",
        lambda db: db.orders.create_index([("order_date", 1)]),
        ("indexes.orders.redundant", "indexes.orders.extra"),
        "orders.order_date_1",
        "the index on order_date is covered by order_date_-1 (order_date (descending))",
    ),
    Fault(
        "a plain one beside the unique one",
        lambda db: db.orders.create_index("order_id", name="again"),
        ("indexes.orders.redundant", "indexes.orders.extra"),
        "orders.again",
        "the index on order_id is covered by order_id_1 (order_id)",
    ),
    Fault(
        "_id, which cannot be done without, is no redundant start",
        lambda db: db.orders.create_index([("_id", 1), ("tax", 1)]),
        ("indexes.orders.extra",),
        "orders._id_1_tax_1",
        "the index on _id, tax exists but the model does not declare it",
    ),
    Fault(
        "mixed directions are no prefix",
        lambda db: db.inventory.create_index([("store_id", 1), ("product_id", -1), ("notes", 1)]),
        ("indexes.inventory.extra",),
        "inventory.store_id_1_product_id_-1_notes_1",
        "the index on store_id, product_id (descending), notes",
    ),
    Fault(
        "a text index does not do what its plain start does",
        lambda db: db.orders.create_index([("status", 1), ("customer_name", "text")], name="words"),
        ("indexes.orders.extra",),
        "orders.words",
        "the index on status, customer_name (text) exists but the model does not declare it",
    ),
    Fault(
        "a partial prefix does something of its own",
        lambda db: db.inventory.create_index("store_id", partialFilterExpression={"deleted": True}),
        ("indexes.inventory.extra",),
        "inventory.store_id_1",
        "the index on store_id",
    ),
    Fault(
        "a prefix of a partial one stays needed",
        lambda db: db.orders.create_index(
            [("status", 1), ("tax", 1)], partialFilterExpression={"deleted": True}, name="taxed"
        ),
        ("indexes.orders.extra",),
        "orders.taxed",
        "the index on status, tax",
    ),
    Fault(
        "no validator",
        modified("orders", validator={}),
        ("validators.orders.present",),
        "orders",
        "the collection has no validator",
    ),
    Fault(
        "a validator of another day",
        lambda db: modified("stores", validator=_with_bound(db, "stores", "store_name", 7))(db),
        ("validators.stores.definition",),
        "stores",
        "$jsonSchema.properties.store_name.maxLength: 7 instead of 100",
    ),
    Fault(
        "a validator that lacks a keyword",
        lambda db: modified("stores", validator=_with_bound(db, "stores", "store_name", None))(db),
        ("validators.stores.definition",),
        "stores",
        "$jsonSchema.properties.store_name.maxLength: missing",
    ),
    Fault(
        "a validator that lacks a value",
        lambda db: modified("orders", validator=_with_list(db, "status", lambda values: values[1:]))(db),
        ("validators.orders.definition",),
        "orders",
        '$jsonSchema.properties.status.enum: "pending" is missing',
    ),
    Fault(
        "a validator that takes a type more",
        lambda db: modified("orders", validator=_with_list(db, "tax", lambda types: [*types, "decimal"]))(db),
        ("validators.orders.definition",),
        "orders",
        '$jsonSchema.properties.tax.bsonType: "decimal" is not in the schema',
    ),
    Fault(
        "a validator with a condition more",
        lambda db: modified("stores", validator={**_validator(db, "stores"), "deleted": False})(db),
        ("validators.stores.definition",),
        "stores",
        "deleted: false is not in the schema",
    ),
    Fault(
        "a validator with another condition",
        lambda db: modified("orders", validator={**_validator(db, "orders"), "$expr": True})(db),
        ("validators.orders.definition",),
        "orders",
        '$expr: true instead of {"$and": ',
    ),
    Fault(
        "level",
        modified("orders", validationLevel="moderate"),
        ("validators.orders.level",),
        "orders",
        "validationLevel is moderate, so updates of invalid documents are not validated; expected strict",
    ),
    Fault(
        "level off",
        modified("orders", validationLevel="off"),
        ("validators.orders.level",),
        "orders",
        "validationLevel is off, so the server validates nothing; expected strict",
    ),
    Fault(
        "action",
        modified("orders", validationAction="warn"),
        ("validators.orders.action",),
        "orders",
        "validationAction is warn, so invalid documents are logged and accepted; expected error",
    ),
    Fault(
        "no images",
        modified("orders", changeStreamPreAndPostImages={"enabled": False}),
        ("streams.orders.images",),
        "orders",
        "pre- and post-images are disabled; expected enabled",
    ),
    Fault(
        "images for nobody",
        modified("product_embeddings", changeStreamPreAndPostImages={"enabled": True}),
        ("streams.product_embeddings.images",),
        "product_embeddings",
        "pre- and post-images are enabled; expected disabled, since the collection is not synced",
    ),
)


def _validator(database: Documents, collection: str) -> dict[str, Any]:
    (info,) = database.list_collections(filter={"name": collection})
    return dict(info["options"]["validator"])


def _with_list(database: Documents, field: str, change: Callable[[list[str]], list[str]]) -> dict[str, Any]:
    """Return the validator of orders with other values of the field, or else other types."""
    validator = _validator(database, "orders")
    schema = validator["$jsonSchema"]["properties"][field]
    keyword = "enum" if "enum" in schema else "bsonType"
    schema[keyword] = change(schema[keyword])
    return validator


def test_validator_with_sets_in_another_order_is_equal(database: Documents, scratch: Documents, model: Model) -> None:
    for name in ("orders", "products"):
        modified(name, validator=_turned(_validator(database, name)))(database)
    assert _validator(database, "orders")["$jsonSchema"]["properties"]["status"]["enum"][-1] == "pending"
    assert failed(run_all(context_of(model, database, scratch))) == set()
    assert plan(model, database) == []


def _turned(value: Any, keyword: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _turned(one, key) for key, one in reversed(value.items())}
    if isinstance(value, list):
        turned = [_turned(one) for one in value]
        return turned[::-1] if keyword in ("required", "enum", "bsonType", "anyOf", "$and") else turned
    return value


def _with_bound(database: Documents, collection: str, field: str, bound: int | None) -> dict[str, Any]:
    validator = _validator(database, collection)
    if bound is None:
        del validator["$jsonSchema"]["properties"][field]["maxLength"]
    else:
        validator["$jsonSchema"]["properties"][field]["maxLength"] = bound
    return validator


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.title)
def test_fault_fails_exactly_its_rules(fault: Fault, database: Documents, model: Model) -> None:
    fault.damage(database)
    outcomes = run_all(context_of(model, database))
    assert failed(outcomes) == set(fault.fails)
    outcome = outcomes[fault.fails[0]]
    assert (outcome.violations, len(outcome.samples)) == (1, 1)
    assert outcome.samples[0].ref == fault.ref
    assert fault.why in outcome.samples[0].why


def test_strict_validators_are_a_warning(database: Documents, model: Model) -> None:
    apply(plan(model, database, validators="strict"), database)
    rules = {rule.id: rule for rule in all_rules(model)}
    outcomes = run_all(context_of(model, database))
    expected = {f"validators.{collection.name}.devices" for collection in model if collection.synced}
    assert failed(outcomes) == expected
    assert {rules[name].severity for name in expected} == {"warning"}
    assert [sample.why for sample in outcomes["validators.inventory.devices"].samples] == [
        "the strict validator rejects a field of a newer app version, null in an optional field (location.bin),"
        " a whole double in an integer field (stock_level), a deleted document that lacks fields"
    ]
    modified("orders", validationAction="warn")(database)
    assert "validators.orders.devices" not in failed(run_all(context_of(model, database)))
    assert {change.collection for change in plan(model, database)} == {each.name for each in model if each.synced}
    apply(plan(model, database, validators="connector"), database)
    assert failed(run_all(context_of(model, database))) == set()
    assert plan(model, database) == []
    words = plan(model, database, validators="strict")[0].what
    assert words == "set the validator (it is that of profile connector)"


def test_missing_validator_skips_dependent_rules(database: Documents, model: Model) -> None:
    modified("orders", validator={})(database)
    reasons = skips(run_all(context_of(model, database)))
    for subject in ("definition", "level", "action", "devices"):
        assert reasons[f"validators.orders.{subject}"] == (
            "the collection has no validator; see validators.orders.present"
        )


@pytest.mark.parametrize("how", ["dropped", "a view"])
def test_missing_collection_fails_or_skips_its_rules(how: str, database: Documents, model: Model) -> None:
    """Its indexes, validator and images are missing; other rules are skipped."""
    database.drop_collection("product_types")
    if how == "a view":
        database.command({"create": "product_types", "viewOn": "stores", "pipeline": []})
    outcomes = run_all(context_of(model, database))
    assert failed(outcomes) == {
        f"{TYPES}._id",
        f"{TYPES}.type_id",
        f"{TYPES}.category_id",
        f"{TYPES}.foreign-keys",
        "validators.product_types.present",
        "streams.product_types.images",
    }
    assert {name for name in skips(outcomes) if ".product_types." in name} == {
        f"{TYPES}.extra",
        f"{TYPES}.redundant",
        "validators.product_types.definition",
        "validators.product_types.level",
        "validators.product_types.action",
        "validators.product_types.devices",
        "streams.product_types.round_trip",
    }


def test_missing_unsynced_collection_skips_its_images(database: Documents, model: Model) -> None:
    database.drop_collection("product_embeddings")
    outcome = run_all(context_of(model, database))["streams.product_embeddings.images"]
    assert outcome.skipped == "the collection does not exist"


def test_samples_are_bounded_and_counts_are_exact(database: Documents, model: Model) -> None:
    for field in ("tax", "total", "subtotal", "item_count", "store_name", "customer_name", "updated_at"):
        database.orders.create_index(field)
    outcome = run_all(replace(context_of(model, database), sample_size=3))["indexes.orders.extra"]
    assert (outcome.examined, outcome.violations, len(outcome.samples)) == (15, 7, 3)


def test_redundant_index_of_the_model_is_reported(database: Documents, model: Model) -> None:
    """The redundancy is reported although every index is declared; two directions of one pair share a rule."""
    declared = [(("status", 1), ("tax", 1)), (("status", 1), ("tax", -1))]
    more = tuple(Index(keys, unique=False, weights={}) for keys in declared)
    stores = replace(model["orders"], indexes=model["orders"].indexes + more)
    altered = replace(model, collections={**model.collections, "orders": stores})
    found = run_all(context_of(altered, database))
    assert {name for name in failed(found) if name.startswith("indexes.")} == {"indexes.orders.status+tax"}
    assert (found["indexes.orders.status+tax"].examined, found["indexes.orders.status+tax"].violations) == (2, 2)
    apply(plan(altered, database), database)
    found = run_all(context_of(altered, database))
    assert failed(found) == {"indexes.orders.redundant"}
    assert [sample.ref for sample in found["indexes.orders.redundant"].samples] == ["orders.status_1"]


# --- vector search ----------------------------------------------------------------------------------------------------

VECTOR_RULE = "indexes.product_embeddings.vector_index"
IMAGE = MappingProxyType({"type": "vector", "path": "image_embedding", "numDimensions": 512, "similarity": "cosine"})
DESCRIPTION = MappingProxyType(
    {"type": "vector", "path": "description_embedding", "numDimensions": 1536, "similarity": "cosine"}
)


def atlas(*fields: Mapping[str, Any], **other: Any) -> list[dict[str, Any]]:
    """Return an index as `$listSearchIndexes` shows it."""
    definition = {"fields": [dict(field) for field in fields]}
    return [
        {"name": "vector_index", "type": "vectorSearch", "status": "READY", "latestDefinition": definition, **other}
    ]


@pytest.mark.parametrize(
    ("listed", "whys"),
    [
        (atlas(IMAGE, DESCRIPTION), []),
        (atlas(DESCRIPTION, {"type": "filter", "path": "deleted"}, IMAGE), []),
        ([], ["the vector search index does not exist"]),
        (atlas(IMAGE), ["description_embedding is not in the index"]),
        (
            atlas({**DESCRIPTION, "similarity": "euclidean"}),
            [
                "image_embedding is not in the index",
                'description_embedding has similarity "euclidean"; expected "cosine"',
            ],
        ),
        (atlas({**IMAGE, "numDimensions": 768}, DESCRIPTION), ["image_embedding has numDimensions 768; expected 512"]),
        (
            atlas({**IMAGE, "similarity": "euclidean"}, {**DESCRIPTION, "numDimensions": 512}),
            [
                'image_embedding has similarity "euclidean"; expected "cosine"',
                "description_embedding has numDimensions 512; expected 1536",
            ],
        ),
        (
            atlas(IMAGE, DESCRIPTION, {**IMAGE, "path": "sound"}),
            ["sound is in the index but not in the model"],
        ),
        (atlas(IMAGE, DESCRIPTION, type="search"), ["the index has type search; expected vectorSearch"]),
        (atlas(IMAGE, DESCRIPTION, status="FAILED"), ["its build failed; see Atlas for the reason"]),
    ],
)
def test_existing_vector_index_is_compared(
    listed: list[dict[str, Any]], whys: list[str], database: Documents, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MongoCollection, "list_search_indexes", lambda _self, _name: iter(listed))
    outcome = run_all(context_of(model, database))[VECTOR_RULE]
    assert [sample.why for sample in outcome.samples] == whys
    assert (outcome.examined, outcome.violations) == (2, len(whys))
    assert "note" not in outcome.evidence


def test_missing_vector_search_is_noted(database: Documents, model: Model) -> None:
    outcome = run_all(context_of(model, database))[VECTOR_RULE]
    assert (outcome.examined, outcome.violations) == (2, 0)
    assert "the server has no vector search, so only the declaration was compared" in outcome.evidence["note"]


@pytest.mark.parametrize(
    ("dimensions", "why"),
    [
        ({"image_embedding": 768}, "image_embedding has 512 to 512 numbers in the schema but 768 dimensions"),
        ({"image_url": 512}, "image_url is not an array of numbers in the schema"),
        ({"nowhere": 512}, "nowhere is not an array of numbers in the schema"),
    ],
)
def test_declaration_is_examined_without_vector_search(
    dimensions: dict[str, int], why: str, database: Documents, model: Model
) -> None:
    index = VectorIndex("vector_index", "cosine", dimensions)
    altered = replace(model["product_embeddings"], vector_index=index)
    model = replace(model, collections={**model.collections, "product_embeddings": altered})
    (sample,) = run_all(context_of(model, database))[VECTOR_RULE].samples
    assert why in sample.why


def test_other_error_of_the_server_is_raised(
    database: Documents, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OperationFailure("not allowed", 13)

    monkeypatch.setattr(MongoCollection, "list_search_indexes", refuse)
    with pytest.raises(OperationFailure, match="not allowed"):
        run_all(context_of(model, database))


# --- the server -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "embedded", "fails"),
    [
        ((6, 0, 0), False, {"connector_version"}),
        ((7, 0, 12), False, {"connector_version"}),
        ((7, 0, 13), False, set()),
        ((7, 0, 30), False, set()),
        ((7, 1, 0), False, {"connector_version"}),
        ((7, 3, 4), False, {"connector_version"}),
        ((8, 0, 0), False, set()),
        ((8, 2, 1), False, set()),
        ((5, 0, 31), False, {"server_version", "connector_version"}),
        ((5, 0, 31), True, {"server_version"}),
        ((6, 0, 0), True, set()),
    ],
)
def test_unsupported_server_version_is_reported(
    version: tuple[int, ...], embedded: bool, fails: set[str], database: Documents, scratch: Documents, model: Model
) -> None:
    context = context_of(model, database, scratch, embedded=embedded)
    context.__dict__["server_version"] = version  # the place of the cached property's value
    outcomes = run_all(context)
    assert failed(outcomes) == {f"streams._database.{subject}" for subject in fails}
    for name in fails:
        why = outcomes[f"streams._database.{name}"].samples[0].why
        assert why.startswith(f"the server is MongoDB {'.'.join(map(str, version))}; expected ")
    old = version < (6, 0, 0)
    assert ("streams.orders.images" in skips(outcomes)) == old
    assert ("streams.orders.round_trip" in skips(outcomes)) == old
    assert ("streams._database.connector_version" in skips(outcomes)) == embedded


def test_rules_on_connector_recommendations_are_warnings(model: Model) -> None:
    severities = {rule.id: rule.severity for rule in all_rules(model)}
    assert {name for name, severity in severities.items() if severity == "warning"} == {
        "streams._database.connector_version",
        "streams._database.image_retention",
        "streams._database.oplog_window",
        *(f"validators.{collection.name}.devices" for collection in model if collection.synced),
    }


def test_unreadable_settings_are_skipped_and_a_young_oplog_is_accepted(tmp_path: Path, model: Model) -> None:
    with EmbeddedServer(tmp_path, cache_gb=0.25, auth=True, linger=0.2) as server, MongoClient(server.uri) as client:
        client["shop"]["stores"].insert_one({"_id": 1})
        client["shop"].command("createUser", "reader", pwd="x", roles=["read"])
        uri = server.uri.replace(server.uri.split("//")[1].split("@")[0], "reader:x").replace("/?", "/shop?")
        with MongoClient[dict[str, Any]](uri, authSource="shop") as reader:
            refused = skips(run_all(context_of(model, reader["shop"], embedded=False)))
        young = run_all(context_of(model, client["shop"], embedded=False))
    assert refused["streams._database.image_retention"] == (
        "the user may not read the cluster parameter changeStreamOptions; grant getClusterParameter"
    )
    assert refused["streams._database.oplog_window"] == (
        "the user may not read local.oplog.rs; grant find and collStats on it (role clusterMonitor)"
    )
    assert young["streams._database.image_retention"].evidence == {"expire_after_seconds": "off"}
    assert young["streams._database.oplog_window"].skipped == (
        "the oplog has filled 0 of 512 MB, so its final time span is not known yet"
    )


def test_standalone_server_skips_change_stream_rules(tmp_path: Path, model: Model) -> None:
    with (
        EmbeddedServer(tmp_path, cache_gb=0.25, replica_set=False) as server,
        MongoClient(server.uri) as alone,
    ):
        provision(alone.shop, model)
        outcomes = run_all(context_of(model, alone.shop, alone.scratch))
    assert failed(outcomes) == {"streams._database.replica_set"}
    assert (
        outcomes["streams._database.replica_set"].samples[0].why
        == "the server is a standalone; expected a replica set or a sharded cluster"
    )
    assert skips(outcomes)["streams.orders.round_trip"] == (
        "the server has no change streams; see streams._database.replica_set"
    )


# --- round trips ------------------------------------------------------------------------------------------------------

TRIPS = "streams.{}.round_trip"


def trips(model: Model) -> list[str]:
    return [TRIPS.format(collection.name) for collection in model if collection.synced]


def test_three_changes_arrive_and_no_document_is_left(database: Documents, scratch: Documents, model: Model) -> None:
    before = {c.name: list(database[c.name].find()) for c in model}
    outcomes = run_all(context_of(model, database, scratch))
    for name in trips(model):
        assert (outcomes[name].examined, outcomes[name].violations) == (3, 0)
        assert outcomes[name].evidence == {"arrived": ["insert", "update", "delete"]}
    assert scratch.list_collection_names() == []
    assert {c.name: list(database[c.name].find()) for c in model} == before


def test_nothing_is_written_without_a_scratch_database(database: Documents, model: Model) -> None:
    reasons = skips(run_all(context_of(model, database)))
    assert {reasons[name] for name in trips(model)} == {
        "the rule writes to a scratch database; pass --allow-writes to run it"
    }


def test_empty_collection_is_skipped_and_others_are_tested(
    database: Documents, scratch: Documents, model: Model
) -> None:
    database.orders.delete_many({})
    outcomes = run_all(context_of(model, database, scratch))
    assert outcomes[TRIPS.format("orders")].skipped == "the collection is empty"
    assert outcomes[TRIPS.format("stores")].examined == 3


@pytest.mark.parametrize(
    "document",
    [
        {"_id": 1, "deleted": False, "ratio": float("nan")},
        {"_id": 1, "note": "no flag"},
        {"_id": 1, "deleted": "yes"},
        {"_id": {"b": 1, "a": [None]}, "deleted": True, "$odd.name": Int64(1)},
    ],
    ids=["NaN", "no flag", "a flag that is no boolean", "odd names"],
)
@pytest.mark.parametrize("flag", ["deleted", None], ids=["soft delete", "no soft delete"])
def test_invalid_document_arrives(
    document: dict[str, Any], flag: str | None, database: Documents, scratch: Documents, model: Model
) -> None:
    database.orders.delete_many({})
    put(database, "orders", document)
    schema = {name: value for name, value in model["orders"].schema.items() if name != "x-soft-delete" or flag}
    orders = replace(model["orders"], schema=schema)
    outcome = round_trips(context_of(model, database, scratch), scratch, [orders])["orders"]
    assert (outcome.examined, outcome.violations) == (3, 0), outcome.samples


def test_missing_images_are_reported(
    database: Documents, scratch: Documents, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scratch collections are created without images, unnoticed by the rule."""
    create = scratch.create_collection
    monkeypatch.setattr(scratch, "create_collection", lambda name, **_: create(name))
    outcomes = run_all(context_of(model, database, scratch))
    assert failed(outcomes) == set(trips(model))
    outcome = outcomes[TRIPS.format("orders")]
    assert (outcome.examined, outcome.violations) == (3, 2)
    assert [(sample.ref, sample.why) for sample in outcome.samples] == [
        ("orders.update", "the pre-image is missing and the post-image is missing"),
        ("orders.delete", "the pre-image is missing"),
    ]


def test_unrelated_changes_are_ignored(
    database: Documents, scratch: Documents, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = scratch.watch

    def disturbed(*arguments: Any, **options: Any) -> Any:
        stream = watch(*arguments, **options)
        scratch["another"].insert_one({})
        scratch.drop_collection("orders")
        scratch.create_collection("orders", changeStreamPreAndPostImages={"enabled": True})
        return stream

    monkeypatch.setattr(scratch, "watch", disturbed)
    outcome = round_trips(context_of(model, database, scratch), scratch, [model["orders"]])["orders"]
    assert (outcome.examined, outcome.violations) == (3, 0)
    assert outcome.evidence == {"arrived": ["insert", "update", "delete"]}


def test_late_events_are_reported(database: Documents, scratch: Documents, model: Model) -> None:
    outcome = round_trips(context_of(model, database, scratch), scratch, [model["orders"]], deadline=0)["orders"]
    assert (outcome.examined, outcome.violations) == (3, 3)
    assert {sample.why for sample in outcome.samples} == {"the event did not arrive in time"}
    assert scratch.list_collection_names() == []


OLD, NEW = {"_id": 1, "a": 1, "b": 2}, {"_id": 1, "a": 1, "b": 3}
ASKED = (Event("insert", None, OLD), Event("update", OLD, NEW), Event("delete", NEW, None))


@pytest.mark.parametrize(
    ("arrived", "expected"),
    [
        (ASKED, []),
        (ASKED[:2], [("delete", "the event did not arrive in time")]),
        (
            (ASKED[0], ASKED[2], ASKED[1]),
            [
                ("update", "found the event delete; expected update"),
                ("delete", "found the event update; expected delete"),
            ],
        ),
        (
            (ASKED[0], Event("replace", OLD, NEW), ASKED[2]),
            [("update", "found the event replace; expected update")],
        ),
        (
            (ASKED[0], Event("update", NEW, NEW), ASKED[2]),
            [("update", "the pre-image differs from the document")],
        ),
        (
            (ASKED[0], ASKED[1], Event("delete", {"_id": 1, "b": 3, "a": 1}, None)),
            [("delete", "the pre-image differs from the document")],
        ),
        (
            (Event("insert", None, {**OLD, "a": 1.0}), ASKED[1], ASKED[2]),
            [("insert", "the post-image differs from the document")],
        ),
    ],
    ids=["right", "lost", "swapped", "another operation", "wrong pre-image", "fields in another order", "another type"],
)
def test_events_are_compared_exactly(arrived: tuple[Event, ...], expected: list[tuple[str, str]]) -> None:
    assert list(problems(ASKED, arrived)) == expected


@pytest.mark.parametrize(
    ("options", "level", "action"),
    [
        ({}, None, None),
        ({"validationAction": "errorAndLog"}, None, None),
        ({"validationLevel": "off"}, "validationLevel is off, so the server validates nothing; expected strict", None),
        (
            {"validationAction": "warn"},
            None,
            "validationAction is warn, so invalid documents are logged and accepted; expected error",
        ),
        (
            {"validationLevel": "lax"},
            "validationLevel is lax, which this version does not know; expected strict",
            None,
        ),
    ],
)
def test_validation_level_and_action_are_explained(
    model: Model, options: dict[str, str], level: str | None, action: str | None
) -> None:
    live = LiveCollection("orders", "collection", options)
    collection = model["orders"]
    assert (validators._level(collection, live), validators._action(collection, live)) == (level, action)

"""Objects as _id: a small model that is generated, provisioned, validated and synced, and rejected schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import WriteError

from conformance.checks.base import Context
from conformance.config.loading import load_configuration
from conformance.config.settings import Settings
from conformance.ditto.connector import load_connector
from conformance.ditto.permissions import User, in_ditto_id, load_permissions
from conformance.errors import ConfigurationError
from conformance.model.collection import Collection, IdMapping, Model
from conformance.model.schemas.loading import load_model
from conformance.model.validators.document_validator import breaches
from conformance.model.validators.server_validator import validator
from conformance.results import Result
from conformance.rules.catalogue import all_rules
from conformance.run.runner import Run
from conformance.server.provision import apply, plan
from edge.bridge.synced_collection import Synced, synced_collections
from edge.ditto_permissions import compiled
from edge.document_keys import key_of
from generator.columns.plan import Plan
from generator.fuzzing.strategies import documents, invalid_documents
from generator.loader import load
from tests.edge.bridge.pair import Document, Pair, edge, paired
from tests.models import collection_of, model_of, write_model
from tests.profiles import examples

__all__ = ["edge"]

SHOP: Final = {"type": "string", "pattern": "^shop_[0-9]{2}$", "x-immutable": True}
SKU: Final = {"type": "string", "minLength": 1, "maxLength": 20, "x-immutable": True}
DELETED: Final = {"type": "boolean", "x-sample": {"constant": False}}


def synced_schema(properties: Mapping[str, Any], mapping: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A schema of a synced collection with soft deletion."""
    schema = collection_of({**properties, "deleted": DELETED}, cardinality=more.pop("cardinality", {"exactly": 6}))
    return {**schema, "x-sync": {"enabled": True, "id_mapping": mapping}, "x-soft-delete": "deleted", **more}


def object_id(**parts: Any) -> dict[str, Any]:
    """The schema of an _id that is a map of scalars."""
    return {
        "type": "object", "x-crdt": "register", "additionalProperties": False, "required": list(parts),
        "properties": parts,
    }  # fmt: skip


UNIQUE_NUMBER: Final = {"keys": {"number": 1}, "unique": True}
#: Shops; their stock, whose _id is an object on both sides; sales, whose _id in MongoDB is made of two mapped fields;
#: and checks, whose _id is all that they have.
SCHEMAS: Final[Mapping[str, Any]] = {
    "shops": synced_schema(
        {"_id": SHOP, "shop_id": SHOP | {"x-unique": True, "x-sample": {"sequence": "shop_{:02d}"}}},
        {"mode": "match_ids"},
        **{"x-id": {"equals": "shop_id"}},
    ),
    "stock": synced_schema(
        {
            "_id": object_id(shop_id=SHOP, sku=SKU),
            "shop_id": SHOP | {"x-reference": "shops._id"},
            "sku": SKU | {"x-sample": {"sequence": "sku {}"}},
            "level": {"type": "integer", "minimum": 0, "maximum": 50},
        },
        {"mode": "match_ids"},
        cardinality={"exactly": 60},
        **{"x-id": {"parts": ["shop_id", "sku"]}, "x-indexes": [{"keys": {"shop_id": 1}}]},
    ),
    "sales": synced_schema(
        {
            "_id": object_id(shop_id=SHOP, number={"type": "integer", "minimum": 1}),
            "shop_id": SHOP | {"x-reference": "shops._id"},
            "number": {"type": "integer", "minimum": 1, "x-unique": True, "x-immutable": True},
        },
        {"mode": "multiple_fields", "fields": ["shop_id", "number"]},
        cardinality={"exactly": 40},
        **{"x-id": {"parts": ["shop_id", "number"]}, "x-indexes": [{"keys": {"shop_id": 1}}, UNIQUE_NUMBER]},
    ),
    "checks": synced_schema(
        {"_id": object_id(day={"type": "string", "maxLength": 9, "x-sample": {"sequence": "day {}"}}, n=dict(DELETED))},
        {"mode": "match_ids"},
        cardinality={"exactly": 30},
    ),
}
CONNECTOR: Final = """
connector_version: 1.0
mongodb: {connection_string: "${MONGODB_CONNECTION_STRING}", database: "${MONGODB_DATABASE}"}
ditto: {app_id: "${DITTO_APP_ID}", api_key: "${DITTO_API_KEY}", endpoint: https://cloud.ditto.live}
collections:
  - {name: shops, id_mapping: {mode: match_ids}, sync_enabled: true}
  - {name: stock, id_mapping: {mode: match_ids}, sync_enabled: true}
  - {name: sales, id_mapping: {mode: multiple_fields, fields: [shop_id, number]}, sync_enabled: true}
  - {name: checks, id_mapping: {mode: match_ids}, sync_enabled: true}
settings:
  initial_sync: true
  strict_mode: false
  rate_limit_per_second: 0
  batch_size: 7
  retry_strategy: {max_retries: 3, backoff_multiplier: 2, jitter: 0.25}
"""
PERMISSIONS: Final = {
    "users": {"collection": "shops", "id": "shop_id", "attributes": ["shop_id"]},
    "rules": [
        {"collection": "stock", "operations": ["read", "write"], "condition": "shop_id = $user.shop_id"},
        {"collection": "sales", "operations": ["read", "write"], "condition": "_id.shop_id = $user.shop_id"},
        {"collection": "checks", "operations": ["read"], "condition": "_id.day = 'day 1'"},
    ],
    "super_manager": {"shop_id": "everything", "permissions": "all"},
}
SETTINGS: Final = Settings.model_validate({})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    root = write_model(tmp_path_factory.mktemp("object_ids"), SCHEMAS)
    (root / "config/ditto_connector_config.yaml").write_text(CONNECTOR, encoding="utf-8")
    (root / "config/ditto_permissions.json").write_text(json.dumps(PERMISSIONS), encoding="utf-8")
    return load_model(root)


@pytest.fixture
def shop(server: MongoClient[Document], edge: Path, tmp_path: Path, model: Model) -> Iterator[tuple[Pair, Context]]:
    """Both sides, MongoDB's generated and provisioned."""
    configuration = load_configuration(model, SETTINGS.constants())
    with paired(server, tmp_path, synced_collections(model, load_connector(model))) as pair:
        apply(plan(model, pair.database), pair.database)
        load(Plan(model, configuration, SETTINGS).documents(), pair.database, 500)
        yield pair, Context(model, configuration, SETTINGS, pair.database, embedded=True, scratch=None)


def results(context: Context) -> dict[str, Result]:
    with Run(all_rules(context.model, context.configuration), context) as running:
        return {result.id: result for result in running.results()}


def findings(context: Context, families: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the samples of the failed rules."""
    found = results(context)
    return {
        name: [sample.why for sample in one.samples]
        for name, one in found.items()
        if one.violations and name.startswith(families)
    }


DATA: Final = ("counts", "documents", "references", "uniqueness", "crdt", "indexes", "validators", "sync.s", "sync.c")


@pytest.mark.ditto
def test_object_ids_are_generated_provisioned_validated_and_synced(shop: tuple[Pair, Context]) -> None:
    pair, context = shop
    assert findings(context, DATA) == {}
    found = results(context)
    passed = {name for name, one in found.items() if one.status == "passed"}
    assert passed >= {
        "uniqueness.stock._id+shop_id",
        "uniqueness.stock._id+sku",
        "sync.stock.id_fields",
        "sync.checks.id_fields",
        "crdt.stock.id-size",
        "crdt.checks.id-size",
        "crdt.stock.id-fields",
    }
    pair.meet()
    assert pair.unsynced == {}
    for name, size in {"stock": 60, "sales": 40, "checks": 30}.items():
        assert pair.store.count(name) == size
    stock = pair.database["stock"].find_one({}, sort=[("_id", 1)]) or {}
    assert (pair.in_store("stock", stock["_id"]) or {})["level"] == stock["level"]
    # Both sides change, create and delete.
    identity = stock["_id"]
    pair.device("UPDATE stock SET level = 7 WHERE _id = :id", id=identity)
    pair.device("UPDATE stock SET deleted = true WHERE _id.sku = 'sku 9'")
    pair.device("DELETE FROM checks WHERE _id.day = 'day 3'")
    for name, part, value in (("stock", "sku", "new"), ("sales", "number", 2**40)):
        made = {part: value, "shop_id": "shop_01"}  # Ditto gives the names of an object in their order anyway
        more = {"level": 3} if name == "stock" else {}
        pair.store.insert(name, [{"_id": made, **made, "deleted": False, **more}])
    pair.store.insert("checks", [{"_id": {"n": True, "day": "dev"}, "deleted": False}])
    pair.database["checks"].insert_one({"_id": {"day": "mongo", "n": False}, "deleted": False})
    pair.meet()
    pair.meet()
    assert pair.unsynced == {}
    assert (pair.in_mongo("stock", _id=identity) or {})["level"] == 7
    assert (pair.in_mongo("stock", **{"_id.sku": "sku 9"}) or {})["deleted"] is True
    assert pair.in_mongo("stock", _id={"shop_id": "shop_01", "sku": "new"}) is not None
    assert pair.in_mongo("sales", _id={"shop_id": "shop_01", "number": 2**40}) is not None
    assert pair.in_mongo("checks", _id={"day": "dev", "n": True}) == {"deleted": False}
    assert pair.in_store("checks", {"day": "mongo", "n": False}) == {"deleted": False}
    assert pair.in_mongo("checks", **{"_id.day": "day 3"}) is None
    assert findings(context, DATA[1:]) == {}


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("stock", {"_id": {"shop_id": "shop_01", "sku": "a"}, "shop_id": "shop_01", "sku": "a", "level": 3}),
        ("sales", {"_id": {"shop_id": "shop_01", "number": 7}, "shop_id": "shop_01", "number": 7}),
        ("checks", {"_id": {"day": "day 1", "n": True}, "deleted": False}),
    ],
)
def test_object_as_id_is_restored_in_both_modes(name: str, document: Document, model: Model) -> None:
    """Ditto returns the names in another order; in mode ejson a number in an _id is a nested object."""
    collection = model[name]
    for mode in ("native", "ejson"):
        both = Synced(collection, mapping_of(collection), mode=mode)
        there = both.to_ditto(document)
        assert set(there["_id"]) == set(document["_id"])
        turned = {**there, "_id": dict(reversed(there["_id"].items()))}
        back = both.to_mongo(turned)
        assert back == document
        assert list(back["_id"]) == list(document["_id"])


@pytest.mark.ditto
def test_id_with_names_in_another_order_is_reported_and_does_not_sync(shop: tuple[Pair, Context]) -> None:
    pair, context = shop
    stock = pair.database["stock"].find_one({}) or {}
    turned = {"sku": stock["sku"], "shop_id": stock["shop_id"]}
    pair.database["stock"].insert_one({**stock, "_id": turned})
    pair.database["checks"].insert_one({"_id": {"n": True, "day": "turned"}, "deleted": False})
    found = findings(context, ("sync.s", "sync.c"))
    assert found.keys() == {"sync.stock.id_fields", "sync.checks.id_fields"}
    assert found["sync.checks.id_fields"][0].endswith(
        "match_ids requires an object of day, n in this order, each a string, an integer, a boolean or an ObjectId"
    )
    pair.meet()
    assert [unsynced.reason.split(",")[0] for unsynced in pair.unsynced.values()] == ["another document"]


@pytest.mark.ditto
def test_part_of_an_id_that_differs_from_its_field_is_reported(shop: tuple[Pair, Context]) -> None:
    pair, context = shop
    pair.database["stock"].update_one({"_id.sku": "sku 1"}, {"$set": {"sku": "sku 1a"}})
    assert findings(context, ("uniqueness",)) == {
        "uniqueness.stock._id+sku": ['_id.sku is "sku 1", sku is "sku 1a"'],
    }


@pytest.mark.server
def test_id_beyond_256_bytes_is_reported(database: Database[Document], tmp_path: Path) -> None:
    part = {"type": "string", "maxLength": 300}
    long = model_of(tmp_path, {"things": synced_schema({"_id": object_id(a=part, b=part)}, {"mode": "match_ids"})})
    context = Context(long, load_configuration(long, {}), SETTINGS, database, embedded=True, scratch=None)
    for length in (120, 125):
        database["things"].insert_one({"_id": {"a": "x" * length, "b": "y" * length}, "deleted": False})
    assert findings(context, ("crdt.things.id-size",)) == {"crdt.things.id-size": ["the id is 260 bytes long"]}


@pytest.mark.slow
@pytest.mark.parametrize("name", SCHEMAS)
def test_both_oracles_agree(name: str, model: Model, database: Database[Document]) -> None:
    collection = model[name]
    place = database.create_collection(name, validator=validator(collection))

    @examples(40)
    @given(documents(collection))
    def valid(document: Document) -> None:
        assert breaches(collection, document) == []
        assert all(document["_id"][part] == document[part] for part in collection.id_parts)
        place.replace_one({"_id": document["_id"]}, document, upsert=True)

    @examples(60)
    @given(invalid_documents(collection))
    def invalid(case: tuple[Document, Any]) -> None:
        document, breach = case
        assert {(one.path, one.keyword) for one in breaches(collection, document)} == {(breach.path, breach.keyword)}
        if "_id" in document and not isinstance(document["_id"], list):
            with pytest.raises(WriteError):
                place.insert_one(document)

    valid()
    invalid()


def test_permissions_test_the_parts(model: Model) -> None:
    permissions = load_permissions(model)
    stock = model["stock"]
    assert in_ditto_id(stock, mapping_of(stock)) == {
        "_id": "_id",
        "_id.shop_id": "_id.shop_id",
        "_id.sku": "_id.sku",
        "shop_id": "_id.shop_id",
        "sku": "_id.sku",
    }
    mappings = {name: mapping_of(model[name]) for name in ("stock", "sales", "checks")}
    found = compiled(permissions, model, mappings, User("shop_01", {"shop_id": "shop_01"}))
    queries = found.document["read"]["queriesByCollection"]
    assert queries["stock"] == queries["sales"] == ["_id.shop_id == 'shop_01'"]
    assert queries["checks"] == ["_id.day == 'day 1'"]
    assert not any("open beyond" in each for each in found.findings)


def mapping_of(collection: Collection) -> IdMapping:
    assert collection.id_mapping is not None
    return collection.id_mapping


@pytest.mark.parametrize(
    ("identity", "message"),
    [
        (object_id(a={"type": "number"}), "at /properties/_id/properties/a: a number cannot be part of an _id"),
        (object_id(), "at /properties/_id/properties: an _id without parts tells no documents apart"),
        (object_id(a=SKU) | {"required": []}, "at /properties/_id/properties/a: a is optional"),
        (object_id(a=SKU) | {"x-crdt": "map"}, "at /properties/_id/x-crdt: an _id never changes"),
        (object_id(a=object_id(b=SKU)), "at /properties/_id/properties/a: a map cannot be part of an _id"),
    ],
)
def test_invalid_id_schema_is_rejected(identity: Mapping[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=message):
        model_of(tmp_path, {"things": collection_of({"_id": identity})})


@pytest.mark.parametrize(
    ("x_id", "properties", "message"),
    [
        ({"parts": ["b"]}, {}, "at /x-id/parts: 'b' is not both a part of _id and a field"),
        ({"parts": ["a"]}, {"a": {"type": "string"}}, "at /x-id/parts: _id.a and a do not take the same values"),
        ({"parts": ["a"]}, {"a": SKU, "_id": SKU}, "at /x-id/parts: _id is not an object"),
    ],
)
def test_id_parts_without_an_equal_field_are_rejected(
    x_id: Mapping[str, Any], properties: Mapping[str, Any], message: str, tmp_path: Path
) -> None:
    schema = collection_of({"_id": object_id(a=SKU), **properties}) | {"x-id": x_id}
    with pytest.raises(ConfigurationError, match=message):
        model_of(tmp_path, {"things": schema})


def test_reference_to_an_object_id_is_rejected(tmp_path: Path) -> None:
    things = collection_of({"_id": object_id(a=SKU)})
    others = collection_of({"thing": {**object_id(a=SKU), "x-reference": "things._id"}})
    with pytest.raises(ConfigurationError, match=r"things\._id is an object; refer to a unique field"):
        model_of(tmp_path, {"things": things, "others": others})


def test_keys_of_objects_do_not_depend_on_the_order_of_names() -> None:
    assert key_of({"a": 1, "b": "x"}) == key_of({"b": "x", "a": 1})

"""Objects and ObjectIds as _id: generated, provisioned, validated and synced."""

from __future__ import annotations

import json
from collections.abc import Iterator
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
from generator.columns.plan import Plan
from generator.fuzzing.strategies import documents, invalid_documents
from generator.loader import load
from tests.edge.bridge.pair import Document, Pair, edge, paired
from tests.edge.id_schemas import CONNECTOR, PERMISSIONS, SCHEMAS, object_id, synced_schema
from tests.models import model_of, write_model
from tests.profiles import examples

__all__ = ["edge"]


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

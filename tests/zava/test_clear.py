"""zava clear and drop-indexes: after a confirmation, they remove what belongs to the model and nothing else."""

from __future__ import annotations

import json
from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient

from conformance.server.metadata import live_indexes
from conformance.server.provision import apply, plan
from tests.commands import Done, Workplace, state
from tests.models import shipped_model
from zava.data import clear as clearing

pytest_plugins = ["tests.commands"]

Mongo = MongoClient[dict[str, Any]]
MODEL = shipped_model()
FIRST = next(iter(MODEL)).name
INDEXES = sum(len(collection.indexes) for collection in MODEL)


@pytest.fixture
def shop(mongo: Mongo, name: str) -> str:
    """A provisioned database with some documents of two collections and of one that is not the model's."""
    database = mongo[name]
    apply(plan(MODEL, database), database)
    for collection, number in ((FIRST, 3), ("orders", 12)):
        documents = [{"_id": f"{collection}_{position}", "order_id": position} for position in range(number)]
        if collection == FIRST:
            documents = [{"_id": f"c{position}", "category_id": position} for position in range(number)]
        database[collection].insert_many(documents, bypass_document_validation=True)
    database["notes"].insert_one({"_id": 1})
    return name


def run(workplace: Workplace, uri: str, name: str, *arguments: str, stdin: str = "") -> Done:
    return workplace.zava(*arguments, "--uri", uri, env={"MONGODB_DATABASE": name}, stdin=stdin)


def indexes(mongo: Mongo, name: str) -> dict[str, list[str]]:
    return {c.name: [index.name for index in live_indexes(mongo[name], c.name)] for c in MODEL}


# clear


def test_clear_removes_documents_of_the_model_only(
    workplace: Workplace, mongo: Mongo, uri: str, shop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clearing, "_AT_ONCE", 5)
    done = run(workplace, uri, shop, "clear", "--yes", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out) == {"database": shop, "counts": {"orders": 12, FIRST: 3}}
    assert list(json.loads(done.out)["counts"]) == ["orders", FIRST]  # children first
    left = {collection: size for collection, size in state(mongo)[shop].items() if size}
    assert left == {"notes": 1}
    assert plan(MODEL, mongo[shop]) == []


@pytest.mark.parametrize(("typed", "code"), [("", 2), ("wrong\n", 2), ("{name}\n", 0)])
def test_clear_lists_the_effect_and_asks_for_the_database_name(
    workplace: Workplace, mongo: Mongo, uri: str, shop: str, typed: str, code: int
) -> None:
    before = state(mongo)[shop]
    done = run(workplace, uri, shop, "clear", stdin=typed.format(name=shop))
    assert done.code == code
    assert f"3 of {FIRST}, 12 of orders" in done.err
    assert "these 15 documents" in done.err
    assert (state(mongo)[shop] == before) is (code == 2)


def test_clear_of_an_empty_database_does_not_ask(workplace: Workplace, uri: str, name: str) -> None:
    done = run(workplace, uri, name, "clear")
    assert (done.code, done.err) == (0, "")
    assert done.out.split() == ["documents", "0"]


def test_clear_removes_documents_with_undecodable_ids(workplace: Workplace, mongo: Mongo, uri: str, name: str) -> None:
    broken = bytearray(bson.encode({"_id": "????"}))
    broken[-4:-2] = b"\xff\xfe"
    mongo[name][FIRST].insert_one(RawBSONDocument(bytes(broken)))
    mongo[name][FIRST].insert_one({"_id": {"a": 1.5}})
    done = run(workplace, uri, name, "clear", "--yes", "--json")
    assert json.loads(done.out)["counts"] == {FIRST: 2}
    assert mongo[name][FIRST].estimated_document_count() == 0


@pytest.mark.parametrize("command", [["clear"], ["drop-indexes"]], ids=" ".join)
def test_clear_does_not_change_a_foreign_database(
    workplace: Workplace, mongo: Mongo, uri: str, name: str, command: list[str]
) -> None:
    mongo[name]["notes"].create_index("text")
    mongo[name]["notes"].insert_one({"text": "mine"})
    done = run(workplace, uri, name, *command, "--yes")
    assert done.code == 2
    assert "somebody else's" in done.line
    assert mongo[name]["notes"].count_documents({}) == 1
    assert len(mongo[name]["notes"].index_information()) == 2


def test_generate_loads_the_dataset_again_after_clear(workplace: Workplace, generated: Done, mongo: Mongo) -> None:
    assert generated.code == 0
    counts = json.loads(generated.out)["counts"]
    assert workplace.zava("clear", "--embedded").code == 0  # the harness's own: it does not ask
    assert set(state(mongo)["zava"].values()) == {0}
    done = workplace.zava("validate", "--embedded", "--only", "counts")
    assert (done.code, done.err) == (0, "generating the dataset\n")
    assert {n: size for n, size in state(mongo)["zava"].items() if n in counts} == counts


# drop-indexes


def test_drop_indexes_keeps_only_id_and_provision_rebuilds_indexes(
    workplace: Workplace, mongo: Mongo, uri: str, shop: str
) -> None:
    mongo[shop]["notes"].create_index("text")
    mongo[shop][FIRST].create_index("surplus")
    before = indexes(mongo, shop)
    done = run(workplace, uri, shop, "drop-indexes", "--yes", "--json")
    assert done.code == 0, done.err
    dropped = json.loads(done.out)["indexes"]
    assert dropped == {name: [i for i in held if i != "_id_"] for name, held in before.items()}
    assert sum(map(len, dropped.values())) == INDEXES + 1
    assert indexes(mongo, shop) == {name: ["_id_"] for name in before}
    assert len(mongo[shop]["notes"].index_information()) == 2
    assert mongo[shop][FIRST].count_documents({}) == 3
    mongo[shop].drop_collection("orders")
    mongo[shop].drop_collection(FIRST)  # their documents would violate unique indexes
    assert run(workplace, uri, shop, "provision").code == 0
    assert plan(MODEL, mongo[shop]) == []
    assert run(workplace, uri, shop, "drop-indexes", "--yes").out.splitlines()[0].startswith(f"{FIRST}: ")


@pytest.mark.parametrize(("typed", "code"), [("", 2), ("wrong\n", 2), ("{name}\n", 0)])
def test_drop_indexes_lists_the_effect_and_asks_for_the_database_name(
    workplace: Workplace, mongo: Mongo, uri: str, shop: str, typed: str, code: int
) -> None:
    done = run(workplace, uri, shop, "drop-indexes", stdin=typed.format(name=shop))
    assert done.code == code
    assert f"these {INDEXES} indexes" in done.err
    assert "order_id_1_product_id_1" in done.err
    assert (indexes(mongo, shop)[FIRST] == ["_id_"]) is (code == 0)

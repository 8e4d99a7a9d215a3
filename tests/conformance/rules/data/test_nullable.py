"""Faults below objects, arrays and maps that may also be null are found; null itself is not one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from conformance.checks.base import Document
from conformance.model.collection import Model
from conformance.results import Result
from conformance.rules.catalogue import all_rules
from conformance.rules.ditto.crdt import shapes
from conformance.run.runner import Run
from conformance.server import provision
from generator.columns.plan import Plan
from generator.loader import load
from tests.models import model_of
from tests.nullable import SCHEMAS
from tests.validation import configuration_for, context_for, run_rules

pytestmark = pytest.mark.server

FAMILIES = ("counts", "documents", "references", "uniqueness", "snapshots", "validators", "crdt")


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return model_of(tmp_path, SCHEMAS)


def results(model: Model, database: Database[Document]) -> dict[str, Result]:
    rules = [rule for rule in all_rules(model, configuration_for(model)) if rule.family in FAMILIES]
    with Run(rules, context_for(model, database)) as run:
        return {one.id: one for one in run.results()}


def broken(model: Model, database: Database[Document]) -> dict[str, tuple[int, str]]:
    """Return, by rule, the number of violations and the first sample."""
    return {
        name: (one.violations, one.samples[0].why if one.samples else one.reason)
        for name, one in results(model, database).items()
        if one.status not in ("passed", "skipped")
    }


def filled(model: Model, database: Database[Document]) -> list[Any]:
    """Write a dataset, and return the _ids of some things that have every object and array."""
    context = context_for(model, database)
    provision.apply(provision.plan(model, database), database)
    load(Plan(model, configuration_for(model), context.settings).documents(), database, 100)
    return [one["_id"] for one in database["things"].find().sort("_id", 1)][:5]


def test_generated_documents_have_no_finding(model: Model, database: Database[Document]) -> None:
    filled(model, database)
    found = results(model, database)
    assert {name: one.samples for name, one in found.items() if one.status not in ("passed", "skipped")} == {}
    for name in ("place-city", "lines-city", "book-city"):
        assert 30 < found[f"references.things.{name}"].examined < 100
    assert 20 < found["uniqueness.things.place-key"].examined < 80


PLACE: Document = {"city": "AA000", "fee": 1.5}
Change = Callable[[Database[Document], list[Any]], object]


def to(**values: Any) -> Change:
    """Set fields of one document."""
    return lambda database, ids: database["things"].update_one({"_id": ids[0]}, {"$set": values})


def gone(database: Database[Document], ids: list[Any]) -> object:
    return database["things"].update_many({"_id": {"$in": ids[:2]}}, {"$unset": {"place": "", "lines": ""}})


def twice(database: Database[Document], ids: list[Any]) -> object:
    return database["things"].update_many({"_id": {"$in": ids[:2]}}, {"$set": {"place": {**PLACE, "key": "same"}}})


#: A change of some documents, and what the rules then say. The city AA000 exists.
CASES: dict[str, tuple[Change, dict[str, tuple[int, str]]]] = {
    "null": (to(place=None, lines=None, book=None), {}),
    "null below": (to(place={**PLACE, "geo": None}, lines=[None], book={"a": None}), {}),
    "neither": (to(place="x"), {"documents.things.place": (1, 'place "x" is not of type object or null')}),
    "an array for an object": (to(place={**PLACE, "geo": []}), {
        "documents.things.place": (1, "place.geo [] is not of type null or object")}),
    "an object for an array": (to(lines={}), {"documents.things.lines": (1, "lines {} is not of type array or null")}),
    "absent": (gone, {"documents.things.place": (2, "place is missing")}),
    "wrong type": (to(place={**PLACE, "fee": "1"}), {
        "documents.things.place": (1, 'place.fee "1" is not of type int, long or double')}),
    "unknown field": (to(place={**PLACE, "x": 1}), {
        "documents.things.place": (1, "place.x is not defined in the schema (extra: x)")}),
    "missing child": (to(place={"city": "AA000"}), {"documents.things.place": (1, "place.fee is missing")}),
    "part of a cent": (to(place={**PLACE, "fee": 0.001}), {
        "documents.things.place": (1, "place.fee 0.001 is not a number of whole cents")}),
    "part of a cent in an array": (to(lines=[None, {"city": "AA000", "price": 0.001}]), {
        "documents.things.lines": (1, "lines[1].price 0.001 is not a number of whole cents")}),
    "part of a cent in a map": (to(book={"a": None, "b": {"sum": 0.001}}), {
        "documents.things.book": (1, "book.b.sum 0.001 is not a number of whole cents")}),
    "wrong below twice": (to(place={**PLACE, "geo": {"lat": 91, "note": 1}}), {
        "documents.things.place": (1, "place.geo.lat 91 is above 90; place.geo.note 1 is not of type string")}),
    "orphan": (to(place={**PLACE, "city": "ZZ999"}), {
        "references.things.place-city": (1, 'place.city is "ZZ999"; no document of cities has this key')}),
    "orphan in an array": (to(lines=[None, {"city": "ZZ999"}]), {
        "references.things.lines-city": (1, 'lines[1].city is "ZZ999"; no document of cities has this key')}),
    "orphan in a map": (to(book={"a": None, "b": {"sum": 1, "city": "ZZ999"}}), {
        "references.things.book-city": (1, 'book.b.city is "ZZ999"; no document of cities has this key')}),
    "duplicate": (twice, {
        "uniqueness.things.place-key": (2, 'another document has the same place.key "same"')}),
    "invisible": (to(place={**PLACE, "key": "zz.z\u200b"}), {
        "documents.things.place-characters": (1, 'place.key is "zz.z\\u200b", which has a zero width space (U+200B)')}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_fault_below_is_found_with_its_path(case: str, model: Model, database: Database[Document]) -> None:
    ids = filled(model, database)
    database["cities"].update_one({}, {"$set": {"code": "AA000"}})
    old = database["cities"].distinct("code")
    database["things"].update_many({"place.city": {"$nin": old}}, {"$set": {"place": None}})
    database["things"].update_many({}, {"$set": {"lines": None, "book": {"z": None}}})
    database.command("collMod", "things", validationLevel="off")
    change, expected = CASES[case]
    change(database, ids)
    found = broken(model, database)
    found.pop("validators.things.level")
    if "invisible" in case:
        assert found.keys() == expected.keys()
    else:
        assert found == expected


def test_null_is_a_finding_in_a_synced_collection(tmp_path: Path, database: Database[Document]) -> None:
    """As it is for x-bson with null: of the rule on nulls, not of the one on maps."""
    schema = SCHEMAS["things"] | {
        "x-soft-delete": "gone",
        "x-sync": {"enabled": True, "id_mapping": {"mode": "match_ids"}},
    }
    schema["required"] = [*schema["required"], "gone"]
    schema["properties"] = {**schema["properties"], "gone": {"type": "boolean"}}
    model = model_of(tmp_path, {**SCHEMAS, "things": schema})
    rules = [one for one in shapes.rules(model, configuration_for(model)) if one.id.startswith("crdt.things.")]
    book = {"book": {"a": {"sum": 1}}, "gone": False}
    database["things"].insert_many([
        {"_id": 1, "place": PLACE, **book}, {"_id": 2, "place": None, **book},
        {"_id": 3, "place": {**PLACE, "geo": None}, **book}, {"_id": 4, "place": PLACE, **book, "book": {"a": None}},
        {"_id": 5, "place": PLACE, "lines": [None], **book}, {"_id": 6, "place": "x", **book},
        {"_id": 7, "place": {"fee": 1}, **book}, {"_id": 8, "place": PLACE, **book, "book": {"a": 5}},
    ])  # fmt: skip
    outcomes = run_rules(rules, context_for(model, database))
    assert {
        name.removeprefix("crdt.things."): [f"{sample.id}: {sample.why}" for sample in one.samples]
        for name, one in outcomes.items()
        if one.violations and not name.endswith("-id")
    } == {
        "arrays": ["5: lines is an array of length 1"],
        "nulls": ["2: place is null", "3: place.geo is null", "4: book.a is null", "5: lines[0] is null"],
        "maps": ['6: place is "x", not a MAP', '7: place lacks the keys ["city"]', "8: book.a is 5, not a MAP"],
    }  # fmt: skip

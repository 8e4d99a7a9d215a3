"""Family crdt: values that devices cannot store are reported, in documents that violate their schema or satisfy it.

And how tests of single documents are answered together, whichever family they are of.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import bson
import pytest
from bson import Binary, Decimal128, Int64, ObjectId, Regex
from pymongo.database import Database

from conformance.checks.base import Rule
from conformance.checks.document_scan import DocumentTest, screen
from conformance.checks.key_range import Partition
from conformance.model.collection import Model
from conformance.model.kinds import MAX_INTEGER
from conformance.results import Outcome
from conformance.rules.ditto.crdt.shapes import rules
from tests.conformance.rules.finding import Finding
from tests.models import collection_of, model_of
from tests.validation import context_for, run_rules

Document = dict[str, Any]

#: Ditto's limits in bytes and levels; written out, to compare the module's own constants with them.
TYPICAL_SIZE, HARD_SIZE, MAX_DEPTH, MAX_ID_BYTES = 102_400, 512_000, 29, 254


def nested(levels: int, innermost: Any) -> Any:
    """Return the value inside this number of objects."""
    value = innermost
    for _ in range(levels):
        value = {"in": value}
    return value


def why(outcome: Outcome) -> str | None:
    """Return the reason for the only document; None if it passes."""
    assert outcome.examined == 1
    assert len(outcome.samples) == outcome.violations
    return outcome.samples[0].why if outcome.samples else None


WALKED = [
    ("arrays", {"a": [1, 2]}, "a is an array of length 2"),
    ("arrays", {"a": {"b": []}}, "a.b is an array of length 0"),
    ("arrays", {"a": {"b": 1}, "c": [{"d": [1]}]}, "c is an array of length 1"),
    ("arrays", {"a": {"0": 1}}, None),
    ("nulls", {"a": None}, "a is null"),
    ("nulls", {"a": {"b": [1, None]}}, "a.b[1] is null"),
    ("nulls", {"a": 0, "b": "", "c": {}}, None),
    ("names", {"a": {"_b": 1}}, 'a._b: "_b" is not a name that syncs both ways'),
    ("names", {"_b": 1}, '_b: "_b" is not a name that syncs both ways'),
    ("names", {"a": {"_id": 1}}, 'a._id: "_id" is not a name that syncs both ways'),
    ("names", {"a": {"b.c": 1}}, 'a.b.c: "b.c" is not a name that syncs both ways'),
    ("names", {"a": {"b$": 1}}, 'a.b$: "b$" is not a name that syncs both ways'),
    ("names", {"a": {"": 1}}, 'a.: "" is not a name that syncs both ways'),
    ("names", {"a": {"b_": 1, "c-d é": 2}}, None),
    ("types", {"a": dt.datetime(2024, 1, 2)}, "a is 2024-01-02T00:00:00Z (date)"),
    ("types", {"a": Decimal128("1.5")}, "a is 1.5 (decimal)"),
    ("types", {"a": Binary(b"x", 128)}, "a is 0x78 (binData, subtype 128)"),
    ("types", {"a": ObjectId("6f1d2b2e0c1a4b5a9d550a4c")}, "a is 6f1d2b2e0c1a4b5a9d550a4c (objectId)"),
    ("types", {"a": b"x"}, "a is 0x78 (binData, subtype 0)"),
    ("types", {"a": Regex("x")}, "a is /x/ (regex)"),
    ("types", {"a": {"b": float("inf")}}, "a.b is Infinity"),
    ("types", {"a": [float("-inf")]}, "a[0] is -Infinity"),
    ("types", {"a": float("nan")}, "a is NaN"),
    (
        "types",
        {"a": Int64(MAX_INTEGER), "b": Int64(-MAX_INTEGER), "c": 1.5, "d": True, "e": None, "f": [], "g": {}},
        None,
    ),
    ("types", {"a": Int64(MAX_INTEGER + 1)}, f"a is {MAX_INTEGER + 1} (long)"),
    ("types", {"a": Int64(-MAX_INTEGER - 1)}, f"a is {-MAX_INTEGER - 1} (long)"),
    ("depth", {"a": nested(MAX_DEPTH, {})}, f"a is nested {MAX_DEPTH + 1} levels deep or more"),
    ("depth", {"a": nested(MAX_DEPTH, [])}, f"a is nested {MAX_DEPTH + 1} levels deep or more"),
    ("depth", {"a": nested(MAX_DEPTH, 1), "b": nested(MAX_DEPTH - 1, {})}, None),
]


@pytest.mark.parametrize(("subject", "fields", "expected"), WALKED)
def test_nested_values_are_examined(subject: str, fields: Document, expected: str | None, found: Finding) -> None:
    assert why(found(f"crdt.orders.{subject}", orders=[{"_id": "o", **fields}])) == expected


def test_object_id_is_an_id(found: Finding) -> None:
    assert why(found("crdt.orders.types", orders=[{"_id": ObjectId(), "a": 1}])) is None


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ({"aisle": "A1", "shelf": "B"}, None),
        (["A1"], 'location is ["A1"], not a MAP'),
        ("A1", 'location is "A1", not a MAP'),
        ({"aisle": "A1"}, 'location lacks the keys ["shelf"]'),
        ({"aisle": "A1", "shelf": "B", "room": 1}, 'location has the undeclared keys ["room"]'),
        ({"z": 1, "b": 1}, 'location lacks the keys ["aisle", "shelf"] and has the undeclared keys ["b", "z"]'),
    ],
)
def test_map_with_other_keys_is_reported(location: Any, expected: str | None, found: Finding) -> None:
    assert why(found("crdt.inventory.maps", inventory=[{"_id": 1, "location": location}])) == expected


def test_absent_map_is_not_reported(found: Finding) -> None:
    assert why(found("crdt.inventory.maps", inventory=[{"_id": 1}])) is None


@pytest.mark.parametrize(
    ("size", "broken"),
    [
        (TYPICAL_SIZE - 1, set()),
        (TYPICAL_SIZE, {"typical-size"}),
        (HARD_SIZE - 1, {"typical-size"}),
        (HARD_SIZE, {"size", "typical-size"}),
    ],
)
def test_size_limit_is_exact_to_the_byte(size: int, broken: set[str], found: Finding) -> None:
    empty = len(bson.encode({"_id": "o", "notes": "", "a": 1}))
    document = {"_id": "o", "notes": "x" * (size - empty), "a": 1}
    for subject in ("size", "typical-size"):
        reason = why(found(f"crdt.orders.{subject}", orders=[document]))
        assert reason == ("the document is too large; its largest field is notes" if subject in broken else None)


@pytest.mark.parametrize(("length", "fits"), [(MAX_ID_BYTES, True), (MAX_ID_BYTES + 1, False)])
def test_id_length_is_measured_in_bytes(length: int, fits: bool, found: Finding) -> None:
    """The cases are a collection whose _id is the device's id, and one whose id field is."""
    key = "é" + "x" * (length - 2)
    assert why(found("crdt.inventory.id-size", inventory=[{"_id": key}])) == (
        None if fits else f"the id is {length} bytes long"
    )
    assert why(found("crdt.orders.id-size", orders=[{"_id": 1, "order_id": key}])) == (
        None if fits else f"the id is {length} bytes long"
    )


@pytest.mark.parametrize(("flag", "expected"), [(False, None), (1, "deleted is 1"), (None, "deleted is null")])
def test_deletion_flag_that_is_not_boolean_is_reported(flag: Any, expected: str | None, found: Finding) -> None:
    assert why(found("crdt.orders.soft-delete", orders=[{"_id": 1, "deleted": flag}])) == expected


def test_missing_deletion_flag_is_reported(found: Finding) -> None:
    assert why(found("crdt.orders.soft-delete", orders=[{"_id": 1}])) == "deleted is missing"


def test_missing_id_field_is_reported(found: Finding) -> None:
    assert why(found("crdt.orders.id-fields", orders=[{"_id": 1}])) == "order_id is missing"
    assert why(found("crdt.orders.id-fields", orders=[{"_id": 1, "order_id": None}])) is None


# -- other models -----------------------------------------------------------------------------------------------------


def outcomes_of(
    folder: Path, schema: Document, database: Database[Document], documents: list[Document]
) -> dict[str, Outcome]:
    """Return the outcomes for the documents of the only collection, by subject."""
    model = model_of(folder, {"things": schema})
    database["things"].insert_many(documents)
    context = context_for(model, database)
    found = run_rules(rules(model, context.configuration), context)
    return {rule.rpartition(".")[2]: outcome for rule, outcome in found.items()}


def test_every_map_is_examined(tmp_path: Path, database: Database[Document]) -> None:
    """Maps after the first absent one are included."""
    inner = {"type": "object", "x-crdt": "map", "additionalProperties": False, "required": ["n"],
             "properties": {"n": {"type": "integer", "minimum": 0, "maximum": 9}}}  # fmt: skip
    schema = collection_of({"first": inner, "second": inner}, optional=["first", "second"])
    schema["x-sync"] = {"enabled": True, "id_mapping": {"mode": "match_ids"}}
    outcome = outcomes_of(tmp_path, schema, database, [{"second": {"m": 1}}])["maps"]
    assert why(outcome) == 'second lacks the keys ["n"] and has the undeclared keys ["m"]'


NUMBERS = {
    "bare": {"type": "number"},
    "bounded": {"type": "number", "minimum": -5, "maximum": MAX_INTEGER},
    "half": {"type": "number", "minimum": -5},
    "within": {
        "type": "object", "x-crdt": "map", "additionalProperties": False, "required": ["n"],
        "properties": {"n": {"type": "number"}, "text": {"type": "string", "maxLength": 9}},
    },
    "by_name": {
        "type": "object", "x-crdt": "map", "additionalProperties": False,
        "patternProperties": {"^[a-z]{1,9}$": {"type": "number"}},
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"bare": Int64(MAX_INTEGER + 1)}, f"bare is {MAX_INTEGER + 1} (long)"),
        ({"bare": Int64(-MAX_INTEGER - 1)}, f"bare is {-MAX_INTEGER - 1} (long)"),
        ({"half": Int64(MAX_INTEGER + 1)}, f"half is {MAX_INTEGER + 1} (long)"),
        ({"within": {"n": Int64(MAX_INTEGER + 1)}}, f"within.n is {MAX_INTEGER + 1} (long)"),
        ({"by_name": {"a": Int64(MAX_INTEGER + 1)}}, f"by_name.a is {MAX_INTEGER + 1} (long)"),
        ({"bare": Int64(MAX_INTEGER), "half": 1e300, "bounded": Int64(MAX_INTEGER)}, None),
    ],
)
def test_large_integer_in_a_number_field_is_reported(
    fields: Document, expected: str | None, tmp_path: Path, database: Database[Document]
) -> None:
    """A device would round it; a double of the same size is read unchanged."""
    schema = collection_of(NUMBERS, optional=list(NUMBERS))
    schema["x-sync"] = {"enabled": True, "id_mapping": {"mode": "match_ids"}}
    assert why(outcomes_of(tmp_path, schema, database, [fields])["types"]) == expected


@pytest.mark.parametrize(("longer", "fits"), [(0, True), (1, False)])
def test_id_of_two_fields_includes_their_names(
    longer: int, fits: bool, tmp_path: Path, database: Database[Document]
) -> None:
    """Each name adds its length and four bytes."""
    text = {"type": "string", "maxLength": 300}
    schema = collection_of({"shop": text, "number": text}) | {
        "x-indexes": [{"keys": {"shop": 1, "number": 1}, "unique": True}]
    }
    schema["x-sync"] = {"enabled": True, "id_mapping": {"mode": "multiple_fields", "fields": ["shop", "number"]}}
    room = MAX_ID_BYTES - len("shop") - 4 - len("number") - 4
    document = {"shop": "s" * 100, "number": "n" * (room - 100 + longer)}
    outcome = outcomes_of(tmp_path, schema, database, [document])["id-size"]
    assert why(outcome) == (None if fits else f"the id is {MAX_ID_BYTES + 1} bytes long")


def test_id_with_multibyte_characters_is_reported_by_its_bytes(tmp_path: Path, database: Database[Document]) -> None:
    """The schema allows it, because it counts characters, and not those of the names."""
    text = {"type": "string", "maxLength": 32}
    schema = collection_of({"shop": text, "number": text})
    schema["x-sync"] = {"enabled": True, "id_mapping": {"mode": "multiple_fields", "fields": ["shop", "number"]}}
    bells = "\N{BELL}" * 32
    outcome = outcomes_of(tmp_path, schema, database, [{"shop": bells, "number": bells[:30]}])["id-size"]
    assert why(outcome) == f"the id is {4 * 62 + len('shopnumber') + 2 * 4} bytes long"


def test_value_that_is_not_a_string_adds_nothing_to_the_id_length(tmp_path: Path, database: Database[Document]) -> None:
    schema = collection_of({"shop": {"type": "integer"}, "number": {"type": "string", "maxLength": 300}}) | {
        "x-indexes": [{"keys": {"shop": 1, "number": 1}, "unique": True}]
    }
    schema["x-sync"] = {"enabled": True, "id_mapping": {"mode": "multiple_fields", "fields": ["shop", "number"]}}
    room = MAX_ID_BYTES - len("shop") - 4 - len("number") - 4
    assert why(outcomes_of(tmp_path, schema, database, [{"shop": 7, "number": "n" * room}])["id-size"]) is None


def test_synced_collection_without_a_deletion_flag_is_reported(tmp_path: Path, database: Database[Document]) -> None:
    schema = collection_of({"n": {"type": "integer"}})
    schema["x-sync"] = {"enabled": True, "id_mapping": {"mode": "match_ids"}}
    outcome = outcomes_of(tmp_path, schema, database, [{"n": 1}])["soft-delete"]
    assert (outcome.violations, outcome.samples[0].ref) == (1, "schemas/things.json")


def test_absent_optional_id_field_is_reported(tmp_path: Path, database: Database[Document]) -> None:
    """The schema allows the document; devices could not identify it."""
    text = {"type": "string", "maxLength": 9}
    schema = collection_of({"shop": text, "number": text}, optional=["number"])
    schema["x-sync"] = {"enabled": True, "id_mapping": {"mode": "multiple_fields", "fields": ["shop", "number"]}}
    outcome = outcomes_of(tmp_path, schema, database, [{"shop": "s"}])["id-fields"]
    assert why(outcome) == "shop, number is missing"


# -- many tests, few scans --------------------------------------------------------------------------------------------


def scanned(
    model: Model, database: Database[Document], *tests: DocumentTest, partition: Partition | None = None
) -> list[Outcome]:
    """Return the outcomes of all tests for the orders in one pass."""
    asked = [Rule(f"crdt.orders.{number}", f"Rule {number}", test) for number, test in enumerate(tests)]
    outcomes = screen(replace(context_for(model, database), partition=partition), asked)
    return [outcomes[rule.id] for rule in asked]


def odd(screen: Mapping[str, Any], **more: Any) -> list[DocumentTest]:
    """Return a test that n is even among the documents that match the scan: by a query, and by Python."""
    query = {**screen, "$expr": {"$mod": ["$n", 2]}}
    return [
        DocumentTest("orders", dict(screen), lambda one: f"n is {one['n']}", violating=query, **more),
        DocumentTest("orders", dict(screen), lambda one: f"n is {one['n']}" if one["n"] % 2 else None, **more),
    ]


def test_thousands_of_suspect_documents_are_all_examined(model: Model, database: Database[Document]) -> None:
    """They are not selected by _id; only the first ones are shown."""
    database["orders"].insert_many({"_id": n, "n": n} for n in reversed(range(3_000)))
    for outcome in scanned(model, database, *odd({"n": {"$gte": 0}})):
        assert (outcome.examined, outcome.violations) == (3_000, 1_500)
        assert [(one.id, one.why) for one in outcome.samples] == [(n, f"n is {n}") for n in (1, 3, 5, 7, 9)]


def test_several_scans_find_their_own_documents(model: Model, database: Database[Document]) -> None:
    database["orders"].insert_many({"_id": n, "n": n, "late": n > 3} for n in range(9))
    outcomes = scanned(model, database, *odd({"late": True}), *odd({"late": False}), *odd({"n": {"$gt": 1}}))
    assert [(outcome.examined, outcome.violations) for outcome in outcomes] == [(9, 2)] * 4 + [(9, 3)] * 2
    assert [[one.id for one in outcome.samples] for outcome in outcomes[::2]] == [[5, 7], [1, 3], [3, 5, 7]]


@pytest.mark.parametrize(
    ("number", "part", "violations", "first"),
    [(10, 1, 2, 1), (10, 2, 3, 5), (3_000, 1, 750, 1), (3_000, 2, 750, 1_501)],
)
def test_part_examines_its_own_documents(
    number: int, part: int, violations: int, first: int, model: Model, database: Database[Document]
) -> None:
    """Few or many suspect documents of the other part are ignored."""
    database["orders"].insert_many({"_id": n, "n": n} for n in range(number))
    for outcome in scanned(model, database, *odd({"n": {"$gte": 0}}), partition=Partition(part, 2)):
        assert (outcome.examined, outcome.violations) == (number // 2, violations)
        assert outcome.samples[0].id == first


def test_part_without_documents_is_skipped(model: Model, database: Database[Document]) -> None:
    database["orders"].insert_one({"_id": 1, "n": 1})
    for outcome in scanned(model, database, *odd({"n": 1}), partition=Partition(2, 2)):
        assert outcome.skipped == "no document of orders is in this part"


def test_scan_without_its_field_does_not_affect_others(model: Model, database: Database[Document]) -> None:
    database["orders"].insert_one({"_id": 1, "n": 1})
    lacking, *rest = scanned(
        model,
        database,
        *odd({"n": 2}, guards=({"$gt": ["$tip", None]},), needs="tip")[:1],
        *odd({"n": 1}, guards=({"$gt": ["$n", None]},), needs="n"),
    )
    assert lacking.skipped == "no document of orders has tip"
    assert [(outcome.examined, outcome.violations) for outcome in rest] == [(1, 1)] * 2

"""Shapes of documents of other models: maps, numbers and ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bson import Int64
from pymongo.database import Database

from conformance.model.kinds import MAX_INTEGER
from conformance.results import Outcome
from conformance.rules.ditto.crdt.shapes import rules
from tests.conformance.rules.ditto.crdt.limits import MAX_ID_BYTES, why
from tests.models import collection_of, model_of
from tests.validation import context_for, run_rules

Document = dict[str, Any]


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

"""docs/FAULTS.md lists exactly the keys, casts, makers, traits and placeholders of the fault engine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

import pytest
import yaml
from jsonschema import Draft202012Validator

from conformance.model.kinds import Kind
from tests.faults.catalogue import HERE, shipped_catalogue
from tests.faults.engine.documents import _CASTS, _VERBS
from tests.faults.engine.values import _EXTENDED, _MAKERS
from tests.faults.expansion import _BEYOND, _SUBJECTS
from tests.models import shipped_model
from tests.validation import ROOT

TEXT: Final = (ROOT / "docs" / "FAULTS.md").read_text(encoding="utf-8")
SCHEMA: Final[dict[str, Any]] = json.loads((HERE / "fault.schema.json").read_text(encoding="utf-8"))
SUBJECTS: Final = {
    each: [subject for event in ("", "changed") for subject in make(shipped_model(), event)]
    for each, make in _SUBJECTS.items()
}


def table(heading: str) -> list[tuple[set[str], str]]:
    """Return the rows of a table by its first heading: the names in the first cell, and the rest of the row."""
    (found,) = re.findall(rf"^\| {re.escape(heading)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    rows = [row.strip("|").split(" | ", 1) for row in found.splitlines()]
    return [(set(re.findall(r"`([^`]+)`", first)), rest) for first, rest in rows]


def named(heading: str) -> set[str]:
    return set().union(*(names for names, _ in table(heading)))


def keys(part: Mapping[str, Any]) -> Iterator[str]:
    """Return every property that a part of the schema and its components allow."""
    if "$ref" in part:
        yield from keys(SCHEMA["$defs"][part["$ref"].rpartition("/")[2]])
    yield from part.get("properties", {})
    for one in part.get("oneOf", ()):
        yield from keys(one)


def of_schema(name: str) -> set[str]:
    return set(keys(SCHEMA["$defs"][name]))


@pytest.mark.parametrize(
    ("heading", "known"),
    [
        ("key of a file", set(SCHEMA["properties"])),
        ("key of a fault", of_schema("fault")),
        ("key of an edit", of_schema("edit")),
        ("key of a pattern", of_schema("pattern") - of_schema("body") - {"title"}),
        ("`cast`", set(_CASTS)),
        ("`each`", set(_SUBJECTS)),
        ("value", set(_MAKERS)),
    ],
)
def test_table_lists_exactly_the_names_of_the_engine(heading: str, known: set[str]) -> None:
    assert named(heading) == known


def test_expectations_servers_and_overrides_match_the_schema() -> None:
    assert named("key of an expectation") == set(keys(SCHEMA["$defs"]["expectations"]["additionalProperties"]))
    (server,) = (one for one in SCHEMA["$defs"]["edit"]["oneOf"] if "server" in one.get("properties", {}))
    assert named("`server`") == set(server["properties"]["server"]["properties"])
    (also,) = (rest for names, rest in table("key of a pattern") if names == {"also"})
    assert set(re.findall(r"`([^`]+)`", also)) == of_schema("override")


def test_verbs_casts_and_events_of_the_schema_match_the_engine() -> None:
    documents = SCHEMA["$defs"]["documents"]["properties"]
    assert set(documents["cast"]["additionalProperties"]["enum"]) == set(_CASTS)
    assert set(_VERBS) | {"insert", "derive", "delete", "in", "where", "nth", "take", "as"} == set(documents)
    assert set(SCHEMA["$defs"]["pattern"]["properties"]["each"]["enum"]) == set(_SUBJECTS)
    assert set(SCHEMA["$defs"]["pattern"]["properties"]["event"]["enum"]) <= set(re.findall(r"`(\w+)`", TEXT))


def test_extended_json_and_bounds_are_listed() -> None:
    words = set(re.findall(r"`([^`]+)`", re.sub(r"(?ms)^```.*?^```$", "", TEXT)))
    assert words >= _EXTENDED
    assert words >= set(_BEYOND)


def test_documented_traits_match_the_engine() -> None:
    modes = {str(subject.traits["mode"]) for subject in SUBJECTS["collection"]}
    known = {trait for found in SUBJECTS.values() for subject in found for trait in subject.traits}
    assert named("trait") == known - modes - set(get_args(Kind))


@pytest.mark.parametrize("each", _SUBJECTS)
def test_every_placeholder_is_documented(each: str) -> None:
    (row,) = (rest for names, rest in table("`each`") if names == {each})
    of_field = {"collection", "body", "first", "path", "field", "subject", "top", "keyed"}
    listed = set(re.findall(r"\{(\w+)\}", row))
    if "those of `field`" in row or each == "field":
        listed |= of_field
    assert listed == {name for subject in SUBJECTS[each] for name in subject.names}


def test_examples_are_from_the_catalogue() -> None:
    blocks = re.findall(r"(?ms)^```yaml\n(.*?)^```$", TEXT)
    examples = [yaml.safe_load(block) for block in blocks]
    assert [list(example) for example in examples] == [["faults"], ["patterns"]]
    for example in examples:
        Draft202012Validator(SCHEMA).validate(example)
    ids = {fault.id for fault in shipped_catalogue().faults}
    assert {"orders.subtotal.cent-off", "orders.total.missing"} <= ids

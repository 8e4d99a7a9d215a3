"""Generated documents in which objects, arrays and maps are null at times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from conformance.checks.base import Document
from conformance.errors import ConfigurationError
from conformance.model.paths import values_at
from conformance.model.validators.document_validator import breaches
from tests.generator.fields import generated
from tests.models import collection_of, model_of
from tests.nullable import SCHEMAS

pytestmark = pytest.mark.slow

KEY: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 9}


def holder(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    """Return the schema of an object that may be null."""
    required = [name for name in properties if name not in optional]
    return {"type": ["object", "null"], "x-crdt": "map", "additionalProperties": False} | {
        "required": required,
        "properties": properties,
    }


def share_of_nulls(documents: list[Document], path: str) -> float:
    values = [value for document in documents for _, value in values_at(document, path)]
    return sum(value is None for value in values) / len(values)


def test_values_are_null_at_times_and_valid(tmp_path: Path) -> None:
    schemas = {**SCHEMAS, "things": {**SCHEMAS["things"], "x-cardinality": {"exactly": 600}}}
    model = model_of(tmp_path, schemas)
    made = generated(model, "things")
    assert not [breach for document in made for breach in breaches(model["things"], document)]
    for path in ("place", "place.geo", "lines", "lines[]", "lines[].tags", "book", "book.*"):
        assert 0.1 < share_of_nulls(made, path) < 0.3, path
    codes = {document["code"] for document in generated(model, "cities")}
    for path in ("place.city", "lines[].city", "book.*.city"):
        found = {value for document in made for _, value in values_at(document, path)}
        assert len(found) > 10
        assert found <= codes
    keys = [value for document in made for _, value in values_at(document, "place.key")]
    assert len(set(keys)) == len(keys) > 100


def test_keys_of_a_unique_index_are_in_every_document(tmp_path: Path) -> None:
    """Two documents cannot both lack them."""
    things = collection_of({"at": holder({"key": {**KEY, "x-unique": True}}), "other": holder({"a": KEY})})
    things["x-indexes"] = [{"keys": {"at.key": 1}, "unique": True}]
    made = generated(model_of(tmp_path, {"things": things}), "things")
    assert share_of_nulls(made, "at") == 0
    assert share_of_nulls(made, "other") > 0


def test_root_of_a_tree_has_null_for_the_object_of_its_reference(tmp_path: Path) -> None:
    tree = holder({"parent": {**KEY, "x-reference": "things._id"}, "depth": {"type": "integer"}})
    made = generated(model_of(tmp_path, {"things": collection_of({"_id": KEY, "above": tree})}), "things")
    assert made[0]["above"] is None
    assert all(one["above"] is None or one["above"]["parent"] != one["_id"] for one in made)
    assert any(one["above"] for one in made)


TO_TEAM: dict[str, Any] = {**KEY, "x-reference": "teams._id"}
VISIT: dict[str, Any] = {**holder({"team": TO_TEAM}), "type": "object"}
VISIT_OR_NULL: dict[str, Any] = holder({"team": TO_TEAM})
OPTIONAL_VISIT: dict[str, Any] = {**holder({"visit": VISIT}, "visit"), "type": "object"}
#: A field of users, which has a reference to teams that must be there, and its value while there are no teams.
NOTHING_TO_REFER_TO: dict[str, tuple[dict[str, Any], Any]] = {
    "object": (holder({"team": TO_TEAM}), None),
    "object in it": (holder({"visit": VISIT}), None),
    "optional object in it": (holder({"visit": VISIT}, "visit"), None),
    "object or null in it": (holder({"visit": VISIT_OR_NULL}), [{"visit": None}]),
    "array in it": (holder({"teams": {"type": "array", "minItems": 1, "items": TO_TEAM}}), None),
    "array of objects in it": (holder({"visits": {"type": "array", "items": VISIT}}), None),
    "optional array in it": (holder({"visits": {"type": "array", "items": VISIT}}, "visits"), [{}]),
    "array or null in it": (holder({"visits": {"type": ["array", "null"], "items": VISIT}}), [{"visits": None}]),
    "array": ({"type": ["array", "null"], "minItems": 1, "items": TO_TEAM}, None),
    "array of objects": ({"type": ["array", "null"], "items": VISIT}, None),
    "array of arrays": ({"type": ["array", "null"], "items": {"type": "array", "minItems": 1, "items": TO_TEAM}}, None),
    "map": ({**holder({}), "required": [], "patternProperties": {"^[a-z]+$": VISIT}}, None),
    "array of objects or null": ({"type": "array", "minItems": 1, "items": VISIT_OR_NULL}, [None]),
    "array of objects with an optional one": ({"type": ["array", "null"], "items": OPTIONAL_VISIT}, [{}]),
}  # fmt: skip
del NOTHING_TO_REFER_TO["map"][0]["properties"], NOTHING_TO_REFER_TO["map"][0]["required"]


@pytest.mark.parametrize("case", NOTHING_TO_REFER_TO)
def test_what_must_refer_to_something_is_null_where_there_is_nothing(case: str, tmp_path: Path) -> None:
    """Of two collections that refer to each other, one is made first."""
    field, expected = NOTHING_TO_REFER_TO[case]
    schemas = {
        "teams": collection_of({"_id": KEY, "owner": {**KEY, "x-reference": "users._id"}}),
        "users": collection_of({"_id": KEY, "field": field}),
    }
    model = model_of(tmp_path, schemas)
    for name in ("teams", "users"):
        assert not [breach for document in generated(model, name) for breach in breaches(model[name], document)]
    for document in generated(model, "users"):
        value = document["field"]
        parts = value if isinstance(value, list) else [value]
        assert value is None or [*parts] == expected * len(parts)


def test_equation_below_an_object_that_may_be_null(tmp_path: Path) -> None:
    number = {"type": "integer", "minimum": 0, "maximum": 9}
    total = {"type": "integer", "x-sample": {"equation": True}}
    things = collection_of(
        {"price": holder({"net": number, "tax": number, "total": total}), "all": total}, optional=["all"]
    )
    model = model_of(tmp_path, {"things": things})
    about = {"family": "totals", "equals": "price.net + price.tax", "title": "t", "why": "w", "fix": "f"}
    rules = [{"field": f"things.{field}", **about} for field in ("price.total", "all")]
    model.config("rules.yaml").write_text(str({"equations": rules}), encoding="utf-8")
    made = generated(model, "things")
    assert not [breach for document in made for breach in breaches(model["things"], document)]
    for one in made:
        expected = one["price"]["net"] + one["price"]["tax"] if one["price"] else None
        assert (one["price"] or {}).get("total") == one.get("all") == expected


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"at": holder({"a": KEY}), "b": {**KEY, "x-sample": {"same_as": "at.a"}}},
            ("/properties/b", "at may be null"),
        ),
        (
            {"at": holder({"a": KEY}), "b": {**holder({"a": KEY}), "type": "object", "x-sample": {"same_as": "at"}}},
            ("/properties/b", "at may be null"),
        ),
    ],
)  # fmt: skip
def test_required_field_made_from_what_may_be_null_is_refused(
    fields: dict[str, Any], words: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        model_of(tmp_path, {"things": collection_of(fields)})
    for word in words:
        assert word in str(caught.value)


def test_reference_to_a_key_in_an_object_that_may_be_null_is_refused(tmp_path: Path) -> None:
    schemas = {
        "cities": collection_of({"at": holder({"code": {**KEY, "x-unique": True}})}),
        "things": collection_of({"city": {**KEY, "x-reference": "cities.at.code"}}),
    }
    with pytest.raises(ConfigurationError, match=r"cities[.]at may be null"):
        model_of(tmp_path, schemas)


def test_field_may_be_made_from_one_beside_it(tmp_path: Path) -> None:
    fields = {"at": holder({"a": KEY, "b": {**KEY, "x-sample": {"same_as": "at.a"}}})}
    made = generated(model_of(tmp_path, {"things": collection_of(fields)}), "things")
    assert all(one["at"] is None or one["at"]["a"] == one["at"]["b"] for one in made)


def test_copy_of_an_object_is_null_where_its_source_is(tmp_path: Path) -> None:
    info = holder({"name": KEY})
    copied = {**info, "type": ["null", "object"], "x-snapshot": {"through": "city", "of": ["info"]}}
    schemas = {
        "cities": collection_of({"_id": KEY, "info": info}),
        "things": collection_of({"city": {**KEY, "x-reference": "cities._id"}, "info": copied}),
    }
    model = model_of(tmp_path, schemas)
    sources = {one["_id"]: one["info"] for one in generated(model, "cities")}
    made = generated(model, "things")
    assert all(one["info"] == sources[one["city"]] for one in made)
    assert 0 < share_of_nulls(made, "info") < 1
    copied["type"] = "object"
    (tmp_path / "narrower").mkdir()
    with pytest.raises(ConfigurationError, match="allows more values than info; give both the same type"):
        model_of(tmp_path / "narrower", schemas)

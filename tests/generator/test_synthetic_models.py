"""The generator on small models of the tests: cardinalities, counts of children, times and snapshots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conformance.checks.base import Document
from conformance.config.loading import load_configuration
from conformance.config.settings import load_settings
from conformance.errors import ConfigurationError
from conformance.model.collection import Model
from conformance.model.validators.document_validator import breaches
from generator.columns.plan import Plan
from tests.generator.datasets import by
from tests.models import collection_of, model_of

pytestmark = pytest.mark.slow


def generate(model: Model, **given: Any) -> Iterator[tuple[str, list[Document]]]:
    """Return the documents of a synthetic model."""
    settings = load_settings(Path("none"), **given)
    return Plan(model, load_configuration(model, settings.constants()), settings).documents()


NAME = {"type": "string", "minLength": 1, "maxLength": 10}
REFERENCE = {"x-bson": "objectId", "x-reference": "parents._id"}


@pytest.mark.parametrize(
    ("cardinality", "low", "high"),
    [
        ({"exactly": 0}, 0, 0),
        ({"exactly": 7}, 7, 7),
        ({"between": [4, 6]}, 4, 6),
        ({"per": ["parents"], "between": [0, 3]}, 0, 60),
        ({"per": ["parents"], "between": [2, 2]}, 40, 40),
        ({"per": ["parents"], "between": [1, 1]}, 20, 20),
        ({"per": ["parents"], "between": [0, 0]}, 0, 0),
    ],
)
def test_every_cardinality_of_a_synthetic_model_is_satisfied(
    cardinality: dict[str, Any], low: int, high: int, tmp_path: Path
) -> None:
    """Counts match the schema, per parent too; documents are valid and their references resolve."""
    schemas = {
        "parents": collection_of({"name": NAME}, cardinality={"exactly": 20}),
        "children": collection_of(
            {"parent": REFERENCE, "name": {**NAME, "x-snapshot": {"through": "parent", "of": ["name"]}}},
            cardinality=cardinality,
        ),
    }
    model = model_of(tmp_path, schemas)
    made: dict[str, list[Document]] = {"parents": [], "children": []}
    for name, batch in generate(model):
        made[name] += batch
    assert low <= len(made["children"]) <= high
    parents = by(made, "parents", "_id")
    for child in made["children"]:
        assert breaches(model["children"], child) == []
        assert child["name"] == parents[child["parent"]]["name"]
    if "per" in cardinality:
        fewest, most = cardinality["between"]
        per_parent = Counter(child["parent"] for child in made["children"])
        assert all(fewest <= per_parent[key] <= most for key in parents)


def test_children_of_one_parent_refer_to_their_siblings(tmp_path: Path) -> None:
    """Lines and payments are made with each order, and a payment is for a line."""
    line = {"x-bson": "objectId", "x-reference": "lines._id"}
    per_parent = {"per": ["parents"], "between": [1, 3]}
    schemas = {
        "parents": collection_of({"name": NAME}, cardinality={"exactly": 9}),
        "lines": collection_of({"parent": REFERENCE}, cardinality=per_parent),
        "payments": collection_of({"parent": REFERENCE, "line": line}, cardinality=per_parent),
    }
    made: dict[str, list[Document]] = {name: [] for name in schemas}
    for name, batch in generate(model_of(tmp_path, schemas)):
        made[name] += batch
    assert len(made["payments"]) >= 9
    assert {one["line"] for one in made["payments"]} <= {one["_id"] for one in made["lines"]}


def test_pairs_with_what_is_made_per_parent_are_generated(tmp_path: Path) -> None:
    """How many lines there are is known when all orders are made; the visits are made after them."""
    line = {"x-bson": "objectId", "x-reference": "lines._id"}
    schemas = {
        "parents": collection_of({"name": NAME}, cardinality={"exactly": 4}),
        "lines": collection_of({"parent": REFERENCE}, cardinality={"per": ["parents"], "between": [2, 2]}),
        "visits": collection_of(
            {"parent": REFERENCE, "line": line}, cardinality={"per": ["parents", "lines"], "between": [0.5, 0.5]}
        ),
    }
    made = Counter[str]()
    for name, batch in generate(model_of(tmp_path, schemas)):
        made[name] += len(batch)
    assert made == {"parents": 4, "lines": 8, "visits": 16}


def _with_items(folder: Path, items: int) -> dict[str, list[Document]]:
    """Generate twelve thousand parents, more than two batches, and this number of children by a setting."""
    child = {"parent": REFERENCE | {"x-sample": {"reference": {"parent": "each"}}}}
    cardinality = {"per": ["parents"], "between": [1, 5], "setting": "NUM_CHILDREN"}
    schemas = {
        "parents": collection_of({"name": NAME}, cardinality={"setting": "NUM_PARENTS"}),
        "children": collection_of(child, cardinality=cardinality),
    }
    model = model_of(folder, schemas)
    text = f"defaults: {{NUM_PARENTS: 12000, NUM_CHILDREN: {items}}}\nparameters: {{each: {{1: 4, 2: 3, 5: 1}}}}\n"
    (folder / "config" / "generation.yaml").write_text(text, encoding="utf-8")
    made: dict[str, list[Document]] = {"parents": [], "children": []}
    for name, batch in generate(model):
        made[name] += batch
    return made


@pytest.mark.parametrize("items", [12_000, 25_147, 31_003, 60_000])
def test_setting_gives_the_exact_number_of_children(items: int, tmp_path: Path) -> None:
    made = _with_items(tmp_path, items)
    assert len(made["children"]) == items
    per_parent = Counter(child["parent"] for child in made["children"])
    assert per_parent.keys() == {parent["_id"] for parent in made["parents"]}
    assert set(per_parent.values()) <= {1, 2, 3, 4, 5}


def test_impossible_number_of_children_is_one_error(tmp_path: Path) -> None:
    message = (
        r"^NUM_CHILDREN: 60001 children for 12000 parents, but children.json says 1 to 5 for each; .* 12000 to 60000$"
    )
    with pytest.raises(ConfigurationError, match=message):
        _with_items(tmp_path, 60_001)


def test_calendar_at_midnight_gives_dates(tmp_path: Path) -> None:
    day = {"type": "string", "x-timestamp": True, "x-sample": {"calendar": {"year_weights": "years", "midnight": True}}}
    model = model_of(tmp_path, {"visits": collection_of({"day": day}, cardinality={"exactly": 400})})
    (tmp_path / "config" / "generation.yaml").write_text("parameters: {years: {2024: 1}}\n", encoding="utf-8")
    ((_, made),) = generate(model)
    assert {visit["day"][10:] for visit in made} == {"T00:00:00Z"}
    assert len({visit["day"] for visit in made}) > 200


def test_snapshot_of_an_absent_optional_field_is_absent(tmp_path: Path) -> None:
    """A copy exists only if its source exists."""
    copy = {**NAME, "x-snapshot": {"through": "parent", "of": ["name"]}}
    schemas = {
        "parents": collection_of({"name": NAME}, optional=["name"]),
        "children": collection_of({"parent": REFERENCE, "name": copy}, optional=["name"]),
    }
    made = dict(generate(model_of(tmp_path, schemas)))
    sources = by(made, "parents", "_id")
    assert {"name" in child for child in made["children"]} == {True, False}
    for child in made["children"]:
        assert child.get("name") == sources[child["parent"]].get("name")


def test_reference_to_an_empty_collection_is_one_error(tmp_path: Path) -> None:
    """The error is one line without a traceback."""
    schemas = {
        "parents": collection_of({"name": NAME}, cardinality={"exactly": 0}),
        "children": collection_of({"parent": REFERENCE}),
    }
    with pytest.raises(ConfigurationError) as caught:
        list(generate(model_of(tmp_path, schemas)))
    assert "\n" not in str(caught.value)
    assert "parents" in str(caught.value)


def test_setting_without_a_value_is_one_error(tmp_path: Path) -> None:
    """The model counts by a setting that has no value."""
    schemas = {"parents": collection_of({"name": NAME}, cardinality={"setting": "NUM_PARENTS"})}
    with pytest.raises(ConfigurationError, match="NUM_PARENTS"):
        list(generate(model_of(tmp_path, schemas)))

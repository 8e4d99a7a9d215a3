"""References to the own collection: a tree of categories, of employees, a chain of versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo.database import Database

from conformance.checks.base import Document
from conformance.config.settings import Settings
from conformance.errors import ConfigurationError
from conformance.model.collection import Model
from conformance.model.validators.document_validator import breaches
from conformance.results import Outcome
from conformance.rules.data.references import rules
from generator.columns.plan import Plan
from tests.models import collection_of, model_of
from tests.validation import configuration_for, context_for, run_rules

KEY: Any = {"type": "string", "maxLength": 9}
PARENT = KEY | {"x-reference": "things._id"}
NULLABLE = {"x-bson": ["null", "string"], "x-reference": "things._id"}


def tree_of(folder: Path, parent: Any, *, optional: bool = False, **more: Any) -> Model:
    """A collection whose documents refer to each other by ``parent``."""
    schema = collection_of({"_id": KEY, "parent": parent, **more}, optional=["parent"] if optional else [])
    return model_of(folder, {"things": schema})


def generated(model: Model) -> list[Document]:
    plan = Plan(model, configuration_for(model), Settings())
    return [document for _, batch in plan.documents() for document in batch]


@pytest.mark.parametrize(
    ("parent", "optional", "root"),
    [
        (PARENT, True, "absent"),
        (NULLABLE, False, None),
        (PARENT, False, "itself"),
        (PARENT | {"x-unique": True}, True, "absent"),
    ],
    ids=["absent at the root", "null at the root", "required", "chain"],
)
def test_generated_documents_are_a_tree_whose_roots_come_first(
    parent: Any, optional: bool, root: str | None, tmp_path: Path
) -> None:
    model = tree_of(tmp_path, parent, optional=optional)
    documents = generated(model)
    assert len(documents) == 100
    assert all(breaches(model["things"], document) == [] for document in documents)
    seen: set[str] = set()
    for document in documents:
        above = document.get("parent", "absent")
        assert above in seen or above == (document["_id"] if root == "itself" else root)
        seen.add(document["_id"])
    used = [document["parent"] for document in documents if document.get("parent")]
    assert len(set(used)) > 20
    assert "x-unique" not in parent or len(set(used)) == len(used)


def test_copies_and_counts_follow_the_generated_tree(tmp_path: Path) -> None:
    copied = KEY | {"x-snapshot": {"through": "parent", "of": ["name"]}}
    count = {"type": "integer", "minimum": 0, "x-sample": {"equation": True}}
    schema = collection_of(
        {"_id": KEY, "parent": PARENT, "name": KEY, "parent_name": copied, "children": count},
        optional=["parent", "parent_name"],
    )
    (tmp_path / "model").mkdir()
    model = model_of(tmp_path / "model", {"things": schema})
    model.config("rules.yaml").write_text(
        "equations:\n- {family: totals, field: things.children, equals: count(things), title: Children, why: Shown.}\n"
    )
    documents = generated(model)
    names = {document["_id"]: document["name"] for document in documents}
    parents = [document.get("parent") for document in documents]
    for document in documents:
        assert document.get("parent_name") == names.get(document.get("parent"))
        assert document["children"] == parents.count(document["_id"])


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"parent": PARENT | {"x-sample": {"reference": {"each": True}}}}, "made before it in its own collection"),
        ({"parent": {"type": "integer", "x-reference": "things._id"}}, "another kind"),
        ({"parent": {"x-bson": ["string", "date"], "x-reference": "things._id"}}, "never date"),
    ],
)
def test_impossible_reference_is_rejected(schema: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=words):
        model_of(tmp_path, {"things": collection_of({"_id": KEY, **schema})})


def test_collection_counted_per_its_own_documents_is_rejected(tmp_path: Path) -> None:
    schema = collection_of({"_id": KEY, "parent": PARENT}, cardinality={"per": ["things"], "between": [1, 2]})
    with pytest.raises(ConfigurationError, match="per document of its own"):
        model_of(tmp_path, {"things": schema})


def test_collections_that_refer_to_each_other_load_and_are_generated(tmp_path: Path) -> None:
    """The head of a department, and the department of an employee: both exist before they refer to each other."""
    model = model_of(
        tmp_path,
        {
            "staff": collection_of({"_id": KEY, "department": KEY | {"x-reference": "departments._id"}}),
            "departments": collection_of({"_id": KEY, "head": KEY | {"x-reference": "staff._id"}}, optional=["head"]),
            "badges": collection_of({"_id": KEY, "owner": KEY | {"x-reference": "staff._id"}}),
        },
    )
    assert list(model.collections) == ["departments", "staff", "badges"]
    made: dict[str, list[Document]] = {name: [] for name in model.collections}
    for name, batch in Plan(model, configuration_for(model), Settings()).documents():
        made[name] += batch
    assert not any("head" in one for one in made["departments"])
    assert {one["department"] for one in made["staff"]} <= {one["_id"] for one in made["departments"]}


def test_collections_that_all_need_each_other_cannot_be_generated(tmp_path: Path) -> None:
    model = model_of(
        tmp_path,
        {
            "staff": collection_of({"_id": KEY, "department": KEY | {"x-reference": "departments._id"}}),
            "departments": collection_of({"_id": KEY, "head": KEY | {"x-reference": "staff._id"}}),
        },
    )
    with pytest.raises(ConfigurationError, match="wait for each other"):
        generated(model)


def found(model: Model, database: Database[Document], *parents: Any) -> dict[str, Outcome]:
    """Return the outcomes of the rules on documents a, b, c, … with these parents; ... for none."""
    documents = [
        {"_id": chr(97 + n)} | ({} if parent is ... else {"parent": parent}) for n, parent in enumerate(parents)
    ]
    database["things"].insert_many(documents)
    outcomes = run_rules(rules(model, configuration_for(model)), context_for(model, database))
    return {name.removeprefix("references.things.parent"): outcome for name, outcome in outcomes.items()}


def summary(outcome: Outcome) -> tuple[int, int, list[tuple[Any, str]]]:
    return outcome.examined, outcome.violations, [(one.id, one.why) for one in outcome.samples]


@pytest.mark.server
def test_orphans_and_circles_are_reported(database: Database[Document], tmp_path: Path) -> None:
    """The tree is a, b, c; d and e refer to each other, f to d, g to itself, h to nothing that exists."""
    outcomes = found(tree_of(tmp_path, NULLABLE), database, None, "a", "b", "e", "d", "d", "g", "x")
    assert summary(outcomes[""]) == (7, 1, [("h", 'parent is "x"; no document of things has this key')])
    examined, violations, samples = summary(outcomes["-circle"])
    assert (examined, violations) == (7, 3)
    assert samples == [
        ("d", 'parent is "e", which leads back to this document'),
        ("e", 'parent is "d", which leads back to this document'),
        ("g", 'parent is "g", which leads back to this document'),
    ]


@pytest.mark.server
def test_circles_of_any_length_are_found_below_deep_trees(database: Database[Document], tmp_path: Path) -> None:
    """A chain of 3,000 documents that ends at the root, one that ends in a circle of 7, and numbers as keys."""
    whole = {"type": "integer"}
    schema = collection_of({"_id": whole, "parent": whole | {"x-reference": "things._id"}}, optional=["parent"])
    model = model_of(tmp_path, {"things": schema})
    database["things"].insert_many({"_id": n, "parent": n - 1} if n else {"_id": n} for n in range(3_000))
    database["things"].insert_many({"_id": n, "parent": float(n - 1)} for n in range(10_001, 13_000))
    database["things"].insert_one({"_id": 10_000, "parent": 10_006})
    outcome = run_rules(rules(model, configuration_for(model)), context_for(model, database))[
        "references.things.parent-circle"
    ]
    assert (outcome.examined, outcome.violations) == (5_999, 7)
    assert [one.id for one in outcome.samples] == [10_000, 10_001, 10_002, 10_003, 10_004]


@pytest.mark.server
def test_root_with_a_required_reference_may_refer_to_itself(database: Database[Document], tmp_path: Path) -> None:
    outcomes = found(tree_of(tmp_path, PARENT), database, "a", "a", "d", "c")
    assert summary(outcomes[""]) == (4, 0, [])
    assert [one for one, _ in summary(outcomes["-circle"])[2]] == ["c", "d"]


@pytest.mark.server
def test_collection_of_roots_has_no_circle(database: Database[Document], tmp_path: Path) -> None:
    outcomes = found(tree_of(tmp_path, PARENT, optional=True), database, ..., ...)
    assert {outcome.skipped for outcome in outcomes.values()} == {"no document of things has parent"}


@pytest.mark.server
def test_child_of_a_deleted_document_of_its_own_collection_is_reported(
    database: Database[Document], tmp_path: Path
) -> None:
    schema = collection_of({"parent": {"x-bson": "objectId", "x-reference": "things._id"}, "gone": {"type": "boolean"}},
                           optional=["parent"]) | {"x-soft-delete": "gone"}  # fmt: skip
    model = model_of(tmp_path, {"things": schema})
    root, child = ObjectId(), ObjectId()
    database["things"].insert_many(
        [{"_id": root, "gone": True}, {"_id": child, "parent": root, "gone": False}, {"parent": child, "gone": False}]
    )
    outcomes = run_rules(rules(model, configuration_for(model)), context_for(model, database))
    deleted = outcomes["references.things.parent-deleted"]
    assert (deleted.violations, deleted.samples[0].id) == (1, child)

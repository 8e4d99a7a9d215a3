"""From a database that nobody modelled to a model and back: infer, validate, break something, validate again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from conformance.config.settings import Settings
from conformance.inspection.draft import draft
from conformance.inspection.draft_files import write_model
from conformance.inspection.inspection import inspect
from conformance.results import Result
from conformance.run.runner import Run
from conformance.run.session import Project, assemble
from tests.judging import context_for

pytestmark = pytest.mark.server

Data = Database[dict[str, Any]]
#: Families that judge documents; the others judge settings, which nobody has made for a drafted model.
FAMILIES = ("counts", "documents", "references", "uniqueness", "crdt")


def market(database: Data) -> None:
    """A marketplace: a tree of categories."""
    database["categories"].insert_many(
        {"_id": f"c{n}", "name": f"Category {n}", "parent_id": f"c{(n - 1) // 2}" if n else None} for n in range(20)
    )


@pytest.fixture
def drafted(database: Data, tmp_path: Path) -> Iterator[Callable[[], dict[str, Result]]]:
    """What the rules of the drafted model find in the marketplace, by rule: nothing, to begin with."""
    market(database)
    folder = tmp_path / "model"
    write_model(draft(database, inspect(database), ()), folder, database.name)
    project = assemble(folder, Settings(mongodb_database=database.name))

    def found() -> dict[str, Result]:
        return {one.id: one for one in results(project, database) if one.status in ("failed", "warned", "error")}

    assert found() == {}
    yield found


def results(project: Project, database: Data) -> list[Result]:
    rules = [rule for rule in project.rules if rule.family in FAMILIES]
    with Run(rules, context_for(project.model, database)) as run:
        return list(run.results())


def why(result: Result) -> list[str]:
    return [sample.why for sample in result.samples]


def test_broken_tree(database: Data, drafted: Callable[[], dict[str, Result]]) -> None:
    database["categories"].update_one({"_id": "c19"}, {"$set": {"parent_id": "gone"}})
    database["categories"].update_one({"_id": "c1"}, {"$set": {"parent_id": "c3"}})
    found = drafted()
    assert set(found) == {"references.categories.parent_id", "references.categories.parent_id-circle"}
    assert why(found["references.categories.parent_id"]) == [
        'parent_id is "gone"; no document of categories has this key'
    ]
    circle = found["references.categories.parent_id-circle"]
    assert (circle.violations, [sample.id for sample in circle.samples]) == (2, ["c1", "c3"])
    (named,) = [one for one in inspect(database).results if one.id == "references.categories.circle:parent_id"]
    assert (named.violations, named.examined) == (2, 20)

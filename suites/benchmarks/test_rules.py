"""The rules against what one would write without them: a scan, `jsonschema`, `$lookup`; and the suites around them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator
from pymongo.database import Database

from conformance.checks.base import Context
from conformance.model.collection import Reference
from conformance.model.validators.document_validator import conforms
from conformance.model.validators.server_validator import validator
from conformance.rules.catalogue import DATA_FAMILIES
from conformance.run.runner import Run
from conformance.run.session import Project
from conformance.server.target import Target
from suites.benchmarks.tables import Tables, medians, processor_seconds, seconds

#: Documents of each collection that `jsonschema` is given; the time for all is extrapolated from them.
SAMPLE: Final = 2_000


def validating(project: Project, target: Target, families: Iterable[str]) -> tuple[int, Callable[[], None]]:
    """Return the number of rules of the families, and a function that runs them all."""
    rules = [rule for rule in project.rules if rule.family in families]

    def validate() -> None:
        context = Context(project.model, project.configuration, project.settings, target.database, True, None)
        with Run(rules, context) as run:
            assert {result.status for result in run.results()} <= {"passed", "skipped"}

    return len(rules), validate


def processor_time(target: Target, action: Callable[[], object]) -> float:
    """Return the processor seconds of an action, of this process, its children and the server if it is ours."""

    def used() -> float:
        server = processor_seconds(target.server.pid) if target.server else 0.0
        children = os.times()
        return server + time.process_time() + children.children_user + children.children_system

    before = used()
    action()
    return used() - before


def test_data_rules(project: Project, target: Target, tables: Tables) -> None:
    """All rules that read documents, against one server-side scan of all collections with $jsonSchema."""

    def scan() -> None:
        for collection in project.model:
            target.database[collection.name].count_documents({"$nor": [validator(collection)]})

    number, validate = validating(project, target, DATA_FAMILIES)
    validated, scanned = medians(validate, scan, rounds=2)
    busy = processor_time(target, validate) / processor_time(target, scan)
    tables.ratio(
        f"{number} data rules: {validated:.1f} s",
        f"one $jsonSchema scan of all collections: {scanned:.1f} s",
        validated / scanned,
        aim=4,
        guard=3,
        guarded=busy,
    )


def test_document_rules(project: Project, target: Target, tables: Tables) -> None:
    """The document rules over all documents, against reading them into Python and validating each by `jsonschema`.

    Once with the keywords of the vocabulary, which the rules validate, too, and once with plain `jsonschema`, which
    ignores them. Both are measured on a sample of each collection and extrapolated to all its documents.
    """
    extrapolated, plain, taken = 0.0, 0.0, 0
    for collection in project.model:
        schema = Draft202012Validator(dict(collection.schema))
        documents = target.database[collection.name]
        size = documents.estimated_document_count()
        sample = min(size, SAMPLE)

        def read(documents: Any = documents, sample: int = sample) -> Iterator[Any]:
            return iter(documents.find().limit(sample))

        def every(test: Callable[[Any], bool], read: Callable[[], Iterator[Any]] = read) -> float:
            return seconds(lambda: all(map(test, read())))

        extrapolated += every(partial(conforms, collection)) * size / sample
        plain += every(schema.is_valid) * size / sample
        taken += sample
    number, validate = validating(project, target, ["documents"])
    (validated,) = medians(validate, rounds=2)
    what, sample_of = f"{number} document rules: {validated:.2f} s", f"extrapolated from {taken:,} documents"
    tables.ratio(
        what,
        f"`jsonschema` with the same keywords: {extrapolated:.0f} s, {sample_of}",
        extrapolated / validated,
        aim=100,
        guard=6,
        at_least=True,
    )
    tables.ratio(
        what,
        f"`jsonschema` without money, instants, UUIDs: {plain:.0f} s, {sample_of}",
        plain / validated,
        aim=100,
        guard=4,
        at_least=True,
    )


def by_lookup(project: Project, database: Database[Any], reference: Reference) -> int:
    """Children without parent, live ones of a deleted parent, or with another key than it: as one usually asks.

    The parent is found by the unique index on its key, and only what is needed is carried along.
    """
    child, parent = project.model[reference.collection], project.model[reference.target]
    keys = [copy for copy in child.copies if copy.key and copy.through == reference]
    wrong: list[Any] = [{"$eq": ["$parent", []]}]
    if child.soft_delete and parent.soft_delete:
        deleted = {"$first": f"$parent.{parent.soft_delete}"}
        wrong.append({"$and": [{"$ne": [f"${child.soft_delete}", True]}, {"$eq": [deleted, True]}]})
    wrong += [{"$ne": [f"${copy.field}", {"$first": f"$parent.{copy.of[0]}"}]} for copy in keys]
    needed = {reference.field, *(copy.field for copy in keys), *filter(None, [child.soft_delete])}
    pipeline: list[dict[str, Any]] = [
        {"$match": {reference.field: {"$exists": True, "$ne": None}}},
        {"$project": dict.fromkeys(needed, 1)},
        {
            "$lookup": {
                "from": reference.target,
                "localField": reference.field,
                "foreignField": reference.target_field,
                "as": "parent",
            }
        },
        {"$match": {"$expr": {"$or": wrong}}},
        {"$count": "n"},
    ]
    return next((row["n"] for row in database[reference.collection].aggregate(pipeline)), 0)


def test_reference_rules(project: Project, target: Target, tables: Tables) -> None:
    """The reference rules, one pass for each reference, against one $lookup for each."""
    references = [reference for collection in project.model for reference in collection.references]
    number, validate = validating(project, target, ["references"])
    (validated,) = medians(validate, rounds=2)
    looked = seconds(lambda: [by_lookup(project, target.database, reference) for reference in references])
    tables.ratio(
        f"{number} reference rules: {validated:.1f} s",
        f"one $lookup for each of {len(references)} references: {looked:.1f} s",
        looked / validated,
        aim=4,
        guard=2.5,
        at_least=True,
    )


def test_suites(project: Project, target: Target, tables: Tables, tmp_path: Path) -> None:
    """`pytest suites/` on data that is there, against `zava validate` alone: what the tests and reports add.

    The first run of each is not counted: it compiles modules, pytest's own once more for their assertions.
    """
    assert target.embedded
    programs = Path(sys.executable).parent
    compiling = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    busy: dict[str, list[float]] = {"zava": [], "pytest": []}

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), *arguments, "--embedded"]
        ended: list[subprocess.CompletedProcess[str]] = []

        def start() -> None:
            ended.append(
                subprocess.run(
                    command, cwd=project.model.root, env=compiling, capture_output=True, text=True, check=False
                )
            )

        busy[program].append(processor_time(target, start))
        assert ended[0].returncode == 0, ended[0].stdout + ended[0].stderr

    alone, suites = medians(
        lambda: run("zava", "validate"), lambda: run("pytest", "suites", "-q", f"--reports={tmp_path}"), rounds=2
    )
    tables.ratio(
        f"`pytest suites/` on data that is there: {suites:.1f} s",
        f"`zava validate`: {alone:.1f} s",
        suites / alone,
        aim=1.3,
        guard=2,
        guarded=sum(busy["pytest"][1:]) / sum(busy["zava"][1:]),
    )

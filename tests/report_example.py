"""A run made by hand with results of every status, some of them hostile, for the tests of the reports."""

from __future__ import annotations

import dataclasses
from typing import Any

from bson import ObjectId

from conformance.results import Report, Result, Sample, TargetInfo

SCRIPT = "<script>alert('x')</script>"
QUOTES = """ "double" 'single' `back` &amp; </style></title> {{ 7 * 7 }} """
RIGHT_TO_LEFT = "شركة زافا"  # words; they stay
OVERRIDE = "abc\u202ecba"  # an override; it is shown as an escape
LONG = "x" * 10_000
STEERING = "\x1b[31mred\x1b[0m\x07 [bold]no markup[/bold] :smile:"
HOSTILE = (SCRIPT, QUOTES, RIGHT_TO_LEFT, OVERRIDE, LONG, STEERING, "\ud800", "", "a\nb")

TARGET = TargetInfo("mongodb://user:***@db.example:27017/?replicaSet=rs0", "shop", "6.0.5", embedded=False)


def result(rule_id: str, status: str = "passed", **fields: Any) -> Result:
    """A result with a likely value for whatever is not given."""
    severity = "warning" if status == "warned" else "error"
    values: dict[str, Any] = {
        "title": f"{rule_id.split('.')[2]} is as it must be",
        "severity": severity,
        "examined": 0 if status in ("skipped", "error") else 1000,
        "violations": 0,
        "samples": (),
        "reason": None,
        "evidence": {},
        "duration_s": 0.25,
        "why": "People would be misled.",
        "mend": "Correct the documents.",
    } | fields
    return Result(id=rule_id, status=status, **values)  # type: ignore[arg-type]


RESULTS = (
    result("counts.parents.number", evidence={"expected": 8}, examined=8),
    result("counts.children.number", "failed", examined=990, violations=10, evidence={"expected": [1000, 2000]},
           samples=(Sample("990 documents, NUM_CHILDREN says 1,000", ref="children"),)),
    result("references.children.parent_id", "failed", examined=200_000, violations=2,
           title="Every child's parent exists",
           samples=(Sample('parent "p9" does not exist', id="c1"), Sample("parent is missing", id=ObjectId("5" * 24))),
           why="A device would show a child without its parent.", mend="Restore the parent, or remove the child."),
    result("uniqueness.children.email", "failed", violations=len(HOSTILE),
           samples=tuple(Sample(f"value {text}", id=text) for text in HOSTILE), title=f"No two {SCRIPT} share {QUOTES}",
           evidence={"pipeline": [{"$match": {"x": SCRIPT}}], "statistic": float("nan"), "at": ObjectId("6" * 24)}),
    result("crdt.children.size", "warned", violations=1, samples=(Sample("120 KB, typical is below 100 KB", id="c7"),)),
    result("streams._database.connector", "skipped", reason="needs a named server"),
    result("embeddings.vectors.finite", "skipped", reason="the collection is empty"),
    result("embeddings.vectors.zero", "skipped", reason="the collection is empty"),
    result("indexes.children.vector", "error", reason="OperationFailure: $listSearchIndexes is not known"),
    *(result(f"documents.children.field_{n}") for n in range(30)),
)  # fmt: skip

REPORT = Report(
    target=TARGET,
    seed=20240115,
    started_at="2026-11-22T05:19:30.123456Z",
    duration_s=4.2,
    command="validate --uri mongodb://user:***@db.example",
    counts={"parents": 8, "children": 990, "vectors": 0},
    results=RESULTS,
)


def report(*results: Result, **fields: Any) -> Report:
    """The example with other results, and other fields where given."""
    return dataclasses.replace(REPORT, results=results, **fields)

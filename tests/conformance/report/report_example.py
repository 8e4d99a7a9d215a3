"""A constructed run with results of every status, some of them hostile, for the tests of the reports."""

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
    """Return a result with plausible defaults."""
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
        "fix": "Correct the documents.",
    } | fields
    return Result(id=rule_id, status=status, **values)  # type: ignore[arg-type]


RESULTS = (
    result("counts.parents.number", evidence={"expected": 8}, examined=8),
    result("counts.children.number", "failed", examined=990, violations=10,
           evidence={"expected": [1000, 2000], "found": 990, "low": 1000, "high": 2000},
           samples=(Sample("990 documents, NUM_CHILDREN says 1,000", ref="children"),)),
    result("references.children.parent_id", "failed", examined=200_000, violations=2,
           title="Every child's parent exists",
           samples=(Sample('parent "p9" does not exist', id="c1"), Sample("parent is missing", id=ObjectId("5" * 24))),
           why="A device would show a child without its parent.", fix="Restore the parent, or remove the child."),
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
    """Return the example with other results, and other fields if given."""
    return dataclasses.replace(REPORT, results=results, **fields)


def share(rule_id: str, table: dict[str, Any]) -> Result:
    """Return the result of a distribution rule with found and expected numbers by row and group."""
    return result(rule_id, examined=1000, evidence={"test": "G-test", "p_value": 0.5, "table": table})


_MONTHS = [f"{year}-{month:02d}" for year in range(2020, 2027) for month in range(1, 13)]
SHARES = (
    share("business.children.parent_id-shares", {"": {f"parent_{n}": [100 + n, 99.5] for n in range(8)}}),
    share("business.children.month-shares", {"": {"2020": [500, 480.0], "2021": [500, 520.0]}}),
    share(
        "business.vectors.kind-shares",
        {f"{m:02d}": {f"a_group_of_a_long_name_{g}": [50 + m * g, 55.0 + g] for g in range(9)} for m in range(1, 13)},
    ),
)
#: Measurements of a run of all rules, for each chart.
MEASURED: dict[str, Any] = {
    "references": [
        {"collection": "children", "field": "parent_id", "target": "parents"},
        {"collection": "vectors", "field": "child_id", "target": "children"},
        {"collection": "vectors", "field": "parent_id", "target": "parents"},
    ],
    "synced": ["parents", "children"],
    "sizes": {
        "parents": {"documents": 8, "bytes": 2400, "smallest": 280, "largest": 331, "octaves": {"8": 8}},
        "children": {
            "documents": 990, "bytes": 700_000, "smallest": 200, "largest": 130_000,
            "octaves": {"7": 10, "8": 900, "9": 79, "16": 1},
        },
    },
    "months": {
        "business.children.month-shares": {
            "collection": "children",
            "months": {month: [1900 + 7 * n, 1905.5 + 7 * n] for n, month in enumerate(_MONTHS)},
        }
    },
    "indexes": [
        {"collection": "children", "name": name, "bytes": size, "reads": reads, "keeps_unique": unique,
         "queries": queries}
        for name, size, reads, unique, queries in (
            ("_id_", 40_000, 0, True, []), ("parent_id_1", 30_000, 7, False, ["of_parent"]),
            ("email_1", 20_000, 3, False, []), ("old_1", 10_000, 0, False, []),
        )
    ],
    "devices": [
        {"name": "pos", "title": "A till, and a worker's handheld of some length", "user": "p1",
         "documents": {"parents": 8, "children": 500}},
        {"name": "manager", "title": "A manager's device", "user": "the super manager", "documents": {"children": 990}},
    ],
    "not_measured": {"nothing": "not allowed"},
}  # fmt: skip

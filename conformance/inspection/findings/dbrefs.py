"""Results about DBRefs, which name the collection that they refer to: whether the documents are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from pymongo.database import Database

from conformance.checks.joins.keys import nowhere
from conformance.inspection.findings.references import model_path, plain_names
from conformance.inspection.profile import Profile
from conformance.inspection.results import finding, holds, result_id
from conformance.inspection.samples import shown_path
from conformance.inspection.scan import Scanned
from conformance.model.paths import all_values
from conformance.results import Result, Sample
from conformance.text.plural import numbered
from conformance.text.rendering import shorten

_SAMPLES: Final = 5


def dbref_findings(database: Database[dict[str, Any]], scans: Sequence[Scanned]) -> Iterator[Result]:
    """Yield a result for each path with DBRefs; those to another database are not looked at."""
    for scan in scans:
        for profile in scan.root.walk():
            if profile.types["dbRef"] and plain_names(profile.path):
                yield _result(database, scan, profile)


def _result(database: Database[dict[str, Any]], scan: Scanned, profile: Profile) -> Result:
    path, missing, number = shown_path(profile.path), list[Sample](), 0
    values = _values(model_path(profile.path), database.name)
    targets = database[scan.name].aggregate(
        [*values, {"$group": {"_id": "$to"}}, {"$sort": {"_id": 1}}], allowDiskUse=True
    )
    names = [row["_id"] for row in targets]
    for name in names:
        stages = [*values, {"$match": {"to": name}}, *nowhere("$key", [(name, "_id")]), {"$sort": {"_id": 1}}]
        for row in database[scan.name].aggregate(stages, allowDiskUse=True):
            number += row["_n"]
            if len(missing) < _SAMPLES:
                missing.append(Sample(f"{shorten(row['_id'])} is in no {name}._id", ref=path))
    identity = result_id("references", scan.name, "dbref", profile.path)
    title = f"{scan.name}: {path} refers by DBRef to {' or '.join(names)}"
    if not number:
        return holds(identity, title, "warning", profile.types["dbRef"])
    return finding(
        identity,
        title,
        "warning",
        headline=f"{scan.name}: {path} is a DBRef to documents that are not there, {numbered(number, 'time')}",
        examined=profile.types["dbRef"],
        violations=number,
        samples=missing,
        why="Native and ejson mode: an app that follows the reference finds nothing.",
        fix="Restore the documents referred to, or remove those that refer to them.",
        evidence={"path": path, "targets": names},
    )


def _values(path: str, database: str) -> list[dict[str, Any]]:
    """Return the stages that give a row for each DBRef to this database: the collection ``to``, and its ``key``."""
    parts = {"to": "$ref", "key": "$id", "in": "$db"}
    return [
        {"$project": {"value": all_values(path)}},
        {"$unwind": "$value"},
        {"$match": {"value": {"$type": "object"}}},
        {"$project": {"_id": 0, "pairs": {"$objectToArray": "$value"}}},
        {"$project": {name: _named(part) for name, part in parts.items()}},
        {"$match": {"to": {"$type": "string"}, "in": {"$in": [None, database]}}},
    ]


def _named(part: str) -> dict[str, Any]:
    """Return the expression for a part of a DBRef: its name begins with $, which no path can have."""
    is_it = {"$eq": ["$$this.k", {"$literal": part}]}
    values = {"$map": {"input": {"$filter": {"input": "$pairs", "cond": is_it}}, "in": "$$this.v"}}
    return {"$arrayElemAt": [values, 0]}

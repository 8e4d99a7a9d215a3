"""Results about references: each candidate, what is missing of its values, and the index that it needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pymongo.database import Database

from conformance.checks.joins.keys import nowhere
from conformance.inspection.findings.candidates import ReferenceCandidate
from conformance.inspection.profile import ELEMENTS, Path
from conformance.inspection.results import finding, holds, result_id
from conformance.inspection.samples import shown_path
from conformance.inspection.scan import Scanned
from conformance.model.paths import all_values, dotted
from conformance.results import Result, Sample
from conformance.server.metadata import live_indexes
from conformance.text.rendering import shorten


def reference_findings(
    database: Database[dict[str, Any]], scans: Sequence[Scanned], candidates: Sequence[ReferenceCandidate]
) -> Iterator[Result]:
    """One result for each candidate: passed when every value is there, a warning with the documents when one is not."""
    by_name = {scan.name: scan for scan in scans}
    for each in candidates:
        yield _finding(database, by_name[each.collection], each)
        if dotted(model_path(each.path)) is not None:
            yield _indexed(database, each)


def _finding(database: Database[dict[str, Any]], scan: Scanned, each: ReferenceCandidate) -> Result:
    path, place = shown_path(each.path), each.places
    identity = result_id("references", each.collection, "candidate", each.path)
    title = f"{each.collection}: {path} refers to {place}"
    evidence = {
        "path": path,
        "target": place,
        "share": round(each.share, 6),
        "values": each.values,
        "copies": list(each.copies),
    }
    if not each.dangling:
        return holds(identity, title, "warning", scan.root.at(each.path).count, evidence)
    documents, values = _dangling(database, each)
    return finding(
        identity,
        title,
        "warning",
        headline=f"{each.collection}: {path} seems to refer to {place}: {each.dangling:,} of {each.values:,} values are"
        " not there",
        examined=max(scan.root.at(each.path).count, documents),
        violations=max(1, documents),
        samples=[Sample(f"{shorten(value)} is in no {place}", ref=path) for value in values],
        why="Native and ejson mode: a device that follows the reference finds nothing.",
        fix="Restore the documents referred to, or remove those that refer to them.",
        evidence={**evidence, "dangling": [shorten(value) for value in values]},
    )


def model_path(path: Path) -> str:
    """Return the path as a model writes it."""
    return ".".join(step[0] if isinstance(step, tuple) else step for step in path).replace(f".{ELEMENTS}", ELEMENTS)


def plain_names(path: Path) -> bool:
    """Return whether an expression can name the path."""
    return not any(not step[0] or set(step[0]) & set(".$[]*") for step in path if isinstance(step, tuple))


def _indexed(database: Database[dict[str, Any]], each: ReferenceCandidate) -> Result:
    """Return whether an index begins with the field: otherwise every look-up of the children reads all of them."""
    names = ".".join(step[0] for step in each.path if isinstance(step, tuple))
    identity = result_id("indexes", each.collection, "reference", each.path)
    title = f"{each.collection}: An index begins with {names}, which refers to {each.collections}"
    if any(index.leads(names) for index in live_indexes(database, each.collection)):
        return holds(identity, title, "warning", 1)
    return finding(
        identity,
        title,
        "warning",
        headline=f"{each.collection}: no index begins with {names}, which refers to {each.collections}",
        examined=1,
        violations=1,
        samples=[Sample("no index begins with it", ref=names)],
        why="Native and ejson mode: devices subscribe by such a field, and the connector and the apps search the whole"
        " collection each time.",
        fix=f"Create an index on {names} in MongoDB, and one on devices where they query by it.",
    )


def _dangling(database: Database[dict[str, Any]], each: ReferenceCandidate) -> tuple[int, list[Any]]:
    """Return how often values occur that the target does not have, and some of them: an anti-join by the server."""
    if not plain_names(each.path) or not all(plain_names(((field,),)) for _, field in each.targets):
        return each.dangling, []
    groups = database[each.collection].aggregate(
        [
            {"$project": {"value": all_values(model_path(each.path))}},
            {"$unwind": "$value"},
            *nowhere("$value", each.targets),
            {"$sort": {"_id": 1}},
        ],
        allowDiskUse=True,
    )
    documents = 0
    values: list[Any] = []
    for group in groups:
        documents += group["_n"]
        if len(values) < 5:
            values.append(group["_id"])
    return documents, values

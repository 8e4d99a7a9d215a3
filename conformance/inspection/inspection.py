"""Inspect a database without a model: the server, the collections, and every document, read once."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pymongo.database import Database

from conformance.errors import TargetError
from conformance.inspection.findings.asked import circles, invisible_characters, references_to_deleted
from conformance.inspection.findings.candidates import ReferenceCandidate, reference_candidates
from conformance.inspection.findings.collection import collection_findings, has_documents, is_own
from conformance.inspection.findings.dbrefs import dbref_findings
from conformance.inspection.findings.key import key_candidates, key_findings
from conformance.inspection.findings.path import LIMITS, path_findings
from conformance.inspection.findings.references import reference_findings
from conformance.inspection.findings.server import server_findings
from conformance.inspection.free_maps import join_free_maps
from conformance.inspection.names import is_deletion_flag
from conformance.inspection.results import finding, holds, result_id
from conformance.inspection.samples import shown_path
from conformance.inspection.scan import Scanned, scan
from conformance.results import Report, Result, Sample, TargetInfo
from conformance.server.metadata import LiveCollection, live_collections
from conformance.text.masking import mask

#: Paths of a collection that the report lists.
_LISTED_PATHS: Final = 1_000


@dataclass
class Inspection:
    """The data of an inspection: the collections as the server lists them, the scans, the references."""

    collections: Mapping[str, LiveCollection]
    scans: Sequence[Scanned]
    references: Sequence[ReferenceCandidate]
    results: list[Result] = field(default_factory=list)


def inspect(
    database: Database[dict[str, Any]],
    *,
    only: Sequence[str] = (),
    expect: Callable[[Mapping[str, int]], object] = lambda _: None,
    on_progress: Callable[[str, int], object] = lambda *_: None,
) -> Inspection:
    """Read the database and report findings; ``only`` names the collections, default all.

    ``expect`` is told how many documents each collection has, about; ``on_progress`` how many were read.
    """
    listed = {name: each for name, each in sorted(live_collections(database).items()) if not is_own(name)}
    collections = {name: each for name, each in listed.items() if not only or name in only}
    missing = [name for name in only if name not in listed]
    if missing or not collections:
        there = f"it has {', '.join(listed)}" if listed else "it is empty: check the name, or pass --database"
        what = f"no collection {missing[0]}" if missing else "no collections"
        raise TargetError(f"the database {database.name} has {what}; {there}")
    readable = [name for name, each in collections.items() if has_documents(each)]
    expect({name: database[name].estimated_document_count() for name in readable})
    scans = []
    for name in readable:
        scanned = scan(database[name], lambda number, name=name: on_progress(name, number), LIMITS)  # type: ignore[misc]
        join_free_maps(scanned.root)
        scans.append(scanned)
    inspection = Inspection(collections, scans, reference_candidates(scans))
    inspection.results = _results(database, inspection)
    return inspection


def _results(database: Database[dict[str, Any]], inspection: Inspection) -> list[Result]:
    results = list(server_findings(database))
    for collection in inspection.collections.values():
        results += collection_findings(database, collection)
    for scanned in inspection.scans:
        results += path_findings(scanned)
        results += key_findings(database[scanned.name], scanned)
        results += invisible_characters(database[scanned.name], scanned)
        results.append(_deletion_flag(scanned))
    results += reference_findings(database, inspection.scans, inspection.references)
    results += dbref_findings(database, inspection.scans)
    results += references_to_deleted(database, inspection.scans, inspection.references)
    results += circles(database, inspection.scans, inspection.references)
    return results


def deletion_flags(scanned: Scanned) -> list[str]:
    """Boolean fields of every document whose name is that of a soft-delete flag."""
    return [
        name
        for name, profile in scanned.root.fields.items()
        if is_deletion_flag(name) and profile.types.keys() == {"bool"} and profile.count == scanned.documents
    ]


def _deletion_flag(scanned: Scanned) -> Result:
    identity = result_id("crdt", scanned.name, "soft-delete")
    title = f"{scanned.name}: Every document has a soft-delete flag"
    flags = deletion_flags(scanned)
    if flags or not scanned.documents:
        return holds(identity, title, "warning", scanned.documents, {"candidates": flags})
    return finding(
        identity,
        title,
        "warning",
        headline=f"{scanned.name}: no soft-delete flag was found",
        examined=scanned.documents,
        violations=scanned.documents,
        samples=[Sample("no boolean field of every document reads as a soft-delete flag", ref=scanned.name)],
        why="Native and ejson mode: a document that was deleted can come back from a device that was offline and"
        " changed it; a flag cannot.",
        fix="If documents are ever deleted here, add a boolean field such as deleted, false in every document.",
    )


def inspection_report(
    inspection: Inspection, info: TargetInfo, command: str, started: dt.datetime, clock: float
) -> Report:
    """Return the inspection as a report; ``clock`` is the performance counter's value at the start."""
    return Report(
        target=info,
        seed=0,
        started_at=started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        duration_s=time.perf_counter() - clock,
        command=mask(command),
        counts={scanned.name: scanned.documents for scanned in inspection.scans},
        results=inspection.results,
        measured=_measured(inspection),
    )


def _measured(inspection: Inspection) -> dict[str, Any]:
    return {
        "references": [
            {"collection": each.collection, "field": shown_path(each.path), "target": target}
            for each in inspection.references
            for target, _ in each.targets
        ],
        "sizes": {
            scanned.name: {
                "documents": scanned.documents,
                "bytes": scanned.bytes,
                "smallest": scanned.smallest,
                "largest": scanned.largest,
                "octaves": {str(octave): number for octave, number in sorted(scanned.octaves.items())},
            }
            for scanned in inspection.scans
            if scanned.documents
        },
        "inspected": {scanned.name: _inspected(scanned, inspection) for scanned in inspection.scans},
    }


def _inspected(scanned: Scanned, inspection: Inspection) -> dict[str, Any]:
    """Return what is in a collection: its paths with types, and what they could be to Ditto."""
    profiles = [profile for profile in scanned.root.walk() if profile.path][:_LISTED_PATHS]
    return {
        "paths": {shown_path(profile.path): dict(profile.types) for profile in profiles},
        "id_candidates": key_candidates(scanned),
        "soft_delete": deletion_flags(scanned),
        "references": {
            shown_path(each.path): each.places for each in inspection.references if each.collection == scanned.name
        },
    }

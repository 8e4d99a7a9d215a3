"""Findings that need a question to the server besides the scan: texts that look right and are not, deleted targets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from pymongo.collection import Collection
from pymongo.database import Database

from conformance.checks.joins.circles import keys_on_circles
from conformance.checks.joins.several import referring
from conformance.inspection.findings.candidates import ReferenceCandidate
from conformance.inspection.findings.references import model_path
from conformance.inspection.names import is_deletion_flag
from conformance.inspection.profile import Path, Profile
from conformance.inspection.results import finding, result_id
from conformance.inspection.samples import shown_path
from conformance.inspection.scan import Scanned
from conformance.model.collection import Reference
from conformance.model.names import unfit_field
from conformance.model.paths import values_at
from conformance.results import Result, Sample
from conformance.text.invisible import IN_NAMES, IN_PROSE, named
from conformance.text.paths import value_at
from conformance.text.plural import numbered
from conformance.text.rendering import shorten

_SAMPLES: Final = 5
#: Deleted documents whose keys are looked for among the documents that refer to them.
_MOST_DELETED: Final = 10_000


def invisible_characters(collection: Collection[dict[str, Any]], scanned: Scanned) -> Iterator[Result]:
    """Paths with texts that have characters nobody sees where no script needs them: the server tells by an expression.

    The scan knows which paths have such characters at all, so the server is asked about those only.
    """
    for profile in scanned.root.walk():
        path = _dotted(profile.path)
        if not profile.texts.unseen or path is None:
            continue
        expression = IN_PROSE if profile.texts.several_lines else IN_NAMES
        number = collection.count_documents({path: {"$regex": expression}})
        if number:
            yield _invisible(collection, scanned, profile, path, expression, number)


def _invisible(
    collection: Collection[dict[str, Any]], scanned: Scanned, profile: Profile, path: str, expression: str, number: int
) -> Result:
    documents = list(collection.find({path: {"$regex": expression}}).limit(_SAMPLES))
    texts = {str(document["_id"]): (document["_id"], value_at(document, path)) for document in documents}
    shown = shown_path(profile.path)
    return finding(
        result_id("documents", scanned.name, "characters", profile.path),
        f"{scanned.name}: Strings have no invisible characters",
        "warning",
        headline=f"{scanned.name}: {shown}: invisible characters in {number:,} of {scanned.documents:,} documents",
        examined=scanned.documents,
        violations=number,
        samples=[
            Sample(f"{shown} is {shorten(text)}: it has {named(str(text))}", id=one) for one, text in texts.values()
        ],
        why="Native and ejson mode: two names that look alike are two documents; a search for one misses the other.",
        fix="Write the strings again without the characters.",
        evidence={"path": shown},
    )


def references_to_deleted(
    database: Database[dict[str, Any]], scans: Sequence[Scanned], candidates: Sequence[ReferenceCandidate]
) -> Iterator[Result]:
    """Return references to documents that are marked as deleted."""
    by_name = {scan.name: scan for scan in scans}
    for each in candidates:
        flags = {
            target: name
            for target, _ in each.targets
            for name, field in by_name[target].root.fields.items()
            if is_deletion_flag(name) and field.true
        }
        if flags and all(unfit_field(step[0]) is None for step in each.path if isinstance(step, tuple)):
            yield from _deleted(database, by_name[each.collection], each, flags)


def _deleted(
    database: Database[dict[str, Any]], scanned: Scanned, each: ReferenceCandidate, flags: Mapping[str, str]
) -> Iterator[Result]:
    """Return the documents that refer to deleted ones; ``flags`` are the fields that mark these, by collection."""
    path = model_path(each.path)
    deleted = {
        target: [
            document[field]
            for document in database[target].find({flags[target]: True}, {field: 1}).limit(_MOST_DELETED)
        ]
        for target, field in each.targets
        if target in flags
    }
    keys = [key for some in deleted.values() for key in some]
    query = referring(Reference(each.collection, path, each.target, each.field), keys)
    number = database[each.collection].count_documents(query)
    if number:
        documents = list(database[each.collection].find(query).limit(_SAMPLES))
        first = [next(one for one in values_at(document, path) if one[1] in keys) for document in documents]
        yield finding(
            result_id("references", each.collection, "deleted", each.path),
            f"{each.collection}: {path} refers to documents that are not deleted",
            "warning",
            headline=f"{each.collection}: {path} refers to deleted documents of {' or '.join(deleted)} in"
            f" {numbered(number, 'document')}",
            examined=scanned.documents,
            violations=number,
            samples=[
                Sample(
                    f"{place} is {shorten(key)}, which is deleted in"
                    f" {next(target for target, some in deleted.items() if key in some)}",
                    id=document["_id"],
                )
                for document, (place, key) in zip(documents, first, strict=True)
            ],
            why="Native and ejson mode: a device that hides deleted documents finds nothing at the reference. Where the"
            " reference records the past, that is right (x-history).",
            fix="Refer to another document, or declare x-history where the reference records the past.",
            evidence={"path": path, "flag": ", ".join(f"{target}.{flag}" for target, flag in flags.items())},
        )


def circles(
    database: Database[dict[str, Any]], scans: Sequence[Scanned], candidates: Sequence[ReferenceCandidate]
) -> Iterator[Result]:
    """Return references within a collection that lead back to where they began."""
    by_name = {scan.name: scan for scan in scans}
    for each in candidates:
        path = _dotted(each.path)
        if each.collection != each.target or path is None:
            continue
        scanned = by_name[each.collection]
        profile = scanned.root.at(each.path)
        must_refer = profile.count == scanned.documents and not profile.types["null"]
        reference = Reference(each.collection, path, each.target, each.field)
        keys = keys_on_circles(database[each.collection], reference, root_is_own_parent=must_refer)
        if keys:
            yield finding(
                result_id("references", each.collection, "circle", each.path),
                f"{each.collection}: {path}, followed from document to document, comes to an end",
                "error",
                headline=f"{each.collection}: {path} leads in a circle through {numbered(len(keys), 'document')}",
                examined=profile.count,
                violations=len(keys),
                samples=[Sample(f"{each.field} {shorten(key)} is on a circle", ref=path) for key in keys[:_SAMPLES]],
                why="Native and ejson mode: an app that follows the reference upwards never stops.",
                fix=f"Correct or remove {path} in one document of the circle.",
                evidence={"path": path},
            )


def _dotted(path: Path) -> str | None:
    """Return a path as a query names it; None through arrays and maps, and where a name cannot be asked for."""
    names = [step[0] for step in path if isinstance(step, tuple)]
    usable = len(names) == len(path) and all(name and "." not in name and "$" not in name for name in names)
    return ".".join(names) if usable else None

"""Detection of references between fields, by their names and by their values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pymongo.database import Database

from conformance.inspection.findings.key import identifies, is_nearly_own_key
from conformance.inspection.key_values import share_within
from conformance.inspection.names import (
    BARE_IDENTITIES,
    is_own_identity,
    is_particular,
    may_refer,
    may_stand_for,
    names_collection,
    names_own_kind,
    stem,
    words,
)
from conformance.inspection.profile import ELEMENTS, Path, Profile
from conformance.inspection.results import finding, holds, result_id
from conformance.inspection.samples import shown_path
from conformance.inspection.scan import Scanned
from conformance.model.paths import all_values, dotted
from conformance.results import Result, Sample
from conformance.server.metadata import live_indexes
from conformance.text.rendering import shorten

#: The share of a field's different values that must be there: by name and value, and by value alone.
_BY_NAME: Final = 0.5
_BY_VALUE: Final = 1.0
#: Different values below which equal random ids may be test data.
_LEAST_VALUES: Final = 3
#: Certainty of a candidate, the most certain last.
_VALUE, _SAME_NAME, _NAME, _OWN_NAME = 1, 2, 3, 4
#: Types of ids that are drawn at random.
_RANDOM_TYPES: Final = frozenset({"objectId", "binData"})


@dataclass(frozen=True)
class ReferenceCandidate:
    """``collection.path`` holds values of ``target.field``; ``share`` of its different values is there.

    ``dangling`` counts the different values that are not. ``copies`` are fields that have the same name in both, and
    only values that the target has.
    """

    collection: str
    path: Path
    target: str
    field: str
    share: float
    values: int
    dangling: int
    certainty: int
    copies: tuple[str, ...] = ()


def reference_candidates(scans: Sequence[Scanned]) -> list[ReferenceCandidate]:
    """At most one candidate for each path, the surest."""
    keys = [
        (scan, name, profile)
        for scan in scans
        for name, profile in scan.root.fields.items()
        if may_refer(name) and (identifies(profile, scan.documents) or is_nearly_own_key(scan, name))
    ]
    found = []
    for scan in scans:
        for profile in scan.root.walk():
            if _may_be_child(scan, profile):
                best = _best(scan, profile, keys)
                if best is not None:
                    found.append(best)
    return [_with_copies(each, scans) for each in found if not _is_copy(each, found)]


def reference_findings(
    database: Database[dict[str, Any]], scans: Sequence[Scanned], candidates: Sequence[ReferenceCandidate]
) -> Iterator[Result]:
    """One result for each candidate: passed when every value is there, a warning with the documents when one is not."""
    by_name = {scan.name: scan for scan in scans}
    for each in candidates:
        yield _finding(database, by_name[each.collection], each)
        if dotted(model_path(each.path)) is not None:
            yield _indexed(database, each)


def _may_be_child(scan: Scanned, profile: Profile) -> bool:
    names = [step[0] for step in profile.path if isinstance(step, tuple)]
    keys = profile.keys
    if not names or keys is None or keys.overflown or not keys.distinct:
        return False
    if profile.path[0] == ("_id",) and len(profile.path) == 1:
        return False
    top = len(profile.path) == 1
    return not (top and is_own_identity(names[-1], scan.name) and identifies(profile, scan.documents))


def _best(scan: Scanned, child: Profile, keys: Sequence[tuple[Scanned, str, Profile]]) -> ReferenceCandidate | None:
    candidates = [found for key in keys if (found := _candidate(scan, child, *key)) is not None]
    return max(candidates, key=lambda each: (each.certainty, each.share, each.field == "_id"), default=None)


def _candidate(
    scan: Scanned, child: Profile, target: Scanned, field: str, parent: Profile
) -> ReferenceCandidate | None:
    if parent is child or child.keys is None or parent.keys is None:
        return None
    certainty = _certainty(scan, child, target, field)
    if not certainty and not _is_random(child):
        return None
    needed = _BY_NAME if certainty > _SAME_NAME else _BY_VALUE
    share = share_within(child.keys.hashes, parent.keys.hashes)
    if share < needed or (not certainty and child.keys.distinct < _LEAST_VALUES):
        return None
    dangling = round((1 - share) * child.keys.distinct)
    return ReferenceCandidate(
        scan.name, child.path, target.name, field, share, child.keys.distinct, dangling, certainty or _VALUE
    )


def _is_random(child: Profile) -> bool:
    """Return True for ids that are equal to others only if they refer to them: ObjectIds, UUIDs and the like."""
    return bool(_RANDOM_TYPES & child.types.keys()) or 0 < child.types["string"] == child.texts.random_ids


def _certainty(scan: Scanned, child: Profile, target: Scanned, field: str) -> int:
    """Return how much the names say; 0 for nothing."""
    name = _telling_name(child)
    same_collection = scan.name == target.name
    if same_collection:
        return _NAME if names_own_kind(name) and is_own_identity(field, target.name) else 0
    own = is_own_identity(field, target.name)
    ends_alike = words(name)[-len(words(field)) :] == words(field)
    if ends_alike and own and field not in ("_id", "id") and names_collection(name, target.name):
        return _OWN_NAME
    stands = stem(name) == stem(target.name) and may_stand_for(name)
    named = may_refer(name) or stands or child.path[-1] == ELEMENTS or bool(_RANDOM_TYPES & child.types.keys())
    if own and named and names_collection(name, target.name):
        return _NAME
    return _SAME_NAME if name == field and is_particular(name) and field != "_id" else 0


def _telling_name(child: Profile) -> str:
    """Return the name that says what a value refers to: ``customer_id`` for ``customer._id`` and ``customer.id``.

    An integer in an array of objects may be the number of the element: ``items[].id`` says nothing.
    """
    names = [step[0] for step in child.path if isinstance(step, tuple)]
    if len(names) < 2 or names[-1] not in BARE_IDENTITIES or child.path[0] == ("_id",):
        return names[-1]
    numbered = child.path[-2] == ELEMENTS and not child.types.keys() <= _RANDOM_TYPES | {"string", "null"}
    return names[-1] if numbered else f"{names[-2]}_id"


def _is_copy(each: ReferenceCandidate, found: Sequence[ReferenceCandidate]) -> bool:
    """Return True for a field that only has its target's name or values, where a surer one says which document it is.

    Two fields with keys of one collection are two references (``user`` and ``approvedBy``), whatever their names.
    """
    return each.certainty <= _SAME_NAME and any(
        (other.collection, other.target) == (each.collection, each.target)
        and other.certainty > each.certainty
        and (each.certainty == _SAME_NAME or other.field != each.field)
        for other in found
    )


def _with_copies(each: ReferenceCandidate, scans: Sequence[Scanned]) -> ReferenceCandidate:
    by_name = {scan.name: scan.root.fields for scan in scans}
    own, theirs = by_name[each.collection], by_name[each.target]
    copies = []
    for name in sorted(own.keys() & theirs.keys()) if each.collection != each.target and len(each.path) == 1 else ():
        mine, source = own[name].keys, theirs[name].keys
        usual = name == each.field or name.startswith("_") or set(words(name)) & {"created", "updated", "deleted"}
        if usual or mine is None or source is None or "string" not in own[name].types or mine.distinct < 2:
            continue
        if share_within(mine.hashes, source.hashes) == 1.0:
            copies.append(name)
    return replace(each, copies=tuple(copies))


def _finding(database: Database[dict[str, Any]], scan: Scanned, each: ReferenceCandidate) -> Result:
    path, place = shown_path(each.path), f"{each.target}.{each.field}"
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


def _indexed(database: Database[dict[str, Any]], each: ReferenceCandidate) -> Result:
    """Return whether an index begins with the field: otherwise every look-up of the children reads all of them."""
    names = ".".join(step[0] for step in each.path if isinstance(step, tuple))
    identity = result_id("indexes", each.collection, "reference", each.path)
    title = f"{each.collection}: An index begins with {names}, which refers to {each.target}"
    if any(index.leads(names) for index in live_indexes(database, each.collection)):
        return holds(identity, title, "warning", 1)
    return finding(
        identity,
        title,
        "warning",
        headline=f"{each.collection}: no index begins with {names}, which refers to {each.target}",
        examined=1,
        violations=1,
        samples=[Sample("no index begins with it", ref=names)],
        why="Native and ejson mode: devices subscribe by such a field, and the connector and the apps search the whole"
        " collection each time.",
        fix=f"Create an index on {names} in MongoDB, and one on devices where they query by it.",
    )


def _dangling(database: Database[dict[str, Any]], each: ReferenceCandidate) -> tuple[int, list[Any]]:
    """Return how often values occur that the target does not have, and some of them: an anti-join by the server."""
    names = [step[0] for step in each.path if isinstance(step, tuple)]
    if any(not name or set(name) & set(".$[]*") for name in [*names, each.field]):
        return each.dangling, []
    groups = database[each.collection].aggregate(
        [
            {"$project": {"value": all_values(model_path(each.path))}},
            {"$unwind": "$value"},
            {"$group": {"_id": "$value", "children": {"$sum": 1}}},
            {
                "$unionWith": {
                    "coll": each.target,
                    "pipeline": [{"$group": {"_id": f"${each.field}", "parents": {"$sum": 1}}}],
                }
            },
            {"$group": {"_id": "$_id", "children": {"$sum": "$children"}, "parents": {"$sum": "$parents"}}},
            {"$match": {"children": {"$gt": 0}, "parents": 0}},
            {"$sort": {"_id": 1}},
        ],
        allowDiskUse=True,
    )
    documents = 0
    values: list[Any] = []
    for group in groups:
        documents += group["children"]
        if len(values) < 5:
            values.append(group["_id"])
    return documents, values

"""Candidates for a device's _id: top-level fields that are always present, unique and of one scalar type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pymongo.collection import Collection

from conformance.inspection.kinds_of_values import type_groups
from conformance.inspection.names import is_own_identity, may_refer
from conformance.inspection.profile import Profile
from conformance.inspection.results import finding, holds, result_id
from conformance.inspection.scan import Scanned
from conformance.results import Result, Sample
from conformance.text.plural import numbered
from conformance.text.rendering import shorten

#: Types that make an _id in Ditto.
_KEY_TYPES: Final = frozenset({"string", "int", "long", "objectId", "bool"})
#: Types of the keys that references refer to; a UUID is binary, which devices do not take as _id.
_REFERRED_TYPES: Final = _KEY_TYPES | {"binData"}
#: The share of different values from which on a field named like a key is taken for one with duplicates.
_NEARLY: Final = 0.98
#: Bytes of a device's _id (conformance/rules/ditto/crdt/shapes.py).
_MOST_BYTES: Final = 254


def key_candidates(scanned: Scanned) -> list[str]:
    """Return the keys by which devices could know a document, the likeliest first: _id, then what is named after it."""
    found = [name for name in unique_fields(scanned) if may_refer(name)]
    return sorted(found, key=lambda name: (name != "_id", not is_own_identity(name, scanned.name), name))


def unique_fields(scanned: Scanned) -> list[str]:
    """Return the required top-level fields with unique values of one type, except dates."""
    fields = scanned.root.fields.items()
    return [name for name, each in fields if is_key(each, scanned.documents) and not each.texts.dates]


def is_key(profile: Profile, documents: int) -> bool:
    """Return True when every document has a value of one type that makes an _id, and no two share it."""
    return profile.types.keys() <= _KEY_TYPES and identifies(profile, documents)


def identifies(profile: Profile, documents: int) -> bool:
    """Return True for a key of MongoDB's documents: as `is_key`, or binary, as drivers store UUIDs."""
    types = profile.types
    if profile.count != documents or not types.keys() <= _REFERRED_TYPES or len(type_groups(types)) != 1:
        return False
    if profile.path == (("_id",),):  # the server sees to it, however many there are
        return True
    return profile.keys is not None and profile.keys.unique and profile.keys.total == documents


def key_findings(collection: Collection[dict[str, Any]], scanned: Scanned) -> Iterator[Result]:
    """Yield the candidates, problems of _id, and fields that would be keys but for a few documents."""
    if not scanned.documents:
        return
    candidates = key_candidates(scanned)
    identity = result_id("sync", scanned.name, "id-mapping")
    evidence = {"candidates": candidates, "never_changes": "not known from the data"}
    title = f"{scanned.name}: A field or _id can make the device's _id"
    if candidates or scanned.root.fields["_id"].types.keys() == {"object"}:
        yield holds(identity, title, "error", scanned.documents, evidence)
    yield from _identity(scanned)
    for name, profile in scanned.root.fields.items():
        if (
            name != "_id"
            and may_refer(name)
            and _is_nearly_key(profile, scanned.documents, is_own_identity(name, scanned.name))
        ):
            yield _near_key(collection, scanned, name, profile)


def _identity(scanned: Scanned) -> Iterator[Result]:
    """Yield what devices do not take as _id."""
    profile = scanned.root.fields.get("_id")
    if profile is None:
        return
    identity, title = result_id("crdt", scanned.name, "id"), f"{scanned.name}: _id is one that devices take"
    bad = [*(set(profile.types) - _KEY_TYPES - {"object"})]
    parts = profile.walk() if "object" in profile.types else iter([profile])
    nulls = sum(each.types["null"] for each in parts)
    groups = type_groups(profile.types)
    problem = ""
    if bad:
        problem = (
            f"_id is {' or '.join(sorted(bad))} in {numbered(sum(profile.types[name] for name in bad), 'document')}"
        )
    elif nulls:
        problem = f"_id holds null in {numbered(nulls, 'document')}"
    elif len(groups) > 1:
        problem = f"_id has several types: {', '.join(f'{name} {number:,}' for name, number in groups.items())}"
    elif 4 * profile.texts.longest > _MOST_BYTES:
        problem = (
            f"_id is up to {profile.texts.longest:,} characters long" if profile.texts.longest > _MOST_BYTES else ""
        )
    if not problem:
        yield holds(identity, title, "error", scanned.documents, {"types": dict(profile.types)})
        return
    number = sum(profile.types[name] for name in bad) or nulls or groups.total() - max(groups.values()) or 1
    yield finding(
        identity,
        title,
        "error",
        headline=f"{scanned.name}: {problem}",
        examined=scanned.documents,
        violations=number,
        samples=[Sample(problem, ref=f"{scanned.name}._id")],
        why="Native and ejson mode: Ditto takes strings, integers, booleans and ObjectIds of up to 256 bytes as _id,"
        " and objects of them; a document with another _id does not arrive.",
        fix="Use an id mapping by another field (single_field), or give the documents another _id.",
        evidence={"types": dict(profile.types)},
    )


def is_nearly_own_key(scanned: Scanned, name: str) -> bool:
    """Return True for a field named after the collection that would be its key, but for a few documents."""
    own = name != "_id" and is_own_identity(name, scanned.name)
    return own and _is_nearly_key(scanned.root.fields[name], scanned.documents, own)


def _is_nearly_key(profile: Profile, documents: int, own: bool) -> bool:
    keys = profile.keys
    if keys is None or keys.overflown or documents < 2 or is_key(profile, documents):
        return False
    if not profile.types.keys() <= _KEY_TYPES | {"null", "double"} or keys.total < _NEARLY * documents:
        return False
    return keys.total - keys.distinct <= (1 - _NEARLY) * documents + (1 if own else 0)


def _near_key(collection: Collection[dict[str, Any]], scanned: Scanned, name: str, profile: Profile) -> Result:
    keys = profile.keys
    missing = scanned.documents - (keys.total if keys else 0)
    several = _several(collection, name)
    repeated = sum(number for _, number in several)
    reasons = [f"{shorten(value)} occurs {number} times" for value, number in several[:3]]
    if missing:
        reasons.append(f"{numbered(missing, 'document has', 'documents have')} no value")
    return finding(
        result_id("uniqueness", scanned.name, "near-key", ((name,),)),
        f"{scanned.name}: A field that reads as a key is one",
        "warning",
        headline=f"{scanned.name}: {name} is not quite a key: {'; '.join(reasons)}",
        examined=scanned.documents,
        violations=max(1, repeated + missing),
        samples=[Sample(f"{shorten(value)} occurs {number} times", ref=name) for value, number in several[:5]]
        or [Sample(reasons[0] if reasons else "values repeat", ref=name)],
        why="Native and ejson mode: an id mapping by the field would make two documents one, or leave one out.",
        fix="Correct the documents, then add a unique index; or map by _id.",
        evidence={
            "path": name,
            "missing": missing,
            "repeated": [[shorten(value), number] for value, number in several],
        },
    )


def _several(collection: Collection[dict[str, Any]], name: str) -> list[tuple[Any, int]]:
    """Values that several documents share, with how many do: counted by the server."""
    groups = collection.aggregate(
        [
            {"$match": {name: {"$ne": None}}},
            {"$group": {"_id": f"${name}", "number": {"$sum": 1}}},
            {"$match": {"number": {"$gt": 1}}},
            {"$sort": {"number": -1, "_id": 1}},
            {"$limit": 1000},
        ],
        allowDiskUse=True,
    )
    return [(group["_id"], group["number"]) for group in groups]

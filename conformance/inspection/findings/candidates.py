"""Candidates for references between fields, found by their names and by their values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from conformance.inspection.findings.key import identifies, is_nearly_own_key
from conformance.inspection.key_values import Hashes, share_within
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
from conformance.inspection.scan import Scanned

#: The share of a field's different values that must be there if its name says what it refers to, or if they are random
#: ids, which are not equal by chance, of the target's documents. Otherwise all must be there.
_LEAST_SHARE: Final = 0.5
#: Different values that are there, below which equal random ids may be test data.
_LEAST_VALUES: Final = 3
#: Certainty of a candidate, the most certain last.
_VALUE, _SAME_NAME, _NAME, _OWN_NAME = 1, 2, 3, 4
#: Types of ids that are drawn at random.
_RANDOM_TYPES: Final = frozenset({"objectId", "binData"})


@dataclass(frozen=True)
class ReferenceCandidate:
    """``collection.path`` holds values of ``target.field``; ``share`` of its different values is there.

    ``others`` are collections, with the key of each, that have those of the values that the target does not have. What
    no collection has counts as ``dangling``. ``copies`` are fields that have the same name in both, and only values
    that the target has.
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
    others: tuple[tuple[str, str], ...] = ()

    @property
    def targets(self) -> tuple[tuple[str, str], ...]:
        """Return all collections that it refers to, with the key of each; those of several in alphabetical order."""
        return tuple(sorted([(self.target, self.field), *self.others]))

    @property
    def places(self) -> str:
        """Return the keys that it refers to, as people read them: ``posts._id or products._id``."""
        return " or ".join(f"{target}.{field}" for target, field in self.targets)

    @property
    def collections(self) -> str:
        """Return the collections that it refers to, as people read them."""
        return " or ".join(target for target, _ in self.targets)


_Key = tuple[Scanned, str, Profile]


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


def _may_be_child(scan: Scanned, profile: Profile) -> bool:
    names = [step[0] for step in profile.path if isinstance(step, tuple)]
    keys = profile.keys
    if not names or keys is None or keys.overflown or not keys.distinct:
        return False
    if profile.path[0] == ("_id",) and len(profile.path) == 1:
        return False
    top = len(profile.path) == 1
    return not (top and is_own_identity(names[-1], scan.name) and identifies(profile, scan.documents))


def _best(scan: Scanned, child: Profile, keys: Sequence[_Key]) -> ReferenceCandidate | None:
    candidates = [found for key in keys if (found := _candidate(scan, child, *key)) is not None]
    best = max(candidates, key=lambda each: (each.certainty, each.share, each.field == "_id"), default=None)
    return _with_others(scan, child, keys, best) if _is_random(child) else best


def _with_others(
    scan: Scanned, child: Profile, keys: Sequence[_Key], best: ReferenceCandidate | None
) -> ReferenceCandidate | None:
    """Add the collections that have the values that the best one does not have; their keys are different documents.

    A comment is on a post or on a product, say. Where users and their profiles share one key, a user who is missing is
    not there because the profile is.
    """
    assert child.keys is not None  # noqa: S101 - _may_be_child looked
    found = {} if best is None else {(best.target, best.field): best.certainty}
    hashes = {
        (target.name, field): profile.keys.hashes
        for target, field, profile in keys
        if profile is not child
        and profile.keys is not None
        and ((target.name, field) in found or is_own_identity(field, target.name))
    }
    there = np.concatenate([np.empty(0, np.int64), *(hashes.pop(key) for key in found)])
    left = _without(child.keys.hashes, there)
    while len(left) and hashes:
        key = max(hashes, key=lambda key: share_within(left, hashes[key]))
        own = hashes.pop(key)
        rest = _without(left, own)
        if len(left) - len(rest) < _LEAST_VALUES:
            break
        if not share_within(own, there):
            found[key] = found.get(key, _VALUE)
            there, left = np.union1d(there, own), rest
    share = 1 - len(left) / child.keys.distinct
    if len(found) < 2 or share < _LEAST_SHARE:
        return best
    (target, field), *others = found
    return ReferenceCandidate(
        scan.name,
        child.path,
        target,
        field,
        share,
        child.keys.distinct,
        len(left),
        max(found.values()),
        others=tuple(others),
    )


def _without(hashes: Hashes, others: Hashes) -> Hashes:
    return hashes[~np.isin(hashes, others, assume_unique=True)]


def _candidate(
    scan: Scanned, child: Profile, target: Scanned, field: str, parent: Profile
) -> ReferenceCandidate | None:
    if parent is child or child.keys is None or parent.keys is None:
        return None
    certainty = _certainty(scan, child, target, field)
    is_random = _is_random(child)
    if not certainty and not is_random:
        return None
    is_sure = certainty > _SAME_NAME or (is_random and is_own_identity(field, target.name))
    share = share_within(child.keys.hashes, parent.keys.hashes)
    there = round(share * child.keys.distinct)
    if share < (_LEAST_SHARE if is_sure else 1.0) or (not certainty and there < _LEAST_VALUES):
        return None
    dangling = child.keys.distinct - there
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
    if each.others:
        return each
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

"""Findings at single paths of a collection, from the counters of its scan."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from conformance.inspection.aspects import ASPECTS, BY_NAME, Aspect
from conformance.inspection.names import is_personal, is_secret
from conformance.inspection.profile import Path, Profile
from conformance.inspection.results import finding, holds, result_id
from conformance.inspection.samples import shown_path
from conformance.inspection.scan import Scanned
from conformance.results import Result, Sample
from conformance.rules.ditto.crdt.shapes import HARD_SIZE, TYPICAL_SIZE

LIMITS: Final = (TYPICAL_SIZE, HARD_SIZE)


def path_findings(scanned: Scanned) -> Iterator[Result]:
    """Every aspect of every path that has it; one passed result for each aspect that none has."""
    profiles = [profile for profile in scanned.root.walk() if profile.path]
    for aspect in ASPECTS:
        found = [(profile, number) for profile in profiles if (number := aspect.count(profile))]
        if not found:
            identity = result_id(aspect.family, scanned.name, aspect.name)
            yield holds(identity, f"{scanned.name}: {aspect.title}", aspect.severity, scanned.documents)
        for profile, number in found:
            yield _finding(scanned, aspect, profile, number)
    yield from _named_secrets(scanned, profiles)
    yield _personal(scanned, profiles)
    yield from _sizes(scanned)


def _finding(scanned: Scanned, aspect: Aspect, profile: Profile, number: int) -> Result:
    examined, noun = _examined(scanned, profile.path, number)
    path = shown_path(profile.path)
    samples = [sample for kind in aspect.kinds(profile) for sample in scanned.samples.of(profile.path, kind)][:5]
    return finding(
        result_id(aspect.family, scanned.name, aspect.name, profile.path),
        f"{scanned.name}: {aspect.title}",
        aspect.severity,
        headline=f"{scanned.name}: {path}: {aspect.found} in {_of(number, examined)} {noun}",
        examined=examined,
        violations=number,
        samples=samples or [Sample(aspect.found, ref=path)],
        why=aspect.why,
        fix=aspect.fix,
        evidence={"path": path, "types": dict(profile.types), "native": aspect.native, "ejson": aspect.ejson},
    )


def _examined(scanned: Scanned, path: Path, number: int) -> tuple[int, str]:
    """Return what was counted: documents, or where a path leads through arrays and maps, values."""
    if all(isinstance(step, tuple) for step in path):
        return scanned.documents, "documents"
    values = scanned.root.at(path).count
    return max(values, number), "values"


def _of(number: int, examined: int) -> str:
    return f"all {number:,}" if number == examined else f"{number:,} of {examined:,}"


def _named_secrets(scanned: Scanned, profiles: list[Profile]) -> Iterator[Result]:
    """Fields whose name is that of a credential, where the values do not tell it already."""
    aspect = BY_NAME["secrets"]
    for profile in profiles:
        step = profile.path[-1]
        texts = profile.types["string"] + profile.types["binData"]
        if isinstance(step, tuple) and texts and is_secret(step[0]) and not profile.texts.secrets:
            examined, noun = _examined(scanned, profile.path, texts)
            path = shown_path(profile.path)
            yield finding(
                result_id("security", scanned.name, "named-secrets", profile.path),
                f"{scanned.name}: {aspect.title}",
                aspect.severity,
                headline=f"{scanned.name}: {path}: named like a credential, in {_of(texts, examined)} {noun}",
                examined=examined,
                violations=texts,
                samples=[Sample("its name is that of a credential", ref=path)],
                why=aspect.why,
                fix=aspect.fix,
                evidence={"path": path},
            )


def _personal(scanned: Scanned, profiles: list[Profile]) -> Result:
    """All fields with personal data of a collection, as one warning: a list for whoever answers for it."""
    found: dict[str, int] = {}
    for profile in profiles:
        step = profile.path[-1]
        named = isinstance(step, tuple) and is_personal(step[0]) and not (profile.fields or profile.elements)
        number = profile.types["string"] if named else profile.texts.emails
        if number:
            found[shown_path(profile.path)] = number
    identity, title = result_id("security", scanned.name, "personal-data"), f"{scanned.name}: No personal data"
    if not found:
        return holds(identity, title, "warning", scanned.documents)
    return finding(
        identity,
        title,
        "warning",
        headline=f"{scanned.name}: {', '.join(found)}: personal data by name or form",
        examined=max(scanned.documents, *found.values()),
        violations=max(found.values()),
        samples=[Sample(f"{number:,} values", ref=path) for path, number in found.items()],
        why="Native and ejson mode: every device whose subscription matches stores the data, and devices get lost.",
        fix="Sync only what each device needs (subscriptions, permissions), or move the fields to another collection.",
        evidence={"paths": found},
    )


def _sizes(scanned: Scanned) -> Iterator[Result]:
    for limit, severity, name in ((HARD_SIZE, "error", "size"), (TYPICAL_SIZE, "warning", "typical-size")):
        identity = result_id("crdt", scanned.name, name)
        title = f"{scanned.name}: Documents are smaller than {limit // 1024} KB"
        number = scanned.over[limit] - (scanned.over[HARD_SIZE] if limit == TYPICAL_SIZE else 0)
        if not number:
            yield holds(identity, title, severity, scanned.documents)  # type: ignore[arg-type]
            continue
        yield finding(
            identity,
            title,
            severity,  # type: ignore[arg-type]
            headline=f"{scanned.name}: {number:,} of {scanned.documents:,} documents have {limit // 1024} KB or more",
            examined=scanned.documents,
            violations=number,
            samples=[Sample(f"the largest document has {scanned.largest:,} bytes", ref=scanned.name)],
            why="Native and ejson mode: a document is sent whole to every device that subscribes to it, and in ejson"
            " mode numbers and dates take several times their size. Devices refuse documents of more than 5 MB.",
            fix="Move what is large into a collection that is not synced.",
            evidence={"largest": scanned.largest, "limit": limit},
        )

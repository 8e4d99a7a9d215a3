"""Values of a path that devices handle differently, with the consequence in both modes and the fix.

``native`` and ``ejson`` are the modes of Ditto's connector. What arrives in them is from its documentation; how devices
compare it was tried on the engine (see docs/CONFLICTS.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from conformance.inspection.kinds_of_values import type_groups
from conformance.inspection.names import has_blank, is_refused, reads_as_identity
from conformance.inspection.profile import VALUES, Profile, Step
from conformance.results import Severity
from conformance.rules.ditto.crdt.shapes import MAX_DEPTH

#: The share of texts that must be numbers before a path counts as one of numbers.
_MOSTLY: Final = 0.95
#: Types that documentation does not list as replicated in native mode.
_NOT_REPLICATED: Final = ("regex", "javascript", "timestamp", "minKey", "maxKey", "dbRef", "undefined")


@dataclass(frozen=True)
class Aspect:
    """One thing to find at a path. ``count`` is how many values have it; ``kinds`` name the samples that show it."""

    name: str
    family: str
    severity: Severity
    title: str
    found: str
    native: str
    ejson: str
    fix: str
    count: Callable[[Profile], int]
    kinds: Callable[[Profile], tuple[str, ...]] = lambda _: ()

    @property
    def why(self) -> str:
        """Return what it means on devices, in both modes."""
        same = self.native == self.ejson
        return (
            f"Native and ejson mode: {self.native}" if same else f"Native mode: {self.native} Ejson mode: {self.ejson}"
        )


def _types(*names: str) -> tuple[Callable[[Profile], int], Callable[[Profile], tuple[str, ...]]]:
    return (
        lambda profile: sum(profile.types[name] for name in names),
        lambda profile: tuple(f"type:{name}" for name in names if profile.types[name]),
    )


def _object_ids(profile: Profile) -> int:
    return 0 if profile.path == (("_id",),) else profile.types["objectId"]


def _mixed(profile: Profile) -> int:
    if profile.path[-1] == VALUES:  # each name of such a map has a type of its own
        return 0
    groups = type_groups(profile.types)
    return groups.total() - max(groups.values(), default=0)


def _minority(profile: Profile) -> tuple[str, ...]:
    groups = type_groups(profile.types)
    ((main, _),) = groups.most_common(1)
    return tuple(f"type:{name}" for name in profile.types if name != "null" and main not in type_groups({name: 1}))


def _number_texts(profile: Profile) -> int:
    texts = profile.types["string"]
    name = _last_name(profile)
    if profile.texts.numbers < max(1, _MOSTLY * texts) or reads_as_identity(name):
        return 0
    return profile.texts.numbers


def _date_forms(profile: Profile) -> int:
    dates = profile.texts.dates
    return dates.total() - max(dates.values()) if len(dates) > 1 else 0


def _rare_forms(profile: Profile) -> tuple[str, ...]:
    return tuple(f"date:{form}" for form, _ in profile.texts.dates.most_common()[1:])


def _last_name(profile: Profile) -> str:
    return next((step[0] for step in reversed(profile.path) if isinstance(step, tuple)), "")


def _own_name(profile: Profile) -> str | None:
    step: Step = profile.path[-1] if profile.path else "[]"
    return step[0] if isinstance(step, tuple) else None


def _bad_name(profile: Profile) -> int:
    if profile.path[-1:] == (VALUES,):
        return profile.refused_names
    name = _own_name(profile)
    return profile.count if name is not None and profile.path != (("_id",),) and is_refused(name) else 0


def _blank_name(profile: Profile) -> int:
    name = _own_name(profile)
    return profile.count if name is not None and not is_refused(name) and has_blank(name) else 0


def _deep(profile: Profile) -> int:
    containers = profile.types["object"] + profile.types["array"]
    return containers if len(profile.path) == MAX_DEPTH + 1 else 0


_REPLACED_WHOLE: Final = (
    "an array is replaced whole: if two devices change it, one change is lost. The data does not tell whether devices"
    " will change it."
)
#: In the order in which a reader wants them.
ASPECTS: Final[tuple[Aspect, ...]] = (
    Aspect(
        "not-replicated", "crdt", "error", "Values have types that reach devices", "of a type that devices do not have",
        "the connector's documentation does not list the type, so the value does not arrive.",
        "the value arrives as an object such as {\"$regularExpression\": ...}, which no query can compare.",
        "Store the value as a string, a number or an object (of a DBRef: its $id), or leave the collection unsynced.",
        *_types(*_NOT_REPLICATED),
    ),
    Aspect(
        "binary", "crdt", "error", "No value is binary", "binary",
        "binary data is not listed as replicated, so the value does not arrive.",
        "the value arrives as {\"$binary\": {\"base64\": ..., \"subType\": ...}} and is a third larger.",
        "Keep files outside the synced documents; store a UUID as a string.",
        *_types("binData"),
    ),
    Aspect(
        "large-integers", "crdt", "error", "Integers are within the exact range of a double",
        "integers beyond 2^53",
        "a JavaScript device rounds the integer and writes the rounded one back.",
        "the value arrives as {\"$numberLong\": \"...\"}, which compares as text.",
        "Store such a number as a string.",
        lambda profile: profile.beyond_exact, lambda _: ("large",),
    ),
    Aspect(
        "not-finite", "crdt", "error", "Numbers are finite", "NaN or infinite",
        "NaN and infinities are not numbers on devices, and the document is not synced.",
        "the value arrives as {\"$numberDouble\": \"NaN\"}, which is text.",
        "Remove the field, or store a number.",
        lambda profile: profile.not_finite, lambda _: ("not-finite",),
    ),
    Aspect(
        "broken-text", "crdt", "error", "Strings are UTF-8 without lost letters", "not valid UTF-8, or with U+FFFD",
        "a string that is not UTF-8 cannot be decoded, and the document is not synced; U+FFFD replaces a lost letter.",
        "a string that is not UTF-8 cannot be decoded, and the document is not synced; U+FFFD replaces a lost letter.",
        "Write the string again, in UTF-8; take a lost letter from the source.",
        lambda profile: profile.texts.broken, lambda _: ("broken-text",),
    ),
    Aspect(
        "names", "crdt", "error", "Devices take every field name", "under a name that devices refuse or hide",
        "a name with a dot, a $ or a leading _ is refused by a device or hidden from its queries.",
        "a name with a dot, a $ or a leading _ is refused by a device or hidden from its queries.",
        "Rename the field.",
        _bad_name, lambda _: ("present",),
    ),
    Aspect(
        "depth", "crdt", "error", f"Documents are nested at most {MAX_DEPTH} levels deep", "nested too deep",
        "a device accepts deeper objects, and its app ends when it reads them.",
        "a device accepts deeper objects, and its app ends when it reads them.",
        "Flatten the document.",
        _deep, lambda _: ("present",),
    ),
    Aspect(
        "secrets", "security", "error", "No field holds a credential", "credentials or card numbers",
        "every device that syncs the collection stores the value.",
        "every device that syncs the collection stores the value.",
        "Move the field into a collection that is not synced.",
        lambda profile: profile.texts.secrets.total(),
        lambda profile: tuple(f"secret:{kind}" for kind in profile.texts.secrets),
    ),
    Aspect(
        "mixed-types", "crdt", "warning", "Every path has values of one type", "of another type than most",
        "a query that compares the field skips the values of the other type.",
        "a query that compares the field skips the values of the other type.",
        "Convert the values to one type, or use a field for each type.",
        _mixed, _minority,
    ),
    Aspect(
        "arrays", "crdt", "warning", "No value is an array", "arrays",
        _REPLACED_WHOLE,
        _REPLACED_WHOLE,
        "Where devices change it, make it an object with a key per element, or a collection of its own.",
        *_types("array"),
    ),
    Aspect(
        "decimals", "crdt", "warning", "No value is a Decimal128", "Decimal128",
        "the number arrives as a string: it sorts as text, and sums leave it out.",
        "the number arrives as {\"$numberDecimal\": \"...\"}: it sorts as text, and sums leave it out.",
        "Store money as a number of cents, or as a double that is rounded to cents.",
        *_types("decimal"),
    ),
    Aspect(
        "dates", "crdt", "warning", "No value is a BSON date", "BSON dates",
        "the date arrives as a string, and a date that a device writes is a string in MongoDB.",
        "the date arrives as {\"$date\": {\"$numberLong\": \"...\"}}: queries must cast it and use no index.",
        "Store the time as a string, YYYY-MM-DDTHH:MM:SSZ, or let every app convert it.",
        *_types("date"),
    ),
    Aspect(
        "object-ids", "crdt", "warning", "No value outside _id is an ObjectId", "ObjectIds outside _id",
        "the ObjectId arrives as a string of 24 digits, and one that a device writes is a string in MongoDB.",
        "the ObjectId arrives as {\"$oid\": \"...\"}: compare the part $oid.",
        "Store the id as a string, or convert it in MongoDB when devices have written it.",
        _object_ids, lambda _: ("type:objectId",),
    ),
    Aspect(
        "nulls", "crdt", "warning", "No value is null", "null",
        "null and a missing field differ on devices (IS NULL, IS MISSING), and a validator must allow both.",
        "null and a missing field differ on devices (IS NULL, IS MISSING), and a validator must allow both.",
        "Remove the field instead of writing null.",
        *_types("null"),
    ),
    Aspect(
        "date-texts", "crdt", "warning", "Dates that are strings have one format", "dates in another format than most",
        "devices compare strings character by character, so the dates do not sort and ranges miss some.",
        "devices compare strings character by character, so the dates do not sort and ranges miss some.",
        "Write all as YYYY-MM-DDTHH:MM:SSZ.",
        _date_forms, _rare_forms,
    ),
    Aspect(
        "number-texts", "crdt", "warning", "Numbers are not stored as strings", "numbers stored as strings",
        "the strings sort as text (\"10\" before \"9\"), and devices cannot add them up.",
        "the strings sort as text (\"10\" before \"9\"), and devices cannot add them up.",
        "Store a number, unless the digits are a name, such as a house number.",
        _number_texts, lambda _: ("number",),
    ),
    Aspect(
        "blank-names", "crdt", "warning", "Field names need no quotes", "under a name that DQL must quote",
        "DQL must quote the name with backticks; one query without them is an error.",
        "DQL must quote the name with backticks; one query without them is an error.",
        "Rename the field to letters, digits and _.",
        _blank_name, lambda _: ("present",),
    ),
)  # fmt: skip
BY_NAME: Final[Mapping[str, Aspect]] = {aspect.name: aspect for aspect in ASPECTS}

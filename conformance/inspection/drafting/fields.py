"""The schema of a field, drafted from what its values are: as narrow as the data proves, and no narrower."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from conformance.inspection.profile import ELEMENTS, Profile
from conformance.inspection.samples import shown_path
from conformance.model.kinds import MILLISECONDS, kind_of
from conformance.model.names import unfit_field
from conformance.model.schemas.field_checks import UNIQUE_KINDS

Schema = dict[str, Any]

#: Types that a schema can name.
_TYPES: Final = frozenset(
    {"null", "bool", "int", "long", "double", "decimal", "string", "objectId"}
    | {"date", "timestamp", "binData", "regex", "array", "object"}
)
#: Kinds of the parts of an object _id.
_ID_PARTS: Final = UNIQUE_KINDS | {"timestamp", "boolean"}
#: Levels of objects that are described; what is deeper is left open.
_DEEPEST: Final = 12
_NUMBERS: Final = frozenset({"int", "long", "double"})
_INTEGERS: Final = frozenset({"int", "long"})
_ID: Final = (("_id",),)


@dataclass
class Notes:
    """Notes on a draft: by path, the reason of a choice, and values that could not be described."""

    evidence: dict[str, str] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)


def draft_object(profile: Profile, objects: int, notes: Notes) -> Schema:
    """Return the schema of a document or of an object below it; ``objects`` is how many there are."""
    properties: Schema = {}
    required, is_open = [], profile.values is not None
    if is_open:
        notes.questions.append(f"The names in {shown_path(profile.path)} are data; it is left open.")
    for name, below in profile.fields.items():
        drafted = _draft_field(below, notes) if unfit_field(name) is None else None
        if drafted is None:
            is_open = True
            notes.questions.append(
                f"`{shown_path(below.path)}` cannot be described ({_reason(name, below)}); the object is left open."
            )
            continue
        properties[name] = drafted
        if below.count == objects:
            required.append(name)
        share = f"{below.count:,} of {objects:,}" if below.count < objects else f"all {objects:,}"
        notes.evidence[shown_path(below.path)] = f"in {share}; {_counts(below.types)}"
    return {"additionalProperties": is_open, "required": required, "properties": properties}


def draft_id(drafted: Schema, profile: Profile) -> Schema:
    """Return the schema of _id: a key, an object of keys that never merges, or else its types alone."""
    parts = drafted.get("properties", {})
    closed = parts and not drafted["additionalProperties"] and [*parts] == drafted.get("required")
    if closed and all(kind_of(part) in _ID_PARTS for part in parts.values()):
        return drafted | {"x-crdt": "register"}
    if drafted.get("type") == "string":
        return {"type": "string"}
    keyed = kind_of(drafted) in UNIQUE_KINDS
    return drafted if keyed else {"x-bson": [*_generous(set(profile.types))]}


def _reason(name: str, profile: Profile) -> str:
    return unfit_field(name) or undescribed_types(profile)


def undescribed_types(profile: Profile) -> str:
    """Return in words which values have a type that no schema can name; empty if none has."""
    unknown = sorted(set(profile.types) - _TYPES)
    return f"it has values of type {', '.join(unknown)}" if unknown else ""


def _counts(types: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in sorted(types.items(), key=lambda item: -item[1]))


def _draft_field(profile: Profile, notes: Notes) -> Schema | None:
    """Return the schema of one field; None when the vocabulary cannot say it."""
    types = set(profile.types)
    if not types <= _TYPES:
        return None
    for fits, draft in _SCALARS:
        if fits(profile, types):
            return draft(profile, notes)
    beside = _described_with(profile)
    inside = _draft_inside(profile, types - beside, notes)
    if inside is not None:
        return {**inside, "type": [inside["type"], *beside]} if beside else inside
    if "array" in types or (types & {"object"} and profile.fields):
        notes.questions.append(f"What is below `{shown_path(profile.path)}` is not checked{_mixture(profile)}.")
    return {"x-bson": [*_generous(types)]}


def _described_with(profile: Profile) -> set[str]:
    """Return the type that objects or arrays may have besides: null, but not in _id."""
    return {"null"} & profile.types.keys() if profile.path != _ID else set()


def _draft_inside(profile: Profile, types: set[str], notes: Notes) -> Schema | None:
    """Return the schema of an object, an array or a free map; None where the vocabulary cannot say what is in it."""
    if _describes_map(profile, types):
        return _map(profile, notes)
    if types == {"array"} and (items := _items(profile, notes)) is not None:
        return {"type": "array", "items": items}
    return _values(profile, notes) if types == {"object"} else None


def _mixture(profile: Profile) -> str:
    """Say why values of several types are not described, and how they can be; empty for values of one type."""
    if len(profile.types.keys() - _described_with(profile)) < 2:
        return ""
    return (
        f", because it has values of several types ({_counts(profile.types)}). Write values of one type only (without"
        " the field instead of null), and draft the model again"
    )


def _items(profile: Profile, notes: Notes) -> Schema | None:
    """Return the schema of an array's elements; None where there are none, or some that no schema can name."""
    elements = profile.elements
    if elements is None or not elements.count or len(elements.path) > _DEEPEST:
        return None
    return _draft_field(elements, notes)


def _values(profile: Profile, notes: Notes) -> Schema | None:
    """Return the schema of a map whose keys are data; None where it is none, or no schema can name its values."""
    values = profile.values
    if values is None or not values.count or len(values.path) > _DEEPEST:
        return None
    drafted = _draft_field(values, notes)
    if drafted is None:
        return None
    pattern = values.name_forms.pattern()
    notes.evidence[shown_path(profile.path)] = (
        f"a map in {profile.types['object']:,}: {values.count:,} values by keys like {pattern}; {_counts(values.types)}"
    )
    closed = {"additionalProperties": False, "patternProperties": {pattern: drafted}}
    return {"type": "object", **_merges(profile), **closed}


def _merges(profile: Profile) -> Schema:
    """Return how devices merge an object: by key, unless it is in an array, which is replaced whole."""
    return {} if ELEMENTS in profile.path else {"x-crdt": "map"}


def _generous(types: set[str]) -> Iterator[str]:
    """Return the types in one order; a double may be written as an integer at any time, so the integers go with it."""
    if "double" in types:
        types = types | _INTEGERS
    if types & _INTEGERS:
        types = types | _INTEGERS
    return iter(sorted(types))


def _text(profile: Profile, _: Notes) -> Schema:
    schema: Schema = {"type": "string"}
    if profile.texts.dates.get("iso_second") == profile.count:
        return schema | {"x-timestamp": True}
    if profile.texts.dates.get("iso_milli") == profile.count:
        return schema | {"x-timestamp": MILLISECONDS}
    return schema | ({"x-multiline": True} if profile.texts.several_lines else {})


def _map(profile: Profile, notes: Notes) -> Schema:
    drafted = draft_object(profile, profile.types["object"], notes)
    if not drafted["required"]:
        del drafted["required"]
    return {"type": "object", **_merges(profile), **drafted}


def _exact(profile: Profile) -> bool:
    return not profile.beyond_exact and not profile.not_finite


def _describes_map(profile: Profile, types: set[str]) -> bool:
    names = any(unfit_field(name) is None for name in profile.fields) and len(profile.path) <= _DEEPEST
    return types == {"object"} and profile.values is None and names


_Drafts = tuple[tuple[Callable[[Profile, set[str]], bool], Callable[[Profile, Notes], Schema]], ...]
_SCALARS: Final[_Drafts] = (
    (lambda _, types: types == {"string"}, _text),
    (lambda _, types: types == {"bool"}, lambda *_: {"type": "boolean"}),
    (lambda _, types: types == {"objectId"}, lambda *_: {"x-bson": "objectId"}),
    (lambda profile, types: types <= _INTEGERS and _exact(profile), lambda *_: {"type": "integer"}),
    (lambda profile, types: types <= _NUMBERS and _exact(profile), lambda *_: {"type": "number"}),
)

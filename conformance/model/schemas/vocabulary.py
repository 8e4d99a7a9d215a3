"""The meta-schema of the collections' schemas, and what it finds wrong, said plainly."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker

from conformance.files.packaged import packaged
from conformance.patterns.portability import unportable
from conformance.text.suggestion import did_you_mean

#: The harness's own meta-schema; a model elsewhere needs no copy of it.
VOCABULARY: Final = packaged(__package__, "vocabulary.json")

#: A ValidationError of jsonschema; its type stubs allow for attributes that are not set yet, which ours are.
Error = Any

_FORMATS: Final = FormatChecker(formats=())
_WEAK: Final = ("anyOf", "oneOf", "unevaluatedProperties")


def _portable(pattern: object) -> bool:
    reason = unportable(pattern) if isinstance(pattern, str) else None
    if reason is not None:
        raise ValueError(reason)
    return True


_FORMATS.checks("regex", raises=ValueError)(_portable)


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(VOCABULARY.read_text(encoding="utf-8")), format_checker=_FORMATS)


@dataclass(frozen=True)
class Misuse:
    """A part of a schema that the vocabulary does not allow: its place from the top, and what is wrong with it."""

    place: tuple[str | int, ...]
    message: str

    @property
    def pointer(self) -> str:
        """The place as a JSON pointer."""
        return "/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in self.place)


def misuse(schema: Any) -> Misuse | None:
    """Return the first misuse of the vocabulary in a schema as JSON holds it; None when there is none."""
    return _misuse(json.dumps(schema))


@lru_cache(maxsize=64)  # programs that read a model again, such as `--watch`, mostly read the same schemas
def _misuse(text: str) -> Misuse | None:
    errors = list(_validator().iter_errors(json.loads(text)))
    if not errors:
        return None
    error = _closest(min(errors, key=lambda each: (str(each.validator) in _WEAK, len(each.path))))
    return Misuse(tuple(error.absolute_path), _message(error))


def _closest(error: Error) -> Error:
    """For alternatives of which none fits: the error within the one that comes closest, if one does."""
    while error.context and str(error.validator) in ("oneOf", "anyOf"):
        branches: dict[Any, list[Error]] = {}
        for inner in error.context:
            branches.setdefault(inner.schema_path[0], []).append(inner)
        weights = sorted((sum(map(_weight, branch)), number) for number, branch in branches.items())
        undecided = len(weights) > 1 and weights[0][0] == weights[1][0]
        if undecided or all(any(each.validator == "const" for each in branch) for branch in branches.values()):
            return error
        error = max(branches[weights[0][1]], key=_weight)
    return error


def _weight(error: Error) -> int:
    """Return the weight of an error within an alternative: another kind weighs more than a surplus key."""
    if error.validator in ("const", "enum", "type"):
        return 5 if error.path else 10
    return 3 if error.validator in ("additionalProperties", "required") else 1


def _message(error: Error) -> str:
    describe = _MESSAGES.get(str(error.validator))
    text = describe(error) if describe else f"{_short(error.instance)} does not satisfy {error.validator}"
    is_part = isinstance(error.schema, Mapping) and "$defs" not in error.schema
    hint = error.schema.get("description", "") if is_part else ""
    return f"{text} ({hint.rstrip('.')})" if hint else f"{text}; see conformance/model/schemas/vocabulary.json"


def _unknown(error: Error) -> str:
    extra = sorted(set(error.instance) - set(error.schema.get("properties", {}))) or ["?"]
    return _no_keyword(extra[0], error.schema)


def _unevaluated(error: Error) -> str:
    """Name a key that the schema does not know: the one that is left when all without which it complains are gone."""
    checked = _validator().evolve(schema=error.schema)

    def complains(keys: list[str]) -> bool:
        found = checked.iter_errors({key: error.instance[key] for key in keys})
        return any(each.validator == error.validator and not each.path for each in found)

    left = sorted(error.instance)
    for name in sorted(error.instance):
        fewer = [key for key in left if key != name]
        left = fewer if complains(fewer) else left
    return _no_keyword(left[0], error.schema)


def _no_keyword(name: str, schema: Mapping[str, Any]) -> str:
    return f"there is no keyword {name!r} here; {did_you_mean(name, _keywords(schema))}"


def _keywords(schema: Any) -> list[str]:
    """Return the keywords that a part of the meta-schema knows, with those of the part that it refers to."""
    found = dict.fromkeys(schema.get("properties", {}))
    if "$ref" in schema:
        *_, name = schema["$ref"].split("/")
        found |= dict.fromkeys(_keywords(_definitions()[name]))
    return list(found)


@cache
def _definitions() -> Mapping[str, Any]:
    definitions: Mapping[str, Any] = json.loads(VOCABULARY.read_text(encoding="utf-8"))["$defs"]
    return definitions


def _missing(error: Error) -> str:
    missing = next(name for name in error.validator_value if name not in error.instance)
    return f"the keyword {missing!r} is missing; add it"


def _alternatives(error: Error) -> str:
    context = error.context or []
    if not context:
        return f"{_short(error.instance)} fits several forms at once; keep one"
    if all(inner.validator == "required" for inner in context):
        names = dict.fromkeys(name for inner in context for name in inner.validator_value)
        return f"one of {', '.join(names)} is needed; add it"
    constants = [inner for inner in context if inner.validator in ("const", "enum")]
    values = [
        value
        for inner in constants
        for value in (inner.validator_value if inner.validator == "enum" else [inner.validator_value])
    ]
    places = {tuple(inner.path) for inner in constants}
    if values and len(places) == 1:
        (place,) = places
        found = constants[0].instance
        prefix = "/".join(map(str, place)) + " " if place else ""
        return f"{prefix}{_short(found)} is none of {', '.join(map(str, values))}"
    return f"{_short(error.instance)} has none of the allowed forms"


def _not(error: Error) -> str:
    refused = error.validator_value
    if "required" in refused:
        return f"{refused['required'][0]!r} cannot be combined with the other keywords; remove it"
    return f"{_short(error.instance)} is not allowed here"


def _beside(error: Error) -> str:
    pairs = ((key, other) for key, others in error.validator_value.items() for other in others)
    key, missing = next((k, other) for k, other in pairs if k in error.instance and other not in error.instance)
    return f"{missing!r} is missing beside {key!r}; add it"


def _joined(kinds: object) -> str:
    return " or ".join(kinds) if isinstance(kinds, list) else str(kinds)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:79] + "…"


_MESSAGES: Final[Mapping[str, Callable[[Error], str]]] = {
    "additionalProperties": _unknown,
    "unevaluatedProperties": _unevaluated,
    "required": _missing,
    "anyOf": _alternatives,
    "oneOf": _alternatives,
    "not": _not,
    "const": lambda error: f"{_short(error.instance)} is not allowed; write {json.dumps(error.validator_value)}",
    "enum": lambda error: (
        f"{_short(error.instance)} is not allowed; {did_you_mean(error.instance, map(str, error.validator_value))}"
    ),
    "format": lambda error: f"{_short(error.instance)}: {error.cause}",
    "contains": lambda error: f"{_short(error.instance)} lacks {error.validator_value['const']!r}; add it",
    "dependentRequired": _beside,
    "type": lambda error: f"{_short(error.instance)} is not of type {_joined(error.validator_value)}",
    "pattern": lambda error: f"{_short(error.instance)} does not match {error.validator_value}",
    "minimum": lambda error: f"{_short(error.instance)} is less than {error.validator_value}",
    "maximum": lambda error: f"{_short(error.instance)} is more than {error.validator_value}",
    "exclusiveMinimum": lambda error: f"{_short(error.instance)} is not more than {error.validator_value}",
    "minItems": lambda error: f"{_short(error.instance)} has fewer than {error.validator_value} entries",
    "maxItems": lambda error: f"{_short(error.instance)} has more than {error.validator_value} entries",
    "minProperties": lambda error: f"{_short(error.instance)} has fewer than {error.validator_value} keys",
    "maxProperties": lambda error: f"{_short(error.instance)} has more than {error.validator_value} keys",
    "minLength": lambda error: f"{_short(error.instance)} is shorter than {error.validator_value}",
    "uniqueItems": lambda error: f"{_short(error.instance)} has an entry twice",
}

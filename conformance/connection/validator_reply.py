"""Validation errors of the server in words: each field, its value, and the rule that it breaks.

The server explains a refusal as a tree of operators (`errInfo.details`, MongoDB 5.0 and newer). Only its structure is
read, never its wording.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from conformance.model.kinds import is_money, is_number
from conformance.text.rendering import shorten

Reply = Mapping[str, Any]


@dataclass(frozen=True)
class Refusal:
    """A field ("" for the whole document) and what is wrong with it, its value included."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}" if self.path else self.what


def refusals(details: Reply, document: Mapping[str, Any] | None = None) -> list[Refusal]:
    """Return all that a validator refuses, in the order of its rules, by the ``details`` of the server's errInfo.

    ``document`` is the one that was refused: the server does not say which value an expression did not like.
    """
    return list(dict.fromkeys(_read(details, "", document or {})))


def _read(reply: Reply, path: str, document: Mapping[str, Any]) -> Iterator[Refusal]:
    """Yield the refusals of one operator, at ``path``."""
    inner = [*_inner(reply, path)]
    operator = str(reply.get("operatorName", ""))
    if operator in ("anyOf", "oneOf", "$or") and inner:
        yield from _alternatives(operator, inner, path, document)
    elif inner:
        for place, part in inner:
            yield from _read(part, place, document)
    elif operator == "$expr":
        yield from _expression(reply, document)
    elif operator:
        yield from _leaf(operator, reply, path)


def _inner(reply: Reply, path: str) -> Iterator[tuple[str, Reply]]:
    """Yield the operators that an operator consists of, each with its path."""
    for name in ("schemaRulesNotSatisfied", "details"):
        found = reply.get(name, ())
        for part in (found,) if isinstance(found, Mapping) else found:
            if "propertyName" in part:
                yield from ((_join(path, part["propertyName"]), each) for each in part.get("details", ()))
            else:
                place = f"{path}[{reply['itemIndex']}]" if "itemIndex" in reply else path
                yield place, part
    for part in reply.get("propertiesNotSatisfied", ()):
        place = _join(path, part["propertyName"])
        yield from ((place, each) for each in part.get("details") or [{"operatorName": "schema"}])
    for name in ("clausesNotSatisfied", "clausesSatisfied", "schemasNotSatisfied"):
        for part in reply.get(name, ()):
            found = part.get("details", ())
            yield from ((path, each) for each in ((found,) if isinstance(found, Mapping) else found))


def _alternatives(
    operator: str, inner: Sequence[tuple[str, Reply]], path: str, document: Mapping[str, Any]
) -> Iterator[Refusal]:
    """One refusal for forms of which none fits."""
    if operator == "$or":
        inner = [(place, part) for place, part in inner if not _is_condition(part)] or inner
    reasons = dict.fromkeys(one for place, part in inner for one in _read(part, place, document))
    if len(reasons) == 1 or len(inner) == 1:
        yield from reasons
    elif operator == "$or":
        yield Refusal(path, "does not satisfy any of: " + "; ".join(map(str, reasons)))
    else:
        yield Refusal(path, "does not match any of the allowed forms: " + "; ".join(one.what for one in reasons))


def _is_condition(reply: Reply) -> bool:
    """Return whether an alternative only says for which documents the others need not hold, such as `deleted: true`."""
    wanted = reply.get("specifiedAs", {})
    return reply.get("operatorName") == "$eq" and list(wanted.values()) == [{"$eq": True}]


def _expression(reply: Reply, document: Mapping[str, Any]) -> Iterator[Refusal]:
    """Yield the fields of an expression that are numbers and not money; where that is not it, all of its fields."""
    paths = list(dict.fromkeys(_paths(reply.get("specifiedAs", {}))))
    values = {path: _value(document, path) for path in paths}
    off = [path for path, value in values.items() if is_number(value) and not is_money(value)]
    for path in off:
        yield Refusal(path, f"{shorten(values[path])} is not a number of whole cents")
    if not off:
        yield Refusal(" + ".join(paths), "do not satisfy the validator's expression")


def _paths(expression: Any) -> Iterator[str]:
    if isinstance(expression, str) and expression.startswith("$") and not expression.startswith("$$"):
        yield expression[1:]
    elif isinstance(expression, Mapping):
        for part in expression.values():
            yield from _paths(part)
    elif isinstance(expression, list):
        for part in expression:
            yield from _paths(part)


def _value(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document.get(name) if isinstance(document, Mapping) else None
    return document


def _leaf(operator: str, reply: Reply, path: str) -> Iterator[Refusal]:
    wanted = reply.get("specifiedAs", {})
    if operator.startswith("$") and len(wanted) == 1 and operator not in wanted:
        ((path, condition),) = wanted.items()  # a query beside the schema names its field
        limit = condition.get(operator, condition) if isinstance(condition, Mapping) else condition
        has = f"{shorten(reply['consideredValue'])} " if "consideredValue" in reply else ""
        yield Refusal(path, f"{has}does not satisfy {operator} {shorten(limit)}" if has else "is missing")
        return
    for name in reply.get("missingProperties", ()):
        yield Refusal(_join(path, name), "is missing")
    for name in reply.get("additionalProperties", ()):
        yield Refusal(_join(path, str(name)), "is not defined in the schema")
    for part in reply.get("failingDependencies", ()):
        for name in part.get("missingProperties", ()):
            yield Refusal(_join(path, name), f"is missing beside {part.get('conditionalProperty')}")
    if not any(name in reply for name in ("missingProperties", "additionalProperties", "failingDependencies")):
        yield Refusal(path, _words(operator, reply, wanted))


def _words(operator: str, reply: Reply, wanted: Reply) -> str:
    limit = wanted.get(operator)
    value = shorten(reply["consideredValue"]) if "consideredValue" in reply else "the value"
    if operator == "bsonType":
        types = limit if isinstance(limit, list) else [limit]
        return f"{value} is of type {reply.get('consideredType', '?')}, not {' or '.join(map(str, types))}"
    if "numberOfProperties" in reply:
        value = f"the number of keys, {reply['numberOfProperties']},"
    if wanted.get("exclusive" + operator.capitalize()):
        operator = "exclusive" + operator.capitalize()
    describe = _MEANING.get(operator)
    return (
        f"{value} {describe(limit)}"
        if describe
        else f"{value} does not satisfy {operator} {json.dumps(limit, default=str)}"
    )


def _limit(words: str) -> Callable[[Any], str]:
    return lambda limit: f"{words} {shorten(limit)}"


_MEANING: Final[Mapping[str, Callable[[Any], str]]] = {
    "pattern": _limit("does not match"),
    "enum": _limit("is not one of"),
    "multipleOf": lambda limit: "is not a whole number" if limit == 1 else f"is not a multiple of {shorten(limit)}",
    "minimum": _limit("is below"),
    "maximum": _limit("is above"),
    "exclusiveMinimum": _limit("is not above"),
    "exclusiveMaximum": _limit("is not below"),
    "minLength": _limit("is shorter than"),
    "maxLength": _limit("is longer than"),
    "minItems": _limit("has fewer items than"),
    "maxItems": _limit("has more items than"),
    "minProperties": _limit("is below"),
    "maxProperties": _limit("is above"),
    "uniqueItems": lambda _: "contains an item twice",
    "not": lambda _: "has a form that is not allowed",
    "oneOf": lambda _: "matches several of the forms, but must match exactly one",
    "schema": lambda _: "does not satisfy the schema",
}


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name

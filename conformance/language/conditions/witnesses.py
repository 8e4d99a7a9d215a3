"""Possible values of a field, and documents that represent all others for a set of conditions.

A condition compares fields with values. It cannot tell two documents apart whose fields equal the same of the values
that it names and lie between the same of them, so that a few documents show what it does with any, those included that
nobody has stored yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any, Final

from conformance.language.conditions.condition import Comparison, Condition, Scalar, bson_type, comparisons, holds
from conformance.model.collection import Collection, Field
from conformance.model.validators.document_validator import fits
from conformance.text.rendering import shorten

_SCALAR: Final = (str, int, float)
#: Documents to try at most, a second's worth: conditions on six fields with six values each have that many.
_ENOUGH: Final = 50_000


def impossible(collection: Collection, path: str, values: Iterable[Any]) -> Iterator[str]:
    """Yield why no document of the collection can have one of the values at the path.

    Keys of an object whose keys are free are anything.
    """
    if not collection.has(path):
        if not _free(collection, path):
            yield f"{collection.name} has no field {path!r}"
        return
    for value in values:
        if isinstance(value, _SCALAR) and not can_be(collection.field(path), value):
            yield f"{path} can never be {shorten(value)}; the schema rejects it"


def incomparable(collection: Collection, path: str, operator: str, values: Iterable[Any]) -> Iterator[str]:
    """Yield why no document can satisfy a comparison (not for equality): its type is another."""
    if not collection.has(path):
        yield from impossible(collection, path, ())
        return
    types = _types(collection.field(path))
    for value in (*values, *([""] if operator in ("LIKE", "ILIKE") else [])):
        if types and bson_type(value) not in types:
            kind = " or ".join(sorted(types))
            yield f"{path} is of type {kind}: {operator} with a {bson_type(value)} finds nothing"
            return


def _types(field: Field) -> set[str]:
    """Return the types, as DQL tells them apart, of the values that a field can have; none where any can be."""
    if "enum" in field.schema:
        return {bson_type(one) for one in field.schema["enum"] if isinstance(one, _SCALAR)}
    kinds = {"number": "number", "integer": "number", "string": "string", "boolean": "bool"}
    found = kinds.get(str(field.schema.get("type")))
    return {found} if found else set()


def can_be(field: Field, value: Scalar) -> bool:
    """Return True when a document can have a value that DQL finds equal: 20 and 20.0 are one number."""
    alike: list[Any] = [value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        alike += [float(value), *([int(value)] if float(value).is_integer() else [])]
    return any(fits(field.schema, one) for one in alike)


def representatives(collection: Collection, conditions: Sequence[Condition]) -> Iterator[dict[str, Any]]:
    """Documents, each as its values by path, among which is the like of every document that the conditions can tell.

    Only values that the schema allows; None stands for a field that is absent. The conditions are bound.
    """
    compared: dict[str, list[Comparison]] = {}
    for condition in conditions:
        for comparison in comparisons(condition):
            compared.setdefault(comparison.path, []).append(comparison)
    states = [
        _told_apart(
            [*states_of(collection, path, named(compared[path])), *_beside(collection, path, compared[path])],
            compared[path],
        )
        for path in compared
    ]
    for values in islice(product(*states), _ENOUGH):
        document = dict(zip(compared, values, strict=True))
        if all(_same(document, *pair) for pair in _equal(collection)):
            yield document


def states_of(collection: Collection, path: str, values: Iterable[Scalar]) -> list[Any]:
    """Return what a field can be: each of the values that it can have, one that is none of them, and absent (None)."""
    given = list(values)
    if not collection.has(path):
        return [*given, _another(given, number=False), None] if _free(collection, path) else [None]
    schema = collection.field(path).schema
    if schema.get("type") == "boolean" or "enum" in schema:
        states: list[Any] = list(schema.get("enum", (False, True)))
    else:
        number = schema.get("type") in ("number", "integer")
        states = [*(one for one in given if can_be(collection.field(path), one)), _another(given, number=number)]
    return states if _required(collection, path) else [*states, None]


def _beside(collection: Collection, path: str, compared: Sequence[Comparison]) -> list[Scalar]:
    """Values less and greater than those that a field is compared with, and texts that are like the patterns."""
    if not collection.has(path) or "enum" in collection.field(path).schema:
        return []
    found: list[Scalar] = []
    for one in compared:
        if one.operator in ("<", "<=", ">", ">="):
            for value in one.values:
                texts = [str(value)[:-1], f"{value}~"] if isinstance(value, str) else []
                numbers = [value - 1, value + 1] if isinstance(value, int | float) else []
                found += [*texts, *(number for number in numbers if can_be(collection.field(path), number))]
        elif one.operator.endswith("LIKE"):
            found += [str(value).replace("%", "").replace("_", "a") for value in one.values]
    return found


def named(compared: Iterable[Comparison]) -> list[Scalar]:
    """Return the values that comparisons name, each once."""
    values = (value for comparison in compared for value in comparison.values if isinstance(value, _SCALAR))
    return list({(type(value), value): value for value in values}.values())


def _another(values: Sequence[Scalar], *, number: bool) -> Scalar:
    """Return a text or a number that is none of the values."""
    if number:
        return max((value for value in values if isinstance(value, int | float)), default=0) + 1
    return max((str(value) for value in values), key=len, default="") + "~"


def _told_apart(states: Sequence[Any], compared: Sequence[Comparison]) -> list[Any]:
    """Return the states without those that no comparison tells from one before."""
    alike: dict[tuple[Any, ...], Any] = {}
    for state in states:
        tests = (holds(one, {one.path: state}) for one in compared)
        key = (state is None, type(state) is bool, *(state in one.values for one in compared), *tests)
        alike.setdefault(key, state)
    return list(alike.values())


def _equal(collection: Collection) -> Iterator[tuple[str, str]]:
    """Yield the pairs of paths that have the same value in every document, by x-id."""
    if collection.id_field is not None:
        yield "_id", collection.id_field
    yield from ((f"_id.{part}", part) for part in collection.id_parts)


def _same(document: Mapping[str, Any], one: str, other: str) -> bool:
    """Return False when both fields are named and differ."""
    return one not in document or other not in document or document[one] == document[other]


def _required(collection: Collection, path: str) -> bool:
    """Return True when every document has the field and all that it is part of, none of them null."""
    parts = path.split(".")
    fields = [collection.field(".".join(parts[: n + 1])) for n in range(len(parts))]
    return all(field.required and not field.nullable for field in fields)


def _free(collection: Collection, path: str) -> bool:
    """Return True when the path leads into an object whose keys are free."""
    parts = path.split(".")
    above = (".".join(parts[:n]) for n in range(1, len(parts)))
    return any(collection.has(one) and collection.field(one).kind == "dictionary" for one in above)

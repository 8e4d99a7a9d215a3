"""Checks of `x-sample`: one recipe of the field's kind that names existing fields and makes valid values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from conformance.model.kinds import Kind
from conformance.model.schemas.field_checks import Problem, pointer
from conformance.model.validators.document_validator import fits
from conformance.text.rendering import shorten

if TYPE_CHECKING:
    from conformance.model.collection import Collection, Field, Model

_NUMBERS: Final[frozenset[Kind]] = frozenset({"money", "integer", "number"})
_TEXT: Final[frozenset[Kind]] = frozenset({"string"})
_TIME: Final[frozenset[Kind]] = frozenset({"timestamp"})
#: Recipes that never give two documents the same value, so that a unique field may have them.
_DISTINCT: Final = frozenset({"sequence", "day_sequence", "template", "reference"})


def check_samples(model: Model, collection: Collection) -> Iterator[Problem]:
    """Every recipe of a collection."""
    for field in collection.walk():
        where = f"{pointer(field)}/x-sample"
        recipes = [name for name in field.sample if name in _RECIPES]
        if len(recipes) > 1:
            yield where, f"{recipes[0]} and {recipes[1]} are two recipes; keep one"
        if field.required and "present" in field.sample:
            yield f"{where}/present", f"{field.name} is required, so it is always present; remove it here or there"
        for name in recipes:
            kinds, check = _RECIPES[name]
            if kinds is not None and field.kind not in kinds:
                yield f"{where}/{name}", f"{name} makes no {field.kind}; use another recipe, or none"
            else:
                for what in check(model, collection, field, field.sample[name]):
                    yield f"{where}/{name}", what
        if "x-unique" in field.schema:
            yield from _distinct(collection, field, where, recipes)


def _distinct(collection: Collection, field: Field, where: str, recipes: list[str]) -> Iterator[Problem]:
    for name in recipes:
        if name not in _DISTINCT:
            yield f"{where}/{name}", f"{name} repeats values, and {field.name} is unique; use sequence or template"
    own = {one.field for one in collection.references if one.target == collection.name}
    if "x-reference" in field.schema and field.path not in own and "each" not in field.sample.get("reference", {}):
        yield where, f"{field.name} is unique, but its parents are drawn more than once; use reference with each: true"


Check = Callable[["Model", "Collection", "Field", Any], Iterator[str]]


def _nothing(_: Model, __: Collection, ___: Field, ____: Any) -> Iterator[str]:
    return iter(())


def _made(field: Field, *values: Any) -> Iterator[str]:
    for value in values:
        if not fits(field.schema, value):
            yield f"{shorten(value)} does not match the field's own schema; correct one of them"


def _constant(_: Model, __: Collection, field: Field, value: Any) -> Iterator[str]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if (field.kind in _NUMBERS) != is_number:
        yield f"{shorten(value)} is not a {field.kind}; write a valid value"
    else:
        yield from _made(field, value)


def _sequence(_: Model, __: Collection, field: Field, template: str) -> Iterator[str]:
    try:
        first, second = template.format(1), template.format(2)
    except (ValueError, IndexError, KeyError):
        yield f"{template!r} is not a format with one number; write for example id_{{:06d}}"
        return
    if first == second:
        yield f"{template!r} leaves the number out; write {{}} where it belongs"
    yield from _made(field, first, second)


def _digits(_: Model, __: Collection, field: Field, template: str) -> Iterator[str]:
    yield from _made(field, template.replace("X", "0").replace("N", "2"), template.replace("X", "9").replace("N", "9"))


def _template(_: Model, collection: Collection, field: Field, template: str) -> Iterator[str]:
    names = [part.split("}")[0] for part in template.split("{")[1:]]
    known = {one.name for one in collection.fields if one.kind not in ("map", "dictionary", "vector", "list")}
    for name in names:
        if name != "#" and name not in known:
            yield f"there is no field {name!r}; name one, or {{#}} for the document's number"
        elif name == field.name:
            yield f"{name!r} is the field itself; name another"
    unique = {group[0] for group in collection.unique if len(group) == 1}
    if "x-unique" in field.schema and not {"#", *unique} & set(names):
        yield f"{template!r} repeats values; put {{#}} or a unique field into it"


def _uniform(_: Model, __: Collection, field: Field, bounds: list[float]) -> Iterator[str]:
    low, high = bounds
    if low > high:
        yield f"{low} is above {high}; write the lower first"
    elif field.kind == "integer" and (low != int(low) or high != int(high)):
        yield f"{bounds} are not whole numbers, as the field's are"
    else:
        yield from _made(field, *((int(low), int(high)) if field.kind == "integer" else bounds))


def _choice(_: Model, __: Collection, field: Field, table: str | Mapping[str, float]) -> Iterator[str]:
    if isinstance(table, str):
        return
    convert: Callable[[str], Any] = {"integer": int, "number": float}.get(field.kind, str)
    try:
        values = [convert(key) for key in table]
    except ValueError:
        yield f"{', '.join(table)} are not all of the field's kind, {field.kind}"
        return
    yield from _made(field, *values)
    if not sum(table.values()):
        yield "all its weights are zero; give one weight"


def _source(model: Model, collection: Collection, path: str) -> tuple[Collection, Field] | None:
    """Return the field at a path and its collection: one's own, or ``reference_field.field``."""
    if collection.has(path):
        return collection, collection.field(path)
    head, _, name = path.partition(".")
    target = next((reference.target for reference in collection.references if reference.field == head), None)
    return (model[target], model[target].field(name)) if target is not None and model[target].has(name) else None


def _null_at_times(collection: Collection, field: Field, owner: Collection, source: Field) -> str | None:
    """Return the path of what may be null where another field is made from it, and this one is not null as well."""
    if source.nullable and not field.nullable:
        return source.path
    own = collection.nullable_above(field.path) if owner is collection else ()
    return next((path for path in owner.nullable_above(source.path) if field.required and path not in own), None)


def _other(
    model: Model, collection: Collection, field: Field, path: str, kinds: frozenset[Kind] | None
) -> Iterator[str]:
    found = _source(model, collection, path)
    if found is None:
        yield f"{path!r} is neither a field nor a field of a referenced document; name one"
    elif path == field.path:
        yield f"{path!r} is the field itself; name another"
    elif kinds is not None and found[1].kind not in kinds:
        yield f"{path!r} is a {found[1].kind}, not a {' or '.join(sorted(kinds))}; name another"
    elif field.required and not found[1].required:
        yield f"{path!r} is optional, and so must {field.name} be: take it out of required"
    elif null := _null_at_times(collection, field, *found):
        yield f"{null} may be null, so {field.name} cannot be made from {path!r}; name another"


def _after(model: Model, collection: Collection, field: Field, path: str) -> Iterator[str]:
    return _other(model, collection, field, path, _TIME)


def _same_as(model: Model, collection: Collection, field: Field, path: str) -> Iterator[str]:
    return _other(model, collection, field, path, frozenset({field.kind}))


def _calendar(_: Model, collection: Collection, field: Field, __: Any) -> Iterator[str]:
    first = next(one for one in collection.walk() if "calendar" in one.sample)
    if first is not field:
        yield f"{first.path} has a calendar already, and documents come in the order of one; use after or same_as"
    if "per" in collection.cardinality:
        yield "a collection made with its parents has no calendar of its own; use same_as with the parent's date"


def _day_sequence(_: Model, collection: Collection, field: Field, parameters: Mapping[str, str]) -> Iterator[str]:
    of = parameters["of"]
    if not collection.has(of) or "calendar" not in collection.field(of).sample:
        yield f"{of!r} is not the field of this collection that has a calendar; name that"
    try:
        made = parameters["format"].format(day="20240131", n=1)
    except (ValueError, IndexError, KeyError):
        yield f"{parameters['format']!r} is not a format with day and n; write for example id_{{day}}_{{n:06d}}"
        return
    yield from _made(field, made)


def _embedding(model: Model, collection: Collection, field: Field, parameters: Mapping[str, Any]) -> Iterator[str]:
    if field.schema["minItems"] != field.schema["maxItems"]:
        yield "an embedding has one fixed length; make minItems and maxItems equal"
    if set(field.schema["items"]) & {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}:
        yield "an embedding's numbers have no bounds; remove them from items"
    for path in parameters["of"]:
        yield from _other(model, collection, field, path, None)


def _embedded(_: Model, collection: Collection, __: Field, ___: Any) -> Iterator[str]:
    if not any("embedding" in field.sample for field in collection.fields):
        yield "this collection has no embedding to tell of; give a vector field one, or use another recipe"


def _scaled(model: Model, collection: Collection, field: Field, parameters: Mapping[str, Any]) -> Iterator[str]:
    yield from _other(model, collection, field, parameters["of"], frozenset({"money"}))
    yield from _other(model, collection, field, parameters["key"], None)


def _reference(model: Model, collection: Collection, field: Field, how: Mapping[str, Any]) -> Iterator[str]:
    if "x-reference" not in field.schema:
        yield f"{field.name} refers to nothing; give it x-reference"
        return
    if not isinstance(field.schema["x-reference"], str):
        yield f"{field.name} refers to one of several collections, drawn by chance; remove the recipe"
        return
    target = model[collection.reference(field.path).target]
    if target is collection and how:
        yield "a document refers to one that was made before it in its own collection; remove the choice"
    for theirs, ours in how.get("matching", {}).items():
        if not target.has(theirs) or not collection.has(ours):
            yield f"{target.name}.{theirs} or {collection.name}.{ours} is not a field; use two existing fields"
    between, per = collection.cardinality.get("between"), collection.cardinality.get("per", ())
    if "each" in how and not ((between == [1, 1] or len(per) == 2) and target.name in per):
        yield f"each needs a cardinality of one per {target.name}, or per pair with it; change x-cardinality"
    if "parent" in how and per != [target.name]:
        yield f"parent needs a cardinality per {target.name}; change x-cardinality"
    if "seasonal" in how:
        through, multipliers = how["seasonal"]["through"], how["seasonal"]["multipliers"]
        group = next((one.target for one in target.references if one.field == through), None)
        if group is None or not model[group].has(multipliers) or model[group].field(multipliers).nullable:
            yield f"{target.name}.{through} does not lead to a field {multipliers!r}; name one that does"
        yield from _other(model, collection, field, how["seasonal"]["date"], _TIME)


_RECIPES: Final[Mapping[str, tuple[frozenset[Kind] | None, Check]]] = {
    "constant": (_NUMBERS | _TEXT | {"boolean", "enum"}, _constant),
    "sequence": (_TEXT, _sequence),
    "pool": (_TEXT, _nothing),
    "digits": (_TEXT, _digits),
    "template": (_TEXT, _template),
    "uniform": (_NUMBERS, _uniform),
    "choice": (_TEXT | {"enum", "integer", "number"}, _choice),
    "before": (_TIME, _nothing),
    "after": (_TIME, _after),
    "same_as": (None, _same_as),
    "calendar": (_TIME, _calendar),
    "day_sequence": (_TEXT, _day_sequence),
    "equation": (_NUMBERS, _nothing),
    "embedding": (frozenset({"vector"}), _embedding),
    "embedded": (_TEXT, _embedded),
    "scaled": (frozenset({"money"}), _scaled),
    "reference": (None, _reference),
}

"""What the meta-schema cannot say: that the definitions of the collections fit each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from conformance.errors import ConfigurationError

if TYPE_CHECKING:
    from conformance.model import Collection, Field, Model

#: Kinds whose values can be told apart and made without limit, so that they can be unique.
UNIQUE_KINDS: Final = frozenset({"objectid", "uuid", "string", "integer"})
_ID_KINDS: Final = UNIQUE_KINDS


def check_model(model: Model) -> None:
    """Raise ConfigurationError for the first definition that does not fit, naming file, path and mend."""
    for collection in model:
        for check in _CHECKS:
            for where, what in check(model, collection):
                raise ConfigurationError(f"{collection.path}: at /{where}: {what}")


Problem = tuple[str, str]


def _own_fields(_: Model, collection: Collection) -> Iterator[Problem]:
    schema = collection.schema
    names = {field.name for field in collection.fields}
    for name in schema["required"]:
        if name not in names:
            yield "required", f"{name!r} is not a property; define it or remove it here"
    for field in collection.walk():
        for name in field.schema.get("required", ()) if field.kind == "map" else ():
            if name not in {child.name for child in field.children}:
                yield _pointer(field) + "/required", f"{name!r} is not a property; define it or remove it here"
    for position, group in enumerate(schema.get("x-unique", ())):
        for name in group:
            if name not in names:
                yield f"x-unique/{position}", f"there is no field {name!r}; name top-level fields"
    if collection.soft_delete is not None:
        flag = collection.soft_delete
        if not collection.has(flag) or collection.field(flag).kind != "boolean":
            yield "x-soft-delete", f"{flag!r} is not a boolean field; define it"
        elif not collection.field(flag).required:
            yield "x-soft-delete", f"{flag!r} is optional; a document without it would be neither: require it"


def _values(_: Model, collection: Collection) -> Iterator[Problem]:
    for field in collection.walk():
        schema, where = field.schema, _pointer(field)
        for low, high in (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")):
            if low in schema and high in schema and schema[low] > schema[high]:
                yield f"{where}/{low}", f"{low} {schema[low]} is above {high} {schema[high]}; no value fits"
        if field.kind == "enum":
            wanted = {"string": str, "integer": int}.get(schema.get("type", ""))
            if wanted is None or any(type(value) is not wanted for value in schema["enum"]):
                yield f"{where}/enum", "the values are not of the field's type (string or integer); make them so"
        if field.name != "_id" and field.kind == "objectid" and collection.synced:
            yield where, "an ObjectId reaches devices as a string; keep it in _id only, or use a string"
        if field.kind == "vector" and collection.synced:
            yield where, "an array does not merge on devices; use a MAP or a collection of its own, or do not sync"
        if "x-unique" in schema and field.kind not in UNIQUE_KINDS:
            yield f"{where}/x-unique", f"a {field.kind} cannot be unique; use a string, integer or UUID"
        if "x-unique" in schema and "." in field.path:
            yield f"{where}/x-unique", "only a top-level field can be unique; move it up"
        if "." in field.path and {"x-reference", "x-agrees", "x-snapshot"} & schema.keys():
            yield where, "only a top-level field can refer to or copy another collection; move it up"
        if schema.get("x-crdt") == "counter" and field.kind not in ("integer", "number"):
            yield f"{where}/x-crdt", "only a number can be a counter"


def _identity(_: Model, collection: Collection) -> Iterator[Problem]:
    identity = collection.field("_id")
    if identity.kind not in _ID_KINDS:
        yield "properties/_id", f"_id is a {identity.kind}; devices take a string, an integer or an ObjectId"
    if collection.id_field is not None:
        if not collection.has(collection.id_field):
            yield "x-id/equals", f"there is no field {collection.id_field!r}; define it"
            return
        field = collection.field(collection.id_field)
        if field.kind != identity.kind or field.schema.get("pattern") != identity.schema.get("pattern"):
            yield "x-id/equals", f"_id and {field.name} do not take the same values; give both one type and pattern"
        if not field.required:
            yield "x-id/equals", f"{field.name} is optional; require it"


def _references(model: Model, collection: Collection) -> Iterator[Problem]:
    for reference in collection.references:
        where = f"properties/{reference.field}/x-reference"
        target = model.collections.get(reference.target)
        if target is None:
            yield where, f"there is no collection {reference.target!r}; the schemas are {', '.join(model.collections)}"
        elif not target.has(reference.target_field):
            yield where, f"{reference.target} has no field {reference.target_field!r}"
        elif reference.target_field != "_id" and (reference.target_field,) not in target.unique:
            yield where, f"{reference.target}.{reference.target_field} is not unique; give it x-unique"
        elif collection.field(reference.field).kind != target.field(reference.target_field).kind:
            yield where, f"{reference.target}.{reference.target_field} is of another kind; give both the same"
    for copy in collection.copies:
        where = f"properties/{copy.field}/{'x-agrees' if copy.key else 'x-snapshot'}"
        for name in copy.of:
            target = model[copy.through.target]
            if not target.has(name):
                yield where, f"{target.name} has no field {name!r}"
            elif len(copy.of) > 1 and target.field(name).kind != "string":
                yield where, f"{target.name}.{name} is not a string; only strings can be joined"
            elif len(copy.of) == 1 and target.field(name).kind != collection.field(copy.field).kind:
                yield where, f"{target.name}.{name} is of another kind; give both the same"


def _cardinality(model: Model, collection: Collection) -> Iterator[Problem]:
    declared = collection.cardinality
    low, high = declared.get("between", (0, 0))
    if low > high:
        yield "x-cardinality/between", f"{low} is above {high}; no number of documents fits"
    for name in declared.get("per", ()):
        if name not in model.collections:
            yield "x-cardinality/per", f"there is no collection {name!r}"
        elif name not in {reference.target for reference in collection.references}:
            yield "x-cardinality/per", f"no field refers to {name!r}; give one x-reference"


def _indexes(_: Model, collection: Collection) -> Iterator[Problem]:
    names = [index.name for index in collection.indexes]
    for position, index in enumerate(collection.indexes):
        where = f"x-indexes/{position}"
        if names.count(index.name) > 1:
            yield where, f"the index {index.name} is declared twice; remove one"
        for path, _direction in index.keys:
            if not collection.has(path):
                yield where, f"there is no field {path!r}; an index on it would be empty"
        for path in index.weights:
            if path not in dict(index.keys):
                yield where, f"a weight for {path!r}, which the index does not hold; remove it"
    if collection.vector_index is not None:
        for name, dimensions in collection.vector_index.dimensions.items():
            schema = collection.field(name).schema if collection.has(name) else {}
            if not dimensions or schema.get("minItems") != dimensions:
                yield "x-vector-index/fields", f"{name!r} is not an array of one fixed length (minItems = maxItems)"


def _sync(_: Model, collection: Collection) -> Iterator[Problem]:
    for name in collection.id_mapping.fields if collection.id_mapping else ():
        if not collection.has(name):
            yield "x-sync/id_mapping/fields", f"there is no field {name!r}; name top-level fields"


def _pointer(field: Field) -> str:
    return "properties/" + field.path.replace(".", "/properties/")


_CHECKS: Final[tuple[Callable[[Model, Collection], Iterator[Problem]], ...]] = (
    _own_fields,
    _values,
    _identity,
    _references,
    _cardinality,
    _indexes,
    _sync,
)

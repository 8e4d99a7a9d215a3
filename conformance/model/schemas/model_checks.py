"""Checks that the definitions of the collections fit each other, which the meta-schema cannot express."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from conformance.errors import FileError
from conformance.files.strict_files import located
from conformance.model.index_options import may_hold
from conformance.model.kinds import MAX_NUMBER, takes_null
from conformance.model.paths import is_single
from conformance.model.schemas.field_checks import UNIQUE_KINDS, Problem, check_values, narrower, pointer, unlike
from conformance.model.schemas.sample_checks import check_samples

if TYPE_CHECKING:
    from conformance.model.collection import Collection, Field, Model
    from conformance.model.indexes import Index

_ID_KINDS: Final = UNIQUE_KINDS
#: Kinds of the parts of an object _id: what Ditto takes in one.
_ID_PART_KINDS: Final = UNIQUE_KINDS | {"timestamp", "enum", "boolean"}


def check_model(model: Model) -> None:
    """Raise ConfigurationError for the first definition that does not fit, naming file, path and fix."""
    for collection in model:
        for check in _CHECKS:
            for where, what in check(model, collection):
                raise FileError(located(collection.path, pointed(where)), what, f"/{where}")


def pointed(pointer: str) -> list[str]:
    """Return the parts of a JSON pointer without its first slash."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")]


def escaped(name: str) -> str:
    """Return a name as a part of a JSON pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def _own_fields(_: Model, collection: Collection) -> Iterator[Problem]:
    schema = collection.schema
    names = {field.name for field in collection.fields}
    for name in schema["required"]:
        if name not in names:
            yield "required", f"{name!r} is not a property; define it or remove it here"
    for field in collection.everywhere():
        for name in field.schema.get("required", ()) if field.kind == "map" else ():
            if name not in {child.name for child in field.children}:
                yield pointer(field) + "/required", f"{name!r} is not a property; define it or remove it here"
    for position, group in enumerate(schema.get("x-unique", ())):
        for name in group:
            if not collection.has(name) or not is_single(name):
                yield f"x-unique/{position}", f"there is no field {name!r} with one value per document; name one"
    if collection.soft_delete is not None:
        flag = collection.soft_delete
        if not collection.has(flag) or collection.field(flag).kind != "boolean":
            yield "x-soft-delete", f"{flag!r} is not a boolean field; define it"
        elif not collection.field(flag).required:
            yield "x-soft-delete", f"{flag!r} is optional; a document without it would be neither: require it"
    if collection.deleted_at is not None:
        if collection.soft_delete is None:
            yield "x-deleted-at", "documents are never marked as deleted; give the collection x-soft-delete"
        yield from _time_stamp(collection, "x-deleted-at", collection.deleted_at)
    for field in collection.everywhere():
        if "x-history" in field.schema:
            if not is_single(field.path):
                yield pointer(field) + "/x-history", "a document refers to several here, at one time each; remove it"
            elif "x-reference" not in field.schema:
                yield pointer(field) + "/x-history", "the field refers to nothing; give it x-reference"
            elif not isinstance(field.schema["x-reference"], str):
                yield pointer(field) + "/x-history", "the field refers to one of several collections; remove it"
            yield from _time_stamp(collection, pointer(field) + "/x-history", field.schema["x-history"])


def _one_form(model: Model, collection: Collection) -> Iterator[Problem]:
    """Check that times which are compared as strings have one form."""
    for reference in collection.references:
        target = model.collections.get(reference.target)
        deleted_at = None if target is None else target.deleted_at
        if reference.history is None or target is None or deleted_at is None:
            continue
        if collection.has(reference.history) and target.has(deleted_at):
            own, other = collection.field(reference.history), target.field(deleted_at)
            if own.schema.get("x-timestamp") != other.schema.get("x-timestamp"):
                where = f"properties/{reference.history}/x-timestamp"
                yield where, f"it is compared with {target.name}.{deleted_at}, which has another form; give both one"


def _time_stamp(collection: Collection, where: str, name: str) -> Iterator[Problem]:
    if not collection.has(name) or collection.field(name).kind != "timestamp":
        yield where, f"{name!r} is not a time stamp of this collection; name a field with x-timestamp"


def _identity(_: Model, collection: Collection) -> Iterator[Problem]:
    identity = collection.field("_id")
    if identity.kind == "map" and takes_null(identity.schema):
        yield "properties/_id/type", "an _id cannot also be null; write object"
    elif identity.kind == "map":
        yield from _object_id(collection, identity)
    elif identity.kind not in _ID_KINDS and (collection.synced or identity.kind != "bson"):
        yield (
            "properties/_id",
            f"_id is a {identity.kind}; devices take a string, an integer, an ObjectId or a map of them",
        )
    if collection.id_parts and identity.kind != "map":
        yield "x-id/parts", "_id is not an object, so it has no parts; write equals"
    if collection.id_field is not None:
        if not collection.has(collection.id_field):
            yield "x-id/equals", f"there is no field {collection.id_field!r}; define it"
            return
        field = collection.field(collection.id_field)
        differs = narrower(identity.schema, field.schema) or narrower(field.schema, identity.schema)
        if field.kind != identity.kind or differs:
            yield "x-id/equals", f"_id and {field.name} do not take the same values; give both one type and pattern"
        if not field.required:
            yield "x-id/equals", f"{field.name} is optional; require it"


def _object_id(collection: Collection, identity: Field) -> Iterator[Problem]:
    """Check an object as _id: its parts are required scalars, and it never merges."""
    where = "properties/_id"
    if identity.schema["x-crdt"] != "register":
        yield f"{where}/x-crdt", "an _id never changes, so devices merge nothing in it; write register"
    if not identity.children:
        yield f"{where}/properties", "an _id without parts tells no documents apart; add a part"
    for part in identity.children:
        if part.kind not in _ID_PART_KINDS:
            yield pointer(part), f"a {part.kind} cannot be part of an _id; use a string, an integer or an ObjectId"
        if not part.required:
            yield pointer(part), f"{part.name} is optional, and an _id is never without a part; require it"
    for name in collection.id_parts:
        if not collection.has(f"_id.{name}") or not collection.has(name):
            yield "x-id/parts", f"{name!r} is not both a part of _id and a field; define both"
            continue
        part, field = collection.field(f"_id.{name}"), collection.field(name)
        if field.kind != part.kind or narrower(part.schema, field.schema) or narrower(field.schema, part.schema):
            yield "x-id/parts", f"_id.{name} and {name} do not take the same values; give both one type and pattern"
        elif not field.required:
            yield "x-id/parts", f"{name} is optional; require it"


def _references(model: Model, collection: Collection) -> Iterator[Problem]:
    for reference in collection.every_reference:
        where = f"{pointer(collection.field(reference.field))}/x-reference"
        target = model.collections.get(reference.target)
        if target is None:
            yield where, f"there is no collection {reference.target!r}; the schemas are {', '.join(model.collections)}"
        elif not target.has(reference.target_field):
            yield where, f"{reference.target} has no field {reference.target_field!r}"
        elif reference.target_field != "_id" and (reference.target_field,) not in target.unique:
            yield where, f"{reference.target}.{reference.target_field} is not unique; give it x-unique"
        elif target.field(reference.target_field).kind == "map":
            yield where, f"{reference.target}.{reference.target_field} is an object; refer to a unique field instead"
        elif not target.field(reference.target_field).required:
            yield where, f"{reference.target}.{reference.target_field} is optional; require it"
        elif above := target.nullable_above(reference.target_field):
            yield where, f"{reference.target}.{above[0]} may be null, and then has no such field; remove null there"
        elif why := unlike(collection.field(reference.field).schema, target.field(reference.target_field).schema):
            yield where, f"{reference.target}.{reference.target_field} {why}"


def _copies(model: Model, collection: Collection) -> Iterator[Problem]:
    """Check that a copy accepts every value of its source, and is required only if the source is."""
    for copy in collection.copies:
        where = f"properties/{copy.field}/{'x-agrees' if copy.key else 'x-snapshot'}"
        own, target = collection.field(copy.field), model[copy.through.target]
        for name in copy.of:
            if not target.has(name):
                yield where, f"{target.name} has no field {name!r}"
            elif len(copy.of) > 1 and target.field(name).kind != "string":
                yield where, f"{target.name}.{name} is not a string; only strings can be joined"
            elif len(copy.of) > 1 and not target.field(name).required:
                yield where, f"{target.name}.{name} is optional; only required fields can be joined"
            elif len(copy.of) == 1 and target.field(name).kind != own.kind:
                yield where, f"{target.name}.{name} is of another kind; give both the same"
            elif own.required and not target.field(name).required:
                yield where, f"{target.name}.{name} is optional, and so must {own.name} be: take it out of required"
            elif len(copy.of) == 1 and (keyword := narrower(own.schema, target.field(name).schema)):
                yield where, f"{target.name}.{name} allows more values than {own.name}; give both the same {keyword}"
        if own.required and not collection.field(copy.through.field).required:
            yield where, f"{copy.through.field} is optional, and so must {own.name} be: take it out of required"
        if len(copy.of) > 1 and "pattern" in own.schema:
            yield where, "texts that are joined may not match a pattern; remove the pattern"
        if len(copy.of) > 1 and all(target.has(name) for name in copy.of):
            parts = [target.field(name).schema for name in copy.of]
            glue = len(copy.separator) * (len(parts) - 1)
            if "maxLength" in own.schema and own.schema["maxLength"] < glue + sum(
                part.get("maxLength", MAX_NUMBER) for part in parts
            ):
                yield where, "the joined text may be longer than maxLength; bound the parts, or raise it"
            if own.schema.get("minLength", 0) > glue + sum(part.get("minLength", 0) for part in parts):
                yield where, "the joined text may be shorter than minLength; lower it"


def _cardinality(model: Model, collection: Collection) -> Iterator[Problem]:
    declared = collection.cardinality
    names = {field.name for field in collection.fields}
    low, high = declared.get("between", (0, 0))
    if low > high:
        yield "x-cardinality/between", f"{low} is above {high}; no number of documents fits"
    for name in declared.get("per", ()):
        if name not in model.collections:
            yield "x-cardinality/per", f"there is no collection {name!r}"
        elif name not in {one.target for one in collection.references if one.field in names}:
            yield "x-cardinality/per", f"no top-level field refers to {name!r}; give one x-reference"
        elif name == collection.name:
            yield "x-cardinality/per", "a collection cannot be counted per document of its own; remove per"
    if {"per", "setting"} <= declared.keys():
        yield from _exact_children(model, declared)


def _exact_children(model: Model, declared: Mapping[str, Any]) -> Iterator[Problem]:
    parents = [model[name].cardinality for name in declared["per"] if name in model.collections]
    if len(parents) > 1 or any("per" in parent for parent in parents):
        yield "x-cardinality/setting", "needs one collection under per, which is not itself made per another; remove it"
    if declared["between"][0] == declared["between"][1]:
        yield "x-cardinality/setting", "between already says the exact number; remove one of them"
    if "mean" in declared:
        yield "x-cardinality/setting", "the number is exact, so mean is not used; remove one of them"


def _indexes(_: Model, collection: Collection) -> Iterator[Problem]:
    names = [index.name for index in collection.indexes]
    for position, index in enumerate(collection.indexes):
        where = f"x-indexes/{position}"
        if names.count(index.name) > 1:
            yield where, f"the index {index.name} is declared twice; remove one"
        for path, _direction in index.keys:
            if not may_hold(collection.schema, path):
                yield where, f"there is no field {path!r}; an index on it would be empty"
        yield from ((where, what) for what in _options(index))
        for path in index.weights:
            if path not in dict(index.keys):
                yield where, f"a weight for {path!r}, which the index does not hold; remove it"
    if collection.vector_index is not None:
        for name, dimensions in collection.vector_index.dimensions.items():
            schema = collection.field(name).schema if collection.has(name) else {}
            if not dimensions or schema.get("minItems") != dimensions:
                yield "x-vector-index/fields", f"{name!r} is not an array of one fixed length (minItems = maxItems)"


def _options(index: Index) -> Iterator[str]:
    """Yield combinations that every server refuses."""
    kinds = {kind for _, kind in index.keys}
    if {"sparse", "partialFilterExpression"} <= index.options.keys():
        yield "an index cannot be sparse and partial; state {$exists: true} in partialFilterExpression"
    if index.unique and "hashed" in kinds:
        yield "a hashed index cannot be unique; declare another one for that"
    if "expireAfterSeconds" in index.options and len(index.keys) > 1:
        yield "an index of several fields cannot expire documents; declare one on the date alone"
    if "clustered" in index.options and index.keys != (("_id", 1),):
        yield 'a collection is clustered by _id only; write keys {"_id": 1}'


def _sync(_: Model, collection: Collection) -> Iterator[Problem]:
    for name in collection.id_mapping.fields if collection.id_mapping else ():
        if not collection.has(name):
            yield "x-sync/id_mapping/fields", f"there is no field {name!r}; name top-level fields"


_CHECKS: Final[tuple[Callable[[Model, Collection], Iterator[Problem]], ...]] = (
    _own_fields,
    check_values,
    _identity,
    _references,
    _one_form,
    _copies,
    _cardinality,
    _indexes,
    _sync,
    check_samples,
)

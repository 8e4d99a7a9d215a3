"""The collections as whoever writes a pipeline must know them: from the schemas, which everything follows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel
from pydantic import Field as Described

from conformance.config.configuration import NamedQuery
from conformance.model.collection import Collection, Field, Model
from conformance.text.masking import masked


class FieldSchema(BaseModel):
    """A field; ``name`` is dotted where it is in an object."""

    name: str
    type: str
    required: bool
    description: str = ""
    allowed_values: list[Any] | None = None
    refers_to: str | None = Described(None, description="collection.field that holds the same value: join by it.")


class CollectionSchema(BaseModel):
    """A collection: what its documents hold, what to match on, and queries that are known to be fast."""

    collection: str
    description: str
    referred_to_by: list[str] = Described(description="collection.field of the documents that belong to these.")
    indexes: list[str] = Described(description="Match on the first fields of one of these.")
    fields: list[FieldSchema] = Described(description="Empty in the short form: ask for the collection by name.")
    queries: list[dict[str, Any]] = Described(description="Examples, with $$name for a value.")


def hints(queries: Sequence[NamedQuery]) -> Mapping[str, list[dict[str, Any]]]:
    """Return the named queries of config/queries.yaml by collection, as examples to learn from."""
    found: dict[str, list[dict[str, Any]]] = {}
    for query in queries:
        form = query.model_dump(include={"title", "find", "sort", "limit", "pipeline"}, exclude_defaults=True)
        found.setdefault(query.collection, []).append(form)
    return found


def describe(
    model: Model, queries: Mapping[str, list[dict[str, Any]]], names: Sequence[str] | None
) -> Iterator[CollectionSchema]:
    """Yield the named collections in full, or all of them in short. ToolError, for the caller, when one is none."""
    unknown = [name for name in names or () if name not in model.collections]
    if unknown:
        raise ToolError(f"there is no collection {unknown[0][:60]!r}; there are {', '.join(model.collections)}")
    for collection in model:
        if collection.synced and (names is None or collection.name in names):
            described = _described(model, collection, queries.get(collection.name, []) if names else None)
            yield CollectionSchema.model_validate(masked(described.model_dump()))


def _described(model: Model, collection: Collection, queries: list[dict[str, Any]] | None) -> CollectionSchema:
    full = queries is not None
    references = (reference for other in model for reference in other.every_reference)
    children = [f"{one.collection}.{one.field}" for one in references if one.target == collection.name]
    return CollectionSchema(
        collection=collection.name,
        description=str(collection.schema.get("description", collection.title)),
        referred_to_by=children,
        indexes=[", ".join(path for path, _ in index.keys) for index in collection.indexes],
        fields=[_field(collection, field) for field in collection.walk()] if full else [],
        queries=queries or [],
    )


def _field(collection: Collection, field: Field) -> FieldSchema:
    references = collection.references_of(field.path)
    return FieldSchema(
        name=field.path,
        type=f"{field.kind} or null" if field.nullable else field.kind,
        required=field.required,
        description=str(field.schema.get("description", "")),
        allowed_values=list(field.schema["enum"]) if "enum" in field.schema else None,
        refers_to=" or ".join(f"{one.target}.{one.target_field}" for one in references) or None,
    )

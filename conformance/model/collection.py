"""The model: every collection's definition, read once from schemas/ into frozen dataclasses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from conformance.model.indexes import Index, VectorIndex
from conformance.model.kinds import Kind, takes_null
from conformance.model.names import split_place
from conformance.model.paths import ELEMENTS, is_single, steps
from conformance.text.paths import as_subject

#: Documents that a collection's validator accepts besides valid ones (validators/profiles.py).
ValidatorProfile = Literal["strict", "connector"]


@dataclass(frozen=True)
class Field:
    """One field of a collection, or one key of a map inside it; also the elements of an array or of a free map.

    ``path`` begins at the document's root (conformance/model/paths.py), ``pointer`` at that of the schema.
    """

    name: str
    path: str
    kind: Kind
    schema: Mapping[str, Any]
    required: bool
    pointer: str
    children: tuple[Field, ...] = ()
    element: Field | None = None

    @property
    def subject(self) -> str:
        """The path as it stands in a rule id, in lower case and with hyphens for dots and blanks."""
        return as_subject(self.path)

    @property
    def nullable(self) -> bool:
        """True for an object or an array that may also be null (not for x-bson with null)."""
        return takes_null(self.schema)

    @property
    def sample(self) -> Mapping[str, Any]:
        """The recipe for a realistic value; empty when the kind's default is meant."""
        recipe: Mapping[str, Any] = self.schema.get("x-sample", {})
        return recipe

    def walk(self) -> Iterator[Field]:
        """Yield the field itself, then every field below it of which a document has one value."""
        yield self
        for child in self.children:
            yield from child.walk()

    def everywhere(self) -> Iterator[Field]:
        """Yield the field itself, then every field below it, in arrays and free maps, too."""
        yield self
        for below in (*self.children, *([self.element] if self.element else ())):
            yield from below.everywhere()


@dataclass(frozen=True)
class Reference:
    """``collection.field`` holds a value of ``target.target_field``; ``field`` is a path, of several values perhaps.

    ``history`` names the time stamp that says when a document came to be, where the reference records the past and may
    outlive a soft-deleted target; None where it is in use, and a deleted target is a finding.
    """

    collection: str
    field: str
    target: str
    target_field: str
    history: str | None = None

    @property
    def many(self) -> bool:
        """True where a document may refer to several others: the reference is in an array or a free map."""
        return not is_single(self.field)


@dataclass(frozen=True)
class Alternatives:
    """``collection.field`` holds a key of one of several collections; ``references`` are those to each of them."""

    references: tuple[Reference, ...]

    @property
    def collection(self) -> str:
        """The collection that refers."""
        return self.references[0].collection

    @property
    def field(self) -> str:
        """The path of the key."""
        return self.references[0].field

    @property
    def collections(self) -> str:
        """The collections that it may refer to, in words."""
        return " or ".join(reference.target for reference in self.references)


@dataclass(frozen=True)
class Copy:
    """``field`` equals the ``of`` fields, joined by ``separator``, of the document ``through`` refers to.

    ``key`` is true for a key kept twice (x-agrees, family references) and false for a snapshot.
    """

    field: str
    through: Reference
    of: tuple[str, ...]
    separator: str
    key: bool


@dataclass(frozen=True)
class IdMapping:
    """The mapping of MongoDB's _id to Ditto's: match_ids, single_field or multiple_fields."""

    mode: str
    fields: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Collection:
    """Everything that is known of one collection; ``schema`` is the JSON Schema as written.

    A collection is loaded once, and equals only itself.
    """

    name: str
    path: Path
    schema: Mapping[str, Any]
    fields: tuple[Field, ...]
    references: tuple[Reference, ...]
    alternatives: tuple[Alternatives, ...]
    copies: tuple[Copy, ...]
    indexes: tuple[Index, ...]
    vector_index: VectorIndex | None
    id_mapping: IdMapping | None

    @property
    def title(self) -> str:
        """The collection's name for people."""
        return str(self.schema["title"])

    @property
    def synced(self) -> bool:
        """True when devices hold the collection."""
        return self.id_mapping is not None

    @property
    def validator_profile(self) -> ValidatorProfile:
        """The profile of the validator that provisioning sets unless it is told another."""
        profile: ValidatorProfile = self.schema["x-sync"].get("validator", "connector" if self.synced else "strict")
        return profile

    @property
    def cardinality(self) -> Mapping[str, Any]:
        """x-cardinality as written; empty when any number of documents is right."""
        declared: Mapping[str, Any] = self.schema.get("x-cardinality", {})
        return declared

    @property
    def id_field(self) -> str | None:
        """The field that _id must equal, if there is one."""
        name: str | None = self.schema.get("x-id", {}).get("equals")
        return name

    @property
    def id_parts(self) -> tuple[str, ...]:
        """The parts of an object _id that must equal the fields of the same names."""
        return tuple(self.schema.get("x-id", {}).get("parts", ()))

    @property
    def id_paths(self) -> tuple[str, ...]:
        """Return the paths of the values of Ditto's _id: mapped fields, parts of an object _id, or _id."""
        if self.id_mapping is not None and self.id_mapping.fields:
            return self.id_mapping.fields
        return tuple(part.path for part in self.field("_id").children) or ("_id",)

    @property
    def soft_delete(self) -> str | None:
        """The boolean field that marks a document as deleted, if there is one."""
        return self.schema.get("x-soft-delete")

    @property
    def deleted_at(self) -> str | None:
        """The time stamp that a soft delete sets; None where the time of a deletion is unknown."""
        return self.schema.get("x-deleted-at")

    @property
    def unique(self) -> tuple[tuple[str, ...], ...]:
        """Every field and combination of fields, by path, that no two documents share (_id apart)."""
        single = tuple((field.path,) for field in self.walk() if "x-unique" in field.schema)
        return single + tuple(tuple(group) for group in self.schema.get("x-unique", ()))

    @property
    def clustered(self) -> bool:
        """True when the collection is to be clustered by _id."""
        return any(index.options.get("clustered") for index in self.indexes)

    @property
    def open(self) -> bool:
        """True when documents may have fields that the schema does not define."""
        return bool(self.schema["additionalProperties"])

    def walk(self) -> Iterator[Field]:
        """Every field of which a document has one value, nested ones included."""
        for field in self.fields:
            yield from field.walk()

    def everywhere(self) -> Iterator[Field]:
        """Every field, in arrays and free maps, too."""
        for field in self.fields:
            yield from field.everywhere()

    def field(self, path: str) -> Field:
        """Return the field at a path; KeyError when there is none."""
        return _by_path(self)[path]

    def has(self, path: str) -> bool:
        """Return True when there is a field at the path."""
        return path in _by_path(self)

    def nullable_above(self, path: str) -> tuple[str, ...]:
        """Return what is above a field, by path, and may be null; a document then lacks even a required field."""
        found, prefix = list[str](), ""
        for step in steps(path):
            if prefix and self.field(prefix).nullable:
                found.append(prefix)
            prefix += step if step == ELEMENTS or not prefix else f".{step}"
        return tuple(found)

    @property
    def every_reference(self) -> tuple[Reference, ...]:
        """The references to one collection each, then those to one of several."""
        return self.references + tuple(one for each in self.alternatives for one in each.references)

    def references_of(self, field: str) -> tuple[Reference, ...]:
        """Return what a field may refer to: a collection, or several; none if it holds no reference."""
        return tuple(reference for reference in self.every_reference if reference.field == field)

    def reference(self, field: str) -> Reference:
        """Return the reference that a field holds; KeyError when it holds none."""
        for reference in self.references:
            if reference.field == field:
                return reference
        raise KeyError(field)


@cache
def _by_path(collection: Collection) -> dict[str, Field]:
    return {field.path: field for field in collection.everywhere()}


@dataclass(frozen=True, eq=False)
class Model:
    """All collections, parents before the children that refer to them; ``root`` holds schemas/ and config/.

    A model is loaded once, and equals only itself.
    """

    root: Path
    collections: Mapping[str, Collection]

    def __iter__(self) -> Iterator[Collection]:
        """Return the collections, parents first."""
        return iter(self.collections.values())

    def __getitem__(self, name: str) -> Collection:
        """Return the collection of that name; KeyError when there is none."""
        return self.collections[name]

    @property
    def settings(self) -> tuple[str, ...]:
        """Names of the settings that cardinalities follow, such as NUM_ORDERS."""
        return tuple(c.cardinality["setting"] for c in self if "setting" in c.cardinality)

    def split(self, place: str) -> tuple[str, str]:
        """Return the collection and the path of ``<collection>.<path>``."""
        return split_place(place, self.collections)

    def config(self, name: str) -> Path:
        """Return the path of a file in the model's config/."""
        return self.root / "config" / name

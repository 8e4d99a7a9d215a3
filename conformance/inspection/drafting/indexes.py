"""Indexes of a draft, and the fields that are unique: by an index, by their name, or by an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pymongo.database import Database

from conformance.inspection.drafting.choices import NO, YES, Ask, Question, answered
from conformance.inspection.drafting.fields import Notes, Schema
from conformance.inspection.findings.key import is_key, unique_fields
from conformance.inspection.names import is_own_identity, names_people, reads_as_unique
from conformance.inspection.profile import ELEMENTS, Path
from conformance.inspection.scan import Scanned
from conformance.model.index_options import may_hold, unknown_options, written_options
from conformance.model.kinds import kind_of
from conformance.model.schemas.field_checks import UNIQUE_KINDS
from conformance.server.metadata import TEXT_LANGUAGE, LiveIndex, live_indexes

#: Options with which a unique index does not compare all documents, or not by their exact values.
_PARTLY_UNIQUE: Final = frozenset({"sparse", "partialFilterExpression", "collation"})
#: Documents from which on values that differ are taken for values that must differ.
_ENOUGH_DOCUMENTS: Final = 5


def draft_indexes(
    database: Database[dict[str, Any]], scanned: Scanned, drafted: Schema, notes: Notes
) -> Iterator[dict[str, Any]]:
    """Yield the collection's indexes as x-indexes declares them; one that it cannot declare is an open question."""
    for index in live_indexes(database, scanned.name):
        if index.keys == (("_id", 1),) and not index.spec.get("clustered"):
            continue
        reason = _undeclarable(index, drafted)
        if reason is not None:
            notes.questions.append(f"The index {index.name} is not in the schema: {reason}.")
            continue
        yield _entry(index)


def _entry(index: LiveIndex) -> dict[str, Any]:
    """Return an index as x-indexes declares it."""
    entry: dict[str, Any] = {"keys": dict(index.keys)}
    if index.spec.get("clustered"):
        return entry | {"clustered": True}
    if index.name != "_".join(f"{path}_{kind}" for path, kind in index.keys):
        entry["name"] = index.name
    if index.unique:
        entry["unique"] = True
    if index.weights and set(index.weights.values()) != {1}:
        entry["weights"] = dict(index.weights)
    if index.language not in (None, TEXT_LANGUAGE):
        entry["default_language"] = index.language
    return entry | written_options(index.options)


def _undeclarable(index: LiveIndex, drafted: Schema) -> str | None:
    if unknown := unknown_options(index.options):
        return f"a schema cannot declare {', '.join(unknown)}"
    absent = [path for path, _ in index.keys if not may_hold(drafted, path)]
    return f"no document has {', '.join(absent)}" if absent else None


def add_unique(scanned: Scanned, schema: Schema, properties: Mapping[str, Schema], notes: Notes, ask: Ask) -> None:
    """Mark fields that are unique in the data where a unique index or the name says that they must be."""
    indexed = {
        next(iter(each["keys"]))
        for each in schema.get("x-indexes", ())
        if each.get("unique") and len(each["keys"]) == 1 and not _PARTLY_UNIQUE & each.keys()
    }
    groups = [
        list(each["keys"])
        for each in schema.get("x-indexes", ())
        if each.get("unique") and len(each["keys"]) > 1 and not _PARTLY_UNIQUE & each.keys()
    ]
    groups = [group for group in groups if all(_one_value(properties, path) is not None for path in group)]
    if groups:
        schema["x-unique"] = groups
    for path in indexed:
        nested = _one_value(properties, path) if "." in path else None
        if nested is not None and kind_of(nested) in UNIQUE_KINDS:
            nested["x-unique"] = True
            notes.evidence[f"{path} unique"] = "a unique index"
    mapped = schema["x-sync"].get("id_mapping", {}).get("fields", ())
    for name in unique_fields(scanned):
        if name == "_id" or name not in properties or kind_of(properties[name]) not in UNIQUE_KINDS:
            continue
        named = is_own_identity(name, scanned.name) or (
            scanned.documents >= _ENOUGH_DOCUMENTS and reads_as_unique(name) and not names_people(name, scanned.name)
        )
        why = "a unique index" if name in indexed else f"{scanned.documents:,} different values"
        why += ", and by its name" if named and name not in indexed else ""
        default = YES if name in indexed or named else NO
        question = Question(f"{scanned.name}.{name}", f"May no two documents share {name}?", why, default)
        if name in mapped or answered(notes, ask, question) == YES:
            properties[name]["x-unique"] = True
            notes.evidence[f"{name} unique"] = why
    _add_nested_unique(scanned, properties, indexed, notes, ask)


def _add_nested_unique(
    scanned: Scanned, properties: Mapping[str, Schema], indexed: set[str], notes: Notes, ask: Ask
) -> None:
    """Ask for fields in objects that read as keys; without an index, an object may as well be a copy of a document."""
    for profile in scanned.root.walk():
        names = [step[0] for step in profile.path if isinstance(step, tuple)]
        path = ".".join(names)
        nested = len(names) == len(profile.path) > 1 and names[0] != "_id" and path not in indexed
        if not nested or not reads_as_unique(names[-1]) or not is_key(profile, scanned.documents):
            continue
        own = _one_value(properties, path)
        if own is None or kind_of(own) not in UNIQUE_KINDS or profile.texts.dates:
            continue
        why = f"{scanned.documents:,} different values, and by its name"
        question = Question(f"{scanned.name}.{path}", f"May no two documents share {path}?", why, NO)
        if answered(notes, ask, question) == YES:
            own["x-unique"] = True
            notes.evidence[f"{path} unique"] = why


def _one_value(properties: Mapping[str, Schema], path: str) -> Schema | None:
    """Return the schema of what an index names; None where it is in an array, or not described."""
    names = path.split(".")
    return schema_at({"properties": properties}, tuple((name,) for name in names))


def schema_at(schema: Schema, path: Path) -> Schema | None:
    """Return the part of a schema that describes the values at a path; None where it does not describe them."""
    for step in path:
        if isinstance(step, tuple):
            found = schema.get("properties", {}).get(step[0])
        else:
            found = schema.get("items") if step == ELEMENTS else _only(schema)
        if found is None:
            return None
        schema = found
    return schema


def _only(schema: Schema) -> Schema | None:
    return next(iter(schema.get("patternProperties", {}).values()), None)

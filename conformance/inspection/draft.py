"""A model drafted from an inspection: a schema per collection, with the evidence of every choice."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pymongo.database import Database

from conformance.inspection.collection_findings import has_documents
from conformance.inspection.draft_fields import Notes, Schema, draft_id, draft_object
from conformance.inspection.inspection import Inspection, deletion_flags
from conformance.inspection.key_findings import key_candidates, unique_fields
from conformance.inspection.names import is_own_identity, reads_as_unique
from conformance.inspection.profile import ELEMENTS, Path
from conformance.inspection.references import ReferenceCandidate
from conformance.inspection.samples import shown_path
from conformance.inspection.scan import Scanned
from conformance.model.field_checks import UNIQUE_KINDS, unlike
from conformance.model.index_options import may_hold, unknown_options, written_options
from conformance.model.kinds import kind_of
from conformance.model.names import unfit_collection
from conformance.server.metadata import TEXT_LANGUAGE, LiveIndex, live_indexes

#: Options with which a unique index does not compare all documents, or not by their exact values.
_PARTLY_UNIQUE: Final = frozenset({"sparse", "partialFilterExpression", "collation"})
#: Documents from which on values that differ are taken for values that must differ.
_ENOUGH_DOCUMENTS: Final = 5


@dataclass
class Draft:
    """The schemas by collection, notes by collection, and why collections were left out."""

    schemas: dict[str, Schema]
    notes: dict[str, Notes]
    left_out: dict[str, str]
    references: Sequence[ReferenceCandidate]
    documents: dict[str, int]


def draft(database: Database[dict[str, Any]], inspection: Inspection, sync: Sequence[str]) -> Draft:
    """Draft a model; ``sync`` names the collections to draft as synced, else those are that have images for it."""
    counts = {scanned.name: scanned.documents for scanned in inspection.scans}
    drafted = Draft({}, {}, dict(_left_out(inspection)), inspection.references, counts)
    for scanned in inspection.scans:
        if scanned.name not in drafted.left_out:
            notes = drafted.notes[scanned.name] = Notes()
            live = inspection.collections[scanned.name]
            synced = scanned.name in sync if sync else live.images
            drafted.schemas[scanned.name] = _collection(database, scanned, notes, synced)
            if synced and not sync:
                notes.evidence["x-sync enabled"] = "pre- and post-images are on, which the connector needs"
            if live.validator:
                notes.questions.append(
                    "The server has a validator of its own. Which is right, it or this schema? Until they agree,"
                    " the rule validators.definition fails; zava provision would replace it."
                )
    for reference in inspection.references:
        _add_reference(drafted, reference)
    return drafted


def _left_out(inspection: Inspection) -> Iterator[tuple[str, str]]:
    counts = {scanned.name: scanned.documents for scanned in inspection.scans}
    for name, live in inspection.collections.items():
        if not has_documents(live):
            yield name, f"it is a {live.type}"
        elif (unfit := unfit_collection(name)) is not None:
            yield name, f"a model cannot have a collection of this name: {unfit}"
        elif not counts[name]:
            yield name, "it is empty"


def _collection(database: Database[dict[str, Any]], scanned: Scanned, notes: Notes, synced: bool) -> Schema:
    drafted = draft_object(scanned.root, scanned.documents, notes)
    properties = drafted["properties"]
    properties["_id"] = draft_id(properties["_id"], scanned.root.fields["_id"])
    if synced and isinstance(properties["_id"].get("x-bson"), list):
        synced = False
        notes.questions.append("It cannot be synced: devices do not take such an _id; see zava inspect.")
    schema: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": _title(scanned.name),
        "description": f"Drafted by zava infer from {scanned.documents:,} documents; see INFERRED.md.",
        "type": "object",
    }
    own = _repeats_id(database, scanned, properties)
    if own is not None:
        schema["x-id"] = {"equals": own}
        notes.evidence[f"x-id {own}"] = "equals _id in every document"
    flags = deletion_flags(scanned)
    if flags:
        schema["x-soft-delete"] = flags[0]
        notes.evidence[f"x-soft-delete {flags[0]}"] = f"by its name; a boolean in all {scanned.documents:,} documents"
    schema["x-sync"] = _sync(scanned, own, synced, notes)
    for name in schema["x-sync"].get("id_mapping", {}).get("fields", ()):
        properties[name]["x-immutable"] = True
        notes.questions.append(
            f"Does `{name}` never change? Devices know a document by it, so the draft says x-immutable."
        )
    indexes = list(_indexes(database, scanned, drafted, notes))
    if indexes:
        schema["x-indexes"] = indexes
    _add_unique(scanned, schema, properties, notes)
    return schema | drafted


def _title(name: str) -> str:
    """Return a collection's name for people: ``order_items`` is "Order items"."""
    spaced = re.sub(r"[_.-]+", " ", name).strip()
    return spaced[:1].upper() + spaced[1:] or name


def _repeats_id(database: Database[dict[str, Any]], scanned: Scanned, properties: Mapping[str, Schema]) -> str | None:
    """Return the field that equals _id in every document, if there is one: asked of the server."""
    for name in key_candidates(scanned):
        if name == "_id" or properties.get(name) != properties["_id"]:
            continue
        if database[scanned.name].find_one({"$expr": {"$ne": ["$_id", f"${name}"]}}, {"_id": 1}) is None:
            return name
    return None


def _sync(scanned: Scanned, own: str | None, synced: bool, notes: Notes) -> Schema:
    candidates = ", ".join(key_candidates(scanned)) or "none; see zava inspect"
    notes.evidence["x-sync id_mapping"] = f"candidates are {candidates}; that they never change cannot be seen"
    if not synced:
        return {"enabled": False}
    if own is not None:
        return {"enabled": True, "id_mapping": {"mode": "single_field", "fields": [own]}}
    return {"enabled": True, "id_mapping": {"mode": "match_ids"}}


def _add_unique(scanned: Scanned, schema: Schema, properties: Mapping[str, Schema], notes: Notes) -> None:
    """Mark fields that are unique in the data where a unique index or the name says that they must be."""
    indexed = {
        next(iter(each["keys"]))
        for each in schema.get("x-indexes", ())
        if each.get("unique") and len(each["keys"]) == 1 and not _PARTLY_UNIQUE & each.keys()
    }
    groups = [
        list(each["keys"])
        for each in schema.get("x-indexes", ())
        if each.get("unique")
        and len(each["keys"]) > 1
        and not _PARTLY_UNIQUE & each.keys()
        and set(each["keys"]) <= properties.keys()
    ]
    groups = [group for group in groups if all(_one_value(properties, path) is not None for path in group)]
    if groups:
        schema["x-unique"] = groups
    for path in indexed:
        nested = _one_value(properties, path) if "." in path else None
        if nested is not None and kind_of(nested) in UNIQUE_KINDS:
            nested["x-unique"] = True
            notes.evidence[f"{path} unique"] = "a unique index"
    for name in unique_fields(scanned):
        if name == "_id" or name not in properties or kind_of(properties[name]) not in UNIQUE_KINDS:
            continue
        named = is_own_identity(name, scanned.name) or (
            scanned.documents >= _ENOUGH_DOCUMENTS and reads_as_unique(name)
        )
        if name in indexed or named:
            properties[name]["x-unique"] = True
            why = "a unique index" if name in indexed else f"{scanned.documents:,} different values, and by its name"
            notes.evidence[f"{name} unique"] = why


def _one_value(properties: Mapping[str, Schema], path: str) -> Schema | None:
    """Return the schema of what an index names; None where it is in an array, or not described."""
    names = path.split(".")
    return _schema_at({"properties": properties}, tuple((name,) for name in names))


def _indexes(
    database: Database[dict[str, Any]], scanned: Scanned, drafted: Schema, notes: Notes
) -> Iterator[dict[str, Any]]:
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


def _add_reference(drafted: Draft, each: ReferenceCandidate) -> None:
    """Write a reference into its schema where the vocabulary can say it; else ask."""
    path, place = shown_path(each.path), f"{each.target}.{each.field}"
    notes = drafted.notes.get(each.collection)
    if notes is None:
        return
    why = _not_a_reference(drafted, each)
    found = f"{each.values - each.dangling:,} of {each.values:,} different values are there"
    if why is not None:
        notes.questions.append(f"Does `{path}` refer to {place}? {found}; it is not in the schema: {why}.")
        return
    own = _schema_at(drafted.schemas[each.collection], each.path)
    assert own is not None  # noqa: S101 - _not_a_reference looked
    own["x-reference"] = place
    if "x-unique" in own and each.collection != each.target:
        _make_one_each(drafted, each, own, notes)
    notes.evidence[f"{path} refers to {place}"] = found
    for name in each.copies:
        notes.questions.append(
            f"Is `{name}` a copy of {each.target}.{name}, through `{path}`? All its values are there; if so, write"
            f' x-snapshot: {{"through": "{path}", "of": ["{name}"]}}.'
        )


def _make_one_each(drafted: Draft, each: ReferenceCandidate, own: Schema, notes: Notes) -> None:
    """Return a unique reference if the data has one document per parent, else one that is not unique."""
    if len(each.path) == 1 and drafted.documents[each.collection] == drafted.documents[each.target]:
        own["x-sample"] = {"reference": {"each": True}}
        drafted.schemas[each.collection]["x-cardinality"] = {"per": [each.target], "between": [1, 1]}
        notes.evidence[f"one per {each.target}"] = f"both collections have {drafted.documents[each.target]:,} documents"
        return
    del own["x-unique"]
    notes.questions.append(f"Is `{own['x-reference']}` referred to at most once? It is so today; x-unique is left out.")


def _schema_at(schema: Schema, path: Path) -> Schema | None:
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


def _not_a_reference(drafted: Draft, each: ReferenceCandidate) -> str | None:
    target = drafted.schemas.get(each.target)
    if target is None:
        return f"{each.target} is not in the model"
    own = _schema_at(drafted.schemas[each.collection], each.path)
    source = target["properties"].get(each.field)
    if own is None or source is None:
        return "one of the two is not described"
    if each.field != "_id" and "x-unique" not in source:
        return f"{each.target}.{each.field} is not unique"
    return "the two are not of one type" if unlike(own, source) else None

"""A model drafted from an inspection: a schema per collection, with the evidence of every choice."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from conformance.inspection.drafting.choices import (
    NO,
    NONE,
    YES,
    Ask,
    Question,
    answered,
    ask_for_enumerations,
    conservative,
)
from conformance.inspection.drafting.fields import Notes, Schema, draft_id, draft_object, undescribed_types
from conformance.inspection.drafting.indexes import add_unique, draft_indexes, schema_at
from conformance.inspection.findings.candidates import ReferenceCandidate
from conformance.inspection.findings.collection import has_documents
from conformance.inspection.findings.key import key_candidates
from conformance.inspection.inspection import Inspection, deletion_flags
from conformance.inspection.samples import shown_path
from conformance.inspection.scan import Scanned
from conformance.model.kinds import bson_types, kind_of
from conformance.model.names import unfit_collection
from conformance.model.schemas.field_checks import UNIQUE_KINDS, unlike
from conformance.text.plural import numbered


@dataclass
class Draft:
    """The schemas by collection, notes by collection, and why collections were left out."""

    schemas: dict[str, Schema]
    notes: dict[str, Notes]
    left_out: dict[str, str]
    references: Sequence[ReferenceCandidate]
    documents: dict[str, int]


def draft(
    database: Database[dict[str, Any]], inspection: Inspection, sync: Sequence[str], ask: Ask = conservative
) -> Draft:
    """Draft a model; ``sync`` names the collections to draft as synced, else those are that have images for it.

    ``ask`` answers what the data leaves open.
    """
    counts = {scanned.name: scanned.documents for scanned in inspection.scans}
    drafted = Draft({}, {}, left_out(inspection), inspection.references, counts)
    for scanned in inspection.scans:
        if scanned.name not in drafted.left_out:
            notes = drafted.notes[scanned.name] = Notes()
            live = inspection.collections[scanned.name]
            synced = scanned.name in sync if sync else live.images
            drafted.schemas[scanned.name] = _collection(database, scanned, notes, synced, ask)
            if synced and not sync:
                notes.evidence["x-sync enabled"] = "pre- and post-images are on, which the connector needs"
            if live.validator:
                notes.questions.append(
                    "The server has a validator of its own. Which is right, it or this schema? Until they agree,"
                    " the rule validators.definition fails; zava provision would replace it."
                )
    for reference in inspection.references:
        _add_reference(drafted, reference, ask)
    return drafted


def left_out(inspection: Inspection) -> dict[str, str]:
    """Return the collections that cannot be in the model, each with the reason."""
    reasons = ((name, _unfit(inspection, name)) for name in inspection.collections)
    return {name: reason for name, reason in reasons if reason is not None}


def _unfit(inspection: Inspection, name: str) -> str | None:
    live = inspection.collections[name]
    if not has_documents(live):
        return f"it is a {live.type}"
    unfit = unfit_collection(name)
    if unfit is not None:
        return f"a model cannot have a collection of this name: {unfit}"
    scanned = next((each for each in inspection.scans if each.name == name and each.documents), None)
    if scanned is None:
        return "it is empty"
    unknown = undescribed_types(scanned.root.fields["_id"])
    return f"no schema can describe its _id: {unknown}" if unknown else None


def _collection(database: Database[dict[str, Any]], scanned: Scanned, notes: Notes, synced: bool, ask: Ask) -> Schema:
    drafted = draft_object(scanned.root, scanned.documents, notes)
    properties = drafted["properties"]
    properties["_id"] = draft_id(properties["_id"], scanned.root.fields["_id"])
    if synced and isinstance(properties["_id"].get("x-bson"), list):
        synced = False
        notes.questions.append("It cannot be synced: devices do not take such an _id; see zava inspect.")
    elif not isinstance(properties["_id"].get("x-bson"), list):
        synced = answered(notes, ask, _sync_question(scanned, synced)) == YES
    schema: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": _title(scanned.name),
        "description": f"Drafted by zava infer from {numbered(scanned.documents, 'document')}; see INFERRED.md.",
        "type": "object",
    }
    own = _repeats_id(database, scanned, properties)
    if own is not None:
        schema["x-id"] = {"equals": own}
        notes.evidence[f"x-id {own}"] = "equals _id in every document"
    flag = _deletion_flag(scanned, drafted, notes, ask)
    if flag is not None:
        schema["x-soft-delete"] = flag
    schema["x-sync"] = _sync(scanned, own, synced, drafted, notes, ask)
    for name in schema["x-sync"].get("id_mapping", {}).get("fields", ()):
        properties[name]["x-immutable"] = True
        notes.questions.append(
            f"Does `{name}` never change? Devices know a document by it, so the draft says x-immutable."
        )
    indexes = list(draft_indexes(database, scanned, drafted, notes))
    if indexes:
        schema["x-indexes"] = indexes
    add_unique(scanned, schema, properties, notes, ask)
    if ask is not conservative:
        ask_for_enumerations(database, scanned.name, scanned.documents, drafted, notes, ask)
    return schema | drafted


def _sync_question(scanned: Scanned, synced: bool) -> Question:
    why = "its pre- and post-images are on, or --sync names it" if synced else "its pre- and post-images are off"
    return Question(scanned.name, "Do devices hold it?", why, YES if synced else NO)


def _deletion_flag(scanned: Scanned, drafted: Schema, notes: Notes, ask: Ask) -> str | None:
    """Return the field that marks documents as deleted, if there is one."""
    named = deletion_flags(scanned)
    fields = drafted["properties"].items()
    flags = [name for name, field in fields if field.get("type") == "boolean" and name in drafted["required"]]
    if not flags:
        return None
    default = named[0] if named else NONE
    why = f"a boolean in all {scanned.documents:,} documents" + (", by its name" if named else "")
    question = Question(scanned.name, "Which field marks a document as deleted?", why, default, (*flags, NONE))
    flag = answered(notes, ask, question)
    if flag == NONE:
        return None
    notes.evidence[f"x-soft-delete {flag}"] = why
    return flag


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


def _sync(scanned: Scanned, own: str | None, synced: bool, drafted: Schema, notes: Notes, ask: Ask) -> Schema:
    candidates = ", ".join(key_candidates(scanned))
    notes.evidence["x-sync id_mapping"] = (
        f"candidates are {candidates}; that they never change cannot be seen"
        if candidates
        else "no field can make the device's _id; see zava inspect"
    )
    if not synced:
        return {"enabled": False}
    keys = [name for name in key_candidates(scanned) if name == own or _can_identify(drafted, name)]
    identity = own or "_id"
    if keys:
        why = f"{candidates}: in every document, unique, of one type"
        question = Question(scanned.name, "Which field is the device's _id?", why, identity, ("_id", *keys))
        identity = answered(notes, ask, question)
    if identity == "_id":
        return {"enabled": True, "id_mapping": {"mode": "match_ids"}}
    return {"enabled": True, "id_mapping": {"mode": "single_field", "fields": [identity]}}


def _can_identify(drafted: Schema, name: str) -> bool:
    """Return True for a field, other than _id, of a kind that can be unique."""
    return name != "_id" and kind_of(drafted["properties"].get(name, {"type": "boolean"})) in UNIQUE_KINDS


def _add_reference(drafted: Draft, each: ReferenceCandidate, ask: Ask) -> None:
    """Write a reference into its schema where the vocabulary can say it; else ask."""
    path, place = shown_path(each.path), each.places
    notes = drafted.notes.get(each.collection)
    if notes is None:
        return
    why = next(filter(None, (_not_a_reference(drafted, each, *target) for target in each.targets)), None)
    found = f"{each.values - each.dangling:,} of {each.values:,} different values are there"
    if why is not None:
        notes.questions.append(f"Does `{path}` refer to {place}? {found}; it is not in the schema: {why}.")
        return
    question = Question(f"{each.collection}.{path}", f"Does it refer to {place}?", found, YES)
    if answered(notes, ask, question) == NO:
        return
    own = schema_at(drafted.schemas[each.collection], each.path)
    assert own is not None  # noqa: S101 - _not_a_reference looked
    places = [f"{target}.{key}" for target, key in each.targets]
    own["x-reference"] = places if each.others else place
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
    as_many = drafted.documents[each.collection] == drafted.documents[each.target]
    schema = drafted.schemas[each.collection]
    if len(each.path) == 1 and not each.others and as_many and "x-cardinality" not in schema:
        own["x-sample"] = {"reference": {"each": True}}
        schema["x-cardinality"] = {"per": [each.target], "between": [1, 1]}
        notes.evidence[f"one per {each.target}"] = f"both collections have {drafted.documents[each.target]:,} documents"
        return
    del own["x-unique"]
    if any(
        index.get("unique") and [*index["keys"]] == [shown_path(each.path)] for index in schema.get("x-indexes", ())
    ):
        return  # the index allows no second one
    notes.questions.append(f"Is `{each.places}` referred to at most once? It is so today; x-unique is left out.")


def _not_a_reference(drafted: Draft, each: ReferenceCandidate, name: str, key: str) -> str | None:
    """Return why the field cannot refer to that key of a collection; None if it can."""
    target = drafted.schemas.get(name)
    if target is None:
        return f"{name} is not in the model"
    own = schema_at(drafted.schemas[each.collection], each.path)
    source = target["properties"].get(key)
    if own is None or source is None:
        return "one of the two is not described"
    if key != "_id" and "x-unique" not in source:
        return f"{name}.{key} is not unique"
    if not unlike(own, source):
        return None
    other = " or ".join(sorted(bson_types(own) - {"null"} - bson_types(source)))
    return f"it has values of type {other}, which no key there has" if other else "the two are not of one type"

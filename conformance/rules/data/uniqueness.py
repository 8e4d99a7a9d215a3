"""Family uniqueness: what must be unique is, by data, whether or not an index sees to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from conformance.checks.base import Context, Document, Rule, answer, skipped
from conformance.checks.document_scan import DocumentTest
from conformance.checks.subjects import Subjects
from conformance.config.configuration import Configuration
from conformance.model.collection import Collection, Field, Model
from conformance.model.kinds import UUID4_PATTERN
from conformance.model.validators.server_validator import field_query, validator
from conformance.results import Outcome, Sample
from conformance.rules.data.look_alike import ignoring_case, looking_alike
from conformance.text.paths import value_at
from conformance.text.rendering import MISSING, compared, shorten


def rules(model: Model, _: Configuration) -> Iterator[Rule]:
    """Per unique field or combination one rule; values alike but for case, _id against its field, UUID versions."""
    for collection in model:
        equal = [collection.id_field] if collection.id_field else collection.id_parts
        subjects = Subjects()
        identities = {name: subjects.of("_id", name) for name in equal}
        for group in collection.unique:
            yield Rule(
                id=f"uniqueness.{collection.name}.{subjects.of(*group)}",
                title=f"{collection.title}: no two documents share {' and '.join(group)}",
                check=answer(_duplicates(collection, group)),
                why="Two documents with the same key become one document on devices, or the connector stops.",
                fix="Merge the documents, or give one of them another value.",
            )
        for field in collection.walk():
            if field.schema.get("x-unique") == "ignore-case":
                yield ignoring_case(collection, field, subjects.of(field.path, suffix="-ignoring-case"))
            if "x-unique" in field.schema and field.kind == "string" and "pattern" not in field.schema:
                yield looking_alike(collection, field, subjects.of(field.path, suffix="-look-alike"))
            if field.kind == "uuid":
                yield _version(collection, field, subjects)
        for name, subject in identities.items():
            path = "_id" if name == collection.id_field else f"_id.{name}"
            yield _identity(collection, path, name, subject)


def _duplicates(collection: Collection, group: tuple[str, ...]) -> Callable[[Context], Outcome]:
    name = collection.name
    held = {field: {"$exists": True, "$ne": None} for field in group}
    keys = [_identified_by(collection.field(field)) for field in group]
    key = keys[0] if len(group) == 1 else {f"k{place}": each for place, each in enumerate(keys)}

    def check(context: Context) -> Outcome:
        if group == (collection.id_field,) and context.counts[name]:
            other = context.collection(name).find_one({"$expr": {"$ne": ["$_id", key]}}, {"_id": 1})
            if other is None:  # the server keeps _id unique, so the field that always equals it is
                return Outcome(context.counts[name])
        pipeline: list[dict[str, Any]] = [
            {"$match": held},
            {"$group": {"_id": key, "n": {"$sum": 1}}},
            {"$match": {"n": {"$gt": 1}}},
            {"$sort": {"_id": 1}},
        ]
        return _shared(context, name, group, held, pipeline)

    return check


def _identified_by(field: Field) -> Any:
    """Return the value by which two fields are alike: a UUID is the same one in upper and in lower case."""
    value = f"${field.path}"
    if field.kind != "uuid":
        return value
    return {"$cond": [{"$eq": [{"$type": value}, "string"]}, {"$toLower": value}, value]}


def _shared(
    context: Context, name: str, group: tuple[str, ...], held: Mapping[str, Any], pipeline: list[dict[str, Any]]
) -> Outcome:
    """Count the documents that share a value; ``pipeline`` yields each shared value with their number n.

    Documents that do not match ``held`` have no value that could be shared, and are not examined.
    """
    collection = context.collection(name)
    if not context.counts[name]:
        return skipped(f"{name} is empty")
    examined = collection.count_documents(held)
    if not examined:
        return skipped(f"no document of {name} has {' and '.join(group)}")
    violations = sum(row["n"] for row in collection.aggregate(pipeline, allowDiskUse=True))
    return Outcome(
        examined, violations, context.samples(_sharing(context, name, group, pipeline)) if violations else ()
    )


def _sharing(context: Context, name: str, group: tuple[str, ...], pipeline: list[dict[str, Any]]) -> Iterator[Sample]:
    """Yield the documents that share a value, by value and _id; one pass, however many values are shared."""
    ids = {"$topN": {"n": context.sample_size, "sortBy": {"_id": 1}, "output": "$_id"}}
    stages = [{"$group": {**stage["$group"], "ids": ids}} if "$group" in stage else stage for stage in pipeline]
    with context.collection(name).aggregate(stages, allowDiskUse=True) as rows:
        for row in rows:
            values = row["_id"].values() if len(group) > 1 else [row["_id"]]
            shared = ", ".join(f"{field} {shorten(value)}" for field, value in zip(group, values, strict=True))
            why = f"another document has the same {shared}"
            yield from (Sample(why, identity) for identity in row["ids"])


def _version(collection: Collection, field: Field, subjects: Subjects) -> Rule:
    text = {"$eq": [{"$type": f"${field.path}"}, "string"]}
    other = {"$not": {"$regex": UUID4_PATTERN}}  # not $regexMatch, which is an error on text that is no UTF-8
    return Rule(
        id=f"uniqueness.{collection.name}.{subjects.of(field.path, suffix='-version')}",
        title=f"{collection.title}: every {field.path} is a UUID of version 4",
        check=DocumentTest(
            collection.name,
            screen={"$nor": [validator(collection)]},
            alone={"$nor": [field_query(collection, field.path.split(".")[0])]},
            violating={"$expr": text, field.path: other},
            why=lambda document: f"{field.path} is {shorten(value_at(document, field.path))}",
            guards=(text,),
            needs=field.path,
        ),
        why="Only random UUIDs are unique when offline devices create documents independently.",
        fix="Give the document a new UUID of version 4.",
    )


def _identity(collection: Collection, path: str, name: str, subject: str) -> Rule:
    """Return the rule that _id, or a part of it, equals the field."""

    def why(document: Document) -> str:
        identity, field = compared(value_at(document, path), document.get(name, MISSING))
        return f"{path} is {identity}, {name} is {field}"

    held = {"$ne": [{"$type": f"${name}"}, "missing"]}
    different = {"$expr": {"$and": [held, {"$ne": [f"${path}", f"${name}"]}]}}
    return Rule(
        id=f"uniqueness.{collection.name}.{subject}",
        title=f"{collection.title}: {path} equals {name}",
        check=DocumentTest(
            collection.name,
            screen=different,
            violating=different,
            why=why,
            guards=(held,),
            needs=name,
        ),
        why="The connector and the devices would identify the document by different keys.",
        fix=f"Insert the document again with {path} equal to {name} and delete the old one; an _id cannot be changed.",
    )

"""Rules on vectors beyond their shape: length 1, one provider, current texts, distinct values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, Final

from conformance.checks.base import Context, Document, Rule, answer, skipped
from conformance.checks.document_scan import DocumentTest, InColumns
from conformance.checks.subjects import Subjects
from conformance.columns.vectors import Shape
from conformance.language.formulas.expressions import Expression, typed
from conformance.model.collection import Collection, Field, Model, Reference
from conformance.model.embedding import embedded_paths, mark, source_paths, text_digest, vector_fields
from conformance.model.kinds import MAX_NUMBER
from conformance.results import Outcome, Sample
from conformance.text.plural import numbered
from conformance.text.rendering import shorten

#: By how much the squared length may differ from 1: more than rounding to 32 bits makes, less than any other scale.
_TOLERANCE: Final = 1e-3
#: Elements that vectors are compared by first: two of different texts differ in the first already.
_FIRST: Final = 8


def rules(
    model: Model, collection: Collection, subjects: Subjects, sound: Callable[[Field], Expression]
) -> Iterator[Rule]:
    """Per vector field: its length, and that texts have vectors of their own; per collection: provider and digest.

    ``sound`` is the expression that is true of a vector of the right shape; of others nothing is said here.
    """
    prefix = f"embeddings.{collection.name}"
    for field in collection.fields:
        if field.kind == "vector" and "x-unit-length" in field.schema:
            subject = subjects.of(field.path, suffix="-length")
            yield _unit_length(f"{prefix}.{subject}", collection, field, sound(field))
    provider, digest = mark(collection, "provider"), mark(collection, "digest")
    if provider is not None:
        yield Rule(
            f"{prefix}.{subjects.of(provider.path)}",
            f"{collection.title}: all vectors have the same {provider.name}",
            answer(lambda context: _one_provider(context, collection, provider)),
            why="Vectors of different models cannot be compared, so a search ranks at random or omits documents.",
            fix="Run `zava embed` to compute the vectors of the other providers again.",
        )
    reference = _described(collection)
    if reference is None:
        return
    if digest is not None:
        yield Rule(
            f"{prefix}.{subjects.of(digest.path)}",
            f"{collection.title}: {digest.name} is the digest of the current texts",
            answer(lambda context: _fresh(context, model, collection, reference, digest)),
            why="The texts changed after the vectors were computed, so a search matches old texts.",
            fix="Run `zava embed` to compute stale vectors again.",
        )
    for field in vector_fields(collection):
        yield Rule(
            f"{prefix}.{subjects.of(field.path, suffix='-distinct')}",
            f"{collection.title}: documents with different texts have different values of {field.name}",
            answer(lambda context, field=field: _distinct(context, collection, reference, field, sound(field))),  # type: ignore[misc]
            severity="warning",
            why="A search cannot distinguish these documents; often the provider failed and returned one vector for"
            " every text.",
            fix="Run `zava embed --all`. If the documents really share one image, accept the finding in a baseline.",
        )


def shape_of(field: Field) -> Shape:
    """Return what a vector of the field must be, for columns; ``sound`` says the same to the server."""
    return Shape(field.name, field.schema["minItems"], field.schema["maxItems"], MAX_NUMBER)


def _unit_length(rule_id: str, collection: Collection, field: Field, sound: Expression) -> Rule:
    square = {"$add": ["$$value", {"$multiply": ["$$this", "$$this"]}]}
    length = {"$reduce": {"input": f"${field.name}", "initialValue": 0, "in": square}}
    off = {"$gt": [{"$abs": {"$subtract": [length, 1]}}, _TOLERANCE]}
    query = {"$expr": {"$cond": [sound, off, False]}}
    shape = shape_of(field)

    def why(document: Document) -> str:
        return f"{field.name} has length {math.hypot(*map(float, document[field.name])):.4g}; expected 1"

    return Rule(
        rule_id,
        f"{collection.title}: every {field.name} has length 1",
        DocumentTest(
            collection.name,
            screen=query,
            violating=query,
            why=why,
            guards=(sound,),
            needs=field.name,
            in_columns=InColumns(lambda batch: shape.may_differ(batch, 1.0, _TOLERANCE / 2), shape.truth),
        ),
        why="Queries use the dot product as the cosine, so a longer vector appears similar to everything.",
        fix="Divide the vector by its length, or run `zava embed`.",
    )


def _live(collection: Collection) -> Document:
    return {collection.soft_delete: {"$ne": True}} if collection.soft_delete else {}


def _one_provider(context: Context, collection: Collection, field: Field) -> Outcome:
    """Compare the provider of every document with that of most documents; report the others."""
    documents = context.collection(collection.name)
    query = {"$expr": typed(f"${field.name}", "string"), **_live(collection)}
    pipeline = [
        {"$match": query},
        {"$group": {"_id": f"${field.name}", "n": {"$sum": 1}}},
        {"$sort": {"n": -1, "_id": 1}},
    ]
    found = list(documents.aggregate(pipeline))
    if not found:
        return skipped(f"no document of {collection.name} has {field.name}")
    most, number = found[0]["_id"], sum(row["n"] for row in found)
    others = documents.find({**query, field.name: {"$ne": most}}, {field.name: 1}).sort("_id", 1)
    samples = (
        Sample(f"{field.name} is {shorten(one[field.name])}; most documents have {shorten(most)}", one["_id"])
        for one in others.limit(context.sample_size)
    )
    return Outcome(number, number - found[0]["n"], context.samples(samples))


def _described(collection: Collection) -> Reference | None:
    """Return the reference to the document whose texts the vectors are made from; None unless it is one."""
    named = {path.partition(".")[0] for path in embedded_paths(collection)}
    found = [reference for reference in collection.references if reference.field in named]
    return found[0] if len(named) == len(found) == 1 else None


def _with_texts(
    collection: Collection, reference: Reference, paths: list[str], query: Document, *shown: str
) -> list[Document]:
    """Stages that give documents with the texts they were made from, in the order of ``paths``."""
    parent = {"from": reference.target, "localField": reference.field, "foreignField": reference.target_field}
    texts = [f"$_source.{path.partition('.')[2]}" for path in paths]
    return [
        {"$match": {"$and": [query, _live(collection)]}},
        {"$project": {reference.field: 1, **dict.fromkeys(shown, 1)}},
        {"$lookup": {**parent, "as": "_source"}},
        {"$match": {"_source.0": {"$exists": True}, "_source.1": {"$exists": False}}},
        {"$addFields": {"_source": {"$first": "$_source"}}},
        {"$match": {"$expr": {"$and": [typed(text, "string") for text in texts]}}},
        {"$project": {reference.field: 1, **dict.fromkeys(shown, 1), "texts": texts}},
        {"$sort": {"_id": 1}},
    ]


def _fresh(context: Context, model: Model, collection: Collection, reference: Reference, digest: Field) -> Outcome:
    """Digests are compared here, since the server has none; documents pass by one after the other."""
    if not context.counts[collection.name]:
        return skipped(f"{collection.name} is empty")
    paths = embedded_paths(collection)
    stages = _with_texts(collection, reference, paths, {"$expr": typed(f"${digest.name}", "string")}, digest.name)
    examined, violations, samples = 0, 0, list[Sample]()
    for one in context.collection(collection.name).aggregate(stages, allowDiskUse=True):
        examined += 1
        now = text_digest(one["texts"])
        if one[digest.name] != now:
            violations += 1
            of = f"the texts of {model[reference.target].title.lower()} {shorten(one[reference.field])}"
            why = (
                f"{digest.name} is {one[digest.name][:12]}…, but {of} have the digest {now[:12]}…; the vectors are"
                " stale"
            )
            samples += [Sample(why, one["_id"])] if len(samples) < context.sample_size else []
    if not examined:
        return skipped(f"no document of {collection.name} has {digest.name} and the texts that it was computed from")
    return Outcome(examined, violations, tuple(samples))


def _distinct(
    context: Context, collection: Collection, reference: Reference, field: Field, sound: Expression
) -> Outcome:
    """Report documents that have the same vector but different texts."""
    documents = context.collection(collection.name)
    query = {"$and": [_live(collection), {"$expr": sound}]}
    is_shared = {"$gt": [{"$size": "$ids"}, 1]}
    groups: list[Document] = [
        {"$match": query},
        {"$group": {"_id": {"$slice": [f"${field.name}", _FIRST]}, "ids": {"$push": "$_id"}}},
        # One row for all vectors that begin like no other; they are only counted.
        {
            "$group": {
                "_id": {"$cond": [is_shared, "$_id", None]},
                "number": {"$sum": {"$size": "$ids"}},
                "ids": {"$first": {"$cond": [is_shared, "$ids", []]}},
            }
        },
        {"$sort": {"_id": 1}},
    ]
    examined, violations, samples = 0, 0, list[Sample]()
    for group in documents.aggregate(groups, allowDiskUse=True):
        examined += group["number"]
        if not group["ids"]:
            continue
        stages = _with_texts(collection, reference, source_paths(field), {"_id": {"$in": group["ids"]}}, field.name)
        by_vector: dict[tuple[float, ...], list[Any]] = {}
        for one in documents.aggregate(stages):
            by_vector.setdefault(tuple(map(float, one[field.name])), []).append(one)
        for same in by_vector.values():
            if len({tuple(one["texts"]) for one in same}) > 1:
                violations += len(same)
                why = f"{field.name} is equal in {numbered(len(same) - 1, 'other document')} with different texts"
                samples += [Sample(why, one["_id"]) for one in same]
    if not examined:
        return skipped(f"no document of {collection.name} has a {field.name} that can be compared")
    return Outcome(examined, violations, context.samples(samples))

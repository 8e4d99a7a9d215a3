"""Family embeddings: every vector has its length, is finite and not all zero; every parent has exactly one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from conformance.checks.base import Context, Rule, answer, skipped
from conformance.checks.document_scan import DocumentTest, InColumns
from conformance.checks.subjects import Subjects
from conformance.config.configuration import Configuration
from conformance.model.collection import Collection, Field, Model, Reference
from conformance.model.kinds import MAX_NUMBER
from conformance.results import Outcome, Sample
from conformance.rules.data.vectors import rules as promises
from conformance.rules.data.vectors import shape_of
from conformance.text.rendering import shorten

_ONE_EACH: Final = [1, 1]


def rules(model: Model, _configuration: Configuration) -> Iterator[Rule]:
    """One rule per vector field, and one per collection of vectors that has exactly one document per parent."""
    for collection in model:
        subjects = Subjects()
        vectors = {subjects.of(field.path): field for field in collection.fields if field.kind == "vector"}
        for subject, field in vectors.items():
            yield Rule(
                f"embeddings.{collection.name}.{subject}",
                f"{collection.title}: every {field.name} is {_length(field)} finite numbers, not all zero",
                _vector_check(collection, field),
                why="A similarity search fails on vectors of another length, and never finds a zero or infinite"
                " vector.",
                fix="Run `zava embed` to compute the vector again.",
            )
        if vectors:
            yield from _pairing(model, collection, subjects)
            yield from promises(model, collection, subjects, _sound)


def _pairing(model: Model, collection: Collection, subjects: Subjects) -> Iterator[Rule]:
    declared = collection.cardinality
    parents = declared.get("per", ())
    if len(parents) != 1 or list(declared["between"]) != _ONE_EACH:
        return
    reference = next(one for one in collection.references if one.target == parents[0])
    yield Rule(
        f"embeddings.{collection.name}.{subjects.of(reference.field)}",
        f"{model[reference.target].title}: every document has exactly one document in {collection.name}, and the"
        " reverse",
        answer(lambda context: _check_pairing(context, model, reference)),
        why="A document without a vector cannot be found by a search; one with two appears twice.",
        fix="Run `zava embed` to add missing vectors, and delete surplus ones.",
    )


def _length(field: Field) -> str:
    low, high = field.schema["minItems"], field.schema["maxItems"]
    return str(low) if low == high else f"{low} to {high}"


def _vector_check(collection: Collection, field: Field) -> DocumentTest:
    unsound = {"$expr": {"$not": [_sound(field)]}}

    def why(document: Mapping[str, Any]) -> str:
        return _fault(field, document)

    return DocumentTest(
        collection.name, screen=unsound, violating=unsound, why=why, in_columns=InColumns(shape_of(field).may_lack)
    )


def _sound(field: Field) -> dict[str, Any]:
    """Return True for a vector as wanted, and false, not an error, for anything that a document may hold.

    BSON orders all numbers together, NaN first: where the least and the greatest element are finite numbers, all
    are. $min and $max pass over null, which is looked for apart. A sum with a Decimal128 is one.
    """
    vector = f"${field.name}"
    elements = {"$cond": [{"$isArray": [vector]}, vector, []]}
    least, greatest = "$$least", "$$greatest"
    numbers = [
        {"$isNumber": least},
        {"$isNumber": greatest},
        {"$gte": [least, -MAX_NUMBER]},
        {"$lte": [greatest, MAX_NUMBER]},
        {"$or": [{"$ne": [least, 0]}, {"$ne": [greatest, 0]}]},
    ]
    return {
        "$and": [
            {"$isArray": [vector]},
            {"$gte": [{"$size": elements}, field.schema["minItems"]]},
            {"$lte": [{"$size": elements}, field.schema["maxItems"]]},
            {"$not": [{"$in": [None, elements]}]},
            {"$ne": [{"$type": {"$sum": elements}}, "decimal"]},
            {
                "$let": {
                    "vars": {"least": {"$min": elements}, "greatest": {"$max": elements}},
                    "in": {"$and": numbers},
                }
            },
        ]
    }


def _fault(field: Field, document: Mapping[str, Any]) -> str:
    if field.name not in document:
        return f"{field.name} is missing"
    vector = document[field.name]
    if not isinstance(vector, list):
        return f"{field.name} is {shorten(vector)}; expected an array"
    low, high = field.schema["minItems"], field.schema["maxItems"]
    if not low <= len(vector) <= high:
        return f"{field.name} has {len(vector)} numbers; expected {_length(field)}"
    for position, element in enumerate(vector):
        if isinstance(element, bool) or not isinstance(element, int | float) or not math.isfinite(element):
            return f"element {position} of {field.name} is {shorten(element)}; expected a finite number"
    return f"all numbers of {field.name} are zero"


def _check_pairing(context: Context, model: Model, reference: Reference) -> Outcome:
    """Group both collections' keys; a violation is a parent without exactly one child, or a child without parent.

    A child that is marked as deleted is none for a parent that is not; a deleted parent needs none.
    """
    parents, children = context.counts[reference.target], context.counts[reference.collection]
    if not parents and not children:
        return skipped(f"{reference.target} and {reference.collection} are empty")
    violations, orphans = 0, 0
    samples: list[Sample] = []
    for group in context.collection(reference.target).aggregate(_unpaired(model, reference), allowDiskUse=True):
        key = shorten(group["_id"])
        if group["parents"]:
            number_found = (
                "only a deleted document" if group["children"] == 1 else f"{group['children'] or 0} documents"
            )
            why = f"{reference.target} {key} has {number_found} in {reference.collection}; expected exactly one"
            identity, number = group["parent"], 1
        else:
            why = f"{reference.field} is {key}, but no document of {reference.target} has that key"
            identity, number = group["child"], group["children"]
            orphans += number
        violations += number
        samples += [Sample(why, id=identity)] if len(samples) < context.sample_size else []
    return Outcome(parents + orphans, violations, tuple(samples))


def _unpaired(model: Model, reference: Reference) -> list[dict[str, Any]]:
    """Keys without a parent, with two children, or with a live parent alone; an _id of each side stands for it."""
    own = {"key": f"${reference.target_field}", "parents": {"$literal": 1}, "parent": "$_id"}
    other = {"key": f"${reference.field}", "children": {"$literal": 1}, "child": "$_id"}
    own |= {"live_parents": _live(model[reference.target])}
    other |= {"live_children": _live(model[reference.collection])}
    numbers = ("parents", "children", "live_parents", "live_children")
    return [
        {"$project": {"_id": 0} | own},
        {"$unionWith": {"coll": reference.collection, "pipeline": [{"$project": {"_id": 0} | other}]}},
        {
            "$group": {
                "_id": "$key",
                "parent": {"$min": "$parent"},
                "child": {"$min": "$child"},
                **{number: {"$sum": f"${number}"} for number in numbers},
            }
        },
        {
            "$match": {
                "$or": [
                    {"parents": 0},
                    {"children": {"$gt": 1}},
                    {"live_parents": {"$gt": 0}, "live_children": 0},
                ]
            }
        },
        {"$sort": {"_id": 1}},
    ]


def _live(collection: Collection) -> dict[str, Any]:
    """1 for a document that is not marked as deleted, else 0."""
    flag = collection.soft_delete
    return {"$cond": [{"$eq": [f"${flag}", True]}, 0, 1]} if flag else {"$literal": 1}

"""References in the pass over children and parents: parents that are missing, and parents that are deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from conformance.checks.base import LISTED_IN_EVIDENCE, Context
from conformance.checks.joins.join import Column, Deletions, Expression, Part
from conformance.checks.joins.keys import Row, among, identity, in_parts, ordered
from conformance.checks.joins.several import children_of, number_of_children
from conformance.model.collection import Model, Reference
from conformance.results import Outcome, Sample
from conformance.text.rendering import shorten


def missing_parent(reference: Reference) -> Callable[[Deletions], Part]:
    """Children whose reference is to no document."""

    def outcome(context: Context, examined: int, rows: list[Row]) -> Outcome:
        return Outcome(
            examined,
            number_of_children(context, reference, rows, "_n", {}),
            children(context, reference, rows, {}, f"no document of {reference.target} has this key"),
        )

    part = Part(
        "_missing",
        {"$and": [{"$eq": ["$_parents", 0]}, {"$gt": ["$_n", 0]}]},
        outcome,
        examined="$_n",
        lacking=f"no document of {reference.collection} has {reference.field}",
        each=(True, {"$not": [_exists(reference)]}),
    )
    return lambda _: part


def deleted_parent(model: Model, reference: Reference) -> Callable[[Deletions], Part]:
    """Live children of documents that are all marked as deleted; of history, those that came after the deletion."""
    kind = _after_deletion if reference.history else _in_use
    return lambda deletions: kind(model, reference, deletions)


def _live_below_deleted(deletions: Deletions) -> list[Expression]:
    """Return the conditions of groups whose parents are all marked as deleted, and that have a live child."""
    live_parents, live_children = f"${deletions.live_parents}", f"${deletions.live_children}"
    return [{"$gt": ["$_parents", 0]}, {"$eq": [live_parents, 0]}, {"$gt": [live_children, 0]}]


def _in_use(model: Model, reference: Reference, deletions: Deletions) -> Part:
    """Live children that devices still follow to a deleted document."""

    def outcome(context: Context, examined: int, rows: list[Row]) -> Outcome:
        live = _live(model, reference)
        samples = children(context, reference, rows, live, f"that document of {reference.target} is deleted")
        number = number_of_children(context, reference, rows, deletions.live_children, live)
        return Outcome(examined, number, samples)

    return Part(
        "_orphaned",
        {"$and": _live_below_deleted(deletions)},
        outcome,
        examined={"$cond": [{"$gt": ["$_parents", 0]}, "$_n", 0]},
        lacking=f"no document of {reference.collection} refers to a document of {reference.target}",
        each=(_exists(reference), _hidden(model, reference)),
    )


def _after_deletion(model: Model, reference: Reference, deletions: Deletions) -> Part:
    """Live children that came to be after the document was deleted.

    A deletion sets the time stamp that the schema names, and a later change moves it: the document was deleted then or
    earlier. Without that time stamp the time is unknown. It is unknown, too, where most of the live children are later:
    then the time stamp is older than the deletion, which did not set it.
    """
    died = model[reference.target].deleted_at
    created, live = f"${reference.history}", _live(model, reference)
    alive = [{"$ne": [f"${flag}", True]} for flag in live]
    latest = {"$cond": [{"$and": [*alive, {"$eq": [{"$type": created}, "string"]}]}, created, None]}
    unknown = {"$not": [{"$gt": ["$_died", None]}]}
    gone = f"$_{reference.field}.{model[reference.target].soft_delete}"
    is_known = {"$gt": [f"$_{reference.field}.{died}", None]} if died else {"$literal": False}
    alive_or_dated = [{"$gt": [f"${deletions.live_parents}", 0]}, {"$not": [unknown]}]

    def outcome(context: Context, examined: int, rows: list[Row]) -> Outcome:
        dated = [row["_id"] for row in rows if row.get("_died") is not None]
        unknown = {identity(row["_id"]): row for row in rows if row.get("_died") is None}
        violations, samples = 0, list[Sample]()
        for row in _numbers(context, reference, dated, live, died) if died else ():
            if 2 * row["later"] > row["n"]:
                unknown[identity(row["_id"])] = {"_id": row["_id"]}
                examined -= row["n"]
                continue
            violations += row["later"]
            if len(samples) < context.sample_size:
                later = {"$and": [live, {reference.history: {"$gt": row["died"]}}]}
                why = f"that document of {reference.target} was deleted by {row['died']}, before this one was created"
                samples += children(context, reference, [row], later, why)
        keys = [shorten(row["_id"]) for row in unknown.values()]
        evidence = (
            {"time_of_deletion_unknown": {"documents": len(keys), "first": keys[:LISTED_IN_EVIDENCE]}} if keys else {}
        )
        if not examined and not violations:
            why = f"the time of deletion is not known for any deleted document of {reference.target}"
            return Outcome(0, skipped=why, evidence=evidence)
        return Outcome(examined, violations, context.samples(samples), evidence=evidence)

    return Part(
        "_orphaned",
        {"$and": [*_live_below_deleted(deletions), {"$or": [unknown, {"$gt": ["$_latest", "$_died"]}]}]},
        outcome,
        examined={"$cond": [{"$and": [{"$gt": ["$_parents", 0]}, {"$or": alive_or_dated}]}, "$_n", 0]},
        lacking=f"no document of {reference.collection} refers to a document of {reference.target} that is known to be"
        " live",
        columns={
            "_latest": Column("$max", children=latest),
            "_died": Column("$max", parents=f"${died}" if died else {"$literal": None}),
        },
        each=({"$and": [_exists(reference), {"$or": [{"$ne": [gone, True]}, is_known]}]}, _hidden(model, reference)),
    )


def _numbers(context: Context, reference: Reference, keys: list[Any], live: Row, died: str) -> Iterator[Row]:
    """Yield for each deleted document the number of its live children, and of those later than ``died``."""
    parent = {"from": reference.target, "localField": reference.field, "foreignField": reference.target_field}
    later = {"$cond": [{"$gt": [f"${reference.history}", "$_died"]}, 1, 0]}
    for some in in_parts(keys):
        pipeline = [
            {"$match": {**among(reference.field, some), **live}},
            {"$lookup": {**parent, "as": "_parents"}},
            {"$addFields": {"_died": {"$max": f"$_parents.{died}"}}},
            {
                "$group": {
                    "_id": f"${reference.field}",
                    "n": {"$sum": 1},
                    "later": {"$sum": later},
                    "died": {"$max": "$_died"},
                }
            },
            *ordered("_id"),
        ]
        yield from context.collection(reference.collection).aggregate(pipeline, allowDiskUse=True)


def _exists(reference: Reference) -> Row:
    """Return whether a child has its parent."""
    return {"$ne": [{"$type": f"$_{reference.field}.{reference.target_field}"}, "missing"]}


def _hidden(model: Model, reference: Reference) -> Row:
    """Return whether a live child has a deleted parent."""
    parent = f"$_{reference.field}.{model[reference.target].soft_delete}"
    alive = [{"$ne": [f"${flag}", True]} for flag in _live(model, reference)]
    return {"$and": [_exists(reference), {"$eq": [parent, True]}, *alive]}


def _live(model: Model, reference: Reference) -> Row:
    """Return a query for the children that are not marked as deleted."""
    flag = model[reference.collection].soft_delete
    return {flag: {"$ne": True}} if flag else {}


def children(context: Context, reference: Reference, rows: list[Row], also: Row, why: str) -> tuple[Sample, ...]:
    """Return samples of the children of these groups."""
    keys = [row["_id"] for row in rows[: context.sample_size]]
    found = children_of(context, reference, keys, also, why)
    return context.samples(Sample(why, identity) for why, identity in found)

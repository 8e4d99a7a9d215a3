"""Copies in the pass over children and parents: fields that repeat what the parent says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from conformance.checks.base import Context
from conformance.checks.joins.join import Column, Deletions, Expression, Part
from conformance.checks.joins.keys import Row, among, identity, in_parts, sorted_by_key
from conformance.model.collection import Collection, Copy, Reference
from conformance.results import Outcome, Sample
from conformance.text.rendering import compared


def copies_through(collection: Collection, reference: Reference) -> Iterator[tuple[int, Copy]]:
    """Yield the copies that come through a reference, each with its position, which makes its columns unique."""
    return enumerate(copy for copy in collection.copies if copy.through == reference)


def differing_copy(position: int, copy: Copy) -> Callable[[Deletions], Part]:
    """Children whose copy of the parent's fields differs; those without copy or parent are not examined."""
    low, high, copies, sources = (f"_{word}{position}" for word in ("low", "high", "copies", "sources"))
    value, source = f"${copy.field}", _source(copy, "$")
    name = copy.through
    own = _source(copy, f"$_{name.field}.")

    def outcome(context: Context, examined: int, rows: list[Row]) -> Outcome:
        violations, samples = _compare(context, copy, [row["_id"] for row in rows])
        return Outcome(examined, violations, samples)

    # Parent and children all hold one value exactly when the lowest and the highest are the same.
    part = Part(
        f"_differs{position}",
        {"$and": [{"$gt": ["$_parents", 0]}, {"$gt": ["$_n", 0]}, {"$ne": [f"${low}", f"${high}"]}]},
        outcome,
        examined={"$cond": [{"$gt": [f"${sources}", 0]}, f"${copies}", 0]},
        lacking=f"no document of {name.collection} has {copy.field} and refers to an existing document of"
        f" {name.target}",
        columns={
            low: Column("$min", children=value, parents=source),
            high: Column("$max", children=value, parents=source),
            copies: Column("$sum", children=_given(value)),
            sources: Column("$sum", parents=_given(source)),
        },
        each=({"$and": [{"$gt": [value, None]}, {"$gt": [own, None]}]}, {"$ne": [value, own]}),
    )
    return lambda _: part


def _given(value: Expression) -> Expression:
    """1 where there is a value, 0 where it is missing or null."""
    return {"$cond": [{"$gt": [value, None]}, 1, 0]}


def _source(copy: Copy, prefix: str) -> Expression:
    """Return the parent's value of a copy; null where a part of it is no text (a finding of the documents family)."""
    if len(copy.of) == 1:
        return f"{prefix}{copy.of[0]}"
    parts: list[Expression] = []
    for name in copy.of:
        parts += [{"$literal": copy.separator}, f"{prefix}{name}"] if parts else [f"{prefix}{name}"]
    texts = [{"$eq": [{"$type": f"{prefix}{name}"}, "string"]} for name in copy.of]
    return {"$cond": [{"$and": texts}, {"$concat": parts}, None]}


def _compare(context: Context, copy: Copy, keys: list[Any]) -> tuple[int, tuple[Sample, ...]]:
    """Among the children of these parents, how many copies differ, and some of them."""
    through = copy.through
    violations, samples = 0, list[Sample]()
    for part in in_parts(keys):
        parents = [
            {"$match": among(through.target_field, part)},
            {"$project": {"key": f"${through.target_field}", "value": _source(copy, "$")}},
        ]
        sources: dict[Any, list[Any]] = {}
        for row in context.collection(through.target).aggregate(parents):
            sources.setdefault(identity(row["key"]), []).append(row.get("value"))
        children = {"$and": [among(through.field, part), {copy.field: {"$exists": True, "$ne": None}}]}
        shown = [through.field, copy.field]
        for row in sorted_by_key(context, through.collection, through.field, part, children, shown):
            should = [value for value in sources.get(identity(row[through.field]), ()) if value is not None]
            if not should or row[copy.field] in should:
                continue
            violations += 1
            if len(samples) < context.sample_size:
                pairs = [compared(row[copy.field], value) for value in should]
                right = " or ".join(wanted for _, wanted in pairs)
                why = f"{copy.field} is {pairs[0][0]}; expected {right}, as in {through.target}"
                samples.append(Sample(why, row["_id"]))
    return violations, tuple(samples)

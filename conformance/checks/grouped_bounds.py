"""Bounds that use fields of the child, or ``since``: the extremes per parent and per value of those fields.

For example, a price is at most the list price times a factor of its store. The children are grouped twice, the groups
of one parent kept in a list, until the parent is there to compare each of them with:

    by both        {_id: {parent: "p", store: "a"}, high: 12, n: 2} {_id: {parent: "p", store: "b"}, high: 9, n: 1}
    by parent      {_id: "p", groups: [{own: {store: "a"}, high: 12, n: 2}, {own: {store: "b"}, high: 9, n: 1}]}
    with parent    {_id: "p", groups: [as before], _product_id: {base_price: 10}}
    one by one     {_id: "p", store: "a", high: 12, is_suspect: true} {_id: "p", store: "b", is_suspect: false}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.checks.base import Context, Rule, skipped
from conformance.checks.bounds import Bounds
from conformance.checks.joins.keys import IN_ONE_ENGINE, Row, in_parts, is_wrapped, matching, wrapped
from conformance.checks.key_range import Range
from conformance.results import Outcome


@dataclass(frozen=True, eq=False)
class GroupedBounds:
    """The check of bounds that the pass over their reference cannot answer."""

    bounds: Bounds

    def __call__(self, context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
        """See Check."""
        return {rule.id: self._outcome(context) for rule in rules}

    def _outcome(self, context: Context) -> Outcome:
        surveyed = context.findings.get(self)
        if surveyed is not None:
            return self._or_skipped(context, self.bounds.evaluate(context, surveyed.examined[""], surveyed.suspects))
        reference = self.bounds.reference
        name = reference.collection
        pipeline = self._suspects(context.range(reference.target, reference.target_field))
        found = list(context.collection(name).aggregate(pipeline, allowDiskUse=True))
        if any(is_wrapped(row["_id"]) for row in found):
            found = list(context.collection(name).aggregate([IN_ONE_ENGINE, *pipeline], allowDiskUse=True))
        suspects = [row["_id"]["key"] for row in found if row["is_suspect"]]
        examined = sum(row["examined"] for row in found)
        examined += self._count_current(context, [row["_id"]["key"] for row in found if row["has_older"]])
        return self._or_skipped(context, self.bounds.evaluate(context, examined, suspects))

    def _or_skipped(self, context: Context, outcome: Outcome) -> Outcome:
        if outcome.examined:
            return outcome
        name = self.bounds.reference.collection
        return skipped(self.bounds.lacking if context.counts[name] else f"{name} is empty")

    def _count_current(self, context: Context, parents: list[Any]) -> int:
        """Count the documents that can be compared below parents that have older documents, too."""
        stages: list[Row] = [{"$match": {"$expr": self.bounds.computable}}, {"$count": "number"}]
        collection = context.collection(self.bounds.reference.collection)
        pipelines = ([*self.bounds.current(some), *stages] for some in in_parts(parents))
        return sum(row["number"] for pipeline in pipelines for row in collection.aggregate(pipeline))

    def _suspects(self, keys: Range) -> list[Row]:
        """Return the keys of parents with a value out of bounds or older documents; one row for all others.

        Each row says how many documents could be compared, but for parents with older documents: these are counted
        one by one.
        """
        bounds, since, reference = self.bounds, self.bounds.since, self.bounds.reference
        own = bounds.own_operands()
        kept = {name: f"${name}" for name in ("low", "high", "n")}
        suspect = {"$or": [*bounds.tests("$low", "$high"), wrapped("$_id")]}
        older = since.is_older("$earliest") if since else {"$literal": False}
        earliest = {"$min": since.time} if since else {"$first": {"$literal": None}}
        return [
            *matching(keys.of(reference.field)),
            {
                "$group": {
                    "_id": {"parent": f"${reference.field}", **{name: f"${name}" for name in own}},
                    "low": {"$min": bounds.usable},
                    "high": {"$max": bounds.usable},
                    "n": {"$sum": bounds.counted},
                    "earliest": earliest,
                }
            },
            {
                "$group": {
                    "_id": "$_id.parent",
                    "groups": {"$push": {"own": "$_id", **kept}},
                    "earliest": {"$min": "$earliest"},
                }
            },
            {"$unionWith": {"coll": reference.target, "pipeline": self._parents(keys)}},
            {
                "$group": {
                    "_id": "$_id",
                    "groups": {"$max": "$groups"},
                    "earliest": {"$min": "$earliest"},
                    bounds.parent: {"$max": "$parent"},
                }
            },
            {"$unwind": "$groups"},
            {"$addFields": {**{n: f"$groups.{n}" for n in kept}, **{n: f"$groups.own.{n}" for n in own}}},
            {"$addFields": {"is_suspect": suspect, "has_older": older}},
            self._others_in_one_row(),
            {"$sort": {"_id": 1}},
        ]

    def _others_in_one_row(self) -> Row:
        """Return the stage that unites all groups that are neither suspect nor have older documents."""
        compared = {"$and": [{"$not": ["$has_older"]}, self.bounds.computable]}
        return {
            "$group": {
                "_id": {"$cond": [{"$or": ["$is_suspect", "$has_older"]}, {"key": "$_id"}, None]},
                **{name: {"$max": f"${name}"} for name in ("is_suspect", "has_older")},
                "examined": {"$sum": {"$cond": [compared, "$n", 0]}},
            }
        }

    def _parents(self, keys: Range) -> list[Row]:
        key, fields = self.bounds.reference.target_field, self.bounds.parent_fields()
        return [
            *matching(keys.of(key)),
            {"$match": {key: {"$ne": None}}},  # a missing reference is to no document
            {"$project": {"_id": f"${key}", "parent": {name: f"${name}" for name in fields}}},
        ]

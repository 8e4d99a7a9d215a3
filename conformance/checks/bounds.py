"""Bounds: a field lies between formulas over its own document and one that it refers to.

The lowest and the highest value per parent (and per key that the formulas look up) decide whether anything can be
out of bounds; only the children of parents where that is so are looked at one by one. A bound that looks at the parent
alone is answered in the pass of its reference (see joins).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.checks.base import Context, Rule, skipped
from conformance.checks.joins.join import Column, Part
from conformance.checks.joins.keys import IN_ONE_ENGINE, Row, among, in_parts, is_wrapped, matching, ordered, wrapped
from conformance.checks.joins.sums import readable
from conformance.checks.key_range import Range
from conformance.checks.since import Since
from conformance.config.configuration import Bound, Configuration
from conformance.errors import ConfigurationError
from conformance.language.expressions import absent, cents, is_time_stamp
from conformance.language.formula import Formula
from conformance.language.parents import parent_name
from conformance.model.collection import Field, Model, Reference
from conformance.results import Outcome, Sample
from conformance.text.rendering import shorten

Expression = Any


@dataclass(frozen=True, eq=False)
class Bounds:
    """The check of one entry under ``bounds`` in config/rules.yaml."""

    model: Model
    field: Field
    reference: Reference
    at_least: Formula | None
    at_most: Formula | None
    since: Since | None

    @classmethod
    def parse(cls, model: Model, configuration: Configuration, bound: Bound) -> Bounds:
        """Parse a bound; raise ConfigurationError for an unknown name or formulas with several references."""
        name, path = model.split(bound.field)
        where = f"{model.config('rules.yaml')}: bound of {bound.field}"
        if name not in model.collections or not model[name].has(path):
            raise ConfigurationError(f"{where}: the model has no such field; write collection.field")
        formulas = [
            None if text is None else Formula(text, model, model[name], configuration, where)
            for text in (bound.at_least, bound.at_most)
        ]
        references = {reference for f in formulas if f for reference, _ in f.parents.values()}
        if len(references) != 1:
            raise ConfigurationError(f"{where}: its formulas must use exactly one reference field")
        reference = references.pop()
        since = None if bound.since is None else Since.parse(model, reference, bound.since, where)
        at_least, at_most = formulas
        return cls(model, model[name].field(path), reference, at_least, at_most, since)

    def __call__(self, context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
        """See Check."""
        return {rule.id: self._outcome(context) for rule in rules}

    def _outcome(self, context: Context) -> Outcome:
        name = self.reference.collection
        keys = context.range(self.reference.target, self.reference.target_field)
        pipeline = self._suspects(keys)
        found = list(context.collection(name).aggregate(pipeline, allowDiskUse=True))
        if any(is_wrapped(row["_id"]) for row in found):
            found = list(context.collection(name).aggregate([IN_ONE_ENGINE, *pipeline], allowDiskUse=True))
        suspects = [row["_id"]["key"] for row in found if row["is_suspect"]]
        examined = sum(row["examined"] for row in found)
        examined += self._count_current(context, [row["_id"]["key"] for row in found if row["has_older"]])
        outcome = self._evaluate(context, examined, suspects)
        return outcome if outcome.examined else skipped(self._lacking if context.counts[name] else f"{name} is empty")

    @property
    def _lacking(self) -> str:
        why = f"no document of {self.reference.collection} has {self.field.path} and all operands of its bounds"
        return why + (f", and was created after its document of {self.reference.target} changed" if self.since else "")

    def _evaluate(self, context: Context, examined: int, suspects: list[Any]) -> Outcome:
        """Look at the children of the suspects one by one."""
        collection = context.collection(self.reference.collection)
        violations, samples = 0, list[Sample]()
        for some in in_parts(suspects):
            for row in collection.aggregate(self._broken(some), allowDiskUse=True):
                violations += 1
                if len(samples) < context.sample_size:
                    samples.append(Sample(self._why(row), row["_id"]))
        return Outcome(max(examined, violations), violations, tuple(samples))

    def _count_current(self, context: Context, parents: list[Any]) -> int:
        """Count the documents that can be compared below parents that have older documents, too."""
        stages: list[Row] = [{"$match": {"$expr": self._computable}}, {"$count": "number"}]
        collection = context.collection(self.reference.collection)
        counted = (row for some in in_parts(parents) for row in collection.aggregate([*self._current(some), *stages]))
        return sum(row["number"] for row in counted)

    def part(self, position: int) -> Part | None:
        """Return what to add to the pass over the reference; None for formulas that need more than parents."""
        if self._own_operands() or self.since:
            return None
        parent, number = self._parent, f"_number{position}"
        low, high = f"_least{position}", f"_most{position}"
        sides = {low: "$min"} if self.at_least else {}
        sides |= {high: "$max"} if self.at_most else {}
        fields = {path.partition(".")[2] for _, formula in self._formulas for path in formula.parents}

        def outcome(context: Context, examined: int, rows: list[Row]) -> Outcome:
            return self._evaluate(context, examined, [row["_id"] for row in rows])

        return Part(
            f"_beyond{position}",
            {"$and": [{"$gt": ["$_parents", 0]}, {"$or": self._tests(f"${low}", f"${high}")}]},
            outcome,
            examined={"$cond": [{"$and": [{"$gt": ["$_parents", 0]}, self._computable]}, f"${number}", 0]},
            lacking=self._lacking,
            columns={name: Column(side, children=self._usable) for name, side in sides.items()}
            | {
                parent: Column("$max", parents={name: f"${name}" for name in fields}),
                number: Column("$sum", children=self._counted),
            },
        )

    @property
    def _parent(self) -> str:
        """The name of the referenced document in pipelines."""
        return parent_name(self.model[self.reference.collection], self.reference)

    @property
    def _usable(self) -> Expression:
        return {"$cond": [self._typed(f"${self.field.path}"), f"${self.field.path}", None]}

    @property
    def _counted(self) -> Expression:
        return {"$cond": [self._typed(f"${self.field.path}"), 1, 0]}

    @property
    def _computable(self) -> Expression:
        """Return whether one of the bounds can be computed."""
        return {"$or": [{"$and": formula.guards()} for _, formula in self._formulas]}

    @property
    def _unlisted(self) -> list[Expression]:
        """Return whether a lookup table lacks the key: per formula that looks something up."""
        return [one for _, formula in self._formulas for one in formula.unlisted()]

    def _tests(self, low: str, high: str) -> list[Expression]:
        """Per formula: the lowest or the highest value is out of its bound, or its bound is in no table."""
        sides = {"$lt": self._comparable(low), "$gt": self._comparable(high)}
        value = next(iter(sides[operator] for operator, _ in self._formulas))
        return [{"$and": [{"$gt": [value, None]}, one]} for one in self._unlisted] + [
            {
                "$and": [
                    {"$gt": [sides[operator], None]},
                    *formula.guards(),
                    {operator: [sides[operator], formula.mongo()]},
                ]
            }
            for operator, formula in self._formulas
        ]

    @property
    def _formulas(self) -> list[tuple[str, Formula]]:
        pairs = (("$lt", self.at_least), ("$gt", self.at_most))
        return [(operator, formula) for operator, formula in pairs if formula is not None]

    def _own_operands(self) -> list[str]:
        names = {path for _, formula in self._formulas for path in formula.operands}
        return sorted(names | {one.key for _, formula in self._formulas for one in formula.lookups.values()})

    def _suspects(self, keys: Range) -> list[dict[str, Any]]:
        """Return the keys of parents with a value out of bounds or older documents; one row for all others.

        Each row says how many documents could be compared, but for parents with older documents: these are counted
        one by one.
        """
        own = self._own_operands()
        kept = {name: f"${name}" for name in ("low", "high", "n")}
        parent = self._parent
        suspect = {"$or": [*self._tests("$low", "$high"), wrapped("$_id")]}
        older = self.since.is_older("$earliest") if self.since else {"$literal": False}
        earliest = {"$min": self.since.time} if self.since else {"$first": {"$literal": None}}
        return [
            *matching(keys.of(self.reference.field)),
            {
                "$group": {
                    "_id": {"parent": f"${self.reference.field}", **{name: f"${name}" for name in own}},
                    "low": {"$min": self._usable},
                    "high": {"$max": self._usable},
                    "n": {"$sum": self._counted},
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
            {"$unionWith": {"coll": self.reference.target, "pipeline": self._parents(keys)}},
            {
                "$group": {
                    "_id": "$_id",
                    "groups": {"$max": "$groups"},
                    "earliest": {"$min": "$earliest"},
                    parent: {"$max": "$parent"},
                }
            },
            {"$unwind": "$groups"},
            {"$addFields": {**{n: f"$groups.{n}" for n in kept}, **{n: f"$groups.own.{n}" for n in own}}},
            {"$addFields": {"is_suspect": suspect, "has_older": older}},
            {
                "$group": {
                    "_id": {"$cond": [{"$or": ["$is_suspect", "$has_older"]}, {"key": "$_id"}, None]},
                    **{name: {"$max": f"${name}"} for name in ("is_suspect", "has_older")},
                    "examined": {"$sum": {"$cond": [{"$and": [{"$not": ["$has_older"]}, self._computable]}, "$n", 0]}},
                }
            },
            {"$sort": {"_id": 1}},
        ]

    def _parents(self, keys: Range) -> list[dict[str, Any]]:
        fields = {path.partition(".")[2] for _, formula in self._formulas for path in formula.parents}
        fields |= {self.since.changed} if self.since else set()
        return [
            *matching(keys.of(self.reference.target_field)),
            {"$match": {self.reference.target_field: {"$ne": None}}},  # a missing reference is to no document
            {"$project": {"_id": f"${self.reference.target_field}", "parent": {name: f"${name}" for name in fields}}},
        ]

    def _broken(self, parents: list[Any]) -> list[dict[str, Any]]:
        """Return the documents below these parents that are out of bounds, with the bounds."""
        value = self._comparable(f"${self.field.path}")
        tests = [
            {"$and": [*formula.guards(), {operator: [value, formula.mongo()]}, *formula.validity()]}
            for operator, formula in self._formulas
        ]
        shown = {
            operator[1:]: {"$cond": [{"$and": formula.guards()}, formula.mongo(), None]}
            for operator, formula in self._formulas
        }
        keys = {one.key: f"${one.key}" for _, formula in self._formulas for one in formula.lookups.values()}
        valid = [is_time_stamp(value)] if self.field.kind == "timestamp" else []
        return [
            *self._current(parents),
            {"$match": {"$expr": {"$and": [{"$or": tests + self._unlisted}, *valid]}}},
            *ordered(self.reference.field),
            {"$project": {"value": f"${self.field.path}", **shown, **keys}},
        ]

    def _current(self, parents: list[Any]) -> list[dict[str, Any]]:
        """Return the documents below these parents that are compared, each with its parent."""
        return [
            {"$match": among(self.reference.field, parents)},
            {"$match": {"$expr": self._typed(f"${self.field.path}")}},
            *self._with_parent(),
            *([{"$match": {"$expr": {"$not": [self.since.is_older(self.since.time)]}}}] if self.since else []),
        ]

    def _with_parent(self) -> list[dict[str, Any]]:
        """Return stages that add the referenced document, if there is a reference, under the formulas' name of it."""
        key, name = f"${self.reference.field}", self._parent
        found = {"from": self.reference.target, "foreignField": self.reference.target_field, "as": name}
        referred = {"$cond": [{"$not": [absent(key)]}, {"$first": f"${name}"}, None]}
        return [{"$lookup": {**found, "localField": self.reference.field}}, {"$addFields": {name: referred}}]

    def _comparable(self, path: str) -> Expression:
        """Return the value as formulas have it: money in whole cents."""
        if self.field.kind != "money":
            return path
        return {"$cond": [{"$isNumber": path}, cents(path), None]}

    def _typed(self, path: str) -> Expression:
        return {"$isNumber": path} if self.field.kind != "timestamp" else {"$eq": [{"$type": path}, "string"]}

    def _why(self, row: Mapping[str, Any]) -> str:
        unlisted = next((why for _, formula in self._formulas if (why := formula.why_unlisted(row))), None)
        if unlisted is not None:
            return f"{self.field.path} is {shorten(row['value'])}, but its bounds cannot be computed: {unlisted}"
        words = {"lt": "at least", "gt": "at most"}
        numeric, money = self.field.kind != "timestamp", self.field.kind == "money"
        limits = [
            f"{words[key]} {readable(row[key], money=money) if numeric else row[key]}"
            for key in words
            if row.get(key) is not None
        ]
        return f"{self.field.path} is {shorten(row['value'])}; expected {' and '.join(limits)}"

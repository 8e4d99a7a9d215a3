"""Bounds: a field lies between formulas over its own document and one that it refers to.

The lowest and the highest value per parent (and per key that the formulas look up) decide whether anything can be
out of bounds; only the children of parents where that is so are looked at one by one. A bound that looks at the parent
alone is answered in the pass of its reference (see joins).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.configuration import Bound, Configuration
from conformance.errors import ConfigurationError
from conformance.formula import Formula, cents, is_time_stamp
from conformance.model import Field, Model, Reference
from conformance.oracle import shorten
from conformance.partition import Range
from conformance.results import Outcome, Sample
from conformance.rules.base import Context, Rule, skipped
from conformance.rules.joins import Part, readable
from conformance.rules.keys import Row, among, in_parts, matching

Expression = Any


@dataclass(frozen=True, eq=False)
class Bounds:
    """The check of one entry under ``bounds`` in config/rules.yaml."""

    model: Model
    field: Field
    reference: Reference
    at_least: Formula | None
    at_most: Formula | None

    @classmethod
    def parse(cls, model: Model, configuration: Configuration, bound: Bound) -> Bounds:
        """Raises ConfigurationError when a name is unknown or the formulas do not go through one reference."""
        name, _, path = bound.field.partition(".")
        where = f"{model.config('rules.yaml')}: bound of {bound.field}"
        if name not in model.collections or not model[name].has(path):
            raise ConfigurationError(f"{where}: there is no such field; write collection.field")
        formulas = [
            None if text is None else Formula(text, model, model[name], configuration, where)
            for text in (bound.at_least, bound.at_most)
        ]
        references = {reference for f in formulas if f for reference, _ in f.parents.values()}
        if len(references) != 1:
            raise ConfigurationError(f"{where}: its formulas must go through exactly one reference field")
        return cls(model, model[name].field(path), references.pop(), *formulas)

    def __call__(self, context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
        """See Check."""
        return {rule.id: self._outcome(context) for rule in rules}

    def _outcome(self, context: Context) -> Outcome:
        name = self.reference.collection
        keys = context.range(self.reference.target, self.reference.target_field)
        examined = context.number(name, keys.of(self.reference.field))
        if not examined:
            return skipped(f"{name} is empty")
        collection = context.collection(name)
        suspects = [row["_id"] for row in collection.aggregate(self._suspects(keys), allowDiskUse=True)]
        return self._judge(context, examined, suspects)

    def _judge(self, context: Context, examined: int, suspects: list[Any]) -> Outcome:
        """Look at the children of the suspects one by one."""
        collection = context.collection(self.reference.collection)
        violations, samples = 0, list[Sample]()
        for some in in_parts(suspects):
            for row in collection.aggregate(self._broken(some), allowDiskUse=True):
                violations += 1
                if len(samples) < context.sample_size:
                    samples.append(Sample(self._why(row), row["_id"]))
        return Outcome(examined, violations, tuple(samples))

    def part(self, position: int) -> Part | None:
        """What to add to the pass over the reference; None for formulas that need more than parents."""
        if self._own_operands():
            return None
        parent, low, high = f"_{self.reference.field}", f"_least{position}", f"_most{position}"
        sides = {low: "$min"} if self.at_least else {}
        sides |= {high: "$max"} if self.at_most else {}
        fields = {path.partition(".")[2] for _, formula in self._formulas for path in formula.parents}

        def outcome(context: Context, examined: int, rows: list[Row]) -> Outcome:
            return self._judge(context, examined, [row["_id"] for row in rows])

        return Part(
            f"_beyond{position}",
            {"$and": [{"$gt": ["$_parents", 0]}, {"$or": self._tests(f"${low}", f"${high}")}]},
            outcome,
            group={name: {side: self._usable} for name, side in sides.items()},
            parent={parent: {name: f"${name}" for name in fields}},
            merged={name: {side: f"${name}"} for name, side in sides.items()} | {parent: {"$max": f"${parent}"}},
        )

    @property
    def _usable(self) -> Expression:
        return {"$cond": [self._typed(f"${self.field.path}"), f"${self.field.path}", None]}

    def _tests(self, low: str, high: str) -> list[Expression]:
        """Per formula: the lowest or the highest value is out of its bound."""
        sides = {"$lt": self._comparable(low), "$gt": self._comparable(high)}
        return [
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
        return sorted(names | {key for _, formula in self._formulas for key, _ in formula.lookups.values()})

    def _suspects(self, keys: Range) -> list[dict[str, Any]]:
        """The keys, in order, of groups whose lowest or highest value is out of bounds."""
        own = self._own_operands()
        parent = f"_{self.reference.field}"
        return [
            *matching(keys.of(self.reference.field)),
            {
                "$group": {
                    "_id": {"parent": f"${self.reference.field}", **{name: f"${name}" for name in own}},
                    "low": {"$min": self._usable},
                    "high": {"$max": self._usable},
                }
            },
            {"$group": {"_id": "$_id.parent", "groups": {"$push": {"own": "$_id", "low": "$low", "high": "$high"}}}},
            {"$unionWith": {"coll": self.reference.target, "pipeline": self._parents(keys)}},
            {"$group": {"_id": "$_id", "groups": {"$max": "$groups"}, parent: {"$max": "$parent"}}},
            {"$unwind": "$groups"},
            {"$addFields": {"low": "$groups.low", "high": "$groups.high", **{n: f"$groups.own.{n}" for n in own}}},
            {"$match": {"$expr": {"$or": self._tests("$low", "$high")}}},
            {"$group": {"_id": "$_id"}},
            {"$sort": {"_id": 1}},
        ]

    def _parents(self, keys: Range) -> list[dict[str, Any]]:
        fields = {path.partition(".")[2] for _, formula in self._formulas for path in formula.parents}
        return [
            *matching(keys.of(self.reference.target_field)),
            {"$project": {"_id": f"${self.reference.target_field}", "parent": {name: f"${name}" for name in fields}}},
        ]

    def _broken(self, parents: list[Any]) -> list[dict[str, Any]]:
        """The documents below these parents that are out of bounds, with the bounds."""
        value = self._comparable(f"${self.field.path}")
        tests = [
            {"$and": [*formula.guards(), {operator: [value, formula.mongo()]}, *formula.validity()]}
            for operator, formula in self._formulas
        ]
        shown = {
            operator[1:]: {"$cond": [{"$and": formula.guards()}, formula.mongo(), None]}
            for operator, formula in self._formulas
        }
        valid = [is_time_stamp(value)] if self.field.kind == "timestamp" else []
        return [
            {"$match": among(self.reference.field, parents)},
            {"$match": {"$expr": self._typed(f"${self.field.path}")}},
            *self._with_parent(),
            {"$match": {"$expr": {"$and": [{"$or": tests}, *valid]}}},
            {"$sort": {self.reference.field: 1, "_id": 1}},
            {"$project": {"value": f"${self.field.path}", **shown}},
        ]

    def _with_parent(self) -> list[dict[str, Any]]:
        """The document referred to, under the formulas' name of it; a missing reference is to none without a key."""
        key, name = f"${self.reference.field}", f"_{self.reference.field}"
        found = {"from": self.reference.target, "foreignField": self.reference.target_field, "as": name}
        referred = {"$cond": [{"$gt": [key, None]}, {"$first": f"${name}"}, None]}
        return [{"$lookup": {**found, "localField": self.reference.field}}, {"$addFields": {name: referred}}]

    def _comparable(self, path: str) -> Expression:
        """The value as formulas have it: money in whole cents."""
        if self.field.kind != "money":
            return path
        return {"$cond": [{"$isNumber": path}, cents(path), None]}

    def _typed(self, path: str) -> Expression:
        return {"$isNumber": path} if self.field.kind != "timestamp" else {"$eq": [{"$type": path}, "string"]}

    def _why(self, row: Mapping[str, Any]) -> str:
        words = {"lt": "at least", "gt": "at most"}
        numeric, money = self.field.kind != "timestamp", self.field.kind == "money"
        limits = [
            f"{words[key]} {readable(row[key], money=money) if numeric else row[key]}"
            for key in words
            if row.get(key) is not None
        ]
        return f"{self.field.path} is {shorten(row['value'])}, should be {' and '.join(limits)}"

"""Bounds: a field lies between formulas over its own document and one that it refers to.

The lowest and the highest value per parent decide whether anything can be out of bounds; only the children of parents
where that is so are looked at one by one. The extremes come from one of two queries:

- If the formulas use the parent alone, from the pass over its reference, as a `Part` (``part`` here; joins/join.py).
- If they use fields of the child as well, or ``since``, from a query of its own (grouped_bounds.py).

For example, a price is at least half of the product's list price. Of the product p, listed at 10, the prices 4, 9 and
12 give the row ``{least: 4, list price: 10}``. As 4 < 5, the children of p are read one by one, and 4 is reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conformance.checks.base import Context
from conformance.checks.joins.join import Column, Part
from conformance.checks.joins.keys import Row, among, in_parts, ordered
from conformance.checks.joins.sums import readable
from conformance.checks.since import Since
from conformance.config.configuration import Bound, Configuration
from conformance.errors import ConfigurationError
from conformance.language.formulas.expressions import absent, cents, is_time_stamp
from conformance.language.formulas.formula import Formula
from conformance.language.formulas.parents import parent_name
from conformance.language.formulas.time_forms import require_one_form
from conformance.model.collection import Field, Model, Reference
from conformance.results import Outcome, Sample
from conformance.text.rendering import shorten

Expression = Any


@dataclass(frozen=True)
class Side:
    """One bound: a value is wrong if ``operator`` is true of it and the formula.

    ``accumulator`` finds the value of several that is wrong first, ``words`` explain the bound.
    """

    formula: Formula
    operator: str
    accumulator: str
    words: str

    @property
    def name(self) -> str:
        """The name of the bound's value in an answer: ``lt`` or ``gt``."""
        return self.operator[1:]


@dataclass(frozen=True, eq=False)
class Bounds:
    """One entry under ``bounds`` in config/rules.yaml; ``sides`` are its lower bound, its upper bound, or both."""

    model: Model
    field: Field
    reference: Reference
    sides: Sequence[Side]
    since: Since | None

    @classmethod
    def parse(cls, model: Model, configuration: Configuration, bound: Bound) -> Bounds:
        """Parse a bound; raise ConfigurationError for an unknown name or formulas with several references."""
        name, path = model.split(bound.field)
        where = f"{model.config('rules.yaml')}: bound of {bound.field}"
        if name not in model.collections or not model[name].has(path):
            raise ConfigurationError(f"{where}: the model has no such field; write collection.field")
        kinds = ((bound.at_least, "$lt", "$min", "at least"), (bound.at_most, "$gt", "$max", "at most"))
        sides = [
            Side(Formula(text, model, model[name], configuration, where), operator, accumulator, words)
            for text, operator, accumulator, words in kinds
            if text is not None
        ]
        references = {reference for side in sides for reference, _ in side.formula.parents.values()}
        if len(references) != 1:
            raise ConfigurationError(f"{where}: its formulas must use exactly one reference field")
        reference = references.pop()
        field = model[name].field(path)
        require_one_form([field, *(time for side in sides for time in side.formula.times())], where)
        since = None if bound.since is None else Since.parse(model, reference, bound.since, where)
        return cls(model, field, reference, sides, since)

    @property
    def lacking(self) -> str:
        """Return why nothing could be compared."""
        why = f"no document of {self.reference.collection} has {self.field.path} and all operands of its bounds"
        return why + (f", and was created after its document of {self.reference.target} changed" if self.since else "")

    def evaluate(self, context: Context, examined: int, suspects: list[Any]) -> Outcome:
        """Look at the children of the suspects one by one."""
        collection = context.collection(self.reference.collection)
        violations, samples = 0, list[Sample]()
        for some in in_parts(suspects):
            for row in collection.aggregate(self._broken(some), allowDiskUse=True):
                violations += 1
                if len(samples) < context.sample_size:
                    samples.append(Sample(self._why(row), row["_id"]))
        return Outcome(max(examined, violations), violations, tuple(samples))

    @property
    def uses_parents_only(self) -> bool:
        """True if the extremes of each parent's children decide, so that the pass over the reference can."""
        return not self.own_operands() and not self.since

    def part(self, position: int) -> Part:
        """Return what to add to the pass over the reference, if the bounds use parents only."""
        number, columns = f"_number{position}", {"$min": f"_least{position}", "$max": f"_most{position}"}
        extremes = {columns[side.accumulator]: Column(side.accumulator, children=self.usable) for side in self.sides}

        def outcome(context: Context, examined: int, rows: list[Row]) -> Outcome:
            return self.evaluate(context, examined, [row["_id"] for row in rows])

        return Part(
            f"_beyond{position}",
            {"$and": [{"$gt": ["$_parents", 0]}, {"$or": self.tests(f"${columns['$min']}", f"${columns['$max']}")}]},
            outcome,
            examined={"$cond": [{"$and": [{"$gt": ["$_parents", 0]}, self.computable]}, f"${number}", 0]},
            lacking=self.lacking,
            columns=extremes
            | {
                self.parent: Column("$max", parents={name: f"${name}" for name in self.parent_fields()}),
                number: Column("$sum", children=self.counted),
            },
            each=self.each,
        )

    @property
    def each(self) -> tuple[Expression, Expression]:
        """Return whether a child with its parent is compared, and whether it is out of its bounds or may be."""
        current = [{"$not": [self.since.is_older(self.since.time)]}] if self.since else []
        compared = {"$and": [self._typed(f"${self.field.path}"), self.computable, *current]}
        return compared, {"$or": self.tests(self.usable, self.usable)}

    @property
    def parent(self) -> str:
        """The name of the referenced document in pipelines."""
        return parent_name(self.model[self.reference.collection], self.reference)

    @property
    def usable(self) -> Expression:
        """The value, if it has the type of the field."""
        return {"$cond": [self._typed(f"${self.field.path}"), f"${self.field.path}", None]}

    @property
    def counted(self) -> Expression:
        """The addend for the number of values that can be compared."""
        return {"$cond": [self._typed(f"${self.field.path}"), 1, 0]}

    @property
    def computable(self) -> Expression:
        """Return whether one of the bounds can be computed."""
        return {"$or": [{"$and": side.formula.guards()} for side in self.sides]}

    @property
    def _unlisted(self) -> list[Expression]:
        """Return whether a lookup table lacks the key: per formula that looks something up."""
        return [one for side in self.sides for one in side.formula.unlisted()]

    def tests(self, low: Expression, high: Expression) -> list[Expression]:
        """Per side: the lowest or the highest value is out of its bound, or its bound is in no table."""
        extremes = {"$min": self._comparable(low), "$max": self._comparable(high)}
        values = [extremes[side.accumulator] for side in self.sides]
        return [{"$and": [{"$gt": [values[0], None]}, one]} for one in self._unlisted] + [
            {"$and": [{"$gt": [value, None]}, *side.formula.guards(), {side.operator: [value, side.formula.mongo()]}]}
            for side, value in zip(self.sides, values, strict=True)
        ]

    def own_operands(self) -> list[str]:
        """Return the child's own fields that the formulas use."""
        names = {path for side in self.sides for path in side.formula.operands}
        return sorted(names | {one.key for side in self.sides for one in side.formula.lookups.values()})

    def parent_fields(self) -> list[str]:
        """Return the parent's fields that the formulas and ``since`` use."""
        fields = {path.partition(".")[2] for side in self.sides for path in side.formula.parents}
        return sorted(fields | ({self.since.changed} if self.since else set()))

    def _broken(self, parents: list[Any]) -> list[dict[str, Any]]:
        """Return the documents below these parents that are out of bounds, with the bounds."""
        value = self._comparable(f"${self.field.path}")
        tests = [
            {"$and": [*side.formula.guards(), {side.operator: [value, side.formula.mongo()]}, *side.formula.validity()]}
            for side in self.sides
        ]
        shown = {
            side.name: {"$cond": [{"$and": side.formula.guards()}, side.formula.mongo(), None]} for side in self.sides
        }
        keys = {one.key: f"${one.key}" for side in self.sides for one in side.formula.lookups.values()}
        valid = [is_time_stamp(value, self.field.schema)] if self.field.kind == "timestamp" else []
        return [
            *self.current(parents),
            {"$match": {"$expr": {"$and": [{"$or": tests + self._unlisted}, *valid]}}},
            *ordered(self.reference.field),
            {"$project": {"value": f"${self.field.path}", **shown, **keys}},
        ]

    def current(self, parents: list[Any]) -> list[dict[str, Any]]:
        """Return the documents below these parents that are compared, each with its parent."""
        return [
            {"$match": among(self.reference.field, parents)},
            {"$match": {"$expr": self._typed(f"${self.field.path}")}},
            *self._with_parent(),
            *([{"$match": {"$expr": {"$not": [self.since.is_older(self.since.time)]}}}] if self.since else []),
        ]

    def _with_parent(self) -> list[dict[str, Any]]:
        """Return stages that add the referenced document, if there is a reference, under the formulas' name of it."""
        key, name = f"${self.reference.field}", self.parent
        found = {"from": self.reference.target, "foreignField": self.reference.target_field, "as": name}
        referred = {"$cond": [{"$not": [absent(key)]}, {"$first": f"${name}"}, None]}
        return [{"$lookup": {**found, "localField": self.reference.field}}, {"$addFields": {name: referred}}]

    def _comparable(self, path: Expression) -> Expression:
        """Return the value as formulas have it: money in whole cents."""
        if self.field.kind != "money":
            return path
        return {"$cond": [{"$isNumber": path}, cents(path), None]}

    def _typed(self, path: str) -> Expression:
        return {"$isNumber": path} if self.field.kind != "timestamp" else {"$eq": [{"$type": path}, "string"]}

    def _why(self, row: Mapping[str, Any]) -> str:
        unlisted = next((why for side in self.sides if (why := side.formula.why_unlisted(row))), None)
        if unlisted is not None:
            return f"{self.field.path} is {shorten(row['value'])}, but its bounds cannot be computed: {unlisted}"
        numeric, money = self.field.kind != "timestamp", self.field.kind == "money"
        limits = [
            f"{side.words} {readable(row[side.name], money=money) if numeric else row[side.name]}"
            for side in self.sides
            if row.get(side.name) is not None
        ]
        return f"{self.field.path} is {shorten(row['value'])}; expected {' and '.join(limits)}"

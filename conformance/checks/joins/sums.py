"""Totals in the pass over children and parents: a parent's fields are what the equations make of its children.

A soft-deleted child may have been taken out of its parent's totals, or kept in them for the books. Either view is
consistent, but one parent has one view: all of its totals are over all children, or all are over the live ones. The
view that most of the parent's totals agree with is taken, over all children where two are alike; every total that
disagrees with it is a violation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from bson import Decimal128

from conformance.checks.base import Context
from conformance.checks.joins.join import Part, of_all
from conformance.checks.joins.keys import Row, identity, those
from conformance.config.configuration import Configuration, Equation
from conformance.errors import ConfigurationError
from conformance.language.expressions import Expression, cents
from conformance.language.formula import Formula
from conformance.model.collection import Field, Model, Reference
from conformance.results import Outcome, Sample
from conformance.text.rendering import shorten

#: Sums of whole cents and counts are exact; sums of other numbers may differ in the last bits.
_TOLERANCE: Final = 1e-6


@dataclass(frozen=True, eq=False)
class Sum:
    """One total of a parent: its field and the formula over its children; ``position`` makes its names unique."""

    position: int
    field: Field
    reference: Reference
    formula: Formula | None
    flag: str | None

    @classmethod
    def parse(cls, model: Model, position: int, equation: Equation, formula: Formula) -> Sum:
        """Return the sum that an equation over children declares."""
        total = formula.totals[0]
        field = model[formula.collection.name].field(model.split(equation.field)[1])
        return cls(position, field, total.reference, total.formula, model[total.reference.collection].soft_delete)

    @property
    def live(self) -> str:
        """The name of the difference to the sum over live children."""
        return f"_live{self.position}"

    @property
    def over_all(self) -> str:
        """The name of the difference to the sum over all children."""
        return of_all(self.live)

    @property
    def unlisted(self) -> str:
        """The name of the number of children whose key a lookup table does not list."""
        return f"_unlisted{self.position}"

    def group(self) -> dict[str, Expression]:
        """Return the sums over the children; NaN if an operand cannot be read, so that the sum is not compared."""
        amount: Expression = 1
        unlisted: Expression = 0
        if self.formula is not None:
            computable = [*self.formula.guards(), *({"$not": [one]} for one in self.formula.unlisted())]
            amount = {"$cond": [{"$and": computable}, self.formula.mongo(), math.nan]}
            unlisted = {"$cond": [{"$or": self.formula.unlisted()}, 1, 0]} if self.has_tables else 0
        alive = {"$cond": [{"$ne": [f"${self.flag}", True]}, amount, 0]} if self.flag else amount
        sums = {self.over_all: {"$sum": amount}, self.live: {"$sum": alive}}
        return sums | ({self.unlisted: {"$sum": unlisted}} if unlisted else {})

    def parent(self) -> dict[str, Expression]:
        """Return the parent's own value, with a minus: what is left of the sum is how far the value is off."""
        path = f"${self.field.path}"
        value = cents(path) if self.money else path
        stored = {"$cond": [{"$isNumber": path}, {"$multiply": [-1, value]}, math.nan]}
        return {self.over_all: stored, self.live: stored}

    @property
    def money(self) -> bool:
        """Return whether the sum is in cents."""
        return self.field.kind == "money"

    @property
    def has_tables(self) -> bool:
        """Return whether the formula looks values up."""
        return self.formula is not None and bool(self.formula.lookups)


def wrong_total(sums: Sequence[Sum], own: Sum) -> Part:
    """Parents whose field ``own`` disagrees with the view that is taken for all ``sums`` of the parent.

    Parents with a child whose operands are no numbers are not examined; the documents family names that child.
    """
    all_off = {"$add": [_one_if(_off(f"${one.over_all}")) for one in sums]}
    live_off = {"$add": [_one_if(_off(f"${one.live}")) for one in sums]}
    disagrees = {"$cond": [{"$lte": [all_off, live_off]}, _off(f"${own.over_all}"), _off(f"${own.live}")]}
    broken: list[Expression] = [
        {"$and": [{"$gt": [all_off, 0]}, {"$gt": [live_off, 0]}, disagrees]},
        *([{"$gt": [f"${own.unlisted}", 0]}] if own.has_tables else []),
    ]
    number = {"$ne": [f"${own.over_all}", math.nan]}
    group = {name: part for one in sums for name, part in one.group().items()}

    def outcome(context: Context, examined: int, rows: list[Row]) -> Outcome:
        name, key = own.reference.target, own.reference.target_field
        by_key = {identity(row["_id"]): row for row in rows[: context.sample_size]}
        keys = [row["_id"] for row in rows[: context.sample_size]]
        found = those(context, name, key, keys, {}, own.field.path)
        samples = (Sample(_explain(sums, own, one, by_key[identity(one[key])]), one["_id"]) for one in found)
        return Outcome(examined, len(rows), context.samples(samples))

    return Part(
        f"_wrong{own.position}",
        {"$and": [{"$eq": ["$_parents", 1]}, {"$or": broken}]},
        outcome,
        examined={"$cond": [{"$and": [{"$eq": ["$_parents", 1]}, number]}, 1, 0]},
        lacking=f"no document of {own.reference.target} has a {own.field.path} that can be compared",
        group=group,
        parent={name: part for one in sums for name, part in one.parent().items()},
        merged={name: {"$sum": f"${name}"} for name in group},
        is_total=True,
    )


def _off(difference: str) -> Expression:
    return {"$gt": [{"$abs": difference}, _TOLERANCE]}


def _one_if(test: Expression) -> Expression:
    return {"$cond": [test, 1, 0]}


def _explain(sums: Sequence[Sum], own: Sum, one: Row, row: Row) -> str:
    """Name the field, what it is, what was expected, and the view that was taken."""
    name, path, children = own.reference.target, own.field.path, own.reference.collection
    if row.get(own.unlisted):
        return (
            f"{path} of {name} cannot be checked: {row[own.unlisted]} of its {children} have a key that the lookup"
            " table"
            " does not list"
        )
    over_all = {other.position: _number(row[other.over_all]) for other in sums}
    live = {other.position: _number(row.get(other.live, row[other.over_all])) for other in sums}
    whole = sum(map(_is_off, over_all.values())) <= sum(map(_is_off, live.values()))
    taken, left = (over_all, live) if whole else (live, over_all)
    difference = taken[own.position]
    stored = _number(one[path])
    expected = stored + (difference / 100 if own.money else difference)
    if not math.isfinite(expected):
        return f"{path} is {shorten(one[path])}; expected the total of its {children}, which is a finite number"
    off = readable(abs(difference), money=own.money) + (" too low" if difference > 0 else " too high")
    which = f"its {children}"
    if taken != left:
        which = f"all its {children}, including soft-deleted ones" if whole else f"its live {children}"
    agreeing = [o.field.path for o in sums if not _is_off(taken[o.position]) and _is_off(left[o.position])]
    if agreeing:
        off += f"; {', '.join(agreeing)} {'matches' if len(agreeing) == 1 else 'match'} the same items"
    total = "total" if own.formula else "number"
    return f"{path} is {shorten(one[path])}; expected {readable(expected, money=False)}, the {total} of {which} ({off})"


def _is_off(difference: float) -> bool:
    return abs(difference) > _TOLERANCE


def _number(value: Any) -> float:
    return float(value.to_decimal()) if isinstance(value, Decimal128) else float(value)


def readable(value: Any, *, money: bool) -> str:
    """Return a number of a pipeline (an int, a double or a Decimal128; money in cents) as text."""
    number = value.to_decimal() if isinstance(value, Decimal128) else value
    return f"{number / (100 if money else 1):.10g}"


def parse_equation(model: Model, configuration: Configuration, equation: Equation) -> Formula:
    """Return the parsed formula of an equation of config/rules.yaml."""
    name, _ = model.split(equation.field)
    where = f"{model.config('rules.yaml')}: equation of {equation.field}"
    formula = Formula(str(equation.equals), model, model[name], configuration, where)
    if formula.totals and formula.mongo() != f"${formula.totals[0].name}":
        raise ConfigurationError(
            f"{where}: a formula over children must be exactly one total(...) or count(...);"
            " write the rest in another equation"
        )
    return formula

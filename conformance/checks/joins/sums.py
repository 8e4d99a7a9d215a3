"""Totals in the pass over children and parents: a parent's fields are what the equations make of its children.

A soft-deleted child may have been taken out of its parent's totals, or kept in them for the books. Either view is
consistent, but one parent has one view: all of its totals are over all children, or all are over the live ones. The
view that most of the parent's totals agree with is taken, over all children where two are alike; every total that
disagrees with it is a violation.

The pass adds up, for each total and view, the children's amounts and minus the parent's stored value. What remains is
the difference. For an order of two lines, one of them deleted, that stores an item_count of 1 and a subtotal of $3.00:

    column                  the lines add        the order adds    united
    _all0  (item_count)     1 + 1                -1                1: one too low in the view over all lines
    _live0 (item_count)     1                    -1                0: right in the view over live lines
    _all1  (subtotal)       200 + 100 cents      -300 cents        0: right over all lines
    _live1 (subtotal)       200 cents            -300 cents        -100: one dollar too high over live lines

One total is off in each view. The view over all lines is taken, so item_count is the violation. If an operand is not a
number, the difference is NaN; it compares as neither off nor zero, and the total is not examined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bson import Decimal128

from conformance.checks.base import Context
from conformance.checks.joins.join import Column, Deletions, Part
from conformance.checks.joins.keys import Row, identity, those
from conformance.config.configuration import Configuration, Equation
from conformance.errors import ConfigurationError
from conformance.language.formulas.expressions import Expression, cents
from conformance.language.formulas.formula import Formula
from conformance.model.collection import Field, Model, Reference
from conformance.results import Outcome, Sample
from conformance.text.rendering import shorten

#: Sums of whole cents and counts are exact; sums of other numbers may differ in the last bits.
TOLERANCE: Final = 1e-6
#: Added to a sum, it makes the sum NaN.
_NOT_COMPARABLE: Final = math.nan


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
    def over_all(self) -> str:
        """The column of the difference to the sum over all children."""
        return f"_all{self.position}"

    def over_live(self, deletions: Deletions) -> str:
        """Return the column of the difference to the sum over live children."""
        return f"_live{self.position}" if deletions.children else self.over_all

    @property
    def unlisted(self) -> str:
        """The column of the number of children whose key a lookup table does not list."""
        return f"_unlisted{self.position}"

    def columns(self, deletions: Deletions) -> dict[str, Column]:
        """Return the differences in both views, and the number of children without an entry in a lookup table."""
        amount = self._amount()
        if_live = {"$cond": [{"$ne": [f"${self.flag}", True]}, amount, 0]}
        columns = {self.over_all: Column("$sum", amount, self._minus_stored())}
        if deletions.children:
            columns[self.over_live(deletions)] = Column("$sum", if_live, self._minus_stored())
        if self.formula is not None and self.has_tables:
            columns[self.unlisted] = Column("$sum", {"$cond": [{"$or": self.formula.unlisted()}, 1, 0]})
        return columns

    def _amount(self) -> Expression:
        """Return what one child adds to the sum: 1 for a count."""
        if self.formula is None:
            return 1
        computable = [*self.formula.guards(), *({"$not": [one]} for one in self.formula.unlisted())]
        return {"$cond": [{"$and": computable}, self.formula.mongo(), _NOT_COMPARABLE]}

    def _minus_stored(self) -> Expression:
        """Return what the parent adds to the sum: its own value, with a minus."""
        path = f"${self.field.path}"
        value = cents(path) if self.money else path
        return {"$cond": [{"$isNumber": path}, {"$multiply": [-1, value]}, _NOT_COMPARABLE]}

    @property
    def money(self) -> bool:
        """Return whether the sum is in cents."""
        return self.field.kind == "money"

    @property
    def has_tables(self) -> bool:
        """Return whether the formula looks values up."""
        return self.formula is not None and bool(self.formula.lookups)


def wrong_total(sums: Sequence[Sum], own: Sum) -> Callable[[Deletions], Part]:
    """Parents whose field ``own`` disagrees with the view that is taken for all ``sums`` of the parent.

    Parents with a child whose operands are no numbers are not examined; the documents family names that child.
    """
    return lambda deletions: _Totals(sums, own, deletions).part()


@dataclass(frozen=True, eq=False)
class _Totals:
    """All totals of a parent, and the one that a rule is about."""

    sums: Sequence[Sum]
    own: Sum
    deletions: Deletions

    def part(self) -> Part:
        own, one_parent = self.own, {"$eq": ["$_parents", 1]}
        return Part(
            f"_wrong{own.position}",
            {"$and": [one_parent, {"$or": self._broken()}]},
            self._outcome,
            examined={"$cond": [{"$and": [one_parent, {"$ne": [f"${own.over_all}", _NOT_COMPARABLE]}]}, 1, 0]},
            lacking=f"no document of {own.reference.target} has a {own.field.path} that can be compared",
            columns={name: column for one in self.sums for name, column in one.columns(self.deletions).items()},
            is_total=True,
            views=() if any(one.has_tables for one in self.sums) else self._views(),
        )

    def _views(self) -> list[tuple[str, str]]:
        """Return the columns of each total in both views, the rule's own first."""
        sums = [self.own, *(one for one in self.sums if one is not self.own)]
        return [(one.over_all, one.over_live(self.deletions)) for one in sums]

    def _broken(self) -> list[Expression]:
        """Return the conditions of a wrong total: it disagrees with the view taken, and no view suits all totals."""
        own, live = self.own, [one.over_live(self.deletions) for one in self.sums]
        off_over_all = {"$add": [_one_if(_off(one.over_all)) for one in self.sums]}
        off_over_live = {"$add": [_one_if(_off(column)) for column in live]}
        whole = {"$lte": [off_over_all, off_over_live]}
        disagrees = {"$cond": [whole, _off(own.over_all), _off(own.over_live(self.deletions))]}
        wrong = {"$and": [{"$gt": [off_over_all, 0]}, {"$gt": [off_over_live, 0]}, disagrees]}
        return [wrong, *([{"$gt": [f"${own.unlisted}", 0]}] if own.has_tables else [])]

    def _outcome(self, context: Context, examined: int, rows: list[Row]) -> Outcome:
        name, key = self.own.reference.target, self.own.reference.target_field
        by_key = {identity(row["_id"]): row for row in rows[: context.sample_size]}
        keys = [row["_id"] for row in rows[: context.sample_size]]
        found = those(context, name, key, keys, {}, self.own.field.path)
        samples = (Sample(self._why(one, by_key[identity(one[key])]), one["_id"]) for one in found)
        return Outcome(examined, len(rows), context.samples(samples))

    def _why(self, parent: Row, row: Row) -> str:
        """Name the field, what it is, what was expected, and the view that was taken."""
        own, path, children = self.own, self.own.field.path, self.own.reference.collection
        if row.get(own.unlisted):
            return (
                f"{path} of {own.reference.target} cannot be checked: {row[own.unlisted]} of its {children} have a key"
                " that the lookup table does not list"
            )
        over_all = {one.position: _number(row[one.over_all]) for one in self.sums}
        live = {one.position: _number(row[one.over_live(self.deletions)]) for one in self.sums}
        whole = sum(map(_is_off, over_all.values())) <= sum(map(_is_off, live.values()))
        taken, left = (over_all, live) if whole else (live, over_all)
        difference = taken[own.position]
        expected = _number(parent[path]) + (difference / 100 if own.money else difference)
        if not math.isfinite(expected):
            total = f"the total of its {children}, which is a finite number"
            return f"{path} is {shorten(parent[path])}; expected {total}"
        off = readable(abs(difference), money=own.money) + (" too low" if difference > 0 else " too high")
        which = f"its {children}"
        if taken != left:
            which = f"all its {children}, including soft-deleted ones" if whole else f"its live {children}"
        agreeing = [o.field.path for o in self.sums if not _is_off(taken[o.position]) and _is_off(left[o.position])]
        if agreeing:
            off += f"; {', '.join(agreeing)} {'matches' if len(agreeing) == 1 else 'match'} the same items"
        total = f"the {'total' if own.formula else 'number'} of {which}"
        return f"{path} is {shorten(parent[path])}; expected {readable(expected, money=False)}, {total} ({off})"


def _off(column: str) -> Expression:
    return {"$gt": [{"$abs": f"${column}"}, TOLERANCE]}


def _is_off(difference: float) -> bool:
    return abs(difference) > TOLERANCE


def _one_if(test: Expression) -> Expression:
    return {"$cond": [test, 1, 0]}


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

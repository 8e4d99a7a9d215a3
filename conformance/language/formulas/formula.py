"""Formulas of config/rules.yaml: one small language, read twice.

The generator evaluates a formula on NumPy columns to make a value; the rules compile it to a MongoDB expression to
check the value. Both use IEEE doubles and the same order of operations, so they agree to the bit. Money is in whole
cents on both sides.

    field                        of the collection; an optional one makes the formula apply where it is present; a name
                                 that is not a plain word stands in back quotes: `Unit Price`
    reference_field.field        of the document that the reference field refers to
    table[field]                 a table of config/generation.yaml
    START_DATE, END_DATE         settings, as YYYY-MM-DD
    LATEST_DATE                  END_DATE, or tomorrow where that is later: nothing is dated after it
    + - *  /(by a number)        and comparisons, chained as in a <= b <= c, joined by `and` / `or`
    half_up(x) floor(x) ceil(x)  rounding; half up is floor(x + 0.5)
    round_half_even(x, places)   to so many decimal places (none: whole), as Python's round() and MongoDB's $round do;
                                 a rule accepts a tie that was rounded either way, and what is within 1e-7 of one
    or_zero(field)  present(field)
    total(children, formula)  count(children)      over the documents that refer to this one
    slice(text, start, stop)  without(text, 'x')  lower(text)  join(text, text, ...)
    days_before(START_DATE, 30)  a day as many days earlier
"""

# parser.py parses the text and nodes.py holds the nodes; here is what a formula needs of documents.

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from conformance.config.configuration import Configuration
from conformance.errors import ConfigurationError
from conformance.language.formulas.expressions import Expression, absent, is_time_stamp, typed
from conformance.language.formulas.lookups import Lookup
from conformance.language.formulas.nodes import (
    Column,
    Node,
    NotArithmeticError,
    OrZero,
    OwnField,
    ParentField,
    TableValue,
    TotalOf,
)
from conformance.language.formulas.parser import parse
from conformance.language.formulas.ties import AS_DOUBLES, DOWN, UP
from conformance.language.formulas.time_forms import require_one_form
from conformance.model.collection import Collection, Field, Model, Reference
from conformance.text.rendering import shorten


@dataclass(frozen=True)
class Total:
    """``total(children, formula)``, or ``count(children)`` when ``formula`` is None; ``name`` stands for it."""

    name: str
    reference: Reference
    formula: Formula | None


@dataclass(eq=False)
class Formula:
    """A parsed formula over one collection. ``where`` names its place in the configuration, for errors.

    ``operands`` are the own fields that it needs, ``optional`` those that it takes as 0 where they are absent;
    ``parents`` are fields of referenced documents, ``lookups`` values of tables, each by its text in the formula.
    """

    text: str
    model: Model
    collection: Collection
    configuration: Configuration
    where: str
    node: Node | None = None
    operands: dict[str, Field] = field(default_factory=dict, init=False)
    optional: dict[str, Field] = field(default_factory=dict, init=False)
    parents: dict[str, tuple[Reference, Field]] = field(default_factory=dict, init=False)
    totals: list[Total] = field(default_factory=list, init=False)
    lookups: dict[str, Lookup] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._tree = self.node or parse(self.text, self.model, self.collection, self.configuration, self.where)
        self._of_parents: list[ParentField] = []
        for node in self._tree.walk():
            self._note(node)
        if "slice(" not in self.text:  # parts of times compare
            require_one_form(self.times(), self.where)

    def times(self) -> list[Field]:
        """Return the fields that may be times, of the own and of referenced documents."""
        return [*self.operands.values(), *(one.field for one in self._of_parents)]

    def _note(self, node: Node) -> None:
        """Note what a node needs of documents."""
        if isinstance(node, OwnField):
            self.operands[node.path] = node.field
        elif isinstance(node, OrZero):
            self.optional[node.path] = node.field
        elif isinstance(node, TableValue):
            self.operands[node.key.path] = node.key
            self.lookups[node.text] = node.lookup
        elif isinstance(node, ParentField) and node.path not in self.parents:
            self.parents[node.path] = (node.reference, node.field)
            self._of_parents.append(node)
        elif isinstance(node, TotalOf) and all(total.name != node.name for total in self.totals):
            self.totals.append(Total(node.name, node.reference, self._over_children(node)))

    def _over_children(self, total: TotalOf) -> Formula | None:
        if total.formula is None:
            return None
        children = self.model[total.reference.collection]
        return Formula(total.text, self.model, children, self.configuration, self.where, total.formula)

    # -- MongoDB ---------------------------------------------------------------------------------------------------

    def mongo(self) -> Expression:
        """Return the aggregation expression. Parents stand at their `parent_name`, totals at ``$_total<n>``."""
        return self._tree.mongo(AS_DOUBLES)

    def readings(self) -> list[Expression]:
        """Return the formula, and for one that rounds what it is where a tie is seen that doubles hide (ties.py)."""
        plain = self.mongo()
        others = (self._tree.mongo(tie) for tie in (UP, DOWN))
        return [plain, *(reading for reading in others if reading != plain)]

    def guards(self) -> list[Expression]:
        """Expressions that are all true where the formula can be evaluated: operands present and of their type."""
        tests: list[Expression] = [typed(f"${path}", field.kind) for path, field in self.operands.items()]
        tests += [{"$or": [{"$isNumber": f"${path}"}, absent(f"${path}")]} for path in sorted(self.optional)]
        tests += [typed(one.place, one.field.kind) for one in self._of_parents]
        return tests

    def unlisted(self) -> list[Expression]:
        """Expressions of which one is true where a lookup table has no entry for its key: a finding, never a pass."""
        return [lookup.unlisted() for lookup in self.lookups.values()]

    def why_unlisted(self, document: Mapping[str, Any]) -> str | None:
        """Name the key that a lookup table does not list; None when all are listed."""
        return next((why for one in self.lookups.values() if (why := one.why_unlisted(document))), None)

    def validity(self) -> list[Expression]:
        """Costlier tests for the few documents that seem to break the formula: time stamps must be real ones.

        A malformed time stamp is a finding of its own; comparing it would only say so twice.
        """
        fields = [(f"${path}", field) for path, field in self.operands.items()]
        fields += [(one.place, one.field) for one in self._of_parents]
        return [is_time_stamp(path, field.schema) for path, field in fields if field.kind == "timestamp"]

    # -- NumPy -----------------------------------------------------------------------------------------------------

    def evaluate(self, columns: Mapping[str, Column]) -> Column:
        """Return the formula on columns of equal length: numbers as float64, money in whole cents.

        ``columns`` has every operand by field name, parents as ``reference_field.field``, totals by their name. The
        result is present where every operand is (or_zero apart). ConfigurationError for text functions: equations
        that make values are arithmetic.
        """
        present: np.ndarray[Any, Any] | None = None
        for name in (*self.operands, *self.parents):
            mask = columns[name][1]
            if mask is not None:
                present = mask if present is None else present & mask
        try:
            with np.errstate(invalid="ignore"):
                return np.asarray(self._tree.value(columns), dtype=np.float64), present
        except NotArithmeticError as error:
            raise ConfigurationError(
                f"{self.where}: {shorten(self.text, 200)}: {str(error)!r} cannot make a value, which needs arithmetic;"
                " the grammar is in docs/RULES.md"
            ) from None

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

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from conformance.config.configuration import Configuration
from conformance.errors import ConfigurationError
from conformance.language.expressions import FUNCTIONS, Expression, absent, is_time_stamp, read, typed
from conformance.language.lookups import Lookup
from conformance.language.operators import ARITHMETIC, COMPARISON, ROUNDING
from conformance.language.parents import parent_name
from conformance.language.quoted_names import parse_formula
from conformance.language.ties import readings
from conformance.model.collection import Collection, Field, Model, Reference
from conformance.model.kinds import MAX_INTEGER
from conformance.text.rendering import shorten

#: Values of a column and where they are present (None: everywhere).
Column = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]


@dataclass(frozen=True)
class Total:
    """``total(children, formula)``, or ``count(children)`` when ``formula`` is None; ``name`` stands for it."""

    name: str
    reference: Reference
    formula: Formula | None


@dataclass(eq=False)
class Formula:
    """A parsed formula over one collection. ``where`` names its place in the configuration, for errors."""

    text: str
    model: Model
    collection: Collection
    configuration: Configuration
    where: str
    operands: dict[str, Field] = field(default_factory=dict)
    optional: dict[str, Field] = field(default_factory=dict)
    parents: dict[str, tuple[Reference, Field]] = field(default_factory=dict)
    totals: list[Total] = field(default_factory=list)
    lookups: dict[str, Lookup] = field(default_factory=dict)
    tree: ast.expr | None = None

    def __post_init__(self) -> None:
        try:
            self._tree = self.tree or parse_formula(self.text)
            self.mongo()  # compiling finds every name, and refuses what the language does not have
        except SyntaxError as error:
            raise self._wrong(f"not a formula: {error.msg}") from None
        except ValueError as error:  # a NUL, or a number of thousands of digits
            raise self._wrong(f"not a formula: {error}") from None
        except (RecursionError, MemoryError):
            raise self._wrong("it is nested too deeply") from None

    def _wrong(self, what: str) -> ConfigurationError:
        return ConfigurationError(f"{self.where}: {what} in {shorten(self.text, 200)}; the grammar is in docs/RULES.md")

    # -- MongoDB ---------------------------------------------------------------------------------------------------

    def mongo(self) -> Expression:
        """Return the aggregation expression. Parents stand at their `parent_name`, totals at ``$_total<n>``."""
        return self._compile(self._tree)

    def readings(self) -> list[Expression]:
        """Return the formula, and for one that rounds what it is where a tie is seen that doubles hide (ties.py)."""
        return readings(self.mongo())

    def guards(self) -> list[Expression]:
        """Expressions that are all true where the formula can be evaluated: operands present and of their type."""
        tests: list[Expression] = [typed(f"${path}", field.kind) for path, field in self.operands.items()]
        tests += [{"$or": [{"$isNumber": f"${path}"}, absent(f"${path}")]} for path in sorted(self.optional)]
        tests += [typed(self._parent(path), field.kind) for path, (_, field) in self.parents.items()]
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
        paths = [f"${path}" for path, field in self.operands.items() if field.kind == "timestamp"]
        paths += [self._parent(path) for path, (_, field) in self.parents.items() if field.kind == "timestamp"]
        return [is_time_stamp(path) for path in paths]

    def _compile(self, node: ast.expr) -> Expression:
        compiler = _MONGO.get(type(node))
        if compiler is None:
            raise self._wrong(f"{ast.unparse(node)!r} is not allowed")
        return compiler(self, node)

    def _name(self, node: ast.Name) -> Expression:
        if node.id in self.configuration.constants:
            return {"$literal": self.configuration.constants[node.id]}
        return read(f"${node.id}", self._operand(node).kind)

    def _operand(self, node: ast.expr) -> Field:
        name = ast.unparse(node)
        if not self.collection.has(name):
            raise self._wrong(f"{self.collection.name} has no field {name!r}")
        self.operands[name] = self.collection.field(name)
        return self.operands[name]

    def _attribute(self, node: ast.Attribute) -> Expression:
        path = ast.unparse(node)
        first, _, rest = path.partition(".")
        if self.collection.has(path):
            return read(f"${path}", self._operand(node).kind)
        try:
            reference = self.collection.reference(first)
            parent_field = self.model[reference.target].field(rest)
        except KeyError:
            raise self._wrong(f"{path!r} is neither a field nor a field of a referenced document") from None
        self.parents[path] = (reference, parent_field)
        return read(self._parent(path), parent_field.kind)

    def _parent(self, path: str) -> str:
        """Return where the pipelines have a value of a referenced document."""
        reference, found = self.parents[path]
        return f"${parent_name(self.collection, reference)}.{found.path}"

    def _constant(self, node: ast.Constant) -> Expression:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float | str):
            raise self._wrong(f"{shorten(node.value)} is not a number or a string")
        if not isinstance(node.value, str) and not abs(node.value) <= MAX_INTEGER:
            raise self._wrong(f"{ast.unparse(node)} is too large for exact arithmetic")
        return {"$literal": node.value}

    def _binary(self, node: ast.BinOp) -> Expression:
        operator = ARITHMETIC.get(type(node.op))
        if operator is None:
            raise self._wrong(f"the operator of {ast.unparse(node)!r} is not allowed")
        if isinstance(node.op, ast.Div) and not (isinstance(node.right, ast.Constant) and node.right.value):
            raise self._wrong("division is by a number other than 0 only")
        return {operator[0]: [self._compile(node.left), self._compile(node.right)]}

    def _compare(self, node: ast.Compare) -> Expression:
        sides = [self._compile(side) for side in (node.left, *node.comparators)]
        tests = []
        for operator, left, right in zip(node.ops, sides[:-1], sides[1:], strict=True):
            if type(operator) not in COMPARISON:
                raise self._wrong(f"the comparison of {ast.unparse(node)!r} is not allowed")
            tests.append({COMPARISON[type(operator)]: [left, right]})
        return tests[0] if len(tests) == 1 else {"$and": tests}

    def _boolean(self, node: ast.BoolOp) -> Expression:
        return {"$and" if isinstance(node.op, ast.And) else "$or": [self._compile(value) for value in node.values]}

    def _subscript(self, node: ast.Subscript) -> Expression:
        key = self._operand(node.slice)
        lookup = Lookup(ast.unparse(node.value), key.path, key.kind, self._table(node))
        missing = lookup.missing_row(self.collection, self.configuration)
        if missing is not None:
            raise self._wrong(missing)
        self.lookups[ast.unparse(node)] = lookup
        return lookup.mongo()

    def _table(self, node: ast.Subscript) -> Mapping[Any, float]:
        name = ast.unparse(node.value)
        if name not in self.configuration.generation.parameters:
            raise self._wrong(f"there is no parameter {name!r} in config/generation.yaml")
        return self.configuration.table(name)

    def _call(self, node: ast.Call) -> Expression:
        name = ast.unparse(node.func)
        if name in ("total", "count"):
            return f"${self._total(node, name).name}"
        if name in ("or_zero", "present") and len(node.args) == 1:
            path = ast.unparse(node.args[0])
            if not self.collection.has(path):
                raise self._wrong(f"{self.collection.name} has no field {path!r}")
            if name == "present":
                return {"$ne": [{"$type": f"${path}"}, "missing"]}
            self.optional[path] = self.collection.field(path)
            return {"$ifNull": [read(f"${path}", self.optional[path].kind), 0]}
        compiler = FUNCTIONS.get(name)
        if compiler is None or node.keywords:
            raise self._wrong(f"there is no function {name}()")
        try:
            return compiler(*[self._compile(argument) for argument in node.args])
        except (TypeError, KeyError):
            raise self._wrong(f"{name}() has the wrong number or kind of arguments") from None

    def _total(self, node: ast.Call, name: str) -> Total:
        children = ast.unparse(node.args[0]) if node.args else ""
        references = [
            reference
            for reference in (self.model[children].references if children in self.model.collections else ())
            if reference.target == self.collection.name and not reference.many
        ]
        if len(references) != 1 or len(node.args) != (2 if name == "total" else 1):
            raise self._wrong(f"{ast.unparse(node)!r}: name a collection with one reference to {self.collection.name}")
        formula = None
        if name == "total":
            formula = Formula(
                ast.unparse(node.args[1]),
                self.model,
                self.model[children],
                self.configuration,
                self.where,
                tree=node.args[1],
            )
            if formula.totals or formula.parents:
                raise self._wrong("a total needs a formula over the children's own fields")
        for known in self.totals:
            same_text = (known.formula.text if known.formula else None) == (formula.text if formula else None)
            if known.reference == references[0] and same_text:
                return known
        self.totals.append(Total(f"_total{len(self.totals)}", references[0], formula))
        return self.totals[-1]

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
        with np.errstate(invalid="ignore"):
            return np.asarray(self._value(self._tree, columns), dtype=np.float64), present

    def _value(self, node: ast.expr, columns: Mapping[str, Column]) -> Any:
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.BinOp):
            return ARITHMETIC[type(node.op)][1](self._value(node.left, columns), self._value(node.right, columns))
        if isinstance(node, ast.Name | ast.Attribute):
            return columns[ast.unparse(node)][0]
        if isinstance(node, ast.Subscript):
            keys = columns[ast.unparse(node.slice)][0]
            return np.array(self.configuration.look_up(ast.unparse(node.value), keys), dtype=np.float64)
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in ("total", "count"):
                return columns[self._total(node, name).name][0]
            if name == "or_zero":
                values, mask = columns[ast.unparse(node.args[0])]
                return values if mask is None else np.where(mask, values, 0.0)
            if name in ROUNDING:
                return ROUNDING[name](*[self._value(argument, columns) for argument in node.args])
        raise self._wrong(f"{ast.unparse(node)!r} cannot make a value: equations are arithmetic")


_MONGO: Final[Mapping[type[ast.expr], Callable[[Formula, Any], Expression]]] = {
    ast.Name: Formula._name,
    ast.Attribute: Formula._attribute,
    ast.Constant: Formula._constant,
    ast.BinOp: Formula._binary,
    ast.Compare: Formula._compare,
    ast.BoolOp: Formula._boolean,
    ast.Subscript: Formula._subscript,
    ast.Call: Formula._call,
}

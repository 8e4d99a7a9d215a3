"""Parsing a formula: from Python's tree to nodes, with every name found and everything else refused."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from conformance.config.configuration import Configuration
from conformance.errors import ConfigurationError
from conformance.language.formulas.expressions import FUNCTIONS
from conformance.language.formulas.lookups import Lookup
from conformance.language.formulas.nodes import (
    Arithmetic,
    Comparison,
    Constant,
    Function,
    Logic,
    Node,
    OrZero,
    OwnField,
    ParentField,
    Present,
    Rounding,
    Setting,
    TableValue,
    TotalOf,
)
from conformance.language.formulas.operators import ARITHMETIC, COMPARISON, ROUNDING
from conformance.language.formulas.quoted_names import parse_formula
from conformance.language.formulas.ties import AS_DOUBLES
from conformance.model.collection import Collection, Field, Model
from conformance.model.kinds import MAX_INTEGER
from conformance.text.rendering import shorten
from conformance.text.suggestion import nearest


def parse(text: str, model: Model, collection: Collection, configuration: Configuration, where: str) -> Node:
    """Return the nodes of a formula over a collection; raise ConfigurationError, which begins with ``where``."""
    parser = _Parser(text, model, collection, configuration, where)
    try:
        return parser.node(parse_formula(text))
    except SyntaxError as error:
        raise parser.wrong(f"not a formula: {error.msg}") from None
    except ValueError as error:  # a NUL, or a number of thousands of digits
        raise parser.wrong(f"not a formula: {error}") from None
    except (RecursionError, MemoryError):
        raise parser.wrong("it is nested too deeply") from None


#: Functions of fields that may be absent, and of the children of a document.
_OF_FIELDS: Final = ("or_zero", "present")
_TOTALS: Final = ("total", "count")


def _near(name: str, known: Iterable[str]) -> str:
    found = nearest(name, known)
    return f" (did you mean {found}?)" if found else ""


class _Parser:
    """Parses one formula; that over the children of a total is parsed by a parser of its own."""

    def __init__(
        self, text: str, model: Model, collection: Collection, configuration: Configuration, where: str
    ) -> None:
        self._text = text
        self._model = model
        self._collection = collection
        self._configuration = configuration
        self._where = where
        self._totals: list[TotalOf] = []

    def wrong(self, what: str, remedy: str = "the grammar is in docs/RULES.md") -> ConfigurationError:
        """Return the error that names the place, the formula, the problem and what to do."""
        return ConfigurationError(f"{self._where}: {shorten(self._text, 200)}: {what}; {remedy}")

    def node(self, tree: ast.expr) -> Node:
        """Return the node of an expression of Python."""
        parser = _PARSERS.get(type(tree))
        if parser is None:
            raise self.wrong(f"{ast.unparse(tree)!r} is not allowed")
        return parser(self, tree)

    def _name(self, tree: ast.Name) -> Node:
        if tree.id in self._configuration.constants:
            return Setting(tree.id, self._configuration.constants[tree.id])
        return OwnField(tree.id, self._own(tree.id))

    def _own(self, path: str) -> Field:
        if not self._collection.has(path):
            near = _near(path, (field.path for field in self._collection.walk()))
            raise self.wrong(f"{self._collection.name} has no field {path!r}{near}")
        return self._collection.field(path)

    def _attribute(self, tree: ast.Attribute) -> Node:
        path = ast.unparse(tree)
        if self._collection.has(path):
            return OwnField(path, self._own(path))
        first, _, rest = path.partition(".")
        try:
            reference = self._collection.reference(first)
            field = self._model[reference.target].field(rest)
        except KeyError:
            raise self.wrong(f"{path!r} is neither a field nor a field of a referenced document") from None
        return ParentField(path, self._collection, reference, field)

    def _constant(self, tree: ast.Constant) -> Node:
        if isinstance(tree.value, bool) or not isinstance(tree.value, int | float | str):
            raise self.wrong(f"{shorten(tree.value)} is not a number or a string")
        if not isinstance(tree.value, str) and not abs(tree.value) <= MAX_INTEGER:
            raise self.wrong(f"{ast.unparse(tree)} is too large for exact arithmetic")
        return Constant(tree.value)

    def _binary(self, tree: ast.BinOp) -> Node:
        if type(tree.op) not in ARITHMETIC:
            raise self.wrong(f"the operator of {ast.unparse(tree)!r} is not allowed")
        if isinstance(tree.op, ast.Div) and not (isinstance(tree.right, ast.Constant) and tree.right.value):
            raise self.wrong("division is by a number other than 0 only")
        return Arithmetic(type(tree.op), self.node(tree.left), self.node(tree.right))

    def _compare(self, tree: ast.Compare) -> Node:
        sides = tuple(self.node(side) for side in (tree.left, *tree.comparators))
        operators = tuple(type(operator) for operator in tree.ops)
        if not set(operators) <= COMPARISON.keys():
            raise self.wrong(f"the comparison of {ast.unparse(tree)!r} is not allowed")
        return Comparison(ast.unparse(tree), operators, sides)

    def _boolean(self, tree: ast.BoolOp) -> Node:
        operator = "$and" if isinstance(tree.op, ast.And) else "$or"
        return Logic(ast.unparse(tree), operator, tuple(self.node(value) for value in tree.values))

    def _subscript(self, tree: ast.Subscript) -> Node:
        key, name = self._own(ast.unparse(tree.slice)), ast.unparse(tree.value)
        if name not in self._configuration.generation.parameters:
            near = _near(name, self._configuration.generation.parameters)
            raise self.wrong(f"there is no parameter {name!r} in config/generation.yaml{near}")
        lookup = Lookup(name, key.path, key.kind, self._configuration.table(name))
        missing = lookup.missing_row(self._collection, self._configuration)
        if missing is not None:
            raise self.wrong(*missing)
        return TableValue(ast.unparse(tree), key, lookup, self._configuration)

    def _call(self, tree: ast.Call) -> Node:
        name = ast.unparse(tree.func)
        if name in _TOTALS:
            return self._total(tree, name)
        if name in _OF_FIELDS and len(tree.args) == 1:
            path = ast.unparse(tree.args[0])
            field = self._own(path)
            return OrZero(path, field) if name == "or_zero" else Present(ast.unparse(tree), path)
        functions = (*FUNCTIONS, *ROUNDING)
        if name not in functions:
            raise self.wrong(f"there is no function {name}(){_near(name, (*functions, *_OF_FIELDS, *_TOTALS))}")
        if tree.keywords:
            raise self.wrong(f"the arguments of {name}() have no names")
        arguments = tuple(self.node(argument) for argument in tree.args)
        call = Rounding(name, arguments) if name in ROUNDING else Function(ast.unparse(tree), name, arguments)
        try:
            call.mongo(AS_DOUBLES)
        except (TypeError, KeyError):
            raise self.wrong(f"{name}() has the wrong number or kind of arguments") from None
        return call

    def _total(self, tree: ast.Call, name: str) -> TotalOf:
        """Return the node of a total; equal totals are one, so that they have one name."""
        children = ast.unparse(tree.args[0]) if tree.args else ""
        references = [
            reference
            for reference in (self._model[children].references if children in self._model.collections else ())
            if reference.target == self._collection.name and not reference.many
        ]
        if len(references) != 1 or len(tree.args) != (2 if name == "total" else 1):
            raise self.wrong(f"{ast.unparse(tree)!r}: name a collection with one reference to {self._collection.name}")
        text = ast.unparse(tree.args[1]) if name == "total" else ""
        known = next((one for one in self._totals if (one.reference, one.text) == (references[0], text)), None)
        if known is None:
            formula = self._over_children(tree.args[1], text, self._model[children]) if text else None
            known = TotalOf(f"_total{len(self._totals)}", references[0], text, formula)
            self._totals.append(known)
        return known

    def _over_children(self, tree: ast.expr, text: str, children: Collection) -> Node:
        node = _Parser(text, self._model, children, self._configuration, self._where).node(tree)
        if any(isinstance(one, TotalOf | ParentField) for one in node.walk()):
            raise self.wrong("a total needs a formula over the children's own fields")
        return node


_PARSERS: Final[Mapping[type[ast.expr], Callable[[_Parser, Any], Node]]] = {
    ast.Name: _Parser._name,
    ast.Attribute: _Parser._attribute,
    ast.Constant: _Parser._constant,
    ast.BinOp: _Parser._binary,
    ast.Compare: _Parser._compare,
    ast.BoolOp: _Parser._boolean,
    ast.Subscript: _Parser._subscript,
    ast.Call: _Parser._call,
}

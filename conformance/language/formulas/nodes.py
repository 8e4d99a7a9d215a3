"""The nodes of a parsed formula: each is read twice, as a MongoDB expression and as a calculation on NumPy columns.

For example, ``half_up(price * 0.2)`` of a document whose price is money becomes

    Rounding("half_up", (Arithmetic(ast.Mult, OwnField("price", …), Constant(0.2)),))

``mongo`` of it is ``{"$floor": {"$add": [{"$multiply": [<price in cents>, {"$literal": 0.2}]}, {"$literal": 0.5}]}}``;
``value`` of it is ``np.floor(columns["price"] * 0.2 + 0.5)``.
"""

# ruff: noqa: ARG002 - a node need not use what it is given

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from conformance.config.configuration import Configuration
from conformance.language.formulas.expressions import FUNCTIONS, Expression, read
from conformance.language.formulas.lookups import Lookup
from conformance.language.formulas.operators import ARITHMETIC, COMPARISON, ROUNDING
from conformance.language.formulas.parents import parent_name
from conformance.language.formulas.ties import Tie
from conformance.model.collection import Collection, Field, Reference

#: Values of a column and where they are present (None: everywhere).
Column = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]


class NotArithmeticError(Exception):
    """A node that only the server computes; its text is the message."""


@dataclass(frozen=True, eq=False)
class Node(ABC):
    """A node of a formula."""

    @property
    def parts(self) -> tuple[Node, ...]:
        """The nodes directly below, from left to right."""
        return ()

    def walk(self) -> Iterator[Node]:
        """Yield the node, then every node below it, from left to right."""
        yield self
        for part in self.parts:
            yield from part.walk()

    @abstractmethod
    def mongo(self, tie: Tie) -> Expression:
        """Return the aggregation expression; ``tie`` says where rounding takes a tie that doubles hide."""

    @abstractmethod
    def value(self, columns: Mapping[str, Column]) -> Any:
        """Return the value on columns, a number for all rows or one each; NotArithmeticError if it has none there."""


@dataclass(frozen=True, eq=False)
class Constant(Node):
    """A number or a string."""

    written: float | str

    def mongo(self, tie: Tie) -> Expression:
        """See Node."""
        return {"$literal": self.written}

    def value(self, columns: Mapping[str, Column]) -> Any:
        """See Node."""
        return self.written


@dataclass(frozen=True, eq=False)
class OwnField(Node):
    """A field of the document itself."""

    path: str
    field: Field

    def mongo(self, tie: Tie) -> Expression:
        """See Node."""
        return read(f"${self.path}", self.field.kind)

    def value(self, columns: Mapping[str, Column]) -> Any:
        """See Node."""
        return columns[self.path][0]


@dataclass(frozen=True, eq=False)
class ParentField(Node):
    """A field of the document that a reference of ``collection`` leads to; ``path`` as in ``customer_id.city``."""

    path: str
    collection: Collection
    reference: Reference
    field: Field

    @property
    def place(self) -> str:
        """The place of the value in the pipelines."""
        return f"${parent_name(self.collection, self.reference)}.{self.field.path}"

    def mongo(self, tie: Tie) -> Expression:
        """See Node."""
        return read(self.place, self.field.kind)

    def value(self, columns: Mapping[str, Column]) -> Any:
        """See Node."""
        return columns[self.path][0]


@dataclass(frozen=True, eq=False)
class TableValue(Node):
    """``table[field]``: the value of a lookup table for a field of the document."""

    text: str
    key: Field
    lookup: Lookup
    configuration: Configuration

    def mongo(self, tie: Tie) -> Expression:
        """See Node."""
        return self.lookup.mongo()

    def value(self, columns: Mapping[str, Column]) -> Any:
        """See Node."""
        keys = columns[self.lookup.key][0]
        return np.array(self.configuration.look_up(self.lookup.name, keys), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class OrZero(Node):
    """``or_zero(field)``: the field, or 0 where it is absent."""

    path: str
    field: Field

    def mongo(self, tie: Tie) -> Expression:
        """See Node."""
        return {"$ifNull": [read(f"${self.path}", self.field.kind), 0]}

    def value(self, columns: Mapping[str, Column]) -> Any:
        """See Node."""
        values, mask = columns[self.path]
        return values if mask is None else np.where(mask, values, 0.0)


@dataclass(frozen=True, eq=False)
class TotalOf(Node):
    """``total(children, formula)``, or ``count(children)`` when ``formula`` is None; ``name`` stands for it.

    ``text`` is that of the formula.
    """

    name: str
    reference: Reference
    text: str
    formula: Node | None

    def mongo(self, tie: Tie) -> Expression:
        """See Node."""
        return f"${self.name}"

    def value(self, columns: Mapping[str, Column]) -> Any:
        """See Node."""
        return columns[self.name][0]


@dataclass(frozen=True, eq=False)
class Arithmetic(Node):
    """Two numbers and an operator of ARITHMETIC."""

    operator: type[ast.operator]
    left: Node
    right: Node

    @property
    def parts(self) -> tuple[Node, ...]:
        """See Node."""
        return self.left, self.right

    def mongo(self, tie: Tie) -> Expression:
        """See Node."""
        return {ARITHMETIC[self.operator][0]: [self.left.mongo(tie), self.right.mongo(tie)]}

    def value(self, columns: Mapping[str, Column]) -> Any:
        """See Node."""
        return ARITHMETIC[self.operator][1](self.left.value(columns), self.right.value(columns))


class Call(Node):
    """A node whose parts are the arguments of a function or an operator."""

    arguments: tuple[Node, ...]

    @property
    def parts(self) -> tuple[Node, ...]:
        """See Node."""
        return self.arguments


@dataclass(frozen=True, eq=False)
class Rounding(Call):
    """A function of ROUNDING."""

    name: str
    arguments: tuple[Node, ...]

    def mongo(self, tie: Tie) -> Expression:
        """See Node."""
        return ROUNDING[self.name][0](tie, *[argument.mongo(tie) for argument in self.arguments])

    def value(self, columns: Mapping[str, Column]) -> Any:
        """See Node."""
        return ROUNDING[self.name][1](*[argument.value(columns) for argument in self.arguments])


@dataclass(frozen=True, eq=False)
class ServerOnly(Node):
    """A node that equations do not need, so that only rules read it; ``text`` as in the formula."""

    text: str

    def value(self, columns: Mapping[str, Column]) -> Any:
        """See Node."""
        raise NotArithmeticError(self.text)


@dataclass(frozen=True, eq=False)
class Setting(ServerOnly):
    """START_DATE and the like."""

    constant: str

    def mongo(self, tie: Tie) -> Expression:
        """See Node."""
        return {"$literal": self.constant}


@dataclass(frozen=True, eq=False)
class Present(ServerOnly):
    """``present(field)``."""

    path: str

    def mongo(self, tie: Tie) -> Expression:
        """See Node."""
        return {"$ne": [{"$type": f"${self.path}"}, "missing"]}


@dataclass(frozen=True, eq=False)
class Comparison(ServerOnly):
    """Sides compared in a chain, as in ``a <= b <= c``."""

    operators: tuple[type[ast.cmpop], ...]
    sides: tuple[Node, ...]

    @property
    def parts(self) -> tuple[Node, ...]:
        """See Node."""
        return self.sides

    def mongo(self, tie: Tie) -> Expression:
        """See Node."""
        sides = [side.mongo(tie) for side in self.sides]
        pairs = zip(self.operators, sides[:-1], sides[1:], strict=True)
        tests = [{COMPARISON[operator]: [left, right]} for operator, left, right in pairs]
        return tests[0] if len(tests) == 1 else {"$and": tests}


@dataclass(frozen=True, eq=False)
class Logic(ServerOnly, Call):
    """Conditions joined by ``operator``, `$and` or `$or`."""

    operator: str
    arguments: tuple[Node, ...]

    def mongo(self, tie: Tie) -> Expression:
        """See Node."""
        return {self.operator: [argument.mongo(tie) for argument in self.arguments]}


@dataclass(frozen=True, eq=False)
class Function(ServerOnly, Call):
    """A function of FUNCTIONS."""

    name: str
    arguments: tuple[Node, ...]

    def mongo(self, tie: Tie) -> Expression:
        """See Node."""
        return FUNCTIONS[self.name](*[argument.mongo(tie) for argument in self.arguments])

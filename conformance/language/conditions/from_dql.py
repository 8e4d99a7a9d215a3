"""A boolean expression of DQL as a condition: tests of one field each, joined by AND and OR, none of them negated.

DQL knows three truth values: a comparison with a missing field, null or another type is unknown, and so is its NOT. A
statement selects what is true, so that NOT can be pushed down to the tests: NOT a = 1 is a != 1. A test that is more
than a field and a value is Computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, cast

from conformance.language.conditions.condition import (
    Always,
    Comparison,
    Computed,
    Condition,
    Every,
    Operator,
    Parameter,
    Some,
    Value,
)
from conformance.language.dql.syntax import Constant, Expression, Operation, Path, Placeholder

#: The operator with its sides exchanged, and its negation.
_EXCHANGED: Final = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_OPPOSITE: Final[Mapping[str, str]] = {
    "=": "!=",
    "!=": "=",
    "<": ">=",
    "<=": ">",
    ">": "<=",
    ">=": "<",
    "LIKE": "NOT LIKE",
    "ILIKE": "NOT ILIKE",
    "IS NULL": "IS NOT NULL",
    "IS MISSING": "IS NOT MISSING",
}


def condition_of(expression: Expression, field: Callable[[Path], str | None]) -> Condition:
    """Return the condition that an expression is; ``field`` gives a field's dotted path, or None."""
    return _condition(expression, field, negated=False)


def _condition(expression: Expression, field: Callable[[Path], str | None], *, negated: bool) -> Condition:
    if isinstance(expression, Constant) and isinstance(expression.value, bool):
        return Always(expression.value is not negated)
    if isinstance(expression, Path) and (path := field(expression)) is not None:
        return Comparison(path, "=", not negated)
    if isinstance(expression, Operation):
        if expression.operator == "NOT":
            return _condition(expression.operands[0], field, negated=not negated)
        if expression.operator in ("AND", "OR"):
            return _joined(expression, field, negated)
        if (test := _test(expression, field, negated)) is not None:
            return test
    return Computed(Operation("NOT", (expression,)) if negated else expression)


def _joined(expression: Operation, field: Callable[[Path], str | None], negated: bool) -> Condition:
    kind = Every if (expression.operator == "AND") is not negated else Some
    parts: list[Condition] = []
    for operand in expression.operands:
        part = _condition(operand, field, negated=negated)
        parts += part.parts if isinstance(part, kind) else (part,)
    return kind(tuple(parts))


def _test(expression: Operation, field: Callable[[Path], str | None], negated: bool) -> Condition | None:
    """Return a test of one field; None for one that compares more."""
    operator, operands = expression.operator, expression.operands
    if operator == "BETWEEN":
        pair = (Operation(">=", operands[:2]), Operation("<=", (operands[0], operands[2])))
        return _condition(Operation("AND", pair), field, negated=negated)
    if operands and not isinstance(operands[0], Path) and operator in _EXCHANGED:
        operands, operator = operands[::-1], _EXCHANGED[operator]
    if not operands or not isinstance(operands[0], Path):
        return None
    path = field(operands[0])
    if path is None:
        return None
    if operator == "IN":
        return _listed(path, operands[1], negated)
    meant = _OPPOSITE.get(operator) if negated else operator
    if operator not in _OPPOSITE or meant is None:
        return None
    if operator.startswith("IS"):
        return Comparison(path, cast(Operator, meant), ())
    value = _value(operands[1])
    return None if value is None else Comparison(path, cast(Operator, meant), value)


def _listed(path: str, listed: Expression, negated: bool) -> Condition | None:
    """Return the test for IN; a list that holds more than values, or that is negated and not written out, is none."""
    if isinstance(listed, Placeholder):
        return None if negated else Comparison(path, "IN", Parameter(listed.name))
    if not isinstance(listed, Operation) or listed.operator not in ("()", "[]"):
        return None
    values = [_value(one) for one in listed.operands]
    known = tuple(value for value in values if value is not None)
    if len(known) < len(values):
        return None
    if negated:
        return Every(tuple(Comparison(path, "!=", value) for value in known))
    return Comparison(path, "IN", known)


def _value(expression: Expression) -> Value | None:
    """Return the value that a field is compared with; None where it is computed, or is NULL, which equals nothing."""
    if isinstance(expression, Placeholder):
        return Parameter(expression.name)
    return expression.value if isinstance(expression, Constant) else None

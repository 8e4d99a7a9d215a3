"""The operators of formulas: what each is in MongoDB and in NumPy."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from conformance.language.formulas.ties import Expression, Tie

ARITHMETIC: Final[Mapping[type[ast.operator], tuple[str, Callable[[Any, Any], Any]]]] = {
    ast.Add: ("$add", np.add),
    ast.Sub: ("$subtract", np.subtract),
    ast.Mult: ("$multiply", np.multiply),
    ast.Div: ("$divide", np.divide),
}


COMPARISON: Final[Mapping[type[ast.cmpop], str]] = {
    ast.Eq: "$eq",
    ast.NotEq: "$ne",
    ast.Lt: "$lt",
    ast.LtE: "$lte",
    ast.Gt: "$gt",
    ast.GtE: "$gte",
}


def _round_half_even(tie: Tie, value: Expression, places: Expression = None) -> Expression:
    number = 0 if places is None else places["$literal"]
    if not (type(number) is int and 0 <= number <= 9):
        raise TypeError("the number of decimal places is a whole number from 0 to 9")
    nudge = {"$multiply": [{"$literal": tie.nudge}, {"$literal": 10.0**-number}]}
    return {"$round": [{"$add": [value, nudge]}, number]}


def _rounded_half_even(value: Any, places: int = 0) -> Any:
    """Round by the exact value of the double; NumPy's own round multiplies first, which moves ties."""
    numbers = np.asarray(value, dtype=np.float64)
    rounded = [round(number, places) for number in numbers.ravel().tolist()]
    return np.array(rounded, dtype=np.float64).reshape(numbers.shape)


ROUNDING: Final[Mapping[str, tuple[Callable[..., Expression], Callable[..., Any]]]] = {
    "half_up": (
        lambda tie, value: {"$floor": {"$add": [value, {"$literal": tie.half}]}},
        lambda value: np.floor(value + 0.5),
    ),
    "round_half_even": (_round_half_even, _rounded_half_even),
    "floor": (lambda _, value: {"$floor": value}, np.floor),
    "ceil": (lambda _, value: {"$ceil": value}, np.ceil),
}

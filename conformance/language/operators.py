"""The operators of formulas: what each is in MongoDB and in NumPy."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

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


def _round_half_even(value: Any, places: int = 0) -> Any:
    """Round by the exact value of the double; NumPy's own round multiplies first, which moves ties."""
    numbers = np.asarray(value, dtype=np.float64)
    rounded = [round(number, places) for number in numbers.ravel().tolist()]
    return np.array(rounded, dtype=np.float64).reshape(numbers.shape)


ROUNDING: Final[Mapping[str, Callable[..., Any]]] = {
    "half_up": lambda value: np.floor(value + 0.5),
    "round_half_even": _round_half_even,
    "floor": np.floor,
    "ceil": np.ceil,
}

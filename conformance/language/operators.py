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


ROUNDING: Final[Mapping[str, Callable[[Any], Any]]] = {
    "half_up": lambda value: np.floor(value + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}

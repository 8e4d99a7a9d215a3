"""The value of a formula for one document, to explain a violation."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_FLOOR, Decimal
from typing import Any

import numpy as np
from bson import Decimal128

from conformance.errors import ConfigurationError
from conformance.language.formulas.formula import Formula
from conformance.language.formulas.nodes import Column
from conformance.model.collection import Field
from conformance.text.paths import value_at


def expected_value(formula: Formula, document: Mapping[str, Any], *, money: bool) -> str | None:
    """Return the formula's value as a person reads it; None where it has none or is not arithmetic."""
    operands = {**formula.operands, **formula.optional}
    try:
        columns = {path: _column(value_at(document, path), field) for path, field in operands.items()}
        value = float(np.ravel(formula.evaluate(columns)[0])[0])
    except (ConfigurationError, TypeError, ValueError, OverflowError, ArithmeticError):
        return None
    if not np.isfinite(value):
        return None
    return f"{value / 100:.2f}" if money else f"{value:.10g}"


def _column(value: Any, field: Field) -> Column:
    """Return a column of this one value, money in whole cents."""
    present = np.array([value is not None])
    if field.kind == "money":
        plain = value.to_decimal() if isinstance(value, Decimal128) else Decimal(str(value or 0))
        return np.array([float((plain * 100 + Decimal("0.5")).to_integral_value(ROUND_FLOOR))]), present
    if isinstance(value, str):
        return np.array([value], dtype=object), present
    return np.array([float(value or 0)]), present

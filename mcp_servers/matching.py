"""Conditions of a caller's $match: known operators only, with expressions checked like any other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mcp_servers.expressions import Expressions, RefusedError, Scope

_COMBINES: Final = frozenset({"$and", "$or", "$nor"})
_COMPARES: Final = frozenset({"$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists"})
_TESTS: Final = frozenset({"$type", "$all", "$size", "$mod", "$regex", "$options"})
_TEXT: Final = frozenset({"$search", "$language", "$caseSensitive", "$diacriticSensitive"})
#: The allowed operators of a condition, for the caller.
CONDITIONS: Final = _COMBINES | _COMPARES | _TESTS | {"$not", "$elemMatch", "$expr", "$text"}


def checked_condition(condition: Any, expressions: Expressions, scope: Scope) -> dict[str, Any]:
    """Return the condition as it may be run. Raises RefusedError."""
    if not isinstance(condition, Mapping):
        raise RefusedError('a condition is an object, such as {"status": "pending"}')
    return {key: _part(key, value, expressions, scope) for key, value in condition.items()}


def _part(key: str, value: Any, expressions: Expressions, scope: Scope) -> Any:
    if key in _COMBINES:
        if not isinstance(value, list) or not value:
            raise RefusedError(f"{key} needs a list of conditions")
        return [checked_condition(part, expressions, scope) for part in value]
    if key == "$expr":
        return expressions.checked(value, scope)[0]
    if key == "$text":
        if not isinstance(value, Mapping) or not value.keys() <= _TEXT:
            raise RefusedError(f"$text allows {', '.join(sorted(_TEXT))} only")
        return value
    if key.startswith("$"):
        raise _unknown(key)
    return _of_field(value, expressions, scope)


def _of_field(value: Any, expressions: Expressions, scope: Scope) -> Any:
    if not isinstance(value, Mapping) or not any(key.startswith("$") for key in value):
        check_literal(value)
        return value
    made = {}
    for key, operand in value.items():
        if key == "$not":
            made[key] = _of_field(operand, expressions, scope)
        elif key == "$elemMatch":
            of_value = isinstance(operand, Mapping) and any(
                name.startswith("$") and name not in _COMBINES for name in operand
            )
            check = _of_field if of_value else checked_condition
            made[key] = check(operand, expressions, scope)
        elif key in _COMPARES | _TESTS:
            check_literal(operand)
            made[key] = operand
        else:
            raise _unknown(key)
    return made


def check_literal(value: Any) -> None:
    """Refuse operators in a value that is compared with."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            if key.startswith("$"):
                raise _unknown(key)
            check_literal(part)
    elif isinstance(value, list):
        for part in value:
            check_literal(part)


def harmless(condition: Any) -> bool:
    """Return True for a condition that only compares fields with values, or searches for words: it never fails."""
    return isinstance(condition, Mapping) and all(_harmless_part(key, value) for key, value in condition.items())


def _harmless_part(key: str, value: Any) -> bool:
    if key in _COMBINES:
        return isinstance(value, list) and bool(value) and all(harmless(part) for part in value)
    if key.startswith("$"):
        return key == "$text"
    return not isinstance(value, Mapping) or value.keys() <= _COMPARES


def _unknown(key: str) -> RefusedError:
    return RefusedError(f"{key[:40]} is not allowed in a condition; use {', '.join(sorted(CONDITIONS))}")

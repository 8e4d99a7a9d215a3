"""Aggregation expressions on columns, with the meaning that the server gives them.

Only what the rules use is here; for anything else UnusualError is raised. Where a value is of a kind that is not
computed here, the result is unsure, never wrong: the server is asked about these documents.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any, Final

import numpy as np

from conformance.columns.layout import BOOLEAN, DOUBLE, INT, LONG, NULL, TEXT, Array, Batch, UnusualError
from conformance.columns.operations import compare, constant, length, lower, on_texts, result, some, substring
from conformance.columns.values import EXACT, IS_NUMBER, NAMES, UNKNOWN, Values, codes_at, values_at

Expression = Any

_NAMES: Final = np.full(256, b"?" * 10, dtype="S10")
for _name, _code in NAMES.items():
    _NAMES[_code] = _name.encode()


def evaluate(expression: Expression, batch: Batch) -> Values:
    """Return the value of an expression for each document of the batch."""
    if isinstance(expression, str) and expression.startswith("$"):
        if expression.startswith("$$"):
            raise UnusualError
        return values_at(batch, expression[1:])
    if not isinstance(expression, dict):
        return constant(expression)
    ((name, argument),) = expression.items() if len(expression) == 1 else [("", None)]
    if name == "$literal":
        return constant(argument)
    operator = _OPERATORS.get(name)
    if operator is None:
        raise UnusualError
    key = "value", repr(expression)
    if key not in batch.cache:
        batch.cache[key] = operator(argument, batch)
    found: Values = batch.cache[key]
    return found


def truth(expression: Expression, batch: Batch) -> tuple[Array, Array]:
    """Return where an expression is true, and where that is not known."""
    values = evaluate(expression, batch)
    is_true, unsure = _truth(values)
    return np.broadcast_to(is_true, len(batch)), np.broadcast_to(unsure, len(batch))


def _truth(values: Values) -> tuple[Array, Array]:
    if values.kind == BOOLEAN and values.numbers is not None:
        return values.numbers != 0, _NONE
    codes = values.codes
    is_true = (codes != 0) & (codes != NULL)
    by_number = IS_NUMBER[codes] | (codes == BOOLEAN)
    if values.numbers is not None:
        is_true = is_true & (~by_number | (values.numbers != 0))
    unsure = codes == UNKNOWN
    if values.unsure is not None:
        unsure = unsure | (values.unsure & by_number)
    return is_true & ~unsure, unsure


_NUMBERS: Final = frozenset({DOUBLE, INT, LONG})
_DOUBLE: Final = np.array([DOUBLE], dtype=np.uint8)
_NONE: Final = np.zeros(1, dtype=bool)
_BOOLEAN: Final = np.array([BOOLEAN], dtype=np.uint8)


def _boolean(is_true: Array, unsure: Array) -> Values:
    if not unsure.any():
        return Values(_BOOLEAN, is_true)
    return Values(np.where(unsure, np.uint8(UNKNOWN), np.uint8(BOOLEAN)), is_true, unsure=unsure)


def _and(arguments: Any, batch: Batch) -> Values:
    parts = [_truth(evaluate(one, batch)) for one in arguments]
    is_true = reduce(np.logical_and, (part for part, _ in parts))
    is_false = reduce(np.logical_or, (~part & ~unsure for part, unsure in parts))
    return _boolean(is_true, ~is_true & ~is_false)


def _or(arguments: Any, batch: Batch) -> Values:
    parts = [_truth(evaluate(one, batch)) for one in arguments]
    is_true = reduce(np.logical_or, (part for part, _ in parts))
    unsure = reduce(np.logical_or, (unsure for _, unsure in parts))
    return _boolean(is_true, unsure & ~is_true)


def _not(argument: Any, batch: Batch) -> Values:
    is_true, unsure = _truth(evaluate(_only(argument), batch))
    return _boolean(~is_true & ~unsure, unsure)


def _only(argument: Any) -> Any:
    return argument[0] if isinstance(argument, list) and len(argument) == 1 else argument


def _comparison(direct: Any, test: Callable[[Array, Array], Array]) -> Callable[[Any, Batch], Values]:
    def operator(arguments: Any, batch: Batch) -> Values:
        left, right = (evaluate(one, batch) for one in arguments)
        kinds = {left.kind, right.kind}
        if kinds <= _NUMBERS or kinds == {BOOLEAN}:
            return _boolean(direct(left.numbers, right.numbers), _NONE)
        if kinds == {TEXT}:
            return _boolean(direct(left.texts, right.texts), _NONE)
        equal, lower, unsure = compare(left, right)
        return _boolean(test(equal, lower) & ~unsure, unsure)

    return operator


def _in(arguments: Any, batch: Batch) -> Values:
    value, listed = arguments
    items = listed["$literal"] if isinstance(listed, dict) else listed
    return _or([{"$eq": [value, {"$literal": item}]} for item in items], batch) if items else constant(False)


def _type(argument: Any, batch: Batch) -> Values:
    codes = _codes(argument, batch)
    return Values(np.full(1, TEXT, dtype=np.uint8), texts=_NAMES[codes], unsure=some(codes == UNKNOWN))


def _codes(argument: Any, batch: Batch) -> Array:
    """Return the types of a field, known even where its value is not."""
    plain = _only(argument)
    is_field = isinstance(plain, str) and plain.startswith("$") and not plain.startswith("$$")
    return codes_at(batch, plain[1:]) if is_field else evaluate(plain, batch).codes


def _is_number(argument: Any, batch: Batch) -> Values:
    codes = _codes(argument, batch)
    return _boolean(IS_NUMBER[codes], codes == UNKNOWN)


def _arithmetic(function: Callable[..., Array]) -> Callable[[Any, Batch], Values]:
    def operator(arguments: Any, batch: Batch) -> Values:
        parts = [evaluate(one, batch) for one in (arguments if isinstance(arguments, list) else [arguments])]
        if len(parts) > 2:  # the server may round their sum once, at its end
            raise UnusualError
        if all(one.kind is not None and IS_NUMBER[one.kind] for one in parts):
            usable, absent = ~_NONE, _NONE
        else:
            missing = [(one.codes == 0) | (one.codes == NULL) for one in parts]
            absent = reduce(np.logical_or, missing)
            # Beside any other value, null may be an error.
            absent = reduce(
                np.logical_and, (no | IS_NUMBER[one.codes] for no, one in zip(missing, parts, strict=True)), absent
            )
            usable = reduce(np.logical_and, (IS_NUMBER[one.codes] & one.sure for one in parts))
        columns = [one.numbers for one in parts if one.numbers is not None]
        if len(columns) < len(parts):
            usable, numbers = usable & False, np.zeros(1)
        else:
            with np.errstate(all="ignore"):
                numbers = reduce(function, columns) if len(columns) > 1 else function(columns[0])
        fits = np.abs(numbers) <= EXACT  # NaN does not
        if len(usable) == 1 and usable[0] and fits.all():
            return Values(_DOUBLE, numbers)
        usable = usable & fits
        return result(usable, DOUBLE, absent, numbers)

    return operator


def _round(arguments: Any, batch: Batch) -> Values:
    value, places = arguments
    if places != 0:
        raise UnusualError
    return _arithmetic(np.rint)(value, batch)


def _chosen(test: Array, unsure: Array, one: Values, other: Values) -> Values:
    """Return one value where the test is true, the other elsewhere."""
    codes = np.where(unsure, np.uint8(UNKNOWN), np.where(test, one.codes, other.codes))
    numbers, texts = (
        right if left is None else left if right is None else np.where(test, left, right)
        for left, right in ((one.numbers, other.numbers), (one.texts, other.texts))
    )
    unknown = np.where(test, ~one.sure, ~other.sure) | unsure
    return Values(codes, numbers, texts, some(unknown))


def _cond(argument: Any, batch: Batch) -> Values:
    test, yes, no = argument if isinstance(argument, list) else (argument[name] for name in ("if", "then", "else"))
    return _chosen(*_truth(evaluate(test, batch)), evaluate(yes, batch), evaluate(no, batch))


def _if_null(arguments: Any, batch: Batch) -> Values:
    one, other = (evaluate(part, batch) for part in arguments)
    return _chosen((one.codes != 0) & (one.codes != NULL), one.codes == UNKNOWN, one, other)


def _switch(argument: Any, batch: Batch) -> Values:
    found = evaluate(argument["default"], batch)
    for branch in reversed(argument["branches"]):
        found = _chosen(*_truth(evaluate(branch["case"], batch)), evaluate(branch["then"], batch), found)
    return found


def _concat(arguments: Any, batch: Batch) -> Values:
    return on_texts([evaluate(one, batch) for one in arguments], lambda *texts: reduce(np.strings.add, texts))


def _substring(arguments: Any, batch: Batch) -> Values:
    text, first, number = arguments
    if not (isinstance(first, int) and isinstance(number, int)) or min(first, number) < 0:
        raise UnusualError
    return substring(evaluate(text, batch), first, number)


def _of_text(function: Callable[[Values], Values]) -> Callable[[Any, Batch], Values]:
    return lambda argument, batch: function(evaluate(_only(argument), batch))


def _replace(argument: Any, batch: Batch) -> Values:
    parts = [evaluate(argument[name], batch) for name in ("input", "find", "replacement")]
    return on_texts(parts, np.char.replace)


def _size(argument: Any, batch: Batch) -> Values:
    if argument != "$$ROOT":
        raise UnusualError
    return Values(_DOUBLE, batch.window("<i4")[batch.starts].astype(np.float64))


def _unknown(_argument: Any, _batch: Batch) -> Values:
    return Values(np.array([UNKNOWN], dtype=np.uint8), unsure=np.ones(1, dtype=bool))


_OPERATORS: Final[dict[str, Callable[[Any, Batch], Values]]] = {
    "$and": _and,
    "$or": _or,
    "$not": _not,
    "$eq": _comparison(np.equal, lambda equal, _: equal),
    "$ne": _comparison(np.not_equal, lambda equal, _: ~equal),
    "$lt": _comparison(np.less, lambda _, lower: lower),
    "$lte": _comparison(np.less_equal, lambda equal, lower: equal | lower),
    "$gt": _comparison(np.greater, lambda equal, lower: ~equal & ~lower),
    "$gte": _comparison(np.greater_equal, lambda _, lower: ~lower),
    "$in": _in,
    "$type": _type,
    "$isNumber": _is_number,
    "$add": _arithmetic(np.add),
    "$subtract": _arithmetic(np.subtract),
    "$multiply": _arithmetic(np.multiply),
    "$divide": _arithmetic(np.divide),
    "$floor": _arithmetic(np.floor),
    "$ceil": _arithmetic(np.ceil),
    "$abs": _arithmetic(np.abs),
    "$round": _round,
    "$cond": _cond,
    "$ifNull": _if_null,
    "$switch": _switch,
    "$concat": _concat,
    "$toLower": _of_text(lower),
    "$substrBytes": _substring,
    "$substrCP": _substring,
    "$strLenBytes": _of_text(length),
    "$strLenCP": _of_text(length),
    "$replaceAll": _replace,
    "$bsonSize": _size,
    "$dateFromString": _unknown,
    "$regexMatch": _unknown,
}

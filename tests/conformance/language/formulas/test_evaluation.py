"""The meaning of each construct of formulas, equal to the bit in both evaluations."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymongo import MongoClient

from conformance.checks.base import Document
from conformance.config.configuration import Configuration
from conformance.errors import ConfigurationError
from conformance.language.formulas.formula import Formula
from conformance.model.collection import Model
from conformance.model.kinds import MAX_INTEGER
from tests.conformance.language.formulas.models import ROW, configuration, formula, on_server, shop
from tests.profiles import examples

__all__ = ["configuration", "shop"]


#: Formula, and its value for the row above; money in cents.
ARITHMETIC: list[tuple[str, float]] = [
    ("price", 1999),
    ("n", 3),
    ("price + n", 2002),
    ("price - 1", 1998),
    ("n * price", 5997),
    ("price / 4", 499.75),
    ("n - price * 2", 3 - 3998),
    ("(n - price) * 2", -3992),
    ("x * 0.1 + z", 0.35),
    ("33.0", 33),
    ("half_up(x)", 3),
    ("half_up(y)", -2),
    ("half_up(n / 2)", 2),
    ("half_up(price * 15 / 100)", 300),
    ("round_half_even(x)", 2),
    ("round_half_even(y)", -2),
    ("round_half_even(n + 0.5)", 4),
    ("round_half_even(price / 100 * 1.095, 2)", 21.89),
    ("round_half_even(z * 1.25, 2)", 0.12),
    ("floor(x)", 2),
    ("floor(y)", -3),
    ("ceil(x)", 3),
    ("ceil(y)", -2),
    ("or_zero(off)", 0),
    ("price - or_zero(off)", 1999),
    ("rate[key]", 1035),
    ("twice[key]", 1035**2),
    ("half_up(price * rate[key] / 10000)", 207),
    ("place.row", 7),
    ("parent.price", 435),
    ("parent.price * n", 1305),
    ("total(children, n * price)", 250),
    ("count(children) + 1", 251),
]
LOGIC: list[tuple[str, Any]] = [
    ("n == 3", True),
    ("n != 3", False),
    ("n < 3", False),
    ("n <= 3 < price", True),
    ("1 <= n <= 2", False),
    ("n > 2 and n > 3", False),
    ("n > 2 or n > 3", True),
    ("START_DATE <= slice(at, 0, 10) <= END_DATE", True),
    ("slice(at, 0, 10) == '2024-02-29'", True),
    ("slice(at, 3, 3)", ""),
    ("without(slice(at, 0, 10), '-')", "20240229"),
    ("lower('A$B')", "a$b"),
    ("days_before('2024-03-01', 1)", "2024-02-29"),
    ("days_before('2024-03-01', 999999999)", "0001-01-01"),
    ("slice(at, 0, 10) <= days_before(END_DATE, 30)", True),
    ("join('$key', key, 'x')", "$keyax"),
    ("present(off)", False),
    ("present(n)", True),
    ("present(off) == present(n)", False),
    ("parent.at < at", True),
    ("key == 'a'", True),
]


def _collection(text: str) -> str:
    return "parents" if "children" in text else "children"


@pytest.mark.parametrize(("text", "value"), ARITHMETIC)
def test_arithmetic_equals_manual_results_in_both_evaluations(
    text: str, value: float, shop: Model, configuration: Configuration, server: MongoClient[Document]
) -> None:
    """Money is in whole cents, on the server and in NumPy."""
    parsed = formula(text, shop, configuration, _collection(text))
    assert on_server(server, parsed, [ROW]) == [value]
    made, present = parsed.evaluate(columns(parsed, [ROW]))
    assert np.broadcast_to(made, 1).tolist() == [value]
    assert present is None


@pytest.mark.parametrize(("text", "value"), LOGIC)
def test_logic_and_text_equal_manual_results(
    text: str, value: object, shop: Model, configuration: Configuration, server: MongoClient[Document]
) -> None:
    """Only the server evaluates these: equations that generate values are arithmetic, and NumPy rejects others."""
    parsed = formula(text, shop, configuration)
    assert on_server(server, parsed, [ROW]) == [value]
    if not isinstance(value, bool) or "slice" in text or " < " in text:
        with pytest.raises(ConfigurationError, match="arithmetic"):
            parsed.evaluate(columns(parsed, [ROW]))


def columns(parsed: Formula, rows: list[Document]) -> dict[str, Any]:
    """Return the rows as columns in internal form: money in cents."""
    made: dict[str, Any] = {}
    for path, field in (*parsed.operands.items(), *parsed.optional.items()):
        head, *rest = path.split(".")
        found = [row.get(head) if not rest else row[head][rest[0]] for row in rows]
        made[path] = _column(found, field.kind == "money")
    for path, (_, field) in parsed.parents.items():
        made[path] = _column([row["_parent"][path.split(".")[1]] for row in rows], field.kind == "money")
    for total in parsed.totals:
        made[total.name] = (np.array([float(row[total.name]) for row in rows]), None)
    return made


def _column(found: list[Any], is_money: bool) -> tuple[Any, Any]:
    present = np.array([value is not None for value in found])
    if any(isinstance(value, str) for value in found):
        return np.array(found, dtype=object), None
    numbers = np.array([0.0 if value is None else float(value) for value in found])
    return (np.round(100 * numbers) if is_money else numbers), (None if present.all() else present)


#: Every arithmetic construct, on operands that are anything.
RANDOM = [
    "half_up(x)",
    "half_up(x * y)",
    "round_half_even(x)",
    "round_half_even(x * y, 2)",
    "half_up(round_half_even(price / 100 * 1.095, 2) * 100)",
    "x + y * z",
    "x - y - z",
    "(x - y) * z / 7",
    "floor(x / 3) + ceil(y * 0.1)",
    "half_up(n * x / 100)",
    "half_up((price - or_zero(off)) * rate[key] / 10000)",
    "half_up(n * price * x / 100)",
    "price * 100 / 67 - half_up(price * 100 / 67)",
    "n * price - or_zero(off)",
    "x * y + rate[key] * n",
]
doubles = st.one_of(
    st.floats(-1e12, 1e12),
    st.integers(-(10**9), 10**9).map(lambda n: n + 0.5),
    st.integers(-(10**6), 10**6).map(float),
    st.sampled_from([0.0, -0.0, 0.5, -0.5, 0.49999999999999994, 2**52 + 0.5, -(2**52) - 0.5, 1e-300, 5e-324]),
)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "x": doubles,
            "y": doubles,
            "z": doubles,
            "n": st.integers(-(10**6), 10**6),
            "price": st.integers(-(10**9), 10**9).map(lambda cents: cents / 100),
            "key": st.sampled_from("ab"),
        },
        optional={"off": st.integers(0, 10**6).map(lambda cents: cents / 100)},
    ),
    min_size=1,
    max_size=60,
)


@pytest.mark.parametrize("text", RANDOM)
def test_both_evaluations_agree_to_the_bit(
    text: str, shop: Model, configuration: Configuration, server: MongoClient[Document]
) -> None:
    """Both run the same operations in the same order (0 and -0 count as equal)."""
    parsed = formula(text, shop, configuration)

    @examples(25)
    @given(rows)
    def agree(documents: list[Document]) -> None:
        made, _ = parsed.evaluate(columns(parsed, documents))
        found = on_server(server, parsed, documents)
        assert [_bits(value) for value in made.tolist()] == [_bits(value) for value in found]

    agree()


def _bits(value: float) -> bytes:
    return struct.pack(">d", float(value) + 0.0)


@pytest.mark.parametrize("tie", [n + 0.5 for n in (-1001, -3, -2, -1, 0, 1, 2, 3, 1000)])
def test_ties_are_rounded_up(
    tie: float, shop: Model, configuration: Configuration, server: MongoClient[Document]
) -> None:
    """The direction is positive infinity on both sides of zero, never to even."""
    parsed = formula("half_up(x)", shop, configuration)
    wanted = math.ceil(tie)
    assert on_server(server, parsed, [{"x": tie}]) == [wanted]
    assert parsed.evaluate({"x": (np.array([tie]), None)})[0].tolist() == [wanted]


def test_half_to_even_rounds_the_double_as_python_does(
    shop: Model, configuration: Configuration, server: MongoClient[Document]
) -> None:
    """For 3.00, 5.00 and 7.00, x 1.095 is a decimal tie, but only some doubles are exactly on it."""
    parsed = formula("round_half_even(price / 100 * 1.095, 2)", shop, configuration)
    cents = [*range(100, 200_000, 200), *range(1, 5_000)]
    wanted = [round(amount / 100 * 1.095, 2) for amount in cents]
    assert parsed.evaluate({"price": (np.array(cents, dtype=float), None)})[0].tolist() == wanted
    assert on_server(server, parsed, [{"price": amount / 100} for amount in cents]) == wanted


def test_rule_accepts_a_tie_rounded_either_way(
    shop: Model, configuration: Configuration, server: MongoClient[Document]
) -> None:
    parsed = formula("half_up(round_half_even(price / 100 * 1.095, 2) * 100)", shop, configuration)
    stages = [{"$documents": [{"price": 3.0}, {"price": 3.01}]}, {"$project": {"values": parsed.readings()}}]
    tie, other = (set(row["values"]) for row in server["formula"].aggregate(stages))
    assert tie == {328, 329}
    assert other == {330}


def test_formula_is_present_where_its_operands_are(shop: Model, configuration: Configuration) -> None:
    """A formula with an optional operand applies where the operand is present; with or_zero it always applies."""
    mask = np.array([True, False])
    given_columns: dict[str, Any] = {"price": (np.array([5.0, 7.0]), None), "off": (np.array([1.0, 9.0]), mask)}
    values, present = formula("price - off", shop, configuration).evaluate(given_columns)
    assert present is not None
    assert present.tolist() == [True, False]
    assert values[0] == 4
    values, present = formula("price - or_zero(off)", shop, configuration).evaluate(given_columns)
    assert present is None
    assert values.tolist() == [4, 7]


def test_two_optional_operands_are_both_required(shop: Model, configuration: Configuration) -> None:
    given_columns: dict[str, Any] = {
        "off": (np.arange(4.0), np.array([True, True, False, False])),
        "price": (np.ones(4), np.array([True, False, True, False])),
    }
    _, present = formula("price - off", shop, configuration).evaluate(given_columns)
    assert present is not None
    assert present.tolist() == [True, False, False, False]


def test_largest_integer_of_exact_arithmetic_is_accepted(shop: Model, configuration: Configuration) -> None:
    assert formula(f"n < {MAX_INTEGER}", shop, configuration).mongo() == {"$lt": ["$n", {"$literal": MAX_INTEGER}]}
    with pytest.raises(ConfigurationError, match="too large for exact arithmetic"):
        formula(f"n < {MAX_INTEGER + 1}", shop, configuration)

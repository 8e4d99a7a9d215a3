"""One view per parent: all of its totals count all children, or all count live children only."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from pymongo.database import Database

from conformance.model.collection import Model
from conformance.results import Outcome
from conformance.rules.data import business, totals
from tests.models import collection_of, model_of
from tests.validation import context_for, run_rules

Document = dict[str, Any]

RULES: Final = """
equations:
  - {field: carts.pieces, family: totals, equals: count(lines), title: T}
  - {field: carts.weight, family: business, equals: "total(lines, weight)", title: T}
  - {field: carts.value, family: totals, equals: "total(lines, price)", title: T}
"""
#: Three lines, the last of them soft-deleted: 3 or 2 pieces, 6 or 3 kg, 16 or 7 dollars.
LINES: Final[list[Document]] = [
    {"cart": "a", "weight": 1, "price": 2.0, "gone": False},
    {"cart": "a", "weight": 2, "price": 5.0, "gone": False},
    {"cart": "a", "weight": 3, "price": 9.0, "gone": True},
]
ALL: Final = {"pieces": 3, "weight": 6, "value": 16.0}
LIVE: Final = {"pieces": 2, "weight": 3, "value": 7.0}


@pytest.fixture
def carts(tmp_path: Path) -> Model:
    """A model without names of the project's: carts with totals of two families over their lines."""
    key = {"type": "string", "maxLength": 9}
    cart = {"key": key | {"x-unique": True}, "pieces": {"type": "integer"}, "weight": {"type": "integer"}}
    line = {"cart": key | {"x-reference": "carts.key"}, "weight": {"type": "integer"}}
    money = {"type": "number", "x-money": True}
    lines = collection_of(line | {"price": money, "gone": {"type": "boolean"}}) | {"x-soft-delete": "gone"}
    model = model_of(tmp_path, {"carts": collection_of(cart | {"value": money}), "lines": lines})
    (tmp_path / "config" / "rules.yaml").write_text(RULES, encoding="utf-8")
    return model


def outcomes(model: Model, database: Database[Document], *only: str, **cart: Any) -> dict[str, Outcome]:
    database["carts"].insert_one({"_id": 1, "key": "a", **cart})
    database["lines"].insert_many(LINES)
    context = context_for(model, database)
    rules = [*totals.rules(model, context.configuration), *business.rules(model, context.configuration)]
    return run_rules([rule for rule in rules if not only or rule.id.split(".")[2] in only], context)


@pytest.mark.parametrize("cart", [ALL, LIVE], ids=["all lines", "live lines"])
def test_totals_in_one_view_pass(cart: Document, carts: Model, database: Database[Document]) -> None:
    assert [one.violations for one in outcomes(carts, database, **cart).values()] == [0, 0, 0]


@pytest.mark.parametrize(
    ("cart", "wrong", "why"),
    [
        (
            ALL | {"pieces": 2},
            "totals.carts.pieces",
            "pieces is 2; expected 3, the number of all its lines, including soft-deleted ones (1 too low; weight,"
            " value"
            " match the same items)",
        ),
        (
            LIVE | {"value": 16.0},
            "totals.carts.value",
            "value is 16.0; expected 7, the total of its live lines (9 too high; pieces, weight match the same items)",
        ),
        (
            LIVE | {"weight": 4},
            "business.carts.weight",
            "weight is 4; expected 3, the total of its live lines (1 too high; pieces, value match the same items)",
        ),
    ],
)
def test_total_in_another_view_is_reported(
    cart: Document, wrong: str, why: str, carts: Model, database: Database[Document]
) -> None:
    found = outcomes(carts, database, **cart)
    assert {name: [one.why for one in outcome.samples] for name, outcome in found.items() if outcome.violations} == {
        wrong: [why]
    }
    assert {outcome.examined for outcome in found.values()} == {1}


def test_view_does_not_depend_on_the_selected_rules(carts: Model, database: Database[Document]) -> None:
    (alone,) = outcomes(carts, database, "pieces", **(ALL | {"pieces": 2})).values()
    assert [one.why.partition(",")[0] for one in alone.samples] == ["pieces is 2; expected 3"]


def test_view_of_all_lines_is_used_for_divided_totals(carts: Model, database: Database[Document]) -> None:
    """There is one total of each view, and one of neither: the total over all lines is expected."""
    found = outcomes(carts, database, pieces=3, weight=3, value=1.0)
    assert {name for name, outcome in found.items() if outcome.violations} == {
        "business.carts.weight",
        "totals.carts.value",
    }


def test_total_that_cannot_be_computed_is_not_examined(carts: Model, database: Database[Document]) -> None:
    database["lines"].insert_one({"cart": "a", "weight": "4", "price": 0.0, "gone": False})
    found = outcomes(carts, database, **(ALL | {"pieces": 4}))
    assert found["totals.carts.pieces"].examined == found["totals.carts.value"].examined == 1
    assert found["business.carts.weight"].skipped == "no document of carts has a weight that can be compared"

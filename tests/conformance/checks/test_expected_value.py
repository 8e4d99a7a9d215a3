"""An equation that a document breaks is explained with the value that was expected."""

from __future__ import annotations

from typing import Any

import pytest
from bson import Decimal128, Int64

from conformance.checks.base import Rule
from conformance.checks.document_scan import DocumentTest
from conformance.model.collection import Model
from conformance.rules.data.business import rules as business
from conformance.rules.data.totals import rules as totals
from tests.validation import configuration_for

TAX = "half_up((subtotal - discount_total) * tax_rate[store_id] / 10000)"


@pytest.fixture(scope="module")
def rules(model: Model) -> dict[str, Rule]:
    """The rules of config/rules.yaml by id."""
    configuration = configuration_for(model)
    return {rule.id: rule for family in (totals, business) for rule in family(model, configuration)}


@pytest.mark.parametrize(
    ("rule", "document", "why"),
    [
        ("totals.orders.total", {"total": 36.29, "subtotal": 31.17, "discount_total": 0.0, "tax": 3.12},
         "total is 36.29; expected 34.29 = subtotal - discount_total + tax"
         " (subtotal 31.17, discount_total 0.0, tax 3.12)"),
        ("totals.orders.total", {"total": 7, "subtotal": 5, "discount_total": 0, "tax": Int64(1)},
         "total is 7; expected 6.00 = subtotal - discount_total + tax (subtotal 5, discount_total 0, tax 1)"),
        ("totals.orders.total", {"total": 7.0, "subtotal": Decimal128("5.05"), "discount_total": 0.05, "tax": 1.0},
         "total is 7.0; expected 6.00 = subtotal - discount_total + tax"
         " (subtotal 5.05 (decimal), discount_total 0.05, tax 1.0)"),
        ("totals.orders.total", {"total": 7.0, "subtotal": "5", "discount_total": 0.0, "tax": 1.0},
         "total is 7.0; expected 6.00 = subtotal - discount_total + tax (subtotal \"5\", discount_total 0.0, tax 1.0)"),
        ("totals.orders.total", {"total": 7.0, "subtotal": [5], "discount_total": 0.0, "tax": 1.0},
         "total is 7.0; expected subtotal - discount_total + tax (subtotal [5], discount_total 0.0, tax 1.0)"),
        ("totals.orders.tax", {"tax": 1.0, "subtotal": 100.0, "discount_total": 0.0, "store_id": "store_seattle"},
         f"tax is 1.0; expected 10.35 = {TAX} (subtotal 100.0, discount_total 0.0, store_id \"store_seattle\")"),
        ("totals.order_items.line_total", {"line_total": 4.0, "quantity": 3, "unit_price": 1.5},
         "line_total is 4.0; expected 4.50 = quantity * unit_price - or_zero(discount_amount)"
         " (quantity 3, unit_price 1.5)"),
        ("business.products.gross_margin_percent", {"gross_margin_percent": 33.1},
         "gross_margin_percent is 33.1; expected 33"),
        ("business.products.base_price", {"base_price": 17.01, "cost": 14.4},
         "base_price is 17.01; expected 21.49 = half_up(cost * 100 / 67) (cost 14.4)"),
        ("business.inventory.stock_level", {"stock_level": -3}, "stock_level -3; expected stock_level >= 0"),
        ("business.orders.order_date", {"order_date": "2019-01-01T00:00:00Z"},
         'order_date "2019-01-01T00:00:00Z"; expected START_DATE <= slice(order_date, 0, 10) <= END_DATE'
         " (START_DATE 2020-01-01, END_DATE 2026-12-31)"),
        ("totals.order_items.discount_percent+discount_amount", {"discount_percent": 5.0},
         "discount_percent 5.0, discount_amount absent;"
         " expected present(discount_percent) == present(discount_amount)"),
    ],
)  # fmt: skip
def test_expected_value_is_explained(rules: dict[str, Rule], rule: str, document: dict[str, Any], why: str) -> None:
    check = rules[rule].check
    assert isinstance(check, DocumentTest)
    assert check.why(document) == why

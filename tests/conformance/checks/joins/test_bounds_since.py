"""Bounds that apply since the last change of the referenced document."""

from __future__ import annotations

import re
from typing import Any

import pytest

from conformance.checks.bounds import Bounds
from conformance.config.configuration import Bound
from conformance.errors import ConfigurationError
from conformance.model.collection import Model
from tests.conformance.checks.joins.shipped_rules import PRICE, numbered
from tests.conformance.rules.finding import Finding
from tests.validation import configuration_for

CHANGED = "2024-05-01T00:00:00Z"


@pytest.mark.parametrize(
    ("created_at", "examined", "violations"),
    [
        ("2024-04-30T23:59:59Z", 0, 0),
        (CHANGED, 1, 1),
        ("2024-05-01T00:00:01Z", 1, 1),
        (None, 1, 1),  # its time is unknown, and another rule reports that
        (7, 1, 1),
    ],
)
def test_price_is_compared_with_the_base_price_after_the_last_change(
    created_at: Any, examined: int, violations: int, found: Finding
) -> None:
    product = {"product_id": "p", "base_price": 20.0, "updated_at": CHANGED}
    sold = {"product_id": "p", "store_id": "store_spokane", "unit_price": 10.0, "created_at": created_at}
    now = sold | {"unit_price": 20.0, "created_at": "2025-01-01T00:00:00Z"}
    outcome = found(PRICE, products=[product], order_items=numbered(sold, now))
    assert (outcome.examined, outcome.violations) == (examined + 1, violations)
    assert [sample.id for sample in outcome.samples] == [0] * violations


@pytest.mark.parametrize("updated_at", [None, 7])
def test_price_is_compared_if_the_time_of_the_change_is_unknown(updated_at: Any, found: Finding) -> None:
    product = {"product_id": "p", "base_price": 20.0, "updated_at": updated_at}
    sold = {"product_id": "p", "store_id": "store_spokane", "unit_price": 10.0, "created_at": CHANGED}
    outcome = found(PRICE, products=[product], order_items=numbered(sold))
    assert (outcome.examined, outcome.violations) == (1, 1)


def test_lines_of_every_store_are_counted_if_one_line_is_older(found: Finding) -> None:
    product = {"product_id": "p", "base_price": 20.0, "updated_at": CHANGED}
    late, early = (
        {"product_id": "p", "unit_price": 20.0, "created_at": f"202{year}-01-01T00:00:00Z"} for year in (5, 3)
    )
    stores = ("store_spokane", "store_everett")
    items = [line | {"store_id": store} for store in stores for line in (early, late, late)]
    outcome = found(PRICE, products=[product], order_items=numbered(*items))
    assert outcome.examined == 4


def test_bound_with_older_lines_only_is_skipped(found: Finding) -> None:
    product = {"product_id": "p", "base_price": 20.0, "updated_at": CHANGED}
    sold = {"product_id": "p", "store_id": "store_spokane", "unit_price": 1.0, "created_at": "2023-01-01T00:00:00Z"}
    outcome = found(PRICE, products=[product], order_items=numbered(sold))
    assert outcome.skipped is not None
    assert "was created after its document of products changed" in outcome.skipped


@pytest.mark.parametrize(
    ("field", "since", "why"),
    [
        ("order_items.unit_price", "product_id.updatd_at", "did you mean product_id.updated_at?"),
        ("order_items.unit_price", "order_id.updated_at", "is not a time stamp of products"),
        ("order_items.unit_price", "product_id.base_price", "is not a time stamp of products"),
    ],
)
def test_since_without_a_time_stamp_of_the_parent_is_rejected(field: str, since: str, why: str, model: Model) -> None:
    bound = Bound(family="business", title="t", field=field, at_least="product_id.base_price", since=since)
    with pytest.raises(ConfigurationError, match=re.escape(why)):
        Bounds.parse(model, configuration_for(model), bound)


def test_since_requires_a_reference_to_history(model: Model) -> None:
    bound = Bound(
        family="business", title="t", field="inventory.stock_level", at_least="product_id.base_price",
        since="product_id.updated_at",
    )  # fmt: skip
    with pytest.raises(ConfigurationError, match="add x-history to it, or remove since"):
        Bounds.parse(model, configuration_for(model), bound)

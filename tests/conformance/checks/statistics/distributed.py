"""Documents in the distribution that the shipped model configures, and in others."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]

STORES = "business.orders.store_id-shares"


SIGNIFICANCE = 1e-6
#: Weight x frequency, as config/generation.yaml has them.
WEIGHTS = {
    "store_seattle": 90.0, "store_bellevue": 65.0, "store_tacoma": 48.0, "store_spokane": 16.0, "store_everett": 12.6,
    "store_redmond": 9.6, "store_kirkland": 5.6, "store_online": 90.0,
}  # fmt: skip


def orders(counts: dict[str, int], field: str) -> list[Document]:
    return [{field: key} for key, number in counts.items() for _ in range(number)]


def by_weight(n: int) -> dict[str, int]:
    return {store: round(n * weight / sum(WEIGHTS.values())) for store, weight in WEIGHTS.items()}


SEASONS = {"a": [1.0, 2.0, 1.0, 0.5] * 3, "b": [2.0, 1.0, 1.0, 1.5] * 3, "c": [1.0] * 12}
NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def seasonal(months: dict[str, dict[str, int]], **multipliers: Any) -> dict[str, list[Document]]:
    """Return lines of one product per category, with these numbers in each month."""
    return {
        "categories": [
            {"category_id": key, "seasonal_multipliers": multipliers.get(key, dict(zip(NAMES, values, strict=True)))}
            for key, values in SEASONS.items()
        ],
        "products": [*({"product_id": f"p_{key}", "category_id": key} for key in SEASONS), {"product_id": "odd"}],
        "order_items": [
            {"order_id": f"order_2024{month}01_1", "product_id": f"p_{key}"}
            for month, counts in months.items()
            for key, number in counts.items()
            for _ in range(number)
        ],
    }


def as_configured(n: int) -> dict[str, dict[str, int]]:
    """Return about n lines per month."""
    return {
        f"{month + 1:02}": {
            key: round(n * values[month] / sum(one[month] for one in SEASONS.values()))
            for key, values in SEASONS.items()
        }
        for month in range(12)
    }

"""Substitute for the original dataset's files, which are not shipped: of the same shape, made from the catalogue.

PYTEST_DONT_REWRITE: test files import it.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from conformance.files.strict_files import read_yaml
from tests.conformance.embedded.processes import ROOT

SEASONS = "washington_seasonal_multipliers"


@dataclass
class Original:
    """Content of both files, which tests edit before writing it."""

    reference: dict[str, Any] = field(default_factory=dict)
    products: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> Path:
        """Write both files."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "reference_data.json").write_text(json.dumps(self.reference), encoding="utf-8")
        (folder / "product_data.json").write_text(json.dumps(self.products), encoding="utf-8")
        return folder


def original(products: int = 400, categories: int = 9, times: int = 1) -> Original:
    """Return this number of the catalogue's products, each repeated ``times`` with another SKU."""
    catalogue, figures = configured("catalogue"), configured("generation")["parameters"]
    made = Original()
    made.reference = {
        "stores": {
            store["store_name"]: {
                "rls_user_id": str(uuid.UUID(int=Random(number).getrandbits(128), version=4)),
                "customer_distribution_weight": figures["store_customer_weight"][store["store_id"]],
                "order_frequency_multiplier": figures["store_order_frequency"][store["store_id"]],
                "order_value_multiplier": figures["store_order_value"][store["store_id"]],
            }
            for number, store in enumerate(catalogue["stores"])
        },
        "year_weights": {str(year): weight for year, weight in figures["year_weights"].items()},
    }
    wanted = catalogue["categories"][:categories]
    made.products = {
        "main_categories": {
            category["category_name"].upper(): {SEASONS: list(category["seasonal_multipliers"].values())}
            for category in wanted
        }
    }
    names = {category["category_id"]: category["category_name"].upper() for category in wanted}
    types = {row["type_id"]: row for row in catalogue["product_types"] if row["category_id"] in names}
    rows = [row for row in catalogue["products"] if row["type_id"] in types]
    chosen = rows[:: max(1, len(rows) // products)][:products]  # of every category
    for turn in range(times):
        for number, row in enumerate(chosen):
            its_type = types[row["type_id"]]
            body = made.products["main_categories"][names[its_type["category_id"]]]
            body.setdefault(its_type["type_name"].upper(), []).append(_product(row, turn, number))
    return made


@cache
def configured(name: str) -> Any:
    """Return a file of the project's config/."""
    return read_yaml(ROOT / "config" / f"{name}.yaml")


def _product(row: dict[str, Any], turn: int, number: int) -> dict[str, Any]:
    drawn = np.random.default_rng([turn, number]).uniform(-1, 1, 2048)
    return {
        "name": row["product_name"],
        "sku": row["sku"] + (f"/{turn}" if turn else ""),
        "price": row["cost"],
        "description": row["product_description"],
        "stock_level": number % 50,
        "image_path": f"images/{row['sku'].lower()} 1.png",
        "image_embedding": _unit(drawn[:512]),
        "description_embedding": _unit(drawn[512:]),
    }


def _unit(vector: Any) -> list[float]:
    """Return the vector scaled to length 1, as embedding models return it."""
    numbers: list[float] = (vector / np.linalg.norm(vector)).round(6).tolist()
    return numbers


def products_of(made: Original) -> Iterator[dict[str, Any]]:
    """Yield every product, in the order of the file."""
    for category in made.products["main_categories"].values():
        for name, products in category.items():
            if name != SEASONS:
                yield from products


#: An edit of the content, or of the written folder.
Edit = Callable[[Original], Any]

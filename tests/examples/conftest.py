"""The shop's documents, from which the expected results are computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pymongo.database import Database

Document = dict[str, Any]
Mongo = Database[Document]
Rows = list[Document]


@pytest.fixture(scope="module")
def every(shop: Mongo) -> Mapping[str, Rows]:
    """Return every document of the shop, by collection; the expected results below are computed from them."""
    return {name: list(shop[name].find().sort("_id", 1)) for name in shop.list_collection_names()}

"""A database of numbered documents."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import MongoClient

from tests.commands import SIZES

Mongo = MongoClient[dict[str, Any]]


@pytest.fixture
def numbered(mongo: Mongo, name: str) -> str:
    """Return the name of a database with the expected number of orders, which have only a number."""
    mongo[name]["orders"].insert_many([{"_id": number} for number in range(int(SIZES["NUM_ORDERS"]))])
    return name

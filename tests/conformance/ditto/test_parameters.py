"""Values of the parameters of subscriptions."""

# ruff: noqa: E501 - tables of cases, one a line

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from conformance.ditto.permissions import User
from conformance.ditto.subscriptions import (
    Subscriptions,
    values_for,
)
from conformance.model.collection import Model
from tests.conformance.ditto.shipped import shipped

__all__ = ["shipped"]


@pytest.fixture(scope="module")
def database(server: MongoClient[Any]) -> Iterator[Database[Any]]:
    """Two stores, three customers, four orders."""
    made = server["subscription_values"]
    server.drop_database(made.name)
    made["stores"].insert_many([{"_id": n, "store_id": f"store_{n}"} for n in "dcba"])
    made["customers"].insert_many(
        [
            {"_id": n, "customer_id": f"cust_{n}", "primary_store_id": "store_a" if n < 3 else "store_b"}
            for n in (3, 2, 1)
        ]
    )
    made["orders"].insert_many(
        [{"_id": n, "order_id": f"order_{n}", "store_id": s, "customer_id": f"cust_{c}"}
         for n, s, c in [(4, "store_a", 1), (3, "store_a", 3), (2, "store_b", 2), (1, "store_a", 2)]]
    )  # fmt: skip
    made["inventory"].insert_many([{"_id": 1, "store_id": "store_a"}, {"_id": 2, "store_id": "store_a", "location": {"aisle": "A7"}},
                                   {"_id": 3, "store_id": "store_a", "location": {"aisle": None}}])  # fmt: skip
    yield made
    server.drop_database(made.name)


#: A parameter, the store of the user, and the value.
VALUES = [
    ("store_id", "store_a", "store_a"),
    ("store_ids", "store_a", ["store_a", "store_b", "store_c"]),
    ("customer_ids", "store_a", ["cust_1", "cust_2"]),
    ("customer_ids", "store_c", []),
    ("order_ids", "store_a", ["order_1", "order_4"]),
    ("order_ids", "store_c", []),
    ("order_id", "store_b", "order_2"),
    ("order_id", "store_c", None),
    ("aisle", "store_a", "A7"),
    ("words", "store_a", "%drill%"),
    ("nobody_declared_it", "store_a", None),
]


@pytest.mark.parametrize(("name", "store_id", "value"), VALUES, ids=[f"{row[0]} {row[1]}" for row in VALUES])
def test_parameter_has_its_value(
    shipped: Subscriptions, database: Database[Any], name: str, store_id: str, value: Any
) -> None:
    assert values_for(shipped, [name], User("u", {"store_id": store_id}), database) == {name: value}


def test_parameter_without_a_user_attribute_has_no_value(shipped: Subscriptions, database: Database[Any]) -> None:
    """A value that depends on an absent attribute is absent too."""
    found = values_for(shipped, ["store_id", "customer_ids", "store_ids"], User("u", super_manager=True), database)
    assert found == {"store_id": None, "customer_ids": None, "store_ids": ["store_a", "store_b", "store_c"]}


def test_circular_parameters_have_no_value(shipped: Subscriptions, database: Database[Any], model: Model) -> None:
    circle = shipped.parameters["customer_ids"].model_copy(update={"where": {"primary_store_id": "customer_ids"}})
    looped = shipped.model_copy(update={"parameters": {**shipped.parameters, "customer_ids": circle}})
    assert values_for(looped, ["customer_ids"], User("u", {"store_id": "store_a"}), database) == {"customer_ids": None}

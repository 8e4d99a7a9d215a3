"""The shipped permissions, and the stores whose users they define."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.ditto.permissions import (
    Permissions,
    load_permissions,
)
from conformance.language.conditions.condition import Always, Comparison
from tests.models import shipped_model

SEATTLE, TACOMA = "6b9c1e6e-95a4-4f0e-8d5c-0f2f1c0a7d11", "b0c1d2e3-f4a5-4b6c-9d7e-8f9a0b1c2d3e"
NIL = "00000000-0000-0000-0000-000000000000"


def store(name: str, user: Any, **more: Any) -> dict[str, Any]:
    """Return a document of the users' collection."""
    return {"_id": name, "store_id": name, "rls_user_id": user, "deleted": False, **more}


STORES = [store("store_seattle", SEATTLE), store("store_tacoma", TACOMA)]


@pytest.fixture(scope="module")
def permissions() -> Permissions:
    """The shipped permissions."""
    return load_permissions(shipped_model())


OWN = Comparison("store_id", "=", "store_tacoma")
#: By collection, the documents that Tacoma's user may read, create, change and delete.
MAY = {
    "inventory": (OWN, Always(False), OWN, Always(False)),
    "orders": (OWN, OWN, OWN, Always(False)),
    "order_items": (OWN, OWN, OWN, Always(False)),
    "customers": (*[Comparison("primary_store_id", "=", "store_tacoma")] * 3, Always(False)),
    "products": (Comparison("deleted", "=", False), *[Always(False)] * 3),
    "stores": (Always(True), *[Always(False)] * 3),
    "categories": (Always(True), *[Always(False)] * 3),
    "product_types": (Always(True), *[Always(False)] * 3),
    "product_embeddings": (Always(False),) * 4,
}

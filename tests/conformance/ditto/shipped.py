"""The shipped subscriptions."""

from __future__ import annotations

import pytest

from conformance.ditto.subscriptions import (
    Subscriptions,
    load_subscriptions,
)
from tests.models import shipped_model


@pytest.fixture(scope="module")
def shipped() -> Subscriptions:
    """The shipped ones."""
    return load_subscriptions(shipped_model())

"""Prices, dates and shares are as the business says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.family("business")


def test_rule(zava_rule: Callable[[], None]) -> None:
    zava_rule()

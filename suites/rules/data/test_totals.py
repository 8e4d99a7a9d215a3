"""The arithmetic of orders and lines, in whole cents."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.family("totals")


def test_rule(zava_rule: Callable[[], None]) -> None:
    zava_rule()

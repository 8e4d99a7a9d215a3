"""Denormalised copies equal their source."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.family("snapshots")


def test_rule(zava_rule: Callable[[], None]) -> None:
    zava_rule()

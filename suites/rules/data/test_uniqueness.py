"""Unique values are unique in the data."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.family("uniqueness")


def test_rule(zava_rule: Callable[[], None]) -> None:
    zava_rule()

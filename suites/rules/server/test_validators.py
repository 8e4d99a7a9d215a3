"""The server itself refuses what the schemas refuse."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.family("validators")


def test_rule(zava_rule: Callable[[], None]) -> None:
    zava_rule()

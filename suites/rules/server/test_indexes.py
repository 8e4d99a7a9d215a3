"""The indexes are exactly those declared."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.family("indexes")


def test_rule(zava_rule: Callable[[], None]) -> None:
    zava_rule()

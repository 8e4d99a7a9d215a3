"""Each named query has the plan it must have."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.family("queries")


def test_rule(zava_rule: Callable[[], None]) -> None:
    zava_rule()

"""Change streams carry pre- and post-images."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.family("streams")


def test_rule(judge: Callable[[], None]) -> None:
    judge()

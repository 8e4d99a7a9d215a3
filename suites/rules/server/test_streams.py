"""Change streams carry pre- and post-images."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.family("streams")


def test_rule(zava_rule: Callable[[], None]) -> None:
    zava_rule()

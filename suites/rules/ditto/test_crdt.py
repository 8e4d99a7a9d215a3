"""Documents have shapes that merge on devices without loss."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.family("crdt")


def test_rule(zava_rule: Callable[[], None]) -> None:
    zava_rule()

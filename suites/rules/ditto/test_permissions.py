"""Each user may do what they should with each collection, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.family("permissions")


def test_rule(zava_rule: Callable[[], None]) -> None:
    zava_rule()

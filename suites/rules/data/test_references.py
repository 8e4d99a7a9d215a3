"""Every reference resolves, and keys kept twice agree."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.family("references")


def test_rule(zava_rule: Callable[[], None]) -> None:
    zava_rule()

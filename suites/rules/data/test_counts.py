"""Every collection has as many documents as expected."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.family("counts")


def test_rule(zava_rule: Callable[[], None]) -> None:
    zava_rule()

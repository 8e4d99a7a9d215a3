"""No credential in the repository or in what is shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.family("security")


def test_rule(zava_rule: Callable[[], None]) -> None:
    zava_rule()

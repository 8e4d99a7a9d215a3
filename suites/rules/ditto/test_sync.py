"""The connector's configuration and the schemas agree both ways."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.family("sync")


def test_rule(zava_rule: Callable[[], None]) -> None:
    zava_rule()

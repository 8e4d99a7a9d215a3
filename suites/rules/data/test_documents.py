"""Every document meets its schema, field by field."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.family("documents")


def test_rule(zava_rule: Callable[[], None]) -> None:
    zava_rule()

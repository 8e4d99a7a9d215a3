"""Vectors are complete, of the right size, finite and not zero."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.family("embeddings")


def test_rule(zava_rule: Callable[[], None]) -> None:
    zava_rule()

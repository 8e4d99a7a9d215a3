"""The tests that `pytest --zava` runs: one per rule, of all families."""

from __future__ import annotations

from collections.abc import Callable


def test_rule(zava_rule: Callable[[], None]) -> None:
    """Fail if the rule is broken."""
    zava_rule()

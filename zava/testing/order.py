"""The rule of a test, and the order of the tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pytest

from conformance.checks.base import Rule
from conformance.checks.joins.join import JoinTest


def rule_of(item: pytest.Item) -> str | None:
    """Return the id of the rule that a test is for, None when it is for none."""
    return item.callspec.params.get("rule_id") if hasattr(item, "callspec") else None


def in_order(items: Iterable[pytest.Item], rules: Mapping[str, Rule]) -> list[pytest.Item]:
    """Return the tests in the order in which their results come.

    The rules are started with the first test. Tests without a rule run while the server is busy with them; then come
    the tests of rules in the order of the rules, the joins of large collections last.
    """
    order = {rule.id: (isinstance(rule.check, JoinTest), number) for number, rule in enumerate(rules.values())}
    return sorted(items, key=lambda item: order.get(rule_of(item) or "", (False, -1)))

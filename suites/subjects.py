"""Which tests there are and in what order: one per rule; others per collection, unique index or reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import pytest

from conformance.checks.base import Rule
from conformance.checks.joins.join import Join
from conformance.model.collection import Model

#: By the name of a test's argument: the id and the value of each of its tests.
SUBJECTS: Final[Mapping[str, Callable[[Model], Iterable[tuple[str, Any]]]]] = {
    "collection": lambda model: [(each.name, each) for each in model],
    "unique": lambda model: [
        (f"{each.name}.{index.subject}", (each, index)) for each in model for index in each.indexes if index.unique
    ],
    "reference": lambda model: [(f"{each.name}.{r.field}", r) for each in model for r in each.references],
}


def rule_of(item: pytest.Item) -> str | None:
    """Return the id of the rule that a test is for, None when it is for none."""
    return item.callspec.params.get("rule_id") if hasattr(item, "callspec") else None


def in_order(items: Iterable[pytest.Item], rules: Mapping[str, Rule]) -> list[pytest.Item]:
    """Return the tests in the order in which their results come.

    The rules are started with the first test. Tests without a rule run while the server is busy with them; then come
    the tests of rules in the order of the rules, the joins of large collections last.
    """
    order = {rule.id: (isinstance(rule.check, Join), number) for number, rule in enumerate(rules.values())}
    return sorted(items, key=lambda item: order.get(rule_of(item) or "", (False, -1)))

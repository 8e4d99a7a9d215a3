"""Family totals: the arithmetic of config/rules.yaml, in whole cents."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.checks.base import Rule
from conformance.config.configuration import Configuration
from conformance.model.collection import Model
from conformance.rules.data.configured import configured_rules


def rules(model: Model, configuration: Configuration) -> Iterator[Rule]:
    """Yield one rule per entry of config/rules.yaml with this family."""
    yield from configured_rules(model, configuration, "totals")

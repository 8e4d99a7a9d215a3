"""Family business: what this model says of its prices, dates and shares in config/rules.yaml."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.checks.base import Rule
from conformance.config.configuration import Configuration
from conformance.model.collection import Model
from conformance.rules.data.configured import statements


def rules(model: Model, configuration: Configuration) -> Iterator[Rule]:
    """One rule per statement of config/rules.yaml with this family."""
    yield from statements(model, configuration, "business")

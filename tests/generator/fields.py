"""Fields of every kind, and values that are drawn for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given

from conformance.checks.base import Document
from conformance.config.loading import load_configuration
from conformance.config.settings import load_settings
from conformance.model.collection import Model
from generator.columns.plan import Plan
from tests.profiles import examples


def drawn(strategy: Any, number: int = 250) -> list[Any]:
    """Return values of a strategy."""
    found: list[Any] = []

    @examples(number)
    @given(strategy)
    def gather(value: Any) -> None:
        found.append(value)

    gather()
    return found


def generated(model: Model, name: str, **settings: Any) -> list[Document]:
    """Return the generated documents of one collection."""
    given_settings = load_settings(Path("none"), **settings)
    plan = Plan(model, load_configuration(model, given_settings.constants()), given_settings)
    return [document for made, batch in plan.documents() if made == name for document in batch]

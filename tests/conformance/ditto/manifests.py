"""The plan of the shipped configuration as a manifest, and its differences from a text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from conformance.config.settings import Settings, load_settings
from conformance.ditto.manifest import Names, Plan, build, load_plan
from conformance.ditto.manifest_comparison import bridges, compare
from conformance.files.yaml_documents import read_documents
from conformance.model.collection import Model

NAMES: Final = Names("connector", "retail", "main", "mongodb", "connectionString")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with the default database, zava."""
    monkeypatch.delenv("MONGODB_DATABASE", raising=False)
    return load_settings(tmp_path / ".env")


@pytest.fixture
def plan(model: Model, settings: Settings) -> Plan:
    """Return the plan of the shipped configuration."""
    return load_plan(model, settings)


def as_text(plan: Plan) -> str:
    return yaml.safe_dump(build(plan, NAMES), sort_keys=False)


def lines_of(model: Model, plan: Plan, text: str) -> list[str]:
    """Return every difference of a text from the model, as printed."""
    return [each.describe("m.yaml") for each in compare(model, plan, bridges(read_documents(text, "m.yaml")))]


def variant(plan: Plan, **changes: Any) -> Plan:
    """Return the plan with other settings for orders."""
    return replace(plan, collections={**plan.collections, "orders": replace(plan.collections["orders"], **changes)})

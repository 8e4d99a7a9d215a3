"""Git checkouts of a model, and the outcomes of family security for them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from conformance.checks.base import Context
from conformance.config.settings import Settings
from conformance.model.schemas.loading import load_model
from conformance.results import Outcome
from conformance.rules.server.security import rules
from tests.validation import ROOT, configuration_for, run_rules

CREDENTIALS, IGNORED, SAMPLE, MASKED = (
    "security._config.credentials",
    "security._config.env_ignored",
    "security._config.env_sample",
    "security._database.masked_uri",
)

HEX = "0f9a8b7c6d5e4f3a2b1c"


Checkout = Callable[..., Path]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """Make a git checkout of these files (name: text). All are tracked, except those that git ignores."""

    def make(*, add: bool = True, **files: str) -> Path:
        _git(tmp_path, "init", "--quiet")
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("DOT", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        if add:
            _git(tmp_path, "add", "--all")
        return tmp_path

    return make


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def verdict(root: Path, own: Path = ROOT, **settings: Any) -> dict[str, Outcome]:
    """Return the family's outcomes for a folder, with the project's model or another. No rule queries the database."""
    model = replace(load_model(own), root=root)
    nothing: Any = MongoClient(connect=False)["nothing"]
    chosen = Settings(**settings)
    context = Context(model, configuration_for(model), chosen, nothing, embedded=True, scratch=None, sample_size=50)
    return run_rules(rules(model, context.configuration), context)

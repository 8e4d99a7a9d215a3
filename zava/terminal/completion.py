"""Completions for a shell; none without a model."""

from __future__ import annotations

from collections.abc import Sequence

import typer

from conformance.checks.base import Rule
from conformance.errors import HarnessError
from conformance.run.session import load_project


def rule_ids(context: typer.Context, incomplete: str) -> list[str]:
    """Return the ids of rules that begin so."""
    return [rule.id for rule in _rules(context) if rule.id.startswith(incomplete)]


def rule_parts(context: typer.Context, incomplete: str) -> list[str]:
    """Return the families that begin so, and after a family's dot the ids of its rules."""
    rules = _rules(context)
    families = {rule.family for rule in rules}
    names = [rule.id for rule in rules] if "." in incomplete else sorted(families)
    return [name for name in names if name.startswith(incomplete)]


def collections(context: typer.Context, incomplete: str) -> list[str]:
    """Return the collections that begin so."""
    return sorted({rule.collection for rule in _rules(context) if rule.collection.startswith(incomplete)})


def _rules(context: typer.Context) -> Sequence[Rule]:
    model = context.parent.params.get("model") if context.parent is not None else None
    try:
        return load_project(model).rules
    except HarnessError:
        return []

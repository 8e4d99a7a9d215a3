"""Configuration files that rules read when they run: a broken one is a finding of one rule, and the rest is skipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from conformance.checks.base import Context, Rule, listed, skipped
from conformance.errors import ConfigurationError, FileError
from conformance.results import Outcome, Sample


def unreadable(
    context: Context, rules: Sequence[Rule], file: str, error: ConfigurationError, told_by: str
) -> Mapping[str, Outcome]:
    """Outcomes when a file (``config/…``) cannot be read: the rule ``told_by`` says so, the others point to it.

    A model without synced collections needs no such file; the rules are skipped then.
    """
    if not any(collection.synced for collection in context.model) and not (context.model.root / file).exists():
        return {rule.id: skipped(f"no collection is synced, so {file} is not needed") for rule in rules}
    found = listed(context, 1, [Sample(_in_file(error, context.model.root / file), ref=file)])
    elsewhere = skipped(f"{file} cannot be read: see {told_by}")
    return {rule.id: found if rule.id == told_by else elsewhere for rule in rules}


def _in_file(error: ConfigurationError, path: Path) -> str:
    """Return the message for a reader who knows the file."""
    if not isinstance(error, FileError) or error.location.path != path:
        return str(error)
    line = error.location.line
    return error.in_file if line is None else f"line {line}: {error.in_file}"

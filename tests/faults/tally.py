"""The summary of the catalogue in the terminal; a separate module, because pytest loads conftest.py twice."""

from __future__ import annotations

from typing import Final

import pytest

from tests.faults.engine.expectations import Verdict

#: By fault: whether it was caught, and whether a rule that it does not name reported it, too.
_VERDICTS: Final = pytest.StashKey[dict[str, tuple[bool, bool]]]()


def count(config: pytest.Config, verdict: Verdict) -> None:
    """Record a verdict for the summary."""
    config.stash.setdefault(_VERDICTS, {})[verdict.fault.id] = (verdict.caught, bool(verdict.wrong))


def in_words(config: pytest.Config) -> str | None:
    """Return such as ``969 faults, 969 caught, 0 by the wrong rule``; None if no fault was made."""
    verdicts = config.stash.get(_VERDICTS, {}).values()
    caught = sum(was_caught for was_caught, _ in verdicts)
    wrong = sum(by_another for _, by_another in verdicts)
    return f"{len(verdicts)} faults, {caught} caught, {wrong} by the wrong rule" if verdicts else None

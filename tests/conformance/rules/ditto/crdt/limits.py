"""Ditto's limits for documents, and the reason of an outcome."""

from __future__ import annotations

from conformance.results import Outcome

#: Ditto's limits in bytes and levels; written out, to compare the module's own constants with them.
TYPICAL_SIZE, HARD_SIZE, MAX_DEPTH, MAX_ID_BYTES = 102_400, 512_000, 29, 254


def why(outcome: Outcome) -> str | None:
    """Return the reason for the only document; None if it passes."""
    assert outcome.examined == 1
    assert len(outcome.samples) == outcome.violations
    return outcome.samples[0].why if outcome.samples else None

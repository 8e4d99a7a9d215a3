"""Running rules: a signal ends the run at any moment."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from conformance.checks.base import Rule
from conformance.results import Outcome
from conformance.run.runner import Run
from tests.conformance.embedded.processes import eventually


def passed(_: Any, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
    """Return the outcome of a check without violations."""
    return {rule.id: Outcome(examined=1, violations=0) for rule in rules}


def test_signal_during_the_start_of_rules_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A waiting thread keeps its process alive: zava conform once in a few hundred runs did not end on SIGTERM."""
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    elsewhere = SimpleNamespace(client=SimpleNamespace(address=None))
    context: Any = SimpleNamespace(partition=None, database=elsewhere)
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught, Run([Rule("counts.a.b", "", passed)], context):
        pytest.fail("it was interrupted before")
    assert eventually(
        lambda: not [each for each in threading.enumerate() if each.name.startswith(("rules", "survey"))], 20
    )
    assert caught.traceback  # pytest, too, keeps a reference to an interrupted frame

"""Running rules: what a signal interrupts ends, at whichever moment it comes."""

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
    """A check that finds nothing amiss."""
    return {rule.id: Outcome(examined=1, violations=0) for rule in rules}


def test_a_signal_while_the_rules_are_begun_leaves_no_thread_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that waits for ever keeps its process: zava conform did not end at SIGTERM, once in a few hundred."""
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        raise KeyboardInterrupt

    context: Any = SimpleNamespace(partition=None)
    monkeypatch.setattr(threading.Thread, "start", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught, Run([Rule("counts.a.b", "", passed)], context):
        pytest.fail("it was interrupted before")
    assert eventually(lambda: not [each for each in threading.enumerate() if each.name.startswith("rules")], 20)
    assert caught.traceback  # which holds what was interrupted, as pytest does

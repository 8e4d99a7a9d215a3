"""The bridge while the wall clock is set."""

from __future__ import annotations

import time

import pytest

from edge.bridge.wall_clock import WallClock
from tests.edge.bridge.pair import Pair, edge, pair, synced

__all__ = ["edge", "pair", "synced"]


@pytest.mark.parametrize("step", [-3600.0, -2.0, 3600.0])
def test_writes_sync_after_a_step_of_the_clock(pair: Pair, monkeypatch: pytest.MonkeyPatch, step: float) -> None:
    """They sync at once after a step in either direction; a step back is reported, and the store compared once."""
    things = pair.database["things"]
    things.insert_many([{"_id": f"{each}", "n": 0} for each in range(20)])
    original = time.time
    with pair.live(), monkeypatch.context() as clock:
        pair.device("UPDATE things SET n = 1 WHERE _id = '1'")
        clock.setattr(time, "time", lambda: original() + step)
        started = time.monotonic()
        pair.device("UPDATE things SET n = 1 WHERE _id = '2'")
        pair.device("DELETE FROM things WHERE _id = '3'")
        pair.store.insert("things", [{"_id": "new"}])
        pair.eventually(lambda: things.count_documents({"n": 1}) == 2)
        pair.eventually(lambda: things.count_documents({"_id": {"$in": ["3", "new"]}}) == 1)
        assert time.monotonic() - started < 15
        notice = f"the clock was set back by {-step:,.0f} seconds: comparing the store's documents"
        if step < 0:
            pair.eventually(lambda: notice in pair.notices)
        assert [line for line in pair.notices if "clock" in line] == ([notice] if step < 0 else [])


def test_step_of_the_clock_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, original = WallClock(), time.time
    assert clock.set_back() == 0.0
    monkeypatch.setattr(time, "time", lambda: original() - 60)
    assert clock.set_back() == pytest.approx(60, abs=0.5)
    assert clock.set_back() == 0.0
    monkeypatch.setattr(time, "time", original)
    assert clock.set_back() == 0.0

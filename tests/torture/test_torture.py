"""The bridge under faults: no loss, no reverted acknowledged write, no process that does not end (`make soak`).

Each scenario prints its seed; TORTURE_SEED=… repeats the run with that seed. What both sides must hold in the end is
decided in tests/torture/comparison.py, which knows nothing of the bridge.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest

from conformance.embedded.server import EmbeddedServer
from edge.store.sdk import unavailable
from tests.root import ROOT
from tests.torture.arena import Arena, arena_of
from tests.torture.faults.names import FAULTS

pytestmark = [pytest.mark.server, pytest.mark.ditto]

#: Faults that can follow each other in one run.
MIXED: Final = ("killed", "clock_swings", "server_killed", "link_cut", "images_off", "transactions", "commits_in_doubt")
_CLOCKS: Final = ("clock_back", "clock_forward", "clock_swings")
_MIXES: Final = 4


@pytest.fixture(scope="module")
def tortured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server for this file only, which tests kill and make fail."""
    reason = unavailable()
    if reason is not None:
        pytest.skip(reason)
    extra_args = ["--setParameter", "enableTestCommands=1"]
    with EmbeddedServer(tmp_path_factory.mktemp("tortured"), cache_gb=0.25, extra_args=extra_args) as server:
        yield server


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """Return a library that steps the wall clock of processes that load it; None without a C compiler."""
    source = ROOT / "tests" / "torture" / "stepped_clock.c"
    library = tmp_path_factory.mktemp("clock") / "stepped_clock.so"
    if shutil.which("cc") is None:
        return None
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(source)], check=True)
    return library


@pytest.fixture
def seed(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> int:
    """Return the seed of a run, printed so that the run can be repeated."""
    chosen = int(os.environ.get("TORTURE_SEED") or random.SystemRandom().randrange(2**31))
    with capsys.disabled():
        print(f"\n{request.node.name}: TORTURE_SEED={chosen}")
    return chosen


def run(arena: Arena, names: Sequence[str], *, live: bool = True) -> None:
    """Run the faults one after the other while both sides write, then compare both sides.

    ``live``: expect first that what is written then crosses without a restart.
    """
    began = time.monotonic()
    arena.mongo.begin_chatter()
    process = arena.start()
    for name in names:
        process = FAULTS[name](arena, process)
    process.in_step()
    if live:
        arena.both_ways(process)
    time.sleep(1)
    arena.mongo.end_chatter()
    process.send("chat", on=False)
    process.stop()
    found = arena.problems("a")
    assert not found, "\n".join(found[:20])
    print(f"{arena.journal.acknowledged} writes to fields were acknowledged, {time.monotonic() - began:.0f} s")
    assert arena.journal.acknowledged > 20, "hardly anything was written"


@pytest.mark.soak
@pytest.mark.parametrize("name", FAULTS)
def test_bridge_survives_a_fault(
    tortured: EmbeddedServer, clock: Path | None, tmp_path: Path, seed: int, name: str
) -> None:
    if name in _CLOCKS and clock is None:
        pytest.skip("a C compiler is needed to step the clock: apt-get install gcc")
    if name == "state_disk_full" and os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    with arena_of(tmp_path, tortured, seed, clock) as arena:
        run(arena, [name])


@pytest.mark.soak
@pytest.mark.parametrize("number", range(_MIXES))
def test_bridge_survives_a_mix_of_faults(
    tortured: EmbeddedServer, clock: Path | None, tmp_path: Path, seed: int, number: int
) -> None:
    names = [name for name in MIXED if clock is not None or name not in _CLOCKS]
    with arena_of(tmp_path, tortured, seed + number, clock) as arena:
        run(arena, arena.chance.choices(names, k=4))


#: A bridge that is wrong on purpose, and the expected problem.
SABOTAGE: Final = {
    "loses_changes_of_mongodb": "is back; mongo had overwritten it",
    "loses_changes_of_devices": "instead of",
    "deletes_instead": "was made, was never deleted, and is lost",
    "reverts": "is back; a had overwritten it",
    "does_not_end": "does not end",
}


@pytest.mark.soak
@pytest.mark.parametrize("name", SABOTAGE)
def test_faulty_bridge_is_detected(tortured: EmbeddedServer, tmp_path: Path, seed: int, name: str) -> None:
    """Otherwise the torture tests could not fail."""
    with (
        arena_of(tmp_path, tortured, seed, sabotage=(name,)) as arena,
        pytest.raises(AssertionError, match=SABOTAGE[name]),
    ):
        run(arena, ["calm"], live=False)


def test_bridge_survives_a_short_mix_of_faults(
    tortured: EmbeddedServer, clock: Path | None, tmp_path: Path, seed: int
) -> None:
    """The short version runs before each commit: a few stray documents, and a clock that steps back."""
    with arena_of(tmp_path, tortured, seed, clock) as arena:
        run(arena, ["few_strays", *(["clock_back"] if clock else [])])

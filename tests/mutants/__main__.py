"""Mutation testing of the rules: `python -m tests.mutants [PATTERN] [--minutes 60] [--again]`.

Each mutant of a module in subjects.yaml is tried by trial.py. Survivors must be listed, with the reason, in
survivors.yaml; the exit code is 1 if one is not listed, or if fewer than 95 % of the mutants are killed.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from conformance.embedded.server import EmbeddedServer
from tests.mutants.ground import Ready, prepare, ready
from tests.mutants.session import DirtyGroundError, Mutant, Session, forget_survivors
from tests.mutants.subjects import Subject, subjects
from tests.mutants.survivors import counts, survivors
from tests.root import ROOT
from zava.figures import run_now, save

WANTED: Final = 0.95
KEPT_IN: Final = ROOT / "reports" / "mutants.sqlite"


def main() -> int:
    """Try what is pending, and report on all that was tried."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("pattern", nargs="?", default="", help="only modules whose path has this in it")
    parser.add_argument("--minutes", type=float, default=60, help="stop after so many; the next run goes on")
    parser.add_argument("--again", action="store_true", help="try the survivors again")
    given = parser.parse_args()
    os.chdir(ROOT)
    run = run_now("make mutants")
    KEPT_IN.parent.mkdir(exist_ok=True)
    if given.again and KEPT_IN.exists():
        forget_survivors(KEPT_IN)
    session = Session(KEPT_IN, subjects())
    chosen = {subject.path: subject for subject in subjects(given.pattern)}
    pending = [item for item in session.pending() if str(item.mutations[0].module_path) in chosen]
    random.Random(1).shuffle(pending)  # so that a run that is stopped early covers every module
    if pending:
        _try(session, pending, [*chosen.values()], time.monotonic() + 60 * given.minutes)
    tried, left = [mutant for mutant in session.tried() if mutant.path in chosen], len(session.pending())
    if not given.pattern:
        killed = sum(mutant.killed_by is not None for mutant in tried)
        save(ROOT / "docs" / "figures" / "mutants.json", run, {"Mutants": [counts(len(tried), killed, left)]})
    return _report(tried, left)


def _try(session: Session, pending: list, wanted: list[Subject], until: float) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="mutants-") as name,
        EmbeddedServer((folder := Path(name)) / "server", cache_gb=0.25) as server,
    ):
        prepared = _prepared(server.uri, folder, wanted)
        for number, item in enumerate(pending, 1):
            if time.monotonic() > until:
                return
            try:
                mutant = session.attempt(item, prepared)
            except DirtyGroundError:
                mutant = session.attempt(item, _prepared(server.uri, folder, wanted))
            killed_by = mutant.killed_by or "SURVIVED"
            print(f"{number}/{len(pending)} {mutant.path} {mutant.change[:110]}: {killed_by[:110]}", file=sys.stderr)


def _prepared(uri: str, folder: Path, wanted: list[Subject]) -> Ready:
    """Prepare in a separate process: this one must not import mutated modules."""
    note = folder / "ground"
    work = get_context("spawn").Process(target=prepare, args=(uri, folder / "model", "mutants", note, wanted))
    work.start()
    work.join()
    if work.exitcode:
        sys.exit("the preparation failed; the error is above")
    return ready(note)


def _report(tried: list[Mutant], left: int) -> int:
    listed = {one.change for one in survivors()}
    alive_ones = [mutant for mutant in tried if mutant.killed_by is None]
    number, alive = Counter(mutant.path for mutant in tried), Counter(mutant.path for mutant in alive_ones)
    for path in sorted(number):
        print(f"{path}: {number[path] - alive[path]} of {number[path]} killed")
    unlisted = [mutant for mutant in alive_ones if (mutant.path, mutant.change) not in listed]
    for mutant in unlisted:
        print(f"not listed: {mutant.path} {mutant.definition}: {mutant.change}")
    killed = len(tried) - len(alive_ones)
    share = killed / len(tried) if tried else 0.0
    print(f"{len(tried)} mutants, {killed} killed ({share:.1%}), {len(unlisted)} not listed, {left} not tried")
    return int(share < WANTED or bool(unlisted))


if __name__ == "__main__":
    sys.exit(main())

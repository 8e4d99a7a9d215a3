"""Cosmic Ray's session: all mutants, those that were tried, and their results."""

from __future__ import annotations

import difflib
import fcntl
import os
import re
import resource
import signal
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cosmic_ray.plugins
from cosmic_ray.commands.init import init
from cosmic_ray.mutating import mutate_code
from cosmic_ray.work_db import WorkDB
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkItem, WorkResult

from tests.mutants.aggregation import Provider
from tests.mutants.ground import Ready
from tests.mutants.subjects import Subject
from tests.mutants.trial import DIRTY, killed_by
from tests.root import ROOT

#: Cosmic Ray replaces each operator by every other; the nearest alone tells as much in a tenth of the time.
_EXCHANGES: Final = frozenset(
    f"core/Replace{kind}Operator_{old}_{new}"
    for kind, pairs in {
        "Binary": ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "FloorDiv_Div", "Mod_Mul", "Pow_Mul", "BitAnd_BitOr"),
        "Comparison": (
            "Eq_NotEq", "NotEq_Eq", "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Is_IsNot", "IsNot_Is", "In_NotIn",
            "NotIn_In",
        ),
        "Unary": ("USub_UAdd", "Delete_Not", "Delete_USub"),
    }.items()
    for old, new in (pair.split("_") for pair in pairs)
)  # fmt: skip
#: Cosmic Ray makes a larger and a smaller number of each; the smaller one is left out.
_NUMBERS: Final = "core/NumberReplacer"
#: Text before numbers that do not affect results: lengths of shown texts, sizes of batches and of what is kept in
#: memory, waiting times, projections.
_NOT_EVALUATED: Final = re.compile(
    r"\[:\s*$|\b(shorten|round)\(.*,\s*$|^_?(KEYS|AWAIT_MS|AT_ONCE|BATCH|CHUNK|LAYOUTS|MEMORY|MOST(_PARTS)?|SIZES)\b.*$"
    r'|(, |[({])(\{"?\w+(\.\w+)?"?: |fromkeys\(\w+, )$'
    r"|\{\w+(\.\w+)?: 1, \w+(\.\w+)?: $"
)
#: Seconds after which a mutant that still runs is one that never ends.
PATIENCE: Final = 300
#: Bytes of address space of a mutant: several times what the original takes, and less than a small machine has.
MEMORY: Final = 8 << 30


@dataclass(frozen=True)
class Mutant:
    """A mutation that was tried: the changed lines, and the difference from the original (None: it survived)."""

    path: str
    definition: str
    removed: str
    added: str
    killed_by: str | None

    @property
    def change(self) -> str:
        """Return the change in the form of the list of survivors."""
        return f"{self.removed} → {self.added}"


def forget_survivors(file: Path) -> None:
    """Let the next run try them again."""
    with sqlite3.connect(file) as database:
        database.execute("DELETE FROM work_results WHERE test_outcome = 'SURVIVED'")


def is_asked(mutation: MutationSpec, line: str) -> bool:
    """Return whether the mutation changes something that a rule evaluates, and is not one of many similar ones."""
    name = mutation.operator_name
    before = line[: mutation.start_pos[1]]
    if line.lstrip().startswith("@") or before.endswith(("allowDiskUse=", "strict=")):
        return False  # comparisons of classes, caches, allowDiskUse of sorts, arguments of zip
    if name == _NUMBERS:
        return mutation.occurrence % 2 == 0 and not _NOT_EVALUATED.search(before)
    return "Operator_" not in name or name in _EXCHANGES


class Session:
    """The mutants of some modules, kept in a file so that an interrupted run can be resumed."""

    def __init__(self, file: Path, subjects: list[Subject]) -> None:
        cosmic_ray.plugins.OPERATOR_PROVIDERS["aggregation"] = Provider()
        self._subjects = {subject.path: subject for subject in subjects}
        new = not file.exists()
        self._db = WorkDB(str(file), WorkDB.Mode.create)
        if new:
            init([Path(path) for path in self._subjects], self._db, {})
            lines = {path: (ROOT / path).read_text(encoding="utf-8").splitlines() for path in self._subjects}
            for item in self._db.pending_work_items:
                mutation = item.mutations[0]
                if not is_asked(mutation, lines[str(mutation.module_path)][mutation.start_pos[0] - 1]):
                    self._db.set_result(item.job_id, WorkResult(WorkerOutcome.SKIPPED))

    def pending(self) -> list[WorkItem]:
        """The mutants that were not tried."""
        return list(self._db.pending_work_items)

    def attempt(self, item: WorkItem, prepared: Ready) -> Mutant:
        """Try one mutant in a separate process, and keep the result."""
        (mutation,) = item.mutations
        path = str(mutation.module_path)
        operator = cosmic_ray.plugins.get_operator(mutation.operator_name)(**mutation.operator_args)
        original = (ROOT / path).read_text(encoding="utf-8")
        source = mutate_code(original, operator, mutation.occurrence)
        found = "it changes nothing" if source is None else _in_a_process(self._subjects[path], source, prepared)
        if found == DIRTY:
            raise DirtyGroundError
        outcome = TestOutcome.SURVIVED if found is None else TestOutcome.KILLED
        removed, added = _change(original, source or original)
        diff = f"{removed}\n{added}\n{mutation.definition_name or ''}"
        self._db.set_result(item.job_id, WorkResult(WorkerOutcome.NORMAL, found, outcome, diff))
        return Mutant(path, mutation.definition_name or "", removed, added, found)

    def tried(self) -> Iterator[Mutant]:
        """Every mutant that was tried."""
        items = {item.job_id: item for item in self._db.work_items}
        for job, result in self._db.results:
            if result.worker_outcome == WorkerOutcome.NORMAL:
                removed, added, definition = (result.diff or "\n\n").split("\n", 2)
                path = str(items[job].mutations[0].module_path)
                yield Mutant(path, definition, removed, added, result.output)


class DirtyGroundError(Exception):
    """The databases have changed: an earlier trial or the server was interrupted."""


def _change(original: str, mutated: str) -> tuple[str, str]:
    """Return the removed and the added lines, each joined into one line."""
    removed, added = [], []
    for line in difflib.unified_diff(original.splitlines(), mutated.splitlines(), lineterm="", n=0):
        if line.startswith("-") and not line.startswith("---"):
            removed.append(line[1:].strip())
        if line.startswith("+") and not line.startswith("+++"):
            added.append(line[1:].strip())
    return " ".join(removed), " ".join(added)


def _in_a_process(subject: Subject, source: str, prepared: Ready) -> str | None:
    """Run killed_by() in a process; one that dies, does not end or asks for too much memory is a result too."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reading)
            os.setsid()
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            nowhere = os.open(os.devnull, os.O_RDWR)
            for stream in range(3):
                os.dup2(nowhere, stream)
            answer = killed_by(subject, source, prepared)
            os.write(writing, b"-" if answer is None else b"+" + answer.encode(errors="replace")[:4000])
        finally:
            os._exit(0)
    os.close(writing)
    fcntl.fcntl(reading, fcntl.F_SETFL, os.O_NONBLOCK)
    deadline = time.monotonic() + PATIENCE
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "it never ends"
        time.sleep(0.01)
    with os.fdopen(reading, "rb") as pipe:
        answer_read = pipe.read() or b"+it died"
    return None if answer_read == b"-" else answer_read[1:].decode(errors="replace")

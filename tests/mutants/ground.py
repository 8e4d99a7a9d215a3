"""The ground of a trial: conformant databases, what all rules find on them, and the faults that they must report.

It is prepared once, in a process of its own, and read before the first fork. So everything is imported here and not at
the top: the process that forks must not have imported any module that is mutated.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.mutants.subjects import Subject, subjects
from tests.root import ROOT

if TYPE_CHECKING:
    from conformance.config.configuration import Configuration
    from conformance.model.collection import Model
    from tests.faults.catalogue import Catalogue, Fault
    from tests.faults.engine.fault_runner import FaultRunner
    from tests.faults.engine.place import Place

#: Faults of one name (a pattern makes one for each field) that are tried.
_OF_A_KIND: Final = 2
#: Modules that take long to import, and those of what a note holds.
_SLOW: Final = (
    "numpy",
    "pymongo",
    "pytest",
    "scipy.special",
    "scipy.stats",
    "conformance.config.loading",
    "tests.faults.catalogue",
    "tests.faults.engine.server_state",
)


@dataclass(frozen=True)
class Ground:
    """Preparation for every trial: conformant databases, the results of all rules on them, the faults by subject."""

    root: Path
    uri: str
    prefix: str
    clean: Mapping[str, Mapping[str, dict[str, Any]]]
    readers: Mapping[str, frozenset[str]]
    hashes: Mapping[str, Mapping[str, str]]
    faults: Mapping[str, Sequence[Fault]]


@dataclass(frozen=True)
class Ready:
    """The ground with the data read from it before the first fork, shared by every trial."""

    ground: Ground
    model: Model
    configuration: Configuration


def preload() -> None:
    """Import slow modules that are not mutated, so that trials need not."""
    for name in _SLOW:
        import_module(name)
    refuse_originals()


def refuse_originals() -> None:
    """Raise RuntimeError if a module that is mutated was imported: in every trial it would stand in for the mutant."""
    mutated = {subject.module for subject in subjects()} & sys.modules.keys()
    if mutated:
        raise RuntimeError(f"imported before the mutants: {', '.join(sorted(mutated))}; trials could not replace them")


def ready(note: Path) -> Ready:
    """Read the note; see `preload`."""
    preload()
    from conformance.config.loading import load_configuration
    from conformance.config.settings import Settings
    from conformance.model.schemas.loading import load_model

    ground: Ground = pickle.loads(note.read_bytes())  # noqa: S301 - our own process wrote it
    model = load_model(ground.root)
    found = Ready(ground, model, load_configuration(model, Settings().constants()))
    refuse_originals()  # the note, the model and the configuration have imported nothing else
    return found


def prepare(uri: str, root: Path, prefix: str, note: Path, wanted: Sequence[Subject]) -> None:
    """Make the databases again; the first time, also record in ``note`` which faults the original reports on them."""
    from pymongo import MongoClient

    from conformance.model.schemas.loading import load_model
    from tests.faults.catalogue import load_catalogue
    from tests.faults.engine.place import Place
    from tests.faults.engine.reading import readers
    from tests.faults.engine.server_state import hashes

    with MongoClient[dict[str, Any]](uri) as client:
        shutil.rmtree(root, ignore_errors=True)
        place = Place.copied(ROOT, root, client, prefix)
        runner = quick_runner(place)
        bases = sorted({base for subject in wanted for base in subject.bases})
        databases = {base: place.database(base) for base in bases}
        if note.exists():
            return
        clean = {base: runner.clean(base) for base in bases}
        context, rules = runner.context(bases[0])
        catalogue = load_catalogue(load_model(ROOT))
        candidates = {subject.path: list(_candidates(subject, catalogue)) for subject in wanted}
        right = {fault.id: _holds(runner, fault) for faults in candidates.values() for fault in faults}
        ground = Ground(
            root,
            uri,
            prefix,
            {base: {rule: summary(result) for rule, result in results.items()} for base, results in clean.items()},
            readers(rules, context),
            {base: hashes(database, context.model.collections) for base, database in databases.items()},
            {
                subject.path: [_limited(fault, subject) for fault in candidates[subject.path] if right[fault.id]]
                for subject in wanted
            },
        )
    for files in sorted({subject.tests for subject in wanted}):
        for failure in failures_of_tests(files, uri):
            raise RuntimeError(f"not of a mutant but of the original: {failure}")
    note.write_bytes(pickle.dumps(ground))


def _holds(runner: FaultRunner, fault: Fault) -> bool:
    """Return whether the original reports the fault as declared here too; a small base may lack its subject."""
    try:
        return not runner.verdict(fault).problems
    except AssertionError:
        return False


def _candidates(subject: Subject, catalogue: Catalogue) -> Iterator[Fault]:
    """Yield first the faults that the subject's families must report, then others, which they must not report.

    Few of a kind, and those that are single first: they say most. What is for the usual base is tried on a smaller one
    where the subject has one; whether it holds there is seen then.
    """
    everything = [
        fault
        for fault in (*catalogue.faults, *catalogue.harmless)
        if not fault.families or set(fault.families) & set(subject.families)
    ]
    number = Counter(_kind(fault) for fault in everything)
    own = [fault for fault in everything if _expected(fault, subject.families)]
    others = [
        fault for fault in everything if number[_kind(fault)] > 1 and not _expected(fault, subject.families)
    ]  # made by patterns: values of every unusual type and form
    of_a_kind: Counter[str] = Counter()
    for faults, enough in ((own, _OF_A_KIND), (others, 1)):
        for fault in sorted(faults, key=lambda fault: number[_kind(fault)]):
            base = fault.base if fault.base in subject.bases else "tiny" if fault.base == "small" else ""
            if base in subject.bases and of_a_kind[_kind(fault)] < enough:
                of_a_kind[_kind(fault)] += 1
                yield replace(fault, id=f"{fault.id}@{base}", base=base)


def _expected(fault: Fault, families: Sequence[str]) -> bool:
    """Return whether a rule of these families must report the fault."""
    return any(rule.split(".")[0] in families for rule in (*fault.fails, *fault.warns))


def _kind(fault: Fault) -> str:
    return fault.id.rpartition(".")[2]


def _limited(fault: Fault, subject: Subject) -> Fault:
    """Return the fault limited to the subject's families."""
    own = {
        kind: {rule: wanted for rule, wanted in getattr(fault, kind).items() if rule.split(".")[0] in subject.families}
        for kind in ("fails", "warns")
    }
    skips = tuple(pattern for pattern in fault.skips if pattern.split(".")[0] in (*subject.families, "*"))
    families = tuple(family for family in fault.families if family in subject.families)
    return replace(fault, **own, skips=skips, families=families)


def summary(result: Any) -> dict[str, Any]:
    """Return all that a report shows of a result, except its duration."""
    shown: dict[str, Any] = {**result.as_json(), "why": result.why, "fix": result.fix}
    del shown["duration_s"]
    return shown


def quick_runner(place: Place, **given: Any) -> FaultRunner:
    """Return a fault runner that does not verify the undo, which is not mutated."""
    from tests.faults.engine.fault_runner import FaultRunner

    class Quick(FaultRunner):
        def _left(self, *_: Any) -> Iterator[str]:
            return iter(())

    return Quick(place, lambda: place.root.with_suffix(".elsewhere"), **given)


def failures_of_tests(files: Sequence[str], uri: str) -> Iterator[str]:
    if not files:
        return
    import pytest

    os.environ["ZAVA_TEST_URI"] = uri
    os.chdir(ROOT)
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        code = pytest.main(["-x", "-q", "-p", "no:xdist", "-W", "ignore", *files])
    if code:
        yield f"the tests of {', '.join(files)} say so ({code})"

"""Trial of a mutant: the rules of its families on clean data, the faults that they must report, its own tests.

Everything is imported here and not at the top: a trial runs in a process that was forked before any of the modules
that are mutated was imported, and imports the mutant in the place of the original.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from tests.mutants.ground import Ground, Ready, failures_of_tests, quick_runner, summary
from tests.mutants.subjects import Subject
from tests.root import ROOT

if TYPE_CHECKING:
    from tests.faults.engine.fault_runner import FaultRunner

#: The databases have changed, or the server has ended: the results of the mutant are meaningless.
DIRTY: Final = "the ground is not clean"


def killed_by(subject: Subject, source: str, prepared: Ready) -> str | None:
    """Return what killed the mutant (``source`` in place of the subject); None if it survived."""
    sys.meta_path.insert(0, _Mutant(subject.module, source))
    from pymongo.errors import ConnectionFailure

    try:
        return next(_differences(subject, prepared), None)
    except ConnectionFailure:
        return DIRTY
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _differences(subject: Subject, prepared: Ready) -> Iterator[str]:
    from pymongo import MongoClient

    from conformance.rules.catalogue import all_rules
    from tests.faults.engine.place import Place
    from tests.faults.engine.server_state import hashes

    ground = prepared.ground
    with MongoClient[dict[str, Any]](ground.uri) as client:
        bases = {base: client[f"{ground.prefix}_{base}"] for base in ground.clean}
        place = Place(ground.root, client, ground.prefix, bases)
        for base in subject.bases:
            if hashes(bases[base], ground.hashes[base]) != ground.hashes[base]:
                yield DIRTY
        families = frozenset(subject.families)
        readers = {rule: names for rule, names in ground.readers.items() if rule.split(".")[0] in families}
        rules = [rule for rule in all_rules(prepared.model, prepared.configuration) if rule.family in families]
        runner = quick_runner(
            place, families=families, _readers=readers, _rules=(prepared.model, prepared.configuration, rules)
        )
        for base in subject.bases:
            yield from _on_clean_data(runner, base, ground)
        yield from _of_faults(runner, subject, ground)
    yield from failures_of_tests(subject.tests, ground.uri)


def _on_clean_data(runner: FaultRunner, base: str, ground: Ground) -> Iterator[str]:
    found = {rule: summary(result) for rule, result in runner.clean(base).items()}
    wanted = {rule: summary for rule, summary in ground.clean[base].items() if rule.split(".")[0] in runner.families}
    for rule in sorted(found.keys() ^ wanted.keys()):
        yield f"{rule} is there or not, otherwise than before"
    for rule, before in wanted.items():
        yield from (f"{rule}: {name} is {found[rule][name]!r}" for name in before if found[rule][name] != before[name])


def _of_faults(runner: FaultRunner, subject: Subject, ground: Ground) -> Iterator[str]:
    for fault in ground.faults[subject.path]:
        verdict = runner.verdict(fault)
        yield from (f"{fault.id}: {problem}" for problem in verdict.problems)
        if fault.fails or fault.warns:
            yield from () if verdict.caught else (f"{fault.id} is not caught",)


class _Mutant(MetaPathFinder, SourceFileLoader):
    """Import one module from other source than its file."""

    def __init__(self, module: str, source: str) -> None:
        super().__init__(module, str(ROOT / (module.replace(".", "/") + ".py")))
        self._source = source

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:  # noqa: ARG002
        """Find only its own module."""
        return spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002
        """The mutant's."""
        return compile(self._source, self.path, "exec")

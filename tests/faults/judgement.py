"""Judging: a fault is made, the rules it can touch are run, and what they say is held against what it declares."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from pymongo import MongoClient
from pymongo.database import Database

from conformance.embedded import EmbeddedServer
from conformance.results import Result
from conformance.rules.base import Context, Rule
from conformance.rules.catalogue import all_rules
from conformance.runner import Run
from tests.faults.catalogue import Fault
from tests.faults.documents import Touched, edit_documents
from tests.faults.place import Place, edited_files
from tests.faults.reading import METADATA, readers
from tests.faults.server_state import ServerState, digest
from tests.faults.values import made

Document = dict[str, Any]
Results = Mapping[str, Result]
#: Files below config/ and schemas/ that the rules read when they run; every other one is read when they are derived.
_READ_AT_RUN: Final = ("config/ditto_connector_config.yaml",)


@dataclass(frozen=True)
class Verdict:
    """What one fault did: the rules that named it, and everything that was not as declared (empty: caught)."""

    fault: Fault
    killed: tuple[str, ...]
    missed: tuple[str, ...]
    wrong: tuple[str, ...]
    problems: tuple[str, ...]
    rules_run: int


@dataclass
class Judge:
    """Runs faults against one place, each once; verdicts are kept by the fault's id and by whether all rules ran."""

    place: Place
    elsewhere: Callable[[], Path]
    _clean: dict[str, Results] = field(default_factory=dict)
    _digests: dict[str, Any] = field(default_factory=dict)
    _readers: Mapping[str, frozenset[str]] | None = None
    _verdicts: dict[tuple[str, bool], Verdict] = field(default_factory=dict)

    def verdict(self, fault: Fault, *, everything: bool = False) -> Verdict:
        """The fault's verdict; ``everything`` runs all rules rather than those that the edit can touch."""
        key = (fault.id, everything)
        if key not in self._verdicts:
            self._verdicts[key] = self._judge(fault, everything)
        return self._verdicts[key]

    def clean(self, base: str) -> Results:
        """What every rule says of a base without a fault."""
        if base not in self._clean:
            context = self._context(base, self.place.database(base))
            rules = all_rules(context.model, context.configuration)
            self._clean[base] = _run(rules, context)
            self._digests[base] = digest(context.database)
        return self._clean[base]

    # -- one fault -----------------------------------------------------------------------------------------------------

    def _judge(self, fault: Fault, everything: bool) -> Verdict:
        clean = self.clean(fault.base)
        files = [edit for edit in fault.edits if "file" in edit]
        named: dict[str, Document] = {}
        with ExitStack() as stack:
            database = stack.enter_context(self._database(fault))
            stack.enter_context(edited_files(self.place, files))
            changed = {key: value for edit in fault.edits for key, value in edit.get("settings", {}).items()}
            context = self._context(fault.base, database, **changed)
            stack.enter_context(_server(context, fault, self.elsewhere))
            state, touched = ServerState(database), Touched(database)
            stack.callback(state.undo)
            stack.callback(touched.undo)
            for edit in fault.edits:
                if "in" in edit:
                    edit_documents(database, touched, edit, named)
                elif "command" in edit:
                    state.run(made(edit["command"], named))
            context = context if not _moved(fault) else _moved_context(context, fault, stack, self.elsewhere)
            rules = self._touched(fault, context, touched, everything)
            found = _run(rules, context)
            expected = _Expected(fault, {rule.id: rule for rule in rules}, context.database, touched, named)
            verdict = expected.verdict(found, clean)
        return replace(verdict, problems=(*verdict.problems, *self._left(fault, rules, verdict.killed)))

    def _left(self, fault: Fault, rules: Sequence[Rule], killed: Sequence[str]) -> Iterator[str]:
        """What the undoing left over: another state, or rules that are not as before."""
        if fault.generate is not None:
            return
        context = self._context(fault.base, self.place.database(fault.base))
        if digest(context.database) != self._digests[fault.base]:
            yield "the database is not as it was before the fault"
        before = self.clean(fault.base)
        own = all_rules(context.model, context.configuration)
        for rule, result in _run([rule for rule in own if rule.id in killed], context).items():
            if (result.status, result.violations) != (before[rule].status, before[rule].violations):
                yield f"{rule} is {result.status} after the fault was undone"

    @contextmanager
    def _database(self, fault: Fault) -> Iterator[Database[Document]]:
        if fault.generate is None:
            yield self.place.database(fault.base)
            return
        database = self.place.generated(fault.base, made(fault.generate, {}))
        try:
            yield database
        finally:
            self.place.client.drop_database(database.name)

    def _context(self, base: str, database: Database[Document], **settings: Any) -> Context:
        model, given = self.place.model(), self.place.settings(base, **settings)
        scratch = self.place.client[f"{self.place.prefix}_scratch"]
        return Context(model, self.place.configuration(model, given), given, database, embedded=True, scratch=scratch)

    def _touched(self, fault: Fault, context: Context, touched: Touched, everything: bool) -> list[Rule]:
        """The rules that read what was edited; for what is read when rules are derived, all of them."""
        rules = all_rules(context.model, context.configuration)
        if fault.families:
            return [rule for rule in rules if rule.family in fault.families]
        broad = [edit for edit in fault.edits if not edit.keys() & {"in", "command"}]
        files = [edit["file"] for edit in fault.edits if "file" in edit]
        if files and not any(name.startswith(("config/", "schemas/")) and name not in _READ_AT_RUN for name in files):
            return rules if everything else [rule for rule in rules if rule.family in ("sync", "security")]
        if everything or broad or fault.generate is not None:
            return rules
        if self._readers is None:
            self._readers = readers(rules, self._context("small", self.place.database("small")))
        reads = self._readers
        seen = set(touched.after) | ({METADATA} if any("command" in edit for edit in fault.edits) else set())
        return [rule for rule in rules if rule.family == "counts" or reads[rule.id] & seen]


def _run(rules: Sequence[Rule], context: Context) -> Results:
    if not rules:
        return {}
    with Run(rules, context) as run:
        return {result.id: result for result in run.results()}

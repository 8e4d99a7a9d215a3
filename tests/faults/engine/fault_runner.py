"""Make faults, run the rules that they can touch, compare the results with what is declared, undo the faults."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from pymongo.database import Database
from pymongo.errors import PyMongoError

from conformance.checks.base import Context, Rule
from conformance.config.configuration import Configuration
from conformance.connection.decoding import OPTIONS
from conformance.model.collection import Model
from conformance.rules.catalogue import all_rules
from conformance.run.runner import Run
from tests.faults.catalogue import Edit, Fault
from tests.faults.engine.batches import declared
from tests.faults.engine.documents import Touched, edit_documents
from tests.faults.engine.expectations import Results, Verdict, verdict
from tests.faults.engine.place import Place, changes_rules, edited_files
from tests.faults.engine.reading import METADATA, readers
from tests.faults.engine.server_state import ServerState, hashes
from tests.faults.engine.servers import on_server
from tests.faults.engine.values import made

Document = dict[str, Any]
_OF_FILES: Final = ("sync", "permissions", "security")
#: Times that faults are made at the same time before each is made alone.
_ATTEMPTS: Final = 2


@dataclass
class _Made:
    """A fault that is being made, what it changed, and the documents that its edits gave a name."""

    fault: Fault
    touched: Touched
    named: dict[str, Document] = field(default_factory=dict)

    def done(self, database: Database[Document], state: ServerState | None, *, alone: bool) -> bool:
        """Carry out the edits; False where that is impossible beside other faults, and nothing of this one is left."""
        try:
            for edit in self.fault.edits:
                if "in" in edit:
                    edit_documents(database, self.touched, edit, self.named)
                elif "command" in edit and state:
                    state.run(made(edit["command"], self.named))
        except BaseException as error:
            self.touched.undo()
            if alone or not isinstance(error, AssertionError | PyMongoError):
                raise
            return False
        return True


@dataclass
class FaultRunner:
    """Runs faults at one place, each once; ``elsewhere`` makes a directory for another server.

    ``families`` limits everything to the rules of these families; an empty set means all.
    """

    place: Place
    elsewhere: Callable[[], Path]
    families: frozenset[str] = frozenset()
    _rules: tuple[Model, Configuration, list[Rule]] | None = None
    _clean: dict[str, Results] = field(default_factory=dict)
    _hashes: dict[str, Mapping[str, str]] = field(default_factory=dict)
    _readers: Mapping[str, frozenset[str]] | None = None
    _verdicts: dict[tuple[str, bool], Verdict] = field(default_factory=dict)
    _attempts: Counter[frozenset[tuple[str, bool]]] = field(default_factory=Counter)

    def verdict(self, fault: Fault, *, everything: bool = False, together: Sequence[Fault] = ()) -> Verdict:
        """Return the fault's verdict, worked out once; ``everything`` runs all rules, not only those it can touch.

        ``together`` are faults that may be made at the same time, see batches.py. Those whose verdict is then not as
        declared are made once more without the others, and in the end alone, so that no other fault can be the cause.
        """
        key = (fault.id, everything)
        batch = frozenset((one.id, everything) for one in together)
        while key in batch - self._verdicts.keys() and self._attempts[batch] < _ATTEMPTS:
            left = [one for one in together if (one.id, everything) not in self._verdicts]
            found = self._as_declared(left, everything)
            self._attempts[batch] += 1 if found else _ATTEMPTS
            self._verdicts |= {(one.fault.id, everything): one for one in found}
        if key not in self._verdicts:
            self._verdicts[key] = self._run_faults([fault], everything)[0]
        return self._verdicts[key]

    def _as_declared(self, together: Sequence[Fault], everything: bool) -> list[Verdict]:
        """Return the verdicts of faults made at the same time that are as declared."""
        try:
            return [one for one in self._run_faults(together, everything) if not one.problems]
        except LookupError:  # an edit of one took from a file what that of another changes
            return []

    def clean(self, base: str) -> Results:
        """Return the results of all rules on a base without a fault."""
        if base not in self._clean:
            context, rules = self._context(base, self.place.database(base))
            self._clean[base] = _run(rules, context)
            self._hashes[base] = hashes(context.database, context.model.collections)
        return self._clean[base]

    def _run_faults(self, faults: Sequence[Fault], everything: bool) -> list[Verdict]:
        """Make faults of one base, run the rules that they can touch, and undo them.

        A rule that one fault declares is not held against the others. Of several faults, one that cannot be made
        beside the others has no verdict.
        """
        base, edits = faults[0].base, [edit for fault in faults for edit in fault.edits]
        clean = self.clean(base)
        places: list[_Made] = []
        with ExitStack() as stack:
            database = stack.enter_context(self._database(faults[0]))
            stack.enter_context(edited_files(self.place, [edit for edit in edits if "file" in edit]))
            state = ServerState(database) if any("command" in edit for edit in edits) else None
            stack.callback(state.undo if state else lambda: None)
            for fault in faults:
                one = _Made(fault, Touched(database, [other.touched for other in places]))
                if one.done(database, state, alone=len(faults) == 1):
                    stack.callback(one.touched.undo)
                    places.append(one)
            context, rules = self._context(base, database, edits)
            for edit in edits:
                context = stack.enter_context(on_server(context, edit.get("server", {}), self.elsewhere))
            choices = [self._choice(one.fault, rules, one.touched, everything) for one in places]
            ids = {rule.id for choice in choices for rule in choice}
            chosen = [rule for rule in rules if rule.id in ids]
            found = _run(chosen, context)
            verdicts = []
            claims = [declared(one.fault, rules) for one in places]
            claimed = set[str]().union(*claims)
            for one, choice, claim in zip(places, choices, claims, strict=True):
                own = [rule for rule in choice if rule.id in claim or rule.id not in claimed]
                verdicts.append(verdict(one.fault, own, found, clean, context.database, one.touched, one.named))
        if faults[0].generate is not None:
            return verdicts
        killed = {rule for one in verdicts for rule in one.killed}
        problems = tuple(self._left(base, killed, state, {name for one in places for name in one.touched.after}))
        return [replace(one, problems=(*one.problems, *problems)) for one in verdicts]

    def _left(self, base: str, killed: Set[str], state: ServerState | None, touched: Set[str]) -> Iterator[str]:
        """Yield leftovers of the undo: another state, or a changed result of a rule that reported a fault.

        Where documents and state are the same as before, so is what rules find, unless they read files.
        """
        context, rules = self._context(base, self.place.database(base))
        names = context.model.collections if state else touched
        was = self._hashes[base]
        problems = []
        if names and hashes(context.database, names) != {name: was[name] for name in names}:
            problems.append("the documents are not as they were before the fault")
        if state and not state.same_as(ServerState(context.database)):
            problems.append("collections, options or indexes are not as they were before the fault")
        yield from problems
        again = [rule for rule in rules if rule.id in killed and (problems or rule.family in _OF_FILES)]
        before = self.clean(base)
        for rule, result in _run(again, context).items():
            if (result.status, result.violations) != (before[rule].status, before[rule].violations):
                yield f"{rule} is {result.status} after the fault was undone"

    def context(self, base: str) -> tuple[Context, list[Rule]]:
        """The context of a base without a fault, and all rules."""
        return self._context(base, self.place.database(base))

    def left(self, base: str) -> list[str]:
        """Return the leftovers of all faults in a base: run every rule once more."""
        before = self.clean(base)
        context, rules = self._context(base, self.place.database(base))
        after = _run(rules, context)
        return [rule for rule in after if (after[rule].status, after[rule].violations)
                != (before[rule].status, before[rule].violations)]  # fmt: skip

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

    def _context(
        self, base: str, database: Database[Document], edits: Sequence[Edit] = ()
    ) -> tuple[Context, list[Rule]]:
        """Return the context and the rules; both are derived again if the edits change their sources."""
        changed = {name: value for edit in edits for name, value in edit.get("settings", {}).items()}
        settings = self.place.settings(base, **changed)
        fresh = bool(changed) or any(changes_rules(edit.get("file", "")) for edit in edits)
        scratch = self.place.client[f"{self.place.prefix}_scratch"]
        if self._rules is None or fresh:
            model = self.place.model()
            configuration = self.place.configuration(model, settings)
            rules = [
                rule for rule in all_rules(model, configuration) if not self.families or rule.family in self.families
            ]
            if not fresh:
                self._rules = (model, configuration, rules)
        else:
            model, configuration, rules = self._rules
        readable = database.with_options(OPTIONS)  # like the program: invalid UTF-8 is read
        return Context(model, configuration, settings, readable, embedded=True, scratch=scratch), rules

    def _choice(self, fault: Fault, rules: list[Rule], touched: Touched, everything: bool) -> list[Rule]:
        """The rules that the edits can touch: those that read what was edited."""
        if fault.families:
            return [rule for rule in rules if rule.family in fault.families]
        if everything or fault.generate is not None:
            return rules
        if any(edit.keys() & {"settings", "server"} or changes_rules(edit.get("file", "")) for edit in fault.edits):
            return rules
        if self._readers is None:
            context, all_of_them = self._context("small", self.place.database("small"))
            self._readers = readers(all_of_them, context)
        edited = set(touched.after)
        edited |= {METADATA} if any("command" in edit for edit in fault.edits) else set()
        files = any("file" in edit for edit in fault.edits)
        return [
            rule
            for rule in rules
            if rule.family == "counts" or self._readers[rule.id] & edited or (files and rule.family in _OF_FILES)
        ]


def _run(rules: Sequence[Rule], context: Context) -> Results:
    if not rules:
        return {}
    with Run(rules, context) as run:
        return {result.id: result for result in run.results()}

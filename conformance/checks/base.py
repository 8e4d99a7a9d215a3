"""Rules: an id, a title, a severity, and a check that queries the database and returns outcomes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database

from conformance.checks.key_range import WHOLE, Partition, Range
from conformance.config.acceptance import SeverityOverride, Waiver
from conformance.config.configuration import Configuration
from conformance.config.settings import Settings
from conformance.connection.collation import simple
from conformance.model.collection import Model
from conformance.results import Outcome, Sample, Severity
from conformance.text.paths import id_parts

RULE_ID: Final = re.compile(r"^[a-z]+\.\S(?:.*\S)?\.[\w+-]+$")
#: Documents that the evidence of a rule lists, at most.
LISTED_IN_EVIDENCE: Final = 20

Document = dict[str, Any]


@dataclass(frozen=True)
class Found:
    """Result of a survey of all documents for a check: the numbers that rules examined, and the suspect documents.

    These are _ids of documents, or keys of a reference; with ``many``, there are more than are listed.
    """

    examined: Mapping[str, int]
    suspects: list[Any]
    many: bool = False


@dataclass(frozen=True)
class Context:
    """The input of a check: the model, its configuration, the settings, and the database that is validated.

    ``scratch`` is a database of the harness's own on the same server, dropped by the runner after use; None when
    writing was not allowed, and a rule that must write is then skipped with that reason. ``partition`` says that
    other workers run the rest, and ``ranges`` keeps which keys are examined here, by collection and path. ``deleted``
    keeps which collections hold a soft-deleted document. ``survey`` waits for what was found for each check when the
    documents were read as columns; without one, the server is asked about all of them.
    """

    model: Model
    configuration: Configuration
    settings: Settings
    database: Database[Document]
    embedded: bool
    scratch: Database[Document] | None
    sample_size: int = 5
    partition: Partition | None = None
    ranges: dict[tuple[str, str], Range] = field(default_factory=dict, compare=False)
    survey: Callable[[], Mapping[Any, Found]] | None = field(default=None, compare=False)
    deleted: dict[str, bool] = field(default_factory=dict, init=False, compare=False)

    def __post_init__(self) -> None:
        # A caller's own client may compare values by the collections' collations.
        object.__setattr__(self, "database", simple(self.database))

    def collection(self, name: str) -> MongoCollection[Document]:
        """Return the collection of this name in the validated database."""
        return self.database[name]

    def surveyed(self, survey: Callable[[], Mapping[Any, Found]]) -> Context:
        """Return the context with a survey of the same documents; both share what is looked up once."""
        context = replace(self, survey=survey)
        object.__setattr__(context, "deleted", self.deleted)
        return context

    @property
    def findings(self) -> Mapping[Any, Found]:
        """Return what the survey found, by check; waits for it."""
        return {} if self.survey is None else self.survey()

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """Documents in each of the model's collections, exactly, counted once for the run."""
        return {c.name: self.database[c.name].count_documents({}) for c in self.model}

    def any_deleted(self, name: str) -> bool:
        """Return whether a document of the collection is marked as deleted, looked up once for the run."""
        if name not in self.deleted:
            flag = self.model[name].soft_delete
            self.deleted[name] = bool(flag) and self.collection(name).find_one({flag: True}, {"_id": 1}) is not None
        return self.deleted[name]

    def range(self, name: str, path: str = "_id") -> Range:
        """Return the values at a path of a collection that are examined here: all, or those of the partition."""
        if self.partition is None:
            return WHOLE
        if (name, path) not in self.ranges:
            self.ranges[name, path] = self.partition.range(self.collection(name), path, self.counts[name])
        return self.ranges[name, path]

    def number(self, name: str, query: Mapping[str, Any]) -> int:
        """Documents of a collection that meet the query; those of all are counted once for the run."""
        return self.collection(name).count_documents(query) if query else self.counts[name]

    @cached_property
    def server_version(self) -> tuple[int, ...]:
        """The server's version, such as (6, 0, 5)."""
        return tuple(self.database.client.server_info()["versionArray"][:3])

    def samples(self, found: Iterable[Sample]) -> tuple[Sample, ...]:
        """Return the first ``sample_size`` of what was found; the rest is not read."""
        taken: list[Sample] = []
        for sample in found:
            if len(taken) == self.sample_size:
                break
            taken.append(sample)
        return tuple(taken)


#: Answers for the rules it is given (all of them its own): their outcomes by rule id.
Check = Callable[[Context, Sequence["Rule"]], Mapping[str, Outcome]]


@dataclass(frozen=True)
class Rule:
    """One statement about the data that is true or has violations.

    ``why`` says what a broken rule means for people and devices, ``fix`` what to do, ``note`` why its severity is
    not the rule's own. ``thresholds`` and ``waivers`` say what a team accepts. Rules of one ``group`` are answered
    together, in one pass over the data.
    """

    id: str
    title: str
    check: Check
    severity: Severity = "error"
    why: str = ""
    fix: str = ""
    note: str = ""
    thresholds: SeverityOverride | None = None
    waivers: tuple[Waiver, ...] = ()

    def __post_init__(self) -> None:
        if not RULE_ID.match(self.id):
            raise ValueError(f"{self.id!r} is not a rule id: it must match {RULE_ID.pattern}")

    @property
    def family(self) -> str:
        """First part of the id."""
        return id_parts(self.id)[0]

    @property
    def collection(self) -> str:
        """Second part of the id: a collection, or _database or _config."""
        return id_parts(self.id)[1]

    @property
    def group(self) -> object:
        """The key of the rules that one pass answers: the check's ``group`` if it has one, else its identity."""
        return getattr(self.check, "group", id(self.check))

    @property
    def subject(self) -> str:
        """Last part of the id."""
        return id_parts(self.id)[2]


def answer(function: Callable[[Context], Outcome]) -> Check:
    """Return a check for a single rule, from a function of the context."""

    def check(context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
        return {rule.id: function(context) for rule in rules}

    return check


def skipped(reason: str) -> Outcome:
    """Nothing was examined, and this is why."""
    return Outcome(skipped=reason)


def listed(context: Context, examined: int, problems: Sequence[Sample], **evidence: Any) -> Outcome:
    """Return an outcome from a complete list of problems, for checks whose subjects are few (indexes, settings)."""
    return Outcome(examined, len(problems), context.samples(problems), evidence=evidence)

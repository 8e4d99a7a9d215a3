"""Queries of a rule, recorded by running its check against a substitute of the database.

The stand-in answers as a healthy server would that has nothing to tell: there are documents, none is soft-deleted, and
nothing that is looked for as broken is found. So a record has what a check asks when all is well; what it asks besides,
to name examples of what is broken, it has not. A test holds the records to what a real server is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, cast

from pymongo.database import Database

from conformance.checks.base import Context, Document, Rule
from conformance.checks.document_scan import DocumentTest
from conformance.config.configuration import Configuration
from conformance.config.settings import Settings
from conformance.model.collection import Model

_VERSION: Final = [8, 0, 0]
#: Stages that read another collection, and the key in them that names it.
_JOINING: Final = {"$lookup": "from", "$graphLookup": "from", "$unionWith": "coll"}


@dataclass(frozen=True)
class Question:
    """One question: of ``collection`` (None: of the database), by mongosh's name of the method, with its argument."""

    collection: str | None
    method: str
    argument: Any = None


@dataclass(frozen=True)
class Record:
    """The queries of a rule. ``touches`` are the collections whose changes can change its result.

    ``lists`` is true when the answer depends on which collections there are, and how they are set up. ``decides`` is
    true when the query only finds suspects, each of which the program then looks at.
    """

    questions: Sequence[Question]
    touches: frozenset[str]
    lists: bool = False
    decides: bool = False


def record(rule: Rule, model: Model, configuration: Configuration, settings: Settings) -> Record:
    """Return the questions of a rule; needs no server."""
    own = {rule.collection} & set(model.collections)
    if isinstance(rule.check, DocumentTest):
        decides = rule.check.violating is None
        query = rule.check.screen if decides else rule.check.violating
        return Record([Question(rule.check.collection, "find", query)], frozenset(own), decides=decides)
    notes = _Notes(model)
    stand_in = cast("Database[Document]", _Database(notes))
    context = _Recording(model, configuration, settings, stand_in, embedded=False, scratch=None)
    with suppress(Exception):  # a check that cannot go on without real answers has asked what it could
        rule.check(context, [rule])
    questions = notes.questions or [Question(name, "countDocuments", {}) for name in sorted(notes.touched)]
    return Record(questions, frozenset(own | notes.touched if questions else ()), notes.listed)


@dataclass
class _Notes:
    model: Model
    questions: list[Question] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    listed: bool = False

    def note(self, collection: str | None, method: str, argument: Any = None) -> None:
        question = Question(collection, method, argument)
        if question not in self.questions:
            self.questions.append(question)
        named = (collection, *_joined(argument))
        self.touched |= {name for name in named if name is not None and name in self.model.collections}
        self.listed |= collection is None


def _joined(part: Any) -> Iterator[str]:
    """Yield the other collections that a pipeline reads, however deep."""
    if isinstance(part, Mapping):
        for key, inner in part.items():
            if key in _JOINING:
                yield inner if isinstance(inner, str) else str(inner.get(_JOINING[key]))
            yield from _joined(inner)
    elif isinstance(part, list | tuple):
        for inner in part:
            yield from _joined(inner)


class _Recording(Context):
    def __post_init__(self) -> None:
        """Keep the stand-in, which has no collation and is no database of the driver."""

    @cached_property
    def counts(self) -> Mapping[str, int]:
        return _Counts(cast("_Database", self.database).notes)

    @cached_property
    def server_version(self) -> tuple[int, ...]:
        return tuple(_VERSION)


class _Counts(Mapping[str, int]):
    """As if every collection had one document."""

    def __init__(self, notes: _Notes) -> None:
        self._notes = notes

    def __getitem__(self, name: str) -> int:
        self._notes.touched.add(name)
        return 1

    def __iter__(self) -> Iterator[str]:
        return iter(self._notes.model.collections)

    def __len__(self) -> int:
        return len(self._notes.model.collections)


class _Database:
    """Notes what is asked of a database; `client` and `admin` are itself."""

    name = "database"

    def __init__(self, notes: _Notes) -> None:
        self.notes = notes
        self.client = self.admin = self

    def __getitem__(self, name: str) -> _Collection:
        return _Collection(name, self.notes)

    def list_collection_names(self) -> list[str]:
        self.notes.note(None, "getCollectionNames")
        return list(self.notes.model.collections)

    def list_collections(self) -> list[Document]:
        self.notes.note(None, "getCollectionInfos")
        return []

    def aggregate(self, pipeline: Any, **_: Any) -> Iterator[Document]:
        self.notes.note(None, "aggregate", pipeline)
        return iter(())

    def command(self, command: Any, **_: Any) -> Document:
        asked = command.get("explain", {}) if isinstance(command, Mapping) else {}
        self.notes.note(asked.get("aggregate") or asked.get("find"), "runCommand", command)
        return {"setName": "replica set"}

    def server_info(self) -> Document:
        self.notes.note(None, "version")
        return {"version": ".".join(map(str, _VERSION)), "versionArray": _VERSION}


class _Collection:
    """Notes what is asked of a collection."""

    def __init__(self, name: str, notes: _Notes) -> None:
        self.name = name
        self._notes = notes

    def aggregate(self, pipeline: Any, **_: Any) -> Iterator[Document]:
        self._notes.note(self.name, "aggregate", pipeline)
        return iter(())

    def find(self, query: Any = None, *_: Any, **__: Any) -> _Cursor:
        self._notes.note(self.name, "find", query or {})
        return _Cursor()

    def find_one(self, query: Any = None, projection: Any = None, **_: Any) -> Document | None:
        """Asked for fields, it names them in place of values; asked whether there is one, it has none."""
        self._notes.note(self.name, "findOne", query or {})
        return _placeholders(self.name, [path for path in projection or () if path != "_id"])

    def count_documents(self, query: Any, **_: Any) -> int:
        self._notes.note(self.name, "countDocuments", query)
        return 0

    def distinct(self, path: str, *_: Any, **__: Any) -> list[Any]:
        self._notes.note(self.name, "distinct", path)
        return []

    def list_indexes(self) -> Iterator[Document]:
        self._notes.note(self.name, "getIndexes")
        return iter(())

    def list_search_indexes(self, *_: Any, **__: Any) -> Iterator[Document]:
        self._notes.note(self.name, "getSearchIndexes")
        return iter(())


class _Cursor:
    """Finds nothing, in whatever order and however much of it is asked for."""

    def sort(self, *_: Any) -> _Cursor:
        return self

    limit = skip = batch_size = sort

    def __iter__(self) -> Iterator[Document]:
        return iter(())


def _placeholders(collection: str, paths: Sequence[str]) -> Document | None:
    if not paths:
        return None
    document: Document = {}
    for path in paths:
        *outer, last = path.split(".")
        inside = document
        for name in outer:
            inside = inside.setdefault(name, {})
        inside[last] = f"<{collection}.{path}>"
    return document

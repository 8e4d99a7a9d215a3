"""The state of a database beside its documents: collections, options, indexes; restored after raw commands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pymongo.database import Database
from pymongo.errors import OperationFailure

from tests.faults.engine.documents import insert

Document = dict[str, Any]
#: Options that collMod can restore; after a difference in any other option, the collection is created again.
_MODIFIABLE: Final = ("validator", "validationLevel", "validationAction", "changeStreamPreAndPostImages")
#: Commands that may delete a collection's documents.
_DESTROYING: Final = ("drop", "convertToCapped")


class ServerState:
    """A snapshot of a database's collections with their options and indexes."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        self.options = _options(database)
        self.indexes = {name: _indexes(database, name) for name in self.options}
        self._documents: dict[str, list[Document]] = {}

    def same_as(self, other: ServerState) -> bool:
        """Return whether collections, options and indexes are equal."""
        return (self.options, self.indexes) == (other.options, other.indexes)

    def run(self, command: Mapping[str, Any]) -> None:
        """Run one command; keep the documents of a collection that it drops."""
        verb, name = next(iter(command.items()))
        if verb in _DESTROYING:
            self._documents.setdefault(name, list(self._database[name].find()))
        self._database.command(dict(command))

    def undo(self) -> None:
        """Restore collections, options and indexes, and the dropped documents."""
        now = _options(self._database)
        added = now.keys() - self.options.keys()
        for name in added:
            if not name.startswith("system."):
                self._database.drop_collection(name)
        for name, options in self.options.items():
            if name not in now or _fixed(now[name]) != _fixed(options):
                self._anew(name, options)
            elif now[name] != options:
                wanted = {"validator": {}, "validationLevel": "strict", "validationAction": "error"}
                wanted |= {"changeStreamPreAndPostImages": {"enabled": False}}
                wanted |= {option: options[option] for option in _MODIFIABLE if option in options}
                self._database.command({"collMod": name, **wanted})
            self._restore_indexes(name)
        if "system.views" in added:  # the server lets go of it after the last view or time series only
            self._database.drop_collection("system.views")

    def _anew(self, name: str, options: Mapping[str, Any]) -> None:
        documents = self._documents[name]
        self._database.drop_collection(name)
        self._database.command({"create": name, **options})
        insert(self._database, name, documents)

    def _restore_indexes(self, name: str) -> None:
        wanted, there = self.indexes[name], _indexes(self._database, name)
        for index, spec in there.items():
            if spec != wanted.get(index):
                self._database.command({"dropIndexes": name, "index": index})
        missing = [spec for index, spec in wanted.items() if spec != there.get(index)]
        if missing:
            self._database.command({"createIndexes": name, "indexes": missing})


def hashes(database: Database[Document], names: Iterable[str]) -> Mapping[str, str]:
    """Return a hash of the documents of each collection."""
    found: Mapping[str, str] = database.command({"dbHash": 1, "collections": sorted(names)})["collections"]
    return found


def _options(database: Database[Document]) -> dict[str, Mapping[str, Any]]:
    return {info["name"]: info.get("options", {}) for info in database.list_collections()}


def _indexes(database: Database[Document], name: str) -> dict[str, Mapping[str, Any]]:
    try:
        return {spec["name"]: spec for spec in map(dict, database[name].list_indexes())}
    except OperationFailure:  # a view has none
        return {}


def _fixed(options: Mapping[str, Any]) -> Mapping[str, Any]:
    return {option: value for option, value in options.items() if option not in _MODIFIABLE}

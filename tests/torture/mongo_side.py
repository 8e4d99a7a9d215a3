"""MongoDB's side: a client that writes at random, and what a test has it write, all of it in the journal."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from contextlib import suppress
from threading import Event, Lock, Thread
from typing import Any, Final

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo import MongoClient, ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import PyMongoError

from conformance.embedded.server import EmbeddedServer
from tests.torture import strays
from tests.torture.actor import DOCUMENTS, SHARED
from tests.torture.comparison import DELETED, MADE, NOTHING, Journal, Stray
from tests.torture.places import NAMES, SECRET, fields_of, key_for, mongo_query

Document = dict[str, Any]
Place = tuple[str, str]

_OPTIONS: Final[CodecOptions[Document]] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_AUTO)


class MongoSide:
    """A database of the server, and clients that write to it."""

    def __init__(self, server: EmbeddedServer, name: str, journal: Journal, chance: random.Random) -> None:
        self.name = name
        self._server = server
        self._journal = journal
        self._chance = chance
        self._client: MongoClient[Document] | None = None
        self._lock = Lock()
        self._counter = itertools.count(1)
        self._stop = Event()
        self._writer: Thread | None = None

    @property
    def client(self) -> MongoClient[Document]:
        """A client of the server, directly."""
        with self._lock:  # the writer's thread asks too
            if self._client is None:
                self._client = MongoClient(self._server.uri, serverSelectionTimeoutMS=1_000)
            return self._client

    @property
    def database(self) -> Database[Document]:
        """The tortured database, decoded so that nothing is lost."""
        return self.client.get_database(self.name, codec_options=_OPTIONS)

    def fill(self) -> None:
        """Make the documents that are there from the beginning, and one that must not cross."""
        for name in NAMES:
            self.database[name].insert_many([self._original(name, number) for number in range(DOCUMENTS)])
        self.database[SECRET].insert_one({"_id": "secret"})

    def _original(self, name: str, number: int) -> Document:
        key = key_for(name, "old", number)
        self._note("try", (name, key), MADE)
        self._note("ack", (name, key), MADE)
        return {**mongo_query(name, key), **fields_of(name, key), "map": {"n": number}}

    def _note(self, kind: str, place: Place, what: str, value: Any = None, saw: Any = None) -> None:
        self._journal.note(kind, "mongo", place, what, value, saw)

    def begin_chatter(self) -> None:
        """Have a client write to MongoDB from now on."""
        self._stop.clear()
        self._writer = Thread(target=self._chat, args=(random.Random(self._chance.randrange(2**32)),), daemon=True)
        self._writer.start()

    def end_chatter(self) -> None:
        """No client writes any more."""
        self._stop.set()
        if self._writer is not None:
            self._writer.join()

    def _chat(self, chance: random.Random) -> None:
        keys = [(name, key_for(name, "old", number)) for name in NAMES for number in range(DOCUMENTS)]
        while not self._stop.wait(0.004):
            kind, place = chance.random(), chance.randrange(len(keys))
            with suppress(PyMongoError):
                if kind < 0.9:
                    self.write(keys[place], chance.choice(("m", "map.m", SHARED)))
                elif kind < 0.98:
                    name = chance.choice(NAMES)
                    keys.append(self.make(name, "newmongo"))
                else:
                    self.delete(keys.pop(place))

    def write(self, place: Place, what: str) -> int:
        """Write one field of a document in MongoDB."""
        name, key = place
        value = -next(self._counter)  # a device's are above 0
        self._note("try", place, what, value, "unknown")
        before = self.database[name].find_one_and_update(
            mongo_query(name, key), {"$set": {what: value}}, return_document=ReturnDocument.BEFORE
        )
        saw: Any = before
        for step in what.split("."):
            saw = saw.get(step) if isinstance(saw, dict) else None
        self._note("ack" if before else "none", place, what, value, NOTHING if saw is None else saw)
        return value

    def make(self, name: str, word: str) -> Place:
        """Make a document in MongoDB."""
        number = next(self._counter)
        key = key_for(name, word, number)
        self._note("try", (name, key), MADE)
        self.database[name].insert_one({**mongo_query(name, key), **fields_of(name, key), "map": {"n": number}})
        self._note("ack", (name, key), MADE)
        return name, key

    def delete(self, place: Place) -> None:
        """Delete a document in MongoDB."""
        name, key = place
        self._note("try", place, DELETED)
        done = self.database[name].delete_one(mongo_query(name, key)).deleted_count
        self._note("ack" if done else "none", place, DELETED)

    def transact(self, names: Sequence[str], *, abort: bool = False, size: int = 0) -> None:
        """Write a document of each collection in one transaction; each is ``size`` bytes larger for a moment."""
        number = next(self._counter)
        value, key = -number, self._chance.randrange(DOCUMENTS)
        old = [(name, key_for(name, "old", key)) for name in names]
        new = [(name, key_for(name, "transaction", number)) for name in names]

        def write(session: ClientSession) -> list[Document | None]:
            saw = []
            for (name, one), (_, other) in zip(old, new, strict=True):
                update = {"$set": {"in_transaction": value}}
                saw.append(self.database[name].find_one_and_update(mongo_query(name, one), update, session=session))
                document = {**mongo_query(name, other), **fields_of(name, other), "text": "x" * size}
                self.database[name].insert_one(document, session=session)
                self.database[name].update_one(mongo_query(name, other), {"$set": {"text": ""}}, session=session)
            if abort:
                session.abort_transaction()
            return saw

        with self.client.start_session() as session:
            saw = session.with_transaction(write)
        if abort:
            return
        for place, found in zip(old, saw, strict=True):
            if found is not None:
                self._note("try", place, "in_transaction", value)
                self._note("ack", place, "in_transaction", value, found.get("in_transaction", NOTHING))
        for place in new:
            self._note("try", place, MADE)
            self._note("ack", place, MADE)

    def counts(self) -> dict[str, int]:
        """Return how many documents each synced collection has."""
        return {name: self.database[name].count_documents({}) for name in NAMES}

    def stray(self, name: str) -> None:
        """Insert a stray document."""
        collection, make = strays.MONGO[name]
        document = bson.decode(bson.encode(make()), _OPTIONS)
        stray = Stray(name, collection, document["_id"], document)
        self._journal.note_stray("mongo", "try", stray)
        self.database[collection].insert_one(make())
        self._journal.note_stray("mongo", "ack", stray)

    def fail(self, mode: Any, **data: Any) -> None:
        """Make the server fail commands."""
        self.client.admin.command({"configureFailPoint": "failCommand", "mode": mode, "data": data})

    def reconnect(self) -> None:
        """Use a new client from now on: the server listens on another port."""
        if self._client is not None:
            self._client.close()
            self._client = None

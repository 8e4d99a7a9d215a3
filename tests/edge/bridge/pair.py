"""A database, a store and the bridge between them, for tests; a plugin of the files that use them.

PYTEST_DONT_REWRITE: the files import it before pytest could, which pytest would warn about.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from conformance.ditto.connector import ConnectorSettings, RetryStrategy
from conformance.embedded.server import EmbeddedServer
from conformance.model.collection import IdMapping, Model
from edge.bridge.bridge import Bridge, Hooks
from edge.bridge.state.state import State
from edge.bridge.state.unsynced_documents import Unsynced
from edge.bridge.synced_collection import Synced
from edge.store.sdk import unavailable
from edge.store.statements import identifier
from edge.store.store import Store
from tests.conformance.embedded.processes import eventually
from tests.models import collection_of, model_of

Document = dict[str, Any]

#: Seconds within which what is expected happens on a busy machine.
SOON: Final = 30.0
SETTINGS: Final = ConnectorSettings(
    initial_sync=True,
    strict_mode=False,
    rate_limit_per_second=0,
    batch_size=50,
    retry_strategy=RetryStrategy(max_retries=3, backoff_multiplier=2, jitter=0.25),
)
_TEXT: Final = {"type": "string", "x-immutable": True}
#: Collections of the model by name: the fields that make Ditto's _id; none for MongoDB's own.
MAPPINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "things": (),
    "keyed": (),
    "people": ("code",),
    "stock": ("store", "product"),
}
#: The one that does not sync.
SECRET: Final = "secrets"


def edge_model(folder: Path) -> Model:
    """Collections of every mapping mode (things: text for _id, keyed: ObjectIds), and one that does not sync."""
    text_id = {"_id": {"type": "string"}}
    schemas = {
        "things": collection_of(text_id),
        "keyed": collection_of({}),
        "people": collection_of({"code": _TEXT}),
        "stock": collection_of({"store": _TEXT, "product": _TEXT}),
        SECRET: collection_of(text_id),
    }
    return model_of(folder, schemas)


def mapping_of(name: str) -> IdMapping:
    """Return how the collection's documents get their _ids in Ditto."""
    fields = MAPPINGS[name]
    return IdMapping(("match_ids", "single_field", "multiple_fields")[len(fields)], fields)


@dataclass
class Pair:
    """Both sides; ``device`` is the store as a device's program uses it."""

    database: Database[Document]
    store: Store
    folder: Path
    synced: Mapping[str, Synced]
    link: Callable[[], MongoClient[Document]]
    settings: ConnectorSettings = SETTINGS
    accept_drop: bool = False
    notices: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    unsynced: dict[tuple[str, str], Unsynced] = field(default_factory=dict)

    @contextmanager
    def bridge(self, source: str | None = None, **hooks: Callable[..., None]) -> Iterator[Bridge]:
        """Yield a bridge that resumes where the last one stopped; then record its counts and unsynced documents."""
        given = Hooks(**{"notice": self.notices.append, **hooks})  # type: ignore[arg-type]
        with State.open(self.folder / "state") as state:
            parts = self.database, self.store, state, self.synced, self.settings
            named = source or self.database.name
            bridge = Bridge(*parts, link=self.link, source=named, hooks=given, accept_drop=self.accept_drop)
            yield bridge
            self.counts = dict(bridge.counts)
            self.unsynced = {(each.collection, each.key): each for each in state.unsynced}

    def meet(self) -> None:
        """Run until both sides are in sync."""
        with self.bridge() as bridge:
            assert bridge.run(once=True)

    @contextmanager
    def live(self, **hooks: Callable[..., None]) -> Iterator[Bridge]:
        """Run in the background, after changes sync both ways."""
        ready, failures = Event(), []

        def notice(line: str) -> None:
            self.notices.append(line)
            if line.startswith("in sync"):
                ready.set()

        with self.bridge(None, notice=notice, **hooks) as bridge:

            def run() -> None:
                try:
                    bridge.run()
                except BaseException as error:
                    failures.append(error)
                ready.set()

            thread = Thread(target=run)
            thread.start()
            try:
                assert ready.wait(SOON)
                yield bridge
            finally:
                bridge.stop()
                thread.join()
        if failures:
            raise failures[0]

    def eventually(self, condition: Callable[[], object]) -> None:
        """Wait until the condition holds."""
        assert eventually(condition, SOON)

    def device(self, dql: str, **arguments: Any) -> None:
        """Write as a device's program."""
        self.store.mutate(dql, arguments)

    def in_store(self, collection: str, identity: Any) -> Document | None:
        """Return a document of the store without its _id; None if it does not exist."""
        dql = f"SELECT * FROM {identifier(collection)} WHERE _id = :id"  # noqa: S608
        return _bare(self.store.execute(dql, {"id": identity}))

    def in_mongo(self, collection: str, **query: Any) -> Document | None:
        """Return a document of MongoDB without its _id; None if it does not exist."""
        return _bare(list(self.database[collection].find(query)))


def _bare(found: list[Document]) -> Document | None:
    if not found:
        return None
    (document,) = found
    return {name: value for name, value in document.items() if name != "_id"}


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model; skips where Ditto's SDK cannot run."""
    reason = unavailable()
    if reason is not None:
        pytest.skip(reason)
    return tmp_path_factory.mktemp("edge")


@pytest.fixture(scope="module")
def synced(edge: Path) -> Mapping[str, Synced]:
    """Return the collections that sync."""
    model = edge_model(edge)
    return {name: Synced(model[name], mapping_of(name)) for name in MAPPINGS}


@contextmanager
def paired(
    server: MongoClient[Document], folder: Path, synced: Mapping[str, Synced], **settings: Any
) -> Iterator[Pair]:
    """Yield a new database and a new store."""
    host, port = server.address or ("", 0)

    def link() -> MongoClient[Document]:
        return MongoClient(f"mongodb://{host}:{port}/?directConnection=true", serverSelectionTimeoutMS=500)

    chosen = SETTINGS.model_copy(update=settings)
    name = f"bridge_{uuid.uuid4().hex[:10]}"
    try:
        with Store.open(folder / "store", strict_mode=bool(chosen.strict_mode)) as store:
            yield Pair(server[name], store, folder, synced, link, chosen)
    finally:
        server.drop_database(name)


@pytest.fixture
def pair(server: MongoClient[Document], tmp_path: Path, synced: Mapping[str, Synced]) -> Iterator[Pair]:
    """Both sides, empty."""
    with paired(server, tmp_path, synced) as both:
        yield both


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoClient[Document]]:
    """A server that fails on command."""
    extra_args = ["--setParameter", "enableTestCommands=1"]
    with (
        EmbeddedServer(tmp_path_factory.mktemp("telling"), cache_gb=0.25, extra_args=extra_args) as server,
        MongoClient(server.uri) as client,
    ):
        yield client


@pytest.fixture
def failing(telling: MongoClient[Document], tmp_path: Path, synced: Mapping[str, Synced]) -> Iterator[Pair]:
    """Both sides, with a MongoDB server that fails on command."""
    with paired(telling, tmp_path, synced) as both:
        yield both
        telling.admin.command({"configureFailPoint": "failCommand", "mode": "off"})

"""The target: the validated server, its connection, and permitted writes."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pymongo
import pymongo.errors
from pymongo import MongoClient, ReadPreference
from pymongo.database import Database

from conformance.config.environment import Environment
from conformance.config.settings import Settings, known_variables
from conformance.connection.client import Document, connect, failure, greet, in_words
from conformance.connection.decoding import OPTIONS
from conformance.embedded.server import EmbeddedServer, cache_directory
from conformance.errors import ConfigurationError, HarnessError, TargetError
from conformance.model.collection import Model
from conformance.results import TargetInfo
from conformance.text.masking import mask, remember

#: The process that made a scratch database is in its name, so that one left behind by a killed process is known.
_SCRATCH: Final = re.compile(r"_scratch_(?P<pid>\d+)_[0-9a-f]{6}$")
#: Bytes of the validated database's name that are kept in it: MongoDB allows 63 in all.
_KEPT: Final = 38
#: Seconds to wait for a server that may be gone, when all that is left to do there is to tidy up.
_FAREWELL: Final = 4.0
#: Values of the variable CI that say that this is none.
_NO_CI: Final = frozenset({"", "0", "false", "no", "off"})
#: Time limit for the embedded server: it is on this machine and is not restarted, so it has died.
_EMBEDDED_PATIENCE_MS: Final = 1_000


@dataclass(frozen=True)
class Choice:
    """The server that was chosen: its ``uri`` (None for the embedded one) and what named it."""

    uri: str | None = field(repr=False)
    source: str

    @property
    def embedded(self) -> bool:
        """True for the harness's own server."""
        return self.uri is None


def choose(settings: Settings, *, uri: str | None = None, embedded: bool = False, validating: bool = False) -> Choice:
    """Return the server that is used: --uri, MONGODB_CONNECTION_STRING, MONGODB_LOCAL_CONNECTION_STRING, embedded.

    ``embedded`` asks for the last. Without it the embedded server is used only where nothing says that another was
    meant: no `.env` beside the model nor a file that resembles it, none in the current folder, no connection string
    under another name, and, when ``validating``, no CI. Otherwise ConfigurationError: generated data must not be taken
    for the user's own.
    """
    if uri is not None and embedded:
        raise ConfigurationError("--uri and --embedded exclude each other; give one")
    if uri is not None and not uri.strip():
        raise ConfigurationError("--uri: is empty; give a connection string, or leave the option out")
    if uri is not None:
        remember(uri)
        return Choice(uri, "--uri")
    if embedded:
        return Choice(None, "--embedded")
    if settings.mongodb_connection_string:
        return Choice(settings.mongodb_connection_string.get_secret_value(), "MONGODB_CONNECTION_STRING")
    if settings.mongodb_local_connection_string:
        return Choice(settings.mongodb_local_connection_string.get_secret_value(), "MONGODB_LOCAL_CONNECTION_STRING")
    meant = _server_meant(settings.environment, validating=validating)
    if meant is not None:
        raise ConfigurationError(f"{meant}, or pass --embedded to use generated data on the embedded server")
    return Choice(None, "default")


def _server_meant(environment: Environment, *, validating: bool) -> str | None:
    """Return why the embedded server is not a safe default, and what to do about it."""
    name = environment.connection_string(known_variables())
    if name is not None:
        return (
            f"{environment.where(name)}{name} holds a connection string, and it is not a setting: name it"
            " MONGODB_CONNECTION_STRING"
        )
    if environment.present:
        return f"{environment.path}: no server is named: set MONGODB_CONNECTION_STRING in it"
    if environment.mistaken is not None:
        return f"{environment.mistaken} is not read: settings come from {environment.path}; rename it to .env"
    if environment.unread is not None:
        beside = f"the model is in {environment.path.parent}" if environment.path else "there is no model beside it"
        return f"{environment.unread} is not read, since {beside}: move it there, or set MONGODB_CONNECTION_STRING"
    if validating and os.environ.get("CI", "").strip().lower() not in _NO_CI:
        return "CI is set and no server is named: set MONGODB_CONNECTION_STRING to the server to validate"
    return None


@dataclass(frozen=True)
class Target:
    """An open connection to the validated database. ``server`` is the embedded one, if it is that."""

    client: MongoClient[Document]
    database: Database[Document]
    info: TargetInfo
    server: EmbeddedServer | None = None
    uri: str = field(default="", repr=False)

    @property
    def embedded(self) -> bool:
        """True for the harness's own server."""
        return self.server is not None

    @property
    def directory(self) -> Path | None:
        """The embedded server's directory."""
        return self.server.directory if self.server else None

    def named(self, database: str) -> Target:
        """Return the same connection with another database."""
        chosen = self.client.get_database(database, codec_options=OPTIONS)
        return replace(self, database=chosen, info=replace(self.info, database=database))

    def cause(self, error: HarnessError | pymongo.errors.PyMongoError) -> HarnessError:
        """Return what to tell of an error of the target."""
        return _cause(error, self.uri or self.info.uri, self.database.name, self.server)

    def link(self) -> MongoClient[Document]:
        """Another client of the same server, which shares no session with ``client``; the caller closes it."""
        return connect(self.uri, self.info.uri)

    def require_replica_set(self) -> None:
        """Raise TargetError when the server is a standalone one: what the model wants cannot be set up there."""
        hello = self.client.admin.command("hello")
        if "setName" not in hello and hello.get("msg") != "isdbgrid":
            raise TargetError(
                f"{self.info.uri} is a standalone server, which has no change streams; nothing was written: start"
                " mongod with --replSet and run rs.initiate(), or name a cluster"
            )

    @contextmanager
    def scratch(self, *, allow_writes: bool) -> Iterator[Database[Document] | None]:
        """Yield a scratch database, dropped at the end; None if writing is not allowed.

        Writing is allowed on the embedded server, and elsewhere only when the user said so. Each call makes another.
        Raises TargetError when the database cannot be dropped.
        """
        if not (self.embedded or allow_writes):
            yield None
            return
        if self.embedded:
            self._drop_abandoned()
        kept = self.database.name.encode()[:_KEPT].decode(errors="ignore")
        name = f"{kept}_scratch_{os.getpid()}_{secrets.token_hex(3)}"
        try:
            # Written documents are read back at once, and a secondary may not have them yet.
            yield self.client.get_database(name, codec_options=OPTIONS, read_preference=ReadPreference.PRIMARY)
        except BaseException:
            self._drop(name)
            raise
        left = self._drop(name)
        if left is not None:
            raise TargetError(f"the scratch database {name} is left: {left}; drop it")

    def _drop(self, name: str) -> str | None:
        """Drop a database of the harness's own; why it was refused.

        From a server that went away it need not be, nor by somebody who could not make it.
        """
        try:
            with pymongo.timeout(_FAREWELL):
                self.client.drop_database(name)
        except pymongo.errors.OperationFailure as error:
            return in_words(error) if self._sees(name) else None
        except pymongo.errors.PyMongoError:
            pass
        return None

    def _sees(self, name: str) -> bool:
        """Return whether the database is there, as far as the user can tell."""
        try:
            return name in self.client.list_database_names()
        except pymongo.errors.PyMongoError:
            return True

    def _drop_abandoned(self) -> None:
        """Drop scratch databases of processes that were killed; the embedded server is on this machine only."""
        for name in self.client.list_database_names():
            made = _SCRATCH.search(name)
            if made and not _alive(int(made["pid"])):
                self.client.drop_database(name)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def _cause(
    error: HarnessError | pymongo.errors.PyMongoError, uri: str, database: str, server: EmbeddedServer | None
) -> HarnessError:
    """Return the last words of an embedded server that died, else the error's own."""
    last_words = server.failure() if server else None
    if last_words is not None:
        return TargetError(last_words)
    return error if isinstance(error, HarnessError) else failure(error, uri, database)


@contextmanager
def open_target(
    root: Path | None, settings: Settings, choice: Choice, *, wait: float = 0, **options: Any
) -> Iterator[Target]:
    """Start the embedded server of the model at ``root``, or connect to the named one.

    ``wait`` is how many seconds a server may take until it answers; ``options`` are the client's, such as maxPoolSize.

    Raises ConfigurationError for a connection string that is none, TargetError when the server cannot be used, also
    for errors of the driver while it is open: one line, and for an embedded server that died, why it did.
    """
    with ExitStack() as stack:
        if choice.uri is None and root is None:
            raise ConfigurationError(
                "no server is configured, and the embedded server needs a model; pass --uri or --model"
            )
        server = stack.enter_context(EmbeddedServer(cache_directory(root))) if choice.uri is None and root else None
        uri = server.uri if server else str(choice.uri)
        patience = {"serverSelectionTimeoutMS": _EMBEDDED_PATIENCE_MS} if server else {}
        client = stack.enter_context(connect(uri, choice.source, **patience | options))
        database = client.get_database(settings.mongodb_database, codec_options=OPTIONS)
        try:
            info = TargetInfo(mask(uri), database.name, greet(client, uri, wait), server is not None)
            yield Target(client, database, info, server, uri)
        except (TargetError, pymongo.errors.PyMongoError) as error:
            raise _cause(error, uri, database.name, server) from error


def require_data(model: Model, target: Target) -> None:
    """Raise TargetError, one line, when the database holds nothing of the model's: nothing could be examined."""
    names = set(target.database.list_collection_names())
    if names & set(model.collections):
        return
    require_name(target)
    what = f"holds other collections ({', '.join(sorted(names)[:3])}) and none of the model's" if names else "is empty"
    raise TargetError(
        f"the database {target.database.name} on {target.info.uri} {what}: check MONGODB_DATABASE, or fill it with"
        " `zava generate`"
    )


def doubt(model: Model, target: Target) -> str | None:
    """Return the doubt that model and database belong together, in one line, where most collections are missing."""
    try:
        names = set(target.database.list_collection_names())
    except pymongo.errors.PyMongoError:  # the rules say what the user may not do, and what a lost server means
        return None
    missing = [name for name in model.collections if name not in names]
    if 2 * len(missing) <= len(model.collections):
        return None
    return (
        f"{len(missing)} of {len(model.collections)} collections of this model do not exist in {target.database.name}:"
        " wrong database or model? Check MONGODB_DATABASE and --model"
    )


def require_name(target: Target) -> None:
    """Raise TargetError when the server has a database whose name differs in case only: it holds no two such."""
    alike = _alike(target)
    if alike is not None:
        raise TargetError(
            f"{target.info.uri} has no database {target.database.name}, but one named {alike}: set MONGODB_DATABASE to"
            f" {alike}"
        )


def _alike(target: Target) -> str | None:
    """Return a database whose name differs from the target's in capitals only; the server holds no two such."""
    try:
        names = target.client.list_database_names()
    except pymongo.errors.OperationFailure:  # the user may read one database and not see the others
        return None
    wanted = target.database.name
    return next((name for name in names if name != wanted and name.lower() == wanted.lower()), None)

"""The target: which server is judged, how it is reached, and what may be written there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pymongo.errors
from bson import DatetimeConversion
from bson.codec_options import CodecOptions
from pymongo import MongoClient
from pymongo.database import Database

from conformance.embedded import EmbeddedServer, cache_directory
from conformance.errors import ConfigurationError, HarnessError, TargetError
from conformance.masking import mask
from conformance.model import Model
from conformance.results import TargetInfo
from conformance.settings import Settings

Document = dict[str, Any]
#: How long a server may take to answer before it counts as out of reach.
_PATIENCE_MS: Final = 5_000
_AUTHENTICATION: Final = frozenset({18, 8000})
#: Dirty data must be readable: dates beyond Python's range and broken UTF-8 are findings, not exceptions.
_OPTIONS: Final[CodecOptions[Document]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO, unicode_decode_error_handler="replace"
)


@dataclass(frozen=True)
class Choice:
    """The server that was chosen: its ``uri`` (None for the embedded one) and what named it."""

    uri: str | None
    source: str

    @property
    def embedded(self) -> bool:
        """True for the harness's own server."""
        return self.uri is None


def choose(settings: Settings, *, uri: str | None = None, embedded: bool = False, judging: bool = False) -> Choice:
    """--uri, MONGODB_CONNECTION_STRING, MONGODB_LOCAL_CONNECTION_STRING, embedded; ``embedded`` asks for the last.

    Raises ConfigurationError when ``judging`` in a CI that names no server: it must not turn green on made-up data.
    """
    if uri and embedded:
        raise ConfigurationError("--uri and --embedded exclude each other; give one")
    if uri:
        return Choice(uri, "--uri")
    if embedded:
        return Choice(None, "--embedded")
    if settings.mongodb_connection_string:
        return Choice(settings.mongodb_connection_string.get_secret_value(), "MONGODB_CONNECTION_STRING")
    if settings.mongodb_local_connection_string:
        return Choice(settings.mongodb_local_connection_string.get_secret_value(), "MONGODB_LOCAL_CONNECTION_STRING")
    if judging and os.environ.get("CI", "").lower() not in ("", "0", "false"):
        raise ConfigurationError(
            "CI is set and no server is named: set MONGODB_CONNECTION_STRING to the server to judge, or pass --embedded"
            " to judge made-up data on purpose"
        )
    return Choice(None, "default")


@dataclass(frozen=True)
class Target:
    """An open connection to the database under judgement. ``directory`` is the embedded server's, else None."""

    client: MongoClient[Document]
    database: Database[Document]
    info: TargetInfo
    directory: Path | None

    @property
    def embedded(self) -> bool:
        """True for the harness's own server."""
        return self.directory is not None

    @contextmanager
    def scratch(self, *, allow_writes: bool) -> Iterator[Database[Document] | None]:
        """A database of the harness's own beside the judged one, dropped at the end; None when writing is not allowed.

        Writing is allowed on the embedded server, and elsewhere only when the user said so.
        """
        if not (self.embedded or allow_writes):
            yield None
            return
        name = f"{self.database.name[:40]}_scratch_{os.getpid()}"
        if self.embedded:
            self._drop_abandoned()
        scratch = self.client.get_database(name, codec_options=_OPTIONS)
        try:
            yield scratch
        finally:
            with suppress(pymongo.errors.PyMongoError):
                self.client.drop_database(name)

    def _drop_abandoned(self) -> None:
        """Scratch databases of processes that were killed; the embedded server is on this machine only."""
        for name in self.client.list_database_names():
            _, mark, pid = name.rpartition("_scratch_")
            if mark and pid.isdigit() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
                self.client.drop_database(name)


@contextmanager
def open_target(model: Model, settings: Settings, choice: Choice) -> Iterator[Target]:
    """Start the embedded server or connect to the named one.

    Raises ConfigurationError for a connection string that is none, TargetError when the server cannot be used.
    """
    with ExitStack() as stack:
        directory = None
        uri = choice.uri
        if uri is None:
            directory = cache_directory(model.root)
            server = EmbeddedServer(directory)
            stack.enter_context(server)
            uri = server.uri
        client = stack.enter_context(_connect(uri, choice.source))
        database = client.get_database(settings.mongodb_database, codec_options=_OPTIONS)
        version = _ping(client, uri)
        yield Target(client, database, TargetInfo(mask(uri), database.name, version, directory is not None), directory)


def _connect(uri: str, source: str) -> MongoClient[Document]:
    try:
        return MongoClient(
            uri, appname="zava-conformance", serverSelectionTimeoutMS=_PATIENCE_MS, connectTimeoutMS=_PATIENCE_MS
        )
    except (pymongo.errors.InvalidURI, pymongo.errors.ConfigurationError, ValueError) as error:
        raise ConfigurationError(
            f"{source}: {mask(uri)!r} is not a usable connection string: {mask(str(error))[:200]};"
            " write mongodb://user:password@host:27017/ (special characters in the password as %XX)"
        ) from None


def _ping(client: MongoClient[Document], uri: str) -> str:
    shown = mask(uri)
    try:
        client.admin.command("ping")
        client.list_database_names()
        return str(client.server_info()["version"])
    except pymongo.errors.ServerSelectionTimeoutError as error:
        raise TargetError(
            f"no server answers at {shown}: {mask(str(error)).split(',')[0][:160]};"
            " check host and port, that it runs, and (Atlas) that your IP address is on the access list"
        ) from None
    except pymongo.errors.OperationFailure as error:
        if error.code in _AUTHENTICATION:
            raise TargetError(f"{shown} refuses the user name or password; check the connection string") from None
        if error.code == 13:  # not allowed to list databases: enough to judge one
            return str(client.server_info()["version"])
        raise TargetError(f"{shown} cannot be used: {mask(str(error))[:200]}; check the user's roles") from None
    except pymongo.errors.PyMongoError as error:
        raise TargetError(f"{shown} cannot be used: {mask(str(error))[:200]}; check the server") from None


def require_data(model: Model, target: Target) -> None:
    """Raise TargetError, one line, when the database holds nothing of the model's: nothing could be examined."""
    try:
        names = set(target.database.list_collection_names())
    except pymongo.errors.PyMongoError as error:
        raise TargetError(f"{target.info.describe()}: {mask(str(error))[:200]}; check the user's roles") from None
    if names & set(model.collections):
        return
    what = f"holds other collections ({', '.join(sorted(names)[:3])}) and none of the model's" if names else "is empty"
    raise TargetError(
        f"the database {target.database.name} on {target.info.uri} {what}: check MONGODB_DATABASE, or fill it with"
        " `zava generate`"
    )


def one_line(error: BaseException) -> str:
    """What a user is shown of any exception: a HarnessError's own line, else its kind and first line, masked."""
    if isinstance(error, HarnessError):
        return mask(str(error))
    first = (str(error).splitlines() or [""])[0]
    return mask(f"{type(error).__name__}: {first}"[:400])

"""Reaching a server: connecting, the first words with it, and what a driver's error means in one line."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any, Final

import pymongo.errors
from bson import DatetimeConversion
from bson.codec_options import CodecOptions
from pymongo import MongoClient

from conformance.collation import SimpleClient
from conformance.errors import ConfigurationError, TargetError
from conformance.masking import mask

Document = dict[str, Any]
#: How long a server may take to answer before it counts as out of reach.
PATIENCE_MS: Final = 5_000
#: Dirty data must be readable: dates beyond Python's range and broken UTF-8 are findings, not exceptions.
OPTIONS: Final[CodecOptions[Document]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO, unicode_decode_error_handler="replace"
)
_AUTHENTICATION: Final = frozenset({18, 8000})
_UNAUTHORIZED: Final = 13
_SCHEMES: Final = ("mongodb://", "mongodb+srv://")
#: What the driver appends for its developers: time-outs, and the whole topology.
_APPENDIX: Final = re.compile(
    r" \(configured timeouts:.*|, Timeout: .*|, full error: .*|, Topology Description: .*", re.S
)


def connect(uri: str, source: str, **options: Any) -> MongoClient[Document]:
    """A client for the connection string that ``source`` gave; nothing is asked of the server yet.

    Its queries compare values by the simple collation, whatever the collections' own is.

    ``options`` are the client's own, such as maxPoolSize.

    Raises ConfigurationError for what is no connection string or holds an unknown option, TargetError when DNS does
    not know the cluster.
    """
    if not uri.startswith(_SCHEMES) or re.search(r"\s", uri):
        # Not shown: where it is broken, nobody can say which part of it is the password.
        raise _unusable(source, "it does not begin with mongodb:// or mongodb+srv://, or holds a space")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # an option that is misspelt would be ignored
            patience = {"serverSelectionTimeoutMS": PATIENCE_MS, "connectTimeoutMS": PATIENCE_MS}
            return SimpleClient(uri, **{"appname": "zava-conformance", **patience, **options})
    except OSError as error:  # a certificate file
        raise _unusable(source, f"{error.filename}: {error.strerror}") from None
    except (pymongo.errors.InvalidURI, pymongo.errors.ConfigurationError, ValueError, TypeError, UserWarning) as error:
        if "DNS" in str(error) or "resolution" in str(error):
            raise TargetError(f"{mask(uri)} is not known: {in_words(error)}; check the name and the network") from None
        raise _unusable(source, in_words(error)) from None


def _unusable(source: str, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"{source}: not a usable connection string: {problem}; write it as mongodb://host:27017/ with the user name"
        " and password in front of the host, special characters in them as %XX"
    )


def greet(client: MongoClient[Document], uri: str) -> str:
    """Make sure that the server answers and lets the user in; its version.

    Raises TargetError, one line, with what to check.
    """
    shown = mask(uri)
    try:
        client.admin.command("ping")
        try:
            client.list_database_names()
        except pymongo.errors.OperationFailure as error:
            if error.code != _UNAUTHORIZED:  # who may read one database need not see the others
                raise
        return str(client.server_info()["version"])
    except pymongo.errors.PyMongoError as error:
        raise failure(error, shown) from None


def failure(error: BaseException, shown: str) -> TargetError:
    """The one line for an error of the driver; ``shown`` is the server's address without its password."""
    reason = in_words(error)
    if isinstance(error, pymongo.errors.ServerSelectionTimeoutError):
        mend = "check host and port, and that it runs"
        if ".mongodb.net" in shown:
            mend = "add this machine's IP address in Atlas under Network Access, and see that the cluster is not paused"
        return TargetError(f"no server answers at {shown}: {reason}; {mend}")
    if isinstance(error, pymongo.errors.AutoReconnect):
        return TargetError(f"{shown} went away: {reason}; check the server and run again")
    code = error.code if isinstance(error, pymongo.errors.OperationFailure) else None
    if code in _AUTHENTICATION:
        return TargetError(f"{shown} refuses the user name or password; check the connection string")
    if code == _UNAUTHORIZED:
        return TargetError(f"{shown}: the user may not do this: {reason}; check the user's roles")
    return TargetError(f"{shown} cannot be used: {reason}; check the server")


def in_words(error: BaseException) -> str:
    """What an error says, in one masked line of at most 300 characters, without the driver's appendices."""
    details = getattr(error, "details", None)
    text = str(details["errmsg"]) if isinstance(details, Mapping) and "errmsg" in details else str(error)
    text = _APPENDIX.sub("", text)
    return mask(" ".join(text.split()))[:300]

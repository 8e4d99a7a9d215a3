"""Reaching a server: connecting, the first words with it, and what a driver's error means in one line."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import pymongo.errors
from pymongo import MongoClient

from conformance.connection.collation import SimpleClient
from conformance.connection.connection_string import parse
from conformance.connection.options import MistakeError
from conformance.connection.unreachable import why_unreachable
from conformance.connection.validator_reply import refusals
from conformance.errors import ConfigurationError, TargetError
from conformance.text.masking import mask
from conformance.text.rendering import shorten

Document = dict[str, Any]
#: Time limit for an answer of a server.
PATIENCE_MS: Final = 5_000
#: Between two questions to a server that is waited for.
_PAUSE_SECONDS: Final = 0.5
_AUTHENTICATION: Final = frozenset({18, 8000})
_UNAUTHORIZED: Final = 13
_VALIDATOR: Final = 121
_DUPLICATE: Final = 11000
#: Maximum number of validation errors that a message names.
_SHOWN: Final = 3
#: A server quotes the command that it refuses; one that shows these is not repeated.
_SESSION: Final = ("lsid", "$clusterTime")
#: The meaning of a connection error; the first match counts.
_LOST: Final = (
    (pymongo.errors.NetworkTimeout, "it did not answer in time"),
    (pymongo.errors.NotPrimaryError, "its primary changed"),
    (pymongo.errors.ServerSelectionTimeoutError, "no server that fits answered in time"),
    (pymongo.errors.ConnectionFailure, "the connection was lost"),
)


def connect(uri: str, source: str, **options: Any) -> MongoClient[Document]:
    """Make a client for the connection string that ``source`` gave; nothing is asked of the server yet.

    Its queries compare values by the simple collation, whatever the collections' own is. ``options`` are the client's
    own, such as maxPoolSize. Raise ConfigurationError for a string that no server could be reached with, TargetError
    when DNS does not know the cluster.
    """
    try:
        string = parse(uri)
    except MistakeError as mistake:
        raise ConfigurationError(f"{source}: not a usable connection string: {mistake}") from None
    patience = {"serverSelectionTimeoutMS": PATIENCE_MS, "connectTimeoutMS": PATIENCE_MS}
    try:
        return SimpleClient(string.text, **{"appname": "zava-conformance", **patience, **options})
    except (pymongo.errors.PyMongoError, ValueError, TypeError, OSError) as error:
        if string.srv:
            raise TargetError(
                f"{mask(uri)} is not known: DNS has no usable entry _mongodb._tcp.{string.hosts[0][0]}; check the name"
                " of the cluster and the network"
            ) from None
        raise ConfigurationError(
            f"{source}: not a usable connection string: the driver refuses it ({in_words(error)}); check its options"
        ) from None


def greet(client: MongoClient[Document], uri: str, wait: float = 0) -> str:
    """Make sure that the server answers and lets the user in; return its version.

    A server that does not answer yet is waited for, for so many seconds. Raise TargetError, one line, with what to
    check.
    """
    try:
        _await(client, wait)
        try:
            client.list_database_names()
        except pymongo.errors.OperationFailure as error:
            # A user who may read one database need not see the others.
            if error.code != _UNAUTHORIZED or _anonymous(uri):
                raise
        return str(client.server_info()["version"])
    except pymongo.errors.PyMongoError as error:
        raise failure(error, uri) from None


def _await(client: MongoClient[Document], seconds: float) -> None:
    """Ask the server until it answers; after so many seconds its error counts."""
    end = time.monotonic() + seconds
    while True:
        try:
            client.admin.command("ping", read_preference=client.read_preference)
            return
        except pymongo.errors.ConnectionFailure:
            if time.monotonic() >= end:
                raise
            time.sleep(_PAUSE_SECONDS)


def failure(error: BaseException, uri: str, database: str | None = None) -> TargetError:
    """Return the one line for an error of the driver. A server that does not answer is looked at step by step."""
    address = mask(uri)
    if isinstance(error, pymongo.errors.ConnectionFailure):
        if ".mongodb.net" in address:
            return TargetError(
                f"no server answers at {address}: {in_words(error)}; add this machine's IP address in Atlas under"
                " Network Access, and see that the cluster is not paused"
            )
        return TargetError(f"no server answers at {address}: {why_unreachable(uri)}")
    code = error.code if isinstance(error, pymongo.errors.OperationFailure) else None
    if code in _AUTHENTICATION:
        return TargetError(
            f"{address} rejects the user name or password; check the connection string, including authSource (it names"
            " the database of the user)"
        )
    if code == _UNAUTHORIZED:
        return TargetError(f"{address}: {_missing_right(uri, database)}")
    return TargetError(f"{address} cannot be used: {in_words(error)}; check the server")


def _missing_right(uri: str, database: str | None) -> str:
    if _anonymous(uri):
        return "the server asks for a user name and a password; write mongodb://user:password@host/"
    where = f"the database {database}" if database else "this database"
    return (
        f"the user is not authorized in {where}; reading needs the role read, writing needs readWrite and"
        " dbAdmin, and `zava provision --users` creates users with these roles"
    )


def _anonymous(uri: str) -> bool:
    """Return whether the connection string names no user."""
    with suppress(MistakeError):
        string = parse(uri)
        return string.user is None and "authMechanism" not in string.options
    return False


def in_words(error: BaseException) -> str:
    """Return what an error says, in one masked line of at most 300 characters, without a server's raw reply."""
    lost = next((words for kind, words in _LOST if isinstance(error, kind)), None)
    if lost is not None:
        return lost
    text = _reply(error) if isinstance(error, pymongo.errors.OperationFailure) else str(error)
    return mask(" ".join(text.split()))[:300]


def _reply(error: pymongo.errors.OperationFailure) -> str:
    """Return the server's own words for a refusal, or its code where it quotes the command with the session."""
    details: Mapping[str, Any] = error.details or {}
    for part in ("writeErrors", "writeConcernErrors"):
        if details.get(part):
            details = details[part][0]
            break
    code = details.get("code", error.code)
    if code == _UNAUTHORIZED:
        return "the user is not authorized"
    if code == _VALIDATOR:
        found = "; ".join(map(str, refusals(details.get("errInfo", {}).get("details", {}))[:_SHOWN]))
        return f"the validator refuses the document{found and ': '}{found}"
    if code == _DUPLICATE and details.get("keyValue"):
        return "another document has " + ", ".join(
            f"{key} {shorten(value)}" for key, value in details["keyValue"].items()
        )
    words = details.get("errmsg") or details.get("codeName") or f"error {code}"
    if any(name in words for name in _SESSION):
        return f"refused with error {code}" + (f", {details['codeName']}" if "codeName" in details else "")
    return str(words)

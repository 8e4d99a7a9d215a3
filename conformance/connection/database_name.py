"""Choice of the database of a server when there is no model."""

from __future__ import annotations

from typing import Any, Final

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

from conformance.errors import ConfigurationError

_SYSTEM: Final = frozenset({"admin", "config", "local"})


def database_of(client: MongoClient[dict[str, Any]], uri: str | None, given: str | None, setting: str) -> str:
    """Return the database that is given, else the URI's, else the setting's if it exists, else the only one.

    Raise ConfigurationError, which names the databases, where there are several.
    """
    if given is not None:
        return given
    named = _of_uri(uri)
    if named is not None:
        return named
    try:
        names = [name for name in client.list_database_names() if name not in _SYSTEM]
    except OperationFailure:  # the user may read one database and not see the others
        return setting
    if setting in names or not names:
        return setting
    if len(names) == 1:
        return names[0]
    raise ConfigurationError(
        f"--database: the server has {len(names)} databases ({', '.join(names[:10])}) and none is named; name one"
    )


def _of_uri(uri: str | None) -> str | None:
    if uri is None or uri.startswith("mongodb+srv://"):
        path = "" if uri is None else uri.partition("//")[2].partition("?")[0].partition("/")[2]
        return path if path and path not in _SYSTEM else None
    try:
        named = parse_uri(uri, validate=False)["database"]
    except (PyMongoError, ValueError):
        return None
    return named if named not in _SYSTEM else None

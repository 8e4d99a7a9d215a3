"""Check a MongoDB connection string before the driver sees it, and say in the project's own words what is wrong.

The driver warns of some mistakes, ignores others, and words all of them differently in each release. A text that may
be a part of a password is never shown.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

from conformance.connection.options import BROKEN_ESCAPE, NOT_ESCAPED, MistakeError, contradiction, options_of, uses_tls
from conformance.connection.tls import tls_context

SRV: Final = "mongodb+srv://"
_SCHEMES: Final = ("mongodb://", SRV)


@dataclass(frozen=True)
class ConnectionString:
    """A connection string, taken apart. ``options`` has the values as text, by name as in MongoDB's manual.

    ``text`` is what the driver is given.
    """

    text: str
    srv: bool
    hosts: tuple[tuple[str, int], ...]
    user: str | None
    options: Mapping[str, str]

    @property
    def tls(self) -> bool:
        """True when the connection is encrypted."""
        return uses_tls(self.options, srv=self.srv)


def parse(text: str) -> ConnectionString:
    """Take a connection string apart. Raise MistakeError for one that no server could be reached with."""
    if not text.startswith(_SCHEMES) or re.search(r"\s", text):
        # Not shown: in a broken string, any part may be the password.
        raise MistakeError(
            "it does not begin with mongodb:// or mongodb+srv://, or holds a space; write it as mongodb://host:27017/"
        )
    srv = text.startswith(SRV)
    rest = text.split("://", 1)[1]
    before, _, query = rest.partition("?")
    authority, _, database = before.partition("/")
    if "@" in database or ("@" in query and "@" not in authority):
        raise MistakeError(NOT_ESCAPED)
    credentials, _, listed = authority.rpartition("@")
    user = _user(credentials) if "@" in authority else None
    if BROKEN_ESCAPE.search(database) or re.search(r'[/\\. "$]', unquote_plus(database).split(".", 1)[0]):
        raise MistakeError("the text between / and ? is not a valid database name")
    options = options_of(query, hidden="@" in query)
    hosts = _srv_host(listed) if srv else _hosts(listed)
    mistake = contradiction(options, srv=srv, hosts=len(hosts), user=user is not None)
    if mistake:
        raise MistakeError(mistake)
    if uses_tls(options, srv=srv):
        tls_context(options)
    return ConnectionString(_without_missing_compressors(text, options), srv, hosts, user, options)


def _user(credentials: str) -> str:
    name, _, password = credentials.partition(":")
    if re.search(r"[:/?#\[\]@]", name + password) or BROKEN_ESCAPE.search(credentials):
        raise MistakeError(NOT_ESCAPED)
    if not name:
        raise MistakeError("there is no user name in front of the @; write mongodb://user:password@host/")
    return unquote_plus(name)


def _hosts(listed: str) -> tuple[tuple[str, int], ...]:
    if not listed:
        raise MistakeError("it names no host; write mongodb://host:27017/")
    return tuple(_host(one) for one in listed.split(","))


def _host(text: str) -> tuple[str, int]:
    if not text:
        raise MistakeError("a host is missing between two commas; write host1:27017,host2:27017")
    if text.lower().endswith(".sock"):
        return unquote_plus(text), 0
    found = re.fullmatch(r"(?P<host>\[[0-9A-Fa-f:.%]+\]|[^:\[\]]*)(:(?P<port>[^:]*))?", text)
    if found is None:
        raise MistakeError("a host holds more than one colon; write an IPv6 address in brackets: [::1]:27017")
    if not found["host"]:
        raise MistakeError("a host has no name in front of its port; write host:27017")
    port = found["port"]
    if port is not None and not re.fullmatch(r"0*[1-9][0-9]{0,4}", port):
        # Not shown: without an @ behind it, it may be a password.
        raise MistakeError("a port is not a number from 1 to 65535; write host:27017")
    if port is not None and int(port) > 65535:
        raise MistakeError(f"the port {int(port)} does not exist; write a number from 1 to 65535")
    return found["host"].strip("[]").lower(), int(port or 27017)


def _srv_host(listed: str) -> tuple[tuple[str, int], ...]:
    if "," in listed:
        raise MistakeError(
            "mongodb+srv:// allows one host only; for several hosts write mongodb://host1:27017,host2:27017/"
        )
    if ":" in listed:
        raise MistakeError("mongodb+srv:// allows no port; remove the port, or write mongodb://")
    if not listed:
        raise MistakeError("it names no host; write mongodb+srv://cluster.example.net/")
    if re.fullmatch(r"[0-9.]+", listed):
        raise MistakeError("mongodb+srv:// needs the name of a cluster, not an IP address; write mongodb://")
    return ((listed.lower(), 0),)


#: The package that each way of compressing needs beside the driver.
_COMPRESSORS: Final = {"snappy": ("snappy",), "zstd": ("zstandard", "compression.zstd"), "zlib": ("zlib",)}


def _without_missing_compressors(text: str, options: Mapping[str, str]) -> str:
    """Return the string without compressors that are not installed: they change the speed only."""
    if "compressors" not in options:
        return text
    there = [one for one in options["compressors"].split(",") if any(map(_is_installed, _COMPRESSORS[one]))]
    wanted = f"compressors={','.join(there)}" if there else ""
    parts = [wanted if part.lower().startswith("compressors=") else part for part in text.split("?", 1)[1].split("&")]
    return text.split("?", 1)[0] + "?" + "&".join(part for part in parts if part)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False

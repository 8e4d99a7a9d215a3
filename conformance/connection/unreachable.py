"""Find out why a server cannot be used: look at each step of the way to it, from the name to the replica set.

The driver's errors say what it saw last, in words that change with each release. Here every step is tried by itself:
resolve the name, open the port, encrypt, ask `hello`. No user name and no password is sent.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import pymongo.errors
from pymongo import MongoClient
from pymongo.uri_parser import parse_uri

from conformance.connection.connection_string import ConnectionString, parse
from conformance.connection.options import MistakeError
from conformance.connection.tls import tls_context

#: Time limit of each step.
_STEP_SECONDS: Final = 2.0
#: Maximum number of hosts to try.
_MAX_HOSTS: Final = 3
_START_SET: Final = "run rs.initiate() on it"
_CERTIFICATE: Final[Mapping[int, str]] = {
    9: "is not valid yet; check this machine's clock",
    10: "has expired; renew it",
    18: "is signed by itself; name it as tlsCAFile",
    19: "comes from an authority that is not trusted; name the authority's certificate as tlsCAFile",
    20: "comes from an authority that is not trusted; name the authority's certificate as tlsCAFile",
    21: "comes from an authority that is not trusted; name the authority's certificate as tlsCAFile",
    23: "has been revoked; renew it",
    62: "is for another host name; write the name that the certificate has",
    64: "is for another address; write the name that the certificate has",
}


def why_unreachable(uri: str) -> str:
    """Return what stops a connection, and what to do: two parts of a message, joined by a semicolon."""
    try:
        string = parse(uri)
        hosts = parse_uri(uri)["nodelist"][:_MAX_HOSTS] if string.srv else list(string.hosts[:_MAX_HOSTS])
    except (MistakeError, pymongo.errors.PyMongoError):
        return "its name cannot be resolved; check the name and the network"
    found: list[str] = []
    for host, port in hosts:
        try:
            return _unusable(string, _hello(string, host, port), hosts)
        except _StoppedError as stopped:
            found.append(str(stopped))
    return found[0]


class _StoppedError(Exception):
    """One host cannot be asked, and this is why."""


def _hello(string: ConnectionString, host: str, port: int) -> Mapping[str, Any]:
    """Return the answer of one host to `hello`. Raise _StoppedError with the first step that fails."""
    if port:
        _open(host, port).close()
        if string.tls:
            _encrypt(string, host, port)
    answer = _ask(host, port, string.options if string.tls else None)
    if answer is not None:
        return answer
    if string.tls:
        raise _StoppedError(
            "the server ends the encrypted connection; it may ask for a client certificate: name one that it accepts as"
            " tlsCertificateKeyFile"
        )
    if port and _speaks_tls(host, port):
        raise _StoppedError("the server accepts only encrypted connections; add tls=true")
    raise _StoppedError(f"what listens at {_place(host, port)} does not answer as MongoDB does; check host and port")


def _open(host: str, port: int) -> socket.socket:
    try:
        return socket.create_connection((host, port), _STEP_SECONDS)
    except socket.gaierror:
        raise _StoppedError(f"the host name {host} is not known; check the name and the network") from None
    except ConnectionRefusedError:
        raise _StoppedError(
            f"nothing listens at {_place(host, port)}; check host and port, and that the server runs"
        ) from None
    except TimeoutError:
        raise _StoppedError(
            f"{_place(host, port)} does not answer; check host and port, and that no firewall is in between"
        ) from None
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else type(error).__name__
        raise _StoppedError(
            f"{_place(host, port)} cannot be reached ({why}); check host and port, and the network"
        ) from None


def _encrypt(string: ConnectionString, host: str, port: int) -> None:
    try:
        with _open(host, port) as plain, tls_context(string.options).wrap_socket(plain, server_hostname=host):
            return
    except ssl.SSLCertVerificationError as error:
        what = _CERTIFICATE.get(error.verify_code, "is not accepted; check it, and tlsCAFile")
        raise _StoppedError(f"the certificate of {_place(host, port)} {what}") from None
    except (OSError, ValueError):
        pass
    if _ask(host, port, None) is not None:
        raise _StoppedError("the server does not encrypt its connections; remove tls=true, or switch TLS on there")
    raise _StoppedError(
        f"{_place(host, port)} refuses to encrypt the connection; check tlsCertificateKeyFile, the server's TLS"
        " settings, and that the server is MongoDB and lets this machine in"
    )


def _speaks_tls(host: str, port: int) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with _open(host, port) as plain, context.wrap_socket(plain):
            return True
    except (OSError, _StoppedError):
        return False


def _ask(host: str, port: int, tls: Mapping[str, str] | None) -> Mapping[str, Any] | None:
    """Return the server's `hello`; None when it does not answer. ``tls`` has the options for encryption."""
    options: dict[str, Any] = {}
    for name, value in (tls or {"tls": "false"}).items():
        if name.startswith("tls"):
            options[name] = value == "true" if value in ("true", "false") else value
    address = [f"{host}:{port}" if ":" not in host else f"[{host}]:{port}"] if port else [host]
    limits = dict.fromkeys(
        ("serverSelectionTimeoutMS", "connectTimeoutMS", "socketTimeoutMS"), int(_STEP_SECONDS * 1e3)
    )
    options = {"tls": tls is not None, **options, **limits, "directConnection": True}
    with suppress(pymongo.errors.PyMongoError), MongoClient[dict[str, Any]](address, **options) as client:
        return client.admin.command("hello")
    return None


def _unusable(string: ConnectionString, hello: Mapping[str, Any], hosts: list[tuple[str, int]]) -> str:
    """Return why a server that answers is not usable with these options."""
    wanted, real = string.options.get("replicaSet"), hello.get("setName")
    if hello.get("isreplicaset"):
        return f"the server belongs to a replica set that is not initiated; {_START_SET}"
    if wanted and real is None:
        return f"replicaSet={wanted}, but the server is not a member of a replica set; remove it"
    if wanted and real != wanted:
        return f"the replica set is named {real}, not {wanted}; write replicaSet={real}"
    preference = string.options.get("readPreference", "primary")
    if real and string.options.get("directConnection") != "true":
        members = hello.get("hosts", [])
        away = [one for one in members if not _answers(string, one)]
        if away and len(away) == len(members):
            return (
                f"the replica set names its members {', '.join(members[:_MAX_HOSTS])}, which this machine cannot reach;"
                " add directConnection=true, or make these names known here"
            )
        if preference == "secondary" and len(members) - len(away) < 2:
            return "readPreference=secondary, but no secondary answers; write readPreference=secondaryPreferred"
        if preference in ("primary", "secondary") and not hello.get("primary"):
            return "the replica set has no primary now; check its members with rs.status()"
        if "readPreferenceTags" in string.options:
            return "no member has the readPreferenceTags; change or remove them"
    if len(hosts) > 1 and not real:
        return "the hosts are not members of one replica set; name one host"
    return "it did not answer in time; run again"


def _answers(string: ConnectionString, address: str) -> bool:
    host, _, port = address.rpartition(":")
    return _ask(host.strip("[]"), int(port), string.options if string.tls else None) is not None


def _place(host: str, port: int) -> str:
    return f"{host}:{port}" if port else host

"""The options of a connection string: their names, their values, and which go together."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote_plus

NOT_ESCAPED: Final = (
    "user name or password hold a character that is not escaped; write : / ? # [ ] @ and % in them as %3A %2F %3F %23"
    " %5B %5D %40 and %25"
)
BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
#: Options that tlsInsecure implies, and that must not be given with it.
_INCLUDED: Final = frozenset({"tlsAllowInvalidCertificates", "tlsAllowInvalidHostnames", "tlsDisableOCSPEndpointCheck"})
_NEED_USER: Final = frozenset({"SCRAM-SHA-1", "SCRAM-SHA-256", "GSSAPI", "PLAIN"})


class MistakeError(ValueError):
    """Raised for an invalid connection string; one line with the correction, without secrets."""


def _one_of(*allowed: str) -> Callable[[str], str | None]:
    listed = ", ".join(allowed[:-1]) + f" or {allowed[-1]}"

    def check(value: str) -> str | None:
        if value in allowed:
            return None
        near = difflib.get_close_matches(value, allowed, 1)
        return f"write {listed}" + (f" (did you mean {near[0]}?)" if near and len(allowed) > 2 else "")

    return check


def _whole(low: int, high: int = 2**31 - 1) -> Callable[[str], str | None]:
    def check(value: str) -> str | None:
        fits = re.fullmatch(r"-?[0-9]{1,10}", value) and low <= int(value) <= high
        return None if fits else f"write a whole number from {low:,} to {high:,}"

    return check


def _each_of(*allowed: str) -> Callable[[str], str | None]:
    one = _one_of(*allowed)
    return lambda value: next((why for why in map(one, value.split(",")) if why), None)


def _text(value: str) -> str | None:
    return None if value else "write a value, or remove the option"


def _staleness(value: str) -> str | None:
    return None if value == "-1" else _whole(90)(value)


def _tags(value: str) -> str | None:
    parts = value.split(",") if value else []
    return None if all(re.fullmatch(r"[^:]+:[^:]*", part) for part in parts) else "write name:value,name:value"


def _properties(value: str) -> str | None:
    return None if all(":" in part for part in value.split(",")) else "write NAME:value,NAME:value"


def _file(value: str) -> str | None:
    path = Path(value)
    try:
        with path.open("rb"):
            return None
    except FileNotFoundError:
        return "there is no such file; name one that exists"
    except IsADirectoryError:
        return "it is a folder; name a file"
    except OSError:
        return "the file cannot be read; check its permissions"


_BOOLEAN: Final = _one_of("true", "false")
_OPTIONS: Final[Mapping[str, Callable[[str], str | None]]] = {
    "appName": _text,
    "authMechanism": _one_of(
        "DEFAULT", "SCRAM-SHA-1", "SCRAM-SHA-256", "MONGODB-X509", "MONGODB-AWS", "MONGODB-OIDC", "GSSAPI", "PLAIN"
    ),
    "authMechanismProperties": _properties,
    "authSource": _text,
    "compressors": _each_of("snappy", "zlib", "zstd"),
    "connectTimeoutMS": _whole(0),
    "directConnection": _BOOLEAN,
    "heartbeatFrequencyMS": _whole(500),
    "journal": _BOOLEAN,
    "loadBalanced": _BOOLEAN,
    "localThresholdMS": _whole(0),
    "maxConnecting": _whole(1),
    "maxIdleTimeMS": _whole(0),
    "maxPoolSize": _whole(0),
    "maxStalenessSeconds": _staleness,
    "minPoolSize": _whole(0),
    "readConcernLevel": _one_of("local", "available", "majority", "linearizable", "snapshot"),
    "readPreference": _one_of("primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest"),
    "readPreferenceTags": _tags,
    "replicaSet": _text,
    "retryReads": _BOOLEAN,
    "retryWrites": _BOOLEAN,
    "serverMonitoringMode": _one_of("auto", "stream", "poll"),
    "serverSelectionTimeoutMS": _whole(0),
    "socketTimeoutMS": _whole(0),
    "srvMaxHosts": _whole(0),
    "srvServiceName": _text,
    "ssl": _BOOLEAN,
    "timeoutMS": _whole(0),
    "tls": _BOOLEAN,
    "tlsAllowInvalidCertificates": _BOOLEAN,
    "tlsAllowInvalidHostnames": _BOOLEAN,
    "tlsCAFile": _file,
    "tlsCertificateKeyFile": _file,
    "tlsCertificateKeyFilePassword": _text,
    "tlsCRLFile": _file,
    "tlsDisableOCSPEndpointCheck": _BOOLEAN,
    "tlsInsecure": _BOOLEAN,
    "uuidRepresentation": _one_of("standard", "unspecified", "pythonLegacy", "javaLegacy", "csharpLegacy"),
    "w": _text,
    "waitQueueTimeoutMS": _whole(0),
    "wTimeoutMS": _whole(0),
    "zlibCompressionLevel": _whole(-1, 9),
}
_BY_LOWER_CASE: Final = {name.lower(): name for name in _OPTIONS}
#: Values that no message shows.
_SECRET: Final = frozenset({"tlsCertificateKeyFilePassword", "authMechanismProperties"})


def options_of(query: str, *, hidden: bool) -> dict[str, str]:
    """Return the options by their names. With ``hidden`` a part of a password may be among them: show nothing."""
    found: dict[str, str] = {}
    for part in query.split("&") if query else ():
        written, equals, raw = part.partition("=")
        name = _BY_LOWER_CASE.get(written.lower())
        if hidden and (name is None or not equals):
            raise MistakeError(NOT_ESCAPED)
        if not equals or ("=" in raw and name not in _SECRET):
            raise MistakeError(f"{name or 'an option'} has no value, or two; write name=value, joined by &")
        if name is None:
            raise MistakeError(_unknown(written))
        if name in found and name != "readPreferenceTags":
            raise MistakeError(f"{name} is given twice; give it once")
        if BROKEN_ESCAPE.search(raw):
            raise MistakeError(f"{name}: a % in its value is not followed by two hexadecimal digits; write %25")
        value = raw if name in _SECRET else unquote_plus(raw)
        problem = _OPTIONS[name](value)
        if problem:
            shown = "" if name in _SECRET or hidden or not value else f"found {value[:80]!r}; "
            raise MistakeError(f"{name}: {shown}{problem}")
        found[name] = value
    return found


def _unknown(written: str) -> str:
    near = difflib.get_close_matches(written.lower(), _BY_LOWER_CASE, 1, 0.5)
    meant = f"did you mean {_BY_LOWER_CASE[near[0]]}?" if near else "remove it"
    return f"{written[:40]!r} is not an option of a connection string; {meant}"


def contradiction(options: Mapping[str, str], *, srv: bool, hosts: int, user: bool) -> str | None:
    """Return the first mistake in options that exclude each other or need another one, and what to do."""
    on = {name for name, value in options.items() if value == "true"}
    tls = uses_tls(options, srv=srv)
    only_tls = next((name for name in options if name.startswith("tls") and name != "tls"), None)
    weaker = next((name for name in options if name in _INCLUDED), None)
    only_srv = next((name for name in ("srvMaxHosts", "srvServiceName") if name in options), None)
    mechanism = options.get("authMechanism", "DEFAULT")
    pool = int(options.get("maxPoolSize", "100")), int(options.get("minPoolSize", "0"))
    chosen = {"readPreferenceTags", "maxStalenessSeconds"} & {n for n, v in options.items() if v not in ("", "-1")}
    mistakes = (
        ("tls" in options and "ssl" in options and options["tls"] != options["ssl"],
         "tls and ssl contradict each other; give one of them"),
        (only_tls and not tls, f"{only_tls} needs an encrypted connection; add tls=true, or remove it"),
        ("tlsInsecure" in options and weaker, f"tlsInsecure includes {weaker}; give one of the two"),
        ("directConnection" in on and srv, "directConnection=true is not for mongodb+srv://; remove it"),
        ("directConnection" in on and hosts > 1, "directConnection=true allows one host only; give one, or remove it"),
        (only_srv and not srv, f"{only_srv} is only for mongodb+srv://; remove it"),
        ("loadBalanced" in on and (hosts > 1 or "directConnection" in on or "replicaSet" in options),
         "loadBalanced=true allows one host only and excludes replicaSet and directConnection; remove one of them"),
        (options.get("srvMaxHosts", "0") != "0" and ("replicaSet" in options or "loadBalanced" in on),
         "srvMaxHosts excludes replicaSet and loadBalanced; remove one of them"),
        (0 < pool[0] < pool[1], "maxPoolSize is less than minPoolSize; change one of them"),
        (not user and mechanism in _NEED_USER,
         f"authMechanism={mechanism} needs a user name; write mongodb://user:password@host/"),
        (options.get("w") == "0", "w=0 waits for no answer, so that nothing can be proven; remove it"),
        (chosen and options.get("readPreference", "primary") == "primary",
         f"{min(chosen, default='')} needs another readPreference than primary; remove it or add readPreference"),
    )  # fmt: skip
    return next((why for made, why in mistakes if made), None)


def uses_tls(options: Mapping[str, str], *, srv: bool) -> bool:
    """Return whether the connection is encrypted; mongodb+srv:// is, unless an option says otherwise."""
    return options.get("tls", options.get("ssl", "true" if srv else "false")) == "true"

"""Masking: no secret reaches a terminal, a report, a log or a traceback. Every value that is shown goes through `mask`.

A secret is known by its form (a password in an address, a credential of `credentials.KINDS`, an option such as
``password=``), or since it was read as one: `remember` takes the values of secret settings and of keys such as
``api_key`` in configuration files, so that they are masked wherever they turn up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, unquote

from conformance.errors import HarnessError
from conformance.text.credentials import is_placeholder, secrets

#: From the user's colon to the last @ before a space: a password that was not escaped may hold any of / : @ ? too,
#: and a user name an @. Where an address without a password has an @ further on, too much is masked, never too little.
_PASSWORD: Final = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://[^\s:]*:)(?P<secret>\S*)(?=@)", re.IGNORECASE)
_OPTIONS: Final = re.compile(
    r"(?P<head>(?:tlsCertificateKeyFilePassword|authMechanismProperties|proxyPassword|password|passwd|pwd|secret|token"
    r"|access_token|auth_token|api[-_]?key|sig|signature)=)(?P<secret>[^&\s'\"]*[^&\s'\";,.)])",
    re.IGNORECASE,
)
_BEARER: Final = re.compile(r"(?P<head>\b(?:bearer|basic)\s+)(?P<secret>[\w.+/=~-]{12,})", re.IGNORECASE)
#: A text that must occur for the pattern to be searched.
_PATTERNS: Final = (("://", _PASSWORD), ("=", _OPTIONS), (" ", _BEARER))
#: Names of variables and keys whose values are secrets.
SECRET_NAME: Final = re.compile(
    r"pass(?:word|wd|phrase)|secret|token|credential|connection_?string|(?:api|private|access|account)[-_]?key",
    re.IGNORECASE,
)
#: A value under such a name that names a variable, and is none itself.
_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]*|\$\{?\w+\}?")
#: Shorter values are words that turn up by chance, and so are words of letters only, unless they are long.
_MIN_LENGTH: Final = 6
_MIN_LENGTH_OF_LETTERS: Final = 16

_remembered: set[str] = set()


def remember(value: str) -> None:
    """Take a value for a secret from now on, and the passwords of an address in it; nothing for what is none."""
    for match in _PASSWORD.finditer(value):
        _remember(match["secret"])
        _remember(unquote(match["secret"]))
    if "://" not in value:
        _remember(value.strip())


def remember_secrets(content: Any, name: str = "") -> None:
    """Take over every secret of a configuration file's content: by the name of its key, or by its form."""
    if isinstance(content, Mapping):
        for key, value in content.items():
            remember_secrets(value, str(key))
    elif isinstance(content, list):
        for value in content:
            remember_secrets(value, name)
    elif isinstance(content, str | int) and not isinstance(content, bool):
        text = str(content)
        if "://" in text or SECRET_NAME.search(name):
            remember(text)


def mask(text: str) -> str:
    """Return the text with every secret in it replaced by ***."""
    for secret in sorted((each for each in _remembered if each in text), key=len, reverse=True):
        text = text.replace(secret, "***")
    for sign, pattern in _PATTERNS:
        if sign in text:
            text = pattern.sub(r"\g<head>***", text)
    for secret in secrets(text):
        text = text.replace(secret, "***")
    return text


def masked(value: Any) -> Any:
    """Return the value with every text in it masked, in lists and mappings too."""
    if type(value) is str:  # not one of BSON's kinds of text, which would lose its type
        return mask(value)
    if isinstance(value, dict):
        return {key: masked(inner) for key, inner in value.items()}
    if isinstance(value, Mapping):
        return masked(dict(value))
    if type(value) in (list, tuple):
        return type(value)(masked(inner) for inner in value)
    return value


def one_line(error: BaseException) -> str:
    """Return what a user is shown of any exception: a HarnessError's own line, else its kind and first line, masked."""
    if isinstance(error, HarnessError):
        return mask(str(error))
    first = (str(error).splitlines() or [""])[0]
    return mask(f"{type(error).__name__}: {first}")[:400]


def _remember(secret: str) -> None:
    shortest = _MIN_LENGTH_OF_LETTERS if secret.isalpha() else _MIN_LENGTH
    if len(secret) >= shortest and not _VARIABLE.fullmatch(secret) and not is_placeholder(secret):
        _remembered.update((secret, quote(secret, safe="")))

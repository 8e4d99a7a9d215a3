"""Masking: no password reaches a log, a report or a traceback."""

from __future__ import annotations

import re
from typing import Final

from conformance.errors import HarnessError

#: From the user's colon to the last @ before a space: a password that was not escaped may hold any of / : @ ? too,
#: and a user name an @. Where an address without a password has an @ further on, too much is masked, never too little.
_PASSWORD: Final = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://[^\s:]*:)\S*(?=@)", re.IGNORECASE)
_OPTIONS: Final = re.compile(
    r"(?P<head>(?:tlsCertificateKeyFilePassword|authMechanismProperties|proxyPassword|password)=)[^&\s]+", re.IGNORECASE
)


def mask(text: str) -> str:
    """The text with every password of a connection string in it replaced by ***."""
    return _OPTIONS.sub(r"\g<head>***", _PASSWORD.sub(r"\g<head>***", text))


def one_line(error: BaseException) -> str:
    """What a user is shown of any exception: a HarnessError's own line, else its kind and first line, masked."""
    if isinstance(error, HarnessError):
        return mask(str(error))
    first = (str(error).splitlines() or [""])[0]
    return mask(f"{type(error).__name__}: {first}"[:400])

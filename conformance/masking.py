"""Masking: no password reaches a log, a report or a traceback."""

from __future__ import annotations

import re
from typing import Final

_PASSWORD: Final = re.compile(r"(?P<head>[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/]*(?=@)", re.IGNORECASE)
_OPTIONS: Final = re.compile(
    r"(?P<head>[?&](?:tlsCertificateKeyFilePassword|authMechanismProperties|password)=)[^&\s]+", re.IGNORECASE
)


def mask(text: str) -> str:
    """The text with every password of a connection string in it replaced by ***."""
    return _OPTIONS.sub(r"\g<head>***", _PASSWORD.sub(r"\g<head>***", text))

"""Decoding of BSON for the bridge: strings that are not UTF-8 are recognised and not changed."""

from __future__ import annotations

from typing import Any, Final

import bson
from bson.codec_options import CodecOptions

from conformance.connection import decoding

#: Bytes that are not UTF-8 become lone surrogates, which no other text has.
OPTIONS: Final[CodecOptions[dict[str, Any]]] = decoding.OPTIONS.with_options(
    unicode_decode_error_handler="surrogateescape"
)


def can_be_sent(value: Any) -> bool:
    """Return whether the driver can send the value to MongoDB: not so where it has text that is not UTF-8."""
    if type(value) is str and value.isascii():
        return True
    try:
        bson.encode({"": value})
    except UnicodeEncodeError:
        return False
    return True

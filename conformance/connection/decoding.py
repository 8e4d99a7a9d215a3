"""Decoding of documents; without the driver, so that programs that connect to no server start fast."""

from __future__ import annotations

from typing import Any, Final

from bson import DatetimeConversion
from bson.codec_options import CodecOptions

#: Dirty data must be readable: dates beyond Python's range and broken UTF-8 are findings, not exceptions.
OPTIONS: Final[CodecOptions[dict[str, Any]]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO, unicode_decode_error_handler="replace"
)

"""CBOR, the encoding of Ditto's store; the codec is an optional dependency, and loaded at the first use."""

from __future__ import annotations

from typing import Any


def dumps(value: Any, *, canonical: bool = False) -> bytes:
    """Return the value as CBOR, with ``canonical`` the same bytes for the same value."""
    import cbor2

    return cbor2.dumps(value, canonical=canonical)


def loads(content: bytes) -> Any:
    """Return the value that the bytes encode."""
    import cbor2

    return cbor2.loads(content)

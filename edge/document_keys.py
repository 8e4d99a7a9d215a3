"""Keys of documents: one text for each _id, so that ids of any type can be kept, compared and looked up."""

from __future__ import annotations

import json
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any, Final

from edge import cbor
from edge.decoding import can_be_sent

#: The prefix of a key that is not JSON.
_CBOR: Final = "cbor:"


def key_of(identity: Any) -> str:
    """Return one text for each Ditto _id, whatever the order of an object's names: JSON, or CBOR where it has bytes."""
    if type(identity) is str:
        return encode_basestring(identity) if can_be_sent(identity) else encode_basestring_ascii(identity)
    try:
        return json.dumps(identity, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except TypeError:
        return _CBOR + cbor.dumps(identity, canonical=True).hex()


def id_of(key: str) -> Any:
    """Return the Ditto _id that ``key_of`` made the key of."""
    return cbor.loads(bytes.fromhex(key[len(_CBOR) :])) if key.startswith(_CBOR) else json.loads(key)


def name_of(identity: Any) -> str:
    """One text for each MongoDB _id."""
    return key_of(identity) if is_plain(identity) else repr(identity)


def is_plain(identity: Any) -> bool:
    """Return True for an _id that stands for itself on both sides."""
    return type(identity) in (str, int, bool)

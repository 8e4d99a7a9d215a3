"""Read every document of a collection once, in batches of raw BSON, and count what is in it.

While one batch is counted, the next is on its way. Memory holds two batches and the counters.

Measured in processor time, on the 672,879 documents of the full dataset: 13 to 15 s here and 0.7 s on the server, with
170 MB. The server itself takes 9.9 s to count the types of the top-level fields alone ($objectToArray, $unwind,
$group), and 0.5 s to filter all documents by a field that none has.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import bson
import numpy as np
from pymongo.collection import Collection

from conformance.connection.decoding import OPTIONS
from conformance.inspection.names import may_refer
from conformance.inspection.profile import Profile
from conformance.inspection.samples import Samples

#: Documents in a batch; the server ends one earlier at 16 MB.
BATCH: Final = 5_000
#: Hashes of values that are held for one collection; 128 MB.
MAX_HELD: Final = 16_000_000
_LENGTH: Final = struct.Struct("<i")


@dataclass
class Scanned:
    """The counts of a scan: documents, bytes, documents by size (2^n to below 2^(n+1) bytes), and every path."""

    name: str
    documents: int = 0
    bytes: int = 0
    smallest: int = 0
    largest: int = 0
    octaves: Counter[int] = field(default_factory=Counter)
    over: Counter[int] = field(default_factory=Counter)
    root: Profile = field(default_factory=Profile)
    samples: Samples = field(default_factory=Samples)


def scan(
    collection: Collection[dict[str, Any]], on_progress: Callable[[int], object], limits: tuple[int, ...]
) -> Scanned:
    """Count all documents; ``limits`` are the sizes in bytes from which on documents are counted apart."""
    scanned = Scanned(collection.name)
    for batch in _batches(collection):
        documents = bson.decode_all(batch, OPTIONS)
        _count_sizes(scanned, batch, len(documents), limits)
        scanned.root.add_objects(documents)
        scanned.samples.look(scanned.root, documents)
        _hold_no_more(scanned.root)
        on_progress(len(documents))
    return scanned


def _hold_no_more(root: Profile) -> None:
    """Forget the values of the paths that hold most, until those of the collection fit; names of keys go last."""
    held = [(profile, profile.keys) for profile in root.walk() if profile.keys is not None and profile.keys.held]
    total = sum(keys.held for _, keys in held)
    for _, keys in sorted(held, key=lambda one: (_is_key_like(one[0]), -one[1].held)):
        if total <= MAX_HELD:
            return
        total -= keys.held
        keys.drop()


def _is_key_like(profile: Profile) -> bool:
    step = profile.path[-1]
    return isinstance(step, tuple) and may_refer(step[0])


def _next(cursor: Iterator[Any]) -> bytes:
    return bytes(next(cursor, b""))


def _batches(collection: Collection[dict[str, Any]]) -> Iterator[bytes]:
    with collection.find_raw_batches({}, batch_size=BATCH) as cursor, ThreadPoolExecutor(1) as pool:
        following = pool.submit(_next, cursor)
        while batch := following.result():
            following = pool.submit(_next, cursor)
            yield batch


def _count_sizes(scanned: Scanned, batch: bytes, number: int, limits: tuple[int, ...]) -> None:
    sizes = np.fromiter(_sizes(batch), np.int64, number)
    if not number:
        return
    scanned.smallest = min(scanned.smallest or int(sizes.min()), int(sizes.min()))
    scanned.largest = max(scanned.largest, int(sizes.max()))
    scanned.documents += number
    scanned.bytes += int(sizes.sum())
    octaves, counts = np.unique(np.log2(sizes).astype(np.int64), return_counts=True)
    scanned.octaves.update(dict(zip(octaves.tolist(), counts.tolist(), strict=True)))
    for limit in limits:
        scanned.over[limit] += int((sizes >= limit).sum())


def _sizes(batch: bytes) -> Iterator[int]:
    position, read = 0, _LENGTH.unpack_from
    while position < len(batch):
        (size,) = read(batch, position)
        yield size
        position += size

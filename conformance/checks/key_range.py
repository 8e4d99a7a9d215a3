"""Partitioned runs: each worker examines a range of keys of every collection, and the parts are merged.

The ranges are made of the data itself, the same in every worker without any of them speaking to another: the documents
in the order of their key are cut into as many parts. A condition is by BSON's order of all values, so that every
document is in exactly one part, whatever its key is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from bson import MaxKey
from pymongo.collection import Collection as MongoCollection

from conformance.errors import ConfigurationError
from conformance.text.paths import value_at

#: More would cut into ranges of nothing; and a slip of the keyboard shall not go unnoticed.
_MOST: Final = 10_000


@dataclass(frozen=True)
class Range:
    """The keys that meet all comparisons: none of them for everything, $gte, $lt or both for a part."""

    comparisons: Mapping[str, Any]

    def of(self, path: str) -> dict[str, Any]:
        """Return a query for the documents whose value at the path is in the range; {} for everything."""
        tests = [{operator: [f"${path}", {"$literal": value}]} for operator, value in self.comparisons.items()]
        return {"$expr": {"$and": tests}} if tests else {}


WHOLE: Final = Range({})


@dataclass(frozen=True)
class Partition:
    """The part with this ``number``, from 1, ``of`` so many."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """``2/4`` is the second of four; ConfigurationError, one line, for anything else."""
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        number, of = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= of <= _MOST:
            raise ConfigurationError(
                f"--partition: found {text!r}; write K/N, such as 2/4 for the second of four, N at most {_MOST:,}"
            )
        return cls(number, of)

    def range(self, collection: MongoCollection[Any], path: str, documents: int) -> Range:
        """Return the keys of the part, among the values that so many documents have at the path."""
        comparisons = {}
        if self.number > 1:
            comparisons["$gte"] = self._edge(collection, path, documents, self.number - 1)
        if self.number < self.of:
            comparisons["$lt"] = self._edge(collection, path, documents, self.number)
        return Range(comparisons)

    def _edge(self, collection: MongoCollection[Any], path: str, documents: int, parts: int) -> Any:
        """Return the lowest key after so many parts; above all keys when there are fewer.

        Never an array: they are sorted by their least element, but compared as a whole, and edges must not cross.
        """
        before = -(-documents * parts // self.of)
        for row in collection.find({}, {path: 1, "_id": int(path == "_id")}, sort=[(path, 1)], skip=before):
            value = value_at(row, path)
            if not isinstance(value, list):
                return value
        return MaxKey()

    def as_json(self, samples: int, ranges: Mapping[tuple[str, str], Range]) -> dict[str, Any]:
        """Return the part as a report has it, with the number of samples per rule and the key ranges."""
        ranges_as_text = {
            f"{name}.{path}": {operator: repr(value) for operator, value in keys.comparisons.items()}
            for (name, path), keys in sorted(ranges.items())
        }
        return {"number": self.number, "of": self.of, "samples": samples, "ranges": ranges_as_text}

    def deals(self, items: Sequence[Any]) -> list[Any]:
        """Return this part's share of items that cannot be split by key: every N-th item."""
        return list(items[self.number - 1 :: self.of])

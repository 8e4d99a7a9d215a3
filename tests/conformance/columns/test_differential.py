"""Random queries on documents of every BSON type: where columns give a definite answer, it is the server's."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import OperationFailure

from conformance.checks.base import Document
from conformance.columns.expressions import truth
from conformance.columns.layout import Array, Batch, UnusualError
from conformance.columns.queries import may_match, must_match
from conformance.columns.reading import batches
from conformance.model.kinds import TIMESTAMP_PATTERN, UUID4_PATTERN
from conformance.text.invisible import BLANK, IN_NAMES, IN_PROSE, PADDED
from tests.conformance.columns.odd_values import odd_document

PATHS: Final = ("$a", "$b", "$c", "$m.x", "$m.y")
CONSTANTS: Final = (0, 1, 2, 0.5, -1, "a", "ab", "", "b", True, False, None, 12.345, 2**53 - 1, "2024-01-31T10:00:00Z")
PATTERNS: Final = ("^", TIMESTAMP_PATTERN, UUID4_PATTERN, "^[a-z]+$", "^[^a]*$", "^(a|b){1,3}$", "^[ -~]{1,8}$")
TYPES: Final = ("string", "number", "int", ["int", "long", "double"], "object", ["string", "null"], "date", "array")
LIMITS: Final = (0, 1, 0.5, -1, 2**53 - 1, 2**53 + 1, 2**63 - 1, -(2**63))
#: Documents that are sure to match, and those that are sure not to.
Settled = tuple[Array, Array]


class Queries:
    """Random queries of the kinds that the rules ask."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def expression(self) -> Document:
        """Return a query for an expression."""
        return {"$expr": self._test(3)}

    def schema(self) -> Document:
        """Return a query for a schema."""
        rng, properties = self._rng, {name: self._of_value(2) for name in "abc" if self._rng.random() < 0.4}
        inner = {"properties": {"x": self._of_value(1)}, "required": [rng.choice("xy")]}
        inner |= {"bsonType": "object", "additionalProperties": False} if rng.random() < 0.5 else {}
        found: Document = {
            "bsonType": "object",
            "properties": properties | ({"m": inner} if rng.random() < 0.5 else {}),
        }
        found |= {"required": ["a"]} if rng.random() < 0.3 else {}
        found |= {"maxProperties": rng.randrange(2, 5)} if rng.random() < 0.2 else {}
        return {"$jsonSchema": found}

    def _test(self, depth: int) -> Any:
        rng, kind = self._rng, self._rng.randrange(9)
        if kind < 3 or not depth:
            names = ("$eq", "$ne", "$lt", "$lte", "$gt", "$gte")
            return {rng.choice(names): [self._value(depth), self._value(depth)]}
        if kind == 3:
            return {rng.choice(("$and", "$or")): [self._test(depth - 1), self._test(depth - 1)]}
        if kind == 4:
            return {"$not": [self._test(depth - 1)]}
        if kind == 5:
            return {"$in": [self._value(depth), {"$literal": rng.sample(CONSTANTS, 3)}]}
        if kind == 6:
            cents = {"$floor": {"$add": [{"$multiply": [self._number(), 100]}, 0.5]}}
            return {rng.choice(("$eq", "$lt")): [cents, {"$multiply": [self._number(), self._number()]}]}
        return {"$isNumber": rng.choice(PATHS)} if kind == 7 else self._value(depth)

    def _value(self, depth: int) -> Any:
        rng, kind = self._rng, self._rng.randrange(15) if depth > 0 else 0
        if kind < 4:
            return rng.choice(PATHS)
        if kind < 6:
            return {"$literal": rng.choice(CONSTANTS)}
        return [
            lambda: {rng.choice(("$add", "$subtract", "$multiply")): [self._number(), self._number()]},
            lambda: {rng.choice(("$floor", "$ceil", "$abs")): self._number()},
            lambda: {"$round": [self._number(), 0]},
            lambda: {"$cond": [self._test(depth - 1), self._value(depth - 1), self._value(depth - 1)]},
            lambda: {"$ifNull": [self._value(depth - 1), self._value(depth - 1)]},
            lambda: {"$concat": [self._text(), {"$toLower": self._text()}]},
            lambda: {"$substrBytes": [self._text(), rng.randrange(4), rng.randrange(-2, 5)]},
            lambda: {"$strLenBytes": self._text()},
            lambda: {"$type": rng.choice(PATHS)},
        ][kind - 6]()

    def _number(self) -> Any:
        path = self._rng.choice(PATHS)
        return {"$cond": [{"$isNumber": path}, path, 1]}

    def _text(self) -> Any:
        path = self._rng.choice(PATHS)
        return {"$cond": [{"$eq": [{"$type": path}, "string"]}, path, "zz"]}

    def _of_value(self, depth: int) -> Document:
        rng = self._rng
        keywords: dict[str, Callable[[], Any]] = {
            "bsonType": lambda: rng.choice(TYPES),
            "pattern": lambda: rng.choice(PATTERNS),
            "minLength": lambda: rng.choice((0, 1, 2, 8, 512)),
            "maxLength": lambda: rng.choice((0, 1, 2, 8, 512, 600)),
            "enum": lambda: rng.sample(CONSTANTS[3:], 3),
            "minimum": lambda: rng.choice(LIMITS),
            "maximum": lambda: rng.choice(LIMITS),
        }
        if depth:
            keywords["anyOf"] = lambda: [self._of_value(depth - 1), self._of_value(depth - 1)]
        return {name: keywords[name]() for name in rng.sample(sorted(keywords), rng.randrange(1, 3))}


@pytest.fixture
def odd(server: MongoClient[Document]) -> Iterator[Collection[Document]]:
    """An empty collection."""
    yield server["columns_differ"]["odd"]
    server.drop_database("columns_differ")


def of_expression(query: Document, batch: Batch) -> Settled:
    is_true, unsure = truth(query["$expr"], batch)
    return is_true & ~unsure, ~is_true & ~unsure


def of_schema(query: Document, batch: Batch) -> Settled:
    matched = must_match(query, batch)
    return matched, matched & False


def of_text(query: Document, batch: Batch) -> Settled:
    suspects = may_match(query, batch)
    return suspects & False, ~suspects


def check(collection: Collection[Document], found: list[Batch], query: Document, settle: Any) -> int:
    """Compare what is settled in columns with the server's answer; return for how many documents it is."""
    try:
        matched = {one["_id"] for one in collection.find(query, {"_id": 1})}
        answers = [settle(query, batch) for batch in found]
    except (UnusualError, OperationFailure):  # some random expressions are errors
        return 0
    settled = 0
    for batch, (matching, others) in zip(found, answers, strict=True):
        ids = batch.window("<i4")[batch.columns["_id"].at]
        assert set(ids[matching].tolist()) <= matched, query
        assert not set(ids[others].tolist()) & matched, query
        settled += int(matching.sum() + others.sum())
    return settled


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 40))])
def test_settled_answers_are_those_of_the_server(seed: int, odd: Collection[Document]) -> None:
    rng = random.Random(seed)
    odd.insert_many([odd_document(rng, key) for key in range(400)])
    found = list(batches(odd, {"m"}))
    queries = Queries(rng)
    settled = sum(check(odd, found, queries.expression(), of_expression) for _ in range(80))
    assert settled > 5_000
    assert sum(check(odd, found, queries.schema(), of_schema) for _ in range(40)) > 500
    texts = [{path[1:]: {"$regex": pattern}} for path in PATHS for pattern in (BLANK, IN_NAMES, IN_PROSE, PADDED)]
    assert sum(check(odd, found, query, of_text) for query in texts) > 1_000

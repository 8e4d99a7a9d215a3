"""Documents that are walked in several parts give the columns of one walk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bson
import numpy as np
import pytest
from bson import Decimal128, Int64

from conformance.columns import reading
from conformance.columns.layout import Batch
from conformance.columns.values import values_at

PATHS = ("a", "a.b", "a.c", "a.d", "a.d.e", "n", "t", "long_name_of_a_field")
#: Each begins with _id; the parts of them that are walked together differ in what they have and of which type.
DOCUMENTS: list[dict[str, Any]] = [
    {"a": {"b": 1, "c": "x", "d": {"e": 1}}, "n": 1, "t": "one", "long_name_of_a_field": True},
    {"a": {"b": 2, "c": "yy"}, "n": 2.5, "t": "two", "long_name_of_a_field": False},
    {"n": Int64(2**60), "t": None},
    {"a": "no object", "n": float("nan"), "t": "a longer text of several words"},
    {"a": {"c": "only"}, "n": True, "t": "", "long_name_of_a_field": Decimal128("1")},
    {"a": {"b": 3, "c": "z", "d": {"e": 2}}, "n": 3, "t": "three", "long_name_of_a_field": True},
]


def read(documents: list[dict[str, Any]]) -> Iterator[Batch]:
    numbered = [{"_id": number, **document} for number, document in enumerate(documents)]
    reply = {"cursor": {"firstBatch": numbered, "id": Int64(0), "ns": "shop.things"}, "ok": 1.0}
    return reading.read([bson.encode(reply)], {"a", "a.d"})


def seen(documents: list[dict[str, Any]]) -> dict[float, list[Any]]:
    """Return the codes, numbers and texts that columns have of each document, by its _id."""
    found: dict[float, list[Any]] = {}
    for batch in read(documents):
        columns = [values_at(batch, path) for path in PATHS]
        for place, number in enumerate(values_at(batch, "_id").numbers.tolist()):  # type: ignore[union-attr]
            found[number] = [
                (
                    int(one.codes[place]),
                    bool(one.sure[place % len(one.sure)]),
                    None if one.numbers is None or not one.sure[place % len(one.sure)] else float(one.numbers[place]),
                    b"" if one.texts is None else bytes(one.texts[place]),
                )
                for one in columns
            ]
    return found


@pytest.mark.parametrize("together", [1, 2, 3, 4])
@pytest.mark.parametrize("order", range(4))
def test_parts_give_the_columns_of_one_walk(monkeypatch: pytest.MonkeyPatch, together: int, order: int) -> None:
    documents = [DOCUMENTS[place] for place in np.random.default_rng(order).permutation(len(DOCUMENTS))]
    whole = seen(documents)
    assert len(whole) == len(DOCUMENTS)
    monkeypatch.setattr(reading, "_SIDE_BY_SIDE", together)
    assert seen(documents) == whole


@pytest.mark.parametrize("first", [None, "no object", 5, [], {}])
def test_object_is_read_where_the_first_document_has_none(first: object) -> None:
    found = seen([{"a": first}, {"a": {"b": 1, "d": {"e": 2}}}, {"a": None}, {"a": {"d": None}}])
    codes = {number: [code for code, *_ in columns[:5]] for number, columns in found.items()}
    assert codes[1] == [0x03, 0x10, 0, 0x03, 0x10]
    assert codes[2] == [0x0A, 0, 0, 0, 0]
    assert codes[3] == [0x03, 0, 0, 0x0A, 0]


def test_code_is_told_only_where_all_values_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_SIDE_BY_SIDE", 2)
    (batch,) = read([{"n": 1, "t": "x"}, {"n": 2, "t": "y"}, {"n": 3.0, "t": "z"}])
    assert batch.columns["n"].code is None
    assert batch.columns["t"].code == batch.columns["t"].codes[0]
    (batch,) = read([{"n": 1}, {"n": 2.5}])
    assert batch.columns["n"].code is None


def test_value_of_another_type_under_a_known_name_is_read() -> None:
    """The name and the type are compared in one word: of a name with seven bytes they fill it to the last."""
    for name in ("", "n", "sixsix", "sevense", "eightbyt", "a_name_of_seventeen"):
        (batch,) = read([{name: 1}, {name: "text"}, {name: 2}])
        assert values_at(batch, name).codes.tolist() == [0x10, 0x02, 0x10]

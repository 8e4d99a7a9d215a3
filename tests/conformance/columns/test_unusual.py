"""Documents that only the server reads as it does: columns must not settle anything about them."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing
from threading import Event
from typing import Any

import bson
import numpy as np
import pytest
from bson import Code, Int64, MaxKey
from bson.raw_bson import RawBSONDocument

from conformance.checks.base import Document, Found
from conformance.checks.joins import columns
from conformance.checks.joins.columns import Family, Parents, Question
from conformance.checks.joins.divided import AT_ONCE, DividedFamily, DividedParents
from conformance.checks.joins.join import Column
from conformance.checks.survey import identity
from conformance.columns.expressions import truth
from conformance.columns.keys import cells
from conformance.columns.layout import INT, Batch, UnusualError
from conformance.columns.queries import must_match
from conformance.columns.reading import read
from conformance.columns.values import values_at
from conformance.model.collection import Reference

LINES = Reference("lines", "order", "orders", "_id")


def batches(*documents: Document | RawBSONDocument) -> Iterator[Batch]:
    reply = {"cursor": {"firstBatch": list(documents), "id": Int64(0), "ns": "shop.things"}, "ok": 1.0}
    return read([bson.encode(reply)], {"a"})


def batch_of(*documents: Document | RawBSONDocument) -> Batch:
    (batch,) = batches(*documents)
    return batch


def raw(document: Document, old: bytes, new: bytes) -> RawBSONDocument:
    """The document with bytes that the driver does not write."""
    encoded = bson.encode(document)
    assert len(old) == len(new)
    assert old in encoded
    return RawBSONDocument(encoded.replace(old, new))


def undefined(name: str) -> RawBSONDocument:
    return raw({name: None}, b"\x0a" + name.encode(), b"\x06" + name.encode())


def may_be_true(expression: Any, batch: Batch) -> list[bool]:
    is_true, unsure = truth(expression, batch)
    return np.asarray(is_true | unsure).tolist()


def test_field_named_like_a_computed_value_is_read_as_itself() -> None:
    batch = batch_of({"a": "text", "length a": 7, "{'$eq': ['$a', 'text']}": 0})
    assert must_match({"$jsonSchema": {"properties": {"a": {"minLength": 2}}}}, batch).all()
    assert truth({"$eq": ["$a", "text"]}, batch)[0].all()
    assert truth({"$eq": ["$length a", 7]}, batch)[0].all()


def test_names_that_are_not_utf_8_are_left_to_the_server() -> None:
    one = raw({"p": 1, "q": 1}, b"p\0", b"\xff\0")
    with pytest.raises(UnusualError):
        list(batches(raw({"p": 1}, b"p\0", b"\xff\0"), RawBSONDocument(one.raw.replace(b"q\0", b"\xfe\0"))))


def test_undefined_is_left_to_the_server() -> None:
    with pytest.raises(UnusualError):
        list(batches({"a": 1}, undefined("a")))


def test_code_is_less_than_the_greatest_key() -> None:
    assert may_be_true({"$lt": ["$a", "$b"]}, batch_of({"a": Code("x"), "b": MaxKey()})) == [True]


@pytest.mark.parametrize("number", [2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1])
def test_integers_that_may_be_rounded_are_not_known(number: int) -> None:
    batch = batch_of({"a": Int64(number)})
    assert values_at(batch, "a").unsure is not None
    with pytest.raises(UnusualError):
        cells(batch, values_at(batch, "a"))


def test_values_at_a_limit_that_is_rounded_are_not_known() -> None:
    schema = {"$jsonSchema": {"properties": {"a": {"maximum": 2**63 - 1}}}}
    assert must_match(schema, batch_of({"a": 2.0**63}, {"a": 5})).tolist() == [False, True]


def test_nulls_are_equal_whatever_they_were_computed_from() -> None:
    one, other = ({"$cond": ["$yes", None, name]} for name in ("$a", "$b"))
    batch = batch_of({"yes": True, "a": 1, "b": 2}, {"yes": True, "a": 3, "b": 4})
    assert may_be_true({"$eq": [one, other]}, batch) == [True, True]


def test_null_beside_text_is_not_known_to_add_up() -> None:
    assert may_be_true({"$gt": [{"$add": ["$a", "$b"]}, None]}, batch_of({"a": "x", "b": None})) == [True]


def test_sums_of_three_numbers_are_left_to_the_server() -> None:
    with pytest.raises(UnusualError):
        truth({"$eq": [{"$add": [0.1, 0.2, "$a"]}, 0.6]}, batch_of({"a": 0.3}))


def test_id_that_is_read_as_another_is_left_to_the_server() -> None:
    broken = batch_of(raw({"_id": "xyz", "t": "_id"}, b"xyz", b"\xffyz"))
    with pytest.raises(UnusualError):
        identity(broken, 0)
    with pytest.raises(UnusualError):
        identity(batch_of({"a": {"_id": None}}), 0)
    assert identity(batch_of({"t": 1, "_id": Int64(5)}), 0) == 5


def suspects(orders: Sequence[Document], lines: Sequence[Document], question: Question) -> list[Any] | None:
    """The keys of the orders that may violate a rule about lines; None if the server is asked about all.

    Documents in parts on the disk have the same.
    """
    parents = Parents("orders", "_id")
    found = found_by(Family("check", LINES, {"rule": question}, parents), parents, orders, lines)
    in_parts = suspects_in_parts(orders, lines, question)
    if found is None or in_parts is None:
        assert found is in_parts
        return None
    assert found.examined == in_parts.examined
    assert sorted(found.suspects, key=repr) == sorted(in_parts.suspects, key=repr)
    return found.suspects


def suspects_in_parts(orders: Sequence[Document], lines: Sequence[Document], question: Question) -> Found | None:
    parents = DividedParents("orders", "_id", 3 * AT_ONCE)
    with closing(parents), closing(DividedFamily("check", LINES, {"rule": question}, parents, Event())) as family:
        return found_by(family, parents, orders, lines)


def found_by(family: Family, parents: Parents, orders: Sequence[Document], lines: Sequence[Document]) -> Found | None:
    try:
        for batch in batches(*orders) if orders else ():
            parents.take(batch)
    except UnusualError:
        assert not family.is_ready
        return None
    if orders:
        parents.finish()
    try:
        if not family.is_ready:
            return None
        for batch in batches(*lines):
            family.take(batch)
    except UnusualError:
        assert family.found() is None
        return None
    family.complete = True
    return family.found()


def total_of(amount: Any, stored: Any) -> Question:
    return Question(None, [("all", "all")], {"all": Column("$sum", amount, {"$multiply": [-1, stored]})})


TOTAL = total_of("$n", "$total")


def test_total_over_decimals_is_left_to_the_server() -> None:
    lines = [{"order": 1, "n": 1}, {"order": 1, "n": bson.Decimal128("2")}]
    assert suspects([{"_id": 1, "total": 1}], lines, TOTAL) is None


def test_total_that_rounding_makes_right_is_suspect() -> None:
    lines = [{"order": 1, "n": 2.0**51}, *[{"order": 1, "n": 0.125}] * 4]
    assert suspects([{"_id": 1, "total": 2.0**51}, {"_id": 2, "total": 0}], lines, TOTAL) == [1]
    exact = [{"order": 1, "n": 2**53 - 1}, {"order": 1, "n": 1}, {"order": 1, "n": 1}]
    assert suspects([{"_id": 1, "total": 2**53 - 1}], exact, TOTAL) == [1]


def test_total_of_whole_numbers_is_settled() -> None:
    lines = [{"order": 1, "n": 10**12}, {"order": 1, "n": 5}, {"order": 2, "n": 1}]
    assert suspects([{"_id": 1, "total": 10**12 + 5}, {"_id": 2, "total": 2}], lines, TOTAL) == [2]


def test_parents_that_vanish_before_they_are_read_leave_the_children_to_the_server() -> None:
    assert suspects([], [{"order": 1, "n": 1}], TOTAL) is None


def test_parts_without_documents_change_nothing() -> None:
    missing = Question((True, {"$eq": [{"$type": "$_order._id"}, "missing"]}))
    assert suspects([{"_id": 1}], [{"order": n} for n in range(9)], missing) == [0, *range(2, 9)]
    assert suspects([{"_id": n, "total": int(n == 4)} for n in range(9)], [{"order": 1, "n": 0}], TOTAL) == [4]


def test_key_of_two_parents_is_left_to_the_server() -> None:
    assert suspects([{"_id": 1, "total": 1}] * 2, [{"order": 1, "n": 1}], TOTAL) is None


def test_bytes_of_a_document_are_not_asked_of_one_in_parts() -> None:
    size = Question((True, {"$gt": [{"$bsonSize": "$$ROOT"}, 40]}))
    assert suspects_in_parts([{"_id": 1}], [{"order": 1}], size) is None


def test_full_disk_leaves_the_children_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    orders, lines = [{"_id": 1, "total": 1}], [{"order": 1, "n": 1}]
    assert suspects_in_parts(orders, lines, TOTAL) == Found({"rule": 1}, [])
    for place in ("save", "load"):
        with monkeypatch.context() as patched:
            patched.setattr(np, place, full)
            assert suspects_in_parts(orders, lines, TOTAL) is None, place


def test_parents_beyond_the_memory_are_left_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    orders, lines = [{"_id": n, "total": 1} for n in range(20)], [{"order": n, "n": 1} for n in range(20)]
    assert suspects(orders, lines, TOTAL) == []
    for limit in ("MEMORY", "MOST"):
        with monkeypatch.context() as patched:
            patched.setattr(columns, limit, 2)
            assert suspects(orders, lines, TOTAL) is None, limit


def test_keys_that_are_equal_up_to_a_number_of_bytes_are_different() -> None:
    missing = Question((True, {"$eq": [{"$type": "$_order._id"}, "missing"]}))
    orders = [{"_id": "x" * 8}, {"_id": "x" * 16}, {"_id": "x" * 511}]
    lines = [{"order": "x" * size} for size in (7, 8, 9, 16, 17, 511, 512)]
    assert suspects(orders, lines, missing) == ["x" * size for size in (7, 9, 17, 512)]
    assert suspects(orders, [{"order": "x" * 513}], missing) is None
    numbers = [{"order": 1.0}, {"order": Int64(2)}, {"order": -0.0}, {"order": struct.unpack("<d", b"x" * 8)[0]}]
    assert suspects([{"_id": 1}, {"_id": 2}, {"_id": 0}], numbers[:3], missing) == []
    assert suspects([{"_id": "x" * 8}], numbers[3:], missing) != []
    assert suspects([{"_id": 1e-17}], [{"order": 2e-17}], missing) != []


@pytest.mark.parametrize("size", [1, 6, 7, 8, 9, 15, 16, 17, 31, 40])
def test_names_that_differ_in_one_byte_are_different_fields(size: int) -> None:
    names = ["x" * size, *("x" * at + "y" + "x" * (size - at - 1) for at in range(size)), "x" * (size + 1)]
    found = {name for batch in batches(*({name: 1} for name in names)) for name in batch.columns}
    assert found == set(names)
    read_as = [values_at(batch, "x" * size).codes.tolist() for batch in batches(*({name: 1} for name in names))]
    assert sum(codes.count(INT) for codes in read_as) == 1

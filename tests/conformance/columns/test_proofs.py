"""Single values that columns prove to meet a query, and values that they must not: limits, invalid UTF-8."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations
from typing import Any, Final

import pytest
from bson import Code, Decimal128, Int64, MaxKey, MinKey, ObjectId, Timestamp
from bson.raw_bson import RawBSONDocument

from conformance.checks.base import Document
from conformance.columns.expressions import truth
from conformance.columns.layout import Batch, UnusualError
from conformance.columns.queries import may_match, must_match
from conformance.text.invisible import BLANK, IN_NAMES, IN_PROSE, PADDED
from tests.conformance.columns.odd_values import encoded, text_of
from tests.conformance.columns.test_unusual import batch_of

#: The same in every worker: it is in the names of tests.
OBJECT_ID = ObjectId("0123456789abcdef01234567")
NAN = float("nan")
LONG = "x" * 600
BROKEN = b"\xffx"
CUT = b"a\x80"
#: A value of each type that has a place of its own in BSON's order, in that order.
IN_ORDER: Final[dict[str, Any]] = {
    "minKey": MinKey(), "null": None, "int": 1, "string": "a", "object": {"x": 1}, "array": [1], "binData": b"\0",
    "objectId": OBJECT_ID, "bool": True, "date": datetime(2020, 1, 1, tzinfo=UTC), "timestamp": Timestamp(1, 1),
    "javascript": Code("a"), "maxKey": MaxKey(),
}  # fmt: skip


def short(value: Any) -> str:
    """The name of a parameter."""
    return str(value)[:60]


def document(value: Any) -> Document | RawBSONDocument:
    """The document of a value; bytes are those of a text."""
    return RawBSONDocument(encoded({"a": text_of(value)})) if isinstance(value, bytes) else {"a": value}


@pytest.mark.parametrize(
    ("schema", "valid", "others"),
    [
        ({"bsonType": "string"}, ["a", LONG, BROKEN], [1, None, True]),
        ({"bsonType": ["number", "null"]}, [1, 1.5, None, Decimal128("1")], ["a", False]),
        ({"pattern": "^"}, ["", "a", "\u00e9", 1], [BROKEN, CUT, LONG]),
        ({"pattern": "^a+$"}, ["a", "a" * 9, 1, None], ["b", "ab", "\u00e9", BROKEN, LONG]),
        ({"minLength": 2}, ["ab", "\u00e9a", 1], ["a", "", "\u00e9", BROKEN, CUT, LONG]),
        ({"maxLength": 2}, ["ab", "\u00e9a", "", 1], ["abc", "\u00e9ab", BROKEN, CUT, LONG]),
        ({"maxLength": 9}, ["a" * 9], ["a" * 10, BROKEN]),
        ({"enum": ["a", 1, None]}, ["a", 1, 1.0, None], ["b", 2, "", False, LONG, BROKEN]),
        ({"minimum": 1}, [1, 1.5, Int64(2), "a"], [0, 0.99, NAN, Decimal128("2")]),
        ({"maximum": 1}, [1, 0.5, Int64(-2), "a"], [2, 1.01, NAN, Decimal128("0")]),
        ({"minimum": 1, "exclusiveMinimum": True}, [1.01, 2], [1, 0]),
        ({"maximum": 1, "exclusiveMaximum": True}, [0.99, 0], [1, 2]),
        ({"anyOf": [{"bsonType": "null"}, {"minLength": 2, "bsonType": "string"}]}, [None, "ab"], ["a", 1]),
        ({"allOf": [{"minLength": 2}, {"bsonType": "string"}]}, ["ab"], ["a", 1]),
        ({"items": {"minimum": 0, "bsonType": "double"}}, [[0.0, 1.5], "a"], [[-1.0, 1.0], ["a"], [NAN]]),
        ({"items": {"anyOf": [{"maximum": 0}, {"minimum": 1}]}}, [[0.0, -1.0], [1.0, 2.0]], [[0.5, 0.5], [0.0, 1.0]]),
        ({"minItems": 2}, [[0.0, 1.0], "a"], [[0.0], [], ["a", "b"]]),
        ({"maxItems": 1}, [[0.0], "a"], [[0.0, 1.0], ["a", "b"]]),
    ],
    ids=short,
)
def test_values_that_meet_a_schema_are_proven_and_no_others(schema: Document, valid: Any, others: Any) -> None:
    query = {"$jsonSchema": {"properties": {"a": schema}}}
    found = must_match(query, batch_of(*map(document, [*valid, *others])))
    assert found.tolist() == [True] * len(valid) + [False] * len(others)


@pytest.mark.parametrize("schema", [{"required": ["b"]}, {"properties": {"a": {"required": ["c"]}}}])
def test_required_names_are_proven(schema: Document) -> None:
    assert must_match({"$jsonSchema": schema}, batch_of({"a": {"c": 1}, "b": 1})).all()
    assert not must_match({"$jsonSchema": schema}, batch_of({"a": {"d": 1}, "c": 1})).any()


@pytest.mark.parametrize("at_top", [True, False])
def test_documents_with_no_other_names_are_proven(at_top: bool) -> None:
    inner = {"properties": {"x": {}}, "additionalProperties": False}
    query = {"$jsonSchema": inner if at_top else {"properties": {"a": inner}}}
    found = [
        must_match(query, batch_of(one if at_top else {"a": one})).tolist()
        for one in ({"x": 1}, {}, {"y": 1}, {"x": 1, "y": None}, {"x": {"z": 1}})
    ]
    assert found == [[True], [True], [False], [False], [True]]
    assert must_match({"$jsonSchema": {"properties": {"a": inner}}}, batch_of({"a": 1})).all()
    assert not must_match({"$jsonSchema": {"properties": {"b": inner}}}, batch_of({"b": {"x": 1}})).any()  # not read


def test_number_of_names_is_proven() -> None:
    query = {"$jsonSchema": {"maxProperties": 2}}
    found = [must_match(query, batch_of(dict.fromkeys(names, 1.0))).tolist() for names in ("a", "ab", "abc")]
    assert found == [[True], [True], [False]]
    assert must_match(query, batch_of({"a": 1, "b": 1, "c": 1}, {"a": 1, "c": 1})).tolist() == [False, True]


def test_value_that_exists_is_proven_and_other_conditions_are_left_to_the_server() -> None:
    batch = batch_of({"a": None, "b": [{"c": 1}]})
    assert [must_match({path: {"$exists": True}}, batch)[0] for path in ("a", "b", "c", "b.c")] == [1, 1, 0, 0]
    dotted = {"$jsonSchema": {"properties": {"b.c": {"bsonType": "string"}}}}
    for query in ({"a": {"$exists": False}}, {"a": {"$gt": 1}}, {"a": 1}, {"$or": [{"a": 1}]}, dotted):
        with pytest.raises(UnusualError):
            must_match(query, batch)
    for query in ({"a": {"$exists": True}}, {"a": {"$regex": "x"}}, {"a": {"$regex": BLANK, "$options": "i"}}):
        with pytest.raises(UnusualError):
            may_match(query, batch)


@pytest.mark.parametrize("pattern", [BLANK, IN_NAMES, IN_PROSE, PADDED], ids=["blank", "names", "prose", "padded"])
def test_texts_of_other_signs_than_plain_ones_are_suspect(pattern: str) -> None:
    plain = ["a", "a b", "~", "!", "a" * 8, "a!" * 4, 1, None]
    odd = ["", " ", " a", "a ", "a" * 7 + " ", "a" * 15 + " ", "\x7f", "a\x1f", "a\n", "\u00e9", "a\0", BROKEN, LONG]
    query = {"a": {"$regex": pattern}}
    found = may_match(query, batch_of(*map(document, [*plain, *odd, ["a"]])))
    assert found.tolist() == [False] * len(plain) + [True] * (len(odd) + 1)
    for value in (*plain, *odd):
        assert may_match(query, batch_of(document(value))).tolist() == [value in odd], value


def test_suspects_are_those_of_any_and_of_every_condition() -> None:
    batch = batch_of(*({"a": a, "b": b} for a in (0, 1) for b in (0, 1)))
    one, other = {"$expr": {"$eq": ["$a", 1]}}, {"$expr": {"$eq": ["$b", 1]}}
    assert may_match({"$or": [one, other]}, batch).tolist() == [False, True, True, True]
    assert may_match({"$nor": [one, other]}, batch).tolist() == [True, False, False, False]
    assert may_match({**one, "$nor": [other]}, batch).tolist() == [False, False, True, False]


@pytest.mark.parametrize(
    ("expression", "one", "others"),
    [
        ({"$eq": ["$a", 1]}, [1, 1.0], [2, "1", None, True]),
        ({"$ne": ["$a", 1]}, [2, "1", None, True], [1, 1.0]),
        ({"$lt": ["$a", 1]}, [0, 0.5, None], [1, 2, "a"]),
        ({"$lte": ["$a", 1]}, [0, 1, None], [1.01, 2, "a"]),
        ({"$gt": ["$a", 1]}, [1.01, 2, "a"], [0, 1, None]),
        ({"$gte": ["$a", 1]}, [1, 2, "a"], [0, 0.5, None]),
        ({"$lt": ["$a", "b"]}, ["a", "", 1], ["b", "c", True]),
        ({"$lte": ["$a", "b"]}, ["a", "b"], ["ba", "c"]),
        ({"$gt": ["$a", "b"]}, ["ba", "c"], ["a", "b"]),
        ({"$gte": ["$a", "b"]}, ["b", "c"], ["a", "az"]),
        ({"$eq": ["$a", True]}, [True], [False, 1, "true"]),
        ("$a", [1, True, "a", "", "\0"], [0, 0.0, False, None]),
        ({"$not": ["$a"]}, [0, False, None], [1, True, "a"]),
        ({"$and": ["$a", {"$lt": ["$a", 5]}]}, [1], [0, 7]),
        ({"$or": [{"$lt": ["$a", 0]}, {"$gt": ["$a", 5]}]}, [-1, 7], [0, 5]),
        ({"$in": ["$a", [1, "a"]]}, [1, "a"], [2, "b", None]),
        ({"$in": ["$a", []]}, [], [1]),
        ({"$eq": [{"$type": "$a"}, "string"]}, ["a", LONG, BROKEN], [1, None, True]),
        ({"$isNumber": "$a"}, [1, 1.5, Int64(1), Decimal128("1")], ["a", None, True]),
        ({"$isNumber": {"$add": ["$a", 1]}}, [1], [None]),
        ({"$eq": [{"$type": {"$ifNull": ["$a", 1]}}, "string"]}, ["a"], [None]),
        ({"$eq": [{"$add": ["$a", 1]}, 2]}, [1], [2, 0]),
        ({"$eq": [{"$subtract": ["$a", 1]}, 2]}, [3], [2, 1]),
        ({"$eq": [{"$multiply": ["$a", 2]}, 6]}, [3], [2, 4]),
        ({"$eq": [{"$divide": ["$a", 2]}, 3]}, [6], [2, 3]),
        ({"$eq": [{"$floor": "$a"}, 1]}, [1, 1.9], [2, 0.9]),
        ({"$eq": [{"$ceil": "$a"}, 2]}, [2, 1.1], [1, 2.1]),
        ({"$eq": [{"$abs": "$a"}, 1]}, [1, -1], [0, 2]),
        ({"$eq": [{"$round": ["$a", 0]}, 2]}, [1.5, 2.5, 2], [2.6, 1]),
        ({"$cond": [{"$isNumber": "$a"}, {"$eq": ["$a", 1]}, {"$eq": ["$a", "x"]}]}, [1, "x"], [2, "y"]),
        ({"$eq": [{"$ifNull": ["$a", 1]}, 1]}, [None, 1], [2, "a"]),
        ({"$eq": [{"$concat": ["$a", "-b"]}, "a-b"]}, ["a"], ["b", "", "aa"]),
        ({"$eq": [{"$toLower": "$a"}, "ab"]}, ["ab", "AB", "aB"], ["a", "b"]),
        ({"$eq": [{"$substrBytes": ["$a", 1, 2]}, "bc"]}, ["abc", "abcd"], ["ab", "bc", "a"]),
        ({"$eq": [{"$substrCP": ["$a", 0, 1]}, "a"]}, ["abc", "a"], ["ba", ""]),
        ({"$eq": [{"$strLenCP": "$a"}, 2]}, ["ab"], ["a", "abc", ""]),
        ({"$eq": [{"$strLenBytes": "$a"}, 2]}, ["ab"], ["a", "abc", ""]),
        ({"$eq": ["$b", "$a.b"]}, [1, "a"], []),
        ({"$eq": [{"$replaceAll": {"input": "$a", "find": "-", "replacement": ""}}, "ab"]}, ["ab", "a-b-"], ["a-c"]),
        ({"$switch": {"branches": [{"case": {"$eq": ["$a", 1]}, "then": True}], "default": False}}, [1], [2]),
        ({"$eq": [{"$bsonSize": "$$ROOT"}, 12]}, [1], [1.0, "abc", None]),
    ],
    ids=short,
)
def test_expressions_have_known_results(expression: Any, one: list[Any], others: list[Any]) -> None:
    expected = [(value, True) for value in one] + [(value, False) for value in others]
    for asked in (expected, *([each] for each in expected)):
        is_true, unsure = truth(expression, batch_of(*(document(value) for value, _ in asked)))
        assert is_true.tolist() == [holds for _, holds in asked]
        assert not unsure.any()


@pytest.mark.parametrize(
    ("expression", "known", "unknown"),
    [
        ("$a", [1, "a", LONG, None], [Decimal128("0"), NAN, Int64(2**60)]),
        ({"$not": ["$a"]}, [1, "a", LONG, None], [Decimal128("0"), NAN]),
        ({"$and": ["$a", True]}, [1, 0], [Decimal128("0")]),
        ({"$and": ["$a", False]}, [1, Decimal128("0")], []),
        ({"$or": ["$a", False]}, [1, 0], [Decimal128("0")]),
        ({"$or": ["$a", True]}, [0, Decimal128("0")], []),
        ({"$eq": ["$a", "b"]}, ["b", 1, None], [LONG, "b\0"]),
        ({"$lt": ["$a", 1]}, ["b", 1, None], [NAN, Decimal128("0"), Int64(2**60)]),
        ({"$lt": ["$a", NAN]}, ["b", None], [1]),
        ({"$eq": [{"$substrBytes": ["$a", 0, {"$add": [1, 1]}]}, "ab"]}, [], ["ab"]),
        ({"$eq": ["$a", {"$ifNull": ["$a", None]}]}, ["b", 1, None], [OBJECT_ID, [1], b"\xff" * 600]),
        ({"$gt": [{"$add": ["$a", 1]}, 0]}, [1, None], ["b", True, NAN, Decimal128("0"), float("inf"), 2.0**53]),
        ({"$gt": [{"$abs": "$a"}, 0]}, [1, None], ["b", True, NAN]),
        ({"$eq": [{"$concat": ["$a", "b"]}, "ab"]}, ["a", "\u00e9", None], [1, 1.5, LONG, [1]]),
        ({"$eq": [{"$toLower": "$a"}, "a"]}, ["A", "\u00c9"], [1, LONG, None]),
        ({"$eq": [{"$substrBytes": ["$a", 0, 1]}, "a"]}, ["ab", ""], [1, LONG, "\u00e9", CUT, None]),
        ({"$eq": [{"$strLenCP": "$a"}, 1]}, ["ab", ""], [1, LONG, "\u00e9", CUT, None]),
        ({"$cond": ["$a", True, False]}, [1, None], [Decimal128("0")]),
        ({"$eq": [{"$cond": [{"$isNumber": "$a"}, "$a", 1]}, 1]}, [1, LONG], [Decimal128("0")]),
        ({"$eq": [{"$ifNull": ["$a", 1]}, 1]}, [1, None], [Decimal128("0")]),
        ({"$and": [{"$dateFromString": {"dateString": "$a"}}, False]}, ["a", 1], []),
        ({"$regexMatch": {"input": "$a", "regex": "a"}}, [], ["a"]),
    ],
    ids=short,
)
def test_what_is_not_computed_is_not_known(expression: Any, known: list[Any], unknown: list[Any]) -> None:
    expected = [(value, False) for value in known] + [(value, True) for value in unknown]
    for asked in (expected, *([each] for each in expected)):
        try:
            is_true, unsure = truth(expression, batch_of(*(document(value) for value, _ in asked)))
        except UnusualError:
            assert all(doubtful for _, doubtful in asked)
            continue
        assert unsure.tolist() == [doubtful for _, doubtful in asked], asked
        assert not (is_true & unsure).any()


@pytest.mark.parametrize(
    "expression", ["$$NOW", {"$type": "$$NOW"}, {"$bsonSize": "$a"}, {"$nosuch": "$a"}, {"$eq": ["$a", "a\0"]}], ids=str
)
def test_other_expressions_are_left_to_the_server(expression: Any) -> None:
    with pytest.raises(UnusualError):
        truth(expression, batch_of({"a": 1}))


def test_fields_of_objects_that_are_not_read_are_not_known() -> None:
    batch = batch_of({"a": {"x": 1}, "b": {"x": 1}}, {"a": 1, "b": 1}, {"a": [{"x": 1}], "b": [{"x": 1}]})
    for path, expected in (("a.x", [False, False, True]), ("b.x", [True, False, True]), ("b.x.y", [True, False, True])):
        assert truth({"$eq": [f"${path}", 1]}, batch)[1].tolist() == expected, path
    assert truth({"$eq": ["$a.x", 1]}, batch)[0].tolist() == [True, False, False]


def test_values_of_different_types_have_the_order_of_their_types() -> None:
    for lower, higher in combinations(IN_ORDER.values(), 2):
        for one, other, is_lower in ((lower, higher, True), (higher, lower, False)):
            is_true, unsure = truth({"$lt": ["$b", "$c"]}, batch_of({"b": one, "c": other}))
            assert (is_true[0], unsure[0]) == (is_lower, False), (one, other)


def test_types_have_the_names_of_the_server() -> None:
    batch = batch_of({**IN_ORDER, "double": 1.5, "long": Int64(1), "decimal": Decimal128("1")})
    for name in batch.columns:
        assert truth({"$eq": [{"$type": f"${name}"}, name]}, batch)[0].all(), name
        proven = [path for path in batch.columns if _has_type(name, path, batch)]
        assert proven == [name]


def _has_type(name: str, path: str, batch: Batch) -> bool:
    return bool(must_match({"$jsonSchema": {"properties": {path: {"bsonType": name}}}}, batch).all())


@pytest.mark.parametrize("code", [0x02, 0x0E], ids=["string", "symbol"])
def test_symbols_are_compared_with_texts_by_the_server(code: int) -> None:
    batch = batch_of(RawBSONDocument(encoded({"b": text_of(b"a", code), "c": text_of(b"b", 0x0E)})))
    for operator in ("$lt", "$eq", "$gt"):
        assert truth({operator: ["$b", "$c"]}, batch)[1].all()
    assert truth({"$eq": [{"$type": "$c"}, "symbol"]}, batch)[0].all()
    assert may_match({"c": {"$regex": BLANK}}, batch).all()


@pytest.mark.parametrize(
    "items", [{"multipleOf": 2}, {"exclusiveMinimum": True, "minimum": 1}, {"minimum": 2**60}, {"enum": [1.0]}], ids=str
)
def test_other_keywords_of_elements_are_left_to_the_server(items: Document) -> None:
    with pytest.raises(UnusualError):
        must_match({"$jsonSchema": {"properties": {"a": {"items": items}}}}, batch_of({"a": [2.0]}))

"""Values in findings: every BSON type by its name, lookalike texts with escapes, no Python in messages."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Callable
from typing import Any

import bson
import pytest
from bson import Binary, Code, DatetimeMS, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from pymongo.database import Database

from conformance.connection.decoding import OPTIONS
from conformance.model.collection import Model
from conformance.model.validators.document_validator import breaches
from conformance.rules.data import counts, documents
from conformance.text.rendering import MISSING, bson_type, compared, render, shorten
from tests.validation import ROOT, configuration_for, context_for, run_rules

OID = ObjectId("0123456789abcdef01234567")
#: Each BSON type as the driver reads it, how it is shown, and its name.
EVERY_TYPE: list[tuple[Any, str, str]] = [
    (25.5, "25.5", "double"),
    (25.0, "25.0", "double"),
    (float("nan"), "NaN", "double"),
    (float("-inf"), "-Infinity", "double"),
    ("Drill", '"Drill"', "string"),
    ({"a": 1, "b": {"c": OID}}, f'{{"a": 1, "b": {{"c": {OID} (objectId)}}}}', "object"),
    ([1, "a", None], '[1, "a", null]', "array"),
    (b"\x00\x01", "0x0001 (binData, subtype 0)", "binData"),
    (Binary(b"\x01", 5), "0x01 (binData, subtype 5)", "binData"),
    (Binary.from_uuid(uuid.UUID(int=1)), f"0x{1:032x} (binData, subtype 4)", "binData"),
    (OID, f"{OID} (objectId)", "objectId"),
    (True, "true", "bool"),
    (False, "false", "bool"),
    (dt.datetime(2024, 6, 30, 23, 59, 58, 123000), "2024-06-30T23:59:58.123000Z (date)", "date"),
    (DatetimeMS(10**15), f"{10**15} ms from 1970 (date)", "date"),
    (None, "null", "null"),
    (Regex("^a/b", "i"), "/^a/b/i (regex)", "regex"),
    (DBRef("stores", 1), '{"$ref": "stores", "$id": 1} (dbPointer)', "object"),
    (Code("f()"), '"f()" (javascript)', "javascript"),
    (Code("f()", {"a": 1}), '"f()" (javascriptWithScope)', "javascript"),
    (7, "7", "int"),
    (Timestamp(1700000000, 3), "1700000000:3 (timestamp)", "timestamp"),
    (Int64(2**40), f"{2**40} (long)", "long"),
    (Decimal128("1.10"), "1.10 (decimal)", "decimal"),
    (MinKey(), "MinKey", "minKey"),
    (MaxKey(), "MaxKey", "maxKey"),
]


@pytest.mark.parametrize(("value", "shown", "name"), EVERY_TYPE, ids=[row[1] for row in EVERY_TYPE])
def test_every_bson_type_is_shown_by_its_name(value: Any, shown: str, name: str) -> None:
    read = bson.decode(bson.encode({"v": value}), OPTIONS)["v"]
    assert render(read) == shown
    assert bson_type(read) == name


def test_types_are_shown_differently() -> None:
    assert len({shown for _, shown, _ in EVERY_TYPE}) == len(EVERY_TYPE)


def test_small_long_is_shown_as_a_number() -> None:
    assert (render(Int64(7)), bson_type(Int64(7))) == ("7", "long")


def test_absent_field_is_shown_as_missing() -> None:
    assert render(MISSING) == "missing"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("José", '"José"'),
        ("Jose\u0301", '"Jose\\u0301"'),
        ("Dri\u200bll", '"Dri\\u200bll"'),
        ("a\u202eb\u00a0c\u2003d", '"a\\u202eb\\u00a0c\\u2003d"'),
        ("store_\u0455eattle", '"store_\\u0455eattle"'),
        ("Иван Петров", '"Иван Петров"'),
        ("東京 Store", '"東京 Store"'),
        ("Łukasz Đỗ", '"Łukasz Đỗ"'),
        ('say "hi"\n', '"say \\"hi\\"\\n"'),
        ("हिन्दी", '"हिन्दी"'),
        ("👩 ok", '"👩 ok"'),
        ("Dri\ufe0fll", '"Dri\\ufe0fll"'),
        ("Dri\u034fll", '"Dri\\u034fll"'),
        ("Dri\u3164ll", '"Dri\\u3164ll"'),
    ],
)
def test_invisible_characters_are_escaped(text: str, shown: str) -> None:
    assert render(text) == shown


@pytest.mark.parametrize(
    ("found", "wanted", "shown"),
    [
        ("Jose\u0301", "José", ('"Jose\\u0301"', '"Jos\\u00e9"')),
        ("\u0441\u043e\u0441\u043e", "coco", ('"\\u0441\\u043e\\u0441\\u043e"', '"coco"')),
        ("Drill", "Drill\u200b", ('"Drill"', '"Drill\\u200b"')),
        ("\u2126", "\u03a9", ('"\\u2126"', '"\\u03a9"')),
        ("Müller", "Muller", ('"M\\u00fcller"', '"Muller"')),
        ("Müller", "Meier", ('"Müller"', '"Meier"')),
        ("Drill ", "Drill", ('"Drill "', '"Drill"')),
        ("a", Decimal128("1"), ('"a"', "1 (decimal)")),
    ],
)  # fmt: skip
def test_different_values_are_shown_differently(found: Any, wanted: Any, shown: tuple[str, str]) -> None:
    assert compared(found, wanted) == shown


def test_difference_at_the_end_of_a_long_text_is_shown() -> None:
    found, wanted = compared("x" * 200 + "\u0430", "x" * 200 + "a")
    assert found != wanted
    assert "\\u0430" in found
    assert len(found) <= 61


def test_long_value_is_truncated() -> None:
    assert shorten("x" * 100, 10) == '"xxxxxxxx…'


def test_lookalike_names_are_shown_with_escapes(model: Model, database: Database[Any]) -> None:
    """The names are of a field and a collection; their first letter is a Cyrillic o."""
    database["\u043erders"].insert_one({"_id": 1})
    wanted = {"counts._database.unknown-collections", "documents.orders.extra-fields"}
    all_of_them = [*counts.rules(model, configuration_for(model)), *documents.rules(model, configuration_for(model))]
    database["orders"].insert_one({"_id": "o", "\u043erder_id": "o"})
    outcomes = run_rules([rule for rule in all_of_them if rule.id in wanted], context_for(model, database))
    assert {name: outcome.samples[0].why for name, outcome in outcomes.items()} == {
        "counts._database.unknown-collections": "the collection is in the database but no schema defines it"
        ' (its name is "\\u043erders")',
        "documents.orders.extra-fields": 'fields that the schema does not define: "\\u043erder_id"',
    }


def test_symbol_is_explained_by_its_type(model: Model, database: Database[Any]) -> None:
    """The driver reads it as a string, so that the document looks right."""
    store = {"_id": "store_a", "store_name": "A"}
    raw = bson.encode(store).replace(b"\x02store_name\x00", b"\x0estore_name\x00")
    database["stores"].insert_one(bson.raw_bson.RawBSONDocument(raw))
    rules = [
        rule for rule in documents.rules(model, configuration_for(model)) if rule.id == "documents.stores.store_name"
    ]
    (outcome,) = run_rules(rules, context_for(model, database)).values()
    assert outcome.samples[0].why == "store_name has the BSON type symbol; expected string; write it as a string"


@pytest.mark.parametrize(
    ("field", "place"),
    [("store_name", "store_name"), ("location", "location.city")],
    ids=["at the top", "in a map"],
)
def test_invalid_utf8_is_named_with_its_byte(field: str, place: str, model: Model, database: Database[Any]) -> None:
    """The driver replaces the byte, so that the name looks like a valid one of another spelling."""
    location = {"address": "1 A St", "city": "?b", "state": "WA", "zip": "98101"}
    raw = bson.encode({"_id": "store_a", "store_name": "?b", "location": location}).replace(b"?b", b"\xe9b")
    database["stores"].insert_one(bson.raw_bson.RawBSONDocument(raw))
    rules = [
        rule for rule in documents.rules(model, configuration_for(model)) if rule.id == f"documents.stores.{field}"
    ]
    (outcome,) = run_rules(rules, context_for(model, database.with_options(codec_options=OPTIONS))).values()
    assert outcome.samples[0].why == f'{place} "\ufffdb" is not valid UTF-8 (byte 0xE9 at 0); write it again in UTF-8'


def test_messages_name_bson_types(model: Model) -> None:
    order = {"_id": 1, "total": "25", "item_count": 2.5, "deleted": None, "status": Decimal128("1")}
    messages = {breach.path: breach.message for breach in breaches(model["orders"], order)}
    assert messages["item_count"] == "2.5 is not of type int or long"
    assert messages["deleted"] == "null is not of type bool"
    assert messages["_id"] == "1 is not of type string"


def test_message_names_each_bson_type_once(model: Model) -> None:
    """Integers are numbers, too, so int and long belong to both types of the schema."""
    messages = {one.path: one.message for one in breaches(model["products"], {"specifications": {"size": {"w": 1}}})}
    assert messages["specifications.size"] == '{"w": 1} is not of type string, int, long, double or bool'


def test_rule_modules_do_not_use_repr() -> None:
    """Messages use `shorten`, `render` or `compared`; repr() is allowed for internal keys only."""
    allowed = {"keys.py", "embeddings.py", "access.py", "key_range.py", "survey.py"}  # survey.py: a key of its cache
    library = ROOT / "conformance"
    for path in sorted([*(library / "rules").rglob("*.py"), *(library / "checks").rglob("*.py")]):
        text = path.read_text(encoding="utf-8")
        assert path.name in allowed or "repr(" not in text, path


@pytest.mark.parametrize(
    "made",
    [
        lambda: "x" * 2**24,
        lambda: "é" * 2**23,
        lambda: ["x"] * 2**22,
        lambda: {f"k{number}": "x" for number in range(2**20)},
        lambda: b"x" * 2**24,
        lambda: Binary(b"x" * 2**24, 5),
        lambda: {"a": ["x" * 2**24]},
    ],
    ids=["ascii", "letters", "array", "object", "bytes", "binary", "nested"],
)
def test_value_of_16_mb_is_shown_within_3_seconds(made: Callable[[], object]) -> None:
    value = made()
    started = time.process_time()
    shown = shorten(value)
    assert time.process_time() - started < 3
    assert len(shown) == 60
    assert shown.endswith("…")


def test_texts_of_16_mb_are_shown_from_their_difference_on() -> None:
    common = "x" * 2**22
    assert compared(f"{common}store", f"{common}st\u043ere", 30) == ('…"xxxxxstore"', '…"xxxxxst\\u043ere"')

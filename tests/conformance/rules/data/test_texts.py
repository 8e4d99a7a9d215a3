"""Invisible characters, blank names and duplicate keys are reported; names of every script are accepted."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any, Final

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from pymongo.database import Database

from conformance.connection.decoding import OPTIONS
from conformance.model.collection import Model
from conformance.rules.catalogue import all_rules
from conformance.rules.data import documents
from tests.conformance.rules.finding import Finding
from tests.models import collection_of, model_of, shipped_model
from tests.validation import configuration_for, context_for, run_rules

Document = dict[str, Any]
NAME: Final = "documents.categories.category_name-characters"
PROSE: Final = "documents.products.product_description-characters"

#: Names as people have them, in many scripts; those with joiners and marks need them.
NAMES: Final = {
    "Persian with a joiner": "می\u200cخواهم",
    "Urdu": "محمد اقبال",
    "Arabic with vowel signs": "مُحَمَّد",
    "Hindi with a zero-width joiner": "क्\u200dष",
    "Hindi with a zero-width non-joiner": "क्\u200cष",
    "Bengali ya-phalaa after ra": "র\u200d্য",
    "Malayalam chillu at the end": "അവന്\u200d",
    "Hindi with a visible virama at the end": "श्रीमान्\u200c",
    "Vedic accent": "क\u0952\u200cष",
    "Javanese": "ꦗ꧀\u200dꦮ",
    "Balinese": "ᬩ᭄\u200dᬮᬶ",
    "Chakma": "𑄌𑄋𑄴\u200d𑄟",
    "Adlam with a direction mark": "𞤆\u200f 5",
    "Mongolian with a vowel separator": "ᠮᠣᠩᠭᠣᠯ\u180b ᠨᠠᠷ\u180eᠠ",
    "Khmer with its spaces": "សុខ\u200bភាព",
    "Hebrew with a grapheme joiner": "יְרוּשָׁלַ\u034fִם",
    "old Korean with a filler": "\u115f\u1161 \u3131\u3164\u3134",
    "Japanese with a variation": "葛\U000e0100飾",
    "key caps and signs": "1\ufe0f\u20e3 *\ufe0f\u20e3 ©\ufe0f ™\ufe0f ❤\ufe0f",
    "Braille": "⠵⠁\u2800⠧⠁",
    "Sinhala": "ක්\u200dෂ",
    "Tamil": "தமிழ்",
    "Khmer": "សុខា",
    "Hebrew with a direction mark": "זאוה\u200e (C++)",
    "Arabic letter mark": "رقم\u061c 5",
    "Thai": "ร้านซาวา",
    "Burmese": "ကို\u200cကို",
    "Georgian": "ზავა",
    "Chinese": "扎瓦五金店",
    "Japanese": "ザヴァ　金物店",
    "Korean": "자바 철물점",
    "Ethiopic": "ሰላም",
    "Cherokee": "ᏣᎳᎩ",
    "composed": unicodedata.normalize("NFC", "Zoë Ångström"),
    "decomposed": unicodedata.normalize("NFD", "Zoë Ångström"),
    "Vietnamese": "Nguyễn Thị Hằng",
    "no-break space": "Chez\u00a0Zoé",
    "a family of emoji": "Tools \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "a rainbow flag": "Pride \U0001f3f3\ufe0f\u200d\U0001f308",
    "the flag of Scotland": "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "punctuation": "O’Neill-$pecial & Søn – №1",
}
INVISIBLE: Final = {
    "zero-width space": ("Paint\u200b", "U+200B ZERO WIDTH SPACE at 5"),
    "byte order mark": ("\ufeffPaint", "U+FEFF ZERO WIDTH NO-BREAK SPACE at 0"),
    "joiner between Latin letters": ("Pa\u200dint", "U+200D ZERO WIDTH JOINER at 2"),
    "non-joiner between Latin letters": ("Pa\u200cint", "U+200C ZERO WIDTH NON-JOINER at 2"),
    "non-joiner at the end": ("می\u200c", "U+200C ZERO WIDTH NON-JOINER at 2"),
    "word joiner": ("Pa\u2060int", "U+2060 WORD JOINER at 2"),
    "soft hyphen": ("Pa\u00adint", "U+00AD SOFT HYPHEN at 2"),
    "override of direction": ("Pa\u202eint", "U+202E RIGHT-TO-LEFT OVERRIDE at 2"),
    "embedding in Hebrew": ("\u202bזאוה", "U+202B RIGHT-TO-LEFT EMBEDDING at 0"),
    "isolate": ("Pa\u2066int", "U+2066 LEFT-TO-RIGHT ISOLATE at 2"),
    "direction mark in Latin text": ("Paint\u200f", "U+200F RIGHT-TO-LEFT MARK at 5"),
    "tag": ("Paint\U000e0041", "U+E0041 TAG LATIN CAPITAL LETTER A at 5"),
    "tabulator": ("Pa\tint", "U+0009 CONTROL CHARACTER at 2"),
    "line feed": ("Paint\n", "U+000A CONTROL CHARACTER at 5"),
    "NUL": ("Pa\0int", "U+0000 CONTROL CHARACTER at 2"),
    "escape": ("Pa\x1bint", "U+001B CONTROL CHARACTER at 2"),
    "delete": ("Paint\x7f", "U+007F CONTROL CHARACTER at 5"),
    "C1": ("Pa\x85int", "U+0085 CONTROL CHARACTER at 2"),
    "line separator": ("Pa\u2028int", "U+2028 LINE SEPARATOR at 2"),
    "a letter that an import lost": ("M\ufffdller", "U+FFFD REPLACEMENT CHARACTER at 1"),
    "a noncharacter": ("Pa\uffffint", "U+FFFF NONCHARACTER at 2"),
    "a code beyond the first plane": ("Pa\U0001fffeint", "U+1FFFE NONCHARACTER at 2"),
    "spaces": ("  \u00a0 ", "nothing that can be seen"),
    "grapheme joiner": ("Pa\u034fint", "U+034F COMBINING GRAPHEME JOINER at 2"),
    "variation of a Latin letter": ("Pa\ufe0fint", "U+FE0F VARIATION SELECTOR-16 at 2"),
    "first variation at the start": ("\ufe00Paint", "U+FE00 VARIATION SELECTOR-1 at 0"),
    "variation of a space": ("Pa \U000e0100int", "U+E0100 VARIATION SELECTOR-17 at 3"),
    "variation of Mongolian": ("Pa\u180bint", "U+180B MONGOLIAN FREE VARIATION SELECTOR ONE at 2"),
    "vowel separator in Latin": ("Pa\u180eint", "U+180E MONGOLIAN VOWEL SEPARATOR at 2"),
    "zero-width space after Khmer": ("សុខ\u200b", "U+200B ZERO WIDTH SPACE at 3"),
    "filler in Latin": ("Pa\u3164int", "U+3164 HANGUL FILLER at 2"),
    "blank of Braille in Latin": ("Pa\u2800int", "U+2800 BRAILLE PATTERN BLANK at 2"),
    "Khmer vowel nobody sees": ("Pa\u17b4int", "U+17B4 KHMER VOWEL INHERENT AQ at 2"),
    "Hangul filler": ("\u3164", "nothing that can be seen"),
    "padding of a CHAR column": ("Paint   ", "U+0020 SPACE at the end"),
    "space in front": (" Paint", "U+0020 SPACE at the beginning"),
    "no-break space at both ends": ("\u00a0Paint\u00a0", "U+00A0 NO-BREAK SPACE at the beginning and at the end"),
    "ideographic space at the end": ("塗料\u3000", "U+3000 IDEOGRAPHIC SPACE at the end"),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_names_of_every_script_are_accepted(name: str, found: Finding) -> None:
    outcome = found(NAME, categories=[{"_id": 1, "category_name": name}])
    assert (outcome.examined, [one.why for one in outcome.samples]) == (1, [])


@pytest.mark.parametrize(("name", "message"), INVISIBLE.values(), ids=INVISIBLE)
def test_name_with_invisible_characters_is_reported(name: str, message: str, found: Finding) -> None:
    outcome = found(NAME, categories=[{"_id": 1, "category_name": "Paint"}, {"_id": 2, "category_name": name}])
    assert (outcome.examined, outcome.violations) == (2, 1)
    assert outcome.samples[0].id == 2
    assert outcome.samples[0].why.endswith(f", which has {message}")


@pytest.mark.parametrize(
    ("text", "broken"),
    [("One\n\ttwo\r\nthree\u00ad", 0), ("One\u200b", 1), ("d\ufffdg\n", 1), ("\n \n", 1), ("a\0", 1)],
)
def test_prose_may_have_several_lines(text: str, broken: int, found: Finding) -> None:
    assert found(PROSE, products=[{"_id": 1, "product_description": text}]).violations == broken


@pytest.mark.parametrize(
    ("rule", "document"),
    [(PROSE, {"product_description": " One\ntwo "}), ("documents.inventory.notes-characters", {"notes": "Two left "})],
    ids=["prose", "no minLength"],
)
def test_spaces_at_the_ends_are_allowed_where_the_text_is_not_a_name(
    rule: str, document: dict[str, str], found: Finding
) -> None:
    assert found(rule, **{rule.split(".")[1]: [{"_id": 1, **document}]}).violations == 0


def test_values_that_are_not_strings_are_not_examined(found: Finding) -> None:
    outcome = found(NAME, categories=[{"_id": 1, "category_name": 7}, {"_id": 2}, {"_id": 3, "category_name": "Paint"}])
    assert (outcome.examined, outcome.violations) == (1, 0)


def test_nested_keys_are_examined(found: Finding) -> None:
    stores = [{"_id": 1, "location": {"city": "Kirk\u200bland", "address": "1 Main St"}}]
    outcome = found("documents.stores.location-characters", stores=stores)
    assert [one.why for one in outcome.samples] == [
        'location.city is "Kirk\\u200bland", which has U+200B ZERO WIDTH SPACE at 4'
    ]


@pytest.mark.parametrize(
    ("value", "broken"),
    [("steel", 0), ("two\nlines", 0), (12, 0), (True, 0), ("ste\u200bel", 1), ("\ufeffsteel", 1), ("a\0", 1)],
)
def test_texts_of_a_free_map_are_examined(value: Any, broken: int, found: Finding) -> None:
    products = [{"_id": 1, "specifications": {"color": "red", "material": value}}, {"_id": 2, "specifications": {}}]
    outcome = found("documents.products.specifications-characters", products=products)
    assert (outcome.examined, outcome.violations) == (1, broken)
    assert all(one.why.startswith("specifications.material is ") for one in outcome.samples)


def test_names_in_arrays_of_arrays_are_examined(database: Database[Any], tmp_path: Path) -> None:
    rows = {"type": "array", "items": {"type": "array", "items": {"type": "string", "minLength": 1}}}
    model = model_of(tmp_path, {"plans": collection_of({"_id": {"type": "integer"}, "rows": rows})})
    database["plans"].insert_many([{"_id": 1, "rows": [["a"], ["b", "c "]]}, {"_id": 2, "rows": [["a"], []]}])
    rules = [rule for rule in documents.rules(model, configuration_for(model)) if rule.id.endswith("rows-characters")]
    (outcome,) = run_rules(rules, context_for(model, database)).values()
    assert [one.why for one in outcome.samples] == ['rows[1][1] is "c ", which has U+0020 SPACE at the end']


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ("Paint", "Paint\u200b", True),
        (unicodedata.normalize("NFC", "Möbel"), unicodedata.normalize("NFD", "Möbel"), True),
        ("Paint", "paint", False),
        ("Mobel", "Möbel", False),
        ("Paint", "Ｐaint", False),
        ("Tools 1", "Tools-1", False),
        ("Paint", "Paint ", True),
        ("Paint", "  Paint", True),
        ("Hand Tools", "Hand  Tools", True),
        ("Hand Tools", "Hand\u00a0Tools", True),
        ("Hand Tools", "Hand\u2009 Tools\u3000", True),
        ("Hand Tools", "HandTools", False),
        ("Paint", "P\u0430int", True),  # Cyrillic a
        ("COBA", "\u0421\u041e\u0412\u0410", True),  # all letters Cyrillic
        ("Tools", "T\u03bfols", True),  # Greek omicron
        ("No\u00ebl", "No\u0451l", True),  # Cyrillic e with diaeresis
        ("Noel", "No\u0451l", False),
        ("\u0421\u043e\u0432\u0430", "\u0421\u043e\u0432\u044b", False),
    ],
)
def test_lookalike_unique_names_are_reported(first: str, second: str, alike: bool, found: Finding) -> None:
    names = [{"_id": number, "category_name": name} for number, name in enumerate((first, second, "Paint & Finishes"))]
    outcome = found("uniqueness.categories.category_name-look-alike", categories=names)
    assert (outcome.examined, [one.id for one in outcome.samples]) == (3, [0, 1] if alike else [])


def test_lookalike_name_is_shown_with_its_difference(found: Finding) -> None:
    names = [{"_id": number, "category_name": name} for number, name in enumerate(("Paint", "P\u0430int"))]
    outcome = found("uniqueness.categories.category_name-look-alike", categories=names)
    assert [one.why for one in outcome.samples] == [
        'category_name "Paint" looks like "P\\u0430int"',
        'category_name "P\\u0430int" looks like "Paint"',
    ]


def test_names_with_invalid_utf_8_are_examined(database: Database[Document], model: Model) -> None:
    broken = bson.encode({"_id": 9, "category_name": "Paint ??"}).replace(b"??", b"\xff\xe9")
    database["categories"].insert_many([RawBSONDocument(broken), {"_id": 1, "category_name": "Paint"}])
    context = context_for(model, database.with_options(OPTIONS))
    every = {rule.id: rule for rule in all_rules(model, context.configuration)}
    name = "uniqueness.categories.category_name-look-alike"
    outcome = run_rules([every[name]], context)[name]
    assert (outcome.examined, outcome.violations) == (2, 0)


WHOLE: Final = {field.name: 1 for field in shipped_model()["stores"].fields}


def twice(document: Document, key: bytes, other: bytes) -> RawBSONDocument:
    """Return the document with one key renamed in its bytes to another of its keys."""
    written = bson.encode(document)
    assert written.count(key + b"\0") == 1
    assert len(key) == len(other)
    return RawBSONDocument(written.replace(key + b"\0", other + b"\0"))


@pytest.mark.parametrize(
    ("name", "document", "broken"),
    [
        ("stores", twice(WHOLE | {"store_xxxx": "b"}, b"store_xxxx", b"store_name"), True),
        ("stores", {"_id": 1, "store_name": "a"}, False),
        ("stores", {"_id": 1, "unknown": "a", "location": {"city": "a"}}, False),
        ("stores", twice({"_id": 1, "location": {"city": "a", "cixy": "b"}}, b"cixy", b"city"), True),
        ("products", twice({"_id": 1, "specifications": {"a b": 1, "a c": 2}}, b"a c", b"a b"), True),
        ("products", {"_id": 1, "specifications": {"a b": 1, "a c": 1}}, False),
        ("products", {"_id": 1, "specifications": ["a", "a"]}, False),
    ],
)
def test_duplicate_key_of_a_document_is_reported(
    name: str, document: Document, broken: bool, model: Model, database: Database[Document]
) -> None:
    database[name].insert_one(document)
    context = context_for(model, database)
    rules = [
        one for one in documents.rules(model, context.configuration) if one.id == f"documents.{name}.repeated-keys"
    ]
    (outcome,) = run_rules(rules, context).values()
    assert (outcome.examined, [one.id for one in outcome.samples]) == (1, [1] if broken else [])

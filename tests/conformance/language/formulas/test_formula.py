"""Formulas that are rejected, constants of the settings, and guards."""

from __future__ import annotations

import numpy as np
import pytest
from pymongo import MongoClient

from conformance.checks.base import Document
from conformance.config.configuration import Configuration
from conformance.errors import ConfigurationError
from conformance.language.formulas.formula import Formula
from conformance.model.collection import Model
from tests.conformance.language.formulas.models import ROW, configuration, formula, on_server, shop
from tests.validation import configuration_for

__all__ = ["configuration", "shop"]


WRONG: list[tuple[str, tuple[str, ...]]] = [
    ("", ("not a formula",)),
    ("price +", ("not a formula",)),
    ("price = 3", ("not a formula",)),
    ("import os", ("not a formula",)),
    ("price\0", ("not a formula",)),
    ("cost", ("no field 'cost'",)),
    ("price + cost * 2", ("no field 'cost'",)),
    ("parent.cost", ("'parent.cost'",)),
    ("key.upper", ("'key.upper'",)),
    ("place.shelf", ("'place.shelf'",)),
    ("parent.__class__", ("'parent.__class__'",)),
    ("().__class__.__bases__", ("__class__",)),
    ("__import__('os')", ("no function __import__()",)),
    ("__import__('os').system('true')", ("no function",)),
    ("eval('1')", ("no function eval()",)),
    ("open('/etc/passwd')", ("no function open()",)),
    ("round(x)", ("no function round()",)),
    ("half_up()", ("half_up()", "arguments")),
    ("half_up(x, y)", ("half_up()", "arguments")),
    ("half_up(value=x)", ("arguments of half_up() have no names",)),
    ("prise * 2", ("no field 'prise' (did you mean price?)",)),
    ("half_upp(price)", ("no function half_upp() (did you mean half_up?)",)),
    ("rates[key]", ("no parameter 'rates' in config/generation.yaml (did you mean rate?)",)),
    ("round_half_even()", ("round_half_even()", "arguments")),
    ("round_half_even(x, n)", ("round_half_even()", "arguments")),
    ("round_half_even(x, 10)", ("round_half_even()", "arguments")),
    ("round_half_even(x, 0.5)", ("round_half_even()", "arguments")),
    ("slice(key, 0)", ("slice()", "arguments")),
    ("slice(key, 0, n)", ("slice()", "arguments")),
    ("slice(key, 3, 1)", ("slice()", "arguments")),
    ("slice(key, 0.5, 1)", ("slice()", "arguments")),
    ("or_zero(cost)", ("no field 'cost'",)),
    ("present(cost)", ("no field 'cost'",)),
    ("rate[cost]", ("no field 'cost'",)),
    ("margin[key]", ("no parameter 'margin'",)),
    ("one[key]", ("'one'", "table")),
    ("rate", ("no field 'rate'",)),
    ("x ** 2", ("operator",)),
    ("x % 2", ("operator",)),
    ("x // 2", ("operator",)),
    ("x / y", ("division",)),
    ("x / 0", ("division",)),
    ("-x", ("'-x'", "not allowed")),
    ("not x", ("not allowed",)),
    ("x in y", ("comparison",)),
    ("x is y", ("comparison",)),
    ("[x]", ("not allowed",)),
    ("{x: 1}", ("not allowed",)),
    ("x if y else z", ("not allowed",)),
    ("(lambda: 1)()", ("no function",)),
    ("[i for i in key]", ("not allowed",)),
    ("f'{x}'", ("not allowed",)),
    ("(x := 3)", ("not allowed",)),
    ("True", ("True",)),
    ("None", ("None",)),
    ("1j", ("1j",)),
    ("...", ("Ellipsis",)),
    ("b'x'", ("b'x'",)),
    ("x * 1e999", ("too large",)),
    ("x * 12345678901234567890", ("too large",)),
    ("total(children, n)", ("name a collection",)),
    ("total(parents)", ("name a collection",)),
    ("count()", ("name a collection",)),
    ("count(orders)", ("name a collection",)),
    ("+".join(["x"] * 20_000), ("nested too deeply",)),
    ("(" * 500 + "x" + ")" * 500, ("not a formula",)),
]


@pytest.mark.parametrize(("text", "words"), WRONG, ids=[repr(text[:30]) for text, _ in WRONG])
def test_unsupported_construct_is_one_error(
    text: str, words: tuple[str, ...], shop: Model, configuration: Configuration
) -> None:
    """The error line has the position, the formula and the fix; nothing is evaluated."""
    with pytest.raises(ConfigurationError) as caught:
        formula(text, shop, configuration)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 500
    for word in words:
        assert word in line
    if "table" not in words:
        assert line.startswith("config/rules.yaml: test: ")
        assert "docs/RULES.md" in line


def test_totals_use_fields_of_the_children_only(shop: Model, configuration: Configuration) -> None:
    """Fields of parents and totals are rejected."""
    for text in ("total(children, parent.price)", "total(children, total(children, n))"):
        with pytest.raises(ConfigurationError):
            formula(text, shop, configuration, "parents")
    parsed = formula("total(children, n) - total(children, n) + count(children)", shop, configuration, "parents")
    assert [total.formula is None for total in parsed.totals] == [False, True]


def test_parameter_without_the_key_is_one_error(shop: Model, configuration: Configuration) -> None:
    """When a value is generated, the error names a store without a tax rate."""
    with pytest.raises(ConfigurationError, match="the parameter rate has no value for 'c'"):
        formula("rate[key]", shop, configuration).evaluate({"key": (np.array(["a", "c"], dtype=object), None)})


def test_constants_are_read_from_settings(
    shop: Model, configuration: Configuration, server: MongoClient[Document]
) -> None:
    """START_DATE and END_DATE are strings, and allowed wherever a field is allowed."""
    parsed = formula("join(START_DATE, END_DATE)", shop, configuration)
    assert on_server(server, parsed, [ROW]) == ["2024-01-012024-12-31"]
    assert parsed.operands == {}


@pytest.mark.parametrize(
    ("row", "fits"),
    [
        (ROW, True),
        ({**ROW, "n": "3"}, False),
        ({**ROW, "n": None}, False),
        ({key: value for key, value in ROW.items() if key != "price"}, False),
        ({**ROW, "key": "c"}, True),  # no entry in the table: a finding, not a silence
        ({**ROW, "key": 5}, False),
        ({**ROW, "off": None}, True),
        ({**ROW, "off": "x"}, False),
        ({**ROW, "_parent": {}}, False),
    ],
)
def test_guards_select_documents_with_valid_operands(
    row: Document, fits: bool, shop: Model, configuration: Configuration, server: MongoClient[Document]
) -> None:
    """If an operand is missing or of another type, the documents family reports it, and the formula reports nothing."""
    parsed = formula("n * price - or_zero(off) + rate[key] + parent.n", shop, configuration)
    stages: list[Document] = [{"$documents": [row]}, {"$match": {"$expr": {"$and": parsed.guards()}}}, {"$count": "n"}]
    assert (list(server["formula"].aggregate(stages)) == [{"n": 1}]) is fits


@pytest.mark.parametrize(
    ("row", "real"),
    [
        (ROW, True),
        ({**ROW, "at": "2024-02-30T10:00:00Z"}, False),
        ({**ROW, "_parent": {"at": "yesterday", "n": 2}}, False),
    ],
)
def test_guards_require_valid_time_stamps(
    row: Document, real: bool, shop: Model, configuration: Configuration, server: MongoClient[Document]
) -> None:
    """Numbers need not be."""
    parsed = formula("parent.at < at and parent.n < n", shop, configuration)
    stages: list[Document] = [{"$documents": [row]}, {"$project": {"real": {"$and": parsed.validity()}}}]
    assert list(server["formula"].aggregate(stages)) == [{"real": real}]


def test_project_rules_parse(model: Model) -> None:
    """Equations of config/rules.yaml all compile."""
    own = configuration_for(model)
    for equation in own.rules.equations:
        name, _, _ = equation.field.partition(".")
        assert Formula(str(equation.equals), model, model[name], own, "config/rules.yaml").mongo()
    assert len(own.rules.equations) >= 9

"""The files in config/: an invalid file is one error line with the file, the position and the fix."""

# ruff: noqa: E501 - tables of cases, one a line

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.config.configuration import Configuration
from conformance.config.loading import load_configuration
from conformance.config.settings import load_settings
from conformance.errors import ConfigurationError
from conformance.files.strict_files import read_yaml
from conformance.model.collection import Model
from conformance.model.schemas.loading import load_model
from conformance.rules.catalogue import FAMILIES, all_rules
from generator.columns.plan import Plan
from tests.validation import ROOT

FILES = ("generation.yaml", "rules.yaml", "queries.yaml", "catalogue.yaml")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the project's schemas and of the four files."""
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    (tmp_path / "config").mkdir()
    for name in FILES:
        shutil.copy(ROOT / "config" / name, tmp_path / "config")
    return tmp_path


def loaded(folder: Path) -> tuple[Model, Configuration]:
    """Return the model of a folder with its configuration."""
    model = load_model(folder)
    return model, load_configuration(model, load_settings(Path("none")).constants())


def replaced(old: str, new: str) -> Callable[[str], str]:
    """Return an edit that replaces text; the old text must exist."""

    def edit(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return edit


def appended(more: str) -> Callable[[str], str]:
    """Return an edit that adds lines."""
    return lambda text: text + more


EQUATION = "\n  - {field: %s, family: totals, equals: '%s', title: T}\n"
#: Found when the file is read.
WRONG_FILES: list[tuple[str, str, Callable[[str], str], tuple[str, ...]]] = [
    ("not YAML", "rules.yaml", appended("\n  - {a: 'b\n"), ("rules.yaml:", "not valid YAML", "correct the file")),
    ("a tab", "generation.yaml", appended("\n\tx: 1\n"), ("generation.yaml:", "not valid YAML")),
    ("key twice", "generation.yaml", appended("\npool_size: 5\n"), ("generation.yaml:", "'pool_size'", "twice")),
    ("figure twice", "generation.yaml", replaced("parameters:", "parameters:\n  tax_rate: {a: 1}"), ("'tax_rate'", "twice")),
    ("key that is a list", "generation.yaml", appended("\n? [a, b]\n: 1\n"), ("generation.yaml:", "list")),
    ("unknown tag", "generation.yaml", appended("\nlocale2: !!python/object:os.system {}\n"), ("generation.yaml:", "not valid YAML")),
    ("not UTF-8", "generation.yaml", lambda text: text + "\udcff", ("generation.yaml", "not valid YAML")),
    ("two documents", "generation.yaml", appended("\n---\na: 1\n"), ("generation.yaml:", "not valid YAML")),
    ("unknown key", "generation.yaml", appended("\npoolsize: 5\n"), ("generation.yaml:", ": at poolsize", "no such key")),
    ("unknown key of an equation", "rules.yaml", replaced("equals: 33.0", "equal: 33.0"), ("rules.yaml:", ": at equations.1.equal", "missing")),
    ("missing title", "rules.yaml", replaced("    title: The gross margin is 33.0 %\n", ""), ("rules.yaml:", ": at equations.1.title", "missing")),
    ("unknown family", "rules.yaml", replaced("family: totals", "family: sums"), ("rules.yaml:", ": at equations.2.family", "'sums'")),
    ("severity", "rules.yaml", replaced("equals: 33.0", "equals: 33.0\n    severity: fatal"), ("severity", "'fatal'", "error")),
    ("a number for a table", "generation.yaml", replaced("pool_size: 2000", "pool_size: many"), ("generation.yaml:", ": at pool_size", "'many'")),
    ("pool of none", "generation.yaml", replaced("pool_size: 2000", "pool_size: 0"), ("generation.yaml:", ": at pool_size", "0")),
    ("weight that is a text", "generation.yaml", replaced("{1: 60,", "{1: lots,"), ("generation.yaml:", ": at parameters.quantity", "'lots'")),
    ("a list for a mapping", "generation.yaml", lambda _: "- a\n", ("generation.yaml:", ": at the top",)),
    ("an empty file", "generation.yaml", lambda _: "", ("generation.yaml:", ": at the top",)),
    ("rows of no collection", "catalogue.yaml", replaced("stores:", "shops:"), ("catalogue.yaml:", ": at shops", "no such collection")),
    ("row with an unknown field", "catalogue.yaml", replaced("is_online: false", "online: false"), ("catalogue.yaml:", ": at stores.0.online", "no such field")),
    ("row with a wrong value", "catalogue.yaml", replaced("is_online: false", "is_online: 0"), ("catalogue.yaml:", ": at stores.0.is_online", "0", "stores.json")),
    ("row with a wrong key", "catalogue.yaml", replaced("store_id: store_seattle", "store_id: Seattle"), ("catalogue.yaml:", ": at stores.0.store_id", '"Seattle"')),
    ("row with a MAP too short", "catalogue.yaml", replaced("jan: 1.0, ", ""), ("catalogue.yaml:", ": at categories.0.seasonal_multipliers",)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "edit", "words"), [pytest.param(*case[1:], id=case[0]) for case in WRONG_FILES])
def test_invalid_file_is_one_error(name: str, edit: Callable[[str], str], words: tuple[str, ...], folder: Path) -> None:
    """The error is raised on reading, before any connection, and has the line number if the file has lines."""
    change(folder, name, edit)
    line = check(lambda: loaded(folder), folder, words)
    assert re.search(r"\.yaml:[1-9][0-9]*: ", line) or "codec" in line


#: Found when the rules are made.
WRONG_STATEMENTS: list[tuple[str, Callable[[str], str], tuple[str, ...]]] = [
    ("equation of an unknown field", replaced("field: orders.total", "field: orders.sum"), ("orders.sum", "no such field")),
    ("equation of no collection", replaced("field: orders.total", "field: sales.total"), ("sales.total", "no such field")),
    ("equation with an unknown name", replaced("equals: 33.0", "equals: margin"), ("equation of products.gross_margin_percent", "'margin'")),
    ("equation with a function", replaced("equals: 33.0", "equals: __import__('os').getpid()"), ("no function",)),
    ("equation with an unknown figure", replaced("tax_rate[store_id]", "taxes[store_id]"), ("'taxes'", "generation.yaml")),
    ("equation that is no formula", replaced("equals: 33.0", "equals: '33 +'"), ("not a formula",)),
    ("assertion of no collection", replaced("collection: products", "collection: goods"), ("goods", "model has")),
    ("assertion through a reference", replaced("holds: stock_level >= 0", "holds: store_id.store_id == store_id"), ("assertion stock_level of inventory", "uses other documents", "bounds or equations")),
    ("assertion over children", replaced("holds: START_DATE <= slice(order_date, 0, 10) <= END_DATE", "holds: count(order_items) >= 1"), ("assertion order_date of orders", "uses other documents")),
    ("assertion with an unknown field", replaced("holds: created_at <= updated_at", "holds: made_at <= updated_at"), ("'made_at'",)),
    ("bound of an unknown field", replaced("field: orders.order_date", "field: orders.date"), ("bound of orders.date", "no such field")),
    ("bound through no reference", replaced("at_least: customer_id.created_at", "at_least: created_at"), ("bound of orders.order_date", "reference")),
    ("count of an unknown field", replaced("field: stores.is_online", "field: stores.online"), ("count of stores.online", "no such field")),
    ("count of an unknown key", replaced("only: {store_id: [store_online]}", "only: {id: [store_online]}"), ("count of stores.is_online", "no such field")),
    ("tally by a field that is not unique", replaced("only: {store_id: [store_online]}", "only: {created_at: [x]}"), ("count of stores.is_online", "created_at does not identify")),
    ("count of which and how many", replaced("only: {store_id: [store_online]}", "exactly: 1\n    only: {store_id: [store_online]}"), ("write one of them",)),
    ("days before no day", replaced("days_before(START_DATE, 730)", "days_before(created_at, 730)"), ("days_before() has the wrong number or kind",)),
    ("days before what is no day", replaced("days_before(START_DATE, 730)", "days_before('2020', 730)"), ("days_before() has the wrong number or kind",)),
    ("share by an unknown figure", replaced("expected: store_order_share", "expected: shares"), ("'shares'",)),
    ("share of no collection", replaced("  - collection: orders\n    subject: store_id", "  - collection: sales\n    subject: store_id"), ("sales",)),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "words"), [pytest.param(*case[1:], id=case[0]) for case in WRONG_STATEMENTS])
def test_invalid_configured_rule_is_one_error(edit: Callable[[str], str], words: tuple[str, ...], folder: Path) -> None:
    """The error is raised when rules are built, before any connection."""
    change(folder, "rules.yaml", edit)
    check(lambda: list(all_rules(*loaded(folder))), folder, words)


def test_duplicate_rule_id_is_reported(folder: Path) -> None:
    """The error names only these two."""
    change(folder, "rules.yaml", replaced("subject: order_id+order_date", "subject: order_date"))
    line = check(lambda: all_rules(*loaded(folder)), folder, ("rules.yaml", "another subject"))
    assert "there are two rules business.orders.order_date;" in line


def test_configured_rules_are_in_their_families(folder: Path) -> None:
    found = {family: [rule.id for rule in FAMILIES[family](*loaded(folder))] for family in ("totals", "business")}
    assert all(one.startswith(f"{family}.") for family, ids in found.items() for one in ids)
    assert {family: len(ids) for family, ids in found.items()} == {"totals": 9, "business": 34}
    assert [one for one in found["business"] if one.endswith("-shares")] == [
        "business.orders.store_id-shares", "business.orders.order_date-shares", "business.order_items.product_id-shares",
    ]  # fmt: skip


#: Found when documents are made.
WRONG_FIGURES: list[tuple[str, str, Callable[[str], str], tuple[str, ...]]] = [
    ("no equation", "rules.yaml", replaced("  - field: products.base_price", "  - field: products.cost"), ("base_price", "equation", "products.base_price")),
    ("figure of a recipe", "generation.yaml", replaced("  items_per_order:", "  items_an_order:"), ("'items_per_order'", "under parameters")),
    ("figure of a choice", "generation.yaml", replaced("  order_status:", "  status:"), ("'order_status'", "under parameters")),
    ("figure of a share", "generation.yaml", replaced("  discounted_lines:", "  discounts:"), ("'discounted_lines'", "under parameters")),
    ("table for a number", "generation.yaml", replaced("discounted_lines: 0.15", "discounted_lines: {a: 0.15}"), ("'discounted_lines'", "number")),
    ("number for a table", "generation.yaml", replaced("year_weights: {2020: 1.0, 2021: 1.1, 2022: 1.21, 2023: 1.15, 2024: 1.265, 2025: 1.392, 2026: 1.531}", "year_weights: 3"), ("'year_weights'", "table")),
    ("weight of no store", "generation.yaml", replaced("store_kirkland: 4, store_online: 30}", "store_online: 30}"), ("store_kirkland",)),
    ("product of unknown tables", "generation.yaml", replaced("store_customer_weight * store_order_frequency", "store_customer_weight * frequency"), ("'frequency'",)),
    ("product of a product", "generation.yaml", replaced("store_customer_weight * store_order_frequency", "store_customer_weight * store_order_share"), ("'store_order_share'", "product")),
    ("rate of no store", "generation.yaml", replaced("store_kirkland: 1040, ", ""), ("tax_rate", "store_kirkland")),
    ("value of no store", "generation.yaml", replaced("store_kirkland: 0.85, ", ""), ("store_order_value", "store_kirkland")),
    ("choice outside the enum", "generation.yaml", replaced("completed: 92", "done: 92"), ('"done"', "order_status", "orders.status")),
    ("too many children", "generation.yaml", replaced("4: 10, 5: 5}", "4: 10, 6: 5}"), ("items_per_order", "6", "1 to 5")),
    ("a row without a required field", "catalogue.yaml", replaced("{type_id: type_hammers, type_name: Hammers, ", "{type_id: type_hammers, "), ("product_types.json", "type_name", "required")),
    ("a row too few", "catalogue.yaml", replaced("  - {store_id: store_kirkland,", "  # - {store_id: store_kirkland,"), ("catalogue.yaml", "7 rows of stores", "8", "add")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "edit", "words"), [pytest.param(*case[1:], id=case[0]) for case in WRONG_FIGURES])
def test_invalid_parameter_is_one_error(
    name: str, edit: Callable[[str], str], words: tuple[str, ...], folder: Path
) -> None:
    """The error is raised when the first document that needs it is generated."""
    change(folder, name, edit)
    settings = load_settings(Path("none"), num_customers=20, num_orders=1000)

    def generate() -> None:
        model, configuration = loaded(folder)
        for _ in Plan(model, configuration, settings).documents():
            pass

    check(generate, folder, words)


def change(folder: Path, name: str, edit: Callable[[str], str]) -> None:
    """Edit one of the files."""
    path = folder / "config" / name
    path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8", errors="surrogateescape")


def check(action: Callable[[], object], folder: Path, words: tuple[str, ...]) -> str:
    """Assert that the error is one line with these words and a position, and has exit code 2."""
    with pytest.raises(ConfigurationError) as caught:
        action()
    line = str(caught.value)
    assert caught.value.exit_code == 2
    assert "\n" not in line
    assert str(folder) in line or "config/" in line
    for word in words:
        assert word in line
    return line


def test_unedited_copy_is_valid(folder: Path) -> None:
    """The files above are therefore rejected because of their edits."""
    model, configuration = loaded(folder)
    assert len(configuration.rules.equations) == 9
    assert list(all_rules(model, configuration))


def test_missing_configuration_files_are_optional(folder: Path) -> None:
    """A model without configuration files has no parameters, rows, configured rules or queries."""
    for name in FILES:
        (folder / "config" / name).unlink()
    _, configuration = loaded(folder)
    assert configuration.rules.equations == ()
    assert configuration.queries == ()
    assert configuration.catalogue == {}
    assert configuration.generation.parameters == {}


def test_product_of_tables_is_multiplied_key_by_key(folder: Path) -> None:
    """The product is weight x frequency."""
    _, configuration = loaded(folder)
    shares = configuration.table("store_order_share")
    assert shares["store_spokane"] == 16.0
    assert shares["store_seattle"] / sum(shares.values()) == pytest.approx(0.267, abs=0.0005)


def test_product_of_tables_with_different_keys_is_rejected(folder: Path) -> None:
    """A key that only one table has would silently drop a store."""
    change(folder, "generation.yaml", replaced("store_kirkland: 1.4, ", ""))
    _, configuration = loaded(folder)
    with pytest.raises(ConfigurationError, match="store_kirkland"):
        configuration.table("store_order_share")


def test_secret_in_a_file_is_not_shown(folder: Path) -> None:
    """It is hidden even if the secret is the invalid value."""
    change(folder, "generation.yaml", replaced("parameters:", "parameters:\n  api_key: [hunter2]"))
    with pytest.raises(ConfigurationError) as caught:
        loaded(folder)
    assert "api_key" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_unreadable_file_is_one_error(tmp_path: Path) -> None:
    """The error is one line with the path."""
    for path in (tmp_path, tmp_path / "none.yaml"):
        with pytest.raises(ConfigurationError, match="cannot be read"):
            read_yaml(path)

"""`examined` counts the documents that a rule could decide, and a key without an entry is a finding."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from pymongo.database import Database

from conformance.errors import ConfigurationError
from conformance.model.collection import Model
from conformance.model.schemas.loading import load_model
from conformance.rules.catalogue import all_rules
from conformance.rules.data import totals
from tests.conformance.rules.finding import Finding
from tests.models import collection_of, model_of
from tests.validation import ROOT, configuration_for, context_for, run_rules

Document = dict[str, Any]

TAX: Final = "totals.orders.tax"
PRICE: Final = "business.order_items.unit_price+product_id"
SALE: Final = {"subtotal": 100.0, "discount_total": 0.0, "tax": 10.35, "store_id": "store_seattle"}
#: One example of each kind of operand that cannot be read: missing, null, another type, not a number.
UNREADABLE: Final = [{"tax": None}, {"subtotal": "100"}, {"store_id": 7, "tax": "x"}, {"tax": [10.35]}]


def numbered(*documents: Document) -> list[Document]:
    return [{"_id": number, **document} for number, document in enumerate(documents)]


def test_key_without_an_entry_is_a_finding_and_others_are_counted(found: Finding) -> None:
    orders = [SALE, SALE | {"tax": 10.36}, SALE | {"store_id": "store_new"}, *(SALE | one for one in UNREADABLE)]
    outcome = found(TAX, orders=numbered(*orders, {"store_id": "store_seattle"}))
    assert (outcome.examined, outcome.violations) == (3, 2)
    assert [sample.id for sample in outcome.samples] == [1, 2]
    assert outcome.samples[1].why == (
        'tax is 10.35, which cannot be checked: store_id is "store_new", which tax_rate in config/generation.yaml does'
        " not list; add it there, or correct store_id"
    )


def test_key_without_an_entry_is_a_finding_of_a_bound(found: Finding) -> None:
    products = numbered({"product_id": "p", "base_price": 10.0}, {"product_id": "q"})
    item = {"product_id": "p", "store_id": "store_spokane", "unit_price": 10.0}
    items = [item, item | {"store_id": "store_new"}, item | {"product_id": "q"}, item | {"product_id": "none"},
             item | {"unit_price": None}, item | {"store_id": None}]  # fmt: skip
    outcome = found(PRICE, products=products, order_items=numbered(*items))
    assert (outcome.examined, outcome.violations) == (1 + 1, 1)
    assert outcome.samples[0].id == 1
    assert 'store_id is "store_new", which store_order_value in config/generation.yaml does not list' in (
        outcome.samples[0].why
    )


@pytest.mark.parametrize(
    ("stray", "remedy"), [(None, "add it"), ("store_kirklnd", "rename its store_kirklnd")], ids=["missing", "misspelt"]
)
@pytest.mark.parametrize("figure", ["tax_rate", "store_order_value"])
def test_table_without_a_row_of_the_catalogue_is_a_configuration_error(
    figure: str, stray: str | None, remedy: str, tmp_path: Path
) -> None:
    for name in ("schemas", "config"):
        shutil.copytree(ROOT / name, tmp_path / name)
    file = tmp_path / "config" / "generation.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    value = content["parameters"][figure].pop("store_kirkland")
    if stray:
        content["parameters"][figure][stray] = value
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    model = load_model(tmp_path)
    pattern = rf"{figure} .* has no value for .store_kirkland..* stores .*; {remedy}$"
    with pytest.raises(ConfigurationError, match=pattern):
        all_rules(model, configuration_for(model))


def test_total_over_children_without_an_entry_is_a_finding(tmp_path: Path, database: Database[Document]) -> None:
    key = {"type": "string", "maxLength": 9}
    carts = collection_of({"key": key | {"x-unique": True}, "value": {"type": "number"}})
    lines = collection_of({"cart": key | {"x-reference": "carts.key"}, "kind": key})
    model = model_of(tmp_path, {"carts": carts, "lines": lines})
    (tmp_path / "config" / "generation.yaml").write_text("parameters: {price: {a: 2, b: 3}}", encoding="utf-8")
    (tmp_path / "config" / "rules.yaml").write_text(
        'equations: [{field: carts.value, family: totals, equals: "total(lines, price[kind])", title: T}]',
        encoding="utf-8",
    )
    database["carts"].insert_many([{"_id": 1, "key": "x", "value": 5}, {"_id": 2, "key": "y", "value": 2}])
    database["lines"].insert_many({"cart": cart, "kind": kind} for cart, kind in ("xa", "xb", "ya", "yc"))
    context = context_for(model, database)
    (outcome,) = run_rules(totals.rules(model, context.configuration), context).values()
    assert (outcome.violations, [(one.id, one.why) for one in outcome.samples]) == (
        1,
        [(2, "value of carts cannot be checked: 1 of its lines have a key that the lookup table does not list")],
    )


@pytest.mark.parametrize(
    ("rule", "documents", "examined"),
    [
        ("references.orders.customer_id", {"orders": [{"customer_id": "c"}, {"customer_id": None}, {}],
         "customers": [{"customer_id": "c"}]}, 1),
        ("snapshots.orders.customer_email", {"orders": [{"customer_id": "c"},
         {"customer_id": "c", "customer_email": "e"},
         {"customer_id": "x", "customer_email": "e"}], "customers": [{"customer_id": "c", "email": "e"}]}, 1),
        ("references.order_items.store_id+order_id", {"order_items": [{"order_id": "o", "store_id": "s"},
         {"order_id": "o"},
         {"order_id": "p", "store_id": "s"}], "orders": [{"order_id": "o", "store_id": "s"}, {"order_id": "p"}]}, 1),
        ("totals.orders.item_count", {"orders": [{"order_id": "o", "item_count": 1},
         {"order_id": "p", "item_count": "1"},
         {"order_id": "q"}], "order_items": [{"order_id": "o"}, {"order_id": "p"}]}, 1),
        ("business.orders.order_date+customer_id", {"orders": [
         {"customer_id": "c", "order_date": "2024-01-01T00:00:00Z"},
         {"customer_id": "d", "order_date": "2024-01-01T00:00:00Z"}, {"customer_id": "c"},
         {"customer_id": "c", "order_date": 7}],
         "customers": [{"customer_id": "c", "created_at": "2023-01-01T00:00:00Z"}, {"customer_id": "d"}]}, 1),
        ("business.customers.created_at+updated_at", {"customers": [{"created_at": "2020", "updated_at": "2021"},
         {"created_at": "2020"}, {"created_at": "2020", "updated_at": None}]}, 1),
        ("uniqueness.customers.email", {"customers": [{"email": "a"}, {"email": None}, {}]}, 1),
        ("uniqueness.stores._id+store_id", {"stores": [{"_id": "s", "store_id": "s"}, {"_id": "t"}]}, 1),
    ],
)  # fmt: skip
def test_undecidable_documents_are_not_counted(
    rule: str, documents: dict[str, list[Document]], examined: int, found: Finding
) -> None:
    filled = {name: [{"_id": number, **one} for number, one in enumerate(some)] for name, some in documents.items()}
    outcome = found(rule, **filled)
    assert (outcome.examined, outcome.violations) == (examined, 0)


@pytest.mark.parametrize(
    "rule",
    ["snapshots.orders.customer_name", "business.orders.order_date+customer_id", PRICE, "totals.orders.subtotal"],
)
def test_rule_without_decidable_documents_is_skipped(rule: str, found: Finding) -> None:
    """The referenced document or the operand is missing in every document."""
    outcome = found(rule, orders=[{"_id": 1, "customer_id": "c"}], order_items=[{"_id": 1, "product_id": "p"}])
    assert outcome.skipped is not None
    assert outcome.skipped.startswith("no document of ")


def test_assertion_about_a_boolean_is_examined(tmp_path: Path, database: Database[Document]) -> None:
    """Operands are recognised by their own BSON type: operands other than strings were never examined."""
    fields = {"on": {"type": "boolean"}, "name": {"type": "string", "maxLength": 9}}
    model: Model = model_of(tmp_path, {"lamps": collection_of(fields)})
    (tmp_path / "config" / "rules.yaml").write_text(
        "assertions: [{collection: lamps, subject: 'on', family: totals, holds: on == (name == 'a'), title: T}]",
        encoding="utf-8",
    )
    database["lamps"].insert_many(
        numbered({"on": True, "name": "a"}, {"on": True, "name": "b"}, {"on": "x", "name": "a"})
    )
    context = context_for(model, database)
    (outcome,) = run_rules(totals.rules(model, context.configuration), context).values()
    assert (outcome.examined, [one.id for one in outcome.samples]) == (2, [1])

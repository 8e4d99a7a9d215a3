"""Soft-deleted documents with live history: only what came after the deletion, or is still in use, is a finding."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from pymongo.database import Database

from conformance.errors import ConfigurationError
from conformance.model.collection import Model
from conformance.model.loading import load_model
from conformance.results import Outcome
from conformance.rules.data.references import rules
from tests.judging import context_for, judge
from tests.models import ABSENT, Edit, collection_of, edited_model, model_of

Document = dict[str, Any]
KEY: Final = {"type": "string", "maxLength": 9}
TIME: Final = {"type": "string", "x-timestamp": True}
FLAG: Final = {"x-soft-delete": "gone"}
RULE: Final = "references.sales.product-deleted"


def at(month: int) -> str:
    return f"2024-{month:02}-01T00:00:00Z"


def shop(folder: Path, *, dated: bool = True, history: bool = True) -> Model:
    """Products that may be deleted, and their sales, with names that are not those of the shop's model."""
    product = {"key": KEY | {"x-unique": True}, "changed": TIME, "gone": {"type": "boolean"}}
    sale = {
        "product": KEY | {"x-reference": "products.key"} | ({"x-history": "made"} if history else {}),
        "made": TIME,
        "gone": {"type": "boolean"},
    }
    products = collection_of(product) | FLAG | ({"x-deleted-at": "changed"} if dated else {})
    return model_of(folder, {"products": products, "sales": collection_of(sale) | FLAG})


def outcome(model: Model, database: Database[Document], products: list[Document], sales: list[Document]) -> Outcome:
    database["products"].insert_many({**product} for product in products)
    database["sales"].insert_many({"_id": number, **sale} for number, sale in enumerate(sales))
    context = context_for(model, database)
    return judge([rule for rule in rules(model, context.configuration) if rule.id == RULE], context)[RULE]


GONE: Final = {"key": "p", "changed": at(6), "gone": True}


def sold(*months: int, **fields: Any) -> list[Document]:
    return [{"product": "p", "made": at(month), "gone": False} | fields for month in months]


def test_sales_from_before_the_deletion_are_history(tmp_path: Path, database: Database[Document]) -> None:
    """In the second of the deletion it was still there."""
    found = outcome(shop(tmp_path), database, [GONE], sold(1, 2, 3, 6))
    assert (found.examined, found.violations, dict(found.evidence)) == (4, 0, {})


def test_sales_from_after_the_deletion_are_reported(tmp_path: Path, database: Database[Document]) -> None:
    found = outcome(shop(tmp_path), database, [GONE], [*sold(1, 2, 3, 6), *sold(7), *sold(8, gone=True)])
    assert (found.examined, found.violations) == (6, 1)
    assert [(one.id, one.why) for one in found.samples] == [
        (4, f'product is "p"; that document of products was deleted by {at(6)}, before this one was created')
    ]


def test_a_deletion_that_set_no_time_is_said_once_per_document(tmp_path: Path, database: Database[Document]) -> None:
    """Its time stamp is older than most of what was sold: that the product was deleted so early is not likely."""
    found = outcome(
        shop(tmp_path), database, [GONE, {"key": "q", "gone": False}], [*sold(1, 7, 8, 9), {"product": "q"}]
    )
    assert (found.examined, found.violations) == (1, 0)
    assert found.evidence == {"time_of_deletion_unknown": {"documents": 1, "first": ['"p"']}}


def test_a_collection_that_does_not_say_when_it_deletes(tmp_path: Path, database: Database[Document]) -> None:
    found = outcome(shop(tmp_path, dated=False), database, [GONE], sold(1, 7))
    assert found.skipped == "the time of deletion is not known for any deleted document of products"


def test_what_is_in_use_may_not_refer_to_what_is_deleted(tmp_path: Path, database: Database[Document]) -> None:
    found = outcome(shop(tmp_path, history=False), database, [GONE], [*sold(1, 2, 7), *sold(8, gone=True)])
    assert (found.examined, found.violations) == (4, 3)


def test_a_live_document_beside_a_deleted_one_with_its_key(tmp_path: Path, database: Database[Document]) -> None:
    found = outcome(shop(tmp_path), database, [GONE, GONE | {"gone": False}], sold(1, 2, 3, 7))
    assert (found.examined, found.violations) == (4, 0)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (("orders", "/x-deleted-at", "status"), "x-deleted-at: 'status' is not a time stamp"),
        (("orders", "/x-soft-delete", ABSENT), "x-deleted-at: documents are never marked as deleted"),
        (("orders", "/properties/store_id/x-history", "never"), "x-history: 'never' is not a time stamp"),
        (("orders", "/properties/total/x-history", "created_at"), "x-history: the field refers to nothing"),
    ],
)
def test_keywords_that_fit_nothing_are_errors(edit: Edit, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=says):
        load_model(edited_model(tmp_path, [edit]))

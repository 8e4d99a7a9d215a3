"""Soft-deleted documents with history: only references created after the deletion, or still in use, are findings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from pymongo.database import Database

from conformance.errors import ConfigurationError
from conformance.model.collection import Model
from conformance.model.schemas.loading import load_model
from conformance.results import Outcome
from conformance.rules.data.references import rules
from tests.models import ABSENT, Edit, collection_of, edited_model, model_of
from tests.validation import context_for, run_rules

Document = dict[str, Any]
KEY: Final = {"type": "string", "maxLength": 9}
TIME: Final = {"type": "string", "x-timestamp": True}
FLAG: Final = {"x-soft-delete": "gone"}
RULE: Final = "references.sales.product-deleted"


def at(month: int) -> str:
    return f"2024-{month:02}-01T00:00:00Z"


def shop(folder: Path, *, dated: bool = True, history: bool = True) -> Model:
    """Return a model of products that may be deleted, and their sales, with other names than the project's model."""
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
    return run_rules([rule for rule in rules(model, context.configuration) if rule.id == RULE], context)[RULE]


GONE: Final = {"key": "p", "changed": at(6), "gone": True}


def sold(*months: int, **fields: Any) -> list[Document]:
    return [{"product": "p", "made": at(month), "gone": False} | fields for month in months]


def test_documents_created_before_the_deletion_are_accepted(tmp_path: Path, database: Database[Document]) -> None:
    """A document of the same second counts as created before the deletion."""
    found = outcome(shop(tmp_path), database, [GONE], sold(1, 2, 3, 6))
    assert (found.examined, found.violations, dict(found.evidence)) == (4, 0, {})


def test_documents_created_after_the_deletion_are_reported(tmp_path: Path, database: Database[Document]) -> None:
    found = outcome(shop(tmp_path), database, [GONE], [*sold(1, 2, 3, 6), *sold(7), *sold(8, gone=True)])
    assert (found.examined, found.violations) == (6, 1)
    assert [(one.id, one.why) for one in found.samples] == [
        (4, f'product is "p"; that document of products was deleted by {at(6)}, before this one was created')
    ]


def test_deletion_without_a_time_is_reported_once_per_document(tmp_path: Path, database: Database[Document]) -> None:
    """The product's time stamp is older than most of its sales: such an early deletion is unlikely."""
    found = outcome(
        shop(tmp_path), database, [GONE, {"key": "q", "gone": False}], [*sold(1, 7, 8, 9), {"product": "q"}]
    )
    assert (found.examined, found.violations) == (1, 0)
    assert found.evidence == {"time_of_deletion_unknown": {"documents": 1, "first": ['"p"']}}


def test_collection_without_a_deletion_time_is_reported(tmp_path: Path, database: Database[Document]) -> None:
    found = outcome(shop(tmp_path, dated=False), database, [GONE], sold(1, 7))
    assert found.skipped == "the time of deletion is not known for any deleted document of products"


def test_reference_in_use_to_a_deleted_document_is_reported(tmp_path: Path, database: Database[Document]) -> None:
    found = outcome(shop(tmp_path, history=False), database, [GONE], [*sold(1, 2, 7), *sold(8, gone=True)])
    assert (found.examined, found.violations) == (4, 3)


def test_live_document_with_the_key_of_a_deleted_one_is_accepted(tmp_path: Path, database: Database[Document]) -> None:
    found = outcome(shop(tmp_path), database, [GONE, GONE | {"gone": False}], sold(1, 2, 3, 7))
    assert (found.examined, found.violations) == (4, 0)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (("orders", "/x-deleted-at", "status"), "x-deleted-at: 'status' is not a time stamp"),
        (("orders", "/x-soft-delete", ABSENT), "x-deleted-at: documents are never marked as deleted"),
        (("orders", "/properties/store_id/x-history", "never"), "x-history: 'never' is not a time stamp"),
        (("orders", "/properties/total/x-history", "created_at"), "x-history: the field refers to nothing"),
    ],
)
def test_misplaced_keywords_are_errors(edit: Edit, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_model(edited_model(tmp_path, [edit]))

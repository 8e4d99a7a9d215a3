"""A collection that the survey cannot read, or that changes while it is read, does not change other rules' results."""

from __future__ import annotations

from pymongo.database import Database

from conformance.checks import document_scan
from conformance.checks.base import Document
from conformance.model.collection import Model
from conformance.results import Result
from conformance.rules.catalogue import all_rules
from conformance.run.runner import Run
from tests.validation import configuration_for, context_for


def results(model: Model, database: Database[Document], *ids: str) -> list[Result]:
    rules = [rule for rule in all_rules(model, configuration_for(model)) if rule.id in ids]
    assert len(rules) == len(ids)
    with Run(rules, context_for(model, database)) as run:
        return run.results()


def test_view_with_a_collation_leaves_the_references_of_other_collections_checked(
    model: Model, database: Database[Document]
) -> None:
    database.command("create", "stores", viewOn="shops", pipeline=[], collation={"locale": "en"})
    database["inventory"].insert_one({"_id": "i", "product_id": "p"})
    (found,) = results(model, database, "references.inventory.product_id")
    assert (found.status, found.violations) == ("failed", 1)


def test_deleted_documents_are_looked_up_once(model: Model, database: Database[Document]) -> None:
    context = context_for(model, database)
    asked = context.surveyed(dict)
    assert asked.any_deleted("stores") is False
    database["stores"].insert_one({"_id": "s", "deleted": True})
    assert context.any_deleted("stores") is False
    assert context_for(model, database).any_deleted("stores") is True


def test_collection_that_is_emptied_meanwhile_is_no_error(model: Model, database: Database[Document]) -> None:
    rule = next(
        rule
        for rule in all_rules(model, configuration_for(model))
        if isinstance(rule.check, document_scan.DocumentTest) and rule.check.guards
    )
    assert isinstance(rule.check, document_scan.DocumentTest)
    assert document_scan._sizes(database["gone"], {}, {rule: rule.check}, 1) == {rule: 0}

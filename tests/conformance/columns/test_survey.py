"""A collection that the survey cannot read, or that changes while it is read, does not change other rules' results."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pymongo.database import Database

from conformance.checks import document_scan
from conformance.checks.base import Document
from conformance.checks.joins import divided
from conformance.model.collection import Model
from conformance.results import Result
from conformance.rules.catalogue import all_rules
from conformance.run import runner
from conformance.run.runner import BY_RANGE, Run
from conformance.run.session import load_project
from generator.columns.plan import Plan
from tests.validation import ROOT, configuration_for, context_for


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


def test_documents_in_parts_on_disk_have_the_results_of_the_server(
    database: Database[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    project = load_project(ROOT, num_customers=40, num_orders=150, seed=11)
    for name, documents in Plan(project.model, project.configuration, project.settings).documents():
        database[name].insert_many(documents)
    orders, lines = database["orders"], database["order_items"]
    for document in orders.aggregate([{"$sample": {"size": 9}}]):
        orders.update_one({"_id": document["_id"]}, {"$set": {"subtotal": 1, "store_id": "elsewhere"}})
    for document in lines.aggregate([{"$sample": {"size": 9}}]):
        lines.update_one({"_id": document["_id"]}, {"$set": {"order_id": "none", "created_at": "2001-01-01T00:00:00Z"}})
    orders.update_many({"status": "cancelled"}, {"$set": {"deleted": True, "customer_name": "Nobody"}})
    rules = [rule for rule in project.rules if isinstance(rule.check, BY_RANGE)]

    def results() -> list[Result]:
        with Run(rules, context_for(project.model, database)) as run:
            return [replace(result, duration_s=0.0) for result in run.results()]

    with monkeypatch.context() as patched:
        patched.setattr(runner, "is_here", lambda _: False)
        asked = results()
    parts = list[int]()
    part = divided.DividedParents.part
    monkeypatch.setattr(divided, "AT_ONCE", 10)
    monkeypatch.setattr(
        divided.DividedParents, "part", lambda self, number: (parts.append(number), part(self, number))[1]
    )
    assert results() == asked
    assert max(parts) > 10
    assert {"references", "totals", "snapshots", "business"} <= {one.family for one in asked if one.violations}

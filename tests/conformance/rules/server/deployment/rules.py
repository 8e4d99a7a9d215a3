"""The rules of a deployed database, run together, and the state of a deployment that they accept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any

from bson import Int64
from pymongo.database import Database

from conformance.checks.base import Context, Rule
from conformance.config.settings import Settings
from conformance.model.collection import Model
from conformance.results import Outcome
from conformance.rules.server import indexes, streams, validators
from conformance.server.provision import apply, plan
from tests.validation import run_rules, shipped_configuration

Documents = Database[dict[str, Any]]


def provision(database: Documents, model: Model) -> None:
    for view in database.list_collections(filter={"type": "view"}):
        database.drop_collection(view["name"])
    apply(plan(model, database, drop_extra=True), database)
    for collection in model:
        database[collection.name].delete_many({})
        put(database, collection.name, {"_id": f"{collection.name}_1", "deleted": False, "n": Int64(7)})


def put(database: Documents, collection: str, document: Mapping[str, Any]) -> None:
    """Insert documents that the validator might reject."""
    database.command({"insert": collection, "documents": [document], "bypassDocumentValidation": True})


def context_of(
    model: Model, database: Documents, scratch: Documents | None = None, *, embedded: bool = True
) -> Context:
    return Context(model, shipped_configuration(), Settings(), database, embedded, scratch)


def all_rules(model: Model) -> list[Rule]:
    families = (indexes, validators, streams)
    return list(chain.from_iterable(family.rules(model, shipped_configuration()) for family in families))


def run_all(context: Context, rules: Iterable[Rule] | None = None) -> dict[str, Outcome]:
    """Return every rule's outcome; rules of one group run together."""
    return run_rules(all_rules(context.model) if rules is None else rules, context)


def skips(outcomes: Mapping[str, Outcome]) -> dict[str, str]:
    return {name: outcome.skipped for name, outcome in outcomes.items() if outcome.skipped is not None}

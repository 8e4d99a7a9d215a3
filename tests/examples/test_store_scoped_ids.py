"""The example store_scoped_ids: ids that contain the store, so that Ditto can separate the stores.

Tested as the shipped configuration is: the model is clean by its own rules, and on the real store, for every store and
every collection, Ditto's own queries let through exactly what each user should see.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from conformance.checks.base import Context
from conformance.config.loading import load_configuration
from conformance.config.settings import load_settings
from conformance.ditto.connector import CONNECTOR_FILE
from conformance.ditto.permissions import OPERATIONS, PERMISSIONS_FILE, Operation, load_permissions
from conformance.model.collection import Collection, Model
from conformance.model.schemas.loading import load_model
from conformance.rules.catalogue import FAMILIES
from conformance.run.runner import Run
from conformance.run.session import load_project
from edge.ditto_permissions import KINDS, compiled, permitted
from generator.columns.plan import Plan
from generator.loader import load
from suites.devices.edge_dataset import Edge, edge_of, ordered
from tests.models import shipped_model
from tests.validation import ROOT

pytestmark = pytest.mark.ditto

EXAMPLE = ROOT / "examples" / "store_scoped_ids"
#: Collections whose documents belong to a store.
SCOPED = ("customers", "inventory", "orders", "order_items")
NAMES = [*shipped_model().collections]


def merged(target: Any, patch: Any) -> Any:
    """Return the target with a JSON merge patch applied (RFC 7396)."""
    if not isinstance(patch, Mapping):
        return patch
    base = dict(target) if isinstance(target, Mapping) else {}
    return {**base, **{key: merged(base.get(key), value) for key, value in patch.items()}}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Return the shipped model with the changes of the example."""
    root = tmp_path_factory.mktemp("store_scoped")
    for name in ("schemas", "config"):
        shutil.copytree(ROOT / name, root / name)
    for name, patch in json.loads((EXAMPLE / "schemas.merge.json").read_text(encoding="utf-8")).items():
        path = root / "schemas" / f"{name}.json"
        schema = merged(json.loads(path.read_text(encoding="utf-8")), patch)
        path.write_text(json.dumps(schema), encoding="utf-8")
    for name in (CONNECTOR_FILE, PERMISSIONS_FILE):
        shutil.copy(EXAMPLE / "config" / name, root / "config")
    return load_model(root)


@pytest.fixture(scope="module")
def edge(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """The real store with the model's documents, with ids that contain the store."""
    with edge_of(load_project(model.root), tmp_path_factory.mktemp("store")) as edge:
        yield edge


def test_model_has_no_finding(model: Model, database: Database[Any]) -> None:
    """Configuration and schemas agree, its documents are conformant, and no rule claims unavailable enforcement."""
    settings = load_settings(Path("none"), num_customers=60, num_orders=200)
    configuration = load_configuration(model, settings.constants())
    load(Plan(model, configuration, settings).documents(), database, 1_000)
    families = ("documents", "references", "uniqueness", "crdt", "sync", "permissions")
    found = [rule for family in families for rule in FAMILIES[family](model, configuration)]
    with Run(found, Context(model, configuration, settings, database, embedded=True, scratch=None)) as run:
        results = {result.id: result for result in run.results()}
    assert {name: one.samples for name, one in results.items() if one.status not in ("passed", "skipped")} == {}
    skipped = {name.rpartition(".")[2] for name, one in results.items() if one.status == "skipped"}
    assert skipped <= {"device-plans", "ejson-queries"}  # no query of a device names the collection; none is ejson
    for name in SCOPED:
        (reason,) = results[f"permissions.{name}.enforced_by"].evidence.values()
        assert reason.startswith("ditto: Ditto keeps each store to its own")


def test_rules_equal_those_of_the_shipped_file(model: Model) -> None:
    """Only their enforcement differs."""
    shipped, own = (load_permissions(one).rules for one in (shipped_model(), model))
    assert [(r.collection, r.operations, r.condition) for r in own] == [
        (r.collection, r.operations, r.condition) for r in shipped
    ]
    assert {rule.collection for rule in own if rule.enforced_by == "ditto"} == set(SCOPED)


@pytest.mark.parametrize("name", SCOPED)
@pytest.mark.parametrize("kind", KINDS)
def test_ditto_queries_select_exactly_the_documents_of_a_store(edge: Edge, name: str, kind: str) -> None:
    """The real engine runs the queries of the webhook unchanged."""
    collection, total = edge.model[name], 0
    for user in edge.people:
        given = compiled(edge.permissions, edge.model, edge.mappings, user)
        queries = given.document[kind]["queriesByCollection"][name]
        path = "_id.primary_store_id" if name == "customers" else "_id.store_id"
        assert queries == [f"{path} == '{user.attributes['store_id']}'"]
        through = ordered(row["_id"] for row in edge.store.execute(given.select(kind, name)))
        assert through == edge.ids(collection, edge.theirs(collection, user))
        assert 0 < len(through) < len(edge.documents[name])
        total += len(through)
    assert total == len(edge.documents[name])


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", [name for name in NAMES if name != "product_embeddings"])
def test_every_user_has_exactly_their_permissions(edge: Edge, name: str, operation: Operation) -> None:
    """The rules are tested like the shipped ones."""
    collection = edge.model[name]
    for user in edge.people:
        may = permitted(edge.store, edge.permissions, collection, user, operation)
        done = edge.done(collection, operation)
        assert ordered(may) == (edge.ids(collection, edge.theirs(collection, user)) if done else [])


@pytest.mark.parametrize("name", ["products", "stores", "categories", "product_types"])
def test_ditto_rejects_changes_that_no_rule_grants(edge: Edge, name: str) -> None:
    """Shared documents are readable by every known user, and by no other."""
    for user in (*edge.people, None):
        given = compiled(edge.permissions, edge.model, edge.mappings, user)
        assert edge.store.execute(given.select("write", name)) == []
        seen = len(edge.store.execute(given.select("read", name)))
        assert seen == (0 if user is None else len(edge.documents[name]))


def test_limits_of_ditto_are_reported(edge: Edge) -> None:
    """Ditto can test neither kinds of changes, nor a flag outside of the id; each user's permissions say so."""
    for user in edge.people:
        given = compiled(edge.permissions, edge.model, edge.mappings, user)
        assert {finding.split(":")[0] for finding in given.findings} == {
            "read products", *(f"write {name}" for name in SCOPED),
        }  # fmt: skip
        assert "read products: open beyond the rules, since deleted is not part of Ditto's _id" in given.findings


def test_ids_are_objects_of_the_configured_fields(edge: Edge) -> None:
    for name in SCOPED:
        fields = set(edge.mappings[name].fields)
        for row in edge.store.execute(edge_query(edge.model[name])):
            assert row["_id"].keys() == fields
            assert row["_id"] == {field: row[field] for field in fields}


def edge_query(collection: Collection) -> str:
    """Return all documents of a collection."""
    return f"SELECT * FROM {collection.name}"  # noqa: S608 - a name of the model's

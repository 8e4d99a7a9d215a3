"""Indexes of every kind that MongoDB has: drafted, declared, compared, provisioned, and reported when they differ."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.collation import Collation
from pymongo.database import Database

from conformance.config.settings import Settings
from conformance.errors import ConfigurationError
from conformance.inspection.drafting.draft import draft
from conformance.inspection.drafting.files import write_model
from conformance.inspection.inspection import inspect
from conformance.model.index_options import may_hold
from conformance.results import Result
from conformance.run.runner import Run
from conformance.run.session import Project, assemble
from conformance.server.provision import apply, plan, wish
from conformance.server.provision_script import as_mongosh
from tests.conformance.server.provisioning.script import needs_node, run_script
from tests.models import collection_of, model_of
from tests.validation import context_for

pytestmark = pytest.mark.server

SINCE = dt.datetime(2024, 1, 15)
#: Keys and options of each index by its name in MongoDB or a name of its own.
KINDS: dict[str, tuple[list[tuple[str, Any]], dict[str, Any]]] = {
    "name_1": ([("name", 1)], {"unique": True}),
    "name_-1": ([("name", -1)], {"hidden": True}),
    "place_2dsphere": ([("place", "2dsphere")], {}),
    "spot_2d": ([("spot", "2d")], {"min": -500, "max": 500, "bits": 20}),
    "owner_hashed": ([("owner", "hashed")], {}),
    "words": ([("title", "text"), ("notes", "text")],
              {"weights": {"title": 5, "notes": 1}, "default_language": "german"}),
    "attributes.$**_1": ([("attributes.$**", 1)], {}),
    "$**_1": ([("$**", 1)], {"wildcardProjection": {"attributes.colour": 1, "tags": 1}}),
    "tags_1": ([("tags", 1)], {"sparse": True}),
    "made_1": ([("made", 1)], {"expireAfterSeconds": 86400}),
    "label_1": ([("label", 1)], {"collation": Collation("en", strength=2), "unique": True}),
    "young": ([("owner", 1)], {"partialFilterExpression": {"made": {"$gte": SINCE}}}),
    "open": ([("owner", 1)], {"partialFilterExpression": {"closed": False}, "unique": False}),
    "lines.sku_1_n_-1": ([("lines.sku", 1), ("n", -1)], {}),
}  # fmt: skip


def fill(database: Database[dict[str, Any]]) -> None:
    database.create_collection("logs", clusteredIndex={"key": {"_id": 1}, "unique": True, "name": "by id"})
    database["logs"].insert_many([{"_id": f"l{n}", "n": n} for n in range(9)])
    database["things"].insert_many(
        {
            "_id": ObjectId(f"{n:024x}"), "name": f"thing {n}", "title": "a", "notes": "b", "owner": f"o{n % 3}",
            "n": n,
            "place": {"type": "Point", "coordinates": [1.5, 2.5]}, "spot": [1.5, 2.5], "tags": ["a"], "made": SINCE,
            "label": f"l{n}", "closed": False, "attributes": {"colour": "red"}, "lines": [{"sku": "s"}],
        }
        for n in range(9)
    )  # fmt: skip
    for name, (keys, options) in KINDS.items():
        database["things"].create_index(keys, name=name, **options)


@pytest.fixture(scope="module")
def case(
    server: MongoClient[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, Database[dict[str, Any]]]:
    database = server["index_kinds"]
    server.drop_database(database.name)
    fill(database)
    folder = tmp_path_factory.mktemp("kinds") / "model"
    write_model(draft(database, inspect(database), ()), folder, database.name)
    return assemble(folder, Settings(mongodb_database=database.name)), database


Case = tuple[Project, Database[dict[str, Any]]]


def broken(case: Case) -> dict[str, Result]:
    project, database = case
    rules = [rule for rule in project.rules if rule.family in ("indexes", "uniqueness")]
    with Run(rules, context_for(project.model, database)) as run:
        return {one.id: one for one in run.results() if one.status not in ("passed", "skipped")}


def test_every_kind_of_index_is_drafted_as_on_the_server(case: Case) -> None:
    project, database = case
    declared = {index.name for index in project.model["things"].indexes}
    assert declared == set(KINDS)
    assert project.model["logs"].clustered
    assert broken(case) == {}
    assert [each for each in plan(project.model, database, drop_extra=True) if "index" in each.kind] == []
    entries = {each.get("name"): each for each in project.model["things"].schema["x-indexes"]}
    assert entries["young"]["partialFilterExpression"] == {"made": {"$gte": {"$date": "2024-01-15T00:00:00Z"}}}
    assert project.model["things"].unique == (("name",),)  # label is unique by its collation only


@pytest.mark.parametrize("name", sorted(KINDS))
def test_different_definition_is_reported_and_fixed(name: str, case: Case) -> None:
    project, database = case
    things = database["things"]
    keys, options = KINDS[name]
    things.drop_index(name)
    found = broken(case)
    subject = "+".join(path.replace(".", "-").replace("$**", "---") for path, _ in sorted(keys) if name != "words")
    assert f"indexes.things.{subject}" in found or name == "words"
    other = {**options, "collation": Collation("fr")} if keys[0][1] in (1, -1) and "$**" not in keys[0][0] else options
    if other != options:
        things.create_index(keys, name="another", **other)
        (why, *_) = [
            sample.why for result in broken(case).values() for sample in result.samples if "another" in sample.why
        ]
        assert "collation" in why
    apply(plan(project.model, database, parts=frozenset({"indexes"}), drop_extra=True), database)
    assert broken(case) == {}


def test_index_unsupported_by_schemas_is_reported(case: Case) -> None:
    _, database = case
    database["logs"].create_index("nothing")
    database["logs"].create_index("n", sparse=True)
    found = broken(case)
    database["logs"].drop_indexes()
    assert {sample.why for sample in found["indexes.logs.extra"].samples} == {
        "the index on n exists but the model does not declare it",
        "the index on nothing exists but the model does not declare it; the schema does not define nothing:"
        " define it first, or drop the index",
    }


def test_ttl_index_of_a_synced_collection_is_a_warning(database: Database[dict[str, Any]], tmp_path: Path) -> None:
    database["events"].insert_many([{"_id": f"e{n}", "made": SINCE, "deleted": False} for n in range(5)])
    database["events"].create_index("made", expireAfterSeconds=3600 * 24 * 365 * 50)
    write_model(draft(database, inspect(database), ["events"]), tmp_path / "model", database.name)
    project = assemble(tmp_path / "model", Settings(mongodb_database=database.name))
    rules = [rule for rule in project.rules if rule.family in ("indexes", "crdt")]
    with Run(rules, context_for(project.model, database)) as run:
        found = {one.id: one.status for one in run.results() if one.status not in ("passed", "skipped")}
    assert found == {"crdt.events.expiry": "warned", "crdt.events.types": "failed"}


@needs_node
def test_script_builds_every_kind_once(case: Case, tmp_path: Path) -> None:
    project, database = case
    client, copy = database.client, "index_kinds_by_script"
    client.drop_database(copy)
    script = as_mongosh(wish(project.model), copy)
    run_script(script, client, tmp_path)
    assert plan(project.model, client[copy], drop_extra=True) == []
    again = run_script(script, client, tmp_path)
    client.drop_database(copy)
    assert not [command for command in again if {"createIndexes", "dropIndexes", "create"} & command.keys()]


def test_plan_creates_a_clustered_collection(case: Case) -> None:
    project, database = case
    client = database.client
    client.drop_database("index_kinds_planned")
    apply(plan(project.model, client["index_kinds_planned"]), client["index_kinds_planned"])
    assert plan(project.model, client["index_kinds_planned"], drop_extra=True) == []
    (logs,) = client["index_kinds_planned"].list_collections(filter={"name": "logs"})
    client.drop_database("index_kinds_planned")
    assert logs["options"]["clusteredIndex"]["key"] == {"_id": 1}


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"keys": {"name": 1}, "sparse": True, "partialFilterExpression": {"name": "a"}}, "be sparse and partial"),
        ({"keys": {"name": "hashed"}, "unique": True}, "cannot be unique"),
        ({"keys": {"name": 1, "_id": 1}, "expireAfterSeconds": 5}, "cannot expire documents"),
        ({"keys": {"name": 1}, "clustered": True}, "clustered by _id only"),
        ({"keys": {"name": "geoHaystack"}}, "geoHaystack"),
    ],
)  # fmt: skip
def test_combination_rejected_by_servers_is_a_model_error(entry: Any, words: str, tmp_path: Path) -> None:
    schema = collection_of({"name": {"type": "string"}}) | {"x-indexes": [entry]}
    with pytest.raises(ConfigurationError, match=words):
        model_of(tmp_path, {"things": schema})


def test_possible_paths_of_documents_are_listed() -> None:
    schema = json.loads(
        '{"additionalProperties": false, "properties": {"a": {"type": "object", "additionalProperties": false,'
        ' "properties": {"b": {"type": "string"}}}, "l": {"type": "array", "items": {"x-bson": ["object"]}},'
        ' "t": {"type": "array", "items": {"type": "string"}}, "x": {"x-bson": ["object", "null"]},'
        ' "d": {"type": "object", "patternProperties": {"^a$": {"type": "string"}}}}}'
    )
    paths = ("a", "a.b", "a.c", "a.b.c", "$**", "a.$**", "l.sku", "l.0.sku", "t", "t.x", "x.y.z", "d.a", "z")
    assert [path for path in paths if not may_hold(schema, path)] == ["a.c", "a.b.c", "t.x", "z"]

"""Provisioning: from any state of a database to that of the model, by commands or by a mongosh script."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from bson import json_util
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure

from conformance.embedded.server import EmbeddedServer
from conformance.errors import TargetError
from conformance.model.collection import Model
from conformance.model.validators.profiles import provisioned_validator
from conformance.server.metadata import live_collections, live_indexes
from conformance.server.provision import PARTS, Change, _creating, apply, plan, require_images, wish
from conformance.server.provision_script import as_mongosh
from tests.validation import shipped_model

pytestmark = pytest.mark.server

Documents = Database[dict[str, Any]]


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoClient[dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("provision")
    with EmbeddedServer(folder, cache_gb=0.25) as server, MongoClient(server.uri) as client:
        yield client


@pytest.fixture
def empty(client: MongoClient[dict[str, Any]]) -> Iterator[Documents]:
    name = f"provision_{uuid.uuid4().hex[:12]}"
    yield client[name]
    client.drop_database(name)


@pytest.fixture
def database(empty: Documents, model: Model) -> Documents:
    """A database in the state of the model."""
    apply(plan(model, empty), empty)
    return empty


@dataclass(frozen=True)
class Deviation:
    """A deviation from the state of the model, and the changes that fix it: (collection, kind, part of the text)."""

    title: str
    damage: Callable[[Documents], Any]
    fixed_by: tuple[tuple[str, str, str], ...]


def rebuilt(collection: str, index: str, keys: Any, **options: Any) -> Callable[[Documents], Any]:
    """Return a function that replaces an index by a wrong one."""

    def damage(database: Documents) -> None:
        database[collection].drop_index(index)
        database[collection].create_index(keys, **options)

    return damage


TEXT = "product_name_text_product_description_text"
BOTH = [("product_name", "text"), ("product_description", "text")]
WEIGHTS = {"product_name": 10, "product_description": 5}


def conflicting(collection: str, words: str) -> tuple[tuple[str, str, str], ...]:
    return (collection, "conflicting-index", words), (collection, "indexes", "build an index")


DEVIATIONS = (
    Deviation(
        "a collection is gone",
        lambda db: db.drop_collection("stores"),
        (("stores", "collection", "validator and pre- and post-images"), ("stores", "indexes", "build 3 indexes")),
    ),
    Deviation(
        "no validator",
        lambda db: db.command({"collMod": "orders", "validator": {}}),
        (("orders", "validator", "there is none"),),
    ),
    Deviation(
        "yesterday's validator",
        lambda db: db.command({"collMod": "orders", "validator": {"$jsonSchema": {"required": ["_id"]}}}),
        (("orders", "validator", "it is not the schema's"),),
    ),
    Deviation(
        "a lax level and action",
        lambda db: db.command({"collMod": "orders", "validationLevel": "moderate", "validationAction": "warn"}),
        (("orders", "validator", "validationLevel is moderate, not strict; validationAction is warn, not error"),),
    ),
    Deviation(
        "images off on a synced collection",
        lambda db: db.command({"collMod": "orders", "changeStreamPreAndPostImages": {"enabled": False}}),
        (("orders", "images", "enable"),),
    ),
    Deviation(
        "images on where nothing is synced",
        lambda db: db.command({"collMod": "product_embeddings", "changeStreamPreAndPostImages": {"enabled": True}}),
        (("product_embeddings", "images", "disable"),),
    ),
    Deviation(
        "an index is missing",
        lambda db: db.orders.drop_index("status_1"),
        (("orders", "indexes", "build an index: status"),),
    ),
    Deviation(
        "two indexes are missing",
        lambda db: [db.orders.drop_index(name) for name in ("status_1", "order_date_-1")],
        (("orders", "indexes", "build 2 indexes: order_date (descending); status"),),
    ),
    Deviation(
        "not unique",
        rebuilt("customers", "email_1", "email"),
        conflicting("customers", "it is not unique"),
    ),
    Deviation(
        "unique unasked",
        rebuilt("customers", "primary_store_id_1", "primary_store_id", unique=True),
        conflicting("customers", "it is unique"),
    ),
    Deviation(
        "not unique and under another name",
        rebuilt("customers", "email_1", "email", name="by_email"),
        conflicting("customers", "by_email"),
    ),
    Deviation(
        "partial",
        rebuilt("orders", "status_1", "status", partialFilterExpression={"deleted": False}),
        conflicting("orders", 'partialFilterExpression {"deleted": false}'),
    ),
    Deviation("sparse", rebuilt("orders", "status_1", "status", sparse=True), conflicting("orders", "sparse true")),
    Deviation("hidden", rebuilt("orders", "status_1", "status", hidden=True), conflicting("orders", "hidden true")),
    Deviation(
        "documents expire",
        rebuilt("orders", "status_1", "status", expireAfterSeconds=0),
        conflicting("orders", "expireAfterSeconds 0"),
    ),
    Deviation(
        "the name is taken by other keys",
        rebuilt("orders", "status_1", "tax", name="status_1"),
        conflicting("orders", "its keys are tax instead of status"),
    ),
    Deviation("no weights", rebuilt("products", TEXT, BOTH), conflicting("products", "its weights are")),
    Deviation(
        "text of another language",
        rebuilt("products", TEXT, BOTH, weights=WEIGHTS, default_language="french"),
        conflicting("products", "default_language is french instead of english"),
    ),
    Deviation(
        "text of one field less",
        rebuilt("products", TEXT, BOTH[:1]),
        conflicting("products", "its keys are product_name (text) instead of product_description (text), product_name"),
    ),
    Deviation(
        "ascending for descending: the declared one is built beside it",
        rebuilt("orders", "order_date_-1", "order_date"),
        (("orders", "indexes", "order_date (descending)"),),
    ),
    Deviation("the right index has another name", rebuilt("orders", "status_1", "status", name="by_status"), ()),
    Deviation(
        "text fields in another order",
        rebuilt("products", TEXT, BOTH[::-1], weights=WEIGHTS, name="search"),
        (),
    ),
    Deviation("an index more", lambda db: db.orders.create_index("tax"), ()),
)
deviations = pytest.mark.parametrize("deviation", DEVIATIONS, ids=lambda deviation: deviation.title)


def kinds(changes: Sequence[Change]) -> list[tuple[str, str]]:
    return [(change.collection, change.kind) for change in changes]


def test_empty_database_is_fully_provisioned(empty: Documents, model: Model) -> None:
    apply(plan(model, empty), empty)
    live = live_collections(empty)
    assert set(live) == set(model.collections)
    assert {name: live[name].images for name in live} == {c.name: c.synced for c in model}
    assert all(live[c.name].validator == provisioned_validator(c) for c in model)
    assert {(live[c.name].level, live[c.name].action) for c in model} == {("strict", "error")}
    assert sum(len(list(empty[c.name].list_indexes())) for c in model) == 44


def test_plan_does_not_write(empty: Documents, model: Model) -> None:
    assert plan(model, empty) == wish(model)
    assert empty.list_collection_names() == []


def test_provisioned_database_needs_no_change(database: Documents, model: Model) -> None:
    assert plan(model, database) == []
    assert plan(model, database, drop_extra=True) == []


def test_provisioning_is_idempotent(database: Documents, model: Model) -> None:
    again = [change for change in wish(model) if change.kind == "indexes"]
    apply(again, database)
    assert plan(model, database, drop_extra=True) == []


@deviations
def test_deviation_is_described_and_fixed(deviation: Deviation, database: Documents, model: Model) -> None:
    deviation.damage(database)
    changes = plan(model, database)
    assert kinds(changes) == [(collection, kind) for collection, kind, _ in deviation.fixed_by]
    for change, (_, _, words) in zip(changes, deviation.fixed_by, strict=True):
        assert words in change.what
    apply(changes, database)
    assert plan(model, database) == []


def test_foreign_index_is_dropped_only_with_drop_extra(database: Documents, model: Model) -> None:
    database.orders.create_index("tax")
    assert plan(model, database) == []
    assert "tax_1" in database.orders.index_information()
    changes = plan(model, database, drop_extra=True)
    assert [(change.kind, dict(change.command)) for change in changes] == [
        ("extra-index", {"dropIndexes": "orders", "index": "tax_1"})
    ]
    apply(changes, database)
    assert "tax_1" not in database.orders.index_information()


def test_provisioning_keeps_documents(database: Documents, model: Model) -> None:
    database.drop_collection("stores")
    database.stores.insert_one({"_id": "dirty"})
    apply(plan(model, database), database)
    assert list(database.stores.find()) == [{"_id": "dirty"}]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"collections"}, {"collection": set()}),
        ({"collections", "validators"}, {"collection": {"validator", "validationLevel", "validationAction"}}),
        ({"collections", "images"}, {"collection": {"changeStreamPreAndPostImages"}}),
        ({"collections", "indexes"}, {"collection": set(), "indexes": {"indexes"}}),
    ],
    ids=lambda value: "+".join(sorted(value)) if isinstance(value, set) else "",
)
def test_selected_parts_of_an_empty_database_are_created(
    parts: set[str], expected: dict[str, set[str]], empty: Documents, model: Model
) -> None:
    changes = [change for change in plan(model, empty, parts=frozenset(parts)) if change.collection == "orders"]
    assert {change.kind: set(list(change.command)[1:]) for change in changes} == expected


@pytest.mark.parametrize("part", sorted(PARTS - {"collections"}))
def test_parts_are_planned_separately(part: str, empty: Documents, model: Model) -> None:
    apply(plan(model, empty, parts=frozenset({"collections"})), empty)
    kind = {"validators": "validator", "images": "images", "indexes": "indexes"}[part]
    changes = plan(model, empty, parts=frozenset({part}))
    assert {change.kind for change in changes} == {kind}
    apply(changes, empty)
    assert kind not in {change.kind for change in plan(model, empty)}


def test_part_without_its_collection_is_rejected(empty: Documents, model: Model) -> None:
    with pytest.raises(TargetError, match="there is no such collection; provision collections first"):
        plan(model, empty, parts=frozenset({"indexes"}))


def test_view_of_the_same_name_is_rejected(empty: Documents, model: Model) -> None:
    empty.command({"create": "orders", "viewOn": "elsewhere", "pipeline": []})
    with pytest.raises(TargetError, match=r"\.orders: found a view; expected a collection"):
        plan(model, empty)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"collation": {"locale": "en", "strength": 2}}, "has the default collation en, strength 2, which cannot"),
        ({"capped": True, "size": 4096}, "is capped, which cannot be changed"),
        (
            {"clusteredIndex": {"key": {"_id": 1}, "unique": True}, "expireAfterSeconds": 60},
            "deletes documents 60 seconds after the time in their _id, which cannot be changed",
        ),
    ],
    ids=["collation", "capped", "expiring"],
)
def test_collection_that_must_be_recreated_is_rejected(
    options: dict[str, Any], message: str, empty: Documents, model: Model
) -> None:
    empty.create_collection("stores", **options)
    with pytest.raises(
        TargetError, match=rf"^{empty.name}\.stores: it {message}.*; create another collection without it"
    ):
        plan(model, empty)


def test_index_dropped_in_vain_is_restored_with_its_collation(empty: Documents, model: Model) -> None:
    """The server does not list the simple collation, but createIndexes needs it."""
    empty.create_collection("things", collation={"locale": "en", "strength": 2})
    specs = [{"name": "n", "key": {"n": 1}, "collation": {"locale": "simple"}}]
    empty.command({"createIndexes": "things", "indexes": specs})
    (listed,) = [index for index in live_indexes(empty, "things") if index.name == "n"]
    assert _creating(model["stores"], [listed])["indexes"] == specs


def test_indexes_name_the_simple_collation(model: Model) -> None:
    created = [spec for change in wish(model) for spec in change.command.get("indexes", ())]
    assert len(created) == 35
    assert [spec["collation"] for spec in created] == [{"locale": "simple"}] * 35


@pytest.mark.parametrize(("version", "good"), [((5, 0, 31), False), ((6, 0, 0), True), ((8, 0, 4), True)])
def test_images_require_server_version_6(version: tuple[int, ...], good: bool) -> None:
    if good:
        require_images(version)
    else:
        with pytest.raises(TargetError, match=r"MongoDB 5\.0\.31, which has no .* upgrade it to 6\.0"):
            require_images(version)


def test_old_server_is_rejected_for_images_only(
    empty: Documents, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(empty.client, "server_info", lambda: {"versionArray": [5, 0, 31, 0]})
    with pytest.raises(TargetError, match=r"5\.0\.31"):
        plan(model, empty)
    assert plan(model, empty, parts=PARTS - {"images"})


def test_duplicates_are_reported_and_the_former_index_is_restored(database: Documents, model: Model) -> None:
    rebuilt("customers", "email_1", "email")(database)
    documents = [{"_id": number, "customer_id": str(number), "email": "a@example.com"} for number in range(2)]
    database.command({"insert": "customers", "documents": documents, "bypassDocumentValidation": True})
    with pytest.raises(TargetError) as caught:
        apply(plan(model, database), database)
    message = str(caught.value)
    assert f"{database.name}.customers: a unique index cannot be built" in message
    assert 'email "a@example.com"' in message
    assert "uniqueness.customers.*" in message
    assert "\n" not in message
    assert "unique" not in database.customers.index_information()["email_1"]
    database.customers.delete_one({"_id": 1})
    apply(plan(model, database), database)
    assert plan(model, database) == []


def test_failure_leaves_no_other_collection_incomplete(empty: Documents, model: Model) -> None:
    empty.customers.insert_many([{"email": "a@example.com"} for _ in range(2)])
    with pytest.raises(TargetError):
        apply(plan(model, empty), empty)
    left = {change.collection for change in plan(model, empty) if change.kind == "indexes"}
    assert "customers" in left
    for name in set(empty.list_collection_names()) - left:
        assert len(empty[name].index_information()) == 1 + len(model[name].indexes)


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MongoClient[dict[str, Any]]]:
    """A server that requires authentication; the client is its administrator."""
    folder = tmp_path_factory.mktemp("guarded")
    with EmbeddedServer(folder, cache_gb=0.25, auth=True) as server, MongoClient(server.uri) as client:
        yield client


def test_validators_are_ascii(model: Model) -> None:
    """A server's rejection quotes the command truncated at any byte: a driver cannot decode half a character."""
    for collection in model:
        assert str(provisioned_validator(collection)).isascii(), collection.name


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        (["readWrite"], "may not set the validator"),
        ([], "may not read collections and indexes"),
    ],
    ids=["may read and write", "may nothing"],
)
def test_missing_privilege_is_reported(
    roles: list[str], words: str, guarded: MongoClient[dict[str, Any]], model: Model
) -> None:
    database = guarded[f"shop_{len(roles)}"]
    apply(plan(model, database), database)
    database.command({"collMod": "orders", "validator": {}})
    database.command({"createUser": "clerk", "pwd": "clerk", "roles": roles})
    host, port = guarded.address or ("", 0)
    with (
        MongoClient(host, port, username="clerk", password="clerk", authSource=database.name) as client,
        pytest.raises(TargetError, match=words) as caught,
    ):
        apply(plan(model, client[database.name]), client[database.name])
    assert f"grant the user the role dbAdmin on {database.name}" in str(caught.value)


def test_unreachable_server_is_one_error(model: Model) -> None:
    with (
        MongoClient("127.0.0.1", 1, serverSelectionTimeoutMS=50) as client,
        pytest.raises(TargetError, match="check the connection") as caught,
    ):
        plan(model, client.nowhere)
    assert "\n" not in str(caught.value)


def test_progress_reports_every_change_in_order(empty: Documents, model: Model) -> None:
    applied: list[Change] = []
    changes = plan(model, empty)
    apply(changes, empty, applied.append)
    for collection in model:
        assert [c for c in applied if c.collection == collection.name] == [
            c for c in changes if c.collection == collection.name
        ]


NODE = shutil.which("node")
#: A stand-in for mongosh: `db` asks this process, line by line, to run each command on the real server.
SHELL = """
const fs = require("fs");
function ask(request) {
  fs.writeSync(1, JSON.stringify(request) + "\\n");
  let line = "";
  const one = Buffer.alloc(65536);
  while (!line.endsWith("\\n")) {
    const read = fs.readSync(0, one);
    if (!read) { process.exit(1); }
    line += one.toString("utf8", 0, read);
  }
  return JSON.parse(line);
}
const EJSON = {parse: JSON.parse};
const db = {getSiblingDB: (name) => ({runCommand: (command) => ask([name, command])})};
"""


def run_script(script: str, client: MongoClient[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """Run a mongosh script with Node.js against the server; return the commands that it ran."""
    path = folder / "provision.js"
    path.write_text(SHELL + script, encoding="utf-8")
    commands = []
    with subprocess.Popen([str(NODE), str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        for line in shell.stdout:
            name, command = json_util.loads(line)
            commands.append(command)
            try:
                answer = client[name].command(command)
            except OperationFailure as error:
                answer = {"ok": 0, "errmsg": str(error)}
            shell.stdin.write(json_util.dumps(answer, json_options=json_util.RELAXED_JSON_OPTIONS) + "\n")
            shell.stdin.flush()
    assert shell.returncode == 0
    return commands


needs_node = pytest.mark.skipif(NODE is None, reason="node is not there to run the script")


@needs_node
def test_script_provisions_an_empty_database_and_is_idempotent(empty: Documents, model: Model, tmp_path: Path) -> None:
    script = as_mongosh(wish(model), empty.name)
    first = run_script(script, empty.client, tmp_path)
    assert sum("create" in command for command in first) == len(model.collections)
    assert plan(model, empty, drop_extra=True) == []
    second = run_script(script, empty.client, tmp_path)
    assert {next(iter(command)) for command in second} == {"listCollections", "count", "collMod", "listIndexes"}
    assert plan(model, empty, drop_extra=True) == []


@needs_node
@pytest.mark.parametrize(
    ("deviation", "whole"),
    [
        *(pytest.param(deviation, True, id=f"{deviation.title}, by the whole") for deviation in DEVIATIONS),
        *(pytest.param(deviation, False, id=deviation.title) for deviation in DEVIATIONS[::4]),
    ],
)
def test_script_fixes_the_same_deviations_as_the_plan(
    deviation: Deviation, whole: bool, database: Documents, model: Model, tmp_path: Path
) -> None:
    deviation.damage(database)
    script = as_mongosh(wish(model) if whole else plan(model, database), database.name)
    for _ in range(2):
        before = {name: set(database[name].index_information()) for name in model.collections}
        commands = run_script(script, database.client, tmp_path)
        assert plan(model, database) == []
    assert not [command for command in commands if "dropIndexes" in command or "createIndexes" in command]
    assert before == {name: set(database[name].index_information()) for name in model.collections}


@needs_node
def test_script_drops_an_extra_index_once(database: Documents, model: Model, tmp_path: Path) -> None:
    database.orders.create_index("tax")
    script = as_mongosh(plan(model, database, drop_extra=True), database.name)
    for _ in range(2):
        run_script(script, database.client, tmp_path)
        assert plan(model, database, drop_extra=True) == []


@needs_node
def test_rejected_command_stops_the_script(empty: Documents, model: Model, tmp_path: Path) -> None:
    empty.customers.insert_many([{"email": "a@example.com"} for _ in range(2)])
    with pytest.raises(AssertionError):
        run_script(as_mongosh(wish(model), empty.name), empty.client, tmp_path)


def test_script_is_deterministic_and_contains_every_command(model: Model) -> None:
    changes = wish(model)
    script = as_mongosh(changes, "shop")
    assert script == as_mongosh(wish(shipped_model()), "shop")
    assert 'db.getSiblingDB("shop")' in script
    for change in changes:
        options = {name: value for name, value in change.command.items() if name not in ("create", "createIndexes")}
        for value in options.get("indexes", [options]):
            assert json.dumps(value) in script

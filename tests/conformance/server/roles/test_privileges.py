"""Privileges of the roles: exactly the actions that each needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure

from conformance.embedded.server import EmbeddedServer
from conformance.model.schemas.loading import load_model
from conformance.server import roles
from conformance.server.provision import apply, plan
from tests.commands import Done, Workplace, copy_of_the_model
from tests.conformance.server.roles.users import NAMES, PASSWORDS, ROLES, login, provision
from tests.models import shipped_model

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]


Mongo = MongoClient[dict[str, Any]]
Documents = Database[dict[str, Any]]
MODEL = shipped_model()


SYNCED = [collection.name for collection in MODEL if collection.synced]
APART = [collection.name for collection in MODEL if not collection.synced]


# Privileges


@pytest.fixture(scope="module")
def filled(guarded: EmbeddedServer, owner: Mongo) -> Iterator[Mapping[str, Documents]]:
    """The provisioned database with its users: one client per role."""
    shop = owner["till"]
    apply(plan(MODEL, shop), shop)
    for collection in MODEL:
        shop[collection.name].insert_one({"_id": 1}, bypass_document_validation=True)
        shop.command("collMod", collection.name, validator={})
    owner["other"]["orders"].insert_one({"_id": 1})
    shop["notes"].insert_one({"_id": 1})
    roles.apply(roles.plan(MODEL, ROLES, shop), shop, lambda variable, _: PASSWORDS[variable])
    clients = {name: MongoClient[dict[str, Any]](login(guarded, name, "till")) for name in ROLES}
    yield {name: client["till"] for name, client in clients.items()}
    for client in clients.values():
        client.close()
    shop.command("dropAllUsersFromDatabase")
    shop.command("dropAllRolesFromDatabase")
    owner.drop_database("till")
    owner.drop_database("other")


ACTIONS: Mapping[str, Callable[[Documents, str], Any]] = {
    "find": lambda d, name: list(d[name].find()),
    "insert": lambda d, name: d[name].insert_one({}),
    "update": lambda d, name: d[name].update_one({"_id": 1}, {"$set": {"seen": True}}),
    "remove": lambda d, name: d[name].delete_one({"_id": 0}),
    "watch": lambda d, name: d[name].watch().close(),
    "listIndexes": lambda d, name: list(d[name].list_indexes()),
    "createIndex": lambda d, name: d[name].create_index("surplus"),
    "dropIndex": lambda d, name: d[name].drop_index("surplus_1"),
    "collMod": lambda d, name: d.command("collMod", name, validationLevel="off"),
    "drop": lambda d, name: d.command("drop", name),
    "rename": lambda d, name: d[name].rename(f"{name}_2"),
}
READS = {"find"}
WRITES = {"insert", "update"}
#: Role to what it may do, on synced collections and on the one that never leaves MongoDB.
MAY: Mapping[str, tuple[set[str], set[str]]] = {
    "zava_application": (READS | WRITES, READS | WRITES),
    "zava_read_only": (READS | {"listIndexes"}, READS | {"listIndexes"}),
    "zava_connector": (READS | WRITES | {"remove", "watch"}, set()),
}


def allowed(act: Callable[[], Any]) -> bool:
    """Return whether the server authorizes the user; other errors come after the authorization."""
    try:
        act()
    except OperationFailure as error:
        return error.code != 13
    return True


def test_documented_roles_exist() -> None:
    assert list(MAY) == NAMES


@pytest.mark.parametrize("role", MAY)
@pytest.mark.parametrize("action", ACTIONS)
def test_role_allows_exactly_the_actions_it_needs(filled: Mapping[str, Documents], role: str, action: str) -> None:
    act, database = ACTIONS[action], filled[role]
    for names, may in ((SYNCED, MAY[role][0]), (APART, MAY[role][1])):
        for name in names:
            assert allowed(lambda name=name: act(database, name)) is (action in may), name  # type: ignore[misc]
    for foreign in (database["notes"], database.client["other"]["orders"]):
        assert not allowed(lambda foreign=foreign: act(foreign.database, foreign.name))  # type: ignore[misc]


ADMINISTRATION: Mapping[str, Callable[[Documents], Any]] = {
    "a new collection": lambda d: d.create_collection("surplus"),
    "the database gone": lambda d: d.client.drop_database("till"),
    "a new user": lambda d: d.command("createUser", "x", pwd="x", roles=[]),
    "a role for oneself": lambda d: d.command("grantRolesToUser", "zava_app", roles=["dbOwner"]),
    "a change stream on all": lambda d: d.watch().close(),
    "a view": lambda d: d.command("create", "view", viewOn="orders", pipeline=[]),
    "another validator": lambda d: d["orders"].insert_one({}, bypass_document_validation=True),
    "the whole server": lambda d: d.client.admin.command("getParameter", "*"),
}


@pytest.mark.parametrize("role", MAY)
@pytest.mark.parametrize("deed", ADMINISTRATION)
def test_role_allows_no_administration(filled: Mapping[str, Documents], role: str, deed: str) -> None:
    assert not allowed(lambda: ADMINISTRATION[deed](filled[role]))


def test_connector_writes_its_own_collections(filled: Mapping[str, Documents]) -> None:
    for name in ("__ditto_unsynced_documents", "__ditto_connector_sessions"):
        filled["zava_connector"][name].insert_one({"_id": 1})
        filled["zava_connector"][name].create_index("at")
        assert filled["zava_connector"][name].find_one() == {"_id": 1}
        filled["zava_connector"][name].delete_one({"_id": 1})
        assert not allowed(lambda name=name: filled["zava_application"][name].find_one())  # type: ignore[misc]


def test_connector_may_watch_the_whole_database_if_configured(
    guarded: EmbeddedServer, owner: Mongo, filled: Mapping[str, Documents], tmp_path: Path
) -> None:
    """The comment in config/users.yaml shows the line; the connector may then read everything."""
    wider = copy_of_the_model(tmp_path)
    path = wider / "config" / "users.yaml"
    line = "    - {where: database, actions: [find, changeStream]}\n"
    text = path.read_text(encoding="utf-8")
    assert f"# {line}" in text
    path.write_text(text + line, encoding="utf-8")
    model = load_model(wider)
    wanted = roles.load_roles(model)
    roles.apply(roles.plan(model, wanted, owner["till"]), owner["till"], lambda *_: "")
    connector = filled["zava_connector"]
    try:
        with connector.watch(max_await_time_ms=100) as stream:
            assert stream.try_next() is None
        assert connector[APART[0]].find_one() is not None
        assert not allowed(lambda: connector[APART[0]].insert_one({}))
    finally:
        roles.apply(roles.plan(MODEL, ROLES, owner["till"]), owner["till"], lambda *_: "")


# Together with the other commands


@pytest.mark.soak
def test_read_only_user_validates_and_exports_and_changes_nothing(
    workplace: Workplace, generated: Done, guarded: EmbeddedServer, owner: Mongo, shop: Documents, tmp_path: Path
) -> None:
    env = {"MONGODB_DATABASE": "shop"}
    assert workplace.zava("generate", "--uri", guarded.uri, env=env).code == 0
    assert provision(workplace, guarded).code == 0
    reader = login(guarded, "zava_read_only")
    counts = {name: shop[name].count_documents({}) for name in MODEL.collections}
    validated = workplace.zava("validate", "--uri", reader, "--format", "json", env=env)
    rules = json.loads(validated.out)["rules"]
    assert (validated.code, [rule["id"] for rule in rules if rule["status"] in ("failed", "error")]) == (0, [])
    assert workplace.zava("export", str(tmp_path / "out"), "--as", "bson", "--uri", reader, env=env).code == 0
    app = login(guarded, "zava_application")
    options = ["--sku", "N-1", "--name", "N", "--type", "type_saws", "--cost", "9", "--description", "N"]
    assert workplace.zava("add-product", *options, "--uri", app, env=env).code == 0
    shop["products"].delete_one({"sku": "N-1"})
    for name in ("inventory", "product_embeddings"):
        shop[name].delete_many({"product_id": "prod_n-1"})
    for command in (["clear"], ["drop-indexes"], ["import", str(tmp_path / "out"), "--drop"], ["generate", "--drop"]):
        done = workplace.zava(*command, "--yes", "--uri", reader, env=env)
        assert done.code == 3
        assert "the user may not" in done.err.splitlines()[-1]
    refused = workplace.zava("add-product", *options, "--uri", reader, env=env)
    assert (refused.code, "the user may not" in refused.line) == (3, True)
    assert counts == {name: shop[name].count_documents({}) for name in MODEL.collections}
    assert plan(MODEL, shop) == []

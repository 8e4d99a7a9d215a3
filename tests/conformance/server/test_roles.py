"""zava provision --users: each user may do what they need, and nothing else, on a server with authentication."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from bson import json_util
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from conformance.embedded.server import EmbeddedServer
from conformance.errors import ConfigurationError
from conformance.model.schemas.loading import load_model
from conformance.server import roles
from conformance.server.provision import apply, plan
from tests.commands import Done, Workplace, copy_of_the_model
from tests.conformance.embedded.processes import ROOT
from tests.models import write_model
from tests.validation import shipped_model

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]

Mongo = MongoClient[dict[str, Any]]
Documents = Database[dict[str, Any]]
MODEL = shipped_model()
ROLES = roles.load_roles(MODEL)
SYNCED = [collection.name for collection in MODEL if collection.synced]
APART = [collection.name for collection in MODEL if not collection.synced]
#: A password with every character that has a meaning in a connection string.
PASSWORDS = {role.password: f"p@ss/{number}:?#%" for number, role in enumerate(ROLES.values())}
NAMES = list(ROLES)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server that asks for a password."""
    with EmbeddedServer(tmp_path_factory.mktemp("guarded"), cache_gb=0.25, auth=True, linger=0.2) as server:
        yield server


@pytest.fixture(scope="module")
def owner(guarded: EmbeddedServer) -> Iterator[Mongo]:
    with MongoClient[dict[str, Any]](guarded.uri) as client:
        yield client


@pytest.fixture
def shop(owner: Mongo) -> Iterator[Documents]:
    """An empty database; its users are removed with it."""
    database = owner["shop"]
    yield database
    database.command("dropAllUsersFromDatabase")
    database.command("dropAllRolesFromDatabase")
    owner.drop_database("shop")


def provision(workplace: Workplace, guarded: EmbeddedServer, *flags: str, **env: str) -> Done:
    """Run the command on the database shop."""
    known = {**PASSWORDS, "MONGODB_DATABASE": "shop", **env}
    return workplace.zava(
        "provision", "--users", *flags, "--uri", guarded.uri, env={k: v for k, v in known.items() if v is not None}
    )


def login(guarded: EmbeddedServer, role: str, database: str = "shop") -> str:
    """Return the connection string of the user of a role."""
    user, password = ROLES[role].user, quote(PASSWORDS[ROLES[role].password], safe="")
    return re.sub(r"//.*@", f"//{user}:{password}@", guarded.uri) + f"&authSource={database}"


# Making them


def test_users_are_created_once_and_checked(workplace: Workplace, guarded: EmbeddedServer, shop: Documents) -> None:
    checked = provision(workplace, guarded, "--check", "--json")
    assert checked.code == 1
    assert [change["subject"] for change in json.loads(checked.out)] == [*NAMES, *(r.user for r in ROLES.values())]
    assert shop.command("usersInfo")["users"] == []
    made = provision(workplace, guarded)
    assert (made.code, len(made.out.splitlines())) == (0, 6), made.err
    assert not any(password in made.out + made.err for password in PASSWORDS.values())
    again = provision(workplace, guarded, **dict.fromkeys(PASSWORDS, ""))  # no password is asked for again
    assert (again.code, again.out) == (0, "")
    assert "nothing to change" in again.line
    assert provision(workplace, guarded, "--check").code == 0


DEVIATIONS: Mapping[str, tuple[Callable[[Documents], Any], list[str]]] = {
    "an action too many": (
        lambda d: d.command(
            "grantPrivilegesToRole",
            NAMES[0],
            privileges=[{"resource": {"db": "shop", "collection": "orders"}, "actions": ["remove", "collMod"]}],
        ),
        [f"change the role {NAMES[0]}: no longer allow collMod, remove on shop.orders"],
    ),
    "an action too few": (
        lambda d: d.command(
            "revokePrivilegesFromRole",
            NAMES[1],
            privileges=[{"resource": {"db": "shop", "collection": "orders"}, "actions": ["find"]}],
        ),
        [f"change the role {NAMES[1]}: allow find on shop.orders"],
    ),
    "another role inherited": (
        lambda d: d.command("grantRolesToRole", NAMES[2], roles=["dbAdmin"]),
        [f"change the role {NAMES[2]}: no longer inherit dbAdmin"],
    ),
    "a role gone": (
        lambda d: d.command("dropRole", NAMES[0]),
        [f"create the role {NAMES[0]}", f"give the user zava_app the role {NAMES[0]} only (now: none)"],
    ),
    "a role too many": (
        lambda d: d.command("grantRolesToUser", "zava_app", roles=["readWrite"]),
        [f"give the user zava_app the role {NAMES[0]} only"],
    ),
    "a user gone": (
        lambda d: d.command("dropUser", "zava_connector"),
        [f"create the user zava_connector with the role {NAMES[2]}"],
    ),
}


@pytest.mark.parametrize("deviation", DEVIATIONS)
def test_changed_role_or_user_is_restored(guarded: EmbeddedServer, shop: Documents, deviation: str) -> None:
    damage, words = DEVIATIONS[deviation]
    roles.apply(roles.plan(MODEL, ROLES, shop), shop, lambda variable, _: PASSWORDS[variable])
    damage(shop)
    changes = roles.plan(MODEL, ROLES, shop)
    assert len(changes) == len(words)
    assert all(change.what.startswith(word) for change, word in zip(changes, words, strict=True)), changes
    roles.apply(changes, shop, lambda variable, _: PASSWORDS[variable])
    assert roles.plan(MODEL, ROLES, shop) == []
    with MongoClient[dict[str, Any]](login(guarded, NAMES[0])) as client:
        client["shop"]["orders"].find_one()


@pytest.mark.parametrize(("value", "message"), [(None, "not set"), ("", "is empty"), ("  ", "is empty")])
def test_missing_password_creates_nothing(
    workplace: Workplace, guarded: EmbeddedServer, shop: Documents, value: str, message: str
) -> None:
    variable = ROLES[NAMES[2]].password
    done = provision(workplace, guarded, **{variable: value})
    assert done.code == 2
    assert done.line.startswith(f"zava: {variable}: {message}")
    assert shop.command("rolesInfo", showPrivileges=True)["roles"] == []


def test_missing_privilege_to_create_users_is_reported(
    workplace: Workplace, guarded: EmbeddedServer, shop: Documents
) -> None:
    shop.command("createUser", "plain", pwd="plain", roles=["dbAdmin", "readWrite"])
    uri = re.sub(r"//.*@", "//plain:plain@", guarded.uri) + "&authSource=shop"
    for flags in ([], ["--check"]):
        command = ("provision", "--users", *flags, "--uri", uri)
        done = workplace.zava(*command, env={"MONGODB_DATABASE": "shop", **PASSWORDS})
        assert done.code == 3
        assert "the role userAdmin on shop" in done.line
        assert not any(password in done.line for password in PASSWORDS.values())


def test_server_without_authentication_is_reported(workplace: Workplace, mongo: Mongo, name: str, uri: str) -> None:
    done = workplace.zava("provision", "--users", "--uri", uri, env={"MONGODB_DATABASE": name, **PASSWORDS})
    assert done.code == 0
    assert "roles have no effect" in done.err
    mongo[name].command("dropAllUsersFromDatabase")
    mongo[name].command("dropAllRolesFromDatabase")


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


# Provisioning as a script


NODE = shutil.which("node")
#: A stand-in for mongosh: it sends each command, line by line, to this process, which runs it on the real server.
RUNNER = """
const fs = require("fs");
const one = Buffer.alloc(1);
const ask = (value) => {
  fs.writeSync(1, JSON.stringify(value) + "\\n");
  let line = "";
  while (fs.readSync(0, one, 0, 1) === 1 && one[0] !== 10) line += String.fromCharCode(one[0]);
  return JSON.parse(line);
};
const db = {getSiblingDB: (name) => ({runCommand: (command) => ask([name, command])})};
const passwordPrompt = () => "asked for";
"""


@pytest.mark.skipif(NODE is None, reason="node is not there to run the script")
def test_script_creates_the_same_users_and_is_idempotent(
    workplace: Workplace, guarded: EmbeddedServer, shop: Documents, tmp_path: Path
) -> None:
    nowhere = {"MONGODB_CONNECTION_STRING": "mongodb://127.0.0.1:1/", "MONGODB_DATABASE": "shop", **PASSWORDS}
    printed = workplace.zava("provision", "--users", "--print-js", env=nowhere)
    assert (printed.code, printed.err) == (0, "")
    assert not any(password in printed.out for password in PASSWORDS.values())
    (tmp_path / "script.js").write_text(RUNNER + printed.out, encoding="utf-8")
    shop.command("createRole", NAMES[0], privileges=[], roles=["dbOwner"])
    for turn in range(2):
        given = {variable: PASSWORDS[variable] for variable in list(PASSWORDS)[:2]}  # the third is asked for
        with subprocess.Popen(
            [str(NODE), str(tmp_path / "script.js")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=given,
        ) as script:  # fmt: skip
            assert script.stdin
            assert script.stdout
            for line in script.stdout:
                database, command = json_util.loads(line)
                assert database == "shop"
                script.stdin.write(json_util.dumps(shop.command(command)) + "\n")
        assert script.returncode == 0
        assert roles.plan(MODEL, ROLES, shop) == [], turn
    with MongoClient[dict[str, Any]](login(guarded, NAMES[0])) as client:
        assert client["shop"].list_collection_names() == []
    wrong = MongoClient[dict[str, Any]](login(guarded, NAMES[2]))
    with pytest.raises(PyMongoError), wrong:
        wrong["shop"].list_collection_names()


# The file


WRONG: Mapping[str, tuple[str, str, str]] = {
    "an unknown key": ("  user: zava_app\n", "  user: zava_app\n  surplus: 1\n", "surplus"),
    "no actions": ("actions: [find, insert, update]}", "actions: []}", "actions"),
    "a place there is not": ("where: synced", "where: devices", "where"),
    "a user twice": ("user: zava_connector", "user: zava_app", "zava_app has two roles"),
    "a variable in small letters": ("password: ZAVA_APP_PASSWORD", "password: secret", "password"),
}


@pytest.mark.parametrize("fault", WRONG)
def test_malformed_file_is_rejected_with_its_position(tmp_path: Path, fault: str) -> None:
    old, new, message = WRONG[fault]
    path = copy_of_the_model(tmp_path) / "config" / "users.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message) as refused:
        roles.load_roles(load_model(tmp_path))
    assert "users.yaml" in str(refused.value)


def test_model_without_users_is_reported(tmp_path: Path) -> None:
    schemas = {"things": json.loads((ROOT / "schemas" / "stores.json").read_text(encoding="utf-8"))}
    with pytest.raises(ConfigurationError, match="the file does not exist"):
        roles.load_roles(load_model(write_model(tmp_path, schemas)))


def test_users_and_drop_extra_are_mutually_exclusive(workplace: Workplace) -> None:
    done = workplace.zava("provision", "--users", "--drop-extra")
    assert (done.code, "give one of them" in done.line) == (2, True)

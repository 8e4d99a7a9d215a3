"""Users and roles: created once, restored after a change, by commands and by a script."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from bson import json_util
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import PyMongoError

from conformance.embedded.server import EmbeddedServer
from conformance.errors import ConfigurationError
from conformance.model.schemas.loading import load_model
from conformance.server import roles
from tests.commands import Workplace, copy_of_the_model
from tests.conformance.embedded.processes import ROOT
from tests.conformance.server.roles.users import NAMES, PASSWORDS, ROLES, login, provision
from tests.models import shipped_model, write_model

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]


Mongo = MongoClient[dict[str, Any]]
Documents = Database[dict[str, Any]]
MODEL = shipped_model()


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

"""zava doctor: each step has its result, and a failed one does not hide the others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from conformance.ditto.connector import CONNECTOR_FILE
from conformance.doctor import doctor
from tests.commands import Workplace, copy_of_the_model, state
from tests.conformance.doctor.steps import OF_THE_SERVER, STEPS, WELL, create_collection, examine, quick, steps

pytestmark = pytest.mark.server

pytest_plugins = ["tests.commands"]

__all__ = ["quick"]


Mongo = MongoClient[dict[str, Any]]
NOWHERE = "mongodb://127.0.0.1:1/"


WELL_EMBEDDED = [*WELL[:3], "skipped", *WELL[4:]]


def test_every_step_passes_on_the_embedded_server(workplace: Workplace, mongo: Mongo) -> None:
    before = state(mongo)
    done = examine(workplace, "--embedded")
    found = steps(done)
    assert list(found) == STEPS
    assert {name: status for name, (status, _) in found.items() if status != "ok"} == {
        "azure openai": "skipped",
        "connector": "skipped",
        "retention": "skipped",
        "unsynced": "skipped",
    }
    assert (done.code, done.err) == (0, "")
    assert found["change stream"][1] == "an insert, an update and a delete arrived with both images"
    assert state(mongo) == before


def test_every_step_prints_one_line(workplace: Workplace) -> None:
    done = workplace.zava("doctor", "--embedded")
    lines = [re.split(r"\s{2,}", line, maxsplit=2) for line in done.out.splitlines()]
    assert [line[1] for line in lines] == STEPS
    assert {line[0] for line in lines} == {"ok", "skipped"}


def test_named_server_is_written_to_only_if_allowed(workplace: Workplace, mongo: Mongo, uri: str, name: str) -> None:
    create_collection(uri, name)
    env = {"MONGODB_DATABASE": name}
    before = state(mongo)
    done = examine(workplace, "--uri", uri, env=env)
    assert (done.code, steps(done)["change stream"][0]) == (0, "skipped")
    assert "--allow-writes" in steps(done)["change stream"][1]
    assert steps(done)["connection"][1].endswith("answers (named by --uri)")
    assert steps(done)["disk"] == ("skipped", "the data is on a named server")
    allowed = examine(workplace, "--uri", uri, "--allow-writes", env=env)
    assert (allowed.code, steps(allowed)["change stream"][0]) == (0, "ok")
    assert state(mongo) == before


#: Environment, exit code, and the expected text of each failed step; all other steps are as usual.
WRONG: Mapping[str, tuple[Mapping[str, str], int, Mapping[str, str]]] = {
    "a placeholder": (
        {"MONGODB_CONNECTION_STRING": "mongodb+srv://username:password@cluster.mongodb.net/"},
        2,
        {"settings": "is the placeholder of .env.sample; write your own value, or remove the line"},
    ),
    "a number": ({"NUM_ORDERS": "many"}, 2, {"settings": "NUM_ORDERS: found 'many'"}),
    "one of a pair": (
        {"DITTO_APP_ID": "6f0c1a52"},
        2,
        {"connector": "${DITTO_API_KEY} is not set; set DITTO_API_KEY in the environment or in .env"},
    ),
    "the other pair": (
        {"AZURE_OPENAI_API_KEY": "-".join(["not", "a", "key"])},
        2,
        {"azure openai": "AZURE_OPENAI_ENDPOINT is not set"},
    ),
    "nobody there": ({"MONGODB_CONNECTION_STRING": NOWHERE}, 3, {"connection": "check host and port"}),
    "no address": ({"MONGODB_CONNECTION_STRING": "localhost"}, 2, {"connection": "not a usable connection string"}),
}


@pytest.mark.parametrize("fault", WRONG)
def test_failed_step_is_reported_and_other_steps_run(workplace: Workplace, fault: str) -> None:
    env, code, messages = WRONG[fault]
    flags = () if "MONGODB_CONNECTION_STRING" in env else ("--embedded",)
    done = examine(workplace, *flags, env=env)
    found = steps(done)
    assert done.code == code
    assert {name for name, (status, _) in found.items() if status == "failed"} == set(messages)
    assert all(text in found[name][1] for name, text in messages.items())
    for name in ("mongod", "node", "ditto", "model"):
        assert found[name][0] == "ok"
    without_server = "settings" in messages or "connection" in messages
    assert [found[name][0] for name in OF_THE_SERVER] == (["skipped"] * len(WELL) if without_server else WELL_EMBEDDED)


def test_every_invalid_setting_is_reported_without_secrets(workplace: Workplace) -> None:
    env = {"NUM_ORDERS": "many", "START_DATE": "yesterday", "DITTO_API_KEY": "your_ditto_api_key"}
    done = workplace.zava("doctor", env=env)
    failed = [line.split()[2] for line in done.out.splitlines() if line.startswith("failed")]
    assert failed == ["DITTO_API_KEY:", "NUM_ORDERS:", "START_DATE:"]
    assert "your_ditto_api_key" not in done.out + done.err


def test_invalid_or_missing_model_does_not_hide_other_steps(workplace: Workplace, tmp_path: Path) -> None:
    broken = copy_of_the_model(tmp_path / "model")
    (broken / "schemas" / "orders.json").write_text("{", encoding="utf-8")
    cases = ((broken, "orders.json:1: not valid JSON", "ok"), (tmp_path, "no model at or above", "failed"))
    for folder, message, connection in cases:
        done = workplace.zava("doctor", "--json", folder=folder)
        found = steps(done)
        assert done.code == 2
        assert (found["model"][0], message in found["model"][1]) == ("failed", True)
        assert [found[name][0] for name in ("settings", "connection", "mongod", "node")] == [
            "ok",
            connection,
            "ok",
            "ok",
        ]


#: Unknown variables with their values, the status, and the expected message.
VARIABLES: Mapping[str, tuple[Mapping[str, str], str, str]] = {
    "none": ({}, "skipped", "DITTO_APP_ID and SHOP_KEY are not set; only the managed connector would need them"),
    "some": ({"SHOP_KEY": "k"}, "failed", "{file}:{DITTO_APP_ID}: ${DITTO_APP_ID} is not set; set"),
    "not mongodb's": (
        {"SHOP_KEY": "k", "DITTO_APP_ID": "6f0c1a52"},
        "failed",
        "{file}:{MONGODB_CONNECTION_STRING}: ${MONGODB_CONNECTION_STRING} is not set; set",
    ),
    "all": (
        {"SHOP_KEY": "k", "DITTO_APP_ID": "6f0c1a52", "MONGODB_CONNECTION_STRING": NOWHERE},
        "ok",
        "every variable that ditto_connector_config.yaml names is set",
    ),
}


@pytest.mark.parametrize("case", VARIABLES)
def test_variables_of_the_connector_file_are_checked(
    workplace: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    file = copy_of_the_model(tmp_path / "model") / "config" / CONNECTOR_FILE
    file.write_text(file.read_text(encoding="utf-8").replace("${DITTO_API_KEY}", "${SHOP_KEY}"), encoding="utf-8")
    env, status, message = VARIABLES[case]
    monkeypatch.setattr(doctor, "server_steps", lambda *_: iter(()))
    done = workplace.zava("doctor", "--json", env=env, folder=tmp_path / "model")
    found = steps(done)["connector"]
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        for name in re.findall(r"\$\{(\w+)\}", line):
            message = message.replace(f"{{file}}:{{{name}}}:", f"{file}:{number}:")
    assert (found[0], found[1].startswith(message)) == (status, True), found
    file.unlink()
    done = workplace.zava("doctor", "--json", env=env, folder=tmp_path / "model")
    assert steps(done)["connector"] == ("skipped", f"the model has no config/{CONNECTOR_FILE}")


def test_first_failure_sets_the_exit_code(workplace: Workplace) -> None:
    env = {"DITTO_APP_ID": "6f0c1a52", "MONGODB_CONNECTION_STRING": NOWHERE}
    done = examine(workplace, env=env)
    assert [name for name, (status, _) in steps(done).items() if status == "failed"] == ["connector", "connection"]
    assert done.code == 2

"""The mongosh script that provisions a database without this program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from conformance.model.collection import Model
from conformance.server.provision import plan, wish
from conformance.server.provision_script import as_mongosh
from tests.conformance.server.provisioning.deviations import DEVIATIONS, Deviation, Documents
from tests.conformance.server.provisioning.script import needs_node, run_script
from tests.models import shipped_model

pytestmark = pytest.mark.server


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

"""Versions and settings of the server: unsupported, unreadable, and of a standalone server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from conformance.embedded.server import EmbeddedServer
from conformance.model.collection import Model
from tests.conformance.rules.server.deployment.rules import Documents, all_rules, context_of, provision, run_all, skips
from tests.validation import failed

pytestmark = pytest.mark.server


@pytest.mark.parametrize(
    ("version", "embedded", "fails"),
    [
        ((6, 0, 0), False, {"connector_version"}),
        ((7, 0, 12), False, {"connector_version"}),
        ((7, 0, 13), False, set()),
        ((7, 0, 30), False, set()),
        ((7, 1, 0), False, {"connector_version"}),
        ((7, 3, 4), False, {"connector_version"}),
        ((8, 0, 0), False, set()),
        ((8, 2, 1), False, set()),
        ((5, 0, 31), False, {"server_version", "connector_version"}),
        ((5, 0, 31), True, {"server_version"}),
        ((6, 0, 0), True, set()),
    ],
)
def test_unsupported_server_version_is_reported(
    version: tuple[int, ...], embedded: bool, fails: set[str], database: Documents, scratch: Documents, model: Model
) -> None:
    context = context_of(model, database, scratch, embedded=embedded)
    context.__dict__["server_version"] = version  # the place of the cached property's value
    outcomes = run_all(context)
    assert failed(outcomes) == {f"streams._database.{subject}" for subject in fails}
    for name in fails:
        why = outcomes[f"streams._database.{name}"].samples[0].why
        assert why.startswith(f"the server is MongoDB {'.'.join(map(str, version))}; expected ")
    old = version < (6, 0, 0)
    assert ("streams.orders.images" in skips(outcomes)) == old
    assert ("streams.orders.round_trip" in skips(outcomes)) == old
    assert ("streams._database.connector_version" in skips(outcomes)) == embedded


def test_rules_on_connector_recommendations_are_warnings(model: Model) -> None:
    severities = {rule.id: rule.severity for rule in all_rules(model)}
    assert {name for name, severity in severities.items() if severity == "warning"} == {
        "streams._database.connector_version",
        "streams._database.image_retention",
        "streams._database.oplog_window",
        *(f"validators.{collection.name}.devices" for collection in model if collection.synced),
    }


def test_unreadable_settings_are_skipped_and_a_young_oplog_is_accepted(tmp_path: Path, model: Model) -> None:
    with EmbeddedServer(tmp_path, cache_gb=0.25, auth=True, linger=0.2) as server, MongoClient(server.uri) as client:
        client["shop"]["stores"].insert_one({"_id": 1})
        client["shop"].command("createUser", "reader", pwd="x", roles=["read"])
        uri = server.uri.replace(server.uri.split("//")[1].split("@")[0], "reader:x").replace("/?", "/shop?")
        with MongoClient[dict[str, Any]](uri, authSource="shop") as reader:
            refused = skips(run_all(context_of(model, reader["shop"], embedded=False)))
        young = run_all(context_of(model, client["shop"], embedded=False))
    assert refused["streams._database.image_retention"] == (
        "the user may not read the cluster parameter changeStreamOptions; grant getClusterParameter"
    )
    assert refused["streams._database.oplog_window"] == (
        "the user may not read local.oplog.rs; grant find and collStats on it (role clusterMonitor)"
    )
    assert young["streams._database.image_retention"].evidence == {"expire_after_seconds": "off"}
    assert young["streams._database.oplog_window"].skipped == (
        "the oplog has filled 0 of 512 MB, so its final time span is not known yet"
    )


def test_standalone_server_skips_change_stream_rules(tmp_path: Path, model: Model) -> None:
    with (
        EmbeddedServer(tmp_path, cache_gb=0.25, replica_set=False) as server,
        MongoClient(server.uri) as alone,
    ):
        provision(alone.shop, model)
        outcomes = run_all(context_of(model, alone.shop, alone.scratch))
    assert failed(outcomes) == {"streams._database.replica_set"}
    assert (
        outcomes["streams._database.replica_set"].samples[0].why
        == "the server is a standalone; expected a replica set or a sharded cluster"
    )
    assert skips(outcomes)["streams.orders.round_trip"] == (
        "the server has no change streams; see streams._database.replica_set"
    )

"""Databases that cannot be provisioned as planned, and servers that refuse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pymongo import MongoClient

from conformance.embedded.server import EmbeddedServer
from conformance.errors import TargetError
from conformance.model.collection import Model
from conformance.server.metadata import live_indexes
from conformance.server.provision import PARTS, _creating, apply, plan, require_images
from tests.conformance.server.provisioning.deviations import Documents, rebuilt

pytestmark = pytest.mark.server


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

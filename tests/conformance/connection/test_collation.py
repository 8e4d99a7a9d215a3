"""The simple collation: no command of the harness compares values by a collection's own collation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from pymongo import MongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from conformance.connection import client
from conformance.connection.collation import SimpleClient, SimpleCollection, simple
from conformance.ditto.permissions import load_permissions
from conformance.model.collection import Model
from mcp_servers.scoped_reader import Limits, Reader, Shop
from tests.commands import Workplace
from tests.mcp_servers.shop import SUPER_MANAGER

pytest_plugins = ["tests.commands", "tests.mcp_servers.shop"]

Document = dict[str, Any]
Mongo = MongoClient[Document]
#: The default collation of a collection that ignores capitals and accents.
BLIND: Final = {"locale": "en", "strength": 1}
#: Stages that read no document: what they find does not depend on a collation.
WITHOUT_DOCUMENTS: Final = {"$changeStream", "$collStats", "$indexStats", "$listSearchIndexes"}
#: Collations that commands may name: the simple one, or the one that finds texts that look alike.
NAMED: Final = {"aggregate": ({"locale": "simple"}, {"locale": "en", "strength": 3, "normalization": True})}


class CommandLog(CommandListener):
    """Record each command that compares values, and separately those without a collation."""

    def __init__(self) -> None:
        self.verbs: set[str] = set()
        self.without: list[Mapping[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        command = event.command.get("explain", event.command)
        verb = next(iter(command))
        operations = {
            "update": command.get("updates"),
            "delete": command.get("deletes"),
            "createIndexes": command.get("indexes"),
        }.get(verb, [command])
        if verb not in (
            "find",
            "aggregate",
            "count",
            "distinct",
            "findAndModify",
            *("update", "delete", "createIndexes"),
        ):
            return
        if verb == "count" and "query" not in command:  # all of them, which compares nothing
            return
        if WITHOUT_DOCUMENTS & (command.get("pipeline") or [{}])[0].keys():
            return
        self.verbs.add(verb)
        self.without += [
            {verb: command[verb], **operation}
            for operation in operations or []
            if operation.get("collation") not in NAMED.get(verb, ({"locale": "simple"},))
        ]

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Not needed: the sent command is enough."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Not needed."""


@pytest.fixture
def command_log(monkeypatch: pytest.MonkeyPatch) -> CommandLog:
    """Record what every client of the harness sends from now on."""
    listener = CommandLog()
    monkeypatch.setattr(client, "SimpleClient", partial(SimpleClient, event_listeners=[listener]))
    return listener


@pytest.mark.ditto
def test_every_command_of_the_program_names_the_simple_collation(
    workplace: Workplace, uri: str, name: str, command_log: CommandLog, mongo: Mongo, tmp_path: Path
) -> None:
    """The commands run on data with faults, so that follow-up queries are sent too."""

    def run(*arguments: str) -> None:
        workplace.zava(*arguments, "--uri", uri, env={"MONGODB_DATABASE": name, "NUM_ORDERS": "120"})

    run("generate")
    run("provision")
    run("embed")
    run("validate", "--allow-writes", "--format", "json")
    broken = mongo[name]
    for collection in ("customers", "products", "orders", "order_items"):
        for field in ("email", "sku", "customer_id", "order_id", "store_id", "product_name", "total", "unit_price"):
            broken[collection].update_many(
                {field: {"$type": "string"}},
                [{"$set": {field: {"$toUpper": f"${field}"}}}],
                bypass_document_validation=True,
            )
    run("validate")
    run("validate", "--partition", "1/2")
    run("doctor", "--allow-writes")
    run("sync", "--store", str(tmp_path / "store"), "--once")
    run("export", str(tmp_path / "archive"), "--as", "bson")
    mongo.drop_database(name)
    run("import", str(tmp_path / "archive"), "--no-validate")
    run("import", str(tmp_path / "archive"), "--no-validate")
    run("clear", "--yes")
    assert command_log.without == []
    assert {"find", "aggregate", "createIndexes", "distinct", "update"} <= command_log.verbs


def test_every_command_of_the_mcp_servers_names_the_simple_collation(model: Model, shop: Mongo, shop_uri: str) -> None:
    command_log = CommandLog()
    with SimpleClient(shop_uri, event_listeners=[command_log]) as client:
        place = Shop(model, load_permissions(model), client[shop.name], Limits())
        reader = Reader(place, place.user(SUPER_MANAGER))
        reader.foreign_rows("products", [{"$match": {"deleted": False}}], 7)
    assert command_log.without == []
    assert command_log.verbs == {"aggregate", "find"}


@pytest.mark.parametrize(
    "query",
    [
        lambda shops: [one["_id"] for one in shops.find({"name": "a"})],
        lambda shops: [one["_id"] for one in shops.with_options().find({"name": "a"})],
        lambda shops: [one["_id"] for one in shops.aggregate([{"$match": {"name": "a"}}])],
        lambda shops: [shops.find_one({"name": "a"})["_id"]] * shops.count_documents({"name": "a"}),
        lambda shops: [1] * (shops.distinct("name") == ["A", "a"]),
        lambda shops: [1] * shops.update_many({"name": "a"}, {"$set": {"n": 1}}).modified_count,
        lambda shops: [1] * shops.delete_many({"name": "a"}).deleted_count,
    ],
)
def test_case_insensitive_collection_is_read_exactly(query: Any, mongo: Mongo, name: str) -> None:
    mongo[name].create_collection("shops", collation=BLIND)
    mongo[name].shops.insert_many([{"_id": 1, "name": "a"}, {"_id": 2, "name": "A"}])
    database = simple(mongo[name])
    assert isinstance(database.shops, SimpleCollection)
    assert query(database.shops) == [1]

"""zava explain: every rule has an explanation, and the shown queries equal those sent to a real server."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from bson import json_util
from pymongo import MongoClient
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from conformance.checks.base import Context, Rule
from conformance.checks.document_scan import DocumentTest
from conformance.report.explanation import explain, lines
from conformance.report.find_query import method_call
from conformance.rules.families import FAMILIES
from conformance.run.query_recorder import Record, record
from conformance.run.session import Project
from tests.commands import Done, Workplace
from tests.validation import shipped_project

pytest_plugins = ["tests.commands"]

PROJECT: Project = shipped_project()
RULES: Mapping[str, Rule] = {rule.id: rule for rule in PROJECT.rules}
#: One rule of each check that does more than to select documents.
FIRST = {rule.group: rule for rule in reversed(PROJECT.rules) if not isinstance(rule.check, DocumentTest)}.values()
#: Families whose rules look at files and settings, or at metadata that has no collection's name.
UNASKED = {"sync", "permissions", "security", "streams"}


@cache
def recorded(rule: str) -> Record:
    """Return what a rule asks, without a server."""
    return record(RULES[rule], PROJECT.model, PROJECT.configuration, PROJECT.settings)


class Listener(CommandListener):
    """Record the commands that are sent to a server."""

    def __init__(self) -> None:
        self.commands: list[Mapping[str, Any]] = []

    def started(self, event: CommandStartedEvent) -> None:
        """Note it."""
        self.commands.append(dict(event.command))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing to note."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing to note."""


@pytest.fixture(scope="module")
def asked(workplace: Workplace, generated: Done, mongo: MongoClient[dict[str, Any]]) -> Mapping[str, list[Any]]:
    """Return the commands that each of these rules sends on conformant data."""
    assert generated.code == 0
    host, port = mongo.address or ("", 0)
    listener = Listener()
    found: dict[str, list[Any]] = {}
    with MongoClient[dict[str, Any]](
        f"mongodb://{host}:{port}/?directConnection=true", event_listeners=[listener]
    ) as client:
        context = Context(
            PROJECT.model, PROJECT.configuration, PROJECT.settings, client["zava"], embedded=True, scratch=None
        )
        assert context.counts
        for rule in FIRST:
            listener.commands.clear()
            rule.check(context, [rule])
            found[rule.id] = list(listener.commands)
    return found


def plain(part: Any) -> str:
    """Return a pipeline as text, for any types in it."""
    return json.dumps(part, default=json_util.default)


@pytest.mark.parametrize("rule", FIRST, ids=lambda rule: rule.id)
def test_recorded_pipelines_equal_the_commands_sent_to_a_server(rule: Rule, asked: Mapping[str, list[Any]]) -> None:
    sent = {(each.get("aggregate"), plain(each["pipeline"])) for each in asked[rule.id] if "aggregate" in each}
    queries = {(q.collection, plain(q.argument)) for q in recorded(rule.id).questions if q.method == "aggregate"}
    assert queries <= sent
    if recorded(rule.id).touches and not any("explain" in each for each in asked[rule.id]):
        named = {name for each in asked[rule.id] for name in _named(each)} & set(PROJECT.model.collections)
        assert named <= recorded(rule.id).touches


def _named(command: Mapping[str, Any]) -> list[str]:
    """Return the collections of a command."""
    joined = re.findall(r'"(?:from|coll)": "(\w+)"', plain(command.get("pipeline", [])))
    return [str(next(iter(command.values()))), *joined]


def test_query_of_a_document_rule_names_its_field() -> None:
    rule = RULES["business.inventory.stock_level"]
    (question,) = recorded(rule.id).questions
    assert (question.collection, question.method) == ("inventory", "find")
    assert "$stock_level" in plain(question.argument)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_rule_of_a_server_family_has_a_query(family: str) -> None:
    silent = [rule for rule in RULES if rule.startswith(f"{family}.") and not recorded(rule).questions]
    assert family in UNASKED or silent == []


@pytest.mark.parametrize(
    ("rule", "touches"),
    [
        ("references.orders.customer_id", {"orders", "customers"}),
        ("totals.orders.subtotal", {"orders", "order_items"}),
        ("counts.inventory.documents", {"inventory", "stores", "products"}),
        ("business.order_items.product_id-shares", {"order_items", "products", "categories"}),
        ("queries.orders.order_with_items", {"orders", "order_items"}),
        ("documents.stores.store_name", {"stores"}),
    ],
)
def test_rule_lists_the_collections_that_it_reads(rule: str, touches: set[str]) -> None:
    assert recorded(rule).touches == touches


def test_rules_about_existing_collections_list_collections() -> None:
    assert recorded("counts._database.unknown-collections").lists
    assert recorded("validators.orders.level").lists
    assert not recorded("documents.orders.total").lists


def test_named_query_is_shown_with_its_parameter_names() -> None:
    shown = explain(PROJECT, RULES["queries.orders.order_with_items"]).shell
    assert '"order_id": "<orders.order_id>"' in shown[-1]
    assert shown[-1].startswith('db.runCommand({"explain": {"aggregate": "orders"')


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (("a", "find", {"x": None}), 'db.getCollection("a").find({"x": null})'),
        (("a", "aggregate", [{"$match": {}}, {"$limit": 1}]),
         'db.getCollection("a").aggregate([\n  {"$match": {}},\n  {"$limit": 1}\n])'),
        (("a", "distinct", "x"), 'db.getCollection("a").distinct("x")'),
        (("a", "getIndexes"), 'db.getCollection("a").getIndexes()'),
        ((None, "getCollectionNames"), "db.getCollectionNames()"),
        (("a", "runCommand", {"explain": 1}), 'db.runCommand({"explain": 1})'),
    ],
)  # fmt: skip
def test_queries_are_written_in_mongosh_syntax(call: tuple[Any, ...], text: str) -> None:
    assert method_call(*call) == text


@pytest.mark.parametrize("family", FAMILIES)
def test_explanation_of_each_family_has_all_parts(family: str) -> None:
    rule = next(rule for rule in RULES.values() if rule.family == family)
    explanation = list(lines(explain(PROJECT, rule)))
    assert explanation[0] == f"{rule.id} ({rule.severity})"
    starts = [line.partition(":")[0] for line in explanation]
    places = [starts.index(each) for each in ("Family", "Why it matters", "How it is checked", "How to fix it")]
    assert places == sorted(places)
    assert FAMILIES[family].method in "".join(explanation)


def test_explain_needs_no_server(workplace: Workplace) -> None:
    rule = RULES["references.orders.customer_id"]
    done = workplace.zava("explain", rule.id, env={"MONGODB_CONNECTION_STRING": "mongodb://127.0.0.1:1/"})
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == "\n".join(lines(explain(PROJECT, rule))).splitlines()


def test_json_output_has_the_same_content(workplace: Workplace) -> None:
    explanation = json.loads(workplace.zava("explain", "--json", "totals.orders.subtotal").out)
    assert explanation["id"] == "totals.orders.subtotal"
    assert explanation["family"]["name"] == "totals"
    assert explanation["how"].endswith("other rules.")
    assert any(question.startswith('db.getCollection("order_items").aggregate([') for question in explanation["asks"])
    assert explanation["mend"] == RULES["totals.orders.subtotal"].fix


@pytest.mark.parametrize(
    ("given", "meant"),
    [("totals.orders.subtotl", "totals.orders.subtotal"), ("order.subtotal", "totals.orders.subtotal"),
     ("zzzzzzzz", f"`zava rules` lists all {len(RULES)} rules")],
)  # fmt: skip
def test_misspelled_rule_id_gets_a_suggestion(workplace: Workplace, given: str, meant: str) -> None:
    done = workplace.zava("explain", given)
    assert done.code == 2
    assert meant in done.line

"""Families permissions and sync: what they examine, what they skip, and that they can fail.

Each alteration of the two files has its fault in tests/faults/permissions.yaml and subscriptions.yaml; here is what no
edit of a file or of documents can show.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database

from conformance.checks.base import Context
from conformance.checks.users import access
from conformance.ditto.permissions import PERMISSIONS_FILE, User
from conformance.ditto.subscriptions import SUBSCRIPTIONS_FILE
from conformance.model.collection import Model
from conformance.model.schemas.loading import load_model
from conformance.results import Outcome
from conformance.rules.ditto.permissions import permissions, users
from conformance.rules.ditto.sync import subscriptions
from tests.models import collection_of
from tests.validation import ROOT, context_for, failed, run_rules

ORDERS = "SELECT * FROM orders WHERE "
Documents = dict[str, list[dict[str, Any]]]
IDS = [str(uuid.UUID(int=n, version=4)) for n in range(3)]


def documents() -> Documents:
    """Three stores, each with another number of documents; only fields that the rules read."""
    made: Documents = {
        "stores": [
            {"_id": f"store_{n}", "store_id": f"store_{n}", "rls_user_id": IDS[n], "deleted": False} for n in range(3)
        ],
        "categories": [{"_id": "cat_a", "category_id": "cat_a", "deleted": False}],
        "product_types": [{"_id": "type_a", "type_id": "type_a", "deleted": False}],
        "products": [{"_id": f"prod_{n}", "product_id": f"prod_{n}", "deleted": n == 0} for n in range(4)],
        "product_embeddings": [{"_id": "prod_0", "product_id": "prod_0", "deleted": False}],
    }
    for name in ("customers", "inventory", "orders", "order_items"):
        field = "primary_store_id" if name == "customers" else "store_id"
        made[name] = [
            {"_id": ObjectId(), field: f"store_{n}", "deleted": number == 0}
            for n in range(3)
            for number in range(n + 1)
        ]
    return made


@pytest.fixture(scope="module")
def filled(server: MongoClient[Any]) -> Iterator[Database[Any]]:
    """A database with the documents, which no test changes."""
    database = server[f"permissions_{uuid.uuid4().hex[:8]}"]
    for name, made in documents().items():
        database[name].insert_many(made)
    yield database
    server.drop_database(database.name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the two files."""
    (tmp_path / "config").mkdir()
    for name in (PERMISSIONS_FILE, SUBSCRIPTIONS_FILE):
        shutil.copy(ROOT / "config" / name, tmp_path / "config")
    return tmp_path


@pytest.fixture
def verdict(model: Model, folder: Path) -> Callable[..., dict[str, Outcome]]:
    """Validate a database with the files in the folder."""

    def run(database: Database[Any], **context: Any) -> dict[str, Outcome]:
        own: Context = replace(context_for(replace(model, root=folder), database), **context)
        found = [*permissions.rules(own.model, own.configuration), *subscriptions.rules(own.model, own.configuration)]
        return run_rules(found, own)

    return run


Verdict = Callable[..., dict[str, Outcome]]


def test_shipped_files_have_no_finding(verdict: Verdict, filled: Database[Any]) -> None:
    outcomes = verdict(filled)
    assert len(outcomes) == 5 + 9 * 4 + 8 * 3 + 6
    assert failed(outcomes) == set()
    assert {name: outcome.skipped for name, outcome in outcomes.items() if outcome.skipped} == {}
    assert all(outcome.examined for outcome in outcomes.values())


#: Examined documents, and the smallest and largest number that one of three users has: more than none, fewer than all.
SEEN = {
    "orders.read": (6, "1 to 3"),
    "orders.write": (6, "1 to 3"),
    "orders.delete": (6, "0 to 0"),
    "inventory.write": (6, "0 to 0"),
    "products.read": (4, "3 to 3"),
    "categories.read": (1, "1 to 1"),
    "product_embeddings.read": (1, "0 to 0"),
}


@pytest.mark.parametrize("name", SEEN)
def test_documents_of_each_user_are_counted(verdict: Verdict, filled: Database[Any], name: str) -> None:
    outcome = verdict(filled)[f"permissions.{name}"]
    examined, each = SEEN[name]
    assert (outcome.examined, outcome.evidence) == (examined, {"users": 3, "documents of each": each})


@pytest.mark.parametrize("name", ["customers", "inventory", "orders", "order_items", "products"])
def test_unenforced_rule_passes_if_declared(verdict: Verdict, filled: Database[Any], name: str) -> None:
    outcomes = verdict(filled)
    for subject in ("enforceable", "enforced_by"):
        (reason,) = outcomes[f"permissions.{name}.{subject}"].evidence.values()
        assert reason.startswith("subscriptions: Ditto's permissions test _id only")


#: A rule that grants read and update only, which Ditto cannot grant separately; and whether it may state that.
COMBINED = [
    ("order_id = 'order_1'", "ditto", True, set()),
    ("order_id = 'order_1'", "ditto", False, {"enforced_by"}),
    ("order_id = 'order_1'", None, True, {"enforceable"}),
    ("order_id = 'order_1'", "subscriptions", True, set()),
    ("store_id = $user.store_id", "ditto", True, {"enforced_by"}),
    ("store_id = $user.store_id", "subscriptions", True, set()),
]


@pytest.mark.parametrize(("condition", "by", "explained", "broken"), COMBINED)
def test_limits_of_ditto_permissions_are_explained(
    verdict: Verdict, filled: Database[Any], folder: Path, condition: str, by: str | None, explained: bool,
    broken: set[str],
) -> None:  # fmt: skip
    """A reason suffices if Ditto's _id selects the documents but cannot distinguish the kinds of changes."""
    path = folder / "config" / PERMISSIONS_FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    grant = {"collection": "orders", "operations": ["read", "update"], "condition": condition}
    grant |= {"enforced_by": by} if by else {}
    grant |= {"reason": "the till offers no other change"} if explained else {}
    content["rules"] = [one for one in content["rules"] if one["collection"] != "orders"] + [grant]
    path.write_text(json.dumps(content), encoding="utf-8")
    outcomes = verdict(filled)
    names = ("enforceable", "enforced_by")
    assert {name for name in names if outcomes[f"permissions.orders.{name}"].violations} == broken


def test_strangers_with_access_are_reported(
    verdict: Verdict, filled: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that returns a user for a stranger gives no protection, whatever the files contain."""
    monkeypatch.setattr(users, "user_of", lambda *_: User(IDS[0], {"store_id": "store_0"}))
    outcome = verdict(filled)["permissions._config.strangers"]
    assert outcome.violations == outcome.examined > 20
    assert "null may read" in outcome.samples[0].why


def test_strangers_include_malformed_and_deleted_ids(
    verdict: Verdict, database: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strangers are malformed values, values that resemble an id, lists of ids, and ids of deleted users."""
    whole, near, deleted = "0f9a8b7c", "0f9a8b7", "1c2d"
    keys = (whole, near, deleted, near, None)
    database["stores"].insert_many(
        {"_id": number, "rls_user_id": one, "deleted": one == deleted} for number, one in enumerate(keys)
    )
    tried: list[Any] = []
    monkeypatch.setattr(users, "user_of", lambda *given: tried.append(given[3]))
    outcome = verdict(database)["permissions._config.strangers"]
    nobody = "00000000-0000-0000-0000-000000000000"
    assert tried == [
        None, "", " ", 0, True, [], {}, {"$ne": None}, {"$gt": ""}, "nobody",
        "0f9a8b7c ", "0f9a8b7c\n", ["0f9a8b7c"],
        "0f9a8b7 ", "0f9a8b7\n", "0f9a8b", ["0f9a8b7"],
        "1c2d ", "1c2d\n", "1c2", ["1c2d"],
        "0f9a8b7 ", "0f9a8b7\n", "0f9a8b", ["0f9a8b7"],
        f"{nobody} ", f"{nobody}\n", nobody[:-1], [nobody],
        near, near, deleted,
    ]  # fmt: skip
    assert (outcome.examined, outcome.violations) == (len(tried), 0)


def test_file_without_rules_is_read(verdict: Verdict, filled: Database[Any], folder: Path) -> None:
    path = folder / "config" / PERMISSIONS_FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    assert verdict(filled)["permissions._config.file"].examined == len(content["rules"]) == 5
    path.write_text(json.dumps({**content, "rules": []}), encoding="utf-8")
    outcomes = verdict(filled)
    assert (outcomes["permissions._config.file"].examined, outcomes["permissions._config.file"].violations) == (1, 0)
    assert outcomes["permissions._config.names"].skipped == f"config/{PERMISSIONS_FILE} has no rule"


def test_unknown_names_in_conditions_are_reported(verdict: Verdict, filled: Database[Any], folder: Path) -> None:
    path = folder / "config" / PERMISSIONS_FILE
    text = path.read_text(encoding="utf-8")
    wrong = '"condition": "first = 1 AND deleted = 7 AND second = $user.name AND store_id = $user.name"'
    path.write_text(text.replace('"condition": "store_id = $user.store_id"', wrong, 1), encoding="utf-8")
    assert [sample.why for sample in verdict(filled)["permissions._config.names"].samples] == [
        "inventory has no field 'first'",
        "deleted can never be 7; the schema rejects it",
        "inventory has no field 'second'",
        "users have no attribute 'name'; it is not in users.attributes",
    ]


#: A condition of the orders' rule, and the expected message about reading; None if it selects only the store's own
#: orders.
PRINCIPLE = [
    ("store_id IN ($user.store_id)", None),
    ("store_id = $user.store_id AND status IN ('pending', 'completed', 'cancelled')", None),
    ("store_id = $user.store_id AND (deleted = true OR deleted != true)", None),
    ("store_id = $user.store_id AND customer_id != 'nobody'", None),
    ("store_id = $user.store_id AND (store_id != 'store_9' OR deleted = false OR deleted = true)", None),
    ("store_id = $user.store_id OR status = 'pending' AND total = 20",
     'for a document with store_id "store_0~", status "pending", total 20, a user with store_id "store_0" may'
     " read it but should not"),
    ("store_id = $user.store_id OR store_id = 'store_9'",
     'for a document with store_id "store_9", a user with store_id "store_0" may read it but should not'),
    ("store_id = $user.store_id AND store_id != 'store_9'",
     'for a document with store_id "store_9", a user with store_id "store_9" may not read it but should'),
    ("store_id = $user.store_id AND (customer_email = 'x@example.com' OR customer_email != 'x@example.com')",
     'for a document with store_id "store_0", no customer_email, a user with store_id "store_0" may not read it'
     " but should"),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "message"), PRINCIPLE, ids=[row[0] for row in PRINCIPLE])
def test_rule_is_compared_on_possible_documents(
    verdict: Verdict, database: Database[Any], folder: Path, condition: str, message: str | None
) -> None:
    """The existing orders show no difference."""
    for name, made in documents().items():
        if name == "orders":
            more = {"status": "completed", "deleted": False, "customer_email": "a@b.c", "customer_id": "cust_a"}
            made = [{**one, **more} for one in made]
        database[name].insert_many(made)
    path = folder / "config" / PERMISSIONS_FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    content["rules"][1]["condition"] = condition
    path.write_text(json.dumps(content), encoding="utf-8")
    outcome = verdict(database)["permissions.orders.read"]
    where = f"config/{PERMISSIONS_FILE}: rules[1]"
    assert [(sample.ref, sample.why) for sample in outcome.samples] == ([(where, message)] if message else [])
    assert (outcome.violations, outcome.examined) == (message is not None, 6)
    assert outcome.evidence == {"users": 3, "documents of each": "1 to 3"}


def test_missing_grant_is_reported_for_future_documents(
    verdict: Verdict, database: Database[Any], folder: Path
) -> None:
    """The only order is of a missing store: no user lacks it now, but every user will lack the next one."""
    for name, made in documents().items():
        database[name].insert_many([{"store_id": "store_9", "deleted": False}] if name == "orders" else made)
    path = folder / "config" / PERMISSIONS_FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    content["rules"][1]["operations"] = ["write"]
    path.write_text(json.dumps(content), encoding="utf-8")
    (sample,) = verdict(database)["permissions.orders.read"].samples
    assert sample.ref == f"config/{PERMISSIONS_FILE}: rules"
    assert sample.why == (
        'for a document with store_id "store_0", a user with store_id "store_0" may not read it but should'
    )


def test_user_has_every_attribute_that_a_rule_compares(verdict: Verdict, filled: Database[Any], folder: Path) -> None:
    """The field that a rule compares may be another one than the model refers to."""
    path = folder / "config" / PERMISSIONS_FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    content["users"]["attributes"] = ["store_id", "_id"]
    content["rules"][1]["condition"] = "store_id = $user._id"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert failed(verdict(filled)) == set()


@pytest.mark.parametrize("state", [{"deleted": True}, {"rls_user_id": "nobody"}])
def test_definition_of_users_without_a_user_fails(
    verdict: Verdict, database: Database[Any], state: dict[str, Any]
) -> None:
    """All stores are deleted; without any store the rule is skipped."""
    for name, made in documents().items():
        if name != "stores":
            database[name].insert_many(made)
    assert verdict(database)["permissions._config.users"].violations == 0
    database["stores"].insert_many({**one, **state} for one in documents()["stores"])
    outcomes = verdict(database)
    assert failed(outcomes) == {"permissions._config.users"}
    (sample,) = outcomes["permissions._config.users"].samples
    assert (
        sample.why
        == "no live document of stores defines a user with a unique id and all attributes, so no user has permissions"
    )
    assert sample.ref == f"config/{PERMISSIONS_FILE}: users.collection"


@pytest.mark.parametrize("broken", [None, ""])
def test_empty_id_does_not_define_a_user(verdict: Verdict, database: Database[Any], broken: Any) -> None:
    """The same applies to a document without an id."""
    for name, made in documents().items():
        if name == "stores":
            made[0]["rls_user_id"] = broken
        database[name].insert_many(made)
    outcomes = verdict(database)
    assert failed(outcomes) == set()
    assert outcomes["permissions.orders.read"].evidence["users"] == 2


def test_deleted_store_has_no_user(verdict: Verdict, database: Database[Any]) -> None:
    for name, made in documents().items():
        if name == "stores":
            made[2]["deleted"] = True
        database[name].insert_many(made)
    outcomes = verdict(database)
    assert failed(outcomes) == set()
    assert outcomes["permissions.orders.read"].evidence == {"users": 2, "documents of each": "1 to 2"}


def test_filters_that_differ_from_the_grouping_are_reported(
    verdict: Verdict, filled: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number of a user's documents comes from a grouping that does not use the filters."""
    required = access.Access._required

    def one_more(self: access.Access, user: Any) -> Any:
        found = required(self, user)
        return replace(found, number=found.number + 1)

    monkeypatch.setattr(access.Access, "_required", one_more)
    outcome = verdict(filled)["permissions.orders.read"]
    assert outcome.violations == 1
    assert outcome.samples[0].ref == "orders"


def test_documents_written_between_two_queries_are_not_reported(
    verdict: Verdict, database: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If they differ, both queries run again in one snapshot."""
    for name, made in documents().items():
        database[name].insert_many(made)
    count = access.Access._count

    def written(self: access.Access, condition: Any) -> int:
        for name in ("orders", "products"):
            database[name].insert_one({"_id": ObjectId(), "store_id": "store_0", "deleted": False})
        return count(self, condition)

    monkeypatch.setattr(access.Access, "_count", written)
    outcomes = verdict(database)
    assert failed(outcomes) == set()
    assert outcomes["permissions.orders.read"].evidence["users"] == 3


def test_equal_counts_of_other_documents_are_reported(verdict: Verdict, database: Database[Any], folder: Path) -> None:
    """Two stores have one order each, and each sees the other's."""
    for name, made in documents().items():
        database[name].insert_many(made[:2] if name == "stores" else made)
    database["orders"].delete_many({})
    database["orders"].insert_many([{"_id": n, "store_id": f"store_{n}", "deleted": False} for n in range(2)])
    path = folder / "config" / PERMISSIONS_FILE
    path.write_text(
        path.read_text(encoding="utf-8").replace('"store_id = $user', '"store_id != $user'), encoding="utf-8"
    )
    outcome = verdict(database)["permissions.orders.read"]
    assert (outcome.violations, outcome.evidence["documents of each"]) == (2, "1 to 1")


def test_document_is_reported_once_with_the_number_of_users(
    verdict: Verdict, filled: Database[Any], folder: Path
) -> None:
    path = folder / "config" / PERMISSIONS_FILE
    text = path.read_text(encoding="utf-8").replace('"condition": "store_id = $user.store_id"', '"condition": "true"')
    path.write_text(text, encoding="utf-8")
    outcome = verdict(filled, sample_size=50)["permissions.orders.read"]
    assert outcome.violations == len({sample.id for sample in outcome.samples}) == len(outcome.samples) == 6
    assert {sample.why for sample in outcome.samples} == {
        "store_0 may read the document but should not; the same applies to 2 users in total",
        "store_1 may read the document but should not; the same applies to 2 users in total",
    }


@pytest.mark.parametrize(
    ("empty", "reason"),
    [
        ("orders", "orders is empty"),
        ("stores", "no live document of stores defines a user with a unique id and all attributes"),
    ],
)
def test_rule_without_documents_is_skipped(verdict: Verdict, database: Database[Any], empty: str, reason: str) -> None:
    for name, made in documents().items():
        if name != empty:
            database[name].insert_many(made)
    outcomes = verdict(database)
    for subject in ("read", "write", "update", "delete", "subscriptions"):
        assert outcomes[f"permissions.orders.{subject}"].skipped == reason


# -- what devices subscribe to -----------------------------------------------------------------------------------------


def subscribe(folder: Path, condition: str, find: Any) -> None:
    """Add a subscription to orders to the catalogue device."""
    path = folder / "config" / SUBSCRIPTIONS_FILE
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["devices"][3]["subscriptions"].append({"query": ORDERS + condition, "find": find})
    path.write_text(yaml.safe_dump(content), encoding="utf-8")


#: A subscription, its find, and the expected message; None if both select the same documents.
MEANT = [
    ("deleted = false", {"deleted": {"$eq": False}}, None),
    ("store_id IN :store_ids", {"store_id": {"$in": ["store_0", "store_1", "store_2"]}}, None),
    ("store_id = :store_id", {"$expr": {"$eq": ["$store_id", "$$store_id"]}}, None),
    ("store_id != 'store_0'", {"store_id": {"$nin": ["store_0", None]}}, None),
    (
        "deleted = false",
        {"deleted": True},
        "for store_0 the subscription selects 3 documents that its find does not, such as ",
    ),
    ("deleted = true", {}, "for store_0 its find selects 3 documents that the subscription does not, such as "),
    (
        "store_id = :store_id",
        {"store_id": "store_0"},
        "for store_1 the subscription selects 2 documents that its find does not",
    ),
    ("deleted = false", {"$nonsense": 1}, "the server rejects its find: unknown top level operator: $nonsense"),
]


@pytest.mark.parametrize(("condition", "find", "message"), MEANT, ids=[f"{row[0]} {row[1]}" for row in MEANT])
def test_subscription_that_differs_from_its_filter_is_reported(
    verdict: Verdict, filled: Database[Any], folder: Path, condition: str, find: Any, message: str | None
) -> None:
    subscribe(folder, condition, find)
    outcome = verdict(filled)["sync._config.subscriptions-meaning"]
    assert outcome.violations == (message is not None)
    assert outcome.examined == 27
    for sample in outcome.samples:
        assert sample.ref == f"config/{SUBSCRIPTIONS_FILE}: catalogue.subscriptions[3]"
        assert str(message) in sample.why


def test_first_difference_between_subscription_and_filter_is_shown(
    verdict: Verdict, filled: Database[Any], folder: Path
) -> None:
    subscribe(folder, "deleted = false", {"deleted": True})
    (sample,) = verdict(filled)["sync._config.subscriptions-meaning"].samples
    first = filled["orders"].find_one({"deleted": False}, sort=[("_id", 1)])
    assert first is not None
    assert sample.why.endswith(f"that its find does not, such as {first['_id']} (objectId)")


def test_rejected_filter_is_reported_with_the_reply_of_the_server(
    verdict: Verdict, filled: Database[Any], folder: Path
) -> None:
    subscribe(folder, "deleted = false", {"store_id": {"$in": 5}})
    (sample,) = verdict(filled)["sync._config.subscriptions-meaning"].samples
    assert sample.why == "the server rejects its find: $in needs an array"


NOT_LIVE = "no document of orders that is not deleted can satisfy the condition"
#: A condition, the expected message about its fields and values, and the expected message about what it can select.
SELECTS = [
    ("deleted != true", None, None),
    ("deleted = true OR store_id = :store_id", None, None),
    ("deleted = :words", None, NOT_LIVE),
    ("deleted = :store_id", None, None),
    ("deleted = true", None, NOT_LIVE),
    ("store_id IN :store_ids AND deleted != false", None, NOT_LIVE),
    ("total = 20 AND item_count = 2.0", None, None),
    ("status = 'pending' AND status != 'pending'", None, NOT_LIVE),
    ("store_id = $user.store_id", None, None),  # not DQL: reported by sync._config.subscriptions-engine
    ("order_date >= '2024'", None, None),
    ("total < 5 AND total > 10", None, NOT_LIVE),
    ("total BETWEEN 10 AND 5", None, NOT_LIVE),
    ("NOT (deleted = false)", None, NOT_LIVE),
    ("status LIKE 'pend%' AND NOT status = 'pending'", None, NOT_LIVE),
    ("status IS MISSING", None, NOT_LIVE),
    ("status IS NOT NULL", None, None),
    ("lower(status) = 'pending'", None, None),
    ("total > '5'", "total is of type number: > with a string finds nothing", None),
    ("order_date BETWEEN 1 AND 2", "order_date is of type string: BETWEEN with a number finds nothing", None),
    ("status = NULL", "= NULL finds nothing; write IS NULL, or IS MISSING for a field that is absent", None),
    ("false", None, NOT_LIVE),
    ("deleted = 'false'", 'deleted can never be "false"; the schema rejects it', None),
    ("status = 'open' AND deleted = true", 'status can never be "open"; the schema rejects it', None),
    ("total = 19.999", "total can never be 19.999; the schema rejects it", None),
    ("shop_id = :store_id", "orders has no field 'shop_id'", None),
]


@pytest.mark.parametrize(("condition", "named", "live"), SELECTS, ids=[row[0] for row in SELECTS])
def test_subscription_on_unknown_names_or_values_is_reported(
    verdict: Verdict, filled: Database[Any], folder: Path, condition: str, named: str | None, live: str | None
) -> None:
    """It is reported once: a subscription with unknown names is not evaluated."""
    clean = verdict(filled)
    subscribe(folder, condition, {})
    outcomes = verdict(filled)
    for rule, message in (("fields", named), ("live", live)):
        samples = outcomes[f"sync._config.subscriptions-{rule}"].samples
        where = f"config/{SUBSCRIPTIONS_FILE}: catalogue.subscriptions[3]"
        assert [(sample.ref, sample.why) for sample in samples] == ([(where, message)] if message else [])
    examined = [each["sync._config.subscriptions-live"].examined for each in (clean, outcomes)]
    assert examined == [26, 26 + (named is None)]


#: A filter in MongoDB's syntax, and the messages about its unknown fields and impossible values.
FILTERS = [
    ({"status": "open"}, ['status can never be "open"; the schema rejects it']),
    ({"status": {"$in": ["open", "pending"]}}, ['status can never be "open"; the schema rejects it']),
    ({"$or": [{"shop": 1}, {"deleted": {"$ne": 0}}]},
     ["orders has no field 'shop'", "deleted can never be 0; the schema rejects it"]),
    ({"total": {"$gt": -5}, "store_id": "$$store_id", "status": {"$nin": [None, "$$x"]}}, []),
    ({"$expr": {"$eq": ["$store_id", "$$store_id"]}}, []),
    ({"$and": 5}, []),
]  # fmt: skip


@pytest.mark.parametrize(("find", "message"), FILTERS, ids=[str(row[0]) for row in FILTERS])
def test_unknown_names_in_a_filter_are_reported(
    verdict: Verdict, filled: Database[Any], folder: Path, find: dict[str, Any], message: list[str]
) -> None:
    subscribe(folder, "deleted = false", find)
    assert [one.why for one in verdict(filled)["sync._config.subscriptions-fields"].samples] == message


def test_device_that_changes_an_unsubscribed_collection_is_reported(
    verdict: Verdict, filled: Database[Any], folder: Path
) -> None:
    """The finding appears although every synced collection reaches some device."""
    path = folder / "config" / SUBSCRIPTIONS_FILE
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    content["devices"][0]["changes"] = {"customers": ["write"], "orders": ["write"]}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    outcomes = verdict(filled)
    assert failed(outcomes) == {"sync._config.subscriptions-collections"}
    (sample,) = outcomes["sync._config.subscriptions-collections"].samples
    assert sample.why == "the device changes customers but does not subscribe to it"
    assert sample.ref == f"config/{SUBSCRIPTIONS_FILE}: store_manager.changes"


#: A condition, and the expected message about its parameter.
USES = [
    ("store_id = :store_id", None),
    ("store_id IN :store_ids", None),
    ("store_id = :store_ids", ":store_ids is a list but is compared as a single value"),
    ("store_id IN :store_id", ":store_id is a single value but is compared as a list; declare values"),
    ("store_id = :shop", ":shop is not declared under parameters"),
]


@pytest.mark.parametrize(("condition", "message"), USES, ids=[row[0] for row in USES])
def test_unsuitable_parameter_is_reported(
    verdict: Verdict, filled: Database[Any], folder: Path, condition: str, message: str | None
) -> None:
    rule = "sync._config.subscriptions-parameters"
    clean = verdict(filled)[rule]
    subscribe(folder, condition, {})
    outcome = verdict(filled)[rule]
    assert outcome.examined == clean.examined + 2  # its form (list or single value), and its entry under parameters
    assert [sample.why for sample in outcome.samples] == ([message] if message else [])


#: A subscription to orders on the device of a store's user, and the expected message; None if the permission allows it.
WITHIN = [
    ("store_id = :store_id AND deleted = false", None),
    ("deleted = false AND store_id = :store_id", None),
    ("store_id = :store_id", None),
    ("store_id = :declared_nowhere", None),
    ("store_id IN :store_ids", "the user of store_0 would receive 5 documents that they may not read, for example "),
    ("store_id = :store_id OR deleted = true", "the user of store_0 would receive 2 documents that they may not read"),
    ("true", "the user of store_0 would receive 5 documents that they may not read"),
]


@pytest.mark.parametrize(("condition", "message"), WITHIN, ids=[row[0] for row in WITHIN])
def test_subscription_beyond_the_permission_is_reported(
    verdict: Verdict, filled: Database[Any], folder: Path, condition: str, message: str | None
) -> None:
    subscribe(folder, condition, {})
    outcome = verdict(filled)["permissions.orders.subscriptions"]
    assert (outcome.examined, outcome.violations) == (5, message is not None)
    assert all(str(message) in sample.why for sample in outcome.samples)


@pytest.mark.parametrize("name", [PERMISSIONS_FILE, SUBSCRIPTIONS_FILE])
def test_invalid_file_does_not_affect_the_other(
    verdict: Verdict, filled: Database[Any], folder: Path, name: str
) -> None:
    """It gives one finding with the line; rules that need the file are skipped with a reference to it."""
    path = folder / "config" / name
    path.write_text(path.read_text(encoding="utf-8") + "}", encoding="utf-8")
    outcomes = verdict(filled)
    file_rule = "permissions._config.file" if name == PERMISSIONS_FILE else "sync._config.subscriptions-file"
    assert failed(outcomes) == {file_rule}
    (sample,) = outcomes[file_rule].samples
    assert outcomes[file_rule].examined == 1
    assert sample.ref == f"config/{name}"
    assert sample.why.startswith("line ")
    assert all(file_rule in str(outcome.skipped) for outcome in outcomes.values() if outcome.skipped)
    other = "sync._config.subscriptions-fields" if name == PERMISSIONS_FILE else "permissions.orders.read"
    assert outcomes[other].examined


def test_app_query_on_an_unknown_collection_is_reported(verdict: Verdict, filled: Database[Any], folder: Path) -> None:
    rule = "sync._config.subscriptions-collections"
    clean = verdict(filled)[rule]
    path = folder / "config" / SUBSCRIPTIONS_FILE
    text = path.read_text(encoding="utf-8").replace("FROM orders WHERE order_id = :order_id", "FROM sales WHERE x = 1")
    path.write_text(text, encoding="utf-8")
    outcome = verdict(filled)[rule]
    assert outcome.examined == clean.examined
    assert [(sample.ref, sample.why) for sample in outcome.samples] == [
        (f"config/{SUBSCRIPTIONS_FILE}: queries.order", "the model defines no collection 'sales'")
    ]


def test_reworded_subscription_is_not_examined_without_a_user(
    verdict: Verdict, filled: Database[Any], folder: Path
) -> None:
    subscribe(folder, "deleted = false", {"deleted": {"$eq": False}})
    meaning = "sync._config.subscriptions-meaning"
    assert verdict(filled)[meaning].examined == 27
    path = folder / "config" / PERMISSIONS_FILE
    path.write_text("{", encoding="utf-8")
    outcome = verdict(filled)[meaning]
    assert (outcome.examined, outcome.violations) == (26, 0)


def test_second_model_has_no_finding(database: Database[Any]) -> None:
    """Its users are greenhouses."""
    model = load_model(ROOT / "examples" / "greenhouse")
    for number, house in enumerate(("house_a", "house_b")):
        database["greenhouses"].insert_one({"_id": house, "greenhouse_id": house, "deleted": False})
        for name in ("sensors", "readings"):
            database[name].insert_many({"greenhouse_id": house, "deleted": False} for _ in range(number + 1))
    context = context_for(model, database)
    found = [*permissions.rules(model, context.configuration), *subscriptions.rules(model, context.configuration)]
    outcomes = run_rules(found, context)
    assert failed(outcomes) == set()
    assert [name for name, outcome in outcomes.items() if outcome.skipped] == []
    assert outcomes["permissions.readings.read"].evidence == {"users": 2, "documents of each": "1 to 2"}


def test_document_that_refers_to_two_users_belongs_to_both(tmp_path: Path, database: Database[Any]) -> None:
    """A move belongs to its source and its destination, and to no other house."""
    root = tmp_path / "greenhouse"
    shutil.copytree(ROOT / "examples" / "greenhouse", root)
    house = {"type": "string", "pattern": "^house_[a-z]{1,20}$", "x-reference": "greenhouses.greenhouse_id"}
    moves = collection_of({"from_id": house, "to_id": house}) | {"title": "Moves"}
    moves["properties"]["_id"] = {"type": "string", "x-uuid": 4}
    moves["x-sync"] = {"enabled": True, "id_mapping": {"mode": "match_ids"}}
    moves["x-indexes"] = [{"keys": {"from_id": 1}}, {"keys": {"to_id": 1}}]
    (root / "schemas" / "moves.json").write_text(json.dumps(moves), encoding="utf-8")
    path = root / "config" / PERMISSIONS_FILE
    content = json.loads(path.read_text(encoding="utf-8"))
    mine = "from_id = $user.greenhouse_id OR to_id = $user.greenhouse_id"
    content["rules"].append({"collection": "moves", "operations": ["read"], "condition": mine})
    path.write_text(json.dumps(content), encoding="utf-8")
    houses = [f"house_{letter}" for letter in "abcd"]
    database["greenhouses"].insert_many({"_id": one, "greenhouse_id": one, "deleted": False} for one in houses)
    pairs = [(0, 1), (1, 0), (0, 0), (1, 2)]
    database["moves"].insert_many({"_id": f"{a}{b}", "from_id": houses[a], "to_id": houses[b]} for a, b in pairs)
    context = context_for(load_model(root), database)
    rules = [
        one for one in permissions.rules(context.model, context.configuration) if one.id.startswith("permissions.moves")
    ]
    outcome = run_rules(rules, context)["permissions.moves.read"]
    assert (outcome.examined, outcome.violations) == (4, 0)
    assert outcome.evidence == {"users": 4, "documents of each": "0 to 3"}

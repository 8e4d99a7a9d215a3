"""Subscriptions of devices: the same documents as their filter, on known names, within the permissions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from pymongo.database import Database

from conformance.ditto.permissions import PERMISSIONS_FILE
from conformance.ditto.subscriptions import SUBSCRIPTIONS_FILE
from conformance.files.strict_files import read_yaml
from conformance.results import Outcome
from tests.conformance.rules.ditto.permissions.fixtures import filled, folder, verdict
from tests.validation import failed

__all__ = ["filled", "folder", "verdict"]


#: libyaml's where it is installed.
DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
ORDERS = "SELECT * FROM orders WHERE "


Verdict = Callable[..., dict[str, Outcome]]


def subscribe(folder: Path, condition: str, find: Any) -> None:
    """Add a subscription to orders to the catalogue device."""
    path = folder / "config" / SUBSCRIPTIONS_FILE
    content = read_yaml(path)
    content["devices"][3]["subscriptions"].append({"query": ORDERS + condition, "find": find})
    path.write_text(yaml.dump(content, Dumper=DUMPER), encoding="utf-8")


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
    (
        "status = 'pending'",
        {"status": "pending", "item_count": {"$lt": 1000}},
        'for store_0 the subscription selects a document with status "pending" and item_count',
    ),
    (
        "store_id = :store_id",
        {"store_id": "$$store_id", "status": {"$ne": "cancelled"}},
        'for store_0 the subscription selects a document with store_id "store_0" and status "cancelled", and its find',
    ),
    ("store_id = :store_id", {"store_id": "$$store_id", "status": {"$ne": "refunded"}}, None),  # which none can have
    ("status = 'pending'", {"status": {"$regex": "^pend"}}, None),
    ("status = 'pending'", {"status": {"$eq": "pending", "$nin": [{"a": 1}]}}, None),
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
    content = read_yaml(path)
    content["devices"][0]["changes"] = {"customers": ["write"], "orders": ["write"]}
    path.write_text(yaml.dump(content, Dumper=DUMPER), encoding="utf-8")
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
    ("store_id = 'store_0'", "the user of store_1 would receive "),  # the first user may read all of it
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

"""Families permissions and sync: which documents each user has, what is skipped, and strangers.

Each alteration of the two files has its fault in tests/faults/permissions.yaml and subscriptions.yaml; here is what no
edit of a file or of documents can show.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from conformance.ditto.permissions import PERMISSIONS_FILE, User
from conformance.model.schemas.loading import load_model
from conformance.results import Outcome
from conformance.rules.ditto.permissions import permissions, users
from conformance.rules.ditto.sync import subscriptions
from tests.conformance.rules.ditto.permissions.fixtures import IDS, filled, folder, verdict
from tests.models import collection_of
from tests.validation import ROOT, context_for, failed, run_rules

__all__ = ["filled", "folder", "verdict"]


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

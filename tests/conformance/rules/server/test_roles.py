"""The database's roles: privileges that config/users.yaml gives the connector, and actions that a role excludes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from conformance.checks.base import Context
from conformance.config.settings import Settings
from conformance.model.schemas.loading import load_model
from conformance.results import Outcome
from conformance.rules.server.roles import rules
from conformance.server.roles import load_roles, privileges
from tests.models import shipped_model
from tests.validation import ROOT, configuration_for, run_rules

FILE = "config/users.yaml"
SHIPPED = (ROOT / FILE).read_text(encoding="utf-8")
CONNECTORS = "{where: synced, actions: [find, insert, update, remove, changeStream, collStats]}"
READERS = "{where: model, actions: [find, listIndexes, collStats, indexStats]}"
APPLICATIONS = "{where: model, actions: [find, insert, update]}"
MODEL = shipped_model()


def verdict(folder: Path, text: str | None, own: Path = ROOT) -> Outcome:
    """Return the rule's outcome for a file with this text, or without a file; no database is queried."""
    (folder / "config").mkdir()
    if text is not None:
        (folder / FILE).write_text(text, encoding="utf-8")
    model = replace(load_model(own), root=folder)
    nothing: Any = MongoClient(connect=False)["nothing"]
    settings = Settings()
    context = Context(
        model, configuration_for(load_model(own)), settings, nothing, embedded=True, scratch=None, sample_size=50
    )
    (outcome,) = run_rules(rules(model, context.configuration), context).values()
    return outcome


def test_shipped_roles_have_no_finding(tmp_path: Path) -> None:
    outcome = verdict(tmp_path, SHIPPED)
    held = [privileges(MODEL, role) for role in load_roles(MODEL).values()]
    assert (outcome.examined, outcome.violations) == (sum(len(one) for one in held), 0)
    assert outcome.examined == 10 + 11 + 8 + 1 + 2


#: A name of the change, the replaced text, its replacement, the role, and the expected message.
EXCESS = [
    ("the connector on all", CONNECTORS, CONNECTORS.replace("synced", "model"), "zava_connector",
     "the connector's role may changeStream, find, insert, remove, update on product_embeddings; expected no access to"
         " unsynced"),
    ("the connector on one more", CONNECTORS, f"{CONNECTORS}\n    - {{where: [product_embeddings], actions: [find]}}",
     "zava_connector", "the connector's role may find on product_embeddings; expected no access to unsynced"),
    ("the connector reads the database", CONNECTORS, f"{CONNECTORS}\n    - {{where: database, actions: [find]}}",
     "zava_connector", "the connector's role may find on every collection; expected no access to unsynced"),
    ("the connector writes all", CONNECTORS,
     f"{CONNECTORS}\n    - {{where: database, actions: [find, insert, changeStream]}}",
     "zava_connector", "the connector's role may insert on every collection; expected no access to unsynced"),
    ("the application removes", APPLICATIONS, f"{APPLICATIONS}\n    - {{where: [orders], actions: [remove]}}",
     "zava_application", "the role may remove on orders; expected never remove, dropCollection"),
    ("the application may anything", APPLICATIONS, f"{APPLICATIONS}\n    - {{where: [orders], actions: [anyAction]}}",
     "zava_application", "the role may anyAction on orders; expected never remove, dropCollection"),
    ("a reader writes", READERS, f"{READERS}\n    - {{where: [orders], actions: [insert]}}", "zava_read_only",
     "the role may insert on orders; expected never insert, update"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "role", "message"), [row[1:] for row in EXCESS], ids=[row[0] for row in EXCESS])
def test_role_with_too_many_privileges_is_reported(tmp_path: Path, old: str, new: str, role: str, message: str) -> None:
    assert SHIPPED.count(old) == 1
    outcome = verdict(tmp_path, SHIPPED.replace(old, new))
    (sample,) = outcome.samples
    assert (outcome.violations, sample.ref) == (1, f"{FILE}: {role}")
    assert sample.why.startswith(message)


@pytest.mark.parametrize("action", ["find", "insert", "update", "changeStream"])
def test_connector_without_a_needed_action_is_reported(tmp_path: Path, action: str) -> None:
    actions = [each for each in ("find", "insert", "update", "changeStream") if each != action]
    lacking = f"{{where: synced, actions: [{', '.join(actions)}]}}"
    outcome = verdict(tmp_path, SHIPPED.replace(CONNECTORS, lacking))
    synced = [collection.name for collection in MODEL if collection.synced]
    assert [(one.ref, one.why) for one in outcome.samples] == [
        (f"{FILE}: zava_connector", f"the connector's role may not {action} on {name}; expected find, insert, update"
         " and changeStream on every synced collection") for name in synced
    ]  # fmt: skip


#: The replaced text, and its replacement: roles for other purposes, which the rule does not report.
IN_ORDER = {
    "the connector follows the whole database": (
        CONNECTORS, f"{CONNECTORS}\n    - {{where: database, actions: [find, changeStream]}}"),
    "the connector asks for the size of all": (
        CONNECTORS, f"{CONNECTORS}\n    - {{where: model, actions: [collStats]}}"),
    "the connector never removes": (CONNECTORS, CONNECTORS.replace("remove, ", "")),
    "the connector follows synced collections by the database": (
        CONNECTORS,
        f"{CONNECTORS.replace('find, ', '').replace('changeStream, ', '')}\n"
        "    - {where: database, actions: [find, changeStream]}"),
    "the application follows orders": (
        APPLICATIONS, f"{APPLICATIONS}\n    - {{where: [orders], actions: [changeStream]}}"),
    "a reader follows all": (READERS, READERS.replace("find,", "find, changeStream,")),
    "an application may more than it forswears": (APPLICATIONS, APPLICATIONS.replace("find", "find, collMod")),
}  # fmt: skip


@pytest.mark.parametrize("case", IN_ORDER)
def test_role_with_declared_privileges_is_accepted(tmp_path: Path, case: str) -> None:
    old, new = IN_ORDER[case]
    assert SHIPPED.count(old) == 1
    assert verdict(tmp_path, SHIPPED.replace(old, new)).violations == 0


def test_connector_may_access_everything_if_every_collection_syncs(tmp_path: Path) -> None:
    outcome = verdict(tmp_path, SHIPPED.replace(CONNECTORS, CONNECTORS.replace("synced", "model")),
                      ROOT / "examples" / "greenhouse")  # fmt: skip
    assert outcome.violations == 0


def test_unreadable_file_is_a_finding_with_its_line(tmp_path: Path) -> None:
    outcome = verdict(tmp_path, SHIPPED.replace("  may:", "  mays:", 1))
    (sample,) = outcome.samples
    assert sample.ref == FILE
    assert sample.why.startswith("line ")


def test_missing_file_skips_the_rule(tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "config", ignore_errors=True)
    assert verdict(tmp_path, None).skipped == f"{tmp_path} has no {FILE}"

"""Provisioning rejects harmful changes; a database that looks like the wrong one is reported before its findings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pymongo import MongoClient

from tests.commands import Done, Workplace
from tests.models import shipped_model

pytest_plugins = ["tests.commands"]
pytestmark = pytest.mark.server

Mongo = MongoClient[dict[str, Any]]
MODEL = shipped_model()
FIRST, *OTHERS = MODEL.collections


@pytest.fixture
def unfit(mongo: Mongo, name: str) -> str:
    """A database with documents that no schema allows, and no validator."""
    unique = [field for fields in MODEL[FIRST].unique for field in fields]
    mongo[name][FIRST].insert_many(
        [{"_id": number, "odd": True, **dict.fromkeys(unique, number)} for number in range(3)]
    )
    return name


def provision(workplace: Workplace, uri: str, name: str, *flags: str) -> Done:
    """Run zava provision."""
    return workplace.zava("provision", "--uri", uri, *flags, env={"MONGODB_DATABASE": name})


def validator(mongo: Mongo, name: str) -> Any:
    """The validator of the first collection."""
    (info,) = mongo[name].list_collections(filter={"name": FIRST})
    return info["options"].get("validator")


def test_provision_refuses_a_validator_that_documents_violate(
    workplace: Workplace, mongo: Mongo, uri: str, unfit: str
) -> None:
    refused = provision(workplace, uri, unfit)
    assert (refused.code, refused.out) == (2, "")
    counted, line = refused.err.splitlines()
    assert counted == f"{FIRST}: 3 of 3 documents do not satisfy the validator"
    assert "--accept-violations" in line
    assert mongo[unfit].list_collection_names() == [FIRST]
    assert validator(mongo, unfit) is None
    assert mongo[unfit][FIRST].update_one({"_id": 0}, {"$set": {"odd": False}}).modified_count == 1


def test_provision_check_counts_violators_and_changes_nothing(
    workplace: Workplace, mongo: Mongo, uri: str, unfit: str
) -> None:
    checked = provision(workplace, uri, unfit, "--check", "--json")
    assert checked.code == 1
    numbers = {each["collection"]: each["violators"] for each in json.loads(checked.out) if "violators" in each}
    assert numbers == {FIRST: 3}
    assert validator(mongo, unfit) is None


def test_provision_installs_the_validator_when_violations_are_accepted(
    workplace: Workplace, mongo: Mongo, uri: str, unfit: str
) -> None:
    accepted = provision(workplace, uri, unfit, "--accept-violations")
    assert accepted.code == 0, accepted.err
    assert "3 of 3 documents do not satisfy the validator" in accepted.err
    assert validator(mongo, unfit)


def test_provision_of_conformant_documents_needs_no_option(
    workplace: Workplace, mongo: Mongo, uri: str, copied: str
) -> None:
    mongo[copied].command({"collMod": FIRST, "validator": {}})
    done = provision(workplace, uri, copied)
    assert done.code == 0, done.err
    assert "satisfy" not in done.err
    assert validator(mongo, copied)


def test_missing_collections_are_reported_before_findings(workplace: Workplace, uri: str, unfit: str) -> None:
    env = {"MONGODB_DATABASE": unfit}
    done = workplace.zava("validate", "--uri", uri, env=env)
    missing = f"{len(OTHERS)} of {len(MODEL.collections)} collections"
    line = f"{missing} of this model do not exist in {unfit}: wrong database or model?"
    assert done.code == 1
    assert line in done.out
    assert done.out.index(line) < done.out.index("Broken")
    printed = workplace.zava("validate", "--uri", uri, "--format", "json", "--only", "counts", env=env)
    assert json.loads(printed.out)["run"]["doubt"].startswith(line)
    html = workplace.zava("validate", "--uri", uri, "--format", "html", "--only", "counts", env=env)
    assert line in html.out


def test_correct_database_is_reported_without_a_doubt(workplace: Workplace, generated: Done) -> None:
    assert generated.code == 0
    printed = workplace.zava("validate", "--embedded", "--format", "json", "--only", "counts")
    assert "doubt" not in json.loads(printed.out)["run"]

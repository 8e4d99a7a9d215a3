"""A baseline in the suites: known violations pass and are shown as known, new violations fail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from conformance.report import json_file
from tests.commands import Workplace

pytest_plugins = ["tests.commands"]

RULE = "references.orders.customer_id"


def orphan(mongo: MongoClient[dict[str, Any]], name: str, number: int) -> None:
    """Let this number of orders refer to a missing customer."""
    mongo[name].command("collMod", "orders", validationLevel="off")
    ids = [one["_id"] for one in mongo[name]["orders"].find({}, {"_id": 1}).sort("_id", 1).limit(number)]
    mongo[name]["orders"].update_many({"_id": {"$in": ids}}, {"$set": {"customer_id": "cust_nobody"}})


def test_known_violations_pass_and_new_violations_fail(
    workplace: Workplace, mongo: MongoClient[dict[str, Any]], copied: str, uri: str, tmp_path: Path
) -> None:
    env = {"MONGODB_DATABASE": copied}
    orphan(mongo, copied, 2)
    baseline, allure = tmp_path / "baseline.json", tmp_path / "allure"
    known = ("--baseline", str(baseline), "--only", RULE)
    assert workplace.zava("validate", "--uri", uri, "--update-baseline", *known, env=env).code == 0

    flags = (*known, "--uri", uri, "--reports", str(tmp_path), f"--alluredir={allure}")
    done = workplace.suites(*flags, env=env)
    assert done.code == 0, done.out
    written = json.loads((tmp_path / "validation.json").read_text(encoding="utf-8"))
    found = {rule["id"]: rule for rule in written["rules"]}[RULE]
    assert (found["status"], found["reason"], found["known"]) == ("warned", "known: all 2 are in the baseline", 2)
    assert written["run"]["baseline"] == "baseline.json"
    json_file.load(tmp_path / "validation.json")
    results = [json.loads(path.read_text(encoding="utf-8")) for path in allure.glob("*-result.json")]
    shown = next(each for each in results if each["fullName"] == RULE)
    assert (shown["status"], shown["statusDetails"]["known"]) == ("failed", True)
    assert (allure / "pictures" / "references.svg").exists()

    orphan(mongo, copied, 3)
    done = workplace.suites(*flags, env=env)
    assert done.code == 1
    assert "1 new, 2 in the baseline" in done.out


def test_partial_update_keeps_other_rules_and_is_compared_with_the_new_baseline(
    workplace: Workplace, mongo: MongoClient[dict[str, Any]], copied: str, uri: str, tmp_path: Path
) -> None:
    env, baseline = {"MONGODB_DATABASE": copied}, tmp_path / "baseline.json"
    orphan(mongo, copied, 2)
    update = ("validate", "--uri", uri, "--baseline", str(baseline), "--update-baseline", "--only")
    assert workplace.zava(*update, RULE, env=env).code == 0
    done = workplace.zava(*update, "validators.orders.level", env=env)
    assert (done.code, done.out.splitlines()[1]) == (
        0,
        "CONFORMANT (1 known violation): 1 rule is broken only as the baseline baseline.json records",
    )
    known = json.loads(baseline.read_text(encoding="utf-8"))["rules"]
    assert {rule: entry["violations"] for rule, entry in known.items()} == {RULE: 2, "validators.orders.level": 1}
    assert "written with 3 known violations of 2 rules" in done.err


def test_suites_and_command_write_the_same_violations(
    workplace: Workplace, mongo: MongoClient[dict[str, Any]], copied: str, uri: str, tmp_path: Path
) -> None:
    env = {"MONGODB_DATABASE": copied}
    orphan(mongo, copied, 12)
    where = ("--uri", uri, "--only", f"counts,{RULE}", "--exclude", "counts", "--wait", "5")
    assert workplace.zava("validate", *where, "--violations", str(tmp_path / "one"), env=env).code == 1
    assert workplace.suites(*where, "--violations", str(tmp_path / "other"), env=env).code == 1
    one, other = (tmp_path / name / f"{RULE}.ndjson" for name in ("one", "other"))
    assert one.read_text(encoding="utf-8") == other.read_text(encoding="utf-8")
    assert len(one.read_text(encoding="utf-8").splitlines()) == 12


def test_missing_baseline_is_one_error(workplace: Workplace, tmp_path: Path) -> None:
    done = workplace.suites("--embedded", "--baseline", str(tmp_path / "none.json"))
    assert done.code == 2
    assert "there is no such baseline; make one with --update-baseline" in done.out + done.err

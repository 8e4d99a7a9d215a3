"""The commands: their output, files and exit codes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pymongo import MongoClient
from pymongo.errors import WriteError

from conformance.report import json_file
from tests.commands import BIN, SIZES, Done, Workplace, state
from tests.models import shipped_model

pytestmark = pytest.mark.slow

pytest_plugins = ["tests.commands"]


MODEL = shipped_model()
#: A collection with unique documents, and one of its documents' fields that another rule than its type guards.
FIRST = next(iter(MODEL)).name
Mongo = MongoClient[dict[str, Any]]


# generate


def test_generate_prints_the_counts(generated: Done) -> None:
    assert generated.code == 0, generated.err
    counts = json.loads(generated.out)["counts"]
    assert counts.keys() == MODEL.collections.keys()
    for collection in MODEL:
        if "setting" in collection.cardinality:
            assert counts[collection.name] == int(SIZES[collection.cardinality["setting"]])


def test_generate_refuses_a_database_with_data(workplace: Workplace, generated: Done, mongo: Mongo) -> None:
    before = state(mongo)
    done = workplace.zava("generate", "--embedded")
    assert done.code == 2
    assert "pass --drop" in done.line
    assert state(mongo) == before


@pytest.mark.parametrize(
    ("flags", "typed", "code"), [([], "", 2), ([], "wrong\n", 2), ([], "{name}\n", 0), (["--yes"], "", 0)]
)
def test_generate_drop_on_a_named_server_asks_for_the_database_name(
    workplace: Workplace, mongo: Mongo, uri: str, name: str, flags: list[str], typed: str, code: int
) -> None:
    mongo[name][FIRST].insert_one({"_id": "old"})
    stdin = typed.format(name=name)
    done = workplace.zava("generate", "--uri", uri, "--drop", *flags, env={"MONGODB_DATABASE": name}, stdin=stdin)
    assert done.code == code, done.err
    assert mongo[name][FIRST].count_documents({"_id": "old"}) == (code != 0)
    if code:
        prompt, refusal = done.err.splitlines()
        assert prompt.endswith("Type the database's name: ")
        assert refusal.startswith("zava: not confirmed; nothing was changed")
        assert done.out == ""
    else:
        assert done.out.splitlines()[-1].split() == ["documents", f"{sum(state(mongo)[name].values()):,}"]


# provision


def test_provision_check_lists_changes_and_provision_is_idempotent(
    workplace: Workplace, mongo: Mongo, uri: str, name: str
) -> None:
    def provision(*flags: str) -> Done:
        return workplace.zava("provision", "--uri", uri, *flags, env={"MONGODB_DATABASE": name})

    checked = provision("--check", "--json")
    assert checked.code == 1
    assert {change["collection"] for change in json.loads(checked.out)} == set(MODEL.collections)
    assert name not in state(mongo)
    made = provision()
    assert made.code == 0
    assert len(made.out.splitlines()) == len(json.loads(checked.out))
    again = provision()
    assert (again.code, again.out) == (0, "")
    assert "nothing to change" in again.line
    assert provision("--check").code == 0
    mongo[name].drop_collection(FIRST)
    missing = provision("--check")
    assert missing.code == 1
    assert FIRST in missing.out


def test_provision_sets_the_validators_of_the_profile(workplace: Workplace, mongo: Mongo, uri: str, name: str) -> None:
    def provision(*flags: str) -> Done:
        return workplace.zava("provision", "--uri", uri, *flags, env={"MONGODB_DATABASE": name})

    assert provision().code == 0
    orders: Any = {"_id": "order_20240101_000001", "deleted": True}
    mongo[name].orders.insert_one(orders)
    assert provision("--validators", "strict").code == 2  # the document above could not be updated any more
    strict = provision("--validators", "strict", "--accept-violations")
    assert strict.code == 0
    assert "orders: set the validator (it is that of profile connector)" in strict.out
    with pytest.raises(WriteError):
        mongo[name].orders.insert_one(orders | {"_id": "order_20240101_000002"})
    assert provision("--validators", "strict", "--check").code == 0
    assert provision("--check").code == 1
    assert provision("--validators", "lax").code == 2
    refused = provision("--users", "--validators", "strict")
    assert (refused.code, refused.line) == (
        2,
        "zava: --validators is about validators, --users about roles; give one of them",
    )


def test_provision_print_js_needs_no_server(workplace: Workplace) -> None:
    done = workplace.zava("provision", "--print-js", env={"MONGODB_CONNECTION_STRING": "mongodb://127.0.0.1:1/"})
    assert (done.code, done.err) == (0, "")
    assert all(name in done.out for name in MODEL.collections)


# validate


@pytest.fixture(scope="module")
def validated(workplace: Workplace, generated: Done) -> Mapping[str, Done]:
    """Validate the generated database in each format."""
    assert generated.code == 0
    return {how: workplace.zava("validate", "--embedded", "--format", how) for how in ("text", "json", "html")}


def test_validate_prints_the_verdict_on_stdout_only(validated: Mapping[str, Done]) -> None:
    assert [(done.code, done.err) for done in validated.values()] == [(0, "")] * 3
    text = validated["text"].out
    assert "embedded" in text.splitlines()[0] + text.splitlines()[1]
    assert "Quality score 100.0" in text
    assert validated["html"].out.lstrip().lower().startswith("<!doctype html>")


@pytest.mark.parametrize("how", ["COLUMNS=0 zava validate", "zava validate 2>&-"])
def test_verdict_is_printed_on_any_terminal(how: str, workplace: Workplace, generated: Done) -> None:
    """The cases are a terminal that reports zero columns, and no terminal on stderr."""
    assert generated.code == 0
    command = how.replace("zava", str(BIN / "zava")).replace("validate", "validate --embedded --only counts")
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=workplace.root,
        env=workplace.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "CONFORMANT" in done.stdout


def test_validate_prints_json_of_its_schema(validated: Mapping[str, Done]) -> None:
    report = json.loads(validated["json"].out)
    Draft202012Validator(json.loads(json_file.SCHEMA.read_text(encoding="utf-8"))).validate(report)
    assert report["summary"]["failed"] == report["summary"]["errors"] == 0
    assert report["counts"].keys() == MODEL.collections.keys()


NARROWED = [
    (["--only", "references"], lambda rule: "references" in rule["id"]),
    (["--only", "counts.*", "--only", "totals"], lambda rule: rule["family"] in ("counts", "totals")),
    (["--collection", FIRST], lambda rule: rule["collection"] == FIRST),
]


@pytest.mark.parametrize(
    ("flags", "wanted"), NARROWED, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_validate_runs_the_selected_rules(
    workplace: Workplace, validated: Mapping[str, Done], flags: list[str], wanted: Any
) -> None:
    every = json.loads(validated["json"].out)["rules"]
    done = workplace.zava("validate", "--embedded", "--format", "json", *flags)
    asked = [rule["id"] for rule in every if wanted(rule)]
    assert done.code == 0
    assert asked
    assert [rule["id"] for rule in json.loads(done.out)["rules"]] == asked


def test_findings_exit_1_with_the_requested_number_of_ids(
    workplace: Workplace, mongo: Mongo, copied: str, uri: str
) -> None:
    broken = [document["_id"] for document in mongo[copied][FIRST].find({}, {"_id": 1}).limit(4)]
    unchecked = mongo[copied].get_collection(FIRST)
    mongo[copied].command("collMod", FIRST, validationLevel="off")
    unchecked.update_many({"_id": {"$in": broken}}, {"$set": {"surplus": 1}})
    flags = ("--uri", uri, "--only", f"documents.{FIRST}", "--sample", "3", "--format", "json")
    done = workplace.zava("validate", *flags, env={"MONGODB_DATABASE": copied})
    failed = [rule for rule in json.loads(done.out)["rules"] if rule["status"] == "failed"]
    assert done.code == 1
    assert [rule["violations"] for rule in failed] == [4]
    assert len(failed[0]["samples"]) == 3
    assert {sample["_id"] for sample in failed[0]["samples"]} < {str(key) for key in broken}


def test_warnings_fail_only_with_strict(workplace: Workplace, mongo: Mongo, copied: str, uri: str) -> None:
    mongo[copied]["surplus"].insert_one({})
    flags = ("--uri", uri, "--only", "counts", "--format", "json")
    lenient = workplace.zava("validate", *flags, env={"MONGODB_DATABASE": copied})
    strict = workplace.zava("validate", *flags, "--strict", env={"MONGODB_DATABASE": copied})
    assert (lenient.code, strict.code) == (0, 1)
    assert json.loads(lenient.out)["summary"]["warned"] == 1


def test_reports_are_written_to_the_given_folder(workplace: Workplace, generated: Done, tmp_path: Path) -> None:
    done = workplace.zava("validate", "--embedded", "--only", "counts", "--reports", str(tmp_path), "--format", "json")
    assert done.code == 0
    assert (tmp_path / "validation.json").read_text(encoding="utf-8") == done.out
    assert (tmp_path / "validation.html").exists()


def test_unconfigured_ci_is_rejected_without_embedded(workplace: Workplace, generated: Done) -> None:
    refused = workplace.zava("validate", env={"CI": "true"})
    assert refused.code == 2
    assert "MONGODB_CONNECTION_STRING" in refused.line
    assert "--embedded" in refused.line
    assert workplace.zava("conform", env={"CI": "true"}).code == 2
    assert workplace.zava("validate", "--embedded", "--only", "counts", env={"CI": "true"}).code == 0


# rules, explain, conform


def test_rules_are_listed_and_explained_without_a_server(workplace: Workplace) -> None:
    nowhere = {"MONGODB_CONNECTION_STRING": "mongodb://127.0.0.1:1/"}
    listed = workplace.zava("rules", "--json", env=nowhere)
    rules = json.loads(listed.out)
    lines = workplace.zava("rules", env=nowhere).out.splitlines()
    explained = workplace.zava("explain", rules[0]["id"], env=nowhere)
    assert (listed.code, listed.err, explained.code, explained.err) == (0, "", 0, "")
    assert [line.split()[0] for line in lines] == [rule["id"] for rule in rules]
    assert rules[0]["title"] in explained.out


def test_model_above_the_current_folder_is_found(workplace: Workplace) -> None:
    done = workplace.zava("rules", "--json", folder=workplace.root / "schemas")
    assert done.code == 0
    assert json.loads(done.out)


def test_closed_pipe_prints_no_traceback(workplace: Workplace) -> None:
    with workplace.start("zava", "rules") as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""

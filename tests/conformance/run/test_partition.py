"""A partitioned run on a dirty database has the same counts, violations and samples as a run in one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128, MaxKey, ObjectId
from pymongo import MongoClient
from pymongo.database import Database

from conformance.checks.base import Context, Rule
from conformance.checks.key_range import Partition
from conformance.errors import ConfigurationError
from conformance.results import Report, Result, Sample, TargetInfo
from conformance.rules.catalogue import DATA_FAMILIES
from conformance.run.merge import merged, merged_report
from conformance.run.runner import BY_RANGE, Run
from conformance.run.session import load_project
from generator.columns.plan import Plan
from tests.conformance.report.readable import outputs, unreadable
from tests.validation import ROOT

Document = dict[str, Any]
PROJECT = load_project(ROOT, num_customers=40, num_orders=150, seed=11)
RULES = [rule for rule in PROJECT.rules if rule.family in (*DATA_FAMILIES, "embeddings")]


@pytest.fixture(scope="module")
def context(server: MongoClient[Document]) -> Iterator[Context]:
    """A database without validators in which every tenth or so document is broken, in many ways."""
    database = server["partitioned"]
    server.drop_database(database.name)
    for name, documents in Plan(PROJECT.model, PROJECT.configuration, PROJECT.settings).documents():
        database[name].insert_many(documents)
    soil(database)
    yield Context(PROJECT.model, PROJECT.configuration, PROJECT.settings, database, True, None)
    server.drop_database(database.name)


def soil(database: Database[Document]) -> None:
    """Break documents in ways that rules detect, including keys and _ids of other types and missing keys."""
    orders, items, customers = database["orders"], database["order_items"], database["customers"]
    strange: list[Any] = [None, 7, 2.5, True, ObjectId(), {"a": 1}, Decimal128("1.5"), MaxKey(), [1, 2]]
    for number, one in enumerate(list(items.find().sort("_id", 1))[::4]):
        broken = (
            {"order_id": f"order_20990101_{number:06}"},
            {"line_total": one["line_total"] + 1},
            {"product_name": "Another"},
            {"product_id": strange[number % len(strange)]},
            {"quantity": -1, "unit_price": None},
            {"store_id": "store_nowhere"},
            {"created_at": "yesterday"},
            {"deleted": "no", "extra": [None]},
        )
        items.update_one({"_id": one["_id"]}, {"$set": broken[number % len(broken)]})
    items.update_many({"quantity": 3}, {"$unset": {"order_id": ""}})
    for number, one in enumerate(list(orders.find().sort("_id", -1))[::3]):
        broken = (
            {"total": one["total"] + 0.5},
            {"customer_name": "Nobody"},
            {"customer_id": "cust_nobody"},
            {"store_id": strange[number % len(strange)]},
            {"deleted": True},
            {"order_id": f"order_19990101_{number:06}"},
        )
        orders.update_one({"_id": one["_id"]}, {"$set": broken[number % len(broken)]})
    for key in strange[1:-1]:
        orders.insert_one({"_id": key, "order_id": key, "customer_id": key})
        items.insert_one({"_id": key, "order_id": key, "product_id": key, "quantity": key})
    customers.update_many({"first_name": {"$gt": "M"}}, {"$set": {"email": "shared@example.com", "deleted": True}})
    database["inventory"].update_many({"stock_level": {"$gt": 60}}, {"$set": {"stock_level": -1, "location.x": 1}})
    database["products"].update_many({"cost": {"$gt": 40}}, {"$set": {"base_price": 0.001}, "$unset": {"sku": ""}})
    database["stores"].delete_one({})
    database["product_embeddings"].delete_many({"product_id": {"$gt": "prod_p"}})


def run(context: Context, rules: list[Rule]) -> list[Result]:
    with Run(rules, context) as running:
        return running.results()


def parts(context: Context, rules: list[Rule], number: int) -> list[list[Result]]:
    return [run(replace(context, partition=Partition(one, number), ranges={}), rules) for one in range(1, number + 1)]


def timeless(results: list[Result]) -> dict[str, Result]:
    return {result.id: replace(result, duration_s=0.0) for result in results}


@pytest.fixture(scope="module")
def whole(context: Context) -> dict[str, Result]:
    """Return the results of a run in one process."""
    return timeless(run(context, RULES))


def test_dirty_database_breaks_more_than_20_rules(whole: dict[str, Result]) -> None:
    broken = {rule.id for rule in RULES if isinstance(rule.check, BY_RANGE) and whole[rule.id].violations}
    assert len(broken) > 60
    assert {rule.family for rule in RULES if rule.id in broken} >= {
        "documents", "references", "uniqueness", "snapshots", "totals", "business", "crdt",
    }  # fmt: skip
    assert sum(len(whole[rule].samples) == 5 < whole[rule].violations for rule in broken) > 20


def test_outputs_of_a_dirty_run_are_readable_without_the_code(context: Context, whole: dict[str, Result]) -> None:
    """The database also lacks indexes and validators."""
    server_rules = [rule for rule in PROJECT.rules if rule.family in ("indexes", "validators", "queries", "streams")]
    results = [*whole.values(), *run(context, server_rules)]
    assert {result.status for result in results} >= {"passed", "failed", "warned", "skipped"}
    target = TargetInfo("mongodb://db.example/", "shop", "8.0.4", embedded=False)
    report = Report(target, 1, "2026-11-22T05:19:30Z", 1.0, "zava validate", context.counts, results)
    assert [one for texts in outputs(report).values() for one in unreadable(texts)] == []


@pytest.mark.parametrize("number", [1, 3, 8])
def test_merged_parts_equal_one_run(number: int, context: Context, whole: dict[str, Result]) -> None:
    found = timeless(merged(RULES, parts(context, RULES, number), context.sample_size))
    assert list(found) == list(whole)
    assert [one for one in whole if found[one] != whole[one]] == []


def test_rule_run_alone_has_the_same_result(context: Context, whole: dict[str, Result]) -> None:
    """A pass over a collection that several rules share includes only the selected rules."""
    alone = timeless([run(context, [rule])[0] for rule in RULES])
    assert [one for one in whole if alone[one] != whole[one]] == []


def test_parts_outnumbering_documents_merge_correctly(context: Context, whole: dict[str, Result]) -> None:
    rules = [rule for rule in RULES if rule.collection in ("stores", "categories")]
    found = timeless(merged(rules, parts(context, rules, 40), context.sample_size))
    assert [rule.id for rule in rules if found[rule.id] != whole[rule.id]] == []


def test_part_examines_its_fraction_of_documents(context: Context, whole: dict[str, Result]) -> None:
    """Each part examines about the same number of documents, so that the work is divided."""
    rule = "documents.order_items.quantity"
    examined = [one.examined for (one,) in parts(context, [each for each in RULES if each.id == rule], 4)]
    quarter = whole[rule].examined / 4
    assert all(abs(one - quarter) <= 1 for one in examined)


def test_samples_beyond_the_limit_are_not_read(context: Context) -> None:
    """Except for one more, which shows that there are more."""
    found = (Sample(f"{number}") for number in range(9))
    assert [sample.why for sample in context.samples(found)] == ["0", "1", "2", "3", "4"]
    assert [sample.why for sample in found] == ["6", "7", "8"]


@pytest.mark.parametrize("path", ["k", "k.n"])
@pytest.mark.parametrize("number", [2, 7, 20])
def test_every_document_is_in_exactly_one_part(server: MongoClient[Document], path: str, number: int) -> None:
    """Arrays are included, which are sorted by their least element and compared as a whole."""
    keys: list[Any] = [
        *range(60),
        None,
        "a",
        {"a": 1},
        [],
        *([one, 30] for one in range(60)),
        *({"n": one} for one in range(30)),
    ]
    keys += [*({"n": [one, 9]} for one in range(30)), *([{"n": one}, {"n": 3}] for one in range(30))]
    collection = server["partitioned"]["keys"]
    collection.drop()
    collection.insert_many([{"_id": number, "k": key} for number, key in enumerate(keys)] + [{"_id": "no key"}])
    parts = [Partition(one, number).range(collection, path, len(keys) + 1).of(path) for one in range(1, number + 1)]
    found = [row["_id"] for part in parts for row in collection.find(part)]
    collection.drop()
    assert len(found) == len(set(found)) == len(keys) + 1


def test_indivisible_rule_runs_in_one_part(context: Context) -> None:
    rules = [rule for rule in RULES if not isinstance(rule.check, BY_RANGE)]
    answered = [[one.id for one in part] for part in parts(context, rules, 3)]
    assert sorted(name for part in answered for name in part) == sorted(rule.id for rule in rules)
    assert all(answered)


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "1/0", "a/b", "1/2/3", "-1/2", "1/10001", " 1/2"])
def test_invalid_partition_is_rejected(text: str) -> None:
    with pytest.raises(ConfigurationError, match="--partition: found "):
        Partition.parse(text)


def test_partition_is_parsed() -> None:
    assert Partition.parse("2/4") == Partition(2, 4)


PLACE = TargetInfo("mongodb://db", "zava", "8.0.0", False)
COMMON: Document = {"seed": 1, "started_at": "2026-01-01T00:00:00Z", "duration_s": 1.0, "command": "zava validate"}


def part(number: int, of: int = 2, **changed: Any) -> Report:
    """Return a part without results."""
    ranges = changed.pop("ranges", {"a._id": {"$gte": f"{number}", "$lt": f"{number + 1}"}})
    partition = changed.pop("partition", {"number": number, "of": of, "samples": 5, "ranges": ranges})
    given = COMMON | {"target": PLACE, "counts": {"a": 2}, "results": [], "partition": partition} | changed
    return Report(**given)


@pytest.mark.parametrize(
    ("reports", "why"),
    [
        ([part(1)], "each of the N parts must be given once, with the same --sample; found 1/2"),
        ([part(1), part(1)], "found 1/2, 1/2"),
        ([part(1), part(2, 3)], "found 1/2, 2/3"),
        ([part(1), part(2, partition=None)], "is a whole run"),
        ([part(1), part(2, counts={"a": 3})], "or other documents"),
        ([part(1), part(2, seed=2)], "or other documents"),
        (
            [part(1), part(2, ranges={"a._id": {"$gte": "3"}})],
            "key ranges of a._id are not contiguous because the data changed",
        ),
        ([part(1), part(2, ranges={})], "key ranges of a._id are not contiguous because the data changed"),
    ],
    ids=["missing", "twice", "other N", "whole", "counts", "seed", "gap", "no range"],
)
def test_incomplete_or_mixed_parts_are_rejected(reports: list[Report], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        merged_report(RULES, {Path(f"part {number}"): one for number, one in enumerate(reports)})


def test_rule_missing_in_a_part_is_rejected(whole: dict[str, Result]) -> None:
    result = whole["documents.orders.status"]
    with pytest.raises(ValueError, match=r"documents\.orders\.status is in 2 of 3 parts"):
        merged(RULES, [[result], [result], []], 5)


def test_error_in_one_part_is_the_result_of_the_rule(whole: dict[str, Result]) -> None:
    result = whole["documents.orders.status"]
    error = replace(result, status="error", reason="broken off", examined=0, violations=0, samples=())
    (found,) = merged(RULES, [[result], [error]], 5)
    assert (found.status, found.reason) == ("error", "broken off")


def zava(context: Context, *arguments: str) -> subprocess.CompletedProcess[str]:
    host, port = context.database.client.address or ("", 0)
    named = {
        "MONGODB_CONNECTION_STRING": f"mongodb://{host}:{port}/?directConnection=true",
        "MONGODB_DATABASE": context.database.name,
        "NUM_CUSTOMERS": "40",
        "NUM_ORDERS": "150",
        "SEED": "11",
    }
    command = [str(Path(sys.executable).with_name("zava")), *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | named, capture_output=True, text=True, check=False)


@pytest.mark.soak
def test_commands_validate_parts_and_merge_them(context: Context, whole: dict[str, Result], tmp_path: Path) -> None:
    validate = ("validate", "--only", "documents.order*", "--only", "references.*")
    files = [tmp_path / f"part-{number}.json" for number in (1, 2)]
    for number, file in enumerate(files, 1):
        done = zava(context, *validate, "--partition", f"{number}/2")
        assert done.returncode == 0, done.stderr  # a part gives no verdict
        file.write_text(done.stdout, encoding="utf-8")
    done = zava(context, "merge", *map(str, reversed(files)), "--format", "json")
    assert done.returncode == 1, done.stderr
    report = json.loads(done.stdout)
    alone = json.loads(zava(context, *validate, "--json").stdout)
    assert "partition" not in report
    assert report["summary"] == alone["summary"]
    assert [rule | {"duration_s": 0} for rule in report["rules"]] == [
        rule | {"duration_s": 0} for rule in alone["rules"]
    ]


@pytest.mark.parametrize("more", [("--format", "text"), ("--watch",)], ids=" ".join)
def test_partition_rejects_options_that_need_a_verdict(context: Context, more: tuple[str, ...]) -> None:
    done = zava(context, "validate", "--partition", "1/2", *more)
    assert (done.returncode, done.stdout) == (2, "")
    assert "which gives no verdict" in done.stderr

"""Findings: a headline states the violation, one cause is one finding with its consequences, the worst comes first."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from conformance.report.findings import KINDS, Finding, findings
from conformance.report.headline import amount, headline
from conformance.results import Report, Result, Sample
from tests.conformance.report.report_example import report, result

REFERENCE = {"collection": "orders", "field": "customer_id", "target": "customers"}


def documents(rule: str, ids: list[Any], why: str = "x is wrong", status: str = "failed", **fields: Any) -> Result:
    """Return a rule that these documents break."""
    samples = tuple(Sample(why, id=one) for one in ids)
    return result(rule, status, **{"violations": len(ids), "samples": samples, **fields})


def setting(rule: str, why: str, ref: str | None = None, status: str = "failed", **fields: Any) -> Result:
    """Return a rule that a setting breaks, for example an index."""
    sample = Sample(why, ref=ref or rule.split(".")[1])
    return result(rule, status, **{"violations": 1, "examined": 1, "samples": (sample,), **fields})


def count(name: str, found: int, low: int, high: int) -> Result:
    """Return the rule of a collection with a wrong number of documents."""
    off = max(low - found, found - high)
    samples = (Sample(f"{found:,} documents, expected {low:,} (a setting)", ref=name),)
    evidence = {"found": found, "low": low, "high": high, "expected": "as set"}
    rule = f"counts.{name}.documents"
    return result(rule, "failed", violations=off, examined=max(found, 1), samples=samples, evidence=evidence)


def tree(run: Report, kind: str = "failed") -> list[Any]:
    """Return the rules of each finding of a kind, each followed by the list of its consequences."""
    shown: list[Any] = []
    for found in findings(run)[kind]:  # type: ignore[index]
        shown.append(found.rule)
        if found.consequences:
            shown.append([each.rule for each in found.consequences])
    return shown


# Headlines and amounts


@pytest.mark.parametrize(
    ("found", "low", "high", "line", "difference"),
    [
        (100, 600, 600, "500 of 600 documents are missing in a", "100 found, 600 expected: 500 missing"),
        (0, 1, 1, "1 of 1 document is missing in a", "0 found, 1 expected: 1 missing"),
        (2560, 2720, 3200, "160 of at least 2,720 documents are missing in a",
         "2,560 found, 2,720 to 3,200 expected: 160 missing"),
        (9, 8, 8, "1 document too many in a: 9 found, 8 expected", "9 found, 8 expected: 1 too many"),
        (120, 20, 100, "20 documents too many in a: 120 found, at most 100 expected",
         "120 found, 20 to 100 expected: 20 too many"),
    ],
)  # fmt: skip
def test_wrong_document_count_is_reported_as_a_difference(
    found: int, low: int, high: int, line: str, difference: str
) -> None:
    wrong = count("a", found, low, high)
    assert headline([wrong]) == line
    assert amount(wrong) == difference
    assert "%" not in line + difference


@pytest.mark.parametrize(
    ("violations", "examined", "text"),
    [
        (2, 200_000, "2 of 200,000 (0.001 %)"),
        (1, 450_000, "1 of 450,000 (under 0.001 %)"),
        (1, 3, "1 of 3 (33.333 %)"),
        (1000, 1000, "1,000 of 1,000 (100 %)"),
        (10, 0, "10"),
        (7, 2, "7"),
    ],
)
def test_amount_states_violations_and_examined_documents(violations: int, examined: int, text: str) -> None:
    assert amount(result("totals.a.b", "failed", violations=violations, examined=examined)) == text


@pytest.mark.parametrize(
    ("broken", "line"),
    [
        (documents("totals.a.b", ["x"], "b is 3, expected 4"), "1 of 1,000 documents in a: b is 3, expected 4"),
        (documents("totals.a.b", ["x", "y"], "b is null"), "2 of 1,000 documents in a: b is null"),
        (
            result("totals.a.b", "failed", violations=3, samples=(Sample("b is 3", id="x"), Sample("b is 4", id="y"))),
            "3 of 1,000 documents in a, for example: b is 3",
        ),
        (documents("totals.a.b", ["x", "y"], "b is null", examined=1), "2 documents in a: b is null"),
        (setting("indexes.a.b", "there is no index on b", "a.b_1"), "a.b_1: there is no index on b"),
        (
            result("counts._database.unknown", "warned", violations=2, examined=9,
                   samples=(Sample("no schema defines it", ref="tmp"), Sample("no schema defines it", ref="vip"))),
            "tmp, vip: no schema defines it",
        ),
        (result("totals.a.b", "failed", violations=2, title="All is well"), "All is well: 2 of 1,000 (0.2 %)"),
        (result("indexes.a.b", "error", reason="no answer"), "indexes.a.b could not be run: no answer"),
    ],
)  # fmt: skip
def test_headline_states_the_violation(broken: Result, line: str) -> None:
    assert headline([broken]) == line


def test_headline_is_truncated() -> None:
    assert len(headline([documents("totals.a.b", ["x"], "w" * 10_000)])) < 200


# Findings of one cause


def test_same_fault_in_several_collections_is_one_finding() -> None:
    why = "the collection has no validator"
    names = ("stores", "orders", "customers")
    run = report(*(setting(f"validators.{name}.present", why, title=f"{name}: it validates") for name in names))
    (found,) = findings(run)["failed"]
    assert found.headline == "3 collections: the collection has no validator"
    assert (found.rule, found.requirement, found.violations) == ("validators.*.present", "It validates", 3)
    assert [each.collection for each in found.results] == ["customers", "orders", "stores"]


def test_documents_of_several_collections_with_the_same_fault_are_one_finding() -> None:
    why = "deleted is missing"
    run = report(*(documents(f"crdt.{name}.soft-delete", list(range(n)), why) for n, name in ((2, "a"), (3, "b"))))
    assert [found.headline for found in findings(run)["failed"]] == ["5 documents in 2 collections: deleted is missing"]


@pytest.mark.parametrize(
    "other",
    [
        setting("validators.b.present", "the collection does not exist"),
        setting("validators.b.level", "the same"),
        setting("validators.b.present", "the same", status="warned"),
        replace(setting("validators.b.present", "the same", status="warned"), severity="error", known=1),
        documents("validators.b.present", ["b"], "the same"),
    ],
    ids=["another reason", "another rule", "a warning", "known", "a document"],
)
def test_different_faults_are_separate_findings(other: Result) -> None:
    run = report(setting("validators.a.present", "the same"), other)
    assert sum(len(listed) for listed in findings(run).values()) == 2


def test_rules_with_the_same_error_are_one_finding() -> None:
    errors = [result(f"permissions._config.{name}", "error", reason="the file is missing") for name in "abc"]
    (found,) = findings(report(*errors))["error"]
    assert found.headline == "3 rules of Permissions could not be run: the file is missing"


# Causes


def query(condition: dict[str, list[str]]) -> Result:
    """A named query that reads too much."""
    return setting("queries.orders.history", "has COLLSCAN", "q", evidence={"condition": condition})


NO_INDEX = setting("indexes.orders.customer_id+order_date", "there is no index", "orders.customer_id_1_order_date_-1")


def test_query_and_reference_follow_from_their_missing_index() -> None:
    keys = setting("indexes.orders.foreign-keys", "no index starts with customer_id", "orders.customer_id")
    run = report(query({"orders": ["customer_id"]}), keys, NO_INDEX)
    assert tree(run) == ["indexes.orders.customer_id+order_date", [keys.id, "queries.orders.history"]]
    (found,) = findings(run)["failed"]
    assert {each.relation for each in found.consequences} == {"the index on customer_id of orders is missing or wrong"}


@pytest.mark.parametrize("condition", [{"orders": ["order_date"]}, {"items": ["customer_id"]}, {}])
def test_query_that_needs_another_index_is_a_separate_finding(condition: dict[str, list[str]]) -> None:
    assert len(findings(report(query(condition), NO_INDEX))["failed"]) == 2


def test_lookup_by_a_field_without_its_index_follows_from_the_missing_index() -> None:
    run = report(query({"stores": ["store_id"], "orders": ["customer_id"]}), NO_INDEX)
    assert tree(run) == ["indexes.orders.customer_id+order_date", ["queries.orders.history"]]


def test_references_to_missing_documents_follow_from_the_count() -> None:
    dangling = documents("references.orders.customer_id", list("abcdef"))
    run = report(dangling, count("customers", 1, 3, 3), measured={"references": [REFERENCE]})
    assert tree(run) == ["counts.customers.documents", ["references.orders.customer_id"]]
    many = report(dangling, count("customers", 4, 3, 3), measured={"references": [REFERENCE]})
    assert len(tree(many)) == 2


def test_missing_collection_is_one_finding() -> None:
    absent = setting("validators.orders.present", "the collection does not exist")
    images = setting("streams.orders.images", "the collection does not exist, so its changes have no images")
    run = report(count("orders", 0, 9, 9), NO_INDEX, absent, images, query({"orders": ["customer_id"]}))
    assert tree(run)[0] == "validators.orders.present"
    assert set(tree(run)[1]) == {
        "counts.orders.documents", NO_INDEX.id, "streams.orders.images", "queries.orders.history",
    }  # fmt: skip


def test_rules_broken_by_the_same_documents_follow_from_the_first() -> None:
    ids = [1, 2]
    first, second = documents("documents.a.stock", ids), documents("business.a.stock", ids, "y is wrong")
    assert tree(report(second, first)) == ["documents.a.stock", ["business.a.stock"]]
    for other in (documents("business.a.stock", [1, 3]), documents("business.b.stock", ids)):
        assert len(tree(report(first, other))) == 2
    more = documents("business.a.stock", ids, violations=7)
    assert len(tree(report(first, more))) == 2


def test_failure_does_not_follow_from_a_warning() -> None:
    ids = [1, 2]
    warned = documents("documents.a.size", ids, status="warned")
    run = report(warned, documents("embeddings.a.size", ids, "z"))
    assert (tree(run), tree(run, "warned")) == (["embeddings.a.size", ["documents.a.size"]], [])
    counted = replace(count("customers", 1, 3, 3), status="warned", severity="warning")
    dangling = documents("references.orders.customer_id", list("abcdef"))
    run = report(counted, dangling, measured={"references": [REFERENCE]})
    assert (tree(run), tree(run, "warned")) == ([dangling.id], [counted.id])


def test_findings_are_ordered_by_violations() -> None:
    few, many = documents("documents.a.b", list(range(2))), documents("security.a.b", list(range(9)), "z")
    same = documents("totals.a.b", ["x", "y"], "z")
    warned = documents("counts.a.b", list(range(50)), status="warned")
    found = findings(report(few, same, warned, many))
    assert [each.rule for each in found["failed"]] == ["security.a.b", "documents.a.b", "totals.a.b"]
    assert [each.rule for each in found["warned"]] == ["counts.a.b"]


def _any_result(chance: random.Random, number: int) -> Result:
    family = chance.choice(("counts", "indexes", "queries", "validators", "references", "documents", "crdt"))
    subject = chance.choice(("a_id", "foreign-keys", "documents", "present", f"s{number}"))
    rule = f"{family}.{chance.choice('abc')}.{subject}"
    why = chance.choice(("the collection does not exist", "x", "y"))
    status = chance.choice(("failed", "failed", "warned", "error"))
    evidence = {"condition": {chance.choice("abc"): ["a_id"]}, "found": 1, "low": 2, "high": 3}
    if status == "error":
        return result(rule, "error", reason=why)
    made = setting if chance.random() < 0.5 else documents
    found = made(rule, why) if made is setting else documents(rule, [chance.randint(1, 3)], why)
    return replace(found, status=status, evidence=evidence)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(60))
def test_every_broken_rule_is_in_exactly_one_finding(seed: int) -> None:
    chance = random.Random(seed)
    results = {each.id: each for each in (_any_result(chance, number) for number in range(25))}
    references = [{"collection": one, "field": "a_id", "target": other} for one in "abc" for other in "abc"]
    found = findings(report(*results.values(), measured={"references": references}))
    shown = [each for listed in found.values() for root in listed for each in root.walk()]
    assert sorted(each.id for finding in shown for each in finding.results) == sorted(results)
    for kind in KINDS:
        for root in found[kind]:
            assert root.kind == kind
            assert all(KINDS.index(each.kind) >= KINDS.index(kind) and each.relation for each in root.consequences)


def test_single_finding_has_no_relation() -> None:
    assert Finding((NO_INDEX,)).relation == ""
    assert list(Finding((NO_INDEX,)).walk()) == [Finding((NO_INDEX,))]

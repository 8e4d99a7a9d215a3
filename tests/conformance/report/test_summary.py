"""Parts shared by all reports: the verdict, the order of families, the formula of the score."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from bson import Binary, DatetimeMS, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Timestamp

from conformance.errors import ConfigurationError
from conformance.files.writing import write_text
from conformance.report.counts import counts
from conformance.report.find_query import find_query, literal
from conformance.report.summary import score_formula, skip_reasons, tallies, verdict, with_status
from conformance.report.text import finding
from conformance.results import Result, Sample
from conformance.rules.families import FAMILIES, family
from conformance.text.visible import visible
from tests.conformance.report.report_example import REPORT, report, result

PASSED = result("counts.parents.number")
FAILED = result("references.children.parent_id", "failed", violations=1)
WARNED = result("crdt.children.size", "warned", violations=1)
ERROR = result("indexes.children.vector", "error", reason="no answer")
SKIPPED = result("streams._database.connector", "skipped", reason="needs a named server")


@pytest.mark.parametrize(
    ("results", "strict", "word", "sentence"),
    [
        ([PASSED], False, "CONFORMANT", "1 rule holds"),
        ([PASSED, SKIPPED], False, "CONFORMANT", "1 rule was not examined, 1 rule holds"),
        ([PASSED, WARNED], False, "CONFORMANT", "1 warning, 1 rule holds"),
        ([PASSED, WARNED], True, "NOT CONFORMANT", "1 warning, 1 rule holds, warnings count as broken"),
        ([PASSED, FAILED, ERROR], False, "NOT CONFORMANT", "1 rule is broken, 1 rule could not be run, 1 rule holds"),
        ([PASSED, ERROR, ERROR], False, "INCOMPLETE", "2 rules could not be run, 1 rule holds"),
        ([SKIPPED], False, "INCOMPLETE", "1 rule was not examined"),
        ([], False, "INCOMPLETE", "no rule was run"),
    ],
)
def test_verdict_agrees_with_the_exit_code(results: list[Result], strict: bool, word: str, sentence: str) -> None:
    run = report(*results)
    overall = verdict(run, strict=strict)
    assert (overall.word, overall.sentence) == (word, sentence)
    assert {"CONFORMANT": 0, "NOT CONFORMANT": 1, "INCOMPLETE": 3}[overall.word] == run.exit_code(strict=strict)


def test_families_that_need_attention_come_first() -> None:
    run = report(result("zoo.cats.fed"), SKIPPED, result("counts.a.number"), result("counts.z.number", "failed"))
    assert [tally.title for tally in tallies(run)] == ["Counts", "Change streams", "Zoo"]
    assert [each.id for each in tallies(run)[0].results] == ["counts.z.number", "counts.a.number"]
    assert [tallies(run)[0].number(status) for status in ("passed", "failed", "skipped")] == [1, 1, 0]


def test_results_of_a_status_follow_the_families() -> None:
    run = report(FAILED, result("counts.z.number", "failed"), PASSED)
    assert [each.id for each in with_status(run, "failed")] == ["counts.z.number", FAILED.id]


def test_skip_reasons_are_ordered_by_number_of_rules() -> None:
    assert [(reason, len(results)) for reason, results in skip_reasons(REPORT)] == [
        ("the collection is empty", 2),
        ("needs a named server", 1),
    ]


@pytest.mark.parametrize(
    ("results", "formula"),
    [
        ([PASSED, PASSED, FAILED], "66.6 = 100 x (3 x 2) / (3 x 3)"),
        ([PASSED, WARNED], "75.0 = 100 x (3 x 1 + 1 x 0) / (3 x 1 + 1 x 1)"),
        ([PASSED, SKIPPED], "100.0 = 100 x (3 x 1) / (3 x 1)"),
        ([SKIPPED], "0.0, as no rule was run"),
    ],
)
def test_score_formula_shows_its_terms(results: list[Result], formula: str) -> None:
    assert score_formula(report(*results)) == formula


@pytest.mark.parametrize(
    ("evidence", "bounds", "text"),
    [
        ({"expected": 8000}, (8000, 8000), "8,000"),
        ({"expected": [20, 100]}, (20, 100), "20 to 100"),
        ({"expected": (1.0, 5.4)}, (1, 5), "1 to 5"),
        ({"expected": "8 (the bounds in the schema)"}, None, "8 (the bounds in the schema)"),
        ({"expected": "2 to 9 (a setting)", "low": 2, "high": 9}, (2, 9), "2 to 9 (a setting)"),
        ({"low": 2, "high": 9}, (2, 9), "2 to 9"),
        ({"low": 2}, None, ""),
        ({"expected": True}, None, ""),
        ({"expected": [1]}, None, ""),
        ({"expected": {"about": 1}}, None, ""),
        ({}, None, ""),
    ],
)
def test_expected_counts_are_optional(evidence: dict[str, Any], bounds: tuple[int, int] | None, text: str) -> None:
    run = report(result("counts.parents.number", evidence=evidence))
    assert [(count.expected, count.expectation) for count in counts(run)] == [(bounds, text), (None, ""), (None, "")]


def test_every_family_has_a_description() -> None:
    documented = "counts documents references uniqueness snapshots totals business crdt indexes queries validators"
    assert list(FAMILIES) == [*documented.split(), "streams", "sync", "permissions", "embeddings", "security"]
    for name, about in FAMILIES.items():
        assert re.fullmatch(r"[A-Z][A-Za-z ]{3,24}", about.title), name
        assert re.fullmatch(r"[A-Z](?:[^.]|[.](?=\w)){20,130}\.", about.meaning), name
    assert len({about.title for about in FAMILIES.values()}) == len(FAMILIES)
    assert family("zoo").title == "Zoo"


@pytest.mark.parametrize(
    ("text", "limit", "shown"),
    [
        ("plain", 10, "plain"),
        ("", 10, '""'),
        ("a\nb\tc\x1b[0m", 99, r"a\u000ab\u0009c\u001b[0m"),
        ("\u202eabc\u2066\u200b\ufeff\ud800\u2028", 99, r"\u202eabc\u2066\u200b\ufeff\ud800\u2028"),
        ("شركة 😀 é", 99, "شركة 😀 é"),
        ("a" * 10 + "b" * 10, 8, "aaaaaa […12 characters left out…] bb"),
    ],
)
def test_visible_escapes_control_characters_and_truncates(text: str, limit: int, shown: str) -> None:
    assert visible(text, limit) == shown


def test_failed_write_keeps_the_old_file_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    folder = tmp_path / "validation.json"
    (folder / "inside").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match=r"validation\.json: cannot be written: .*; free space"):
        write_text(folder, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["validation.json"]
    write_text(tmp_path / "deep" / "file", "lone \ud800 ü\n")
    assert (tmp_path / "deep" / "file").read_bytes() == b"lone \\ud800 \xc3\xbc\n"


def test_query_names_collection_and_ids_exactly() -> None:
    assert find_query('a"b', ["x", 1]) == 'db.getCollection("a\\"b").find({_id: {$in: ["x", 1]}})'


def _literals() -> list[tuple[object, str]]:
    four = uuid.UUID("12345678-1234-4234-9234-123456789abc")
    return [
        (None, "null"),
        (True, "true"),
        (7, "7"),
        (2**53, 'Long("9007199254740992")'),
        (Int64(7), 'Long("7")'),
        (1.5, "1.5"),
        ("a\u202e\"'</script>", '"a\\u202e\\"\'</script>"'),
        (ObjectId("5" * 24), f'ObjectId("{"5" * 24}")'),
        (Decimal128("1.10"), 'NumberDecimal("1.10")'),
        (four, 'UUID("12345678-1234-4234-9234-123456789abc")'),
        (dt.datetime(2026, 1, 2, 3, 4, 5, 678000), 'ISODate("2026-01-02T03:04:05.678Z")'),
        (dt.datetime(2026, 1, 2, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))), 'ISODate("2026-01-01T23:00:00.000Z")'),
        (Binary(b"\x01\xff", 5), 'HexData(5, "01ff")'),
        (b"\x01", 'HexData(0, "01")'),
        ({"": MinKey(), "b": MaxKey()}, '{"": MinKey(), "b": MaxKey()}'),
        (Timestamp(5, 6), "Timestamp({t: 5, i: 6})"),
        (DatetimeMS(-(10**15)), "new Date(-1000000000000000)"),
        (DBRef("stores", Int64(1)), '{"$ref": "stores", "$id": Long("1")}'),
        ({"b": [1, None], "a": "x"}, '{"b": [1, null], "a": "x"}'),
        ({1}, '"{1}"'),
    ]


@pytest.mark.parametrize(("value", "text"), _literals(), ids=lambda each: type(each).__name__)
def test_values_are_written_in_mongosh_syntax(value: object, text: str) -> None:
    assert literal(value) == text


@pytest.mark.parametrize(
    ("identity", "shown"),
    [
        ("order_1", "order_1"),
        (7, "7"),
        (2.5, "2.5"),
        (ObjectId("6" * 24), "6" * 24),
        (True, "true"),
        (None, "null"),
        ({"a": 1, "b": "x"}, '{"a": 1, "b": "x"}'),
        (Decimal128("1.5"), "1.5 (decimal)"),
        (MaxKey(), "MaxKey"),
    ],
    ids=str,
)
def test_id_is_shown_without_python_syntax(identity: Any, shown: str) -> None:
    broken = result("counts.a.b", "failed", violations=1, samples=(Sample("why", id=identity),))
    assert broken.samples[0].as_json() == {"_id": shown, "why": "why"}
    assert f"{shown}: why" in finding(broken)

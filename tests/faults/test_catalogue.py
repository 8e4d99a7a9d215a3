"""Fault files that are rejected, the kill matrix, and the summary of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.faults.catalogue import Fault, load_catalogue
from tests.faults.engine.expectations import Verdict
from tests.faults.engine.fault_runner import FaultRunner
from tests.faults.kill_matrix import COMMITTED, alive, matrix, needless, stale, write
from tests.faults.tally import count, in_words
from tests.models import shipped_model

MODEL = shipped_model()


# -- faults that are rejected ------------------------------------------------------------------------------------------


ENTRY = {"id": "a.b", "title": "Something is broken", "edits": [{"in": "orders", "unset": ["total"]}]}
PATTERN = {
    "pattern": "gone",
    "each": "field",
    "title": "Something is broken",
    "edits": [{"in": "{collection}", "unset": ["{path}"]}],
}


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ({"fault": [ENTRY]}, r"broken\.yaml: at \$: .*'fault' was unexpected"),
        ({}, r"broken\.yaml: at \$: "),
        ({"faults": []}, r"broken\.yaml: at \$\.faults: "),
        ({"faults": [{**ENTRY, "id": "a b"}]}, r"at \$\.faults\[0\]\.id: "),
        ({"faults": [{"id": "a.b", "title": "short"}]}, r"at \$\.faults\[0\]\.title: "),
        ({"faults": [{"id": "a.b"}]}, r"at \$\.faults\[0\]: 'title' is a required"),
        ({"faults": [{**ENTRY, "fail": {}}]}, r"at \$\.faults\[0\]: "),
        ({"faults": [{**ENTRY, "fails": {"documents.orders.total": 0}}]}, r"at \$\.faults\[0\]\.fails"),
        ({"faults": [{**ENTRY, "fails": {"documents.orders.total": {"where": {}}}}]}, r"at \$\.faults\[0\]\.fails"),
        ({"faults": [{**ENTRY, "edits": [{"into": "orders"}]}]}, r"at \$\.faults\[0\]\.edits\[0\]"),
        ({"faults": [{**ENTRY, "edits": [{"in": "orders"}]}]}, r"at \$\.faults\[0\]\.edits\[0\]"),
        (
            {"faults": [{**ENTRY, "edits": [{"in": "orders", "cast": {"total": "roman"}}]}]},
            r"at \$\.faults\[0\]\.edits\[0\]",
        ),
        ({"unkillable": {"a.b.c": "because"}}, r"at \$\.unkillable\['a\.b\.c'\]"),
        ({"faults": [ENTRY, ENTRY]}, r"two faults of one id: \['a\.b'\]"),
        ({"faults": [ENTRY], "harmless": [ENTRY]}, r"two faults of one id: \['a\.b'\]"),
        (
            {"faults": [ENTRY], "reasons": {"a.c": {"documents.orders.total": "why"}}},
            r"faults that are none: \['a\.c'\]",
        ),
        ({"patterns": [{**PATTERN, "each": "row"}]}, r"at \$\.patterns\[0\]\.each: 'row'"),
        ({"patterns": [{**PATTERN, "where": {"kind": "colour"}}]}, "the pattern 'gone' makes no fault"),
        (
            {"patterns": [{**PATTERN, "where": {"kind": "money"}, "also": {"orders.status": {}}}]},
            r"names what it does not make: \['orders\.status'\]",
        ),
        ("faults: [{id: a.b, id: a.c, title: Something is broken}]", "a key appears twice"),
    ],
)
def test_invalid_file_is_rejected(content: Any, place: str, tmp_path: Path) -> None:
    text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
    (tmp_path / "broken.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(AssertionError, match=place):
        load_catalogue(MODEL, tmp_path)


def test_valid_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "right.yaml").write_text(yaml.safe_dump({"faults": [ENTRY]}), encoding="utf-8")
    assert [fault.id for fault in load_catalogue(MODEL, tmp_path).faults] == ["a.b"]


def test_missing_catalogue_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="holds no catalogue"):
        load_catalogue(MODEL, tmp_path)


# -- the kill matrix ---------------------------------------------------------------------------------------------------


def verdict_of(
    fault: str, killed: Sequence[str] = (), missed: Sequence[str] = (), wrong: Sequence[str] = ()
) -> Verdict:
    return Verdict(Fault(fault, fault), tuple(killed), tuple(missed), tuple(wrong), ())


def test_matrix_is_built_from_the_verdicts(tmp_path: Path) -> None:
    found = matrix([verdict_of("late", "ba"), verdict_of("early", "b"), verdict_of("unseen")])
    assert found == {"a": ["late"], "b": ["early", "late"]}
    write(found, tmp_path / "matrix.json")
    assert json.loads((tmp_path / "matrix.json").read_text(encoding="utf-8")) == found


@pytest.mark.parametrize(
    ("committed", "problems"),
    [
        ({"a": ["x"], "b": ["x", "y"]}, []),
        ({"b": ["x", "y"]}, ["a is killed by x, which the matrix does not say"]),
        ({"a": ["x"], "b": ["x"]}, ["b is killed by y, which the matrix does not say"]),
        ({"a": ["x"], "b": ["x", "y", "z"]}, ["b is not killed by z, as the matrix says"]),
        ({"a": ["x"], "b": ["x", "y"], "c": ["x"]}, ["c is not killed by x, as the matrix says"]),
    ],
)
def test_stale_matrix_is_reported(committed: dict[str, list[str]], problems: list[str]) -> None:
    assert list(stale({"a": ["x"], "b": ["x", "y"]}, committed)) == problems


def test_rule_without_a_fault_is_reported(fault_runner: FaultRunner) -> None:
    rules, unkillable = list(fault_runner.clean("small")), load_catalogue(MODEL).unkillable
    committed = json.loads(COMMITTED.read_text(encoding="utf-8"))
    without = {rule: faults for rule, faults in committed.items() if rule != "totals.orders.tax"}
    assert alive(rules, without, unkillable) == ["totals.orders.tax"]
    assert alive(rules, {**without, "totals.orders.tax": []}, unkillable) == ["totals.orders.tax"]
    assert alive(rules, without, {**unkillable, "totals.orders.t?x": "an excuse"}) == []


def test_unused_excuse_is_reported() -> None:
    rules, found = ["a.b.c", "a.b.d"], {"a.b.c": ["x"]}
    assert needless(rules, found, {"a.b.d": ""}) == []
    assert needless(rules, found, {"a.b.*": "", "a.b.e": ""}) == ["a.b.*", "a.b.e"]


# -- the summary ------------------------------------------------------------------------------------------------------


def test_summary_counts_caught_missed_and_wrong_faults() -> None:
    class Config:
        stash = pytest.Stash()

    config: Any = Config()
    assert in_words(config) is None
    for verdict in (
        verdict_of("caught", "a"),
        verdict_of("caught", "a"),
        verdict_of("half", "a", missed="b"),
        verdict_of("unseen"),
        verdict_of("other", "a", wrong="c"),
    ):
        count(config, verdict)
    assert in_words(config) == "4 faults, 2 caught, 1 by the wrong rule"

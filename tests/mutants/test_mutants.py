"""Mutants change a pipeline in one position, and are imported in place of the original."""

from __future__ import annotations

import ast
import subprocess
import sys
from itertools import chain
from typing import Any

import pytest

pytest.importorskip("cosmic_ray", reason="make mutants installs what makes the mutants, and runs these tests")

from cosmic_ray.mutating import mutate_code
from cosmic_ray.work_item import MutationSpec

from tests.mutants import session
from tests.mutants.aggregation import EXCHANGED, LeaveOutEntry, LeaveOutMerged, Provider
from tests.mutants.session import is_asked
from tests.root import ROOT

pytestmark = pytest.mark.slow

PROVIDER = Provider()
EXAMPLES = [(name, example) for name in PROVIDER for example in PROVIDER[name].examples()]


def mutants_of(operator: Any, source: str) -> list[str]:
    """Return every mutant that the operator makes of the source."""
    found = []
    while (mutant := mutate_code(source, operator(), len(found))) is not None:
        found.append(mutant)
    return found


@pytest.mark.parametrize(("name", "example"), EXAMPLES, ids=[f"{name}-{n}" for n, (name, _) in enumerate(EXAMPLES)])
def test_operator_matches_its_examples(name: str, example: Any) -> None:
    found = mutate_code(example.pre_mutation_code, PROVIDER[name](), example.occurrence)
    assert found == example.post_mutation_code


def test_code_that_is_not_a_pipeline_is_not_mutated() -> None:
    assert mutants_of(LeaveOutEntry, 'x = {"a": 1, "b": 2}\ny = [f for f in "$a"]\nf("$a", "$b")\nz = {"$a": 1}') == []
    assert mutants_of(LeaveOutMerged, "def f(a: int | None, *, b: X | Y = 1) -> int | None:\n    c: A | B = a") == []


def test_merge_in_an_annotated_assignment_is_mutated() -> None:
    assert mutants_of(LeaveOutMerged, "c: A | B = a | b") == ["c: A | B = a"]


def test_every_mutant_of_a_rule_module_is_valid_and_different() -> None:
    source = (ROOT / "conformance/rules/data/uniqueness.py").read_text(encoding="utf-8")
    found = list(chain.from_iterable(mutants_of(PROVIDER[name], source) for name in PROVIDER))
    assert len(set(found) - {source}) == len(found) > 30
    assert all(ast.parse(mutant) for mutant in found)


def test_exchanged_operators_differ() -> None:
    assert all(old != new and old.startswith("$") and new.startswith("$") for old, new in EXCHANGED.items())


LINES = [
    ("if found > 5:", "5", "core/NumberReplacer", True),
    ("_FEW: Final = 1000", "1000", "core/NumberReplacer", True),
    ('{"$group": {"_id": key, "n": {"$sum": 1}}},', "1", "core/NumberReplacer", True),
    ("_KEYS: Final = 1000", "1000", "core/NumberReplacer", False),
    ('return shorten(str(details.get("errmsg", error)), 160)', "160", "core/NumberReplacer", False),
    ('"power": round(test.power, 4),', "4", "core/NumberReplacer", False),
    ("most = texts[:3]", "3", "core/NumberReplacer", False),
    ('found = documents.find(anyone, {"_id": 1})', "1", "core/NumberReplacer", False),
    ("found = documents.find(children, {through.field: 1, copy.field: 1})", "1})", "core/NumberReplacer", False),
    ("@dataclass(frozen=True, eq=False)", "True", "core/ReplaceTrueWithFalse", False),
    ("rows = collection.aggregate(pipeline, allowDiskUse=True)", "True", "core/ReplaceTrueWithFalse", False),
    ("known = True", "True", "core/ReplaceTrueWithFalse", True),
    ("if a < b:", "<", "core/ReplaceComparisonOperator_Lt_LtE", True),
    ("if a < b:", "<", "core/ReplaceComparisonOperator_Lt_Gt", False),
]


@pytest.mark.parametrize(("line", "token", "operator", "asked"), LINES)
def test_code_that_no_rule_evaluates_is_not_mutated(line: str, token: str, operator: str, asked: bool) -> None:
    """Limits of output, batch sizes and comparisons of classes are not mutated, and only the nearest exchange is."""
    start = line.rindex(token)
    mutation = MutationSpec("any.py", operator, 0, (1, start), (1, start + len(token)))
    assert is_asked(mutation, line) is asked


IMPORTED = """
import sys
from tests.mutants.trial import _Mutant
sys.meta_path.insert(0, _Mutant("conformance.language.calendar", "def days_of(year): return 7"))
import conformance.language.calendar
print(conformance.language.calendar.days_of(2024), conformance.language.calendar.__file__)
"""


def test_mutant_is_imported_in_place_of_the_original() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["7", str(ROOT / "conformance/language/calendar.py")], done.stderr


def test_mutant_that_asks_for_too_much_memory_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would take that of the machine, and end the run with all its results."""
    monkeypatch.setattr(session, "killed_by", lambda *_: bytearray(session.MEMORY) and None)
    assert session._in_a_process(..., ..., ...) == "it died"  # type: ignore[arg-type]
    monkeypatch.setattr(session, "killed_by", lambda *_: None)
    assert session._in_a_process(..., ..., ...) is None  # type: ignore[arg-type]

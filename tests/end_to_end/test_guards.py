"""The ratios of `make bench` that detect slower loading or validation, at a tenth of the size."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from suites.benchmarks.tables import Tables
from tests.commands import Workplace, copy_of_the_model
from tests.conformance.embedded.processes import ROOT

pytestmark = pytest.mark.server

TENTH: Final = {"NUM_CUSTOMERS": "5000", "NUM_ORDERS": "20000"}
#: A ratio beyond its guard is measured again: other tests share the cores, and slower code is slower every time.
ATTEMPTS: Final = 2
#: `make bench` measures the others: ratios that do not depend on the size, take long at any size, or need two idle
#: cores.
GUARDED: Final = {
    "test_load.py": ["test_generate_and_load"],
    "test_rules.py": ["test_data_rules"],
}


@pytest.mark.soak  # a benchmark: beside other tests it takes 20 s of processor time, and measures them, too
def test_benchmark_ratios_are_within_their_limits(tmp_path: Path) -> None:
    """The server is not shared: other tests rely on the usual size of the dataset."""
    workplace = Workplace(copy_of_the_model(tmp_path / "model"), tmp_path / "cache")
    named = [f"{ROOT}/suites/benchmarks/{file}::{name}" for file, names in GUARDED.items() for name in names]
    command = ("pytest", *named, "--model", str(workplace.root), "--embedded", "-q")
    for _attempt in range(ATTEMPTS):
        done = workplace.run(*command, env=TENTH, cwd=ROOT)
        if done.code == 0:
            break
    assert done.code == 0, done.out + done.err
    rows = [line for line in done.out.splitlines() if line.startswith("| ") and "=" in line]
    assert len(rows) == len(named)
    assert f"{len(named)} passed" in done.out


@pytest.mark.parametrize(
    ("measured", "at_least", "kept"), [(2.0, False, True), (2.1, False, False), (1.9, True, False)]
)
def test_ratio_beyond_its_limit_fails(measured: float, at_least: bool, kept: bool) -> None:
    tables = Tables()
    try:
        tables.ratio("ours", "theirs", measured, aim=1.0, guard=2.0, at_least=at_least)
    except AssertionError as error:
        assert not kept
        assert str(error) == f"ours against theirs: {measured:.2f}, wanted {'>=' if at_least else '<='} 2"
    else:
        assert kept

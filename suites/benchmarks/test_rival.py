"""The rules against a script that reads the data into columns: what a user who knows pymongoarrow would write."""

from __future__ import annotations

import warnings

import pytest

from conformance.run.session import Project
from conformance.server.target import Target
from suites.benchmarks.tables import Tables, medians
from suites.benchmarks.test_rules import validating


def test_rival(project: Project, target: Target, tables: Tables) -> None:
    """The families that the script covers, then all rules, against the script; three times in turn, on one server."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the wheel was built with another version of pyarrow
        for name in ("polars", "pymongoarrow.api"):
            pytest.importorskip(name, reason="needs the extra bench: make bench installs it")
        from suites.benchmarks import rival

    def script() -> None:
        found = rival.problems(target.database)
        assert not any(found.values()), found

    some, validate_some = validating(project, target, ["references", "uniqueness", "snapshots", "totals"])
    every, validate_all = validating(project, target, {rule.family for rule in project.rules})
    times = medians(script, validate_some, validate_all, rounds=3)
    against = f"a script with pymongoarrow and Polars, 28 checks: {times[0]:.1f} s"
    what = f"{some} rules about references, uniqueness, copies and totals: {times[1]:.1f} s"
    tables.ratio(what, against, times[1] / times[0], aim=1, guard=4)
    tables.ratio(f"all {every} rules: {times[2]:.1f} s", against, times[2] / times[0], aim=1.8, guard=8)

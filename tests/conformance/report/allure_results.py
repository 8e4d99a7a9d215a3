"""Allure results of a small suite that reports the results of the example."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.root import ROOT

CONFTEST = """
import allure_commons
from conformance.report.allure.labels import labels, epic
from conformance.report.allure.pytest_plugin import RuleIdentity, results_only
from tests.conformance.report.report_example import REPORT, SHARES

LABELS = [labels(result, epic("shop")) for result in [*REPORT.results, *SHARES]]

def pytest_configure(config):
    identity = RuleIdentity(LABELS)
    allure_commons.plugin_manager.register(identity)
    config.add_cleanup(lambda: allure_commons.plugin_manager.unregister(identity))

def pytest_collection_finish(session):
    results_only(session.config)
"""
SUITE = """
from dataclasses import replace

import pytest
from conformance.report.allure.labels import labels, epic
from conformance.report.allure.pytest_plugin import attach, marks
from tests.conformance.report.report_example import REPORT, SHARES

KNOWN = replace(REPORT.results[1], status="warned", reason="known: all 10 are in the baseline", known=10)
RESULTS = [*REPORT.results, *SHARES[:1], KNOWN]
RULES = {result.id: result for result in RESULTS if result.family in FAMILIES}
PARAMETERS = [pytest.param(id, marks=marks(labels(RULES[id], epic("shop")))) for id in ORDER(RULES)]

@pytest.mark.parametrize("rule", PARAMETERS)
def test_rule(rule):
    attach(RULES[rule])

def test_other():
    pass
"""


def allure_results(checkout: Path, suite: str, *options: str, order: str = "list") -> list[dict[str, Any]]:
    folder = checkout / "suites"
    folder.mkdir(parents=True)
    (checkout / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (folder / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    source = SUITE.replace("FAMILIES", "('counts', 'crdt', 'streams', 'business')").replace("ORDER", order)
    (folder / suite).write_text(source, encoding="utf-8")
    arguments = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "allure_pytest.plugin",
        "--alluredir",
        str(checkout / "results"),
        *options,
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", *arguments]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(path.read_text(encoding="utf-8")) for path in (checkout / "results").glob("*-result.json")]

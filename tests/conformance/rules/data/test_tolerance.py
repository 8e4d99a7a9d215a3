"""An equation with a tolerance: what it accepts and reports, and what is generated from it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import pytest
from pymongo.database import Database

from conformance.checks.base import Context
from conformance.config.loading import load_configuration
from conformance.config.settings import Settings
from conformance.errors import ConfigurationError
from conformance.model.collection import Model
from conformance.results import Result
from conformance.rules.data.totals import rules
from conformance.run.runner import Run
from generator.columns.plan import Plan
from tests.models import collection_of, model_of

Document = dict[str, Any]
MONEY: Final = {"type": "number", "x-money": True, "minimum": 0}
SETTINGS: Final = Settings.model_validate({})


def bills(folder: Path, *equations: str) -> Model:
    """Return a model of bills with a price, a total, a length and a mean, and their lines."""
    made = {"x-sample": {"equation": True}}
    fields = {"price": MONEY, "total": MONEY | made, "mean": {"type": "number", "x-sample": {"constant": 1}}}
    schemas = {
        "bills": collection_of(fields | {"n": {"type": "integer"}}, cardinality={"exactly": 300}),
        "lines": collection_of({"bill": {"x-bson": "objectId", "x-reference": "bills._id"}}),
    }
    model = model_of(folder, schemas)
    (folder / "config" / "rules.yaml").write_text("\n".join(["equations:", *equations]), encoding="utf-8")
    return model


def equation(field: str, equals: str, tolerance: str) -> str:
    return f"  - {{field: {field}, family: totals, equals: {equals!r}, tolerance: {tolerance}, title: It is so}}"


HALF_A_CENT: Final = equation("bills.total", "price * 1.095", "0.5")


def result(model: Model, database: Database[Document], name: str) -> Result:
    configuration = load_configuration(model, {})
    context = Context(model, configuration, SETTINGS, database, embedded=True, scratch=None)
    with Run([rule for rule in rules(model, configuration) if rule.id == name], context) as running:
        (found,) = running.results()
    return found


def test_total_within_half_a_cent_is_accepted(database: Database[Document], tmp_path: Path) -> None:
    """Both cents beside a tie are accepted, and no third; 3.00 x 1.095 is 3.285."""
    model = bills(tmp_path, HALF_A_CENT)
    totals = {3.27: False, 3.28: True, 3.29: True, 3.3: False, math.nan: False, math.inf: False}
    database["bills"].insert_many({"_id": n, "price": 3.0, "total": total} for n, total in enumerate(totals))
    found = result(model, database, "totals.bills.total")
    assert found.violations == list(totals.values()).count(False)
    assert {sample.id for sample in found.samples} == {n for n, right in enumerate(totals.values()) if not right}
    assert found.samples[0].why == "total is 3.27; expected 3.29 = price * 1.095 (price 3.0), give or take 0.005"


def test_number_within_its_tolerance_is_accepted(database: Database[Document], tmp_path: Path) -> None:
    model = bills(tmp_path, equation("bills.mean", "n / 3", "1e-3"))
    means = [0.3333, 0.334, 0.33333333, 0.3345, 0.332]
    database["bills"].insert_many({"_id": n, "n": 1, "mean": mean} for n, mean in enumerate(means))
    found = result(model, database, "totals.bills.mean")
    assert {sample.id for sample in found.samples} == {3, 4}
    assert found.samples[0].why.endswith(", give or take 0.001")


def test_generated_values_are_whole_cents_within_the_tolerance(tmp_path: Path) -> None:
    model = bills(tmp_path, HALF_A_CENT)
    made = dict(Plan(model, load_configuration(model, {}), SETTINGS).documents())["bills"]
    for bill in made:
        assert bill["total"] == round(bill["total"], 2)
        assert abs(bill["total"] - bill["price"] * 1.095) < 0.005 + 1e-9


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (equation("bills.n", "count(lines)", "1"), "equation of bills.n: .* no tolerance; remove it"),
        (equation("bills.total", "price", "-1"), r"tolerance"),
        (equation("bills.total", "price", ".nan"), r"tolerance"),
    ],
)
def test_invalid_tolerance_is_one_error(line: str, message: str, tmp_path: Path) -> None:
    model = bills(tmp_path, line)
    with pytest.raises(ConfigurationError, match=message):
        list(rules(model, load_configuration(model, {})))

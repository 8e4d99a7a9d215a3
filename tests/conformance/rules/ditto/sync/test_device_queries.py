"""Queries on devices: the engine decides, each index is needed, and without the engine rules are skipped."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from pymongo.database import Database

from conformance.checks.base import Context
from conformance.ditto import engine as engine_module
from conformance.ditto.device_plans import DevicePlan, create_index
from conformance.ditto.engine import Engine, EngineUnavailableError, Question, Step
from conformance.ditto.subscriptions import load_subscriptions
from conformance.model.schemas.loading import load_model
from conformance.results import Outcome
from conformance.rules.ditto.sync import device_queries
from edge.store.store import Store
from tests.models import shipped_model
from tests.validation import ROOT, context_for, run_rules

pytestmark = pytest.mark.ditto

SHIPPED = load_subscriptions(shipped_model())
INDEXES: Final = [(name, position) for name, indexes in SHIPPED.indexes.items() for position in range(len(indexes))]
ENGINE: Final = "sync._config.subscriptions-engine"
Edit = Callable[[dict[str, Any]], object]


def outcomes(database: Database[Any], folder: Path, edit: Edit = lambda _: None) -> dict[str, Outcome]:
    """Run the rules on a copy of the model whose file was edited."""
    for name in ("schemas", "config"):
        shutil.copytree(ROOT / name, folder / name)
    file = folder / "config" / "ditto_subscriptions.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    edit(content)
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    context: Context = context_for(load_model(folder), database)
    return run_rules(device_queries.rules(context.model, context.configuration), context)


def join_by_status(content: dict[str, Any]) -> None:
    """Add a JOIN that has no index, and a query with an unqualified field."""
    words = "SELECT o.order_id, s.city FROM orders AS o JOIN stores AS s ON s.city = o.status"
    content["queries"] += [
        {"name": "joined", "title": "A JOIN without an index", "query": words},
        {"name": "bare", "title": "An unqualified field", "query": words.replace("o.order_id", "order_id")},
    ]


def test_shipped_queries_are_accepted_with_their_plans(database: Database[Any], tmp_path: Path) -> None:
    found = outcomes(database, tmp_path)
    assert {name for name, outcome in found.items() if outcome.violations} == set()
    assert found[ENGINE].evidence["judged_by"] == "Ditto's engine"
    plans = {name: plan for outcome in found.values() for name, plan in outcome.evidence.get("plans", {}).items()}
    assert plans.keys() == {query.name for query in SHIPPED.queries}
    assert all("scan" not in plan and "sort" not in plan for plan in plans.values())


@pytest.mark.parametrize(("name", "position"), INDEXES)
def test_each_index_is_needed_by_a_query(database: Database[Any], tmp_path: Path, name: str, position: int) -> None:
    found = outcomes(database, tmp_path, lambda content: content["indexes"][name].pop(position))
    failed = found[f"sync.{name}.device-plans"]
    assert failed.violations
    assert all(sample.ref.startswith("config/ditto_subscriptions.yaml: queries.") for sample in failed.samples)


def test_queries_without_the_engine_are_parsed_and_plans_are_skipped(
    database: Database[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> dict[str, Any]:
        return {"unavailable": "the Ditto SDK is not installed"}

    monkeypatch.setattr(engine_module, "_run", refuse)
    monkeypatch.setattr(device_queries, "engine", Engine)
    found = outcomes(database, tmp_path, join_by_status)
    assert [sample.ref.rpartition(".")[2] for sample in found[ENGINE].samples] == ["joined", "bare"]
    assert "harness's own reading of DQL: the Ditto SDK is not installed" in found[ENGINE].evidence["judged_by"]
    plans = found["sync.orders.device-plans"]
    assert plans.skipped == "no plan without Ditto's engine: the Ditto SDK is not installed"


def test_queries_with_the_engine_are_rejected(database: Database[Any], tmp_path: Path) -> None:
    found = outcomes(database, tmp_path, join_by_status)
    joined, bare = found[ENGINE].samples
    assert (joined.ref[-6:], bare.ref[-4:]) == ("joined", "bare")
    assert "without appropriate index support" in joined.why
    assert "order_id stands in a JOIN without its collection; write <alias>.order_id" in bare.why


def test_engine_without_an_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_PROGRAM", "this")
    with pytest.raises(EngineUnavailableError, match="did not answer"):
        Engine().ask([Question("query", "SELECT * FROM t")])


def test_answer_is_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(engine_module, "_run", lambda each: asked.append(each) or {"answers": [{"error": "no"}]})
    one = Engine()
    question = Question("query", "SELECT")
    assert [answer.error for answer in (*one.ask([question, question]), *one.ask([question]))] == ["no"] * 3
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("plan", "problems"),
    [
        (DevicePlan(require=("indexScan",)), []),
        (DevicePlan(require=("idScan",)), ["its plan has no idScan"]),
        (DevicePlan(forbid=("sort", "scan")), ["its plan has sort"]),
        (DevicePlan(indexed=("a",)), []),
        (DevicePlan(indexed=("a", "c")), ["no index is sought by a, c (it uses t_a_b_c)"]),
    ],
)
def test_plan_is_compared_with_its_declaration(plan: DevicePlan, problems: list[str]) -> None:
    steps = [Step("sequence"), Step("indexScan", "t", "t_a_b_c", ("a", "b")), Step("sort")]
    assert list(plan.problems(steps)) == problems


def test_index_statement_quotes_names_and_directions() -> None:
    assert create_index("my_orders", {"a.order": 1, "b": -1}) == (
        "CREATE INDEX IF NOT EXISTS `my_orders_a_order_b` ON `my_orders` (`a`.`order`, `b` DESC)"
    )


#: An index, the end of a query, and whether the engine of SDK 5.2.0.dev0 returns its rows in order.
ORDERS: Final = [
    ("(c, d)", "SELECT * FROM t WHERE c = 'x' ORDER BY d LIMIT 3", True),
    ("(c DESC, d DESC)", "SELECT * FROM t WHERE c = 'x' ORDER BY d DESC LIMIT 3", True),
    ("(c, d DESC)", "SELECT * FROM t WHERE c = 'x' ORDER BY d DESC LIMIT 3", False),
    ("(c DESC, d)", "SELECT * FROM t WHERE c = 'x' ORDER BY d LIMIT 3", False),
    ("(c, d)", "SELECT * FROM t WHERE c = 'x' ORDER BY d DESC LIMIT 3", True),
    ("(c, d)", "SELECT d FROM t WHERE c = 'x' ORDER BY d DESC LIMIT 3", False),
    ("(c, d)", "SELECT d, n FROM t WHERE c = 'x' ORDER BY d DESC LIMIT 3", True),
]


@pytest.mark.parametrize(("index", "query", "in_order"), ORDERS, ids=[f"{row[0]} {row[1]}" for row in ORDERS])
def test_index_changes_the_order_as_documented(tmp_path: Path, index: str, query: str, in_order: bool) -> None:
    documents = [{"_id": str(n), "c": "x", "d": (n * 7) % 30, "n": n} for n in range(30)]
    with Store.open(tmp_path) as store:
        store.insert("t", documents)
        expected = [row["d"] for row in store.execute(query)]
        assert expected == sorted(expected, reverse="DESC" in query)
        store.execute(f"CREATE INDEX c_d ON t {index}")
        assert ([row["d"] for row in store.execute(query)] == expected) is in_order

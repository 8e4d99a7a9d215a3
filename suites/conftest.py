"""How the suites run: one test per rule, all rules started together against one target, one report at the end."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import allure_commons
import pytest
from pymongo.database import Database
from rich.console import Console

from conformance.errors import HarnessError
from conformance.report import allure, html, json_file, text
from conformance.report.allure_pytest import RuleIdentity, attach, marks
from conformance.results import Report, Result
from conformance.rules.base import Rule
from conformance.runner import select
from conformance.session import Judgement, Project, judging, load_project
from conformance.target import Target, choose, one_line, open_target, require_data
from generator.dataset import embedded_dataset

_PROJECT = pytest.StashKey[Project]()
_RULES = pytest.StashKey[dict[str, Rule]]()
_RESULTS = pytest.StashKey[dict[str, Result]]()
_JUDGEMENT = pytest.StashKey[Judgement]()
_REPORT = pytest.StashKey[Report]()


def pytest_configure(config: pytest.Config) -> None:
    """Read the model, settings and rules; an error ends the run with its one line and exit code."""
    try:
        project = load_project(config.getoption("--model"))
        choose(project.settings, uri=config.getoption("--uri"), embedded=config.getoption("--embedded"), judging=True)
        chosen = select(project.rules, config.getoption("--only"), config.getoption("--collection"))
    except HarnessError as error:
        pytest.exit(one_line(error), returncode=error.exit_code)
    config.stash[_PROJECT] = project
    config.stash[_RULES] = {rule.id: rule for rule in chosen}
    config.stash[_RESULTS] = {}
    identity = RuleIdentity([allure.labels(rule, _epic(project)) for rule in chosen])
    allure_commons.plugin_manager.register(identity)
    config.add_cleanup(lambda: allure_commons.plugin_manager.unregister(identity))


def _epic(project: Project) -> str:
    return allure.epic(project.settings.mongodb_database)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per rule of the module's family."""
    if "judge" not in metafunc.fixturenames:
        return
    family = metafunc.definition.get_closest_marker("family").args[0]  # type: ignore[union-attr]
    epic = _epic(metafunc.config.stash[_PROJECT])
    rules = [rule for rule in metafunc.config.stash[_RULES].values() if rule.family == family]
    metafunc.parametrize(
        "rule_id", [pytest.param(rule.id, id=rule.id, marks=marks(allure.labels(rule, epic))) for rule in rules]
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out families of which no rule was chosen, and tests without a rule when rules were chosen by name."""
    narrowed = bool(config.getoption("--only") or config.getoption("--collection"))
    rules = config.stash[_RULES]

    def keep(item: pytest.Item) -> bool:
        if "judge" in getattr(item, "fixturenames", ()):
            return _has_rule(item) and item.callspec.params["rule_id"] in rules  # type: ignore[attr-defined]
        return not narrowed

    left = [item for item in items if not keep(item)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if keep(item)]


@pytest.fixture(scope="session")
def project(pytestconfig: pytest.Config) -> Project:
    """The model, its configuration and the settings."""
    return pytestconfig.stash[_PROJECT]


@pytest.fixture(scope="session")
def target(pytestconfig: pytest.Config, project: Project) -> Iterator[Target]:
    """The database under judgement; the embedded one is generated first when what it is made from has changed."""
    option = pytestconfig.getoption
    notice = Console(stderr=True, highlight=False).print
    with ExitStack() as stack:
        try:
            choice = choose(project.settings, uri=option("--uri"), embedded=option("--embedded"), judging=True)
            target = stack.enter_context(open_target(project.model, project.settings, choice))
            if target.embedded:
                held = embedded_dataset(project.model, project.settings, project.configuration, target, notice)
                stack.enter_context(held)
            require_data(project.model, target)
        except HarnessError as error:
            pytest.exit(one_line(error), returncode=error.exit_code)
        yield target


@pytest.fixture(scope="session")
def scratch(pytestconfig: pytest.Config, target: Target) -> Iterator[Database[Any]]:
    """A database beside the judged one that tests may write to; dropped at the end."""
    with target.scratch(allow_writes=pytestconfig.getoption("--allow-writes")) as database:
        if database is None:
            pytest.skip("needs a scratch database: pass --allow-writes")
        yield database


@pytest.fixture(scope="session")
def judgement(
    pytestconfig: pytest.Config, request: pytest.FixtureRequest, project: Project, target: Target
) -> Iterator[Judgement]:
    """All chosen rules, started together; tests wait for their own."""
    asked = [item.callspec.params["rule_id"] for item in request.session.items if _has_rule(item)]  # type: ignore[attr-defined]
    rules = pytestconfig.stash[_RULES]
    with judging(
        project,
        target,
        [rules[rule_id] for rule_id in asked],
        command=shlex.join(["pytest", *sys.argv[1:]]),
        allow_writes=pytestconfig.getoption("--allow-writes"),
        sample_size=pytestconfig.getoption("--samples"),
    ) as judgement:
        yield judgement
        results = pytestconfig.stash[_RESULTS]
        ordered = [results[rule_id] for rule_id in asked if rule_id in results]
        pytestconfig.stash[_REPORT] = judgement.report(ordered)


def _has_rule(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and hasattr(item, "callspec") and "rule_id" in item.callspec.params


@pytest.fixture
def judge(pytestconfig: pytest.Config, judgement: Judgement, rule_id: str) -> Callable[[], None]:
    """Wait for the rule's result and turn it into pytest's outcome."""

    def judge() -> None:
        __tracebackhide__ = True
        try:
            result = judgement.run.result(rule_id)
        except HarnessError as error:
            pytest.exit(one_line(error), returncode=error.exit_code)
        pytestconfig.stash[_RESULTS][rule_id] = result
        attach(result)
        if result.status == "skipped":
            pytest.skip(result.reason or "")
        if result.status == "error":
            raise RuntimeError(result.reason)
        if result.status == "failed" or (result.status == "warned" and pytestconfig.getoption("--warnings-fail")):
            pytest.fail(text.finding(result), pytrace=False)

    return judge


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the reports; exit as the command line would: nothing selected 2, errors without findings 3."""
    config = session.config
    report = config.stash.get(_REPORT, None)
    if report is None:
        if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED or exitstatus == pytest.ExitCode.USAGE_ERROR:
            session.exitstatus = 2
        return
    folder = config.getoption("--reports") or config.stash[_PROJECT].reports
    json_file.write(report, folder)
    html.write(report, folder, strict=config.getoption("--warnings-fail"))
    results = config.getoption("--alluredir", None)
    if results:
        allure.prepare(Path(results), report.target, report.seed)
    if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        session.exitstatus = max(report.exit_code(strict=config.getoption("--warnings-fail")), _others(session))


def _others(session: pytest.Session) -> int:
    """1 when a test that is no rule failed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    stats: Mapping[str, list[Any]] = getattr(reporter, "stats", {})
    failed = [*stats.get("failed", ()), *stats.get("error", ())]
    return int(any("[" not in report.nodeid or not _is_rule(session, report.nodeid) for report in failed))


def _is_rule(session: pytest.Session, nodeid: str) -> bool:
    return nodeid.rpartition("[")[2].rstrip("]") in session.config.stash[_RULES]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The verdict in a reviewer's words, and where the reports are."""
    report = config.stash.get(_REPORT, None)
    if report is None or config.getoption("--no-verdict"):
        return
    folder = config.getoption("--reports") or config.stash[_PROJECT].reports
    paths = {"JSON": folder / "validation.json", "HTML": folder / "validation.html"}
    terminalreporter.section("conformance")
    terminalreporter.write(text.render(report, paths=paths, strict=config.getoption("--warnings-fail")))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Benchmarks run only when they are named: `pytest suites/benchmarks`, `make bench`."""
    return True if collection_path.name == "benchmarks" and not any("benchmarks" in a for a in config.args) else None

"""How the suites run: one test per rule, all rules started together against one target, one report at the end."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import allure as allure_decorators
import allure_commons
import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect, PyMongoError
from rich.console import Console

from conformance.checks.base import Rule
from conformance.errors import HarnessError, TargetError
from conformance.report import text
from conformance.report.allure import labels
from conformance.report.allure.pytest_plugin import RuleIdentity, attach, marks, register_markers, results_only
from conformance.results import Report, Result
from conformance.run.baseline import LIMIT, Baseline, compare
from conformance.run.baseline import load as load_baseline
from conformance.run.selection import select
from conformance.run.session import Judgement, Project, judging, load_project
from conformance.run.watchdog import watch
from conformance.server.target import Choice, Target, require_data
from conformance.text.masking import one_line
from generator.dataset import embedded_dataset
from suites import junit
from suites.edge_dataset import Edge, edge_of
from suites.leaving import Leaving
from suites.options import Options, read_options
from suites.reporting import (
    discard_earlier,
    discard_earlier_of_a_refused_run,
    header,
    name_junit_suite,
    without_verdict,
    write_reports,
)
from suites.server_gone import ServerGone
from suites.subjects import SUBJECTS, in_order, rule_of

_WHEN_NAMED: Final = ("benchmarks", "test_demo_", "test_sync_bridge", "test_sync_copy")
#: Seconds in which a run must have ended after SIGTERM: less than what `zava conform` has, which waits for it.
_GRACE_SECONDS: Final = 10.0
_PROJECT = pytest.StashKey[Project]()
_OPTIONS = pytest.StashKey[Options]()
_CHOICE = pytest.StashKey[Choice]()
_RULES = pytest.StashKey[dict[str, Rule]]()
_KNOWN = pytest.StashKey[Baseline | None]()
_ASKED = pytest.StashKey[int]()
_RESULTS = pytest.StashKey[dict[str, Result]]()
_JUDGEMENT = pytest.StashKey[Judgement]()
_REPORT = pytest.StashKey[Report | None]()
_TARGET = pytest.StashKey[Target]()
_LEAVING = pytest.StashKey[Leaving]()


def pytest_addoption() -> None:
    """Remove the reports of an earlier run even where pytest is going to refuse the command line."""
    discard_earlier_of_a_refused_run()


def pytest_configure(config: pytest.Config) -> None:
    """Read the model, settings and rules; an error ends the run with its one line and exit code."""
    if not config.pluginmanager.hasplugin("allure_pytest"):
        register_markers(config)
    if config.getoption("numprocesses", None):
        pytest.exit("leave out -n: the rules run side by side already, and a report is of one process", returncode=2)
    config.stash[_LEAVING] = Leaving(config)
    watch(_GRACE_SECONDS)
    try:
        discard_earlier(config.invocation_params.args)
        options = config.stash[_OPTIONS] = read_options(config)
        project = load_project(options.root)
        config.stash[_CHOICE] = project.choose(uri=options.uri, embedded=options.embedded, judging=True)
        chosen = select(project.rules, options.only, options.collection)
        config.stash[_KNOWN] = load_baseline(options.baseline) if options.baseline else None
    except HarnessError as error:
        pytest.exit(one_line(error), returncode=error.exit_code)
    config.stash[_PROJECT] = project
    config.stash[_RULES] = {rule.id: rule for rule in chosen}
    config.stash[_RESULTS] = {}
    identity = RuleIdentity([labels.labels(rule, _epic(config)) for rule in chosen])
    allure_commons.plugin_manager.register(identity)
    config.add_cleanup(lambda: allure_commons.plugin_manager.unregister(identity))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Once allure-pytest has made what writes its files, let it write only those that say something."""
    name_junit_suite(session.config, _epic(session.config))
    results_only(session.config)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """No other test is begun after a signal."""
    item.config.stash[_LEAVING].now()


def _epic(config: pytest.Config) -> str:
    """Return the title of the run, which says so when the data is generated."""
    database = config.stash[_PROJECT].settings.mongodb_database
    return labels.epic(database, embedded=config.stash[_CHOICE].embedded)


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name the target and the model, and a .env that is not read."""
    return header(config.stash[_PROJECT], config.stash[_CHOICE])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per rule of the module's family; other tests once for each collection, unique index or reference."""
    model = metafunc.config.stash[_PROJECT].model
    for name, subjects in SUBJECTS.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, [pytest.param(subject, id=key) for key, subject in subjects(model)])
    if "judge" not in metafunc.fixturenames:
        return
    family = metafunc.definition.get_closest_marker("family").args[0]  # type: ignore[union-attr]
    epic = _epic(metafunc.config)
    rules = [rule for rule in metafunc.config.stash[_RULES].values() if rule.family == family]
    metafunc.parametrize(
        "rule_id", [pytest.param(rule.id, id=rule.id, marks=marks(labels.labels(rule, epic))) for rule in rules]
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out families of which no rule was chosen, and tests without a rule when rules were chosen by name."""
    options = config.stash[_OPTIONS]
    narrowed = bool(options.only or options.collection)
    rules = config.stash[_RULES]
    kept, left = [], []
    for item in items:
        judges = "judge" in getattr(item, "fixturenames", ())
        (kept if (rule_of(item) in rules if judges else not narrowed) else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
    items[:] = in_order(kept, rules)


@pytest.fixture(autouse=True)
def labelled_epic(request: pytest.FixtureRequest) -> None:
    """Put tests without a rule under the same title as the rules."""
    if rule_of(request.node) is None:
        allure_decorators.dynamic.epic(_epic(request.config))


@pytest.fixture(scope="session")
def project(pytestconfig: pytest.Config) -> Project:
    """The model, its configuration and the settings."""
    return pytestconfig.stash[_PROJECT]


@pytest.fixture(scope="session")
def target(pytestconfig: pytest.Config, project: Project) -> Iterator[Target]:
    """The database under judgement; the embedded one is generated first when what it is made from has changed."""
    notice = partial(Console(stderr=True, highlight=False).print, soft_wrap=True)
    with ExitStack() as stack:
        with _one_line_exit():
            target = stack.enter_context(project.opened(pytestconfig.stash[_CHOICE]))
            with _explained(target):
                if target.embedded:
                    held = embedded_dataset(project.model, project.settings, project.configuration, target, notice)
                    stack.enter_context(held)
                require_data(project.model, target)
        pytestconfig.stash[_TARGET] = target
        yield target


@contextmanager
def _explained(target: Target) -> Iterator[None]:
    """Say of an error of the target what was behind it."""
    try:
        yield
    except (TargetError, PyMongoError) as error:
        raise target.cause(error) from error


@contextmanager
def _one_line_exit() -> Iterator[None]:
    """End the session with an expected error's one line and exit code."""
    try:
        yield
    except HarnessError as error:
        pytest.exit(one_line(error), returncode=error.exit_code)


@pytest.fixture(scope="session")
def scratch(pytestconfig: pytest.Config, target: Target) -> Iterator[Database[Any]]:
    """A database beside the judged one that tests may write to; dropped at the end."""
    with target.scratch(allow_writes=pytestconfig.getoption("--allow-writes")) as database:
        if database is None:
            pytest.skip("needs a scratch database: pass --allow-writes")
        yield database


@pytest.fixture(scope="session")
def edge(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """The real store of a device that holds a small dataset, for tests that only read it."""
    with edge_of(project, tmp_path_factory.mktemp("edge")) as edge:
        yield edge


@pytest.fixture(scope="session")
def judgement(
    pytestconfig: pytest.Config,
    request: pytest.FixtureRequest,
    project: Project,
    target: Target,
    record_testsuite_property: junit.Record,
) -> Iterator[Judgement]:
    """All chosen rules, started together; tests wait for their own."""
    options = pytestconfig.stash[_OPTIONS]
    asked = {rule_of(item) for item in request.session.items}
    rules = [rule for rule in pytestconfig.stash[_RULES].values() if rule.id in asked]
    pytestconfig.stash[_ASKED] = len(rules)
    with judging(
        project,
        target,
        rules,
        command=pytestconfig.getoption("--command") or shlex.join(["pytest", *sys.argv[1:]]),
        allow_writes=pytestconfig.getoption("--allow-writes"),
        sample_size=LIMIT if options.baseline else options.samples,
    ) as judgement:
        yield judgement
        results = pytestconfig.stash[_RESULTS]
        if all(rule.id in results for rule in rules):  # a verdict on a part would be none
            with _one_line_exit(), _explained(target):
                found = [results[rule.id] for rule in rules]
                report = judgement.report(found, options.baseline)
            pytestconfig.stash[_REPORT] = report
            junit.describe_run(record_testsuite_property, report, strict=pytestconfig.getoption("--warnings-fail"))


@pytest.fixture(scope="session", autouse=True)
def rules_under_way(request: pytest.FixtureRequest) -> None:
    """Begin with the rules, whichever test is first."""
    if any(rule_of(item) is not None for item in request.session.items):
        request.getfixturevalue("judgement")


@pytest.fixture
def judge(
    pytestconfig: pytest.Config, request: pytest.FixtureRequest, judgement: Judgement, rule_id: str
) -> Callable[[], None]:
    """Wait for the rule's result and turn it into pytest's outcome."""

    def judge() -> None:
        __tracebackhide__ = True
        with _one_line_exit(), _explained(judgement.target):
            result = judgement.run.result(rule_id)
        known, shown = pytestconfig.stash[_KNOWN], pytestconfig.stash[_OPTIONS].samples
        (result,) = compare([result], known, shown).results
        pytestconfig.stash[_RESULTS][rule_id] = result
        attach(result)
        junit.describe(request.node, result)
        if result.status == "skipped":
            pytest.skip(result.reason or "")
        if result.status == "error":
            raise RuntimeError(result.reason)
        new_warning = result.status == "warned" and not result.accepted
        if result.status == "failed" or (new_warning and pytestconfig.getoption("--warnings-fail")):
            pytest.fail(text.finding(result), pytrace=False)

    return judge


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Report the time that a rule's check took, of which its test has waited for a part only."""
    report: Any = yield
    result = item.config.stash[_RESULTS].get(rule_of(item) or "")
    if result is not None and call.when == "call":
        report.duration = result.duration_s
    return report


def pytest_exception_interact(node: pytest.Item | pytest.Collector, call: pytest.CallInfo[Any]) -> None:
    """End the run when the server went away: every test after this one would wait for it in vain."""
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, ServerGone):
        error = error.__cause__
    if isinstance(error, AutoReconnect) and (target := node.config.stash.get(_TARGET, None)) is not None:
        pytest.exit(one_line(target.cause(error)), returncode=TargetError.exit_code)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the reports; exit as the command line would: nothing selected 2, errors without findings 3."""
    config = session.config
    leaving = config.stash[_LEAVING]
    leaving.over = True
    if leaving.number == signal.SIGTERM:
        session.exitstatus = 128 + signal.SIGTERM
    if exitstatus in (pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.USAGE_ERROR):
        session.exitstatus = 2
    report = config.stash.get(_REPORT, None)
    if report is None or exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        config.stash[_REPORT] = None  # of a run that was broken off: its verdict would be about a part
        return
    strict, folder = config.getoption("--warnings-fail"), config.stash[_OPTIONS].reports
    with _one_line_exit():
        write_reports(report, folder, strict=strict, allure_results=config.getoption("--alluredir", None))
    session.exitstatus = report.exit_code(strict=strict) or exitstatus


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    """Print the verdict in a reviewer's words, and where the reports are; else why there is none."""
    report = config.stash.get(_REPORT, None)
    if report is None:
        rules, done = config.stash[_PROJECT].rules, len(config.stash[_RESULTS])
        for line in without_verdict(exitstatus, rules, done, config.stash.get(_ASKED, 0)):
            terminalreporter.section("conformance")
            terminalreporter.write_line(line)
    if report is None or config.getoption("--no-verdict"):
        return
    folder = config.stash[_OPTIONS].reports
    paths = {"JSON": folder / "validation.json", "HTML": folder / "validation.html"}
    terminalreporter.section("conformance")
    width = terminalreporter._tw.fullwidth if terminalreporter.isatty else text.WHOLE_LINES
    strict = config.getoption("--warnings-fail")
    terminalreporter.write(text.render(report, paths=paths, strict=strict, width=width))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Some run only when they are named, for they say nothing about the target's data.

    These are the benchmarks (`make bench`) and what drives the bridge: `pytest suites/test_demo_worker.py`.
    """
    name = collection_path.name
    named = any(name in argument or "benchmarks" in argument for argument in config.args)
    return True if name.startswith(_WHEN_NAMED) and not named else None

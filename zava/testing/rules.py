"""Rules as tests: one test per rule, all started together against one target, one report at the end."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Final

import allure as allure_decorators
import allure_commons
import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect, PyMongoError
from rich.console import Console

from conformance import exit_codes
from conformance.errors import HarnessError, TargetError
from conformance.report import text
from conformance.report.allure import labels
from conformance.report.allure.pytest_plugin import RuleIdentity, attach, marks, register_markers, results_only
from conformance.run.baseline import LIMIT, compare
from conformance.run.baseline import load as load_baseline
from conformance.run.selection import select
from conformance.run.session import Project, Validation, load_project, validating
from conformance.run.violations import write_violations
from conformance.run.watchdog import watch
from conformance.server.target import Target, require_data
from conformance.text.masking import one_line
from zava.testing import garbage, junit, state
from zava.testing.options import add_options, chosen, read_options
from zava.testing.order import in_order, rule_of
from zava.testing.reporting import discard_earlier, discard_earlier_of_a_refused_run, header, name_junit_suite
from zava.testing.server_gone import ServerGone
from zava.testing.signals import Leaving
from zava.testing.state import one_line_exit

#: Seconds in which a run must have ended after SIGTERM: less than what `zava conform` has, which waits for it.
_GRACE_SECONDS: Final = 10.0

pytest_plugins = ["zava.testing.verdict"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; remove the reports of an earlier run even where pytest is going to refuse the command line."""
    add_options(parser)
    discard_earlier_of_a_refused_run()


def pytest_configure(config: pytest.Config) -> None:
    """Read the model, settings and rules; an error ends the run with its one line and exit code."""
    garbage.collect_less_often(config)
    if not config.pluginmanager.hasplugin("allure_pytest"):
        register_markers(config)
    config.addinivalue_line("markers", "family(name): the families that a test with zava_rule runs")
    if config.getoption("numprocesses", None):
        pytest.exit(
            "leave out -n, or pass -n 0: the rules run side by side already, in one process",
            returncode=exit_codes.CONFIGURATION,
        )
    config.stash[state.LEAVING] = Leaving(config)
    watch(_GRACE_SECONDS)
    try:
        discard_earlier(config.invocation_params.args)
        options = config.stash[state.OPTIONS] = read_options(config)
        project = load_project(options.root)
        config.stash[state.CHOICE] = project.choose(uri=options.uri, embedded=options.embedded, validating=True)
        selected = select(project.rules, options.only, options.collection, options.exclude)
        config.stash[state.KNOWN] = load_baseline(options.baseline) if options.baseline else None
    except HarnessError as error:
        pytest.exit(one_line(error), returncode=error.exit_code)
    config.stash[state.PROJECT] = project
    config.stash[state.RULES] = {rule.id: rule for rule in selected}
    config.stash[state.RESULTS] = {}
    identity = RuleIdentity([labels.labels(rule, state.epic(config)) for rule in selected])
    allure_commons.plugin_manager.register(identity)
    config.add_cleanup(lambda: allure_commons.plugin_manager.unregister(identity))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Once allure-pytest has made what writes its files, let it write only those that say something."""
    name_junit_suite(session.config, state.epic(session.config))
    results_only(session.config)
    garbage.exempt_existing_objects()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """No other test is begun after a signal."""
    item.config.stash[state.LEAVING].now()


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name the target and the model, and a .env that is not read."""
    return header(config.stash[state.PROJECT], config.stash[state.CHOICE])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test per rule: of the families that the test's marker names, without a marker of all."""
    if "zava_rule" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("family")
    epic = state.epic(metafunc.config)
    rules = metafunc.config.stash[state.RULES].values()
    labelled = [labels.labels(rule, epic) for rule in rules if marker is None or rule.family in marker.args]
    metafunc.parametrize("rule_id", [pytest.param(each.rule, id=each.rule, marks=marks(each)) for each in labelled])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out families of which no rule was chosen, and tests without a rule when rules were chosen by name."""
    options = config.stash[state.OPTIONS]
    narrowed = bool(options.only or options.collection or options.exclude)
    rules = config.stash[state.RULES]
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        evaluates = "zava_rule" in getattr(item, "fixturenames", ())
        (kept if (rule_of(item) in rules if evaluates else not narrowed) else left).append(item)
    if left:
        config.hook.pytest_deselected(items=left)
    items[:] = in_order(kept, rules)


@pytest.fixture(autouse=True)
def zava_epic(request: pytest.FixtureRequest) -> None:
    """Put tests without a rule under the same title as the rules."""
    if rule_of(request.node) is None:
        allure_decorators.dynamic.epic(state.epic(request.config))  # type: ignore[no-untyped-call]


@pytest.fixture(scope="session")
def zava_project(pytestconfig: pytest.Config) -> Project:
    """Return the model, its configuration and the settings."""
    return pytestconfig.stash[state.PROJECT]


@pytest.fixture(scope="session")
def zava_target(pytestconfig: pytest.Config, zava_project: Project) -> Iterator[Target]:
    """Yield the validated database; the embedded one is generated first if its model or settings have changed."""
    notice = partial(Console(stderr=True, highlight=False).print, soft_wrap=True)
    with ExitStack() as stack:
        with one_line_exit():
            wait = pytestconfig.stash[state.OPTIONS].wait
            target = stack.enter_context(zava_project.opened(pytestconfig.stash[state.CHOICE], wait=wait))
            with _explained(target):
                if target.embedded:
                    from generator.dataset import embedded_dataset

                    held = embedded_dataset(
                        zava_project.model, zava_project.settings, zava_project.configuration, target, notice
                    )
                    stack.enter_context(held)
                require_data(zava_project.model, target)
        pytestconfig.stash[state.TARGET] = target
        yield target


@contextmanager
def _explained(target: Target) -> Iterator[None]:
    """Say of an error of the target what was behind it."""
    try:
        yield
    except (TargetError, PyMongoError) as error:
        raise target.cause(error) from error


@pytest.fixture(scope="session")
def zava_scratch(pytestconfig: pytest.Config, zava_target: Target) -> Iterator[Database[Any]]:
    """Yield a database beside the validated one that tests may write to, and drop it at the end."""
    with zava_target.scratch(allow_writes=chosen(pytestconfig, "allow-writes")) as database:
        if database is None:
            pytest.skip("the rule writes to a scratch database; pass --allow-writes to run it")
        yield database


@pytest.fixture(scope="session")
def zava_validation(
    pytestconfig: pytest.Config,
    request: pytest.FixtureRequest,
    zava_project: Project,
    zava_target: Target,
    record_testsuite_property: junit.Record,
) -> Iterator[Validation]:
    """All chosen rules, started together; tests wait for their own."""
    options = pytestconfig.stash[state.OPTIONS]
    asked = {rule_of(item) for item in request.session.items}
    rules = [rule for rule in pytestconfig.stash[state.RULES].values() if rule.id in asked]
    pytestconfig.stash[state.ASKED] = len(rules)
    with validating(
        zava_project,
        zava_target,
        rules,
        command=chosen(pytestconfig, "command") or shlex.join(["pytest", *sys.argv[1:]]),
        allow_writes=chosen(pytestconfig, "allow-writes"),
        sample_size=LIMIT if options.baseline else options.samples,
    ) as validation:
        yield validation
        results = pytestconfig.stash[state.RESULTS]
        if all(rule.id in results for rule in rules):  # a verdict on a part would be none
            with one_line_exit(), _explained(zava_target):
                found = [results[rule.id] for rule in rules]
                report = validation.report(found, options.baseline)
                if options.violations is not None:
                    write_violations(validation.context, rules, found, options.violations)
            pytestconfig.stash[state.REPORT] = report
            junit.describe_run(record_testsuite_property, report, strict=chosen(pytestconfig, "warnings-fail"))


@pytest.fixture(scope="session", autouse=True)
def zava_rules_under_way(request: pytest.FixtureRequest) -> None:
    """Begin with the rules, whichever test is first."""
    if any(rule_of(item) is not None for item in request.session.items):
        request.getfixturevalue("zava_validation")


@pytest.fixture
def zava_rule(
    pytestconfig: pytest.Config, request: pytest.FixtureRequest, zava_validation: Validation, rule_id: str
) -> Callable[[], None]:
    """Wait for the rule's result and turn it into pytest's outcome."""

    def evaluate() -> None:
        __tracebackhide__ = True
        with one_line_exit(), _explained(zava_validation.target):
            result = zava_validation.run.result(rule_id)
        known, shown = pytestconfig.stash[state.KNOWN], pytestconfig.stash[state.OPTIONS].samples
        (result,) = compare([result], known, shown).results
        pytestconfig.stash[state.RESULTS][rule_id] = result
        attach(result)
        junit.describe(request.node, result)
        if result.status == "skipped":
            pytest.skip(result.reason or "")
        if result.status == "error":
            raise RuntimeError(result.reason)
        new_warning = result.status == "warned" and not result.accepted
        if result.status == "failed" or (new_warning and chosen(pytestconfig, "warnings-fail")):
            pytest.fail(text.finding(result), pytrace=False)

    return evaluate


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Report the time that a rule's check took, of which its test has waited for a part only."""
    report: Any = yield
    result = item.config.stash[state.RESULTS].get(rule_of(item) or "")
    if result is not None and call.when == "call":
        report.duration = result.duration_s
    return report


def pytest_exception_interact(node: pytest.Item | pytest.Collector, call: pytest.CallInfo[Any]) -> None:
    """End the run when the server went away: every test after this one would wait for it in vain."""
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, ServerGone):
        error = error.__cause__
    if isinstance(error, AutoReconnect) and (target := node.config.stash.get(state.TARGET, None)) is not None:
        pytest.exit(one_line(target.cause(error)), returncode=TargetError.exit_code)

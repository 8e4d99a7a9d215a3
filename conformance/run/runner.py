"""Running rules: checks are grouped and run concurrently. Results do not depend on the order of running."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from threading import Event
from types import TracebackType
from typing import Any, Final, Self

from pymongo import MongoClient
from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError, ServerSelectionTimeoutError

from conformance.checks.base import Context, Rule, skipped
from conformance.checks.document_scan import DocumentTest, screen
from conformance.checks.grouped_bounds import GroupedBounds
from conformance.checks.joins.join import JoinTest
from conformance.checks.key_range import Partition
from conformance.checks.survey import survey
from conformance.config.acceptance import WAIVED
from conformance.connection.client import in_words
from conformance.errors import HarnessError, TargetError
from conformance.results import Outcome, Result, Status
from conformance.run.acceptance import accepted
from conformance.text.masking import mask, masked

#: Checks under way at once: the server has its own core, and two keep it busy.
WORKERS: Final = 2
_HERE: Final = frozenset({"127.0.0.1", "::1", "localhost"})
#: The server's code for a query whose collation is not that of the view it asks.
_COLLATION_OF_A_VIEW: Final = 167
#: Checks that a survey answers, and that can examine a range of keys; others need all documents.
BY_RANGE: Final = (DocumentTest, JoinTest, GroupedBounds)


class Run:
    """One run of rules against one context. Use as a context manager; results can be asked for in any order."""

    def __init__(self, rules: Sequence[Rule], context: Context) -> None:
        self._rules = rules
        self._context = context
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="rules")
        self._futures: dict[str, Future[Mapping[str, Result]]] = {}
        self._lost: TargetError | None = None
        self._survey = ThreadPoolExecutor(1, thread_name_prefix="survey")
        self._stop = Event()

    def __enter__(self) -> Self:
        groups = _groups(self._rules)
        try:
            if self._context.partition is None and is_here(self._context.database.client):
                surveyed = self._survey.submit(survey, self._context, self._rules, self._stop)
                self._context = self._context.surveyed(surveyed.result)
                # The server is asked the other questions meanwhile.
                groups.sort(key=lambda group: isinstance(group[0].check, BY_RANGE))
            for group in groups if self._context.partition is None else _share(groups, self._context.partition):
                future = self._pool.submit(self._answer, group)
                self._futures |= {rule.id: future for rule in group}
        except BaseException:  # a signal: the pool may not know of a thread that has just begun, and waits for work
            self._shut_down()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shut_down()

    def _shut_down(self) -> None:
        self._stop.set()
        self._survey.shutdown(wait=True, cancel_futures=True)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _answer(self, group: list[Rule]) -> Mapping[str, Result]:
        """Answer a group; once the server went away no other is tried, each of which would wait for it in vain."""
        if self._lost is not None:
            raise self._lost
        try:
            return _answer(self._context, group)
        except TargetError as error:
            self._lost = error
            raise

    def result(self, rule_id: str) -> Result:
        """Return the result of one rule; waits for it. TargetError when the server went away meanwhile."""
        return self._futures[rule_id].result()[rule_id]

    def results(self, on_result: Callable[[Result], None] | None = None) -> list[Result]:
        """All results, in the order of the rules; ``on_result`` is told of each as it is given out.

        Of a partition those that it has a share in.
        """
        found = []
        for rule in [rule for rule in self._rules if rule.id in self._futures]:
            found.append(self.result(rule.id))
            if on_result is not None:
                on_result(found[-1])
        return found


def is_here(client: MongoClient[Any]) -> bool:
    """Return whether the server is on this machine, where reading all documents costs little."""
    try:
        return client.address is not None and client.address[0] in _HERE
    except PyMongoError:  # it has several servers, or none that answers
        return False


def _groups(rules: Sequence[Rule]) -> list[list[Rule]]:
    """Return the rules that are answered together: those of one group."""
    groups: dict[object, list[Rule]] = {}
    for rule in rules:
        groups.setdefault(rule.group, []).append(rule)
    return list(groups.values())


def _share(groups: list[list[Rule]], partition: Partition) -> list[list[Rule]]:
    """Return what a partition answers: its range of what can be cut, and in turn with the others what cannot."""
    cut = [group for group in groups if isinstance(group[0].check, BY_RANGE)]
    whole = [group for group in groups if not isinstance(group[0].check, BY_RANGE)]
    return cut + partition.deals(whole)


def _answer(context: Context, rules: list[Rule]) -> Mapping[str, Result]:
    started = time.perf_counter()
    try:
        check = screen if isinstance(rules[0].check, DocumentTest) else rules[0].check
        outcomes = check(context, rules)
    except (AutoReconnect, ServerSelectionTimeoutError) as error:
        raise TargetError(
            f"the server went away while {rules[0].id} was checked: {in_words(error)}; check it and run again"
        ) from None
    except HarnessError as error:
        return _broken(rules, mask(str(error)), started)
    except OperationFailure as error:
        if error.code != _COLLATION_OF_A_VIEW:
            return _broken(rules, f"OperationFailure: {in_words(error)}", started)
        reason = "a view with its own collation exists instead of a collection; see validators.*.present"
        outcomes = {rule.id: skipped(reason) for rule in rules}
    except Exception as error:
        message = in_words(error) if isinstance(error, PyMongoError) else mask(str(error))[:300]
        return _broken(rules, f"{type(error).__name__}: {message}", started)
    duration = (time.perf_counter() - started) / len(rules)
    return {rule.id: _shown(to_result(rule, outcomes[rule.id], duration)) for rule in rules}


def _shown(result: Result) -> Result:
    """Return the result as reports may show it: what a check found in configuration files may be a secret."""
    samples = tuple(
        replace(sample, why=mask(sample.why), ref=None if sample.ref is None else mask(sample.ref))
        for sample in result.samples
    )
    reason = None if result.reason is None else mask(result.reason)
    return replace(result, samples=samples, reason=reason, evidence=masked(result.evidence))


def _broken(rules: list[Rule], reason: str, started: float) -> dict[str, Result]:
    duration = (time.perf_counter() - started) / len(rules)
    return {
        rule.id: Result(
            rule.id, rule.title, rule.severity, "error", 0, 0, (), reason, {}, duration, why=rule.why, fix=rule.fix
        )
        for rule in rules
    }


def to_result(rule: Rule, outcome: Outcome, duration_s: float) -> Result:
    """Turn an outcome into a result: examining nothing is never passing."""
    status: Status
    reason = outcome.skipped or rule.note or None
    if outcome.skipped is not None:
        status = "skipped"
    elif not outcome.examined and not outcome.violations:
        status, reason = "error", "the rule examined nothing"
    elif not outcome.violations:
        status = "passed"
    else:
        status = "failed" if rule.severity == "error" else "warned"
    result = Result(
        id=rule.id,
        title=rule.title,
        severity=rule.severity,
        status=status,
        examined=outcome.examined,
        violations=outcome.violations,
        samples=outcome.samples,
        reason=reason,
        evidence=outcome.evidence,
        duration_s=duration_s,
        why=rule.why,
        fix=rule.fix,
    )
    return accepted(rule, result, outcome.evidence.get(WAIVED, 0))

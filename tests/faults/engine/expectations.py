"""Comparison of a fault's declaration with the results of the rules."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database

from conformance.checks.base import Rule
from conformance.results import Result
from tests.faults.catalogue import Fault
from tests.faults.engine.documents import Touched
from tests.faults.engine.values import made

Results = Mapping[str, Result]
Document = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """Result of one fault: the rules that reported it, and every difference from its declaration (empty: caught)."""

    fault: Fault
    killed: tuple[str, ...]
    missed: tuple[str, ...]
    wrong: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def caught(self) -> bool:
        """Return whether every declared rule reported the fault."""
        return bool(self.killed) and not self.missed


@dataclass(frozen=True)
class _Broken:
    """One rule's evaluated expectation: the number of violations, and their documents or refs."""

    status: str
    violations: int
    ids: tuple[Any, ...] = ()
    refs: tuple[str, ...] = ()


def verdict(
    fault: Fault,
    rules: list[Rule],
    found: Results,
    clean: Results,
    database: Database[Document],
    touched: Touched,
    named: Mapping[str, Document],
) -> Verdict:
    """Compare the results of a fault with its declaration and with those of the clean base."""
    expected, problems = _expected(fault, rules, database, touched, named)
    killed: list[str] = []
    missed: list[str] = []
    wrong: list[str] = []
    for rule in rules:
        result = found[rule.id]
        if rule.id in expected:
            faults = list(_differences(result, expected[rule.id]))
            problems += [f"{rule.id}: {one}" for one in faults]
            (killed if result.violations and result.status == expected[rule.id].status else missed).append(rule.id)
        elif any(fnmatch.fnmatchcase(rule.id, pattern) for pattern in fault.skips):
            if result.status != "skipped":
                problems.append(f"{rule.id}: should be skipped, is {_description(result)}")
                wrong.append(rule.id)
        else:
            before = clean.get(rule.id)
            state = (before.status, before.violations) if before else ("passed", 0)
            if (result.status, result.violations) != state:
                problems.append(f"{rule.id}: should stay {state[0]}, is {_description(result)}")
                wrong.append(rule.id)
    problems += [
        f"{rule}: should say {reason!r}, is {_description(found[rule])}"
        for rule, reason in fault.reasons.items()
        if rule in found and not _says(found[rule], reason)
    ]
    return Verdict(fault, tuple(killed), tuple(missed), tuple(wrong), tuple(problems))


def _says(result: Result, reason: str) -> bool:
    """Return whether the first sample has this reason."""
    pattern = ".*".join(re.escape(part) for part in reason.split("*"))
    return bool(result.samples) and re.fullmatch(pattern, result.samples[0].why, re.DOTALL) is not None


def _description(result: Result) -> str:
    samples = "; ".join(f"{sample.ref or sample.id}: {sample.why}" for sample in result.samples[:2])
    return f"{result.status} with {result.violations} ({result.reason or samples})"


def _differences(result: Result, wanted: _Broken) -> Iterator[str]:
    if result.status != wanted.status:
        yield f"should be {wanted.status}, is {_description(result)}"
        return
    if result.violations != wanted.violations:
        yield f"should find {wanted.violations}, is {_description(result)}"
    if not result.examined:
        yield "examined nothing"
    if not 0 < len(result.samples) <= result.violations:
        yield f"has {len(result.samples)} samples of {result.violations} violations"
    for sample in result.samples:
        if not sample.why:
            yield "has a sample without a reason"
        if sample.ref is None and not any(_same(sample.id, one) for one in wanted.ids):
            yield f"names {sample.id!r}, which is not broken: {sample.why}"
        if sample.ref is not None and not any(fnmatch.fnmatchcase(sample.ref, pattern) for pattern in wanted.refs):
            yield f"names {sample.ref!r}, which is not broken: {sample.why}"


def _same(one: Any, other: Any) -> bool:
    return one == other and type(one) is type(other)


def _expected(
    fault: Fault, rules: list[Rule], database: Database[Document], touched: Touched, named: Mapping[str, Document]
) -> tuple[dict[str, _Broken], list[str]]:
    expected: dict[str, _Broken] = {}
    problems: list[str] = []
    for status, declared in (("failed", fault.fails), ("warned", fault.warns)):
        for pattern, wanted in declared.items():
            matching = [rule for rule in rules if fnmatch.fnmatchcase(rule.id, pattern)]
            if not matching:
                problems.append(f"{pattern}: no such rule was run")
            for rule in matching:
                expected[rule.id] = _worked_out(status, wanted, rule, database, touched, named)
    return expected, problems


def _worked_out(
    status: str,
    wanted: Any,
    rule: Rule,
    database: Database[Document],
    touched: Touched,
    named: Mapping[str, Document],
) -> _Broken:
    own = tuple(document["_id"] for document in touched.after.get(rule.collection, ()))
    if isinstance(wanted, int):
        return _Broken(status, wanted, own)
    refs = tuple(one.replace("{collection}", rule.collection) for one in wanted.get("refs", ()))
    if "in" not in wanted:
        return _Broken(status, wanted.get("violations", len(refs)), refs=refs)
    where = made(wanted.get("where", {}), named)
    ids = [one["_id"] for one in database[wanted["in"]].find(where, {"_id": 1})]
    violations = wanted.get("violations", len(ids)) + wanted.get("plus", 0)
    return _Broken(status, violations, (*ids, *(own if "plus" in wanted else ())), refs)

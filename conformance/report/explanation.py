"""Explain a rule: meaning, impact, method, fix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from conformance.checks.base import Rule
from conformance.checks.joins.join import JoinTest
from conformance.report.find_query import method_call
from conformance.rules.families import Family, family
from conformance.run.query_recorder import Record, record
from conformance.run.session import Project


@dataclass(frozen=True)
class Explanation:
    """Everything about one rule; ``sharing`` counts the other rules that the same questions answer."""

    rule: Rule
    family: Family
    record: Record
    sharing: int

    @property
    def shell(self) -> list[str]:
        """The questions as mongosh takes them, one text each."""
        return [method_call(q.collection, q.method, q.argument) for q in self.record.questions]

    def as_json(self) -> dict[str, Any]:
        """Return the content of `zava explain --json`."""
        return {
            "id": self.rule.id,
            "severity": self.rule.severity,
            "title": self.rule.title,
            "family": {"name": self.rule.family, "title": self.family.title, "meaning": self.family.meaning},
            "why": self.rule.why,
            "how": self.how,
            "asks": self.shell,
            "fix": self.rule.fix,
            "mend": self.rule.fix,  # the name until schema_version 1; read "fix"
        }

    @property
    def how(self) -> str:
        """Return how it is checked, in a sentence or two."""
        sentences = [self.family.method]
        if self.record.decides:
            sentences.append("The query finds candidates, which are then examined one by one.")
        if not self.record.questions:
            sentences.append("It sends no query to the database unless it finds a violation.")
        elif self.sharing:
            sentences.append(f"The same queries answer {self.sharing} other rule{'s' if self.sharing > 1 else ''}.")
        return " ".join(sentences)


def explain(project: Project, rule: Rule) -> Explanation:
    """Return the explanation of one of the project's rules; needs no server."""
    rules = project.rules  # made anew each time
    same = next(each for each in rules if each.id == rule.id)
    sharing = sum(_asks_the_same(each, same) for each in rules) - 1
    asked = record(same, project.model, project.configuration, project.settings)
    return Explanation(rule, family(rule.family), asked, sharing)


def _asks_the_same(rule: Rule, other: Rule) -> bool:
    """Return whether the queries of one rule answer the other; tests of documents share a scan, but not their query."""
    return rule.check is other.check or (isinstance(rule.check, JoinTest) and rule.group == other.group)


def accepted(rule: Rule) -> Iterator[str]:
    """Say which violations of the rule a team accepts: thresholds of severity.yaml, waivers of waivers.yaml."""
    entry = rule.thresholds
    if entry is not None:
        limits = (("warn_above", entry.warn_above), ("fail_above", entry.fail_above))
        shown = ", ".join(f"{name} {limit}" for name, limit in limits if limit is not None)
        yield f"Thresholds: {shown} ({entry.reason})"
    for waiver in rule.waivers:
        where = f" at {waiver.path}" if waiver.path else ""
        yield f"Waived{where} until {waiver.until}: {waiver.reason}"


def lines(explanation: Explanation) -> Iterator[str]:
    """Yield the explanation for a terminal."""
    rule, about = explanation.rule, explanation.family
    yield f"{rule.id} ({rule.severity})"
    yield rule.title
    yield ""
    yield f"Family: {about.title}. {about.meaning}"
    yield f"Why it matters: {rule.why}"
    yield f"How it is checked: {explanation.how}"
    yield from accepted(rule)
    if rule.note:
        yield f"Note: {rule.note}"
    yield f"How to fix it: {rule.fix}"
    if explanation.record.questions:
        yield ""
        yield "Queries of a run without findings, for mongosh:"
        for question in explanation.shell:
            yield ""
            yield question

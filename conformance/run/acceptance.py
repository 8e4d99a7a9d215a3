"""Acceptance: thresholds and waivers turn a broken rule into a known one and give the reason."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import replace

from conformance.checks.base import Rule
from conformance.config.acceptance import SEPARATOR, SeverityOverride, Waiver
from conformance.results import KNOWN, Result


def accepted(rule: Rule, result: Result, today: dt.date | None = None) -> Result:
    """Return the result as the rule's thresholds and waivers have it; only what is broken can change.

    A waiver of a path needs a sample of every violation. If there are more, nothing is waived, and the reason says so.
    """
    if result.status not in ("failed", "warned"):
        return result
    if rule.thresholds is not None:
        result = _compared(result, rule.thresholds)
    if result.accepted:
        return result
    day = today or dt.datetime.now(dt.UTC).date()
    for waiver in rule.waivers:
        result = _waived(result, waiver, day)
        if result.accepted:
            break
    return result


def _compared(result: Result, entry: SeverityOverride) -> Result:
    warn, fail = entry.warn_above, entry.fail_above
    if warn is not None and not warn.exceeded(result.violations, result.examined):
        reason = f"{KNOWN}{_amount(result)}, and up to {warn} are accepted (warn_above): {entry.reason}"
        return replace(result, status="warned", known=result.violations, reason=reason)
    if fail is None or not fail.exceeded(result.violations, result.examined):
        limits = " and ".join(f"{name} {limit}" for name, limit in _limits(entry) if limit is not None)
        reason = f"{_amount(result)}: a warning by {limits}: {entry.reason}"
        return replace(result, status="warned", severity="warning", reason=reason)
    reason = f"{_amount(result)}: more than fail_above {fail}: {entry.reason}"
    return replace(result, status="failed", severity="error", reason=reason)


def _limits(entry: SeverityOverride) -> Sequence[tuple[str, object]]:
    return ("warn_above", entry.warn_above), ("fail_above", entry.fail_above)


def _amount(result: Result) -> str:
    share = f" ({100 * result.violations / result.examined:.3g} %)" if result.examined else ""
    return f"{result.violations:,} of {result.examined:,}{share}"


def _waived(result: Result, waiver: Waiver, today: dt.date) -> Result:
    what = f"the waiver of {waiver.path or waiver.rule}"
    if waiver.expired(today):
        return _noted(result, f"{what} ended on {waiver.until}: {waiver.reason}")
    number = result.violations
    if waiver.path is not None:
        there = re.compile(rf"{re.escape(waiver.path)}(?=[\s.:\[]|$)")
        others = [sample for sample in result.samples if not all(map(there.match, sample.why.split(SEPARATOR)))]
        if len(result.samples) < result.violations:
            return _noted(result, f"{what} cannot be applied: only {len(result.samples):,} violations are listed")
        number -= len(others)
        if others:
            return _noted(replace(result, samples=tuple(others)), f"{what} accepts {number:,} of {result.violations:,}")
    reason = f"{KNOWN}waived until {waiver.until}: {waiver.reason}"
    return replace(result, status="warned", known=number, reason=reason)


def _noted(result: Result, note: str) -> Result:
    return replace(result, reason="; ".join(filter(None, (result.reason, note))))

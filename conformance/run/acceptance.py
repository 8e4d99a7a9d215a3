"""Acceptance: thresholds and waivers turn a broken rule into a known one and give the reason."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

from conformance.checks.base import Rule
from conformance.config.acceptance import SeverityOverride
from conformance.results import KNOWN, Result


def accepted(rule: Rule, result: Result, waived: int = 0, today: dt.date | None = None) -> Result:
    """Return the result as the rule's thresholds and waivers have it; only what is broken can change.

    ``waived`` counts the violations at paths that waivers name.
    """
    if result.status not in ("failed", "warned"):
        return result
    if rule.thresholds is not None:
        result = _compared(result, rule.thresholds)
    if result.accepted:
        return result
    day = today or dt.datetime.now(dt.UTC).date()
    for waiver in rule.waivers:
        if waiver.expired(day):
            what = f"the waiver of {waiver.path or waiver.rule}"
            result = _noted(result, f"{what} ended on {waiver.until}: {waiver.reason}")
    current = [waiver for waiver in rule.waivers if not waiver.expired(day)]
    whole = [waiver for waiver in current if waiver.path is None][:1]
    applied = whole or [waiver for waiver in current if waiver.path is not None]
    if not applied:
        return result
    if whole or waived == result.violations:
        until, reasons = min(waiver.until for waiver in applied), "; ".join(waiver.reason for waiver in applied)
        reason = f"{KNOWN}waived until {until}: {reasons}"
        return replace(result, status="warned", known=result.violations, reason=reason)
    paths = ", ".join(str(waiver.path) for waiver in applied)
    return _noted(result, f"the waiver of {paths} accepts {waived:,} of {result.violations:,}")


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


def _noted(result: Result, note: str) -> Result:
    return replace(result, reason="; ".join(filter(None, (result.reason, note))))

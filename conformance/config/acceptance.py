"""Accepted violations: severities and thresholds (config/severity.yaml), temporary waivers (config/waivers.yaml)."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, StringConstraints, model_validator

from conformance.files.strict_files import Strict
from conformance.results import Severity

#: Key of the evidence for the number of violations at paths that waivers name.
WAIVED: Final = "waived"
#: Stands between the problems of one document, where a waiver of a path needs all of them.
SEPARATOR: Final = "; "
_SHARE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*%")
Reason = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


@dataclass(frozen=True)
class Threshold:
    """A number of violations, or a share of the examined documents in percent."""

    value: float
    is_share: bool

    def exceeded(self, violations: int, examined: int) -> bool:
        """Return whether there are more violations than this; any of nothing examined is more than a share."""
        return violations * 100 > self.value * examined if self.is_share else violations > self.value

    def __str__(self) -> str:
        """Such as ``0.5 %`` or ``12``."""
        return f"{self.value:g} %" if self.is_share else f"{self.value:,.0f}"


def _threshold(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Threshold(value, is_share=False)
    match = _SHARE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or float(match[1]) > 100:
        raise ValueError("not a threshold; write a whole number of violations, or a share such as 0.5 %")
    return Threshold(float(match[1]), is_share=True)


Limit = Annotated[Threshold, BeforeValidator(_threshold)]


class SeverityOverride(Strict):
    """One entry of config/severity.yaml: rules (an id, or a shell-style pattern), how severe they are, and why.

    Up to ``warn_above`` violations are accepted; up to ``fail_above`` they are a warning. With ``warn_above`` alone the
    rule never fails, with ``fail_above`` alone one violation is a warning.
    """

    rule: str
    severity: Severity | None = None
    warn_above: Limit | None = None
    fail_above: Limit | None = None
    reason: Reason

    @model_validator(mode="after")
    def _one_form(self) -> SeverityOverride:
        if self.severity is None and self.warn_above is None and self.fail_above is None:
            raise ValueError("the entry changes nothing; write severity, warn_above or fail_above")
        if self.severity is not None and (self.warn_above or self.fail_above) is not None:
            raise ValueError("thresholds set the severity; write severity or warn_above and fail_above")
        return self


def _not_a_time(value: Any) -> Any:
    if isinstance(value, dt.datetime) or (isinstance(value, str) and not re.fullmatch(r"\d{4}-\d\d-\d\d", value)):
        raise ValueError("not a day; write a date as YYYY-MM-DD")
    return value


class Waiver(Strict):
    """One entry of config/waivers.yaml: rules that may be broken, up to a day, and why.

    With ``path`` only documents are waived all of whose problems are at that field, below it, or at the path of
    another waiver of the rule.
    """

    rule: str
    path: str | None = None
    until: Annotated[dt.date, BeforeValidator(_not_a_time)]
    reason: Reason

    def expired(self, today: dt.date) -> bool:
        """Return whether the last day is over."""
        return today > self.until


def waived_document(waivers: Iterable[Waiver], today: dt.date) -> Callable[[str], bool] | None:
    """Return what tells whether the problems of a document are all at waived paths; None if no path is waived."""
    paths = [re.escape(waiver.path) for waiver in waivers if waiver.path is not None and not waiver.expired(today)]
    if not paths:
        return None
    there = re.compile(rf"(?:{'|'.join(paths)})(?=[\s.:\[]|$)")
    return lambda problems: all(map(there.match, problems.split(SEPARATOR)))

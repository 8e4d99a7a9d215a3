"""Title, consequence, fix and severity, which every rule of config/rules.yaml has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from conformance.files.strict_files import Strict
from conformance.results import Severity

Subject = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_+-]+$")]
Family = Literal["totals", "business"]


class ConfiguredRule(Strict):
    """A configured rule: title, consequence (``why``), what to do (``fix``), severity."""

    family: Family
    title: str
    why: str = ""
    fix: str = ""
    severity: Severity = "error"

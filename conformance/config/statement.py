"""What every rule of config/rules.yaml says of itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AliasChoices, Field, StringConstraints

from conformance.files.strict_files import Strict
from conformance.results import Severity

Subject = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_+-]+$")]
Family = Literal["totals", "business"]


class Statement(Strict):
    """A configured rule: title, consequence (``why``), what to do (``fix``, also written ``mend``), severity."""

    family: Family
    title: str
    why: str = ""
    mend: str = Field("", validation_alias=AliasChoices("mend", "fix"))
    severity: Severity = "error"

"""docs/TRIAGE.md has a line for every family, in the order of the reports."""

from __future__ import annotations

import re

from conformance.rules.catalogue import FAMILIES
from tests.root import ROOT


def test_triage_has_every_family_in_order() -> None:
    text = (ROOT / "docs" / "TRIAGE.md").read_text(encoding="utf-8")
    section = text.partition("## By family")[2].partition("## It cannot")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(FAMILIES)

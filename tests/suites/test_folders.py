"""The folders of suites: those that run only when selected explicitly, and those of the rules."""

from __future__ import annotations

from typing import Final

import pytest

from conformance.rules.catalogue import FAMILIES
from tests.commands import Done, Workplace, finish
from tests.conformance.embedded.processes import ROOT

pytest_plugins = ["tests.commands"]

SUITES: Final = ROOT / "suites"
STORIES = ("demo/test_worker.py", "demo/test_sales_rep.py", "bridge/test_sync_bridge.py", "bridge/test_sync_copy.py")
#: Twenty seconds each, and about what the others run through as well; for `make soak`.
LONG = ("demo/test_worker.py", "demo/test_sales_rep.py", "bridge/test_sync_bridge.py")


@pytest.mark.parametrize("story", [pytest.param(one, marks=pytest.mark.soak if one in LONG else ()) for one in STORIES])
def test_story_runs_as_documented(workplace: Workplace, generated: Done, story: str) -> None:
    assert generated.code == 0
    arguments = ("--embedded", "--no-verdict", "--model", str(workplace.root), "-q")
    done = finish(workplace.start("pytest", str(SUITES / story), *arguments))
    assert done.code == 0, done.out
    assert " passed" in done.out.splitlines()[-1]


def test_every_story_file_is_listed() -> None:
    found = [path for folder in ("demo", "bridge") for path in (SUITES / folder).glob("test_*.py")]
    assert {str(path.relative_to(SUITES)) for path in found} == set(STORIES)


def test_unnamed_stories_are_not_collected(workplace: Workplace) -> None:
    listed = workplace.suites("--embedded", "--collect-only").out
    assert "test_integration.py" in listed
    assert not [story for story in STORIES if story in listed]


def test_every_family_has_a_suite_in_the_folder_of_its_rules() -> None:
    rules = ROOT / "conformance" / "rules"
    modules = {(path.relative_to(rules).parts[0], path.stem) for path in rules.rglob("*") if path.stem in FAMILIES}
    suites = {(path.parent.name, path.stem.removeprefix("test_")) for path in (SUITES / "rules").rglob("test_*.py")}
    assert suites == modules
    assert {name for _, name in suites} == FAMILIES.keys()

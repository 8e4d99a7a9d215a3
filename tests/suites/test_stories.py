"""The suites that run only when selected explicitly: the apps' scenarios, and the bridge on every collection."""

from __future__ import annotations

import pytest

from tests.commands import Done, Workplace, finish
from tests.conformance.embedded.processes import ROOT

pytest_plugins = ["tests.commands"]

STORIES = ("test_demo_worker.py", "test_demo_sales_rep.py", "test_sync_bridge.py", "test_sync_copy.py")
#: Twenty seconds each, and about what the others run through as well; for `make soak`.
LONG = ("test_demo_worker.py", "test_demo_sales_rep.py", "test_sync_bridge.py")


@pytest.mark.parametrize("story", [pytest.param(one, marks=pytest.mark.soak if one in LONG else ()) for one in STORIES])
def test_story_runs_as_documented(workplace: Workplace, generated: Done, story: str) -> None:
    assert generated.code == 0
    arguments = ("--embedded", "--no-verdict", "--model", str(workplace.root), "-q")
    done = finish(workplace.start("pytest", str(ROOT / "suites" / story), *arguments))
    assert done.code == 0, done.out
    assert " passed" in done.out.splitlines()[-1]


def test_every_story_file_is_listed() -> None:
    named = {
        path.name
        for pattern in ("test_demo_*", "test_sync_bridge*", "test_sync_copy*")
        for path in (ROOT / "suites").glob(pattern)
    }
    assert named == set(STORIES)


def test_unnamed_stories_are_not_collected(workplace: Workplace) -> None:
    listed = workplace.suites("--embedded", "--collect-only").out
    assert "test_integration.py" in listed
    assert not [story for story in STORIES if story in listed]

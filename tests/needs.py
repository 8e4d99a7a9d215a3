"""Needs of a test beside Python, as markers: `server`, `ditto`, `browser`, `node`, `slow`.

A test has a marker if its module sets it (``pytestmark``), or if it uses a fixture that starts something. A test that
starts a server or a store without the marker fails, so that `make check` (`-m quick`) needs neither.

`soak.yaml` lists tests that take too long for a commit, and for tests with many cases how many of them remain.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final, NoReturn

import pytest
import yaml

from conformance.embedded.server import EmbeddedServer
from edge.store.store import Store

#: Fixtures that start something, and the marker of every test that uses them, directly or through other fixtures.
STARTING: Final = {"server": "server", "workplace": "server", "guarded": "server", "pair": "ditto"}
#: Needs that a quick test does not have.
NEEDS: Final = ("server", "ditto", "browser", "node", "slow", "soak")
#: By file and name of a test: `all`, or a number n, so that every n-th case stays in `make test`.
SOAK: Final[dict[str, dict[str, str | int]]] = yaml.safe_load(
    Path(__file__).with_name("soak.yaml").read_text(encoding="utf-8")
)
#: Cases of a test that were collected so far.
_CASES: Final[Counter[str]] = Counter()


def mark(item: pytest.Item) -> None:
    """Add the markers that follow from fixtures and from soak.yaml, and `quick` if a test needs nothing."""
    test, _, _ = item.nodeid.partition("[")
    file, _, name = test.removeprefix("tests/").partition("::")
    share = SOAK.get(file, {}).get(name)
    if share is not None:
        if share == "all" or _CASES[test] % int(share):
            item.add_marker("soak")
        _CASES[test] += 1
    for name in STARTING.keys() & set(getattr(item, "fixturenames", ())):
        item.add_marker(STARTING[name])
    if not any(item.get_closest_marker(need) for need in NEEDS):
        item.add_marker("quick")


@pytest.fixture(autouse=True)
def starts_nothing_unmarked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that starts something without its marker."""
    for need, kind, method in (("server", EmbeddedServer, "start"), ("ditto", Store, "__init__")):
        if request.node.get_closest_marker(need) is None:

            def refuse(*_: object, need: str = need, **__: object) -> NoReturn:
                pytest.fail(f"this test needs the marker {need}")

            monkeypatch.setattr(kind, method, refuse)

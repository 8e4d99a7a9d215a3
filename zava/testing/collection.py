"""Collecting the rules without a file of tests: `pytest --zava` in any folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from zava.testing import suite


def pytest_configure(config: pytest.Config) -> None:
    """Collect no tests of the folder's own unless the command line names them."""
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args = []


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Add one test per rule, unless collected tests run the rules; the node ids are ``zava::test_rule[rule]``."""
    if not any("zava_rule" in getattr(item, "fixturenames", ()) for item in items):
        module = pytest.Module.from_parent(session, path=Path(suite.__file__), name="zava", nodeid="zava")
        items.extend(session.genitems(module))

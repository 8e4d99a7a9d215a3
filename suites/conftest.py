"""The suites of this repository: the rules, and tests that need a device's store; some run only when they are named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from pymongo.database import Database

from conformance.run.session import Project
from conformance.server.target import Target
from suites.edge_dataset import Edge, edge_of
from suites.subjects import SUBJECTS
from zava.testing import state

pytest_plugins = ["zava.testing.rules"]

_WHEN_NAMED: Final = ("benchmarks", "test_demo_", "test_sync_bridge", "test_sync_copy")


@pytest.fixture(scope="session")
def project(zava_project: Project) -> Project:
    """Return the model, its configuration and the settings."""
    return zava_project


@pytest.fixture(scope="session")
def target(zava_target: Target) -> Target:
    """Return the validated database."""
    return zava_target


@pytest.fixture(scope="session")
def scratch(zava_scratch: Database[Any]) -> Database[Any]:
    """Return a scratch database for tests that write; it is dropped at the end."""
    return zava_scratch


@pytest.fixture(scope="session")
def edge(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    """Yield the real store of a device that holds a small dataset, for tests that only read it."""
    with edge_of(project, tmp_path_factory.mktemp("edge")) as edge:
        yield edge


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make tests without a rule once for each collection, unique index or reference."""
    model = metafunc.config.stash[state.PROJECT].model
    for name, subjects in SUBJECTS.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, [pytest.param(subject, id=key) for key, subject in subjects(model)])


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Ignore suites that do not test the target's data, unless they are named.

    These are the benchmarks (`make bench`) and what drives the bridge: `pytest suites/test_demo_worker.py`.
    """
    name = collection_path.name
    named = any(name in argument or "benchmarks" in argument for argument in config.args)
    return True if name.startswith(_WHEN_NAMED) and not named else None

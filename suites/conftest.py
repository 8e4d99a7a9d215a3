"""The suites of this repository: fixtures that all of them share, and which run only when selected explicitly.

`rules/` has one suite per family of rules, in the folders of conformance/rules; `devices/` compares real Ditto stores
with MongoDB. `bridge/`, `demo/` (the apps' scenarios) and `benchmarks/` run only when selected explicitly. The modules
beside this one test the schemas, the model in a scratch database, and the search.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from pymongo.database import Database

from conformance.run.session import Project
from conformance.server.target import Target
from suites.devices.edge_dataset import Edge, edge_of
from suites.subjects import SUBJECTS
from zava.testing import state

pytest_plugins = ["zava.testing.rules"]

#: Folders that do not test the target's data.
_WHEN_NAMED: Final = tuple(Path(__file__).resolve().with_name(name) for name in ("benchmarks", "bridge", "demo"))


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
    """Ignore folders that do not test the target's data, unless an argument names them or something in them.

    Examples: `pytest suites/benchmarks`, `pytest suites/demo/test_worker.py`.
    """
    folder = collection_path.resolve()
    if folder not in _WHEN_NAMED:
        return None
    here = config.invocation_params.dir
    named = ((here / argument.partition("::")[0]).resolve() for argument in config.args)
    return None if any(path.is_relative_to(folder) for path in named) else True

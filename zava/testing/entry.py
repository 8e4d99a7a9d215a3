"""The pytest plugin of an installed harness: one option, and the rules as tests when it is given.

Every pytest of the environment imports this module. Without ``--zava`` it adds that option and nothing else: no other
option, fixture, marker or import.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

import pytest

_RULES: Final = "zava.testing.rules"
_COLLECTION: Final = "zava.testing.collection"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that asks for the rules."""
    group = parser.getgroup("zava", "conformance of a MongoDB database with a model")
    group.addoption(
        "--zava",
        action="store_true",
        help="run the rules of the model at or above this folder as tests (zava-conformance); --zava --help shows"
        " their options",
    )


@pytest.hookimpl(trylast=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Load the rules, with their options, after the options of conftest files and before pytest reads them all."""
    if not early_config.known_args_namespace.zava:
        return
    from zava.process import spare_processor_time

    spare_processor_time()
    from conformance.errors import ConfigurationError
    from conformance.extras import require

    try:
        require("pytest")
    except ConfigurationError as error:
        raise pytest.UsageError(str(error)) from None
    for name in (_RULES, _COLLECTION):
        if not early_config.pluginmanager.has_plugin(name):
            early_config.pluginmanager.register(import_module(name), name)

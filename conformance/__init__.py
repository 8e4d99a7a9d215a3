"""The library: read a model, ask a MongoDB server, return results.

It names no collection and imports no other package of this project.

Start at model/collection.py (what a model is), rules/catalogue.py (which rules a model has) and run/runner.py.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from conformance.api import validate

__all__ = ["validate"]


def __getattr__(name: str) -> Any:
    """Import the library's function when it is asked for: `zava --help` does without all that it needs.

    By its name, so that the fingerprint of generated data (generator/fingerprint.py) does not follow the import.
    """
    if name != "validate":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("conformance.api").validate

"""The program that asks Ditto's engine about statements."""

from __future__ import annotations

import subprocess
import sys

from tests.root import ROOT


def test_program_is_loaded_without_the_driver_of_mongodb() -> None:
    """Each run of the rules starts it once, and the driver was most of what it loaded."""
    loaded = "import sys, edge.store.statement_checker; print('pymongo' in sys.modules, 'bson' in sys.modules)"
    done = subprocess.run([sys.executable, "-P", "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False True\n"

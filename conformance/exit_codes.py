"""Exit codes of zava and of pytest, by name, with their meaning.

A run's code is chosen by `Report.exit_code` in results.py, an error's by its class in errors.py, a signal's by
zava/main.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

CONFORMANT: Final = 0
FINDINGS: Final = 1
CONFIGURATION: Final = 2
NO_VERDICT: Final = 3
#: What a shell adds to the number of a signal that ended a program.
SIGNAL: Final = 128

#: The meaning of the codes of zava; those of pytest are the same.
MEANINGS: Final[Mapping[int, str]] = {
    CONFORMANT: "Conformant, or done.",
    FINDINGS: "Findings: a rule of severity error is broken (with `--strict` a warning too), `--check` found work to"
    " do, a step of `doctor` failed.",
    CONFIGURATION: "Usage or configuration: an option, a setting, a file of schemas/ or config/ is wrong, or nothing"
    " was selected. Nothing was written.",
    NO_VERDICT: "The target could not be reached or used, the harness itself failed, or every rule was skipped: no"
    " verdict.",
    4: "pytest only: it refuses its command line before the suites are loaded, such as an unknown option.",
    130: "Interrupted by Ctrl-C (pytest: 2); 143: by SIGTERM. Servers are stopped and scratch databases dropped first.",
}

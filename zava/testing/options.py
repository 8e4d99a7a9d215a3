"""The options of a run of rules as tests, checked: an empty or impossible value is an error, never a default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from conformance.errors import ConfigurationError
from conformance.model.schemas.loading import find_model

#: The checkout's folder, whose model is used where there is none at or above the current folder.
OWN: Final = Path(__file__).parent.parent.parent
_NAMED: Final = ("uri", "model", "collection", "baseline", "reports", "violations")
_MAX_SAMPLES: Final = 1000
_MAX_WAIT_SECONDS: Final = 3600
#: By name: what pytest shows of the option. `read_options` checks the values, for pytest itself would end with its own
#: exit code, 4.
_OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "uri": {"help": "the server to validate; default: .env, else the embedded server"},
    "embedded": {"action": "store_true", "help": "use generated data on the embedded server"},
    "model": {"help": "folder with schemas/ and config/; default: the nearest one at or above the current folder"},
    "collection": {"help": "only rules of these collections, with commas"},
    "only": {"action": "append", "default": [], "help": "only rules whose id matches; with commas, repeatable"},
    "exclude": {"action": "append", "default": [], "help": "leave out rules whose id matches, as in --only"},
    "wait": {"default": "0", "help": "seconds to wait for a server that does not answer yet"},
    "allow-writes": {"action": "store_true", "help": "allow a scratch database on a named server"},
    "warnings-fail": {"action": "store_true", "help": "warnings fail too (zava validate --strict)"},
    "samples": {"default": "5", "help": f"violating documents shown per rule, 1 to {_MAX_SAMPLES}; default: 5"},
    "baseline": {"help": "fail only on violations that this file does not know"},
    "violations": {"help": "write every violation into this folder: one file of JSON lines per broken rule"},
    "reports": {"help": "where reports are written; default: reports/ of the model"},
    "command": {"help": "the command that reports show; default: pytest's own"},
    "no-verdict": {"action": "store_true", "help": "leave the summary to the caller (zava conform)"},
}


def add_options(parser: pytest.Parser) -> None:
    """Add each option as ``--name`` and ``--zava-name``; the latter alone where another plugin has the former."""
    group = parser.getgroup("zava", "conformance of a MongoDB database with a model")
    for name, about in _OPTIONS.items():
        free = [f"--{name}"] if _is_free(parser, f"--{name}") else []
        group.addoption(f"--zava-{name}", *free, **about)


def _is_free(parser: pytest.Parser, name: str) -> bool:
    """Return whether no plugin has an option of that name yet; pytest itself would notice when it is too late."""
    try:
        return name in parser.parse_known_and_unknown_args([name])[1]
    except pytest.UsageError:  # the option exists and lacks its value
        return False


def chosen(config: pytest.Config, name: str) -> Any:
    """Return the value of an option of `add_options`."""
    return config.getoption(f"--zava-{name}")


@dataclass(frozen=True)
class Options:
    """The options of the run; ``root`` is the model's folder, ``reports`` the folder for reports."""

    uri: str | None = field(repr=False)
    embedded: bool
    root: Path
    collection: str | None
    only: tuple[str, ...]
    exclude: tuple[str, ...]
    wait: float
    samples: int
    baseline: Path | None
    reports: Path
    violations: Path | None


def fallback(alone: bool) -> Path | None:
    """Return where else a model may be: the suites of a checkout have its own; ``--zava`` is about the folder's."""
    return None if alone else OWN


def read_options(config: pytest.Config) -> Options:
    """Return the options; ConfigurationError, one line, for the first value that cannot be used."""
    values = {name: chosen(config, name) for name in _NAMED}
    only, exclude = tuple(chosen(config, "only")), tuple(chosen(config, "exclude"))
    lists = [("only", each) for each in only] + [("exclude", each) for each in exclude]
    for name, value in [*values.items(), *lists]:
        if value is not None and not value.strip():
            raise ConfigurationError(f"--{name}: is empty; give a value, or leave the option out")
    samples = chosen(config, "samples")
    if not (samples.isascii() and samples.isdigit() and 1 <= int(samples) <= _MAX_SAMPLES):
        raise ConfigurationError(f"--samples: found {samples!r}; give a whole number from 1 to {_MAX_SAMPLES}")
    wait = chosen(config, "wait")
    if not (wait.isascii() and wait.isdigit() and int(wait) <= _MAX_WAIT_SECONDS):
        raise ConfigurationError(f"--wait: found {wait!r}; give a whole number of seconds up to {_MAX_WAIT_SECONDS}")
    here = config.invocation_params.dir
    model, reports, baseline = values["model"], values["reports"], values["baseline"]
    root = (here / model).resolve() if model else find_model(here, otherwise=fallback(config.getoption("zava", False)))
    return Options(
        uri=values["uri"],
        embedded=chosen(config, "embedded"),
        root=root,
        collection=values["collection"],
        only=only,
        exclude=exclude,
        wait=float(wait),
        samples=int(samples),
        baseline=here / baseline if baseline else None,
        reports=here / reports if reports else root / "reports",
        violations=here / values["violations"] if values["violations"] else None,
    )

"""The options of `pytest suites/`, checked: an empty or impossible value is an error, never a default."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from conformance.errors import ConfigurationError
from conformance.model.loading import find_model

#: The folder that the suites are in, whose model is used where there is none at or above the current folder.
OWN: Final = Path(__file__).parent.parent
_NAMED: Final = ("--uri", "--model", "--collection", "--baseline", "--reports")
_MAX_SAMPLES: Final = 1000


@dataclass(frozen=True)
class Options:
    """What was asked for; ``root`` is the model's folder, and ``reports`` where reports are written."""

    uri: str | None = field(repr=False)
    embedded: bool
    root: Path
    collection: str | None
    only: tuple[str, ...]
    samples: int
    baseline: Path | None
    reports: Path


def read_options(config: pytest.Config) -> Options:
    """Return the options; ConfigurationError, one line, for the first value that cannot be used."""
    values = {name: config.getoption(name) for name in _NAMED}
    only = tuple(config.getoption("--only"))
    for name, value in [*values.items(), *(("--only", each) for each in only)]:
        if value is not None and not value.strip():
            raise ConfigurationError(f"{name}: is empty; give a value, or leave the option out")
    samples = config.getoption("--samples")
    if not (samples.isascii() and samples.isdigit() and 1 <= int(samples) <= _MAX_SAMPLES):
        raise ConfigurationError(f"--samples: found {samples!r}; give a whole number from 1 to {_MAX_SAMPLES}")
    here = config.invocation_params.dir
    model, reports, baseline = values["--model"], values["--reports"], values["--baseline"]
    root = (here / model).resolve() if model else find_model(here, otherwise=OWN)
    return Options(
        uri=values["--uri"],
        embedded=config.getoption("--embedded"),
        root=root,
        collection=values["--collection"],
        only=only,
        samples=int(samples),
        baseline=here / baseline if baseline else None,
        reports=here / reports if reports else root / "reports",
    )

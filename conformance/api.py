"""The harness as a library: ``from conformance import validate``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from conformance.errors import ConfigurationError
from conformance.results import Report
from conformance.run.baseline import LIMIT, compare
from conformance.run.baseline import load as load_baseline
from conformance.run.selection import select
from conformance.run.session import load_project, validating
from conformance.run.violations import write_violations
from conformance.server.target import require_data


def validate(
    model: str | Path | None = None,
    *,
    uri: str | None = None,
    database: str | None = None,
    only: Sequence[str] = (),
    exclude: Sequence[str] = (),
    collection: str | None = None,
    samples: int = 5,
    baseline: str | Path | None = None,
    violations: str | Path | None = None,
    allow_writes: bool = False,
    wait: float = 0,
) -> Report:
    """Run the rules of a model against a server, and return the report; the options are those of ``zava validate``.

    ``model`` is a folder with schemas/ and config/, by default the nearest at or above the current one. ``uri`` and
    ``database`` are by default those of the environment or the model's ``.env``. ``report.conformant`` and
    ``report.exit_code()`` are the verdict, ``report.results`` the rules. Raises ConfigurationError (2) and TargetError
    (3), both with one line; both are HarnessErrors with an ``exit_code``. Reads only, unless ``allow_writes``.
    """
    project = load_project(None if model is None else Path(model), mongodb_database=database)
    choice = project.choose(uri=uri, embedded=False, validating=True)
    if choice.uri is None:
        raise ConfigurationError("uri: no server is named; pass uri, or set MONGODB_CONNECTION_STRING")
    rules = select(project.rules, only, collection, exclude)
    known = None if baseline is None else load_baseline(Path(baseline))
    with project.opened(choice, wait=wait) as target:
        require_data(project.model, target)
        size = samples if known is None else LIMIT
        command = "conformance.validate"
        with validating(
            project, target, rules, command=command, allow_writes=allow_writes, sample_size=size
        ) as validation:
            results = validation.run.results()
            file = None if baseline is None else Path(baseline)
            report = validation.report(compare(results, known, samples).results, file)
            if violations is not None:
                write_violations(validation.context, rules, results, Path(violations))
            return report

"""A session: everything needed to validate one target, shared by the command line and pytest."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from conformance.checks.base import Context, Rule
from conformance.checks.key_range import Partition
from conformance.config.configuration import Configuration
from conformance.config.environment import ENV_FILE
from conformance.config.loading import load_configuration
from conformance.config.settings import Settings, known_variables, load_settings
from conformance.config.unknown_names import check_parameters
from conformance.ditto.connector import CONNECTOR_FILE
from conformance.errors import ConfigurationError
from conformance.model.collection import Model
from conformance.model.schemas.loading import find_model, load_model
from conformance.results import Report, Result
from conformance.rules.catalogue import all_rules
from conformance.run.measurements import measured
from conformance.run.runner import Run
from conformance.server.roles import USERS_FILE
from conformance.server.target import Choice, Target, choose, doubt, open_target
from conformance.text.masking import mask

#: Names of variables in the connector's file and in that of the users.
_VARIABLE: Final = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")


@dataclass(frozen=True)
class Project:
    """A model with its configuration and the settings in force."""

    model: Model
    configuration: Configuration
    settings: Settings

    @cached_property
    def rules(self) -> Sequence[Rule]:
        """Every rule of the model. Raises ConfigurationError when two statements make rules of one id."""
        return tuple(all_rules(self.model, self.configuration))

    def choose(self, *, uri: str | None, embedded: bool, validating: bool = False) -> Choice:
        """Return the server that options and settings name; see `conformance.server.target.choose`."""
        return choose(self.settings, uri=uri, embedded=embedded, validating=validating)

    @contextmanager
    def opened(self, choice: Choice, **options: Any) -> Iterator[Target]:
        """Open the chosen server; ``options`` are the client's. See `conformance.server.target.open_target`."""
        with open_target(self.model.root, self.settings, choice, **options) as target:
            yield target

    def explained(self, report: Report) -> Report:
        """Return a report from a file with the consequences and fixes of its rules added."""
        rules = {rule.id: rule for rule in self.rules}
        results = [
            replace(result, why=rules[result.id].why, fix=rules[result.id].fix) if result.id in rules else result
            for result in report.results
        ]
        return replace(report, results=results)

    @property
    def reports(self) -> Path:
        """Return where reports are written."""
        return self.model.root / "reports"


def load_project(root: Path | None = None, **flags: Any) -> Project:
    """Read model, settings and configuration; ``flags`` are settings that win over the environment.

    ``root`` is the model's folder, default the nearest at or above the current one; the `.env` in it is read, and no
    other. Raises ConfigurationError, one line, for the first thing that is wrong.
    """
    root = find_model() if root is None else root.resolve()
    return assemble(root, load_settings(root / ENV_FILE, **flags))


def assemble(root: Path, settings: Settings) -> Project:
    """Read the model at ``root`` and its configuration, and make sure that they and the settings fit together.

    Raises ConfigurationError, one line, for the first thing that is wrong.
    """
    model = load_model(root)
    project = Project(model, load_configuration(model, settings.constants()), settings)
    _ = project.rules  # which may contradict each other
    check_parameters(model, project.configuration)
    for problem in settings.environment.misspelt(variables(model)):
        raise ConfigurationError(problem)
    for name in model.settings:
        settings.size(name, project.configuration.generation.defaults)
    return project


def variables(model: Model) -> set[str]:
    """Return the names of all variables that mean something: settings, and those that the model's files name."""
    files = (model.config(CONNECTOR_FILE), model.config(USERS_FILE))
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in files if path.is_file()]
    named = (match for text in texts for match in _VARIABLE.findall(text))
    return {*known_variables(), *model.settings, *named}


@dataclass
class Validation:
    """Rules being run against a target; `report` gathers what has been found."""

    project: Project
    target: Target
    run: Run
    context: Context
    command: str
    started: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    _clock: float = field(default_factory=time.perf_counter)

    def report(self, results: Sequence[Result], baseline: Path | None = None) -> Report:
        """Return the report of these results, with the run's circumstances; of a part no pictures are measured.

        ``baseline`` is the file that the results were compared with.
        """
        counts: Mapping[str, int] = self.context.counts
        partition = self.context.partition
        return Report(
            target=self.target.info,
            seed=self.project.settings.seed,
            started_at=self.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
            duration_s=time.perf_counter() - self._clock,
            command=mask(self.command),
            counts=counts,
            results=results,
            measured=measured(self.context, results) if partition is None else {},
            partition=None if partition is None else partition.as_json(self.context.sample_size, self.context.ranges),
            baseline=None if baseline is None else baseline.name,
            doubt=doubt(self.project.model, self.target),
        )


@contextmanager
def validating(
    project: Project,
    target: Target,
    rules: Sequence[Rule],
    *,
    command: str,
    allow_writes: bool = False,
    sample_size: int = 5,
    partition: Partition | None = None,
) -> Iterator[Validation]:
    """Start running rules against an open target, or a part of them; the scratch database is dropped at the end."""
    with target.scratch(allow_writes=allow_writes) as scratch:
        context = Context(
            project.model,
            project.configuration,
            project.settings,
            target.database,
            target.embedded,
            scratch,
            sample_size,
            partition,
        )
        with Run(rules, context) as run:
            yield Validation(project, target, run, context, command)

"""A session: everything needed to judge one target, opened in one place for the command line and for pytest."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conformance.configuration import Configuration, load_configuration
from conformance.masking import mask
from conformance.model import Model, find_model, load_model
from conformance.partition import Partition
from conformance.report.measured import measured
from conformance.results import Report, Result
from conformance.rules.base import Context, Rule
from conformance.rules.catalogue import all_rules
from conformance.runner import Run
from conformance.settings import Settings, load_settings
from conformance.target import Target


@dataclass(frozen=True)
class Project:
    """A model with its configuration and the settings in force."""

    model: Model
    configuration: Configuration
    settings: Settings

    @property
    def rules(self) -> list[Rule]:
        """Every rule of the model."""
        return all_rules(self.model, self.configuration)

    @property
    def reports(self) -> Path:
        """Where reports are written."""
        return self.model.root / "reports"


def load_project(root: Path | None = None, **flags: Any) -> Project:
    """Read model, settings and configuration; ``flags`` are settings that win over the environment.

    Raises ConfigurationError, one line, for the first thing that is wrong.
    """
    settings = load_settings(**flags)
    model = load_model(root.resolve() if root else find_model())
    configuration = load_configuration(model, settings.constants())
    all_rules(model, configuration)
    for name in model.settings:
        settings.size(name, configuration.generation.defaults)
    return Project(model, configuration, settings)


@dataclass
class Judgement:
    """Rules being run against a target; `report` gathers what has been found."""

    project: Project
    target: Target
    run: Run
    context: Context
    command: str
    started: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    _clock: float = field(default_factory=time.perf_counter)

    def report(self, results: Sequence[Result], baseline: Path | None = None) -> Report:
        """The report of these results, with the run's circumstances; of a part no pictures are measured.

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
        )


@contextmanager
def judging(
    project: Project,
    target: Target,
    rules: Sequence[Rule],
    *,
    command: str,
    allow_writes: bool = False,
    sample_size: int = 5,
    partition: Partition | None = None,
) -> Iterator[Judgement]:
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
            yield Judgement(project, target, run, context, command)

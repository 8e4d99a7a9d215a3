"""Following a database: when documents change, the affected rules run again.

A change stream on the database says which collections changed; the events themselves are not kept, so memory does not
grow with them. Changes that arrive close together are evaluated together. When the server goes away, the stream goes on
where it was once the server is back; if that is no longer possible, all rules run again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pymongo
from pymongo.change_stream import DatabaseChangeStream
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError

from conformance.checks.base import Rule
from conformance.connection.client import Document, in_words
from conformance.errors import TargetError
from conformance.results import Report, Result
from conformance.run.compare import Difference, difference
from conformance.run.query_recorder import Record, record
from conformance.run.session import Project, validating
from conformance.server.target import Target
from conformance.text.masking import mask

#: Seconds without a change after which rules run, and seconds after which they run anyway.
QUIET: Final = 0.5
PATIENCE: Final = 5.0
_DATA: Final = frozenset({"insert", "update", "replace", "delete"})
#: The stream cannot go on where it was: its place is no longer in the oplog, or its database was dropped.
_LOST: Final = frozenset({260, 280, 286})
_NO_STREAMS: Final = 40573
_EXPANDED_SINCE: Final = (6, 0)
#: Failures in a row of a server that answers.
_ATTEMPTS: Final = 3


@dataclass(frozen=True)
class Changes:
    """The changed ``collections`` of the model, and the number of ``events``.

    ``listed`` when there are other collections than before, or with other options; or it may be ``everything``.
    """

    collections: frozenset[str] = frozenset()
    listed: bool = False
    everything: bool = False
    events: int = 0

    def touch(self, found: Record) -> bool:
        """Return whether a rule of this record must run again."""
        return self.everything or bool(self.collections & found.touches) or (self.listed and found.lists)


EVERYTHING: Final = Changes(everything=True)


@dataclass(frozen=True)
class Verdict:
    """The results of all rules after some ran again, and their changes; ``since`` is None for the first."""

    report: Report
    changes: Changes
    evaluated: int
    since: Difference | None


@dataclass
class Watch:
    """Repeated validation of a target. ``away`` is called with a text when the server does not answer.

    ``settle`` makes what the rules yielded into what counts (a baseline's comparison); ``progress`` hears how many
    rules are about to run, and of each that has run.
    """

    project: Project
    target: Target
    rules: Sequence[Rule]
    command: str
    away: Callable[[str], None] = lambda _: None
    expect: Callable[[int], None] = lambda _: None
    evaluated: Callable[[Result], None] = lambda _: None
    settle: Callable[[Sequence[Result]], Sequence[Result]] = list
    baseline: Path | None = None
    allow_writes: bool = False
    sample_size: int = 5
    quiet: float = QUIET
    patience: float = PATIENCE
    _results: dict[str, Result] = field(default_factory=dict)

    def verdicts(self) -> Iterator[Verdict]:
        """Yield the verdict now, and another after each change; ends only with an error.

        Raises TargetError, one line, when the server has no change streams, refuses the user, or was the harness's
        own and died.
        """
        project, target = self.project, self.target
        records = {rule.id: record(rule, project.model, project.configuration, project.settings) for rule in self.rules}
        changes: Changes | None = EVERYTHING
        last: Report | None = None
        failures = 0
        with _Stream(target, project.model.collections) as stream:
            while True:
                try:
                    if stream.open():
                        changes = EVERYTHING
                    if changes is None:
                        changes = stream.settled(self.quiet, self.patience)
                    touched = [rule for rule in self.rules if changes.touch(records[rule.id])]
                    report = self._run(touched)
                except (PyMongoError, TargetError) as error:
                    failures += 1
                    stream.close()
                    self._wait(error, failures)
                    continue
                failures = 0
                yield Verdict(report, changes, len(touched), difference(last, report) if last else None)
                last, changes = report, None

    def _run(self, rules: Sequence[Rule]) -> Report:
        """Run these rules again; the results of the others are kept."""
        self.expect(len(rules))
        started = time.time()
        with validating(
            self.project,
            self.target,
            rules,
            command=self.command,
            allow_writes=self.allow_writes,
            sample_size=self.sample_size,
        ) as validation:
            self._results |= {result.id: result for result in validation.run.results(self.evaluated)}
            counts: Mapping[str, int] = validation.context.counts
        return Report(
            target=self.target.info,
            seed=self.project.settings.seed,
            started_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
            duration_s=time.time() - started,
            command=mask(self.command),
            counts=counts,
            results=self.settle([self._results[rule.id] for rule in self.rules]),
            baseline=None if self.baseline is None else self.baseline.name,
        )

    def _wait(self, error: PyMongoError | TargetError, failures: int) -> None:
        """Return when the server answers again; raise what it was when that is not why it failed."""
        died = self.target.server.failure() if self.target.server else None
        if died is not None:
            raise TargetError(died) from error
        code = error.code if isinstance(error, OperationFailure) else None
        if code in _LOST:
            return
        if code == _NO_STREAMS:
            raise TargetError(
                f"{self.target.info.uri} is a standalone server, which has no change streams to follow: leave out"
                " --watch, or name a replica set"
            ) from error
        if isinstance(error, OperationFailure) or failures >= _ATTEMPTS:
            raise self.target.cause(error) from error
        self.away(in_words(error))
        while True:
            with suppress(ConnectionFailure):  # each attempt waits for a while
                self.target.client.admin.command("ping")
                return


class _Stream:
    """The change stream, opened again where it was as often as need be."""

    def __init__(self, target: Target, collections: Iterable[str]) -> None:
        self._target = target
        self._known = frozenset(collections)
        self._stream: DatabaseChangeStream[Document] | None = None
        self._token: Mapping[str, Any] | None = None

    def __enter__(self) -> _Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it; what was read of it since the last settling is read again."""
        stream, self._stream = self._stream, None
        if stream is not None:
            with suppress(PyMongoError), pymongo.timeout(1):
                stream.close()

    def open(self) -> bool:
        """Make sure that it is open; True when changes may have been missed."""
        if self._stream is not None:
            return False
        server = self._target.client.server_info()["versionArray"]
        options: dict[str, Any] = {"show_expanded_events": True} if tuple(server) >= _EXPANDED_SINCE else {}
        if self._token is not None:
            options["resume_after"] = self._token
        fields = {"operationType": 1, "ns": 1}
        try:
            self._stream = self._target.database.watch([{"$project": fields}], max_await_time_ms=200, **options)
        except OperationFailure as error:
            if error.code not in _LOST or self._token is None:
                raise
            self._token = None
            return self.open()
        return self._token is None

    def settled(self, quiet: float, patience: float) -> Changes:
        """Wait for changes, until none came for ``quiet`` seconds or they come for ``patience`` seconds."""
        assert self._stream is not None  # noqa: S101 - open() comes first
        collections: set[str] = set()
        listed, events, first, latest = False, 0, 0.0, 0.0
        while not events or (time.monotonic() - latest < quiet and time.monotonic() - first < patience):
            event = self._stream.try_next()
            if event is None:
                if not self._stream.alive:  # the database was dropped or renamed
                    self._stream, self._token = None, None
                    return EVERYTHING
                continue
            latest = time.monotonic()
            first = first or latest
            events += 1
            name = event.get("ns", {}).get("coll")
            listed |= event["operationType"] not in _DATA or name not in self._known
            collections |= {name} & self._known
        self._token = self._stream.resume_token
        return Changes(frozenset(collections), listed, events=events)

"""Shared parts of commands: options, notices on stderr, and a progress bar on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from conformance.errors import ConfigurationError
from conformance.run.session import Project, load_project
from conformance.server.target import Choice, Target
from conformance.text.masking import mask
from zava.terminal.parameters import Options
from zava.terminal.progress_lines import Lines

Uri = Annotated[str | None, typer.Option(help="Connection string; default: from .env, else the embedded server.")]
Embedded = Annotated[bool, typer.Option("--embedded", help="Use the embedded server, even if .env names another one.")]
Wait = Annotated[float, typer.Option(help="Seconds to wait for a server that does not answer yet.", min=0, max=3600)]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
AllowWrites = Annotated[
    bool, typer.Option("--allow-writes", help="Allow a scratch database on a named server (dropped at the end).")
]

stderr = Console(stderr=True, highlight=False, emoji=False, markup=False)


def project_of(context: typer.Context) -> Project:
    """Return the model, configuration and settings that the options name."""
    options: Options = context.obj
    return load_project(options.model)


def notice(text: str) -> None:
    """One line for people, on stderr."""
    stderr.print(mask(text), soft_wrap=True)


@contextmanager
def opened(
    project: Project, uri: str | None, embedded: bool, *, validating: bool = False, wait: float = 0
) -> Iterator[Target]:
    """Yield the target that options and settings name."""
    choice = chosen(project, uri, embedded, validating=validating)
    with project.opened(choice, wait=wait) as target:
        yield target


def chosen(project: Project, uri: str | None, embedded: bool, *, validating: bool = False) -> Choice:
    """Return the server that options and settings name; says on stderr when a .env of the user's is not read."""
    choice = project.choose(uri=uri, embedded=embedded, validating=validating)
    unread = project.settings.environment.unread
    if unread is not None:
        notice(f"{unread} is not read: settings come from the .env beside the model, in {project.model.root}")
    return choice


def require_collections(project: Project, command: str, names: Sequence[str]) -> None:
    """Raise ConfigurationError when the model has not the collections that a command of Zava's own is about."""
    missing = [name for name in names if name not in project.model.collections]
    if missing:
        raise ConfigurationError(
            f"zava {command} is for Zava's own model; the one in {project.model.root} has no {', '.join(missing)}"
        )


def show_counts(database: str, counts: Mapping[str, int], as_json: bool) -> None:
    """Documents by collection and all of them, as a table or as JSON, on stdout."""
    if as_json:
        typer.echo(json.dumps({"database": database, "counts": dict(counts)}))
        return
    for name, size in {**counts, "documents": sum(counts.values())}.items():
        typer.echo(f"{name:24} {size:>12,}")


class Bars:
    """Progress bars by name, made when they are first heard of."""

    def __init__(self, shown: Progress) -> None:
        self._shown = shown
        self._tasks: dict[str, TaskID] = {}

    def expect(self, sizes: Mapping[str, int]) -> None:
        """Set the expected total of each work; 0 if it is unknown."""
        for name, size in sizes.items():
            self._shown.update(self._task(name), total=size or None)

    def __call__(self, name: str, by: int) -> None:
        """Advance the progress of the work of that name."""
        self._shown.advance(self._task(name), by)

    def _task(self, name: str) -> TaskID:
        if name not in self._tasks:
            self._tasks[name] = self._shown.add_task(name, total=None)
        return self._tasks[name]


@contextmanager
def progress(sizes: Mapping[str, int] | None = None) -> Iterator[Bars | Lines]:
    """Bars on stderr while it is a terminal, lines now and then while it is not; one of them at a time.

    They would share the terminal's last lines. Nothing is shown where stderr was closed.
    """
    if sys.stderr is not None and not sys.stderr.isatty():
        lines = Lines(notice)
        lines.expect(sizes or {})
        yield lines
        return
    with Progress(
        TextColumn("{task.description:>24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=stderr,
        disable=sys.stderr is None,
        transient=True,
    ) as shown:
        bars = Bars(shown)
        bars.expect(sizes or {})
        yield bars

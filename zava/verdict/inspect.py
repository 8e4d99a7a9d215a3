"""zava inspect: a first verdict on any database, without a model."""

from __future__ import annotations

import datetime as dt
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from conformance.config.environment import ENV_FILE
from conformance.config.settings import load_settings
from conformance.connection.database_name import database_of
from conformance.errors import ConfigurationError
from conformance.inspection.inspection import inspect as inspected
from conformance.inspection.inspection import inspection_report
from conformance.model.schemas.loading import find_model
from conformance.server.target import choose, open_target
from zava.terminal.console import Embedded, progress
from zava.terminal.parameters import Options
from zava.verdict.validate import Format, publish

Server = Annotated[str | None, typer.Argument(metavar="[URI]", help="The server; default: .env of the model, if any.")]
DatabaseName = Annotated[
    str | None,
    typer.Option("--database", help="Its database; default: that of the URI, MONGODB_DATABASE, or the only one."),
]
Collections = Annotated[
    list[str] | None, typer.Option("--collection", help="Only this collection (repeatable); default: all.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(inspect)


def inspect(
    context: typer.Context,
    uri: Server = None,
    embedded: Embedded = False,
    database: DatabaseName = None,
    collection: Collections = None,
    output: Annotated[
        Format | None, typer.Option("--format", help="Output format of the report; default: text.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings, too.")] = False,
    reports: Annotated[Path | None, typer.Option(help="Also write validation.json and .html into this folder.")] = None,
) -> None:
    """Read every document of a database once and report what prevents syncing it with Ditto; needs no model.

    Exits 0 without errors, 1 with findings of severity error (with --strict of any), 3 if the server cannot be read.

    Example: zava inspect mongodb://localhost:27017/shop
    """
    options: Options = context.obj
    root = model_folder(options.model)
    settings = load_settings(root / ENV_FILE if root else None, mongodb_database=database)
    started, clock = dt.datetime.now(dt.UTC), time.perf_counter()
    choice = choose(settings, uri=uri, embedded=embedded, validating=True)
    with open_target(root, settings, choice) as server, progress() as bars:
        target = server.named(database_of(server.client, choice.uri, database, settings.mongodb_database))
        inspection = inspected(target.database, only=collection or (), expect=bars.expect, on_progress=bars)
        command = shlex.join(["zava", *sys.argv[1:]])
        report = inspection_report(inspection, target.info, command, started, clock)
    publish(report, output, reports, strict=strict)
    raise typer.Exit(report.exit_code(strict=strict))


def model_folder(given: Path | None) -> Path | None:
    """Return the folder of a model for its .env: the one given, else the nearest; None where there is none."""
    if given is not None:
        return given.resolve()
    try:
        return find_model()
    except ConfigurationError:
        return None

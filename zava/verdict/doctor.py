"""zava doctor: whether all that the harness needs is there."""

from __future__ import annotations

import json

import typer

from conformance.doctor.diagnosis import Step
from conformance.doctor.doctor import examine
from zava.terminal.console import AllowWrites, Embedded, Json, Uri
from zava.terminal.parameters import Options


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(doctor)


def doctor(
    context: typer.Context,
    uri: Uri = None,
    embedded: Embedded = False,
    allow_writes: AllowWrites = False,
    as_json: Json = False,
) -> None:
    """Check settings, server and machine, one line each: ok, failed with the fix, or skipped with the reason.

    Exits 0 if no step failed, else with the code of the first failed step: 1 finding, 2 configuration, 3 server.

    Example: zava doctor --allow-writes
    """
    options: Options = context.obj
    steps: list[Step] = []
    for step in examine(options.model, uri=uri, embedded=embedded, allow_writes=allow_writes):
        steps.append(step)
        if not as_json:
            typer.echo(f"{step.status:8} {step.name:14} {step.detail}")
    if as_json:
        typer.echo(json.dumps([{"name": s.name, "status": s.status, "detail": s.detail} for s in steps], indent=1))
    raise typer.Exit(next((step.exit_code for step in steps if step.status == "failed"), 0))

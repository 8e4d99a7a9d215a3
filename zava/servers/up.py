"""zava up: the embedded server in the foreground."""

from __future__ import annotations

import json
import time
from typing import Annotated

import typer

from conformance import exit_codes
from conformance.embedded.server import EmbeddedServer, cache_directory
from zava.terminal.console import Json, notice, project_of


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(up)


def up(
    context: typer.Context,
    cache_gb: Annotated[float, typer.Option(help="WiredTiger cache in GB.", min=0.25)] = 1.0,
    as_json: Json = False,
) -> None:
    """Start the embedded server in the foreground and print its URI; Ctrl-C stops it.

    Example: zava up
    """
    directory = cache_directory(project_of(context).model.root)
    with EmbeddedServer(directory, cache_gb=cache_gb) as server:
        typer.echo(json.dumps({"uri": server.uri}) if as_json else server.uri)
        notice(f"MongoDB is up, data in {directory}; Ctrl-C stops it")
        while server.failure() is None:
            time.sleep(1)
        notice(f"the server has stopped: {server.failure()}")
        raise typer.Exit(exit_codes.NO_VERDICT)

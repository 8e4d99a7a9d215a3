"""zava embed: vectors for semantic search, of what is new or has changed."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from conformance.server.target import require_data
from zava.terminal.console import Embedded, Json, Uri, notice, opened, progress, project_of


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(embed)


def embed(
    context: typer.Context,
    uri: Uri = None,
    embedded: Embedded = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Compute all vectors again, including current ones.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Compute search vectors (embeddings) that are missing, outdated, or of another model; print their numbers.

    The Azure OpenAI deployment is used if AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY are set, else the shipped
    model, which needs no network.

    Example: zava embed
    """
    from generator.dataset import alone
    from generator.embeddings.azure_openai import embedder_for
    from generator.refresh import refresh

    project = project_of(context)
    embedder = embedder_for(project.settings)
    with opened(project, uri, embedded) as target:
        require_data(project.model, target)
        with alone(target, notice), progress() as bars:
            found = refresh(project.model, target.database, embedder, everything=everything, progress=bars)
    if as_json:
        by_name = {name: asdict(refreshed) for name, refreshed in found.items()}
        typer.echo(json.dumps({"provider": embedder.provider, "collections": by_name}))
        return
    for name, each in found.items():
        typer.echo(f"{name}: {each.added} added, {each.renewed} renewed, {each.unchanged} unchanged")
    notice(f"by {embedder.provider}")

"""zava infer: a model drafted from a database."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from conformance.config.environment import ENV_FILE
from conformance.config.settings import load_settings
from conformance.connection.database_name import database_of
from conformance.errors import ConfigurationError
from conformance.inspection.drafting.choices import Ask, conservative
from conformance.inspection.drafting.draft import Draft, draft, left_out
from conformance.inspection.drafting.files import open_questions, write_model
from conformance.inspection.inspection import inspect
from conformance.server.target import choose, open_target
from zava.terminal.console import Embedded, notice, progress
from zava.terminal.parameters import Options
from zava.verdict.inspect import Collections, DatabaseName, Server, model_folder
from zava.verdict.interview import ask_on_terminal, require_terminal


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(infer)


def infer(
    context: typer.Context,
    folder: Annotated[Path, typer.Option("--output", help="Folder to write the model into; it must not contain one.")],
    uri: Server = None,
    embedded: Embedded = False,
    database: DatabaseName = None,
    collection: Collections = None,
    sync: Annotated[
        list[str] | None,
        typer.Option("--sync", help="Draft this collection as synced (repeatable); default: those with pre-images."),
    ] = None,
    interactive: Annotated[
        bool, typer.Option("--interactive", help="Ask for each choice that the data leaves open; Enter accepts.")
    ] = False,
) -> None:
    """Draft schemas/ and config/ from a database, and INFERRED.md with the evidence and the open questions.

    Reads every document once and writes into DIR only. Then: zava --model DIR validate.

    Example: zava infer mongodb://localhost:27017/shop --output shop --sync orders
    """
    if interactive:
        require_terminal(folder)
    ask = ask_on_terminal if interactive else conservative
    drafted, name = drafted_model(context.obj, uri, embedded, database, collection or (), sync or (), ask)
    for path in write_model(drafted, folder, name):
        typer.echo(f"{path} written")
    questions = len(list(open_questions(drafted)))
    notice(f"{questions} open questions are in {folder / 'INFERRED.md'}; then: zava --model {folder} validate")


def drafted_model(
    options: Options,
    uri: str | None,
    embedded: bool = False,
    database: str | None = None,
    only: Sequence[str] = (),
    sync: Sequence[str] = (),
    ask: Ask = conservative,
) -> tuple[Draft, str]:
    """Draft a model of the database that the options name; return it with the database's name."""
    root = model_folder(options.model)
    settings = load_settings(root / ENV_FILE if root else None, mongodb_database=database)
    choice = choose(settings, uri=uri, embedded=embedded, validating=True)
    with open_target(root, settings, choice) as server:
        target = server.named(database_of(server.client, choice.uri, database, settings.mongodb_database))
        with progress() as bars:
            inspection = inspect(target.database, only=only, expect=bars.expect, on_progress=bars)
        unknown = [name for name in sync if name not in inspection.collections]
        if unknown:
            raise ConfigurationError(f"--sync: there is no collection {unknown[0]} in {target.database.name}")
        unfit = [f"{name} cannot be synced: {why}" for name, why in left_out(inspection).items() if name in sync]
        if unfit:
            raise ConfigurationError(f"--sync: {unfit[0]}; leave it out")
        drafted = draft(target.database, inspection, sync, ask)
        if not drafted.schemas:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in drafted.left_out.items())
            raise ConfigurationError(f"no collection of {target.database.name} can be in a model: {reasons}")
    return drafted, target.database.name

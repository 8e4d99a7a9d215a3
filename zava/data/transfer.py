"""zava export and import: the database's documents as files, and back."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from conformance.embedded.locks import dataset_lock
from conformance.server.target import require_data
from generator import dataset
from generator.archive import transfer
from generator.archive.archive import Form, open_archive
from zava.data.generate import confirm
from zava.terminal.console import Embedded, Json, Uri, Yes, notice, opened, progress, project_of, show_counts

Files = Annotated[Form, typer.Option("--as", help="File format: canonical Extended JSON lines (json), or BSON (bson).")]
Gzip = Annotated[bool, typer.Option("--gzip", help="Compress the files.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(export)
    app.command("import")(import_)


def export(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder to write to; it must be empty or new.")],
    uri: Uri = None,
    embedded: Embedded = False,
    form: Files = "json",
    gzip: Gzip = False,
    as_json: Json = False,
) -> None:
    """Write a snapshot of the model's collections into a folder, with a manifest and checksums.

    Example: zava export backup --gzip
    """
    project = project_of(context)
    with opened(project, uri, embedded) as target:
        reading = (
            dataset_lock(
                target.directory, exclusive=False, waiting=lambda: notice("another run is generating: waiting")
            )
            if target.directory
            else nullcontext()
        )
        with reading:
            require_data(project.model, target)
            others = set(target.database.list_collection_names()) - set(project.model.collections)
            if others:
                notice(f"left out, for the model does not define them: {', '.join(sorted(others))}")
            sizes = {c.name: target.database[c.name].estimated_document_count() for c in project.model}
            with progress(sizes) as bars:
                counts = transfer.export(project.model, target, folder, form=form, compressed=gzip, progress=bars)
    show_counts(target.info.database, counts, as_json)


def import_(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder that zava export wrote.")],
    uri: Uri = None,
    embedded: Embedded = False,
    drop: Annotated[bool, typer.Option("--drop", help="Replace the model's collections.")] = False,
    no_validate: Annotated[
        bool, typer.Option("--no-validate", help="Write documents even if they break their schema; provision nothing.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Import an export: verify all of it, then write it; after an interruption, run it again.

    A database with data is rejected without --drop. Prints the numbers of written documents.

    Example: zava import backup
    """
    project = project_of(context)
    archive = open_archive(folder, project.model)
    if other := archive.differs_from(project.model):
        notice(f"{other}; documents are {'not ' if no_validate else ''}checked against this model's")
    sizes = {entry.collection: entry.documents for entry in archive.manifest.collections}
    checks = {f"verify {name}": size for name, size in sizes.items()}
    with opened(project, uri, embedded) as target, dataset.alone(target, notice):
        with progress(checks) as bars:
            transfer.verify(project.model, target, archive, validate=not no_validate, progress=bars)
        if drop:
            confirm(target, yes, "replace the collections of")
        with progress(sizes) as bars:
            counts = transfer.restore(
                project.model,
                target,
                archive,
                batch_size=project.settings.batch_size,
                replace=drop,
                validate=not no_validate,
                notice=notice,
                progress=bars,
            )
    show_counts(target.info.database, counts, as_json)

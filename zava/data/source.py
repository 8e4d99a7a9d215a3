"""zava import-source: the original dataset's files as conformant collections."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import bson
import typer
from bson.raw_bson import RawBSONDocument

from conformance.errors import ConfigurationError
from conformance.extras import require
from conformance.run.session import Project
from generator import dataset
from generator.archive import transfer
from generator.archive.archive import Archive, Form, new_archive, open_archive
from generator.columns.batch import Document
from generator.source import documents
from zava.data.generate import confirm
from zava.data.original import SOURCE_COLLECTIONS, differing_parameters, embedding_documents, read_source
from zava.data.transfer import Files, Gzip
from zava.terminal.console import (
    Embedded,
    Json,
    Uri,
    Yes,
    notice,
    opened,
    progress,
    project_of,
    require_collections,
    show_counts,
)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("import-source")(import_source)


def import_source(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder with reference_data.json and product_data.json.")],
    uri: Uri = None,
    embedded: Embedded = False,
    out: Annotated[
        Path | None, typer.Option(help="Write files like those of zava export into this folder instead.")
    ] = None,
    form: Files = "json",
    gzip: Gzip = False,
    images_at: Annotated[
        str | None, typer.Option(help="Base address of the images; it is put before each image_path.")
    ] = None,
    drop: Annotated[bool, typer.Option("--drop", help="Replace the model's collections.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Import the product catalogue of the original dataset, with its embeddings; zava generate makes the rest.

    Malformed input is rejected with file, path and reason, and nothing is written.

    Example: zava import-source original/data/database && zava generate
    """
    if out is None and (form != "json" or gzip):
        raise ConfigurationError("--as and --gzip are for the files of --out; name a folder with it")
    if out is not None and (uri or embedded or drop):
        raise ConfigurationError("--out writes files and no database; leave out --uri, --embedded and --drop")
    require("generate")
    project = project_of(context)
    require_collections(project, "import-source", (*SOURCE_COLLECTIONS, "product_embeddings"))
    with tempfile.TemporaryDirectory(prefix="zava-source-") as scratch:
        archive = source_archive(
            project, folder, out or Path(scratch) / "archive", form if out else "bson", gzip, images_at
        )
        counts: Mapping[str, int] = {e.collection: e.documents for e in archive.manifest.collections}
        name = project.settings.mongodb_database
        if out is None:
            with opened(project, uri, embedded) as target, dataset.alone(target, notice), progress(counts) as bars:
                if drop:
                    confirm(target, yes, "replace the collections of")
                counts = transfer.restore(
                    project.model,
                    target,
                    archive,
                    batch_size=project.settings.batch_size,
                    replace=drop,
                    validate=True,
                    notice=notice,
                    progress=bars,
                )
    show_counts(name, counts, as_json)


def source_archive(
    project: Project, folder: Path, out: Path, form: Form, compressed: bool, images_at: str | None
) -> Archive:
    """Return the source as an archive: made whole, or refused and not made at all."""
    model, configuration, settings = project.model, project.configuration, project.settings
    with progress() as bars:
        source = read_source(folder, model, configuration, images_at)
        made = documents(model, configuration, settings, source.rows)
        products = {str(product["product_id"]): product for product in made["products"]}
        bars.expect({"embeddings": len(products)})
        with new_archive(out, model, settings.mongodb_database, form, compressed=compressed) as writer:
            for name, found in made.items():
                writer.add(name, _encoded(found))
            vectors = embedding_documents(folder, model, products)
            writer.add("product_embeddings", _encoded(_counted(vectors, bars)))
    for line in source.notices:
        notice(line)
    notice("the model of the vectors is not known; run zava embed to compute them again for semantic search")
    parameters = differing_parameters(source, configuration)
    if parameters:
        notice("the source has other parameters than config/generation.yaml; to generate with them, write there:")
        for name, table in parameters.items():
            notice(f"  {name}: {json.dumps(table)}")
    return open_archive(out, model)


def _counted(found: Iterable[Document], bars: Callable[[str, int], None]) -> Iterator[Document]:
    for document in found:
        yield document
        bars("embeddings", 1)


def _encoded(found: Iterable[Document]) -> Iterator[RawBSONDocument]:
    return (RawBSONDocument(bson.encode(document)) for document in found)

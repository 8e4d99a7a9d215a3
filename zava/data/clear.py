"""zava clear and drop-indexes: empty the model's collections, or take their indexes away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import typer
from pymongo.collection import Collection as MongoCollection

from conformance.run.session import Project
from conformance.server.metadata import live_indexes
from conformance.server.target import Target
from generator import dataset
from zava.data.generate import confirm
from zava.terminal.console import Embedded, Json, Uri, Yes, notice, opened, progress, project_of, show_counts

#: Documents per command: enough to be quick, few enough for a progress bar, and for Ctrl-C to be heard.
_AT_ONCE: Final = 5_000
Documents = MongoCollection[dict[str, Any]]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(clear)
    app.command("drop-indexes")(drop_indexes)


def clear(
    context: typer.Context,
    uri: Uri = None,
    embedded: Embedded = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Remove every document of the model's collections; validators, indexes, pre- and post-images are kept.

    Documents are deleted and collections are not dropped, so that a running connector syncs the deletions to devices.

    Example: zava clear --yes
    """
    project = project_of(context)
    with opened(project, uri, embedded) as target, dataset.alone(target, notice):
        dataset.refuse_foreign(project.model, target)
        held = {c.name: target.database[c.name].count_documents({}) for c in project.model}
        held = {name: size for name, size in held.items() if size}
        removed: dict[str, int] = {}
        if held:
            notice("documents: " + ", ".join(f"{size:,} of {name}" for name, size in held.items()))
            confirm(target, yes, f"remove these {sum(held.values()):,} documents from")
            dataset.note_unfinished(target)
            with progress(dict(reversed(held.items()))) as bars:
                for name in reversed(held):  # children before their parents: an interruption leaves no orphans
                    for number in _emptied(target.database[name]):
                        removed[name] = removed.get(name, 0) + number
                        bars(name, number)
    show_counts(target.info.database, removed, as_json)


def _emptied(collection: Documents) -> Iterator[int]:
    """Delete all documents, some at a time; how many each time."""
    while keys := [document["_id"] for document in collection.find({}, {"_id": 1}).limit(_AT_ONCE)]:
        # An _id may not come back as it went, such as one of broken UTF-8: then all go at once.
        yield (collection.delete_many({"_id": {"$in": keys}}).deleted_count or collection.delete_many({}).deleted_count)


def drop_indexes(
    context: typer.Context,
    uri: Uri = None,
    embedded: Embedded = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Drop every index of the model's collections, except the one on _id; zava provision builds them again.

    Example: zava drop-indexes && zava provision
    """
    project = project_of(context)
    with opened(project, uri, embedded) as target, dataset.alone(target, notice):
        dataset.refuse_foreign(project.model, target)
        names = _indexes(project, target)
        if names:
            notice("indexes: " + "; ".join(f"{', '.join(indexes)} of {name}" for name, indexes in names.items()))
            confirm(target, yes, f"drop these {sum(map(len, names.values()))} indexes of")
            for collection, indexes in names.items():
                target.database.command({"dropIndexes": collection, "index": indexes})
    if as_json:
        typer.echo(json.dumps({"database": target.info.database, "indexes": names}))
        return
    for collection, indexes in names.items():
        for index in indexes:
            typer.echo(f"{collection}: {index}")
    notice(f"{sum(map(len, names.values()))} indexes dropped")


def _indexes(project: Project, target: Target) -> dict[str, list[str]]:
    """Return the names of the indexes to drop, by collection."""
    found = {
        c.name: [index.name for index in live_indexes(target.database, c.name) if index.name != "_id_"]
        for c in project.model
    }
    return {name: indexes for name, indexes in found.items() if indexes}

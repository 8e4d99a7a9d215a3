"""Names that devices or MongoDB reserve: of synced collections, and of fields in their documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from conformance.checks.base import Document, Rule, answer, listed
from conformance.checks.walk import walk
from conformance.model.collection import Collection
from conformance.results import Sample
from conformance.text.rendering import shorten

#: Ditto's documentation reserves collections with this prefix for itself.
RESERVED_PREFIX: Final = "__"
WHY_RESERVED: Final = "Ditto reserves names that begin with two underscores for its own collections."
FIX_RESERVED: Final = "Rename the collection, or leave it unsynced."


def collection_name(collection: Collection) -> Iterator[Rule]:
    """Yield the finding of a synced collection whose name Ditto reserves; every other name can be quoted in DQL."""
    if collection.name.startswith(RESERVED_PREFIX):
        problem = Sample(f"{collection.name} begins with {RESERVED_PREFIX}", ref=f"schemas/{collection.name}.json")
        yield Rule(
            id=f"crdt.{collection.name}.collection-name",
            title=f"{collection.title}: the collection's name is not reserved by Ditto",
            check=answer(lambda context: listed(context, 1, [problem])),
            why=WHY_RESERVED,
            fix=FIX_RESERVED,
        )


def unfit_name(name: str, path: str) -> bool:
    """Return True for a field's name that devices or updates of MongoDB do not take; ``path`` is where it is."""
    hidden = name.startswith("_") and path != "_id"
    return hidden or not name or "$" in name or "." in name


def unfit_names(_: Collection, document: Document) -> Iterator[str]:
    """Yield the fields of a document whose names do not sync both ways."""
    for one in walk(document):
        if unfit_name(one.name, one.path):
            yield f"{one.path}: {shorten(one.name)} is not a name that syncs both ways"

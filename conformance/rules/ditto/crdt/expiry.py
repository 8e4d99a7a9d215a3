"""Documents that MongoDB deletes by itself, by an index that the schema of a synced collection declares."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from conformance.checks.base import Rule, answer, listed
from conformance.model.collection import Collection
from conformance.results import Sample

WHY_EXPIRING: Final = "A document that was deleted can come back from a device that was offline and changed it."
FIX_EXPIRING: Final = "Mark documents as deleted, and remove them when every device has synced."


def expiry(collection: Collection) -> Iterator[Rule]:
    """Yield the finding of a synced collection with a declared TTL index; an undeclared one is an extra index."""
    expiring = [index for index in collection.indexes if "expireAfterSeconds" in index.options]
    if expiring:
        problems = [
            Sample(f"the server deletes documents by the TTL index {index.name}", ref=f"{collection.name}.{index.name}")
            for index in expiring
        ]
        yield Rule(
            id=f"crdt.{collection.name}.expiry",
            title=f"{collection.title}: the server deletes no documents by itself",
            severity="warning",
            check=answer(lambda context: listed(context, len(expiring), problems)),
            why=WHY_EXPIRING,
            fix=FIX_EXPIRING,
        )

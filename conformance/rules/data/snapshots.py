"""Family snapshots: denormalised copies equal their source."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.checks.base import Rule
from conformance.checks.joins.copies import copies_through, differing_copy
from conformance.checks.joins.join import JoinTest
from conformance.checks.subjects import Subjects
from conformance.config.configuration import Configuration
from conformance.model.collection import Model


def rules(model: Model, _: Configuration) -> Iterator[Rule]:
    """One rule per x-snapshot."""
    for collection in model:
        subjects = Subjects()
        for reference in collection.references:
            for position, copy in copies_through(collection, reference):
                if copy.key:
                    continue
                source = " and ".join(copy.of)
                yield Rule(
                    id=f"snapshots.{collection.name}.{subjects.of(copy.field)}",
                    title=f"{collection.title}: {copy.field} equals {source} of the document in {reference.target}",
                    check=JoinTest(model, reference, differing_copy(position, copy)),
                    why="Devices show the copy while offline, so a receipt differs from the books.",
                    fix=f"Copy the value from {reference.target} again.",
                )

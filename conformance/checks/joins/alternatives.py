"""References to one of several collections: keys that none of them has."""

from __future__ import annotations

from collections.abc import Callable

from conformance.checks.base import Context, skipped
from conformance.checks.joins.keys import Row, nowhere, ordered
from conformance.checks.joins.parents import children
from conformance.checks.joins.several import number_of_children, number_referring
from conformance.model.collection import Alternatives
from conformance.model.paths import all_values
from conformance.results import Outcome


def missing_everywhere(alternatives: Alternatives) -> Callable[[Context], Outcome]:
    """Return a check for the documents with a key that is in none of the collections."""
    reference = alternatives.references[0]  # the others hold the same field

    def check(context: Context) -> Outcome:
        if not context.counts[alternatives.collection]:
            return skipped(f"{alternatives.collection} is empty")
        rows = list(context.collection(alternatives.collection).aggregate(_nowhere(alternatives), allowDiskUse=True))
        examined = number_referring(context, reference)
        if not examined:
            return skipped(f"no document of {alternatives.collection} has {alternatives.field}")
        number = number_of_children(context, reference, rows, "_n", {})
        why = f"no document of {alternatives.collections} has this key"
        return Outcome(examined, number, children(context, reference, rows, {}, why))

    return check


def _nowhere(alternatives: Alternatives) -> list[Row]:
    """Return the stages that give each key that is nowhere, and the number ``_n`` of documents that have it."""
    return [
        {"$project": {"_key": {"$setUnion": [all_values(alternatives.field), []]}}},
        {"$unwind": "$_key"},
        *nowhere("$_key", ((one.target, one.target_field) for one in alternatives.references)),
        *ordered("_id"),
    ]

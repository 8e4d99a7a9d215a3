"""Unique texts that differ in bytes only: the same letters composed otherwise, or with characters nobody sees."""

from __future__ import annotations

from typing import Any, Final

from pymongo.collation import Collation

from conformance.expressions import typed
from conformance.model import Collection, Field
from conformance.rendering import shorten
from conformance.results import Outcome, Sample
from conformance.rules.base import Context, Rule, answer, skipped

#: Equal are texts that Unicode calls the same (NFC and NFD), whatever ignorable characters are in them; neither case
#: nor accents nor width are passed over.
_SAME_TO_READERS: Final = Collation(locale="en", strength=3, normalization=True)


def looking_alike(collection: Collection, field: Field, subject: str) -> Rule:
    """No two documents have texts in a unique field that look alike."""
    text = typed(f"${field.path}", "string")

    def check(context: Context) -> Outcome:
        documents = context.collection(collection.name)
        if not context.counts[collection.name]:
            return skipped(f"{collection.name} is empty")
        examined = documents.count_documents({"$expr": text})
        if not examined:
            return skipped(f"no document of {collection.name} has {field.path}")
        pipeline: list[dict[str, Any]] = [
            {"$match": {"$expr": text}},
            {"$group": {"_id": f"${field.path}", "all": {"$push": {"id": "$_id", "text": f"${field.path}"}}}},
            {"$match": {"all.1": {"$exists": True}}},
            {"$sort": {"_id": 1}},
        ]
        violations, samples = 0, list[Sample]()
        for row in documents.aggregate(pipeline, allowDiskUse=True, collation=_SAME_TO_READERS):
            if len({one["text"] for one in row["all"]}) == 1:
                continue  # equal to the byte: the rule of uniqueness reports them
            violations += len(row["all"])
            samples += [
                Sample(f"{field.path} {shorten(one['text'])} looks like another's", one["id"]) for one in row["all"]
            ]
        return Outcome(examined, violations, context.samples(samples))

    return Rule(
        id=f"uniqueness.{collection.name}.{subject}",
        title=f"{collection.title}: no two {field.name}s look alike",
        check=answer(check),
        why="People see one name twice; a device that searches for it finds one of the two documents.",
        mend=f"Write {field.name} again by hand in both (composed letters, no invisible characters), or merge them.",
    )

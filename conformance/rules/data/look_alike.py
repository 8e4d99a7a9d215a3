"""Unique texts that differ in bytes only: equal to a reader, or equal but for case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pymongo.collation import Collation

from conformance.checks.base import Context, Rule, answer, skipped
from conformance.connection.collation import SIMPLE
from conformance.language.confusables import as_seen
from conformance.language.formulas.expressions import Expression, typed
from conformance.model.collection import Collection, Field
from conformance.results import Outcome, Sample
from conformance.text.paths import value_at
from conformance.text.rendering import compared

#: Equal are texts that Unicode calls the same (NFC and NFD), whatever ignorable characters are in them; neither case
#: nor accents nor width are passed over.
_SAME_TO_READERS: Final = Collation(locale="en", strength=3, normalization=True)


def looking_alike(collection: Collection, field: Field, subject: str) -> Rule:
    """No two documents have texts in a unique field that look alike."""
    seen = as_seen(f"${field.path}")
    return Rule(
        id=f"uniqueness.{collection.name}.{subject}",
        title=f"{collection.title}: no two values of {field.path} look alike",
        check=answer(_alike(collection, field, seen, "{} looks like {}", _SAME_TO_READERS)),
        why="People see the same name twice, and a search finds only one of the two documents.",
        fix=f"Write {field.path} again in both documents (composed letters of one script, single spaces, no invisible"
        " characters), or merge the documents.",
    )


def ignoring_case(collection: Collection, field: Field, subject: str) -> Rule:
    """No two documents have texts in a unique field that are equal but for case."""
    return Rule(
        id=f"uniqueness.{collection.name}.{subject}",
        title=f"{collection.title}: no two values of {field.path} differ only in case",
        check=answer(
            _alike(collection, field, {"$toLower": f"${field.path}"}, "{} differs from {} only in case", SIMPLE)
        ),
        severity="warning",
        why="Mail for both documents reaches one person, and a login with this address is ambiguous.",
        fix="Find out which document is right, and merge them.",
    )


def _alike(
    collection: Collection, field: Field, key: Expression, why: str, collation: Collation
) -> Callable[[Context], Outcome]:
    """Return the check that counts texts with one key that are not equal to the byte, which uniqueness reports."""
    text = {"$expr": typed(f"${field.path}", "string")}
    pipeline: list[dict[str, Any]] = [
        {"$match": text},
        {"$group": {"_id": key, "all": {"$push": {"id": "$_id", "text": f"${field.path}"}}}},
        {"$match": {"all.1": {"$exists": True}}},
        {"$sort": {"_id": 1}},
    ]

    def check(context: Context) -> Outcome:
        documents = context.collection(collection.name)
        if not context.counts[collection.name]:
            return skipped(f"{collection.name} is empty")
        examined = documents.count_documents(text)
        if not examined:
            return skipped(f"no document of {collection.name} has {field.path}")
        violations, samples = 0, list[Sample]()
        for row in documents.aggregate(pipeline, allowDiskUse=True, collation=collation):
            if len({one["text"] for one in row["all"]}) == 1:
                continue
            violations += len(row["all"])
            if len(samples) < context.sample_size:
                ids = [one["id"] for one in row["all"]]
                found = documents.find({"_id": {"$in": ids}}, {field.path: 1}).sort("_id", 1)
                first = list(found.limit(context.sample_size))
                samples += [Sample(_why(field, one, row["all"], why), one["_id"]) for one in first]
        return Outcome(examined, violations, context.samples(samples))

    return check


def _why(field: Field, document: Mapping[str, Any], alike: list[dict[str, Any]], why: str) -> str:
    """Name the text beside another that looks like it, with what differs."""
    text = value_at(document, field.path)
    other = next((one["text"] for one in alike if one["text"] != text), text)
    return f"{field.path} {why.format(*compared(text, other))}"

"""Queries that must find nothing, for references to one of several collections: a schema cannot say these."""

from __future__ import annotations

from typing import Any

from conformance.inspection.findings.candidates import ReferenceCandidate
from conformance.inspection.findings.references import model_path
from conformance.inspection.samples import shown_path
from conformance.model.paths import all_values
from conformance.text.paths import as_subject


def subject_of(each: ReferenceCandidate) -> str:
    """Return the subject of the rule's id."""
    return as_subject(model_path(each.path))


def query_for(each: ReferenceCandidate) -> dict[str, Any]:
    """Return an entry of ``forbidden`` in config/rules.yaml: it finds the documents with keys that are nowhere.

    For ``on``, which refers to posts or products: the values of ``on``, without the keys that were found in either.
    """
    looked_up = {f"in_{number}": target for number, target in enumerate(each.targets)}
    there = {"$concatArrays": [f"${name}.{key}" for name, (_, key) in looked_up.items()]}
    return {
        "collection": each.collection,
        "subject": subject_of(each),
        "title": f"Every {shown_path(each.path)} exists in {each.collections}",
        "pipeline": [
            {"$project": {"missing": all_values(model_path(each.path))}},
            *(
                {"$lookup": {"from": collection, "localField": "missing", "foreignField": key, "as": name}}
                for name, (collection, key) in looked_up.items()
            ),
            {"$project": {"missing": {"$setDifference": ["$missing", there]}}},
            {"$match": {"missing": {"$ne": []}}},
        ],
        "why": "A device that follows the reference finds nothing.",
        "fix": "Restore the documents referred to, or remove those that refer to them.",
    }

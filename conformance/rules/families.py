"""The families of rules, in the order people read them, each with a title and what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Family:
    """A title for headings, and one sentence that tells a reviewer what the family's rules hold together."""

    title: str
    meaning: str


#: By the first part of a rule's id; the reports keep this order.
FAMILIES: Final[Mapping[str, Family]] = {
    "counts": Family("Counts", "Each collection holds as many documents as the settings ask for, and none is unknown."),
    "documents": Family(
        "Documents", "Every document has the fields, types and values its schema allows, and no others."
    ),
    "references": Family("References", "Whatever a document refers to exists, is not deleted, and agrees with it."),
    "uniqueness": Family("Uniqueness", "What identifies a document is held by that document alone."),
    "snapshots": Family("Snapshots", "Copies kept beside a reference equal the source they were taken from."),
    "totals": Family("Totals", "Amounts add up to the cent, from the lines to the whole."),
    "business": Family("Business rules", "Prices, dates, stock and shares behave as the business says they do."),
    "crdt": Family("Shapes for devices", "Documents have a shape and size that merges on devices without loss."),
    "indexes": Family("Indexes", "The database has exactly the indexes that the schemas declare."),
    "queries": Family("Queries", "Every named query is answered by the plan it was designed for."),
    "validators": Family("Validators", "The server refuses what the schemas refuse, by today's translation of them."),
    "streams": Family(
        "Change streams", "Every change of a synced document arrives with what was before and what is after."
    ),
    "sync": Family("Sync configuration", "The connector's configuration and the schemas agree, both ways."),
    "permissions": Family("Permissions", "Each user may read and write what they should, and nothing else."),
    "embeddings": Family("Embeddings", "Every embedding belongs to one document, is complete, and stays in MongoDB."),
    "security": Family("Security", "No credential lies in a tracked file or shows in an output."),
}


def family(name: str) -> Family:
    """The family of that name; a rule of a family that is not listed gets its own name for a title."""
    return FAMILIES.get(name, Family(name.capitalize(), ""))

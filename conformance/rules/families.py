"""The families of rules, in the order people read them, each with a title and what it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Family:
    """A title for headings, what the family's rules hold together, and how they are checked: a sentence each."""

    title: str
    meaning: str
    method: str


#: By the first part of a rule's id; the reports keep this order.
FAMILIES: Final[Mapping[str, Family]] = {
    "counts": Family(
        "Counts",
        "Each collection holds as many documents as the settings ask for, and none is unknown.",
        "The documents of each collection are counted, exactly.",
    ),
    "documents": Family(
        "Documents",
        "Every document has the fields, types and values its schema allows, and no others.",
        "One scan per collection by the server, the schema its validator; what it finds is looked at field by field.",
    ),
    "references": Family(
        "References",
        "Whatever a document refers to exists, is not deleted, and agrees with it.",
        "The children are grouped by the reference and united with the parents; groups without a parent come back.",
    ),
    "uniqueness": Family(
        "Uniqueness",
        "What identifies a document is held by that document alone.",
        "Values are grouped, and groups of more than one document come back; index or no index.",
    ),
    "snapshots": Family(
        "Snapshots",
        "Copies kept beside a reference equal the source they were taken from.",
        "Children grouped by reference meet their parents; copies are right when the least and the greatest are one.",
    ),
    "totals": Family(
        "Totals",
        "Amounts add up to the cent, from the lines to the whole.",
        "Sums are formed by the server, in whole cents, from the formula in config/rules.yaml; what is off comes back.",
    ),
    "business": Family(
        "Business rules",
        "Prices, dates, stock and shares behave as the business says they do.",
        "The formula in config/rules.yaml is compiled for the server; shares are counted there and judged by a G-test.",
    ),
    "crdt": Family(
        "Shapes for devices",
        "Documents have a shape and size that merges on devices without loss.",
        "Documents that do not meet their schema are walked; sizes and ids are measured by the server.",
    ),
    "indexes": Family(
        "Indexes",
        "The database has exactly the indexes that the schemas declare.",
        "The indexes that the server lists are compared with those that the schemas declare, both ways.",
    ),
    "queries": Family(
        "Queries",
        "Every named query is answered by the plan it was designed for.",
        "Each query is run under explain with values from the data, and the plan is held to the declared one.",
    ),
    "validators": Family(
        "Validators",
        "The server refuses what the schemas refuse, by today's translation of them.",
        "The validator that the server lists is compared with today's translation of the schema.",
    ),
    "streams": Family(
        "Change streams",
        "Every change of a synced document arrives with what was before and what is after.",
        "Settings are listed; with a scratch database, documents are changed and the events awaited.",
    ),
    "sync": Family(
        "Sync configuration",
        "The connector's configuration and the schemas agree, both ways.",
        "The files in config/ are read and compared with the schemas; subscriptions are tried on the data.",
    ),
    "permissions": Family(
        "Permissions",
        "Each user may read and write what they should, and nothing else.",
        "config/ditto_permissions.json is evaluated for every user, operation and store, on the data and beyond.",
    ),
    "embeddings": Family(
        "Embeddings",
        "Every embedding belongs to one document, is complete, and stays in MongoDB.",
        "Vectors are tested by the server, element by element; keys of both collections are united and grouped.",
    ),
    "security": Family(
        "Security",
        "No credential lies in a tracked file or shows in an output.",
        "Tracked files, settings and outputs are searched for credentials of known forms.",
    ),
}


def family(name: str) -> Family:
    """The family of that name; a rule of a family that is not listed gets its own name for a title."""
    return FAMILIES.get(name, Family(name.capitalize(), "", ""))

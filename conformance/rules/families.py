"""The families of rules in reading order, each with a title, its meaning and its method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Family:
    """A title for headings, the requirement of the family, and how it is checked: one sentence each."""

    title: str
    meaning: str
    method: str


#: By the first part of a rule's id; the reports keep this order.
FAMILIES: Final[Mapping[str, Family]] = {
    "counts": Family(
        "Counts",
        "Each collection has the number of documents that the settings or its schema define, and every collection is"
        " known.",
        "The server counts the documents of each collection exactly.",
    ),
    "documents": Family(
        "Documents",
        "Every document has only the fields, types and values that its schema allows.",
        "The server scans each collection once with the schema's validator; documents that fail are then examined"
        " field by field.",
    ),
    "references": Family(
        "References",
        "Every document that another one refers to exists, is not deleted, and has the same keys.",
        "The server groups the children by reference and unites them with their parents; it returns groups without a"
        " parent.",
    ),
    "uniqueness": Family(
        "Uniqueness",
        "No two documents share a value that identifies a document.",
        "The server groups the documents by value, with or without an index, and returns groups of more than one"
        " document.",
    ),
    "snapshots": Family(
        "Snapshots",
        "Every denormalised copy equals the field that it was copied from.",
        "The server groups the children by reference and joins their parents; the lowest and the highest copy must"
        " both equal the source.",
    ),
    "totals": Family(
        "Totals",
        "Amounts add up to the cent, from order lines to order totals.",
        "The server computes the formulas of config/rules.yaml in whole cents and returns the documents that differ.",
    ),
    "business": Family(
        "Business rules",
        "Prices, dates, stock and distributions satisfy the rules in config/rules.yaml.",
        "The formulas and queries of config/rules.yaml run on the server; distributions are counted there and tested"
        " with a G-test.",
    ),
    "crdt": Family(
        "Shapes for devices",
        "Every synced document has a shape and size that devices can merge without losing changes.",
        "Documents that do not match their schema are examined value by value; the server measures sizes and ids.",
    ),
    "indexes": Family(
        "Indexes",
        "The database has exactly the indexes that the schemas declare.",
        "The indexes that the server lists are compared with those that the schemas declare, in both directions.",
    ),
    "queries": Family(
        "Queries",
        "Every named query uses the plan that config/queries.yaml declares.",
        "Each query is explained with values from the data, and its plan is compared with the declared one.",
    ),
    "validators": Family(
        "Validators",
        "The server rejects every document that the current schemas reject.",
        "The validator that the server lists is compared with the translation of the current schema.",
    ),
    "streams": Family(
        "Change streams",
        "Every change of a synced document arrives on a change stream with its pre- and post-image.",
        "The settings are read; with a scratch database, documents are changed and the events awaited.",
    ),
    "sync": Family(
        "Sync configuration",
        "The connector's configuration, the subscriptions and the schemas agree.",
        "The files in config/ are compared with the schemas; subscriptions are evaluated on the data.",
    ),
    "permissions": Family(
        "Permissions",
        "Every user can read and write their own documents and no others.",
        "config/ditto_permissions.json is evaluated for every user, operation and store, on stored and on possible"
        " documents.",
    ),
    "embeddings": Family(
        "Embeddings",
        "Every embedding belongs to exactly one document, is complete, and never leaves MongoDB.",
        "The server tests every element of every vector; the keys of both collections are united and grouped.",
    ),
    "security": Family(
        "Security",
        "No tracked file and no output contains a credential.",
        "Tracked files, settings and outputs are searched for known forms of credentials.",
    ),
}


def family(name: str) -> Family:
    """Return the family of that name; a family that is not listed has its name as title."""
    return FAMILIES.get(name, Family(name.capitalize(), "", ""))

"""Findings about collections as the server lists them: their kind, images, collation, indexes that delete, sharding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pymongo.database import Database

from conformance.inspection.results import finding, holds, result_id
from conformance.results import Result, Sample, Severity
from conformance.rules.ditto.crdt.expiry import FIX_EXPIRING, WHY_EXPIRING
from conformance.rules.ditto.crdt.names import FIX_RESERVED, RESERVED_PREFIX, WHY_RESERVED
from conformance.server.metadata import LiveCollection, live_indexes

#: Collections that MongoDB and the connector make for themselves.
_OWN_PREFIXES = ("system.", "__ditto")


def is_own(name: str) -> bool:
    """Return True for collections of the server's or the connector's own, which are not inspected."""
    return name.startswith(_OWN_PREFIXES)


def has_documents(collection: LiveCollection) -> bool:
    """Return True for collections whose documents could be synced; a view or a time series has none of its own."""
    return collection.type == "collection"


def collection_findings(database: Database[dict[str, Any]], collection: LiveCollection) -> Iterator[Result]:
    """Everything that the server says of a collection without reading a document."""
    yield _kind(collection)
    if not has_documents(collection):
        return
    yield _images(collection)
    yield _finding(
        collection.name,
        "validators",
        "present",
        "The server refuses documents of another shape",
        "warning",
        None if collection.validator else "the server has no validator",
        "any client, and any device, can write a document that the others cannot read.",
        "Write a schema (zava infer drafts it), then install its validator with zava provision.",
        words="the collection has no validator",
    )
    collation = collection.collation
    yield _finding(
        collection.name,
        "crdt",
        "collation",
        "Strings are compared exactly",
        "warning",
        None if collation is None else f"has {collation}",
        "devices compare strings exactly, so a query finds other documents there than in MongoDB.",
        "Store a second field in the form that is compared (lower case, say).",
    )
    reserved = collection.name.startswith(RESERVED_PREFIX)
    yield _finding(
        collection.name,
        "crdt",
        "collection-name",
        "The collection's name is not reserved by Ditto",
        "error",
        f"has a name that begins with {RESERVED_PREFIX}" if reserved else None,
        WHY_RESERVED,
        FIX_RESERVED,
    )
    yield _expiring(database, collection)
    yield _sharding(database, collection)


def _kind(collection: LiveCollection) -> Result:
    problem, fix, severity = None, "", "error"
    if collection.type == "view":
        problem = "is a view, which has no change stream"
        fix, severity = "Sync the collection that the view reads, and select on the device.", "warning"
    elif collection.type == "timeseries":
        problem = "is a time series, which has no change stream"
        fix = "Sync a normal collection with the documents that devices need, or leave this one out."
    elif collection.options.get("capped"):
        problem = "is capped, which the connector does not take"
        fix = "Copy the documents into a normal collection."
    why = "the connector cannot sync it."
    title = "It is a collection that the connector can sync"
    return _finding(collection.name, "sync", "kind", title, severity, problem, why, fix)  # type: ignore[arg-type]


def _images(collection: LiveCollection) -> Result:
    return _finding(
        collection.name,
        "streams",
        "images",
        "Pre- and post-images are on",
        "error",
        None if collection.images else "pre- and post-images are off",
        "the connector does not start for a collection without them.",
        "Before it is synced: db.runCommand({collMod: NAME, changeStreamPreAndPostImages: {enabled: true}}).",
        words="changeStreamPreAndPostImages is not enabled",
    )


def _expiring(database: Database[dict[str, Any]], collection: LiveCollection) -> Result:
    indexes = live_indexes(database, collection.name)
    expiring = [index.name for index in indexes if "expireAfterSeconds" in index.options]
    problem = collection.losing if "expireAfterSeconds" in collection.options else None
    if expiring:
        problem = f"deletes documents by the TTL index {', '.join(expiring)}"
    return _finding(
        collection.name,
        "crdt",
        "expiry",
        "The server deletes no documents by itself",
        "warning",
        problem,
        WHY_EXPIRING[0].lower() + WHY_EXPIRING[1:],
        FIX_EXPIRING,
    )


def _sharding(database: Database[dict[str, Any]], collection: LiveCollection) -> Result:
    """Name the shard key if the user may read the cluster's configuration."""
    identity = result_id("sync", collection.name, "sharding")
    title = f"{collection.name}: The shard key, where there is one, is known"
    hello = database.client.admin.command("hello")
    if hello.get("msg") != "isdbgrid":
        return holds(identity, title, "warning", 1, {"sharded": False})
    stats = next(database[collection.name].aggregate([{"$collStats": {"storageStats": {}}}]))
    return holds(identity, title, "warning", 1, {"sharded": bool(stats.get("shard"))})


def _finding(
    name: str,
    family: str,
    aspect: str,
    title: str,
    severity: Severity,
    problem: str | None,
    why: str,
    fix: str,
    *,
    words: str = "",
    evidence: Mapping[str, Any] | None = None,
) -> Result:
    identity = result_id(family, name, aspect)
    if problem is None:
        return holds(identity, f"{name}: {title}", severity, 1, evidence)
    return finding(
        identity,
        f"{name}: {title}",
        severity,
        headline=f"{name} {problem}" if problem.startswith(("is ", "has ", "deletes ")) else f"{name}: {problem}",
        examined=1,
        violations=1,
        samples=[Sample(words or problem, ref=name)],
        why=f"Native and ejson mode: {why}",
        fix=fix,
        evidence=evidence,
    )

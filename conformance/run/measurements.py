"""Measurements for the pictures of a run, taken once at its end and stored in reports/validation.json.

Most of it the rules' evidence holds already. What it does not is asked for here: the server groups, and what comes back
is bounded by the model (a row per month, index, octave of sizes), never by the data.
A measurement that the server refuses is left out, and ``not_measured`` says why: a picture is no verdict.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from pymongo.errors import PyMongoError

from conformance.checks.base import Context
from conformance.config.configuration import Distribution, NamedQuery
from conformance.connection.client import in_words
from conformance.ditto.permissions import PERMISSIONS_FILE, User, known_users, load_permissions
from conformance.ditto.subscriptions import SUBSCRIPTIONS_FILE, Device, load_subscriptions, values_for
from conformance.errors import ConfigurationError
from conformance.language.calendar import day_weight
from conformance.language.formulas.formula import Formula
from conformance.results import Result
from conformance.run.runner import WORKERS

Measured = dict[str, Any]
Measure = Callable[[Context, Sequence[Result]], Any]

#: A year out of a date: the first four characters of a field.
_YEAR: Final = re.compile(r"slice\(\s*(?P<field>[\w.]+)\s*,\s*0\s*,\s*4\s*\)")


def measured(context: Context, results: Sequence[Result]) -> Measured:
    """Return the measurements that go with these results, by name; those of rules that were not run are not taken."""
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="measures") as pool:
        taken = dict(
            zip(_MEASURES, pool.map(lambda measure: _taken(measure, context, results), _MEASURES.values()), strict=True)
        )
    found: Measured = {name: part for name, (part, _) in taken.items() if part}
    refused = {name: reason for name, (_, reason) in taken.items() if reason}
    return found | ({"not_measured": refused} if refused else {})


def _taken(measure: Measure, context: Context, results: Sequence[Result]) -> tuple[Any, str | None]:
    """Return a measurement, or why there is none."""
    try:
        return measure(context, results), None
    except PyMongoError as error:
        return None, in_words(error)
    except ConfigurationError as error:  # a finding of the family that reads the file
        return None, str(error)


def _collections(context: Context, results: Sequence[Result], family: str) -> list[str]:
    """Return the model's collections, in its order, that have a result of the family."""
    named = {result.collection for result in results if result.family == family}
    return [collection.name for collection in context.model if collection.name in named]


def _references(context: Context, _: Sequence[Result]) -> list[dict[str, str]]:
    """Every reference of the model; no query."""
    return [
        {"collection": reference.collection, "field": reference.field, "target": reference.target}
        for collection in context.model
        for reference in collection.every_reference
    ]


def _synced(context: Context, _: Sequence[Result]) -> list[str]:
    """Return the collections that devices hold; no query."""
    return [collection.name for collection in context.model if collection.synced]


def _sizes(context: Context, results: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """BSON sizes of every document, by collection: bytes in all, extremes, and documents by octave.

    Octave n holds the sizes from 2^n to below 2^(n+1) bytes.
    """
    size = {"$bsonSize": "$$ROOT"}
    pipeline: list[dict[str, Any]] = [
        {"$group": {"_id": size, "n": {"$sum": 1}}},
        {
            "$group": {
                "_id": {"$floor": {"$log": ["$_id", 2]}},
                "documents": {"$sum": "$n"},
                "bytes": {"$sum": {"$multiply": ["$_id", "$n"]}},
                "smallest": {"$min": "$_id"},
                "largest": {"$max": "$_id"},
            }
        },
        {"$sort": {"_id": 1}},
    ]
    found = {}
    for name in _collections(context, results, "crdt"):
        rows = list(context.collection(name).aggregate(pipeline, allowDiskUse=True))
        if rows:
            found[name] = {
                "documents": sum(row["documents"] for row in rows),
                "bytes": sum(row["bytes"] for row in rows),
                "smallest": rows[0]["smallest"],
                "largest": rows[-1]["largest"],
                "octaves": {str(int(row["_id"])): row["documents"] for row in rows},
            }
    return found


def _months(context: Context, results: Sequence[Result]) -> dict[str, dict[str, Any]]:
    """Return by rule the documents of each month of the period, found and expected, for evaluated distributions."""
    evaluated = {result.id for result in results if "table" in result.evidence}
    shares = context.configuration.rules.distributions
    named = {f"{share.family}.{share.collection}.{share.subject}-shares": share for share in shares}
    return {
        rule: _by_month(context, share, year["field"])
        for rule, share in named.items()
        if rule in evaluated and share.per_year and (year := _YEAR.fullmatch(share.by))
    }


def _by_month(context: Context, share: Distribution, field: str) -> dict[str, Any]:
    collection = context.model[share.collection]
    month = Formula(f"slice({field}, 0, 7)", context.model, collection, context.configuration, "the pictures")
    pipeline: list[dict[str, Any]] = [
        *([{"$match": {"$expr": {"$and": month.guards()}}}] if month.guards() else []),
        {"$group": {"_id": month.mongo(), "n": {"$sum": 1}}},
    ]
    found = {row["_id"]: row["n"] for row in context.collection(share.collection).aggregate(pipeline)}
    weights = _month_weights(context, context.configuration.table(share.expected))
    documents, whole = sum(found.get(name, 0) for name in weights), sum(weights.values())
    return {
        "collection": share.collection,
        "months": {name: [found.get(name, 0), round(documents * w / whole, 1)] for name, w in weights.items()},
    }


def _month_weights(context: Context, figures: Mapping[Any, float]) -> dict[str, float]:
    """Return the weight of each month of the period: of its days in it, by its year's figure."""
    first, last = context.settings.start_date, context.settings.end_date
    weights: dict[str, float] = {}
    day = first
    while day <= last:
        following = (day.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
        days = (min(following, last + dt.timedelta(days=1)) - day).days
        weights[f"{day:%Y-%m}"] = days * day_weight(figures, day.year)
        day = following
    return weights


def _indexes(context: Context, results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return every index of the collections: its bytes, reads since the server started, named queries that use it."""
    plans = {result.subject: result.evidence.get("indexes", ()) for result in results if result.family == "queries"}
    queries = [query for query in context.configuration.queries if query.name in plans]
    found = []
    for name in _collections(context, results, "indexes"):
        if not context.counts[name]:
            continue
        collection = context.collection(name)
        sizes: Counter[str] = Counter()
        for shard in collection.aggregate([{"$collStats": {"storageStats": {}}}]):
            sizes.update(shard["storageStats"]["indexSizes"])
        group: dict[str, Any] = {"_id": "$name", "reads": {"$sum": "$accesses.ops"}, "unique": {"$max": "$spec.unique"}}
        for index in collection.aggregate([{"$indexStats": {}}, {"$group": group}, {"$sort": {"_id": 1}}]):
            users = [q.name for q in queries if name in _reads(q) and index["_id"] in plans[q.name]]
            found.append(
                {
                    "collection": name,
                    "name": index["_id"],
                    "bytes": sizes[index["_id"]],
                    "reads": index["reads"],
                    "keeps_unique": bool(index["unique"]) or index["_id"] == "_id_",
                    "queries": users,
                }
            )
    return found


def _reads(query: NamedQuery) -> set[str]:
    """Return the collections that a named query reads: its own, and those that its pipeline looks up."""
    stages = [stage["$lookup"] for stage in query.pipeline or () if "$lookup" in stage]
    return {query.collection, *(str(stage["from"]) for stage in stages)}


def _devices(context: Context, results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return the documents per collection that each type of device holds, for its first user."""
    files = (SUBSCRIPTIONS_FILE, PERMISSIONS_FILE)
    evaluated = any(result.family == "sync" for result in results)
    if not evaluated or not all(context.model.config(name).exists() for name in files):
        return []
    counted: dict[str, int] = {}
    found = []
    for device, user, finds in held_by_devices(context):
        documents = {}
        for name, query in finds.items():
            key = f"{name} {query!r}"
            if key not in counted:  # types of devices that differ in what they change subscribe alike
                counted[key] = context.collection(name).count_documents(query)
            documents[name] = counted[key]
        found.append({"name": device.name, "title": device.title, "user": _called(user), "documents": documents})
    return found


def held_by_devices(context: Context) -> Iterator[tuple[Device, User, dict[str, Any]]]:
    """Each type of device, the first user who may use it, and by collection the query for what it would hold.

    Raises ConfigurationError when the model's subscriptions or permissions are not as they should be.
    """
    subscriptions, permissions = load_subscriptions(context.model), load_permissions(context.model)
    scopes = context.collection(permissions.users.collection).find().sort("_id", 1)
    users = {"known": next(iter(known_users(permissions, context.model, scopes)), None)}
    users["super_manager"] = User(permissions.super_manager_id)
    for device in subscriptions.devices:
        user = users[device.user]
        if user is None:
            continue
        finds: dict[str, list[Any]] = {}
        for one in device.subscriptions:
            values = values_for(subscriptions, one.selection.parameters, user, context.database)
            held = None if None in values.values() else one.filter(values)
            if held is not None:
                finds.setdefault(one.selection.collection, []).append(held)
        yield device, user, {name: {"$or": any_of} if len(any_of) > 1 else any_of[0] for name, any_of in finds.items()}


def _called(user: User) -> str:
    """Return a user by what makes the difference to a device."""
    return ", ".join(str(value) for value in user.attributes.values()) or "the super manager"


_MEASURES: Final[Mapping[str, Measure]] = {
    "references": _references,
    "synced": _synced,
    "sizes": _sizes,
    "months": _months,
    "indexes": _indexes,
    "devices": _devices,
}

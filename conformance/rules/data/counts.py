"""Family counts: each collection has as many documents as it should; the finding names the setting."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from conformance.checks.base import Context, Rule, answer, listed
from conformance.config.configuration import Configuration
from conformance.ditto.connector import SESSIONS_COLLECTION, UNSYNCED_COLLECTION
from conformance.model.collection import Collection, Model
from conformance.results import Outcome, Sample
from conformance.text.plural import numbered
from conformance.text.rendering import named

#: The collections that Ditto's connector keeps for itself: where it stands, and what it could not write.
_CONNECTORS: Final = frozenset({SESSIONS_COLLECTION, UNSYNCED_COLLECTION})

#: JavaScript that somebody stored on the server; every other system collection is the server's own.
_FUNCTIONS: Final = "system.js"


@dataclass(frozen=True)
class Expected:
    """From ``low`` to ``high`` documents, because of ``reason``."""

    low: int
    high: int
    reason: str

    def __str__(self) -> str:
        """As a reviewer reads it."""
        number = f"{self.low:,}" if self.low == self.high else f"{self.low:,} to {self.high:,}"
        return f"{number} ({self.reason})"


def rules(model: Model, _: Configuration) -> Iterator[Rule]:
    """One rule per collection that says how many documents it has, and one for collections that no schema defines."""
    for collection in model:
        if not collection.cardinality:
            continue
        yield Rule(
            id=f"counts.{collection.name}.documents",
            title=f"{collection.title}: the number of documents is as expected",
            check=answer(_count(collection)),
            why="Documents that are missing are missing on every device; surplus ones appear there as real.",
            fix="Load the missing documents, remove the surplus ones, or correct the expected number (setting or"
            " schema).",
        )
    yield Rule(
        id="counts._database.unknown-collections",
        title="The database has only collections that the model or Ditto's connector defines",
        severity="warning",
        check=answer(_unknown),
        why="An unknown collection is not validated, and a forgotten copy of customer data is a privacy risk.",
        fix="Define the collection in schemas/, or move it into another database, as a view or a time series. Drop it"
        " only if it is a copy that is not needed.",
    )


def expected(context: Context, collection: Collection) -> Expected:
    """Return how many documents a collection should have, given the settings and what its parents have."""
    declared = collection.cardinality
    if "exactly" in declared:
        return Expected(declared["exactly"], declared["exactly"], "the exact number in the schema")
    if "setting" in declared:
        name = declared["setting"]
        size = context.settings.size(name, context.configuration.generation.defaults)
        return Expected(size, size, f"the setting {name}")
    low, high = declared["between"]
    if "per" not in declared:
        return Expected(int(low), int(high), "the bounds in the schema")
    product = math.prod(context.counts[name] for name in declared["per"])
    live = math.prod(_live(context, name) for name in declared["per"])
    lowest, highest = math.ceil(low * live - 1e-9), math.floor(high * product + 1e-9)
    if lowest > highest:  # of so few parents no whole number is within the bounds: either neighbour is right
        lowest, highest = highest, lowest
    number = f"{low:g} to {high:g}" if low != high else f"{low:g}"
    parents = (
        f"document of {declared['per'][0]}" if len(declared["per"]) == 1 else f"pair of {' x '.join(declared['per'])}"
    )
    reason = f"{number} per {parents}"
    if live != product:
        reason += "; soft-deleted parents may count or not"
    if "mean" in declared and product >= declared["from"]:
        spread = declared["sigmas"] * declared["deviation"] * math.sqrt(product)
        lowest = max(lowest, math.ceil(declared["mean"] * live - spread))
        highest = min(highest, math.floor(declared["mean"] * product + spread))
        reason = f"{declared['mean']:g} per {parents} within {declared['sigmas']:g} sigma"
    return Expected(lowest, highest, reason)


def _live(context: Context, name: str) -> int:
    """Documents that need others: of a closed store nobody keeps the stock."""
    flag = context.model[name].soft_delete
    deleted = context.number(name, {flag: True}) if flag is not None and context.any_deleted(name) else 0
    return context.counts[name] - deleted


def _count(collection: Collection) -> Callable[[Context], Outcome]:
    def check(context: Context) -> Outcome:
        found, wanted = context.counts[collection.name], expected(context, collection)
        off = max(wanted.low - found, found - wanted.high, 0)
        why = _difference(found, wanted)
        samples = (Sample(why, ref=collection.name),) if off else ()
        return Outcome(
            max(found, 1),
            off,
            samples,
            evidence={"found": found, "expected": str(wanted), "low": wanted.low, "high": wanted.high},
        )

    return check


def _difference(found: int, wanted: Expected) -> str:
    """Name how many documents are missing or surplus, then both numbers."""
    off, word = (wanted.low - found, "missing") if found < wanted.low else (found - wanted.high, "surplus")
    return f"{off:,} {word}: {numbered(found, 'document')} found; expected {wanted}"


def _unknown(context: Context) -> Outcome:
    names = [
        name
        for name in context.database.list_collection_names()
        if not name.startswith("system.") or name == _FUNCTIONS
    ]
    unknown = sorted(set(names) - set(context.model.collections) - _CONNECTORS)
    return listed(context, max(len(names), 1), [Sample(_unknown_name(name), ref=name) for name in unknown])


def _unknown_name(name: str) -> str:
    """Show a name with what cannot be told apart by eye, such as a Cyrillic letter, as an escape."""
    return "the collection is in the database but no schema defines it" + (
        "" if named(name) == name else f" (its name is {named(name)})"
    )

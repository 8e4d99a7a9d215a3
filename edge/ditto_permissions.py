"""Permissions at the edge: in Ditto's own format, as subscriptions, and as what a user may do in a real store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from conformance.ditto.permissions import CHANGES, Operation, Permissions, User, allowed, in_ditto_id
from conformance.language.conditions.condition import Always, Comparison, Condition, Every, Some, comparisons
from conformance.language.conditions.translation import to_dql
from conformance.model.collection import Collection, IdMapping, Model
from edge.store.statements import identifier
from edge.store.store import Store

#: Kinds of Ditto's permissions, and the operations that each covers.
KINDS: Final[Mapping[str, Sequence[Operation]]] = {"read": ("read",), "write": CHANGES}


@dataclass(frozen=True)
class Compiled:
    """One user's permissions as Ditto's authentication webhook answers them, and what they leave open.

    ``document`` is ``{"read": {"everything": …, "queriesByCollection": {…}}, "write": …}``. Ditto's queries test _id
    only: each lets through all that the rules allow, and where it lets through more, a finding says so.
    """

    document: Mapping[str, Any]
    findings: Sequence[str]

    def select(self, kind: str, collection: str) -> str:
        """Return a query for the documents that Ditto would allow: its conditions, joined by OR."""
        allows = self.document[kind]
        queries = ["true"] if allows["everything"] else allows["queriesByCollection"].get(collection, ["false"])
        return _select("_id", collection, " OR ".join(f"({query})" for query in queries))


def compiled(permissions: Permissions, model: Model, mappings: Mapping[str, IdMapping], user: User | None) -> Compiled:
    """Return the user's permissions for Ditto, none for an unknown user; ``mappings`` are of synced collections."""
    everything = user is not None and user.super_manager
    document: dict[str, Any] = {kind: {"everything": everything, "queriesByCollection": {}} for kind in KINDS}
    findings = []
    for kind, operations in KINDS.items() if not everything else ():
        for name, mapping in mappings.items():
            granted = [allowed(permissions, model[name], user, operation) for operation in operations]
            wanted = _any(granted)
            if wanted == Always(False):
                continue
            held = in_ditto_id(model[name], mapping)
            document[kind]["queriesByCollection"][name] = [
                _in_ditto(one) for one in _alternatives(_testable(wanted, held))
            ]
            beyond = sorted({one.path for one in comparisons(wanted)} - held.keys())
            if beyond:
                findings.append(
                    f"{kind} {name}: open beyond the rules, since {', '.join(beyond)} is not part of Ditto's _id"
                )
            if len(set(granted)) > 1:
                findings.append(
                    f"{kind} {name}: Ditto does not tell {', '.join(operations)} apart, and allows all of them"
                )
    return Compiled(document, findings)


def _testable(condition: Condition, paths: Mapping[str, str]) -> Condition:
    """Return the narrowest condition on the paths in Ditto's _id that holds for whatever meets the condition."""
    if isinstance(condition, Comparison):
        path = paths.get(condition.path)
        return Always(True) if path is None else Comparison(path, condition.operator, condition.value)
    if isinstance(condition, Every):
        parts = [part for part in (_testable(one, paths) for one in condition.parts) if part != Always(True)]
        return Every(tuple(parts)) if len(parts) > 1 else next(iter(parts), Always(True))
    if isinstance(condition, Some):
        return _any([_testable(one, paths) for one in condition.parts])
    return condition


def _any(conditions: Sequence[Condition]) -> Condition:
    parts = tuple(dict.fromkeys(one for one in conditions if one != Always(False)))
    if Always(True) in parts:
        return Always(True)
    return Some(parts) if len(parts) > 1 else next(iter(parts), Always(False))


def _alternatives(condition: Condition) -> Iterator[Condition]:
    """Yield what is joined by OR, one by one: Ditto takes a list of queries of which one is enough."""
    if isinstance(condition, Some):
        for part in condition.parts:
            yield from _alternatives(part)
    elif isinstance(condition, Comparison) and condition.operator == "IN":
        for value in condition.values:
            yield Comparison(condition.path, "=", value)
    else:
        yield condition


def _in_ditto(condition: Condition) -> str:
    """Return the condition in the query language of Ditto's permissions, which is older than DQL."""
    if isinstance(condition, Comparison) and condition.operator == "IN":
        return _in_ditto(Some(tuple(_alternatives(condition))))
    if isinstance(condition, Comparison):
        value = condition.value
        text = f"'{_escaped(value)}'" if isinstance(value, str) else json.dumps(value)
        return f"{condition.path} {'==' if condition.operator == '=' else '!='} {text}"
    if isinstance(condition, Every | Some):
        return (" && " if isinstance(condition, Every) else " || ").join(
            f"({_in_ditto(part)})" for part in condition.parts
        )
    return "true" if condition == Always(True) else "false"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def subscription(permissions: Permissions, collection: Collection, user: User | None) -> tuple[str, dict[str, Any]]:
    """Return the subscription that holds exactly what the user may read of the collection: DQL and its arguments."""
    condition, arguments = to_dql(allowed(permissions, collection, user, "read"))
    return _select("*", collection.name, condition), arguments


def permitted(
    store: Store, permissions: Permissions, collection: Collection, user: User | None, operation: Operation
) -> list[Any]:
    """Ditto's _ids of the documents in a store on which the user may do the operation."""
    condition, arguments = to_dql(allowed(permissions, collection, user, operation))
    return [row["_id"] for row in store.execute(_select("_id", collection.name, condition), arguments)]


def _select(what: str, collection: str, condition: str) -> str:
    return f"SELECT {what} FROM {identifier(collection)} WHERE {condition}"  # noqa: S608 - names are quoted

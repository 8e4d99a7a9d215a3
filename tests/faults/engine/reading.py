"""The collections that each rule reads, derived from the commands that its check sends on a conformant database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final

from pymongo import MongoClient, monitoring

from conformance.checks.base import Context, Rule
from conformance.run.runner import Run

#: The name for reads of collections' options and indexes, which are not documents.
METADATA: Final = "*metadata*"
_OF_METADATA: Final = frozenset({"listCollections", "listIndexes", "explain"})


class _Listener(monitoring.CommandListener):
    def __init__(self) -> None:
        self.read: set[str] = set()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name in _OF_METADATA:
            self.read.add(METADATA)
        if event.command_name not in ("listCollections", "listIndexes"):
            self.read.update(_names(event.command_name, event.command))

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Not needed: the sent command is enough."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Not needed."""


def readers(rules: Sequence[Rule], context: Context) -> Mapping[str, frozenset[str]]:
    """Return by rule id the collections that its check reads, and METADATA if it reads indexes or options."""
    listener = _Listener()
    address = context.database.client.address
    assert address is not None
    groups: dict[object, list[Rule]] = {}
    for rule in rules:
        groups.setdefault(rule.group, []).append(rule)
    found: dict[str, frozenset[str]] = {}
    client: MongoClient[dict[str, Any]]
    with MongoClient(*address, directConnection=True, event_listeners=[listener]) as client:
        own = _looked_up(replace(context, database=client[context.database.name], scratch=None))
        for group in groups.values():
            listener.read.clear()
            with Run(group, own) as run:
                run.results()
            found |= dict.fromkeys([rule.id for rule in group], frozenset(listener.read))
    return found


def _looked_up(context: Context) -> Context:
    """Return a context that has looked up what it looks up once for all rules: no rule is recorded as its reader."""
    kind: type[Context] = type("LookedUp", (Context,), {"counts": context.counts})
    found = kind(**{each.name: getattr(context, each.name) for each in fields(context) if each.init})
    for name in found.counts:
        found.any_deleted(name)
    return found


def _names(verb: str, command: Mapping[str, Any]) -> Iterator[str]:
    name = command.get(verb)
    if isinstance(name, str):
        yield name
    elif isinstance(name, Mapping):  # explain holds another command
        inner = next(iter(name))
        yield from _names(inner, name)
    yield from _joined(command.get("pipeline"))


def _joined(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key in ("$lookup", "$unionWith"):
                yield value if isinstance(value, str) else str(value.get("from", value.get("coll")))
            yield from _joined(value)
    elif isinstance(part, list):
        for item in part:
            yield from _joined(item)

"""The database's roles, as config/users.yaml has them, held to what each is for: a rule of family security."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from conformance.checks.base import Context, Rule, listed, skipped
from conformance.checks.config_file import unreadable
from conformance.config.configuration import Configuration
from conformance.ditto.connector import SESSIONS_COLLECTION
from conformance.errors import ConfigurationError
from conformance.model.collection import Model
from conformance.results import Outcome, Sample
from conformance.server.roles import USERS_FILE, Privileges, Role, load_roles, privileges

_FILE: Final = f"config/{USERS_FILE}"
_WRITES: Final = frozenset({"insert", "update", "remove"})
#: What the connector does on each collection that it syncs; it removes only what devices delete.
_NEEDS: Final = ("find", "insert", "update", "changeStream")
_REACHES: Final = _WRITES | {"find", "changeStream", "anyAction"}


def rules(_model: Model, _configuration: Configuration) -> Iterator[Rule]:
    """One rule on the file; the server is not asked, which `zava provision --users --check` does."""
    yield Rule(
        "security._config.roles",
        "No database role has more privileges than its purpose needs, and the connector's role has access to all"
        " synced collections and to no others",
        _check,
        why="A collection that a role cannot read cannot leave MongoDB, even if another setting is wrong. A connector"
        " that cannot read, follow and write a collection does not sync it.",
        fix="Correct the actions or the collections in the role's `may`, then run `zava provision --users`.",
    )


def _check(context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
    (rule,) = rules
    if not context.model.config(USERS_FILE).is_file():
        return {rule.id: skipped(f"{context.model.root} has no {_FILE}")}
    try:
        roles = load_roles(context.model)
    except ConfigurationError as error:
        return unreadable(context, rules, _FILE, error, rule.id)
    held = {name: privileges(context.model, role) for name, role in roles.items()}
    connectors = _connectors(context.model, held)
    problems = [
        Sample(why, ref=f"{_FILE}: {name}")
        for name, role in roles.items()
        for why in _problems(context.model, role, held[name], connector=name in connectors)
    ]
    return {rule.id: listed(context, sum(map(len, held.values())), problems)}


def _problems(model: Model, role: Role, held: Privileges, *, connector: bool) -> Iterator[str]:
    yield from _excess(model, role, held, connector=connector)
    if _keeps_sessions(held):
        yield from _lacks(model, held)


def _excess(model: Model, role: Role, held: Privileges, *, connector: bool) -> Iterator[str]:
    """Yield what a role may do and should not, by what it may do it on."""
    apart = {collection.name for collection in model if not collection.synced}
    for name, actions in held.items():
        on = f"on {name or 'every collection'}"
        never = actions & {*role.never, "anyAction"} if role.never else frozenset()
        reached = actions & _REACHES if connector and (name in apart or (apart and not name)) else frozenset()
        if not name and "changeStream" in actions:
            reached -= {"find", "changeStream"}  # MongoDB lets only those follow a whole database who may read it
        if never:
            yield f"the role may {', '.join(sorted(never))} {on}; expected never {', '.join(role.never)}"
        elif reached:
            what = ", ".join(sorted(reached))
            yield f"the connector's role may {what} {on}; expected no access to unsynced collections"


def _lacks(model: Model, held: Privileges) -> Iterator[str]:
    """Yield what the connector's role needs on a synced collection and may not."""
    everywhere = held.get("", frozenset())
    for collection in model:
        actions = held.get(collection.name, frozenset()) | everywhere
        lacking = [one for one in _NEEDS if not actions & {one, "anyAction"}]
        if collection.synced and lacking:
            yield (
                f"the connector's role may not {', '.join(lacking)} on {collection.name}; expected"
                f" {', '.join(_NEEDS[:-1])} and {_NEEDS[-1]} on every synced collection"
            )


def _connectors(model: Model, held: Mapping[str, Privileges]) -> set[str]:
    """Return the connector's roles: those that keep its sessions, else those that follow and write what is synced."""
    keepers = {name for name, one in held.items() if _keeps_sessions(one)}
    return keepers or {name for name, one in held.items() if _follows_and_writes(model, one)}


def _keeps_sessions(held: Privileges) -> bool:
    return bool(held.get(SESSIONS_COLLECTION, frozenset()) & _WRITES)


def _follows_and_writes(model: Model, held: Privileges) -> bool:
    both = [held.get(one.name, frozenset()) | held.get("", frozenset()) for one in model if one.synced]
    return any("changeStream" in actions and actions & _WRITES for actions in both)

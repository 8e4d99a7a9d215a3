"""The database's roles, as config/users.yaml has them, held to what each is for: a rule of family security."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from conformance.checks.base import Context, Rule, listed, skipped
from conformance.checks.config_file import unreadable
from conformance.config.configuration import Configuration
from conformance.errors import ConfigurationError
from conformance.model.collection import Model
from conformance.results import Outcome, Sample
from conformance.server.roles import USERS_FILE, Privileges, Role, load_roles, privileges

_FILE: Final = f"config/{USERS_FILE}"
_WRITES: Final = frozenset({"insert", "update", "remove"})
_REACHES: Final = _WRITES | {"find", "changeStream", "anyAction"}


def rules(_model: Model, _configuration: Configuration) -> Iterator[Rule]:
    """One rule on the file; the server is not asked, which `zava provision --users --check` does."""
    yield Rule(
        "security._config.roles",
        "No database role has more privileges than its purpose needs, and the connector's role has no access to"
        " unsynced collections",
        _check,
        why="A collection that a role cannot read cannot leave MongoDB, even if another setting is wrong.",
        fix="Remove the action or the collection from the role's `may`, then run `zava provision --users`.",
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
    problems = [
        Sample(why, ref=f"{_FILE}: {name}")
        for name, role in roles.items()
        for why in _excess(context.model, role, held[name])
    ]
    return {rule.id: listed(context, sum(map(len, held.values())), problems)}


def _excess(model: Model, role: Role, held: Privileges) -> Iterator[str]:
    """Yield what a role may do and should not, by what it may do it on."""
    apart = {collection.name for collection in model if not collection.synced}
    connector = _is_connectors(model, held)
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


def _is_connectors(model: Model, held: Privileges) -> bool:
    """Return True for a role that follows a synced collection and writes it, as only who syncs must."""
    both = [held.get(one.name, frozenset()) | held.get("", frozenset()) for one in model if one.synced]
    return any("changeStream" in actions and actions & _WRITES for actions in both)

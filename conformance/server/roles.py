"""The database's users: roles of least privilege, declared in config/users.yaml, and what a server lacks of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints
from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from conformance.connection.client import in_words
from conformance.errors import FileError, Location, TargetError
from conformance.files.strict_files import Strict, located, parse_file
from conformance.model.collection import Model
from conformance.server.actions import ACTIONS
from conformance.text.suggestion import did_you_mean, nearest

#: The file's name below config/.
USERS_FILE: Final = "users.yaml"
#: Unauthorized, CommandNotFound, and Atlas' own "not allowed".
_NOT_HERE: Final = frozenset({13, 59, 8000})
Name = Annotated[str, StringConstraints(pattern="^[A-Za-z][A-Za-z0-9_-]{0,62}$")]
Variable = Annotated[str, StringConstraints(pattern="^[A-Z][A-Z0-9_]*$")]
CollectionName = Annotated[str, StringConstraints(pattern=r"^\S(.*\S)?$")]
#: Collection ("" for the database itself) to the actions on it.
Privileges = Mapping[str, frozenset[str]]


class Grant(Strict):
    """``actions`` on the collections named, on all of the ``model``, on those ``synced``, or on the ``database``."""

    where: Literal["model", "synced", "database"] | tuple[CollectionName, ...]
    actions: tuple[Name, ...] = Field(min_length=1)


class Role(Strict):
    """A role, and the one user who has it and no other; ``password`` names the variable that holds his password.

    ``never`` are actions that he may have nowhere, whatever ``may`` becomes.
    """

    user: Name
    password: Variable
    title: str
    may: tuple[Grant, ...] = Field(min_length=1)
    never: tuple[Name, ...] = ()


@dataclass(frozen=True)
class Change:
    """One step towards the wanted state, as the server is given it; ``password`` names what is still to be added."""

    subject: str
    kind: Literal["role", "user"]
    what: str
    command: Mapping[str, Any]
    password: str | None = None


def load_roles(model: Model) -> Mapping[str, Role]:
    """Return the roles of config/users.yaml by name; ConfigurationError, one line, when there is no such file."""
    path = model.config(USERS_FILE)
    if not path.exists():
        raise FileError(Location(path), "the file does not exist; create it to define users")
    roles: Mapping[str, Role] = parse_file(dict[Name, Role], path)
    for place, name, known in _names(model, roles):
        what = f"there is no {name!r}; {did_you_mean(name, known)}"
        raise FileError(located(path, place), what, ".".join(map(str, place)))
    users = [role.user for role in roles.values()]
    twice = next((user for user in users if users.count(user) > 1), None)
    if twice is not None:
        raise FileError(Location(path), f"the user {twice} has two roles; write one role with all that they may do")
    return roles


def _names(model: Model, roles: Mapping[str, Role]) -> Iterator[tuple[Sequence[str | int], str, list[str]]]:
    """Yield actions that MongoDB does not have, and collections that are like one of the model's, with their places."""
    actions = sorted(ACTIONS)
    for name, role in roles.items():
        for position, grant in enumerate(role.may):
            for number, action in enumerate(grant.actions):
                if action not in ACTIONS:
                    yield (name, "may", position, "actions", number), action, actions
            for number, collection in enumerate(() if isinstance(grant.where, str) else grant.where):
                # The database may hold collections that the model does not define, such as the connector's own.
                near = nearest(collection, model.collections)
                if collection not in model.collections and near is not None:
                    yield (name, "may", position, "where", number), collection, [near]
        for number, action in enumerate(role.never):
            if action not in ACTIONS:
                yield (name, "never", number), action, actions


def privileges(model: Model, role: Role) -> Privileges:
    """Return what a role may do, by collection."""
    sets: Mapping[Any, Sequence[str]] = {
        "model": [collection.name for collection in model],
        "synced": [collection.name for collection in model if collection.synced],
        "database": [""],
    }
    found: dict[str, frozenset[str]] = {}
    for grant in role.may:
        for name in sets[grant.where] if isinstance(grant.where, str) else grant.where:
            found[name] = found.get(name, frozenset()) | frozenset(grant.actions)
    return found


def plan(model: Model, roles: Mapping[str, Role], database: Database[Any]) -> list[Change]:
    """Return what must be run so that each role may do what it should and no more, and each user has his; only reads.

    A user who is there keeps his password. Raises TargetError when the roles may not be seen.
    """
    changes: list[Change] = []
    try:
        for name, role in roles.items():
            changes += _role_change(name, privileges(model, role), _role(database, name), database.name)
        for name, role in roles.items():
            changes += _user_change(name, role, database)
    except PyMongoError as error:
        raise _target_error(error, database.name, "see roles and users") from error
    return changes


def apply(changes: Sequence[Change], database: Database[Any], password: Callable[[str, str], str]) -> None:
    """Run the changes; ``password`` is asked for each variable and its user, all of them before anything is changed.

    Raises TargetError for the first that fails; what was done before stays, and a second run finishes the work.
    """
    secrets = {change.subject: password(change.password, change.subject) for change in changes if change.password}
    for change in changes:
        command = dict(change.command)
        if change.password:
            command["pwd"] = secrets[change.subject]
        try:
            database.command(command)
        except PyMongoError as error:
            raise _target_error(error, database.name, change.what) from None  # the command holds the password


def as_mongosh(model: Model, roles: Mapping[str, Role], database: str) -> str:
    """Return the same as a repeatable script for mongosh that reads passwords from the environment or asks."""
    lines = [_PRELUDE.replace("$DATABASE", json.dumps(database))]
    for name, role in roles.items():
        lines.append(f"// {role.title}")
        lines.append(f"ensureRole({json.dumps(name)}, {json.dumps(_resources(privileges(model, role), database))});")
        lines.append(f"ensureUser({json.dumps(role.user)}, {json.dumps(name)}, {json.dumps(role.password)});\n")
    return "\n".join(lines)


def _role(database: Database[Any], name: str) -> Mapping[str, Any] | None:
    wanted = {"role": name, "db": database.name}
    found = database.command({"rolesInfo": wanted, "showPrivileges": True})["roles"]
    return found[0] if found else None


def _role_change(name: str, wanted: Privileges, there: Mapping[str, Any] | None, database: str) -> Iterator[Change]:
    rest = {"privileges": _resources(wanted, database), "roles": []}
    if there is None:
        yield Change(name, "role", f"create the role {name}", {"createRole": name, **rest})
        return
    held = {
        (entry["resource"].get("db"), entry["resource"].get("collection")): frozenset(entry["actions"])
        for entry in there["privileges"]
    }
    expected = {(database, collection): actions for collection, actions in wanted.items()}
    reasons = [*_missing("no longer allow", held, expected), *_missing("allow", expected, held)]
    reasons += [f"no longer inherit {role['role']}" for role in there["roles"]]
    if reasons:
        yield Change(name, "role", f"change the role {name}: {'; '.join(reasons)}", {"updateRole": name, **rest})


def _missing(verb: str, some: Mapping[Any, frozenset[str]], others: Mapping[Any, frozenset[str]]) -> Iterator[str]:
    for resource, actions in some.items():
        surplus = sorted(actions - others.get(resource, frozenset()))
        if surplus:
            place = ".".join(str(part) for part in resource if part) or "the server"
            yield f"{verb} {', '.join(surplus)} on {place}"


def _user_change(name: str, role: Role, database: Database[Any]) -> Iterator[Change]:
    wanted = [{"role": name, "db": database.name}]
    found = database.command({"usersInfo": {"user": role.user, "db": database.name}})["users"]
    if not found:
        what = f"create the user {role.user} with the role {name}"
        yield Change(role.user, "user", what, {"createUser": role.user, "roles": wanted}, role.password)
    elif [{"role": one["role"], "db": one["db"]} for one in found[0]["roles"]] != wanted:
        others = ", ".join(one["role"] for one in found[0]["roles"]) or "none"
        what = f"give the user {role.user} the role {name} only (now: {others})"
        yield Change(role.user, "user", what, {"updateUser": role.user, "roles": wanted})


def _resources(wanted: Privileges, database: str) -> list[dict[str, Any]]:
    return [
        {"resource": {"db": database, "collection": collection}, "actions": sorted(actions)}
        for collection, actions in sorted(wanted.items())
    ]


def _target_error(error: PyMongoError, database: str, what: str) -> TargetError:
    if isinstance(error, OperationFailure) and error.code in _NOT_HERE:
        return TargetError(
            f"{database}: the user may not {what}: log in as one with the role userAdmin on {database}; on Atlas, which"
            " keeps users itself, make them under Database Access as config/users.yaml says"
        )
    return TargetError(f"{database}: could not {what}: {in_words(error)}; correct that and run the command again")


_PRELUDE: Final = """\
// Makes the database's roles and users, or brings them back to what they should be. May be run again.
// A new user's password is taken from the environment variable named, or asked for.
const target = db.getSiblingDB($DATABASE);

function run(command) {
  const answer = target.runCommand(command);
  if (!answer.ok) {
    throw new Error(`${Object.keys(command)[0]}: ${answer.errmsg}`);
  }
  return answer;
}

function ensureRole(role, privileges) {
  const there = run({rolesInfo: {role: role, db: $DATABASE}}).roles.length > 0;
  run({[there ? "updateRole" : "createRole"]: role, privileges: privileges, roles: []});
}

function ensureUser(user, role, variable) {
  const roles = [{role: role, db: $DATABASE}];
  if (run({usersInfo: {user: user, db: $DATABASE}}).users.length > 0) {
    run({updateUser: user, roles: roles});
  } else {
    run({createUser: user, pwd: process.env[variable] || passwordPrompt(), roles: roles});
  }
}
"""

"""The doctor's steps on a server; they need no model, and say more with one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from conformance.checks.round_trip import DEADLINE, Trial, exchange, problems
from conformance.config.settings import Settings
from conformance.ditto.connector import UNSYNCED_COLLECTION
from conformance.doctor.diagnosis import Fault, Skipped, Step, Warned, diagnose
from conformance.errors import HarnessError
from conformance.model.collection import Model
from conformance.rules.ditto.sync.unsynced_documents import ABSENT, UnreadableError, unsynced_documents
from conformance.rules.server.server_settings import RETENTION, UnknownError
from conformance.rules.server.streams import CONNECTOR_VERSIONS, connector_supports
from conformance.server.provision import require_images
from conformance.server.target import Choice, Target, open_target, require_data, require_name
from conformance.text.plural import numbered
from conformance.text.rendering import shorten

#: Actions on every collection of the model that each kind of work requires.
_WORK: Final[Mapping[str, Sequence[str]]] = {
    "validate": ("find", "listIndexes", "listCollections"),
    "write": ("insert", "update", "remove"),
    "provision": ("createCollection", "collMod", "createIndex"),
    "follow changes": ("changeStream",),
}


#: Unsynced documents that the doctor shows, oldest first.
_SHOWN_UNSYNCED: Final = 3


@dataclass(frozen=True)
class Subject:
    """The open target, and the model if there is one; ``allow_writes`` permits a scratch database on a named server."""

    target: Target
    model: Model | None
    allow_writes: bool


def server_steps(
    root: Path | None, model: Model | None, settings: Settings, choice: Choice, allow_writes: bool
) -> Iterator[Step]:
    """Yield the connection and each step on the server; all of them are skipped when it cannot be reached."""
    reported = 0
    try:
        with open_target(root, settings, choice) as target:
            subject = Subject(target, model, allow_writes)
            named = "the embedded server" if target.embedded else f"named by {choice.source}"
            yield Step("connection", "ok", f"{target.info.uri} answers ({named})")
            for name, examine in SERVER_STEPS.items():
                reported += 1
                yield diagnose(name, partial(examine, subject))
    except HarnessError as error:
        if not reported:
            yield Step("connection", "failed", str(error), error.exit_code)
        else:
            yield Step("connection", "failed", f"lost meanwhile: {error}", error.exit_code)
        yield from (Step(name, "skipped", "there is no connection") for name in list(SERVER_STEPS)[reported:])


def _version(subject: Subject) -> str:
    target = subject.target
    version = tuple(target.client.server_info()["versionArray"][:3])
    require_images(version)
    shown = f"MongoDB {target.info.server_version}"
    return shown if connector_supports(version) else f"{shown}; the managed connector needs {CONNECTOR_VERSIONS}"


def _replica_set(subject: Subject) -> str:
    subject.target.require_replica_set()
    name = subject.target.client.admin.command("hello").get("setName")
    return f"replica set {name}" if name else "sharded cluster"


def _privileges(subject: Subject) -> str:
    target = subject.target
    login = target.client.admin.command("connectionStatus", showPrivileges=True)["authInfo"]
    if not login["authenticatedUsers"]:
        target.database.list_collection_names()
        return "the server requires no password, so everyone who can reach it has all rights"
    missing = {
        work: [action for action in actions if not _allowed(login["authenticatedUserPrivileges"], action, subject)]
        for work, actions in _WORK.items()
    }
    may_not = [f"{work} ({', '.join(actions)})" for work, actions in missing.items() if actions]
    if missing["validate"]:
        raise Fault(
            f"the user may not {may_not[0]} on {target.database.name}; grant a role that may, such as read"
            " (zava provision --users makes the roles)"
        )
    may = ", ".join(work for work, actions in missing.items() if not actions)
    return f"may {may}" + (f"; may not {'; '.join(may_not)}" if may_not else "")


def _allowed(privileges: Sequence[Mapping[str, Any]], action: str, subject: Subject) -> bool:
    """Return whether the action is granted on every collection of the model; without one, on the database."""
    database = action == "listCollections" or subject.model is None
    collections = [""] if database or subject.model is None else list(subject.model.collections)
    granted = [entry["resource"] for entry in privileges if action in entry["actions"]]
    return all(
        any(
            resource.get("anyResource")
            or (resource.get("db") in ("", subject.target.database.name) and resource.get("collection") in ("", name))
            for resource in granted
        )
        for name in collections
    )


def _change_stream(subject: Subject) -> str:
    trial = Trial({"_id": "doctor", "number": 1}, {"number": 2})
    with subject.target.scratch(allow_writes=subject.allow_writes) as scratch:
        if scratch is None:
            raise Skipped(
                "the check writes to a scratch database on the configured server; pass --allow-writes to run it"
            )
        arrived = exchange(scratch, {"doctor": trial}, DEADLINE)["doctor"]
    wrong = [f"{operation}: {problem}" for operation, problem in problems(trial.events, arrived)]
    if wrong:
        raise Fault(f"{'; '.join(wrong)}; look at the server's log and at the user's privileges (changeStream, find)")
    return "an insert, an update and a delete arrived with both images"


def _database(subject: Subject) -> str:
    """Return what the database holds; a fault where `zava validate` could not run on it."""
    target, model = subject.target, subject.model
    if target.embedded and not target.database.list_collection_names():
        return f"{target.database.name} is empty; zava validate generates the data first"
    try:
        require_name(target)
        if model is not None:
            require_data(model, target)
    except HarnessError as error:
        raise Fault(str(error), error.exit_code) from error
    if model is None:
        number = len(target.database.list_collection_names())
        return f"{target.database.name} has {number} collections; without a model, what they should be is not known"
    there = sorted(set(target.database.list_collection_names()) & set(model.collections))
    return f"{target.database.name} has {len(there)} of the model's {len(model.collections)} collections"


def _unsynced(subject: Subject) -> str:
    """Return that the connector has no unsynced document; each one is missing on devices or in MongoDB."""
    try:
        found = unsynced_documents(subject.target.database, _SHOWN_UNSYNCED)
    except UnreadableError as error:
        raise Skipped(str(error)) from None
    if found is None:
        raise Skipped(ABSENT)
    if not found.number:
        return f"{UNSYNCED_COLLECTION} is empty"
    numbers = ", ".join(f"{number:,} of {name}" for name, number in found.by_collection.items())
    oldest = "; ".join(shorten(sample.why, 200) for sample in found.oldest)
    raise Fault(
        f"{numbered(found.number, 'document')} in {UNSYNCED_COLLECTION} did not sync ({numbers}); the oldest: {oldest};"
        " correct the documents, or run `zava provision --validators connector` if a validator refused them, and let"
        " the connector try again"
    )


def _retention(subject: Subject) -> str:
    """Return that images and oplog are kept for long enough; a warning with the fix where they are not."""
    if subject.target.embedded:
        raise Skipped("the embedded server is for trying out; a connector would use a server of yours")
    wrong, unknown, kept = [], [], []
    for each in RETENTION:
        try:
            finding = each.examine(subject.target.client)
        except UnknownError as error:
            unknown.append(str(error))
            continue
        if finding.problem is None:
            kept.append(each.subject)
        else:
            wrong.append(f"{finding.problem}; {each.fix.rstrip('.')}")
    if wrong:
        raise Warned("; ".join([*wrong, *unknown]))
    if not kept:
        raise Skipped("; ".join(unknown))
    return "; ".join([f"long enough: {' and '.join(kept)}", *unknown])


SERVER_STEPS: Final[Mapping[str, Callable[[Subject], str]]] = {
    "version": _version,
    "replica set": _replica_set,
    "privileges": _privileges,
    "retention": _retention,
    "database": _database,
    "unsynced": _unsynced,
    "change stream": _change_stream,
}

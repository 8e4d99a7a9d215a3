"""Findings about the server: what Ditto's connector needs of it, as far as the user may read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pymongo.database import Database
from pymongo.errors import OperationFailure

from conformance.inspection.results import finding, holds, result_id, unknown
from conformance.results import Result, Sample, Severity
from conformance.rules.server.server_settings import RETENTION, UnknownError
from conformance.rules.server.streams import CONNECTOR_SINCE, connector_supports

#: Actions that the connector's own user needs on the database.
_CONNECTOR_ACTIONS: Final = ("find", "insert", "update", "remove", "changeStream")


def server_findings(database: Database[dict[str, Any]]) -> Iterator[Result]:
    """Version, change streams, retention and the rights of the user who inspects."""
    hello = database.client.admin.command("hello")
    router = hello.get("msg") == "isdbgrid"
    yield _finding(
        "replica_set",
        "The server has change streams",
        "error",
        None if "setName" in hello or router else "a standalone server, which has no change streams",
        "Native and ejson mode: without change streams nothing reaches a device.",
        "Start mongod with --replSet and run rs.initiate(), or use a cluster.",
    )
    version = tuple(database.client.server_info()["versionArray"][:3])
    shown, wanted = (".".join(map(str, each)) for each in (version, CONNECTOR_SINCE))
    yield _finding(
        "connector_version",
        f"Ditto's connector supports the server: {wanted} or later in 7.0, or 8.0 and later",
        "warning",
        None if connector_supports(version) else f"MongoDB {shown}, which the connector does not support",
        "Native and ejson mode: the connector does not start, or without support.",
        f"Upgrade the server to 8.0, or to {wanted} or later in 7.0.",
    )
    for retention, name in zip(RETENTION, ("image_retention", "oplog_window"), strict=True):
        title = f"The {retention.subject} are kept for a day at least"
        try:
            problem = retention.examine(database.client).problem
        except UnknownError as error:
            yield unknown(result_id("streams", "_database", name), title, "warning", str(error))
            continue
        why = "Native and ejson mode: a connector that was away for longer copies all documents again."
        yield _finding(name, title, "warning", problem, why, retention.fix)
    yield _privileges(database)


def _finding(name: str, title: str, severity: Severity, problem: str | None, why: str, fix: str) -> Result:
    identity = result_id("streams", "_database", name)
    if problem is None:
        return holds(identity, title, severity, 1)
    return finding(
        identity,
        title,
        severity,
        headline=f"server: {problem}",
        examined=1,
        violations=1,
        samples=[Sample(problem, ref="server")],
        why=why,
        fix=fix,
    )


def _privileges(database: Database[dict[str, Any]]) -> Result:
    """Return whether this user could be the connector's; a reader cannot, and need not be."""
    identity = result_id("security", "_database", "connector-rights")
    title = f"The user may do what the connector does ({', '.join(_CONNECTOR_ACTIONS)})"
    try:
        login = database.client.admin.command("connectionStatus", showPrivileges=True)["authInfo"]
    except OperationFailure as error:
        return unknown(identity, title, "warning", f"the user may not ask for their own rights ({error.code})")
    if not login["authenticatedUsers"]:
        return unknown(
            identity, title, "warning", "the server asks for no password, so anybody who reaches it may write"
        )
    granted = {
        action
        for entry in login["authenticatedUserPrivileges"]
        if entry["resource"].get("anyResource")
        or (entry["resource"].get("db") in ("", database.name) and entry["resource"].get("collection") == "")
        for action in entry["actions"]
    }
    missing = [action for action in _CONNECTOR_ACTIONS if action not in granted]
    if missing:
        reason = f"this user may not {', '.join(missing)}; the connector needs a user of its own with readWrite"
        return unknown(identity, title, "warning", reason)
    return holds(identity, title, "warning", 1)

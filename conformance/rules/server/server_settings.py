"""Rules of family streams on settings of the whole server: how long a change can still be followed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pymongo.errors import OperationFailure

from conformance.checks.base import Context, Rule, answer, listed, skipped
from conformance.results import Outcome, Sample
from conformance.server.provision import IMAGES_SINCE

#: Seconds that a connector or a bridge may be away and still go on where it was: a night and a working day.
LEAST_SECONDS: Final = 24 * 60 * 60
_NEEDED: Final = f"expected at least {LEAST_SECONDS // 3600} hours"
#: The part of the oplog's size from which on the server removes the oldest entries, a tenth of it at a time.
_FULL: Final = 0.85
#: The server's codes for what the user may not read, or it does not know: another engine than MongoDB's own.
_NOT_TO_BE_READ: Final = frozenset({13, 59, 8000})


@dataclass(frozen=True)
class Finding:
    """The state of one setting, and its problem (None if there is none)."""

    found: dict[str, Any]
    problem: str | None = None


@dataclass(frozen=True)
class Retention:
    """A setting of the server: what it keeps, how that is examined and how it is fixed."""

    subject: str
    examine: Callable[[Any], Finding]
    fix: str


class UnknownError(Exception):
    """The setting cannot be told, and this is why."""


def rules() -> Iterator[Rule]:
    """Yield two warnings: how long pre- and post-images are kept, and how far back the oplog reaches."""
    images, oplog = RETENTION
    yield Rule(
        id="streams._database.image_retention",
        title=f"Pre- and post-images are kept for at least {LEAST_SECONDS // 3600} hours",
        check=answer(_answer(images.examine)),
        severity="warning",
        why="A connector that was offline for longer finds changes without images, and stops or copies all documents"
        " again.",
        fix=images.fix,
    )
    yield Rule(
        id="streams._database.oplog_window",
        title=f"The oplog has the changes of at least the last {LEAST_SECONDS // 3600} hours",
        check=answer(_answer(oplog.examine)),
        severity="warning",
        why="A connector that was offline for longer cannot resume and copies all documents again.",
        fix=oplog.fix,
    )


def _answer(look: Callable[[Any], Finding]) -> Callable[[Context], Outcome]:
    def check(context: Context) -> Outcome:
        if look is image_retention and context.server_version < IMAGES_SINCE:
            return skipped("the server has no pre- and post-images; see streams._database.server_version")
        if look is oplog_window and context.embedded:
            return skipped("not applicable to the embedded server; the connector uses your own server")
        try:
            finding = look(context.database.client)
        except UnknownError as error:
            return skipped(str(error))
        problems = [Sample(finding.problem, ref="server")] if finding.problem else []
        return listed(context, 1, problems, **finding.found)

    return check


def image_retention(client: Any) -> Finding:
    """Return how long the server keeps images; raise UnknownError if the user may not read it."""
    _require_change_streams(client)
    try:
        answer = client.admin.command({"getClusterParameter": "changeStreamOptions"})
    except OperationFailure as error:
        raise _unknown(error, "the cluster parameter changeStreamOptions", "getClusterParameter") from None
    seconds = answer["clusterParameters"][0].get("preAndPostImages", {}).get("expireAfterSeconds", "off")
    found = {"expire_after_seconds": seconds}
    if seconds == "off" or seconds >= LEAST_SECONDS:
        return Finding(found)
    return Finding(found, f"images expire after {in_words(seconds)}; {_NEEDED}")


def oplog_window(client: Any) -> Finding:
    """Return how far the oplog reaches back; raise UnknownError if this is not readable or not known yet."""
    if "setName" not in _require_change_streams(client):
        raise UnknownError("a router (mongos) has no oplog; run the rule on each shard")
    try:
        stats = client.local.command("collStats", "oplog.rs")
        first, last = (_entry(client, order) for order in (1, -1))
    except OperationFailure as error:
        raise _unknown(error, "local.oplog.rs", "find and collStats on it (role clusterMonitor)") from None
    seconds = last - first
    size, most = int(stats["size"]), int(stats["maxSize"])
    found = {"window_seconds": seconds, "oplog_bytes": size, "oplog_max_bytes": most}
    if seconds >= LEAST_SECONDS:
        return Finding(found)
    if size < _FULL * most:
        raise UnknownError(
            f"the oplog has filled {size // 2**20} of {most // 2**20} MB, so its final time span is not known yet"
        )
    return Finding(found, f"the oplog reaches back {in_words(seconds)}; {_NEEDED}")


def _require_change_streams(client: Any) -> dict[str, Any]:
    """Return the server's hello; raise UnknownError for a standalone server, which has neither."""
    hello: dict[str, Any] = client.admin.command("hello")
    if "setName" not in hello and hello.get("msg") != "isdbgrid":
        raise UnknownError("the server has no change streams; see streams._database.replica_set")
    return hello


def _entry(client: Any, order: int) -> int:
    """Return the second of the first or the last entry."""
    found = client.local["oplog.rs"].find({}, {"ts": 1}).sort("$natural", order).limit(1)
    return int(next(iter(found))["ts"].time)


def _unknown(error: OperationFailure, what: str, action: str) -> UnknownError:
    if error.code not in _NOT_TO_BE_READ:
        raise error
    return UnknownError(f"the user may not read {what}; grant {action}")


def in_words(seconds: float) -> str:
    """Return a time as a reader takes it in, such as "3 minutes"."""
    for size, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")):
        if seconds >= size:
            number = seconds / size
            return f"{number:.3g} {unit}" + ("" if number == 1 else "s")
    return f"{seconds:g} seconds"


#: Settings that limit how long a change can be read: retention of images, then of the oplog.
RETENTION: Final = (
    Retention(
        "pre- and post-images",
        image_retention,
        "Set changeStreamOptions.preAndPostImages.expireAfterSeconds to 'off' or a longer time:"
        " db.adminCommand({setClusterParameter: {changeStreamOptions: {preAndPostImages: {expireAfterSeconds:"
        " 'off'}}}}).",
    ),
    Retention(
        "oplog",
        oplog_window,
        "Enlarge the oplog (replSetResizeOplog, or the cluster's oplog settings in Atlas), or set its minimum"
        " retention: db.adminCommand({replSetResizeOplog: 1, minRetentionHours: 24}).",
    ),
)

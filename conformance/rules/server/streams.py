"""Rules on change streams: every change to a synced collection is seen, as it was before and as it is after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Final

from conformance.checks.base import Context, Rule, answer, listed, skipped
from conformance.checks.round_trip import round_trips
from conformance.config.configuration import Configuration
from conformance.model.collection import Collection, Model
from conformance.results import Outcome, Sample
from conformance.rules.server import server_settings
from conformance.server.metadata import LiveCollection, live_collections
from conformance.server.provision import IMAGES_SINCE

#: The first server release that the managed connector's documentation supports, and the first after the 7.0 series.
#: Releases between them, 7.1 to 7.3, are not listed there.
CONNECTOR_SINCE: Final = (7, 0, 13)
CONNECTOR_NEXT: Final = (8, 0, 0)
#: The supported releases in words.
CONNECTOR_VERSIONS: Final = "7.0.13 or later in the 7.0 series, or 8.0.0 or later"
_LOST: Final = "Without both images the connector cannot tell devices what was removed, and such a change is lost."


def rules(model: Model, _configuration: Configuration) -> Iterator[Rule]:
    """Images of each collection, what the server must be, and a change that travels for each synced collection."""
    for collection in model:
        yield _images_rule(collection)
    yield Rule(
        id="streams._database.replica_set",
        title="The server is a replica set or a sharded cluster, so that it has change streams",
        check=answer(_replica_set),
        why="A standalone server has no change streams, so no change ever reaches a device.",
        fix="Start mongod with --replSet and run rs.initiate(), or use a cluster.",
    )
    yield Rule(
        id="streams._database.server_version",
        title=f"The server is MongoDB {_dotted(IMAGES_SINCE)} or later, which has pre- and post-images",
        check=answer(partial(_version, IMAGES_SINCE)),
        why=_LOST,
        fix="Upgrade the server to a supported release.",
    )
    yield Rule(
        id="streams._database.connector_version",
        title=f"The server is MongoDB {CONNECTOR_VERSIONS}, which the managed connector requires",
        check=answer(_connector_version),
        severity="warning",
        why="The managed connector is not supported on another release.",
        fix="Upgrade the server before you switch on the connector.",
    )
    yield from server_settings.rules()
    for collection in model:
        if collection.synced:
            yield Rule(
                id=f"streams.{collection.name}.round_trip",
                title=f"{collection.title}: an insert, an update and a delete are received in order with both images",
                check=_round_trip,
                why=_LOST,
                fix="Check the server's log and the user's privileges (changeStream, find).",
            )


def _images_rule(collection: Collection) -> Rule:
    if collection.synced:
        return Rule(
            id=f"streams.{collection.name}.images",
            title=f"{collection.title}: pre- and post-images are enabled because the collection is synced",
            check=_images,
            why=_LOST,
            fix="Run `zava provision` to set the images.",
        )
    return Rule(
        id=f"streams.{collection.name}.images",
        title=f"{collection.title}: pre- and post-images are not enabled because the collection is not synced",
        check=_images,
        why="Images that no client reads double every write and fill the disk.",
        fix="Run `zava provision` to set the images.",
    )


def _images(context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
    """One listing of the collections answers for all rules."""
    live = live_collections(context.database)
    return {rule.id: _images_of(context, rule.collection, live.get(rule.collection)) for rule in rules}


def _images_of(context: Context, name: str, live: LiveCollection | None) -> Outcome:
    synced = context.model[name].synced
    if context.server_version < IMAGES_SINCE:
        return skipped("the server has no pre- and post-images; see streams._database.server_version")
    if live is None and not synced:
        return skipped("the collection does not exist")
    if live is None:
        problem = "the collection does not exist, so its changes have no images"
    elif live.type != "collection":
        problem = f"it is a {live.type}, whose changes have no images; see validators.{name}.present"
    else:
        problem = (
            "pre- and post-images are disabled; expected enabled"
            if synced
            else "pre- and post-images are enabled; expected disabled, since the collection is not synced"
        )
    wrong = live is None or live.images != synced
    return listed(context, 1, [Sample(problem, ref=name)] if wrong else [])


def _replica_set(context: Context) -> Outcome:
    found = (
        None
        if _has_change_streams(context)
        else "the server is a standalone; expected a replica set or a sharded cluster"
    )
    return listed(context, 1, [Sample(found, ref="server")] if found else [])


def _has_change_streams(context: Context) -> bool:
    """Return True for a member of a replica set and for a router (mongos)."""
    hello = context.database.client.admin.command("hello")
    return "setName" in hello or hello.get("msg") == "isdbgrid"


def _version(least: tuple[int, ...], context: Context) -> Outcome:
    found = _dotted(context.server_version)
    problem = Sample(f"the server is MongoDB {found}; expected {_dotted(least)} or later", ref="server")
    return listed(context, 1, [problem] if context.server_version < least else [], server_version=found)


def _connector_version(context: Context) -> Outcome:
    if context.embedded:
        return skipped("not applicable to the embedded server; the connector uses your own server")
    found = context.server_version
    problem = Sample(f"the server is MongoDB {_dotted(found)}; expected {CONNECTOR_VERSIONS}", ref="server")
    return listed(context, 1, [] if connector_supports(found) else [problem], server_version=_dotted(found))


def connector_supports(version: tuple[int, ...]) -> bool:
    """Return whether the managed connector's documentation lists the release."""
    return version >= CONNECTOR_NEXT or (version[:2] == CONNECTOR_SINCE[:2] and version >= CONNECTOR_SINCE)


def _round_trip(context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
    """All collections share one stream; what keeps it from being opened is the reason of them all."""
    reason = None
    if context.scratch is None:
        reason = "the rule writes to a scratch database; pass --allow-writes to run it"
    elif not _has_change_streams(context):
        reason = "the server has no change streams; see streams._database.replica_set"
    elif context.server_version < IMAGES_SINCE:
        reason = "the server has no pre- and post-images; see streams._database.server_version"
    if context.scratch is None or reason is not None:
        return {rule.id: skipped(str(reason)) for rule in rules}
    collections = [context.model[rule.collection] for rule in rules]
    found = round_trips(context, context.scratch, collections)
    return {rule.id: found[rule.collection] for rule in rules}


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))

"""zava sync and trigger-initial-sync: the bridge between MongoDB and a Ditto store."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import Annotated, Any, Final, Self

import typer

from conformance import exit_codes
from conformance.ditto.connector import load_connector
from conformance.embedded.server import cache_directory
from conformance.errors import ConfigurationError, TargetError
from conformance.extras import require
from conformance.files.private import private_files
from conformance.run.session import Project
from conformance.server.target import Target
from edge.bridge.bridge import Bridge
from edge.bridge.callbacks import Hooks
from edge.bridge.state.state import STATE_FILE, State
from edge.bridge.state.store_identity import belong_together
from edge.bridge.synced_collection import synced_collections
from edge.store.store import Store
from zava.terminal.completion import collections
from zava.terminal.console import Embedded, Json, Uri, notice, opened, progress, project_of

#: Documents that could not cross which are named one by one.
SHOWN: Final = 5

Place = Annotated[
    Path | None, typer.Option("--store", help="The Ditto store's directory; default: below the user's cache directory.")
]
Memory = Annotated[
    Path | None, typer.Option("--state", help="Directory for the state of the bridge; default: <store>.state.")
]

AcceptDrop = Annotated[
    bool,
    typer.Option("--accept-drop", help="Delete documents that are missing on the other side, even if they are many."),
]
NewState = Annotated[
    bool,
    typer.Option(
        "--new-state", help="Create the state of the bridge again if it is damaged, and compare all documents."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(sync)
    app.command()(trigger_initial_sync)


def sync(
    context: typer.Context,
    uri: Uri = None,
    embedded: Embedded = False,
    once: Annotated[
        bool, typer.Option("--once", help="Copy the documents, apply pending changes in both directions, and exit.")
    ] = False,
    store: Place = None,
    state: Memory = None,
    accept_drop: AcceptDrop = False,
    new_state: NewState = False,
    as_json: Json = False,
) -> None:
    """Run the bridge: copy the synced collections into a Ditto store, then sync changes both ways until Ctrl-C.

    After any interruption it resumes where it stopped. The settings of config/ditto_connector_config.yaml apply; on the
    embedded server the rate is not limited. The bridge follows the documented rules of the managed connector, but does
    not test the connector itself. If more than a tenth of a collection is missing on one side after a drop or a
    restart, its documents are kept on the other side until `--accept-drop` is passed.

    Example: zava sync --once --json
    """
    with _bridge(project_of(context), uri, embedded, store, state, accept_drop=accept_drop, new_state=new_state) as (
        bridge,
        report,
    ):
        bridge.run(once=once)
        result = report()
    _show(result, as_json, once=once)


def trigger_initial_sync(
    context: typer.Context,
    uri: Uri = None,
    embedded: Embedded = False,
    collection: Annotated[
        list[str] | None, typer.Option(help="Only this collection (repeatable).", autocompletion=collections)
    ] = None,
    store: Place = None,
    state: Memory = None,
    accept_drop: AcceptDrop = False,
    new_state: NewState = False,
    as_json: Json = False,
) -> None:
    """Compare all documents of the synced collections with the store, update the store, and exit.

    Equal documents are skipped, edits of devices are written to MongoDB, and nothing else changes on either side. After
    an interruption, the next run resumes, like `zava sync`.

    Example: zava trigger-initial-sync --collection products
    """
    with _bridge(project_of(context), uri, embedded, store, state, accept_drop=accept_drop, new_state=new_state) as (
        bridge,
        report,
    ):
        bridge.begin_copy(collection)
        bridge.run(once=True)
        result = report()
    _show(result, as_json, once=True)


@contextmanager
def _bridge(
    project: Project,
    uri: str | None,
    embedded: bool,
    store: Path | None,
    state: Path | None,
    *,
    accept_drop: bool,
    new_state: bool,
) -> Iterator[tuple[Bridge, Callable[[], dict[str, Any]]]]:
    """Yield the bridge between the target and the store, and what it will have to report."""
    require("ditto")
    config = load_connector(project.model)
    synced = synced_collections(project.model, config)
    home = cache_directory(project.model.root) / "edge"
    place, option = state or home / "state", "--state" if state else "--store"
    with private_files(), _Signals() as signals, opened(project, uri, embedded) as target, progress() as bars:
        target.require_replica_set()
        settings, source = config.settings, _source(target)
        if store is not None and state is None:
            place = _state_beside(store)
        if target.embedded:
            settings = settings.model_copy(update={"rate_limit_per_second": 0})
        with (
            State.open(place, option=option, anew=new_state) as memory,
            Store.open(store or home / "store", strict_mode=bool(settings.strict_mode), option="--store") as device,
        ):
            bridge = signals.bridge = Bridge(
                target.database,
                device,
                memory,
                synced,
                settings,
                link=target.link,
                source=source,
                hooks=Hooks(notice=notice, progress=bars, expect=bars.expect),
                accept_drop=accept_drop,
            )

            def report() -> dict[str, Any]:
                return {
                    "bridge": {"source": source, "documents": dict(bridge.counts)},
                    "collections": {name: device.count(name) for name in synced},
                    "unsynced": [document.as_json() for document in memory.unsynced],
                    "held": bridge.holds.as_json(),
                }

            yield bridge, report


def _state_beside(store: Path) -> Path:
    """Return where the state of a store that the user named is, if they do not name it too: each store has its own.

    Earlier versions kept it in ``state`` beside the store, whatever the store's name: it is moved from there.
    """
    place = store.resolve()
    own, former = place.parent / f"{place.name}.state", place.parent / "state"
    if not own.exists() and place.exists() and (former / STATE_FILE).exists():
        ours = False
        with suppress(ConfigurationError, TargetError), State.open(former) as kept, Store.open(place) as device:
            ours = belong_together(kept, device)
        if ours:
            former.rename(own)
    return own


def _source(target: Target) -> str:
    """Return the database in words, without credentials, options and the embedded server's port."""
    where = (
        "the embedded server" if target.embedded else re.sub(r"^[^:]*://([^@/]*@)?([^/?]*).*$", r"\2", target.info.uri)
    )
    return f"{target.info.database} on {where}"


class _Signals:
    """SIGTERM and Ctrl-C end the command with exit code 0: at once, or by way of ``bridge`` when that is set."""

    bridge: Bridge | None = None

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, _frame: FrameType | None) -> None:
        os.write(2, f"zava: {signal.Signals(number).name}: stopping\n".encode())
        if self.bridge is None:
            raise SystemExit(0)
        # In a thread: the handler may have interrupted the very wait that stopping would end.
        Thread(target=self.bridge.stop, daemon=True).start()


def _show(result: dict[str, Any], as_json: bool, *, once: bool) -> None:
    """Print what the bridge did; exit 1 when documents could not cross or are held, where all have been compared."""
    unsynced = result["unsynced"]
    if as_json:
        typer.echo(json.dumps(result, indent=1))
    else:
        for name, number in result["collections"].items():
            typer.echo(f"{name:24} {number:>12,}")
        for what, number in result["bridge"]["documents"].items():
            typer.echo(f"{what:24} {number:>12,}")
        for each in unsynced[:SHOWN]:
            where = f"{each['path']}: " if each["path"] else ""
            notice(f"unsynced {each['direction']}: {each['collection']} {each['key']}: {where}{each['reason']}")
        if len(unsynced) > SHOWN:
            notice(f"and {len(unsynced) - SHOWN} more unsynced documents; --json lists them all")
    raise typer.Exit(exit_codes.FINDINGS if (unsynced or result["held"]) and once else exit_codes.CONFORMANT)

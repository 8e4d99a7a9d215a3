"""Real stores that sync with each other over loopback. Ditto wants a license token for it; the rest works without."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from conformance.errors import ConfigurationError, TargetError
from edge.store.observer import Document
from edge.store.sdk import load, reason_of
from edge.store.statements import identifier
from edge.store.store import Store


class Peer:
    """A store that can be taken online and offline."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def listen(self, port: int, known: Sequence[int]) -> None:
        """Take calls at ``port`` of 127.0.0.1 and call at the ``known`` ones; no other way in or out."""
        transports = self._native.transport_config
        local = transports.peer_to_peer
        local.lan.enabled = local.awdl.enabled = local.wifi_aware.enabled = local.bluetooth_le.enabled = False
        transports.listen.tcp.enabled, transports.listen.tcp.interface_ip = True, "127.0.0.1"
        transports.listen.tcp.port = port
        transports.connect.tcp_servers = {f"127.0.0.1:{each}" for each in known}
        transports.connect.retry_interval = timedelta(milliseconds=100)
        self._native.transport_config = transports

    def activate(self, token: str) -> None:
        """Hand in the license; ConfigurationError, one line, when Ditto does not take it."""
        try:
            self._native.set_offline_only_license_token(token)
        except load().DittoError as error:
            raise ConfigurationError(f"DITTO_LICENSE_TOKEN is rejected: {reason_of(error)}") from None

    def follow(self, collection: str) -> None:
        """Ask the others for every document of a collection."""
        self._native.sync.register_subscription(_all(collection))

    def online(self) -> None:
        """Sync with whoever can be reached; TargetError, one line, without a license."""
        try:
            self._native.sync.start()
        except load().DittoError as error:
            raise TargetError(f"the store cannot sync: {reason_of(error)}; set DITTO_LICENSE_TOKEN") from None

    def offline(self) -> None:
        """Stop syncing; the store works on."""
        self._native.sync.stop()

    def await_rows(self, collection: str, wanted: Callable[[list[Document]], bool], seconds: float = 30.0) -> bool:
        """Wait until the collection's documents are as wanted; False when they are not within the time."""
        reached = threading.Event()

        def look(rows: list[Document]) -> None:
            if wanted(rows):
                reached.set()

        observer = self.store.observe(_all(collection), look)
        try:
            return reached.wait(seconds)
        finally:
            observer.cancel()

    @property
    def _native(self) -> Any:
        return self.store._peer


@contextmanager
def chain(directory: Path, names: Sequence[str], token: str, collection: str) -> Iterator[Mapping[str, Peer]]:
    """Peers by name, each online with the one before it, all following the collection.

    Raises ConfigurationError when the license is not taken.
    """
    ports = dict(zip(names, _free_ports(len(names)), strict=True))
    before = {after: [ports[name]] for name, after in pairwise(names)}
    peers: dict[str, Peer] = {}
    try:
        for name in names:
            peers[name] = Peer(Store.open(directory / name))
            peers[name].listen(ports[name], before.get(name, []))
            peers[name].activate(token)
            peers[name].follow(collection)
            peers[name].online()
        yield peers
    finally:
        for peer in peers.values():
            peer.store.close()


def _all(collection: str) -> str:
    return " ".join(("SELECT * FROM", identifier(collection)))


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    try:
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()

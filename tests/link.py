"""A TCP port that forwards to a server until it is cut."""

from __future__ import annotations

import contextlib
import socket
import threading


class Link:
    """A port that forwards to another one until it is cut."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._open = True
        self._sockets: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"mongodb://127.0.0.1:{self._listener.getsockname()[1]}/?directConnection=true"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        self._open = False
        for each in list(self._sockets):
            self._drop(each)

    def restore(self, port: int | None = None) -> None:
        """Forward to a port again."""
        self.port = port or self.port
        self._open = True

    def close(self) -> None:
        """Stop listening."""
        self.cut()
        self._listener.close()

    def _drop(self, each: socket.socket) -> None:
        self._sockets.discard(each)
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self.port)) if self._open else None
            except OSError:
                far = None
            if far is None:
                near.close()
                continue
            self._sockets |= {near, far}
            for ends in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=ends, daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        self._drop(source)
        self._drop(target)

"""The process between the users of an embedded server and its mongod; run by path, never imported.

It exists because no user may be the parent: the first user can leave while others still work, and a user killed
by SIGKILL cannot tidy up. It is started with ``python -I -S`` and only the standard library, so that it costs
40 ms. It reads one JSON object on standard input: ``directory``, ``linger`` (seconds), ``command`` (mongod and
its arguments but the port), ``login`` (of the URI, may be empty) and ``options`` (copied to the state file).

Once mongod listens, state.json says where; the file goes when mongod is gone. What ties everybody together are
flocks on files in the directory, which the kernel drops however their holder dies:

- supervisor.lock: exclusive, held by this process alone for as long as it lives;
- server.lock: exclusive, inherited by mongod, so it is free only once both are gone;
- start.lock: exclusive, taken by whoever decides that the server starts or stops;
- users.lock: shared, held by every user. When this process could take both start.lock and users.lock
  exclusively for ``linger`` seconds, nobody uses the server: it keeps both and stops mongod.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

POLL_STARTING, POLL = 0.01, 0.05
# A clean stop takes 1 s (6.0 waits that long for its oplog applier); a stuck one must not keep the user waiting.
KILL_AFTER = 20
OPEN_FILES = 64000  # what MongoDB asks for; macOS gives 256 by default, which a few dozen collections use up
PR_SET_PDEATHSIG = 1
EXIT_NET_ERROR = 48  # mongod could not bind its port
FIRST_PORT, PORTS = 28100, 4000  # above MongoDB's own, below the ports the kernel hands out to clients


def lock(path: Path) -> int:
    """Open the file and lock it exclusively without waiting; OSError when somebody else holds it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return handle


def claim(handles: list[int]) -> bool:
    """Lock all of them exclusively without waiting, or none."""
    try:
        for handle in handles:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        release(handles)
        return False
    return True


def release(handles: list[int]) -> None:
    """Unlock those that are locked."""
    for handle in handles:
        fcntl.flock(handle, fcntl.LOCK_UN)


def ports(directory: Path) -> Iterator[int]:
    """Yield ports free at this moment: first the one that belongs to the directory, then any.

    The same port every time spares the replica set a new configuration and the user a new address.
    """
    own = FIRST_PORT + int(hashlib.sha256(os.fsencode(directory)).hexdigest()[:8], 16) % PORTS
    for wanted in (own, 0, 0, 0, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", wanted))
            port = probe.getsockname()[1]
            probe.close()
            yield port


def spawn(command: list[str]) -> int:
    """Start mongod as a child that does not outlive this process (on Linux); return its process id."""
    supervisor = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != supervisor:
                os._exit(1)
        os.execv(command[0], command)  # noqa: S606 (no shell is wanted)
    except OSError as error:
        print(f"cannot execute {command[0]}: {error.strerror}", file=sys.stderr, flush=True)
    finally:
        os._exit(127)


class Supervisor:
    """One run of mongod, from its start until nobody uses it or it dies."""

    def __init__(self, order: dict[str, object], directory: Path, linger: float) -> None:
        self.order = order
        self.directory = directory
        self.linger = linger
        self.log = directory / "log" / "mongod.log"
        self.state = directory / "state.json"
        self.stopping = False
        signal.signal(signal.SIGTERM, self.on_signal)
        # Opened once: should the directory be deleted and made anew, its new users are not this server's.
        flags = os.O_RDWR | os.O_CREAT
        self.locks = [os.open(directory / name, flags, 0o600) for name in ("start.lock", "users.lock")]

    def on_signal(self, *_: object) -> None:
        """Note that the last user, or whoever shuts the machine down, wants the server gone."""
        self.stopping = True

    def run(self, command: list[str]) -> None:
        """Run mongod on the first port it gets; return when it is gone."""
        if self.log.exists():
            self.log.replace(self.log.with_suffix(".previous.log"))
        for port in ports(self.directory):
            # mongod would keep every old log under a name of its own, for ever
            self.log.unlink(missing_ok=True)
            mongod = spawn([*command, "--port", str(port)])
            status = None
            try:
                status = self.watch(mongod, port)
            finally:
                if status is None:
                    self.stop(mongod)
                self.state.unlink(missing_ok=True)
            if status is None or os.waitstatus_to_exitcode(status) != EXIT_NET_ERROR:
                break
        if status:
            code = os.waitstatus_to_exitcode(status)
            how = f"exited with code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"
            print(f"mongod {how}", file=sys.stderr)

    def watch(self, mongod: int, port: int) -> int | None:
        """Return the wait status of a mongod that died, or None when it is to be stopped: unused, or told to."""
        listening, unused_since = False, None
        while not self.stopping:
            done, status = os.waitpid(mongod, os.WNOHANG)
            if done:
                return status
            if not listening and (listening := self.listens()):
                self.publish(mongod, port)
            if not claim(self.locks):
                unused_since = None
            else:
                unused_since = unused_since or time.monotonic()
                if time.monotonic() - unused_since >= self.linger:
                    return None
                release(self.locks)
            time.sleep(POLL if listening else POLL_STARTING)
        return None

    def listens(self) -> bool:
        """Ask the log, not the port: somebody else could answer there."""
        return self.log.exists() and b'"Waiting for connections"' in self.log.read_bytes()

    def publish(self, mongod: int, port: int) -> None:
        """Write the state file so that a reader sees all of it or nothing."""
        uri = f"mongodb://{self.order['login']}127.0.0.1:{port}/?directConnection=true"
        state = {"supervisor": os.getpid(), "pid": mongod, "port": port, "uri": uri, "options": self.order["options"]}
        fresh = self.state.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(state), encoding="utf-8")
        fresh.replace(self.state)

    def stop(self, mongod: int) -> None:
        """Stop mongod cleanly, by force after KILL_AFTER seconds, and wait until it is gone."""
        signal.signal(signal.SIGALRM, lambda *_: os.kill(mongod, signal.SIGKILL))
        signal.alarm(KILL_AFTER)
        os.kill(mongod, signal.SIGTERM)
        os.waitpid(mongod, 0)


def main() -> None:
    """Detach, start mongod, watch it and its users, and leave nothing behind."""
    order = json.load(sys.stdin)
    directory = Path(order["directory"])
    lock(directory / "supervisor.lock")
    os.set_inheritable(lock(directory / "server.lock"), True)
    # The exit of this first half tells the starter that the locks are held. The second half is nobody's child:
    # no user has to reap it.
    if os.fork():
        os._exit(0)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):
        files = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    Supervisor(order, directory, order["linger"]).run(order["command"])


if __name__ == "__main__":
    main()

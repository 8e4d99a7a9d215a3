"""Start times of the command line and the embedded server, compared with plain Python and mongod."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Final

from pymongo import MongoClient

from conformance.embedded.server import EmbeddedServer, find_mongod
from suites.benchmarks.tables import Tables, medians, seconds

_COLD: Final = 5
#: Seconds between two looks whether mongod answers.
_LOOK: Final = 0.002


def test_command_line(tables: Tables) -> None:
    """`zava --help` against a Python that does nothing; what is wanted is 150 ms more."""
    zava = str(Path(sys.executable).with_name("zava"))
    ours, bare = medians(
        lambda: subprocess.run([zava, "--help"], check=True, capture_output=True),
        lambda: subprocess.run([sys.executable, "-c", "pass"], check=True),
        rounds=11,
    )
    tables.ratio(
        f"`zava --help`: {ours * 1000:.0f} ms",
        f"`python -c pass`, {bare * 1000:.0f} ms, and 150 ms",
        ours / (bare + 0.15),
        aim=1,
        guard=2,
    )


def bare_mongod(directory: Path) -> float:
    """Seconds from starting a mongod with its defaults until it answers; it is stopped afterwards."""
    directory.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(find_mongod()), "--dbpath", str(directory), "--port", str(port), "--bind_ip", "127.0.0.1"]
    command += ["--nounixsocket"]

    def answered() -> None:
        # The driver tries again every half second; a socket of our own is refused at once.
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(_LOOK)
        with MongoClient("127.0.0.1", port, directConnection=True) as client:
            client.admin.command("ping")

    started = time.perf_counter()
    with (directory / "log").open("wb") as log, subprocess.Popen(command, stdout=log) as process:
        try:
            answered()
            return time.perf_counter() - started
        finally:
            process.terminate()


def test_embedded_server(tables: Tables, tmp_path: Path) -> None:
    """From cold to a primary that accepts writes, against a bare standalone mongod; what is wanted is 300 ms more."""
    ours, bare = list[float](), list[float]()
    for turn in range(_COLD):
        server = EmbeddedServer(tmp_path / f"ours {turn}")
        ours.append(seconds(server.start))
        server.stop()
        bare.append(bare_mongod(tmp_path / f"bare {turn}"))
    middle, plain = median(ours), median(bare)
    tables.ratio(
        f"embedded replica set from cold: {middle * 1000:.0f} ms",
        f"bare mongod, {plain * 1000:.0f} ms, and 300 ms",
        middle / (plain + 0.3),
        aim=1,
        guard=2,
    )

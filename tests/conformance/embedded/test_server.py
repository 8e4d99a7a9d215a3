"""The embedded server: its guarantees, also if processes that use it are killed."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from pymongo.errors import OperationFailure

from conformance.embedded.locks import dataset_lock
from conformance.embedded.server import EmbeddedServer, cache_directory, find_mongod
from conformance.embedded.supervisor import ports
from conformance.errors import TargetError
from tests.conformance.embedded.processes import (
    Fake,
    Launch,
    Process,
    client,
    eventually,
    first_line,
    leave,
    running,
    standalone,
)

pytestmark = pytest.mark.server

pytest_plugins = ["tests.conformance.embedded.processes"]

USER = """
with EmbeddedServer(place, cache_gb=0.25, replica_set=False, linger=0.2) as server:
    print(server.pid, flush=True)
    sys.stdin.read()
"""
HOLDER = """
with dataset_lock(place, exclusive=sys.argv[2] == "exclusive"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """Provide a running replica set to tests that only read it."""
    with EmbeddedServer(tmp_path_factory.mktemp("shared"), cache_gb=0.25) as running_server:
        yield running_server


# A start, and what the server offers


def test_server_has_change_streams_and_transactions(server: EmbeddedServer) -> None:
    with client(server.uri) as mongo, mongo.shop.orders.watch(max_await_time_ms=5000) as stream:
        with mongo.start_session() as session, session.start_transaction():
            mongo.shop.orders.insert_one({"_id": 1}, session=session)
        assert next(stream)["documentKey"] == {"_id": 1}
        assert mongo.admin.command("hello")["isWritablePrimary"]


def test_server_listens_on_the_loopback_address_only(server: EmbeddedServer) -> None:
    connections = psutil.Process(server.pid).net_connections("all")
    listening = {connection.laddr for connection in connections if connection.status == psutil.CONN_LISTEN}
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert not [connection for connection in connections if connection.family == socket.AF_UNIX and connection.laddr]


#: The fastest of several starts counts: the machine may be busy with other tests.
STARTS = 3


def test_restart_takes_at_most_two_seconds_and_keeps_data(directory: Path) -> None:
    seconds = []
    for _ in range(STARTS):
        begin = time.monotonic()
        with EmbeddedServer(directory, cache_gb=0.25) as server, client(server.uri) as mongo:
            seconds.append(time.monotonic() - begin)
            mongo.shop.orders.insert_one({})
            count = mongo.shop.orders.count_documents({})
    assert count == STARTS
    assert min(seconds) < 2.0
    assert sorted(path.name for path in (directory / "log").iterdir()) == [
        "mongod.log",
        "mongod.out",
        "mongod.previous.log",
    ]


def test_authentication_and_data_survive_a_move_of_the_directory(directory: Path) -> None:
    old = directory.with_name("old")
    with EmbeddedServer(old, cache_gb=0.25, auth=True) as server, client(server.uri) as mongo:
        mongo.shop.orders.insert_one({})
        before = server.uri
    old.rename(directory)
    with EmbeddedServer(directory, cache_gb=0.25, auth=True) as server, client(server.uri) as mongo:
        assert server.uri != before
        assert mongo.shop.orders.count_documents({}) == 1
        with client("mongodb://" + server.uri.split("@")[1]) as stranger, pytest.raises(OperationFailure):
            stranger.shop.orders.find_one()
    assert {path.stat().st_mode & 0o077 for path in directory.iterdir() if path.is_file()} == {0}


# Users of a server, and its lifetime


def test_server_is_shared_and_stops_after_the_last_process(directory: Path, launch: Launch) -> None:
    others = [launch(USER) for _ in range(3)]
    assert len({first_line(other) for other in others}) == 1
    mine = standalone(directory)
    mine.start()
    for other in others:
        leave(other)
    with client(mine.uri) as mongo:
        assert mongo.admin.command("ping")["ok"]
    mine.stop()
    assert not psutil.pid_exists(mine.pid)
    assert not (directory / "state.json").exists()


def test_request_for_another_kind_of_server_is_rejected(directory: Path) -> None:
    with standalone(directory) as server:
        with pytest.raises(TargetError, match="other options"):
            EmbeddedServer(directory).start()
        assert psutil.pid_exists(server.pid)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_killed_process_leaves_no_server_running(directory: Path, launch: Launch, how: signal.Signals) -> None:
    user = launch(USER)
    assert psutil.pid_exists(int(first_line(user)))
    user.send_signal(how)
    assert eventually(lambda: not running(directory), 20)


def test_process_killed_during_the_start_leaves_no_server_running(directory: Path, launch: Launch) -> None:
    user = launch(USER)
    assert eventually(lambda: (directory / "db" / "mongod.lock").exists())
    user.kill()
    user.wait()
    assert eventually(lambda: not running(directory), 20)


@pytest.mark.parametrize("victim", ["mongod", "supervisor"])
def test_server_restarts_after_one_of_its_processes_was_killed(directory: Path, victim: str) -> None:
    with standalone(directory) as server:
        with client(server.uri) as mongo:
            mongo.shop.orders.insert_one({})
            mongo.admin.command("fsync")
        first = server.pid
        process = psutil.Process(first)
        (process if victim == "mongod" else process.parent()).kill()
        assert eventually(lambda: not psutil.pid_exists(first))
        with client(server.start()) as mongo:
            assert mongo.shop.orders.count_documents({}) == 1
        assert server.pid != first


def test_leftovers_of_a_crash_are_ignored(directory: Path, launch: Launch) -> None:
    user = launch(USER)
    first_line(user)
    for process in [*running(directory), psutil.Process(user.pid)]:
        process.kill()
    assert eventually(lambda: not running(directory))
    assert (directory / "state.json").exists()
    assert (directory / "db" / "mongod.lock").read_text()
    with standalone(directory) as server, client(server.uri) as mongo:
        assert mongo.admin.command("ping")["ok"]


def test_invalid_state_file_is_ignored(directory: Path) -> None:
    directory.mkdir()
    (directory / "state.json").write_text('{"pid": 1')
    with standalone(directory) as server:
        assert server.pid != 1


# Obstacles


def test_port_in_use_is_skipped(directory: Path) -> None:
    port = next(ports(directory))
    with socket.create_server(("127.0.0.1", port)), standalone(directory) as server:
        assert str(port) not in server.uri


def test_port_taken_during_the_start_is_replaced(directory: Path, fake_mongod: Fake) -> None:
    script = f"""
    case "$*" in
        --version) echo db version v6.0.5 ;;
        *{next(ports(directory))}*) touch {directory}/refused; exit 48 ;;
        *) exec {find_mongod()} "$@" ;;
    esac"""
    fake_mongod(script)
    with standalone(directory):
        assert (directory / "refused").exists()


def test_unusable_directory_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TargetError, match=r"^cannot use .*/file/server.*: Not a directory .*; set ZAVA_CACHE_DIR.*$"):
        standalone(tmp_path / "file" / "server").start()


# The directory and the lock on its data


def test_every_project_has_its_own_cache_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZAVA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first, second = cache_directory(tmp_path / "a" / "shop"), cache_directory(tmp_path / "b" / "shop")
    assert first.parent.name == "zava-conformance"
    assert first != second
    assert first == cache_directory(tmp_path / "b" / ".." / "a" / "shop")
    monkeypatch.setenv("ZAVA_CACHE_DIR", str(tmp_path / "elsewhere"))
    assert cache_directory(tmp_path / "a" / "shop") == tmp_path / "elsewhere" / first.name
    assert re.fullmatch("shop-[0-9a-f]{8}", first.name)


@pytest.mark.parametrize("end", [leave, subprocess.Popen.kill])
@pytest.mark.parametrize(
    ("theirs", "mine", "waits"), [("shared", False, 0), ("shared", True, 1), ("exclusive", False, 1)]
)
def test_dataset_lock_is_shared_for_reading_and_exclusive_for_generation(
    directory: Path, launch: Launch, theirs: str, mine: bool, waits: int, end: Callable[[Process], None]
) -> None:
    holder = launch(HOLDER, theirs)
    assert first_line(holder) == "held"
    waited = []

    def waiting() -> None:
        waited.append(holder.poll())
        end(holder)

    with dataset_lock(directory, exclusive=mine, waiting=waiting):
        assert waited == [None] * waits

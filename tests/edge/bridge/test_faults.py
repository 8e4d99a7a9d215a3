"""The bridge during failures of connections, servers, resume positions, collections and disks."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import AutoReconnect

from conformance.embedded.server import EmbeddedServer
from conformance.errors import TargetError
from edge.bridge.state.state import State
from edge.bridge.store_side import store_writer
from edge.bridge.synced_collection import Synced
from tests.edge.bridge.pair import Pair, edge, failing, pair, paired, synced, telling
from tests.link import Link
from tests.validation import ROOT

pytestmark = [pytest.mark.server, pytest.mark.ditto]

__all__ = ["edge", "failing", "pair", "synced", "telling"]


@pytest.fixture
def breakable(tmp_path: Path, synced: Mapping[str, Synced]) -> Iterator[tuple[Pair, EmbeddedServer, Link]]:
    """A separate server that the bridge reaches through a link."""
    with EmbeddedServer(tmp_path / "server", cache_gb=0.25, linger=0.2) as server:
        link = Link(int(server.uri.split(":")[-1].split("/")[0]))
        with MongoClient(link.uri, serverSelectionTimeoutMS=500) as client, paired(client, tmp_path, synced) as both:
            both.database["things"].insert_many([{"_id": "a", "n": 0}, {"_id": "b", "n": 0}])
            yield both, server, link
            link.restore(int(server.uri.split(":")[-1].split("/")[0]))
        link.close()


def test_sync_resumes_after_a_lost_connection(breakable: tuple[Pair, EmbeddedServer, Link]) -> None:
    """Writes made meanwhile sync, and notices report the loss and the return of the connection."""
    pair, server, link = breakable
    with pair.live(), MongoClient(server.uri) as direct:
        link.cut()
        pair.eventually(lambda: any("connection to MongoDB is lost" in line for line in pair.notices))
        direct[pair.database.name]["things"].update_one({"_id": "a"}, {"$set": {"n": 1}})
        pair.device("UPDATE things SET n = 2 WHERE _id = 'b'")
        link.restore()
        pair.eventually(lambda: pair.in_store("things", "a") == {"n": 1})
        pair.eventually(lambda: direct[pair.database.name]["things"].find_one({"_id": "b"}) == {"_id": "b", "n": 2})
        pair.eventually(lambda: "the connection to MongoDB is back" in pair.notices)


def test_sync_resumes_after_a_killed_server(breakable: tuple[Pair, EmbeddedServer, Link]) -> None:
    pair, server, link = breakable
    with pair.live():
        os.kill(server.pid, signal.SIGKILL)
        pair.device("UPDATE things SET n = 2 WHERE _id = 'b'")
        pair.eventually(lambda: any("connection to MongoDB is lost" in line for line in pair.notices))
        server.start()
        link.restore(int(server.uri.split(":")[-1].split("/")[0]))
        with MongoClient(server.uri) as direct:
            things = direct[pair.database.name]["things"]
            things.update_one({"_id": "a"}, {"$set": {"n": 1}})
            pair.eventually(lambda: pair.in_store("things", "a") == {"n": 1})
            pair.eventually(lambda: things.find_one({"_id": "b"}) == {"_id": "b", "n": 2})


def test_sync_continues_through_a_step_down(breakable: tuple[Pair, EmbeddedServer, Link]) -> None:
    """The primary steps down while both sides write, and is elected again."""
    pair, server, _ = breakable
    with pair.live(), MongoClient(server.uri) as direct:
        things = direct[pair.database.name]["things"]
        things.update_one({"_id": "a"}, {"$set": {"n": 1}})
        pair.device("UPDATE things SET n = 2 WHERE _id = 'b'")
        with contextlib.suppress(AutoReconnect):
            direct.admin.command("replSetStepDown", 1, force=True)
        pair.device("UPDATE things SET m = 3 WHERE _id = 'b'")
        pair.eventually(lambda: pair.in_store("things", "a") == {"n": 1})
        pair.eventually(lambda: things.find_one({"_id": "b"}) == {"_id": "b", "n": 2, "m": 3})


@pytest.mark.soak
def test_bridge_stops_while_the_connection_is_lost(breakable: tuple[Pair, EmbeddedServer, Link]) -> None:
    pair, _, link = breakable
    with pair.live():
        link.cut()
        pair.device("UPDATE things SET n = 2 WHERE _id = 'b'")
        pair.eventually(lambda: any("connection to MongoDB is lost" in line for line in pair.notices))
    link.restore()
    pair.meet()
    assert pair.in_mongo("things", _id="b") == {"n": 2}


TOKENS: Mapping[str, Mapping[str, Any]] = {
    "of no event": {"_data": "8200000001000000012B"},
    "not even hexadecimal": {"_data": "lost"},
    "of another form": {"other": 1},
}


@pytest.mark.parametrize("token", TOKENS)
def test_lost_position_triggers_a_comparison(pair: Pair, token: str) -> None:
    """A notice reports it, and no edit, insert or deletion of either side is missed."""
    edit_both(pair)
    with State.open(pair.folder / "state") as state, state.transaction():
        state.put("token", TOKENS[token])
    pair.meet()
    expect_both(pair)


#: The error that the server injects, how often, and for which commands of the bridge.
FAILURES: Mapping[str, Mapping[str, Any]] = {
    "the position has expired": {"failCommands": ["aggregate"], "errorCode": 286},
    "it expires while it is followed": {"failCommands": ["getMore"], "errorCode": 286},
    "a step-down when the stream opens": {"failCommands": ["aggregate"], "errorCode": 189},
    "a step-down when documents are read": {"failCommands": ["find"], "errorCode": 189},
    "a write conflict": {
        "failCommands": ["update"],
        "errorCode": 112,
        "errorLabels": ["TransientTransactionError"],
    },
    "the link breaks in a transaction": {"failCommands": ["update"], "closeConnection": True},
    "nobody knows whether it was committed": {"failCommands": ["commitTransaction"], "closeConnection": True},
    "nor whether it was written to the majority": {
        "failCommands": ["commitTransaction"],
        "writeConcernError": {"code": 64, "errmsg": "timed out"},
    },
}


@pytest.mark.parametrize("times", [1, pytest.param(3, marks=pytest.mark.soak)])
@pytest.mark.parametrize("failure", FAILURES)
def test_server_error_is_handled(failing: Pair, failure: str, times: int) -> None:
    if times > 1 and "expire" in failure:
        pytest.skip("a position that is the server's present does not expire")
    edit_both(failing)
    point = {"configureFailPoint": "failCommand", "mode": {"times": times}, "data": FAILURES[failure]}
    failing.database.client.admin.command(point)
    failing.meet()
    expect_both(failing, compared="expire" in failure)


def edit_both(pair: Pair) -> None:
    """Sync both sides, and then edit, insert and delete documents without the bridge."""
    things = pair.database["things"]
    things.insert_many([{"_id": each, "n": 1} for each in "abcdef"])
    pair.meet()
    things.update_one({"_id": "a"}, {"$set": {"n": 2}})
    things.delete_one({"_id": "b"})
    things.insert_one({"_id": "new", "n": 3})
    pair.device("UPDATE things SET d = 4 WHERE _id = 'a'")
    pair.device("UPDATE things SET n = 5 WHERE _id = 'c'")
    pair.store.delete("things", ["d"])


def expect_both(pair: Pair, *, compared: bool = True) -> None:
    """Assert that both sides have all writes, and that a comparison of all documents was reported."""
    expected = {"a": {"n": 2, "d": 4}, "c": {"n": 5}, "e": {"n": 1}, "f": {"n": 1}, "new": {"n": 3}}
    things = pair.database["things"]
    assert {key: pair.in_mongo("things", _id=key) for key in sorted(things.distinct("_id"))} == expected
    assert {each["_id"] for each in pair.store.execute("SELECT _id FROM things")} == set(expected)
    assert all(pair.in_store("things", key) == document for key, document in expected.items())
    notices = [
        line for line in pair.notices if re.fullmatch(r"the position .* is lost \(.+\): comparing all documents", line)
    ]
    assert bool(notices) == compared
    assert pair.counts["conflicts"] == 0


@pytest.mark.parametrize("end", ["collection", "database", "renamed"])
def test_accepted_drop_removes_documents_from_the_store(pair: Pair, end: str) -> None:
    pair.accept_drop = True
    pair.database["things"].insert_many([{"_id": "a"}, {"_id": "b"}])
    pair.database["people"].insert_one({"code": "p"})
    with pair.live():
        match end:
            case "collection":
                pair.database["things"].drop()
            case "renamed":
                pair.database["things"].rename("elsewhere")
            case "database":
                pair.database.client.drop_database(pair.database.name)
        pair.database["things"].insert_one({"_id": "c", "n": 1})
        pair.eventually(lambda: pair.store.execute("SELECT * FROM things") == [{"_id": "c", "n": 1}])
        pair.eventually(lambda: pair.store.count("people") == (end != "database"))


def test_deletions_on_a_device_are_detected_live(pair: Pair) -> None:
    """Observers do not report them; the number of documents does."""
    pair.database["things"].insert_many([{"_id": f"{each}"} for each in range(20)])
    with pair.live():
        pair.store.delete("things", ["3", "4"])
        pair.store.insert("things", [{"_id": "new"}])
        pair.eventually(
            lambda: set(pair.database["things"].distinct("_id")) == {"new"} | {str(n) for n in range(20)} - {"3", "4"}
        )


def test_continuous_writes_of_a_device_are_not_lost(pair: Pair) -> None:
    pair.database["things"].insert_many([{"_id": f"{each}", "n": 0} for each in range(300)])
    with pair.live():
        for number in range(300):
            pair.device("UPDATE things SET n = 1 WHERE _id = :id", id=f"{number}")
        pair.eventually(lambda: pair.database["things"].count_documents({"n": 1}) == 300)


# Disks


def test_full_disk_of_the_store_is_reported(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bridge reports it before the SDK would end the process, and continues when there is space."""
    pair.database["things"].insert_one({"_id": "a"})
    with monkeypatch.context() as full:
        full.setattr(store_writer, "ROOM", 2**62)
        with pytest.raises(
            TargetError, match=r"bytes are free there, and the store needs .*: make room and start again"
        ):
            pair.meet()
    assert pair.store.count("things") == 0
    pair.meet()
    assert pair.store.count("things") == 1


FULL = """
import resource, sys
from pathlib import Path
from conformance.errors import TargetError
from edge.bridge.state.ledger import Row
from edge.bridge.state.state import State
with State.open(Path(sys.argv[1])) as state:
    resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
    try:
        for number in range(100_000):
            with state.transaction():
                state.ledger.save([Row("things", f'"{number}"', number, {"text": "x" * 500})])
                state.put("last", number)
    except TargetError as error:
        print(error)
"""


def test_full_disk_of_the_state_keeps_committed_transactions(tmp_path: Path) -> None:
    """The disk has 500 kB: the error is one line, and every committed transaction is complete."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert re.fullmatch(r".*bridge\.sqlite3: .+; make room or check .*: nothing is lost\n", done.stdout)
    with State.open(tmp_path) as state:
        last = state.get("last")
        assert last > 2
        assert state.ledger.live == {"things": last + 1}

"""The server process: signals, ports, client entries and lost databases."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.embedded.processes import ROOT, client, eventually, standalone
from tests.mcp_servers.callers import COUNT, HEADER, STORE, UNKNOWN, counts
from tests.mcp_servers.shop import (
    BIN,
    SUPER_MANAGER,
    TOKEN,
    Mongo,
    by_http,
    environment,
    serving,
    store_of,
)

pytest_plugins = ["tests.mcp_servers.shop"]


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_signal_stops_the_server_and_its_query(shop: Mongo, shop_uri: str, transport: str) -> None:
    """The query, which would take minutes, is also stopped on the database server."""
    pipeline: list[Any] = [{"$lookup": {"from": "order_items", "pipeline": [], "as": "all"}}, {"$unwind": "$all"}] * 2
    call = {"name": "run_aggregation", "arguments": {
        "collection": "orders", "pipeline": [*pipeline, {"$group": {"_id": "$all._id"}}]}}  # fmt: skip
    message = json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call})
    env = environment(shop, RLS_USER_ID=SUPER_MANAGER, MCP_MAX_TIME_MS="300000", MCP_GATEWAY_TOKEN=TOKEN)
    process = started("sales-analysis", *(["--http"] if transport == "http" else []), "--uri", shop_uri, env=env)
    assert process.stdin is not None
    assert process.stdout is not None
    sender: threading.Thread | None = None
    if transport == "stdio":
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        first = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello})
        process.stdin.write(f"{first}\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        done = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"})
        process.stdin.write(f"{done}\n{message}\n")
        process.stdin.flush()
    else:
        assistant = by_http(process.stdout.readline().strip(), (HEADER, SUPER_MANAGER))

        def send() -> None:
            with suppress(Exception):
                assistant.call(call["name"], **call["arguments"])

        sender = threading.Thread(target=send)
        sender.start()
    assert eventually(lambda: in_flight(shop) == 1, 20)
    process.send_signal(signal.SIGTERM)
    assert eventually(lambda: process.poll() is not None, 12)
    assert eventually(lambda: in_flight(shop) == 0, 5)
    out, err = process.communicate()
    assert process.returncode == 143
    assert "Traceback" not in out + err
    if sender is not None:
        sender.join(20)


def in_flight(shop: Mongo) -> int:
    """Return how many queries of the servers' tools run."""
    mine = [{"$currentOp": {}}, {"$match": {"command.comment": {"$regex": "^zava-mcp-"}, "ns": f"{shop.name}.orders"}}]
    return len(list(shop.client.admin.aggregate(mine)))


def started(*arguments: str, env: dict[str, str]) -> subprocess.Popen[str]:
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen([str(BIN / "zava"), "mcp", *arguments], cwd=ROOT, env=env, text=True, **pipes)


def test_documented_client_entry_starts_the_server(shop: Mongo, shop_uri: str, tmp_path: Path) -> None:
    """A client starts the server in another folder, with the entry's environment."""
    text = (ROOT / "docs" / "DEPLOYMENT.md").read_text(encoding="utf-8")
    (entry,) = json.loads(text.split("```json\n")[1].split("```")[0])["mcpServers"].values()
    command = entry["command"].replace("/srv/conformance/.venv/bin", str(BIN))
    arguments = [each.replace("/srv/conformance", str(ROOT)) for each in entry["args"]]
    assert entry["env"].keys() == {"MONGODB_CONNECTION_STRING", "RLS_USER_ID"}
    given = {"MONGODB_CONNECTION_STRING": shop_uri, "RLS_USER_ID": store_of(shop, STORE)}
    answer = subprocess.run(
        [command, *arguments], cwd=tmp_path, env=environment(shop, **given), input="", capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert (answer.returncode, answer.stdout) == (0, "")
    assert answer.stderr.endswith(f"for {STORE}\n")


def test_closed_stdin_stops_the_server(shop: Mongo, shop_uri: str) -> None:
    process = started("customer-sales", "--uri", shop_uri, env=environment(shop))
    out, err = process.communicate("", timeout=20)
    assert (process.returncode, out) == (0, "")
    assert err == f"RLS_USER_ID is missing: nothing of {shop.name} is visible\n"


@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signal_stops_the_server_with_stdin_open(
    shop: Mongo, shop_uri: str, sent: int, code: int, answered: bool
) -> None:
    """The server waits for a request: a thread of its library reads stdin and is not woken by signals."""
    process = started("customer-sales", "--uri", shop_uri, env=environment(shop, RLS_USER_ID=UNKNOWN))
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    assert "RLS_USER_ID is unknown" in process.stderr.readline()
    if answered:
        process.stdin.write('{"jsonrpc": "2.0", "id": 1, "method": "ping"}\n')
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
    process.send_signal(sent)
    assert eventually(lambda: process.poll() is not None, 20)
    out, err = process.communicate()
    assert (process.returncode, out) == (code, "")
    assert err == ("zava: interrupted\n" if sent == signal.SIGINT else "")


@pytest.mark.parametrize(
    ("begun", "status"),
    [
        ("GET {} HTTP/1.1\r\nAccept: text/event-stream", b"HTTP/1.1 200"),
        ("POST {} HTTP/1.1\r\nContent-Length: 9\r\nExpect: 100-continue", b"HTTP/1.1 100"),
    ],
    ids=["listens", "sends less than announced"],
)
def test_signal_stops_the_server_with_a_client_connected(shop: Mongo, shop_uri: str, begun: str, status: bytes) -> None:
    """The client's connection is closed without an error."""
    process = started("sales-analysis", "--http", "--uri", shop_uri, env=environment(shop))
    assert process.stdout is not None
    url = urllib.parse.urlsplit(process.stdout.readline().strip())
    with socket.create_connection((url.hostname, url.port), timeout=10) as connection:
        headers = f"Host: {url.netloc}\r\nContent-Type: application/json\r\n\r\n"
        connection.sendall(f"{begun.format(url.path)}\r\n{headers}".encode())
        assert connection.recv(len(status)) == status
        process.send_signal(signal.SIGTERM)
        assert eventually(lambda: process.poll() is not None, 20)
    assert (*process.communicate(), process.returncode) == ("", "", 143)


def test_port_in_use_is_reported(sales_analysis: str, shop: Mongo, shop_uri: str) -> None:
    port = sales_analysis.split(":")[2].split("/")[0]
    process = started("sales-analysis", "--http", "--port", port, "--uri", shop_uri, env=environment(shop))
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (2, "")
    assert err.startswith(f"zava: --port {port}: cannot be used")
    assert len(err.splitlines()) == 1


def test_empty_database_is_reported(shop: Mongo, shop_uri: str) -> None:
    env = environment(shop) | {"MONGODB_DATABASE": "nosuch"}
    process = started("sales-analysis", "--uri", shop_uri, env=env)
    out, err = process.communicate("", timeout=20)
    assert (process.returncode, out) == (3, "")
    assert "the database nosuch" in err
    assert len(err.splitlines()) == 1


@pytest.mark.soak  # a server counts as lost after five seconds
def test_lost_database_is_reported_without_its_address(shop: Mongo, tmp_path: Path) -> None:
    """The error states that it does not answer, but not its address."""
    with standalone(tmp_path / "server") as place:
        with client(place.uri) as other:
            for name in ("stores", "orders"):
                other["lost"][name].insert_many(list(shop[name].find()))
        environment_of_its_own = {"MONGODB_DATABASE": "lost"}
        with serving("sales-analysis", shop, place.uri, **environment_of_its_own) as url:
            me = by_http(url, (HEADER, SUPER_MANAGER))
            assert me.answer("run_aggregation", **COUNT)["rows"] == counts(shop)
            place.stop()
            text = me.error("run_aggregation", **COUNT)
            assert text.endswith("the database does not answer at the moment; try again later")
            assert "127.0.0.1" not in text

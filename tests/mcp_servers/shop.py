"""A small shop in a database, and real clients of the servers that read it; a plugin of the files that use them.

PYTEST_DONT_REWRITE: the files import it before pytest could, which pytest would warn about.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult
from pymongo import MongoClient
from pymongo.database import Database

from conformance.config.settings import Settings
from conformance.model.collection import Model
from conformance.server.provision import apply, plan
from generator.columns.plan import Plan
from generator.loader import load
from tests.validation import ROOT, configuration_for

Document = dict[str, Any]
Mongo = Database[Document]
BIN: Final = Path(sys.executable).parent
SUPER_MANAGER: Final = "00000000-0000-0000-0000-000000000000"
#: The token that the gateway of the tests' servers sends.
TOKEN: Final = "t" * 40


@pytest.fixture(scope="session")
def shop(model: Model, server: MongoClient[Document]) -> Iterator[Mongo]:
    """Every collection, provisioned; a product, an order and a shelf are soft-deleted. Tests must not write to it."""
    database = server[f"shop_{uuid.uuid4().hex[:8]}"]
    settings = Settings(num_customers=60, num_orders=400)
    load(Plan(model, configuration_for(model), settings).documents(), database, 1_000)
    apply(plan(model, database), database)
    for name, flagged in (("products", {"sku": "GO-WT-0001"}), ("orders", {}), ("inventory", {})):
        database[name].update_one(flagged, {"$set": {"deleted": True}})
    yield database
    server.drop_database(database.name)


@pytest.fixture(scope="session")
def shop_uri(server: MongoClient[Document]) -> str:
    """Return the connection string of the shop's server."""
    host, port = next(iter(server.nodes))
    return f"mongodb://{host}:{port}/?directConnection=true"


def store_of(shop: Mongo, store_id: str) -> str:
    """Return the user id of a store."""
    found = shop["stores"].find_one({"_id": store_id})
    assert found is not None
    return str(found["rls_user_id"])


@dataclass(frozen=True)
class Assistant:
    """A client of a server; each call uses a new connection."""

    connect: Callable[[], AbstractAsyncContextManager[Any]]

    def call(self, tool: str, **arguments: Any) -> CallToolResult:
        """Return the answer of the tool."""
        return self.calls((tool, arguments))[0]

    def calls(self, *wanted: tuple[str, Mapping[str, Any]]) -> list[CallToolResult]:
        """Return the answers of the tools, called one after the other in one connection."""

        async def run() -> list[CallToolResult]:
            async with self.connect() as transport, Client(transport) as client:
                return [await client.call_tool(tool, dict(arguments)) for tool, arguments in wanted]

        return anyio.run(run)

    def answer(self, tool: str, **arguments: Any) -> Any:
        """Return the structured content of an answer; fail if it is an error."""
        result = self.call(tool, **arguments)
        assert not result.is_error, result.content
        return result.structured_content

    def error(self, tool: str, **arguments: Any) -> str:
        """Return the text of an answer that is an error."""
        result = self.call(tool, **arguments)
        assert result.is_error, result.structured_content
        return str(result.content[0].text)  # type: ignore[union-attr]

    def tools(self) -> list[Any]:
        """Return the tools of the server."""

        async def run() -> list[Any]:
            async with self.connect() as transport, Client(transport) as client:
                return list((await client.list_tools()).tools)

        return anyio.run(run)


def environment(shop: Mongo, **more: str) -> dict[str, str]:
    """Return the environment of a server process."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "MONGODB_DATABASE": shop.name} | more


def by_stdio(kind: str, shop: Mongo, uri: str, **more: str) -> Assistant:
    """Return a client that starts the server itself."""
    arguments = ["mcp", kind, "--uri", uri]
    parameters = StdioServerParameters(
        command=str(BIN / "zava"), args=arguments, cwd=ROOT, env=environment(shop, **more)
    )
    return Assistant(lambda: nullcontext(parameters))


def by_http(url: str, *headers: tuple[str, str], token: str | None = TOKEN) -> Assistant:
    """Return a client of a running server, behind a gateway that sends the token."""
    shown = [] if token is None else [("authorization", f"Bearer {token}")]

    @asynccontextmanager
    async def connect() -> AsyncIterator[Any]:
        async with httpx2.AsyncClient(headers=[*headers, *shown], timeout=60) as client:
            yield streamable_http_client(url, http_client=client)

    return Assistant(connect)


@contextmanager
def serving(kind: str, shop: Mongo, uri: str, token: str | None = TOKEN, **more: str) -> Iterator[str]:
    """Yield the URL of a server behind a gateway that sends the token; stop it, and assert that it did not crash."""
    command = [str(BIN / "zava"), "mcp", kind, "--http", "--uri", uri]
    env = environment(shop, **({} if token is None else {"MCP_GATEWAY_TOKEN": token}), **more)
    process = subprocess.Popen(command, cwd=ROOT, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    try:
        assert url or process.wait(5) is None, process.communicate()
        yield url
    finally:
        process.terminate()
        out, err = process.communicate(timeout=20)
    assert out == ""
    assert "Traceback" not in err, err
    assert process.returncode == 143


@pytest.fixture(scope="session")
def customer_sales(shop: Mongo, shop_uri: str) -> Iterator[str]:
    """The URL of a customer-sales server."""
    with serving("customer-sales", shop, shop_uri, RLS_USER_ID=SUPER_MANAGER) as url:
        yield url


@pytest.fixture(scope="session")
def sales_analysis(shop: Mongo, shop_uri: str) -> Iterator[str]:
    """The URL of a sales-analysis server."""
    with serving("sales-analysis", shop, shop_uri, RLS_USER_ID=SUPER_MANAGER) as url:
        yield url

"""Running a server: over stdio for one user on this machine, or over HTTP on this machine for a gateway's callers."""

from __future__ import annotations

import asyncio
import hmac
import inspect
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import FrameType
from typing import Any, Final

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, InputRequiredResult, ToolAnnotations
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from conformance.errors import ConfigurationError
from conformance.files.input_errors import input_problem
from conformance.text.masking import mask

#: Nothing but this machine: who calls is said by a header, which a gateway on it must have checked.
HOST: Final = "127.0.0.1"
PATH: Final = "/mcp"
#: Seconds for running answers when the process is asked to end.
_GRACE: Final = 3
_READS: Final = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)


class _Server(MCPServer[Any]):
    """A server that says in one line what is wrong with a tool's arguments, and no secret in any error."""

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[Any, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        try:
            return await super().call_tool(name, arguments, context)
        except ToolError as error:
            cause = error.__cause__
            message = f"{name}: {wrong_arguments(cause)}" if isinstance(cause, ValidationError) else str(error)
            raise ToolError(mask(message)) from None


def wrong_arguments(error: ValidationError) -> str:
    """Return what is wrong with the arguments: each with its place and what was found, without links."""
    return "; ".join(_wrong_argument(each) for each in error.errors(include_url=False))


def _wrong_argument(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])
    message = input_problem(error)
    found = "" if error["type"] == "missing" else f" (found {str(error['input'])[:60]!r})"
    return f"{place}: {message}{found}" if place else f"{message}{found}"


def server(name: str, instructions: str, version: str, tools: Iterable[Callable[..., Any]]) -> MCPServer[Any]:
    """Return a server that offers the tools; each is described by its docstring and gives structured results."""
    made = _Server(name, instructions=mask(instructions), version=version, log_level="WARNING")
    for tool in tools:
        made.add_tool(
            tool,
            title=tool.__name__.replace("_", " ").capitalize(),
            description=mask(inspect.getdoc(tool) or ""),
            annotations=_READS,
            structured_output=True,
        )
    return made


class _Gateway:
    """Answer 401 to a request that does not show the gateway's token, once."""

    def __init__(self, application: ASGIApp, token: str) -> None:
        self._application = application
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            shown = Request(scope).headers.getlist("authorization")
            if len(shown) != 1 or not hmac.compare_digest(shown[0].encode(), self._expected):
                what = "authorization: the gateway's token is missing or wrong; send 'Bearer <MCP_GATEWAY_TOKEN>' once"
                response = PlainTextResponse(what, 401, headers={"WWW-Authenticate": "Bearer"})
                await response(scope, receive, send)
                return
        await self._application(scope, receive, send)


class _HttpServer(uvicorn.Server):
    """A server that ends the queries in flight when the process is told to end."""

    def __init__(self, config: uvicorn.Config, stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop = stop

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        _end_soon(sig, self._stop)
        super().handle_exit(sig, frame)


def _end_soon(number: int, stop: Callable[[], None]) -> None:
    """End the queries in flight, and the process if it does not end by itself: its threads may wait for a query."""

    def end() -> None:
        stop()
        time.sleep(_GRACE + 2)
        os._exit(128 + number)

    threading.Thread(target=end, daemon=True).start()


def serve_stdio(made: MCPServer[Any], stop: Callable[[], None]) -> None:
    """Serve until stdin closes or the process is told to end; ``stop`` then ends what still runs.

    What reads stdin meanwhile does not delay the end.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    signals: list[int] = []

    async def serve() -> None:
        loop = asyncio.get_running_loop()

        def end(number: int) -> None:
            signals.append(number)
            _end_soon(number, stop)
            for task in asyncio.all_tasks(loop):
                task.cancel()

        for number in handlers:
            loop.add_signal_handler(number, end, number)
        await made.run_stdio_async()

    with suppress(asyncio.CancelledError):
        asyncio.run(serve())
    for number, handler in handlers.items():
        signal.signal(number, handler)
    if signals:
        signal.raise_signal(signals[0])


def serve_http(
    made: MCPServer[Any], port: int, token: str | None, ready: Callable[[str], None], stop: Callable[[], None]
) -> None:
    """Serve on 127.0.0.1 until the process is told to end; ``stop`` then ends what still runs.

    ``ready`` gets the URL; port 0 is any free one. With a ``token``, each request must show it. Each request stands
    alone: it carries its caller's id, and none inherits another's. Raises ConfigurationError when the port cannot be
    used.
    """
    application: Any = made.streamable_http_app(streamable_http_path=PATH, stateless_http=True, host=HOST)
    if token is not None:
        application = _Gateway(application, token)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise ConfigurationError(f"--port {port}: cannot be used ({error}); take another, or 0 for any") from None
        listener.listen()
        ready(f"http://{HOST}:{listener.getsockname()[1]}{PATH}")
        config = uvicorn.Config(application, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE)
        serving = _HttpServer(config, stop)
        # Whom the end breaks off is no error.
        logging.getLogger("uvicorn.error").addFilter(lambda _: not serving.should_exit)
        serving.run(sockets=[listener])

"""Running a server: over stdio for one user on this machine, or over HTTP on this machine for a gateway's callers."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp_types import ToolAnnotations

from conformance.errors import ConfigurationError

#: Nothing but this machine: who calls is said by a header, which a gateway on it must have checked.
HOST: Final = "127.0.0.1"
PATH: Final = "/mcp"
#: How long who is being answered may take when the process is told to end, in seconds.
_GRACE: Final = 3
_READS: Final = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)


def server(name: str, instructions: str, version: str, tools: Iterable[Callable[..., Any]]) -> MCPServer[Any]:
    """A server that offers the tools; each is described by its docstring and gives structured results."""
    made: MCPServer[Any] = MCPServer(name, instructions=instructions, version=version, log_level="WARNING")
    for tool in tools:
        made.add_tool(tool, annotations=_READS, structured_output=True)
    return made


def serve_stdio(made: MCPServer[Any]) -> None:
    """Serve until stdin closes or the process is told to end, which what reads stdin meanwhile does not delay."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    told: list[int] = []

    async def serve() -> None:
        loop = asyncio.get_running_loop()

        def end(number: int) -> None:
            told.append(number)
            for task in asyncio.all_tasks(loop):
                task.cancel()

        for number in handlers:
            loop.add_signal_handler(number, end, number)
        await made.run_stdio_async()

    with suppress(asyncio.CancelledError):
        asyncio.run(serve())
    for number, handler in handlers.items():
        signal.signal(number, handler)
    if told:
        signal.raise_signal(told[0])


def serve_http(made: MCPServer[Any], port: int, ready: Callable[[str], None]) -> None:
    """Serve on 127.0.0.1 until the process is told to end; ``ready`` is told the URL. Port 0 is any free one.

    Each request stands alone: it carries its caller's id, and none inherits another's. Raises ConfigurationError when
    the port cannot be had.
    """
    application = made.streamable_http_app(streamable_http_path=PATH, stateless_http=True, host=HOST)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise ConfigurationError(f"--port {port}: cannot be used ({error}); take another, or 0 for any") from None
        listener.listen()
        ready(f"http://{HOST}:{listener.getsockname()[1]}{PATH}")
        config = uvicorn.Config(application, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE)
        serving = uvicorn.Server(config)
        # Whom the end breaks off is no error.
        logging.getLogger("uvicorn.error").addFilter(lambda _: not serving.should_exit)
        serving.run(sockets=[listener])

"""Queries that run at the moment: how many each caller has, and how to end those that the server did not end."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import pymongo
from mcp.server.mcpserver.exceptions import ToolError
from pymongo.errors import PyMongoError

#: Seconds for ending a query.
_KILL_SECONDS: Final = 2
_LOG: Final = logging.getLogger(__name__)


class Calls:
    """The queries in flight by caller; each runs under a comment that `kill` finds it by."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._comments: dict[str, set[str]] = {}

    @contextmanager
    def running(self, caller: str) -> Iterator[str]:
        """Count a query of the caller and yield its comment. Raises ToolError when the caller has too many."""
        comment = f"zava-mcp-{uuid.uuid4().hex}"
        with self._lock:
            mine = self._comments.setdefault(caller, set())
            if len(mine) >= self._limit:
                raise ToolError(f"{len(mine)} of your queries are running, the most allowed; wait until one is done")
            mine.add(comment)
        try:
            yield comment
        finally:
            with self._lock:
                mine.discard(comment)
                if not mine:
                    self._comments.pop(caller, None)

    @property
    def comments(self) -> list[str]:
        """The comments of all queries in flight."""
        with self._lock:
            return [comment for comments in self._comments.values() for comment in comments]


def kill(client: pymongo.MongoClient[Any], comments: Iterable[str]) -> None:
    """End the operations with the comments on the server, if they still run; a failure goes to the log."""
    wanted = list(comments)
    if not wanted:
        return
    try:
        with pymongo.timeout(_KILL_SECONDS):
            mine: list[dict[str, Any]] = [
                {"$currentOp": {"allUsers": False}},
                {"$match": {"command.comment": {"$in": wanted}}},
            ]
            for operation in client.admin.aggregate(mine):
                client.admin.command("killOp", op=operation["opid"])
    except PyMongoError as error:
        _LOG.warning("a query could not be ended: %s", type(error).__name__)

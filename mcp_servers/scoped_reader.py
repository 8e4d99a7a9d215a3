"""Reading for a caller: the user, what they may see, and pipelines run within limits that the server keeps."""

from __future__ import annotations

import hmac
import logging
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bson import json_util
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pymongo.database import Database
from pymongo.errors import ExecutionTimeout, NetworkTimeout, OperationFailure, PyMongoError

from conformance.connection.client import in_words
from conformance.ditto.permissions import Permissions, User, allowed, user_of
from conformance.language.conditions.translation import to_mongo
from conformance.model.collection import Model
from mcp_servers.expressions import LIMIT_MARK, RefusedError
from mcp_servers.query_guard import View, confined, confined_foreign, stage_confined
from mcp_servers.running_queries import Calls, kill

Document = dict[str, Any]
#: The request header that says who is calling over HTTP.
HEADER: Final = "x-rls-user-id"
#: Characters of rows that an answer may hold; an assistant reads no more.
_MAX_CHARACTERS: Final = 1_000_000
#: Milliseconds after a query's time limit in which the server must have ended it; then the client leaves it.
_GRACE_MS: Final = 2_000
#: Codes of a server that does not let the harness's own user in: nothing that a caller can mend.
_NOT_LET_IN: Final = frozenset({13, 18, 8000})
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """Connections of a server's one client, milliseconds to wait for one, and milliseconds that a query may take.

    ``calls`` is the number of queries that one caller may have in flight.
    """

    pool_size: int = 10
    wait_ms: int = 2_000
    max_time_ms: int = 10_000
    calls: int = 4

    def client_options(self) -> dict[str, Any]:
        """Return the options that the client is made with.

        The server checks a query's time between documents only, so the client stops waiting by itself, and does not
        send such a query again.
        """
        return {
            "maxPoolSize": self.pool_size,
            "waitQueueTimeoutMS": self.wait_ms,
            "appname": "zava-mcp",
            "socketTimeoutMS": self.max_time_ms + _GRACE_MS,
            "retryReads": False,
        }


@dataclass(frozen=True)
class Rows:
    """Documents, and whether there were more than may be given."""

    documents: list[Document]
    truncated: bool


@dataclass(frozen=True)
class Shop:
    """The shared state of a server's tools.

    ``token`` is what a gateway must show for its callers' ids to be believed; ``caller`` is who calls over stdio.
    """

    model: Model
    permissions: Permissions
    database: Database[Document]
    limits: Limits = field(default_factory=Limits)
    token: str | None = field(default=None, repr=False)
    caller: str | None = None
    calls: Calls = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Start without queries in flight."""
        object.__setattr__(self, "calls", Calls(self.limits.calls))

    def reader(self, context: Context[Any, Any]) -> Reader:
        """Return what the caller of a tool may read. Raises ToolError for a caller who is not known."""
        given = caller_id(context, self.caller, self.token)
        over_http = context.request_context.request is not None
        if over_http and self.token is None and given == self.permissions.super_manager_id:
            raise ToolError("the super manager's id is believed from a gateway only; the server has no gateway token")
        user = self.user(given)
        if user is None:
            where = f"the header {HEADER}" if over_http else "RLS_USER_ID"
            what = "is missing" if not given else "names no known user"
            raise ToolError(f"not signed in: {where} {what}; nothing is visible until it holds a store's user id")
        return Reader(self, user)

    def stop(self) -> None:
        """End the queries in flight."""
        kill(self.database.client, self.calls.comments)

    def user(self, user_id: str | None) -> User | None:
        """Return the user of the id; None, who sees nothing, for one that is missing, malformed, unknown or deleted."""
        users = self.permissions.users
        try:
            found = [] if user_id is None else list(self.database[users.collection].find({users.id: user_id}).limit(2))
        except PyMongoError as error:
            raise unavailable(error) from error
        return user_of(self.permissions, self.model, found, user_id)


def caller_id(context: Context[Any, Any], caller: str | None, token: str | None) -> str | None:
    """Return who calls, as the session says: the header of an HTTP request, else the one this process was started for.

    A request over HTTP never falls back on him. An id that stands there twice, or without the token where one
    is wanted, is nobody's: a caller may have slipped it in before the gateway added the right one.
    """
    request = context.request_context.request
    if request is None:
        return caller
    shown = request.headers.getlist("authorization")
    if token is not None and not (
        len(shown) == 1 and hmac.compare_digest(shown[0].encode(), f"Bearer {token}".encode())
    ):
        return None
    given = request.headers.getlist(HEADER)
    return given[0] if len(given) == 1 else None


@dataclass(frozen=True)
class Reader:
    """A caller's way to the database; every pipeline is confined to what the permissions let him read."""

    shop: Shop
    user: User | None

    def view(self, name: str) -> View | None:
        """Return what the caller sees of a collection; None when the model has none of that name.

        The ids that users are known by are hidden from everyone but the super manager.
        """
        collection = self.shop.model.collections.get(name)
        if collection is None:
            return None
        users = self.shop.permissions.users
        secret = name == users.collection and not (self.user and self.user.super_manager)
        seen = to_mongo(allowed(self.shop.permissions, collection, self.user, "read"))
        return View(seen, (users.id,) if secret else ())

    def rows(self, collection: str, pipeline: Sequence[Mapping[str, Any]], limit: int) -> Rows:
        """Return the first ``limit`` documents of a pipeline of the servers' own."""
        return self._run(collection, confined(pipeline, collection, self.view), limit)

    def rows_after(
        self, collection: str, search: Sequence[Document], pipeline: Sequence[Mapping[str, Any]], limit: int
    ) -> Rows:
        """Return rows after a search of hidden documents; the pipeline must return only what it looks up."""
        return self._run(collection, [*search, *(stage_confined(stage, self.view) for stage in pipeline)], limit)

    def foreign_rows(self, collection: str, pipeline: Any, limit: int) -> Rows:
        """Return rows of a pipeline that the caller wrote; raise ToolError if it is not allowed."""
        users = self.shop.permissions.users
        hidden = () if self.user and self.user.super_manager else (users.id,)
        try:
            allowed_pipeline = confined_foreign(pipeline, collection, self.view, hidden)
        except RefusedError as error:
            raise ToolError(str(error)) from None
        return self._run(collection, allowed_pipeline, limit)

    def _run(self, collection: str, pipeline: list[Document], limit: int) -> Rows:
        """Run a pipeline; the server keeps the limits of rows and time, and the client those of calls in flight."""
        with self.shop.calls.running(self.user.id if self.user else "") as comment:
            try:
                return self._fetch(collection, [*pipeline, {"$limit": limit + 1}], limit, comment)
            except ExecutionTimeout:
                raise self._too_slow() from None
            except NetworkTimeout:
                kill(self.shop.database.client, [comment])
                raise self._too_slow() from None
            except OperationFailure as error:
                if error.code in _NOT_LET_IN:
                    raise unavailable(error) from error
                raise ToolError(_refusal(error)) from None
            except PyMongoError as error:
                raise unavailable(error) from error

    def _fetch(self, collection: str, stages: list[Document], limit: int, comment: str) -> Rows:
        documents: list[Document] = []
        size = 0
        time_ms = self.shop.limits.max_time_ms
        with self.shop.database[collection].aggregate(stages, maxTimeMS=time_ms, comment=comment) as cursor:
            for document in cursor:
                size += len(str(document))
                if len(documents) == limit or size > _MAX_CHARACTERS:
                    return Rows(documents, truncated=True)
                documents.append(plain(document))
        return Rows(documents, truncated=False)

    def _too_slow(self) -> ToolError:
        return ToolError(
            f"the query took longer than {self.shop.limits.max_time_ms / 1000:g} s and was stopped; narrow it, by"
            " dates or by store, or match on indexed fields first"
        )


def _refusal(error: OperationFailure) -> str:
    """Return what the server objects to; a limit of the guard's (`mcp_servers.expressions`) in its own words."""
    text = in_words(error)
    marked = re.search(re.escape(LIMIT_MARK) + "([^'\"]*)", text)
    if marked:
        return f"the query is too large: {marked[1]}; use $unwind and $group, or keep fewer fields"
    return f"the server rejected the query: {text}"


def unavailable(error: PyMongoError) -> ToolError:
    """Return the caller's message for an unusable database; address and reason go to the log only."""
    _LOG.warning("the database: %s", in_words(error))
    return ToolError("the database does not answer at the moment; try again later")


def plain(value: Any) -> Any:
    """Return a document as JSON: ObjectIds, NaN and infinities as strings, numbers as numbers."""
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    relaxed = json_util.default(value, json_util.RELAXED_JSON_OPTIONS)
    return next(iter(relaxed.values())) if isinstance(relaxed, Mapping) and len(relaxed) == 1 else str(relaxed)

"""Reading for a caller: who he is, what he sees, and pipelines run within limits that the server keeps."""

from __future__ import annotations

import hmac
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from bson import json_util
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pymongo.database import Database
from pymongo.errors import ExecutionTimeout, OperationFailure, PyMongoError

from conformance.conditions import to_mongo
from conformance.connection import in_words
from conformance.model import Model
from conformance.permissions import Permissions, User, allowed, user_of
from mcp_servers.guard import RefusedError, View, confined, confined_foreign, stage_confined

Document = dict[str, Any]
#: The request header that says who is calling over HTTP.
HEADER: Final = "x-rls-user-id"
#: Characters of rows that an answer may hold; an assistant reads no more.
_MAX_CHARACTERS: Final = 1_000_000
#: Codes of a server that does not let the harness's own user in: nothing that a caller can mend.
_NOT_LET_IN: Final = frozenset({13, 18, 8000})
_LOG: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """Connections of a server's one client, milliseconds to wait for one, and milliseconds that a query may take."""

    pool_size: int = 10
    wait_ms: int = 2_000
    max_time_ms: int = 10_000

    def client_options(self) -> dict[str, Any]:
        """What the client is made with."""
        return {"maxPoolSize": self.pool_size, "waitQueueTimeoutMS": self.wait_ms, "appname": "zava-mcp"}


@dataclass(frozen=True)
class Rows:
    """Documents, and whether there were more than may be given."""

    documents: list[Document]
    truncated: bool


@dataclass(frozen=True)
class Shop:
    """What the tools of a server share.

    ``token`` is what a gateway must show for its callers' ids to be believed; ``caller`` is who calls over stdio.
    """

    model: Model
    permissions: Permissions
    database: Database[Document]
    limits: Limits = field(default_factory=Limits)
    token: str | None = field(default=None, repr=False)
    caller: str | None = None

    def reader(self, context: Context[Any, Any]) -> Reader:
        """What the caller of a tool may read."""
        return Reader(self, self.user(caller_id(context, self.caller, self.token)))

    def user(self, user_id: str | None) -> User | None:
        """The user of the id; None, who sees nothing, for one that is missing, malformed, unknown or deleted."""
        users = self.permissions.users
        try:
            found = [] if user_id is None else list(self.database[users.collection].find({users.id: user_id}).limit(2))
        except PyMongoError as error:
            raise unavailable(error) from error
        return user_of(self.permissions, self.model, found, user_id)


def caller_id(context: Context[Any, Any], caller: str | None, token: str | None) -> str | None:
    """Who calls, as the session says: the header of an HTTP request, else the one this process was started for.

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
        """What the caller sees of a collection; None when the model has none of that name.

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
        """The first ``limit`` documents of a pipeline of the servers' own."""
        return self._run(collection, confined(pipeline, collection, self.view), limit)

    def rows_after(
        self, collection: str, search: Sequence[Document], pipeline: Sequence[Mapping[str, Any]], limit: int
    ) -> Rows:
        """The same after a search of documents that no caller sees: the pipeline must leave only what it looks up."""
        return self._run(
            collection, [*search, *(stage_confined(stage, self.view, confined) for stage in pipeline)], limit
        )

    def foreign_rows(self, collection: str, pipeline: Any, limit: int) -> Rows:
        """The same of a pipeline that the caller wrote; ToolError, for him to read, when it may not be run."""
        try:
            allowed_pipeline = confined_foreign(pipeline, collection, self.view)
        except RefusedError as error:
            raise ToolError(str(error)) from None
        return self._run(collection, allowed_pipeline, limit)

    def _run(self, collection: str, pipeline: list[Document], limit: int) -> Rows:
        """Row and time limits are the server's to keep: it stops by itself."""
        stages = [*pipeline, {"$limit": limit + 1}]
        documents: list[Document] = []
        size = 0
        try:
            with self.shop.database[collection].aggregate(stages, maxTimeMS=self.shop.limits.max_time_ms) as cursor:
                for document in cursor:
                    size += len(str(document))
                    if len(documents) == limit or size > _MAX_CHARACTERS:
                        return Rows(documents, truncated=True)
                    documents.append(plain(document))
        except ExecutionTimeout:
            raise ToolError(
                f"the query took longer than {self.shop.limits.max_time_ms / 1000:g} s and was stopped; narrow it, by"
                " dates or by store, or match on indexed fields first"
            ) from None
        except OperationFailure as error:
            if error.code in _NOT_LET_IN:
                raise unavailable(error) from error
            raise ToolError(f"the server refused the query: {in_words(error)}") from None
        except PyMongoError as error:
            raise unavailable(error) from error
        return Rows(documents, truncated=False)


def unavailable(error: PyMongoError) -> ToolError:
    """What a caller is told when the database cannot be used: not where it is, nor why, which goes to the log."""
    _LOG.warning("the database: %s", in_words(error))
    return ToolError("the database does not answer at the moment; try again later")


def plain(value: Any) -> Any:
    """A document as JSON has it: ObjectIds and the like as text, numbers as numbers; NaN and infinities as text."""
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
    told = json_util.default(value, json_util.RELAXED_JSON_OPTIONS)
    return next(iter(told.values())) if isinstance(told, Mapping) and len(told) == 1 else str(told)

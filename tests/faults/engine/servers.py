"""Other servers than the one of the tests, or simulations of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

from pymongo import MongoClient
from pymongo.database import Database

from conformance.checks.base import Context
from conformance.embedded.server import EmbeddedServer
from conformance.server.provision import apply, plan

Document = dict[str, Any]
#: Bytes of a document, and how many of them fill the embedded server's oplog of 512 MB.
_LARGE: Final = 15_000_000
_LARGE_DOCUMENTS: Final = 36


@contextmanager
def on_server(context: Context, wanted: Mapping[str, Any], directory: Callable[[], Path]) -> Iterator[Context]:
    """Yield the context on the server that an edit describes."""
    if wanted.get("images") is False:
        assert context.scratch is not None
        context = replace(context, scratch=_WithoutImages(context.scratch.client, context.scratch.name))
    if wanted.get("empty"):
        context = replace(context, database=context.database.client[f"{context.database.name}_empty"])
    if "version" in wanted:
        context = _of_version(context, wanted["version"])
    if "images_expire" in wanted:
        with _images_expire(context.database.client, wanted["images_expire"]):
            yield context
        return
    if wanted.get("oplog_full") or wanted.get("fresh"):
        with EmbeddedServer(directory(), cache_gb=0.25, linger=0.2) as own, MongoClient[Document](own.uri) as client:
            apply(plan(context.model, client[context.database.name]), client[context.database.name])
            for number in range(_LARGE_DOCUMENTS if wanted.get("oplog_full") else 0):
                client["filling"]["large"].insert_one({"_id": number, "zeros": bytes(_LARGE)})
            found = replace(context, database=client[context.database.name], scratch=None, embedded=False)
            yield found
        return
    if not wanted.get("standalone"):
        yield context
        return
    server = EmbeddedServer(directory(), cache_gb=0.25, replica_set=False, linger=0.2)
    with server, MongoClient[Document](server.uri) as client:
        yield replace(context, database=client[context.database.name], scratch=client["scratch"])


def _of_version(context: Context, version: Sequence[int]) -> Context:
    """Return a context whose server has another version, also in copies of the context."""
    kind: type[Context] = type("OtherVersion", (Context,), {"server_version": tuple(version)})
    return kind(**{each.name: getattr(context, each.name) for each in fields(context) if each.init})


@contextmanager
def _images_expire(client: Any, seconds: int) -> Iterator[None]:
    """Change the server's own setting, and restore it afterwards."""

    def setting(value: int | str) -> None:
        options = {"preAndPostImages": {"expireAfterSeconds": value}}
        client.admin.command({"setClusterParameter": {"changeStreamOptions": options}})

    setting(seconds)
    try:
        yield
    finally:
        setting("off")


class _WithoutImages(Database[Document]):
    """A server that accepts the option for images and keeps none."""

    def create_collection(self, name: str, *arguments: Any, **options: Any) -> Any:
        options.pop("changeStreamPreAndPostImages", None)
        return super().create_collection(name, *arguments, **options)

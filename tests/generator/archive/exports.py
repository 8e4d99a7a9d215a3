"""Commands, files and documents that the tests of export and import compare."""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient

from generator.archive.archive import RAW
from tests.commands import Done, Workplace
from tests.models import shipped_model

Mongo = MongoClient[dict[str, Any]]
MODEL = shipped_model()
FIRST = next(iter(MODEL)).name


def run(workplace: Workplace, uri: str, name: str, *arguments: str, stdin: str = "") -> Done:
    return workplace.zava(*arguments, "--uri", uri, env={"MONGODB_DATABASE": name}, stdin=stdin)


def raw(mongo: Mongo, name: str) -> dict[str, list[bytes]]:
    """Return the bytes of every document of a database, by collection."""
    database = mongo[name].with_options(codec_options=RAW)
    held = {c: [bytes(d.raw) for d in database[c].find().sort("_id", 1)] for c in database.list_collection_names()}
    return {collection: documents for collection, documents in held.items() if documents}

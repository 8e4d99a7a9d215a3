"""Reads the file of a Ditto store: which documents were written after a commit, and which the engine cannot read.

A process of its own (commits.py starts it): a file of SQLite that one process opens with two copies of SQLite loses
its locks. Every line of the input is a question, every line of the output its answer, both JSON. It ends with its
input.

The file, as the pinned SDK writes it: a table for each collection, of rows (id, content, number of the commit that
wrote it, 1 for a tombstone). The id is CBOR behind a short head, the content CBOR that nests four levels for each
object of the document. Beyond 128 levels the engine ends the process that reads the document, or writes to it.
"""

from __future__ import annotations

import io
import json
import sqlite3
import sys
from collections.abc import Iterator
from typing import Any, Final

import cbor2

#: The format of the file, as the file itself tells it (CBOR).
FORMAT: Final = b"bV3"
_FORMAT_KEY: Final = b"\x02db_version\x00"
#: Levels of CBOR of which the engine can certainly read a document.
_LEVELS: Final = 126
#: Bytes that may begin an array or an object; content with fewer of them than levels cannot be too deep.
_HEADS: Final = bytes(range(0x80, 0xC0))
#: The first bytes of the content of a document, after its head.
_CONTENT: Final = b"\xa3aa"
#: Own commits that are known at least; of an older one too much is told, which does no harm.
_OWN: Final = 10_000
#: Seconds to wait for the engine to let go of the file.
_PATIENCE: Final = 30.0


def main(path: str) -> None:
    """Answer questions about the file until the input ends."""
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=_PATIENCE, isolation_level=None)
    own: set[int] = set()
    for line in sys.stdin:
        try:
            answer = _answer(database, json.loads(line), own)
        except (sqlite3.Error, ValueError, IndexError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


def _answer(database: sqlite3.Connection, question: dict[str, Any], own: set[int]) -> dict[str, Any]:
    """By collection: the last commit, and the documents written after the given one, each as [id, too deep]."""
    own.update(question["own"])
    if len(own) > 2 * _OWN:
        own.intersection_update(sorted(own)[-_OWN:])
    database.execute("BEGIN")
    try:
        if "format" in question:
            (found,) = database.execute("SELECT v FROM __meta WHERE k = ?", (_FORMAT_KEY,)).fetchone() or (b"none",)
            if found != FORMAT:
                raise ValueError(f"the format {found!r} is not known")
        return {
            name: _written(database, name, after, own, only_deep=question["only_deep"])
            for name, after in question["after"].items()
        }
    finally:
        database.execute("COMMIT")


def _written(database: sqlite3.Connection, name: str, after: int, own: set[int], *, only_deep: bool) -> dict[str, Any]:
    documents = []
    for key, content, commit, tombstone in _rows(database, name, after):
        after = max(after, commit)
        if commit in own:
            continue
        deep = not tombstone and _too_deep(content)
        if deep or not only_deep:
            documents.append([_id(key), int(deep)])
    return {"at": after, "documents": documents}


def _rows(database: sqlite3.Connection, name: str, after: int) -> Iterator[tuple[bytes, bytes, int, int]]:
    """Rows of a collection; none where it was never written to, and has no table."""
    try:
        query = f"SELECT k, v, s, tombstone FROM coll_{name.encode().hex()} WHERE s > ?"  # noqa: S608 - hexadecimal
        yield from database.execute(query, (after,))
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise


def _id(key: bytes) -> str:
    """Return the CBOR of an id in hexadecimal, without the bytes for its type and length."""
    return key[2 if key[1] & 1 else 3 :].hex()


def _too_deep(content: bytes) -> bool:
    if len(content) - len(content.translate(None, _HEADS)) <= _LEVELS:
        return False
    start = content.find(_CONTENT, 0, 32)
    if start < 0:
        raise ValueError("a document's content does not begin as expected")
    try:
        cbor2.CBORDecoder(io.BytesIO(content[start:]), max_depth=_LEVELS).decode()
    except cbor2.CBORDecodeError as error:
        if "depth" not in str(error):
            raise ValueError(f"a document's content cannot be decoded: {error}") from None
        return True
    return False


if __name__ == "__main__":
    main(sys.argv[1])

"""DQL statements: names as they stand in them, what one changed, and the error of one that the engine does not take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal, TypeVar

from conformance.errors import TargetError
from conformance.text.rendering import shorten

#: Documents of one INSERT, and _ids of one DELETE or EVICT.
BATCH: Final = 1_000
#: Bytes of a collection's name; a longer one ends the process.
MAX_NAME: Final = 255
OnConflict = Literal["fail", "do nothing", "do update", "do update_local_diff", "do merge"]
T = TypeVar("T")


class StatementError(TargetError):
    """The engine does not take a statement, its arguments or a document in it; the store itself is well.

    ``reason`` is the message without ``refused``, which says what is not taken.
    """

    def __init__(self, refused: str, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{refused}: {reason}")


@dataclass(frozen=True)
class Mutation:
    """The result of a statement: the changed _ids, and the number of the local commit.

    A commit is numbered even where nothing changed; ``commit`` is None for what is no change of documents at all.
    """

    ids: list[Any]
    commit: int | None


def identifier(name: str) -> str:
    """Return the quoted name of a collection or field in DQL; a path is such names joined by dots.

    Raises StatementError for a name with NUL, which can stand in a document and in no statement.
    """
    if "\0" in name:
        raise StatementError(f"{name!r}", "a name with NUL is not allowed in DQL; rename the field")
    return "`" + name.replace("`", "``") + "`"


def source(collection: str) -> str:
    """Return a collection's name as it stands in DQL; StatementError when it is empty or too long."""
    if not 0 < len(collection.encode()) <= MAX_NAME:
        raise StatementError(shorten(collection), f"a collection's name has 1 to {MAX_NAME} bytes; shorten it")
    return identifier(collection)


def joined(statements: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    """Return the text of several statements, for messages."""
    return "; ".join(dql for dql, _ in statements)


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    """Return the items in lists of at most ``BATCH``."""
    rest = iter(items)
    while some := list(islice(rest, BATCH)):
        yield some

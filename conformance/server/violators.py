"""Documents that a validator would refuse: counted before it is installed, for each later update of them would fail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from conformance.connection.client import in_words
from conformance.errors import ConfigurationError, TargetError
from conformance.server.provision import Change


@dataclass(frozen=True)
class Violators:
    """The number of a collection's documents that the planned validator rejects."""

    collection: str
    number: int
    documents: int

    def __str__(self) -> str:
        """Such as ``orders: 12 of 5,000 documents do not satisfy the validator``."""
        verb = "does" if self.number == 1 else "do"
        noun = "document" if self.documents == 1 else "documents"
        return f"{self.collection}: {self.number:,} of {self.documents:,} {noun} {verb} not satisfy the validator"


def violators(changes: Iterable[Change], database: Database[dict[str, Any]]) -> list[Violators]:
    """Count the violators of every collection that is about to get a validator that refuses their updates.

    Collections without any are left out. Raises TargetError when the server cannot count them.
    """
    found = []
    for change in changes:
        if not _refuses(change):
            continue
        collection = database[change.collection]
        try:
            number = collection.count_documents({"$nor": [change.command["validator"]]})
            if number:
                found.append(Violators(change.collection, number, collection.count_documents({})))
        except PyMongoError as error:
            message = in_words(error) if isinstance(error, OperationFailure) else str(error).splitlines()[0]
            raise TargetError(
                f"{database.name}.{change.collection}: could not count what the validator refuses: {message};"
                " nothing was changed"
            ) from error
    return found


def refuse_violators(found: Iterable[Violators]) -> None:
    """Raise ConfigurationError, one line, when there are violators."""
    reasons = "; ".join(map(str, found))
    if reasons:
        raise ConfigurationError(
            f"{reasons}: every update of such a document would fail, and nothing was changed; correct them"
            " (zava validate --only documents lists them), or run zava provision --accept-violations"
        )


def _refuses(change: Change) -> bool:
    command: Mapping[str, Any] = change.command
    return (
        change.kind == "validator"
        and bool(command.get("validator"))
        and command.get("validationLevel", "strict") == "strict"
        and command.get("validationAction", "error") == "error"
    )

"""Reasons in words why a document cannot be written to MongoDB, and errors that concern all documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bson.errors import BSONError
from pymongo.errors import BulkWriteError, DocumentTooLarge, OperationFailure, PyMongoError

from conformance.connection.client import in_words
from conformance.connection.validator_reply import refusals
from conformance.text.rendering import shorten
from edge.bridge.mongo_side.change_stream import ELSEWHERE, passes

_VALIDATOR: Final = 121
_DUPLICATE: Final = 11000
_NO_ID: Final = 53
#: Maximum number of validation errors that a reason names.
_SHOWN: Final = 3
_TOO_LARGE: Final = frozenset({10334, 17419, 17420})
#: No rights, no login, no transactions, no such command, no room: no document can be written.
_FOR_ALL: Final = frozenset({13, 18, 20, 59, 72, 115, 166, 8000, 14031})

_LARGE: Final = "it has more than the 16 MB that MongoDB allows for a document"

#: Errors that are caused by the document: rejections of the server, and of the driver.
UNWRITABLE: Final = (PyMongoError, BSONError, ArithmeticError, ValueError, TypeError, RecursionError)


def is_busy(error: BaseException) -> bool:
    """Return whether somebody else was writing one of the documents, so that the same may be tried again."""
    return (
        isinstance(error, OperationFailure)
        and error.has_error_label("TransientTransactionError")
        and error.code not in ELSEWHERE
    )


def concerns_all(error: BaseException) -> bool:
    """Return whether the error is not about the document: no other could be written either."""
    if not isinstance(error, PyMongoError):
        return False
    return passes(error) or not isinstance(error, OperationFailure) or error.code in _FOR_ALL


def reason(error: BaseException, document: Mapping[str, Any] | None = None) -> tuple[str, str]:
    """Return the field at fault ("" when it is the whole document) and the reason why the document was refused."""
    if isinstance(error, DocumentTooLarge):
        return "", _LARGE
    if not isinstance(error, OperationFailure):
        return "", f"it cannot be written to MongoDB: {in_words(error)}"
    details: Mapping[str, Any] = error.details or {}
    if isinstance(error, BulkWriteError) and details.get("writeErrors"):
        details = details["writeErrors"][0]
    code = details.get("code", error.code)
    if code in _TOO_LARGE:
        return "", _LARGE
    if code == _DUPLICATE:
        values = details.get("keyValue", {})
        shown = ", ".join(f"{name} {shorten(value)}" for name, value in values.items())
        return " + ".join(values), f"MongoDB rejects it: another document has {shown}"
    if code == _VALIDATOR:
        found = refusals(details.get("errInfo", {}).get("details", {}), document)
        why = "; ".join(map(str, found[:_SHOWN])) or "it does not satisfy the validator; run zava validate"
        return found[0].path if found else "", f"MongoDB's validator rejects it: {why}"
    if code == _NO_ID:
        return "_id", "MongoDB rejects it: an array or a regular expression cannot be an _id"
    return "", f"MongoDB rejects it: {in_words(error)}"

"""Why a document cannot be written to MongoDB, in words; and what is no matter of one document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from bson.errors import BSONError
from pymongo.errors import BulkWriteError, DocumentTooLarge, OperationFailure, PyMongoError

from conformance.connection import in_words
from edge.change_stream import passes

_VALIDATOR: Final = 121
_DUPLICATE: Final = 11000
_TOO_LARGE: Final = frozenset({10334, 17419, 17420})
#: No rights, no login, no transactions, no such command, no room: no document can be written.
_FOR_ALL: Final = frozenset({13, 18, 20, 59, 72, 115, 166, 8000, 14031})

_LARGE: Final = "it takes more than the 16 MB that MongoDB allows for a document"

#: What writing a document may raise because of the document: the server's refusals, and the driver's.
UNWRITABLE: Final = (PyMongoError, BSONError, ArithmeticError, ValueError, TypeError, RecursionError)


def is_transient(error: BaseException) -> bool:
    """Whether the same transaction may be tried again."""
    return isinstance(error, OperationFailure) and error.has_error_label("TransientTransactionError")


def concerns_all(error: BaseException) -> bool:
    """Whether the error is not about the document: no other could be written either."""
    if not isinstance(error, PyMongoError):
        return False
    return passes(error) or not isinstance(error, OperationFailure) or error.code in _FOR_ALL


def reason(error: BaseException) -> tuple[str, str]:
    """Return the field at fault ("" when it is the whole document) and the reason."""
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
        shown = ", ".join(f"{name} {value!r}" for name, value in values.items())
        return " + ".join(values), f"MongoDB refuses it: another document has {shown}"
    if code == _VALIDATOR:
        found = list(_unsatisfied(details.get("errInfo", {}).get("details", {})))
        path = found[0][0] if found else ""
        why = "; ".join(f"{name}: {what}" if name else what for name, what in found[:3])
        return path, f"MongoDB's validator refuses it: {why or 'it does not say why'}"
    return "", f"MongoDB refuses it: {in_words(error) if 'errmsg' not in details else str(details['errmsg'])[:300]}"


def _unsatisfied(details: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Each rule of the schema that is not met: the field, and what the server says of it."""
    for rule in details.get("schemaRulesNotSatisfied", ()):
        operator = rule.get("operatorName", "")
        for each in rule.get("propertiesNotSatisfied", ()):
            name = f"{path}{each['propertyName']}"
            nested = list(_unsatisfied({"schemaRulesNotSatisfied": each.get("details", ())}, f"{name}."))
            yield from nested or [(name, "does not meet the schema")]
        for name in rule.get("missingProperties", ()):
            yield f"{path}{name}", "is missing"
        for name in rule.get("additionalProperties", ()):
            yield f"{path}{name}", "is no field of the schema"
        if "reason" in rule:
            yield path.removesuffix("."), f"{operator}: {rule['reason']}"

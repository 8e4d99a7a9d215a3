"""Why MongoDB refused a write, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pymongo.errors import BulkWriteError, OperationFailure

from conformance.connection import in_words

_VALIDATOR: Final = 121
_DUPLICATE: Final = 11000


def reason(error: OperationFailure) -> tuple[str, str]:
    """The field at fault ("" when it is the whole document) and the reason."""
    details: Mapping[str, Any] = error.details or {}
    if isinstance(error, BulkWriteError) and details.get("writeErrors"):
        details = details["writeErrors"][0]
    code = details.get("code", error.code)
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

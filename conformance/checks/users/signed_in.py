"""Users who may sign in on a device, and documents that a filter finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from conformance.checks.base import Context
from conformance.ditto.permissions import User, document_of, known_users, load_permissions
from conformance.ditto.subscriptions import (
    SUBSCRIPTIONS_FILE,
    Device,
)
from conformance.errors import ConfigurationError
from conformance.language.conditions.translation import NOTHING
from conformance.text.rendering import shorten

FILE: Final = f"config/{SUBSCRIPTIONS_FILE}"


#: The rule that says of the file that it cannot be read.
TOLD_BY: Final = "sync._config.subscriptions-file"


def found(context: Context, collection: str, condition: Mapping[str, Any]) -> tuple[int, str]:
    """Return how many documents meet the filter, and the _id of the first of them in words."""
    if condition == NOTHING:
        return 0, ""
    documents = context.collection(collection)
    number = documents.count_documents(condition)
    first = documents.find_one(condition, {"_id": 1}, sort=[("_id", 1)]) if number else None
    return number, shorten(first["_id"]) if first else ""


def signed_in(context: Context, device: Device) -> list[tuple[str, User]]:
    """Return the users who may sign in on the device, each with a name; none if they are not known."""
    try:
        permissions = load_permissions(context.model)
    except ConfigurationError:
        return []
    if device.user == "super_manager":
        return [("the super manager", User(permissions.super_manager_id, super_manager=True))]
    if permissions.users.collection not in context.model.collections:
        return []
    documents = list(context.collection(permissions.users.collection).find())
    return [
        (str(document_of(permissions, documents, user)["_id"]), user)
        for user in known_users(permissions, context.model, documents)
    ]

"""The texts of the rules on devices' subscriptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: By subject: title, why, fix.
TEXTS: Final[Mapping[str, tuple[str, str, str]]] = {
    "subscriptions-file": (
        "The subscriptions file is valid: every query is a SELECT * of one collection with a condition",
        "Ditto rejects any other form when the app starts, or syncs other documents than intended.",
        "Correct the line that the finding names.",
    ),
    "subscriptions-collections": (
        "Devices subscribe to every synced collection and to no others, and change only collections that are on the"
        " device",
        "A subscription to a collection that is not synced stays empty; a synced collection without a subscription is"
        " sent to no device; a device cannot change documents that it does not subscribe to.",
        "Correct the collection's name, remove the entry, or add the missing subscription.",
    ),
    "subscriptions-fields": (
        "Every field that subscriptions, queries and parameters name exists and can have the value",
        "A field or value that no document has selects nothing and raises no error, so the device stays empty.",
        "Correct the name of the field, or the value, in the file.",
    ),
    "subscriptions-live": (
        "Every subscription is able to select documents that are not deleted",
        "A device with this subscription receives no live document, so its app shows nothing.",
        "Correct the condition, or remove the subscription.",
    ),
    "subscriptions-parameters": (
        "Every parameter is declared with a source, is used, and is a list exactly where a list is compared",
        "Ditto rejects a query whose parameter has no value; IN with a value that is not a list finds nothing.",
        "Declare the parameter under parameters, or remove the unused one.",
    ),
    "subscriptions-meaning": (
        "Every subscription selects the same documents as the MongoDB filter (find) beside it, for every user",
        "Devices receive other documents than the authors of the subscription intended.",
        "Correct the query or its find, whichever is wrong.",
    ),
}

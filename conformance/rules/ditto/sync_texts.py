"""The texts of the rules on the connector's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: By subject: title, why, mend.
TEXTS: Final[Mapping[str, tuple[str, str, str]]] = {
    "file": (
        "The connector's configuration can be read: no unknown or repeated key, every value of its type",
        "A connector that is started with it does something else than was written.",
        "Mend the line that is named.",
    ),
    "unknown": (
        "The connector's configuration names no collection that the model does not define",
        "A collection without a schema would sync unchecked.",
        "Remove the entry, correct its name, or write the schema.",
    ),
    "settings": (
        "The connector's settings are stated and sane",
        "The initial copy fails, never ends or is left out, or devices and cloud store objects in two ways.",
        "Correct the setting that is named.",
    ),
    "maps": (
        "The connector stores objects as the schemas' x-crdt says: MAPs need strict_mode false",
        "In strict mode an object is a REGISTER: of two devices that edit different keys of it, one loses.",
        "Set strict_mode to false, for the connector and on devices, or declare the fields as registers.",
    ),
    "secrets": (
        "The connector's secrets are ${VARIABLE} placeholders, each for what belongs there",
        "A secret in a tracked file is known to everyone who has the repository; with another's the connector fails.",
        "Write the ${VARIABLE} that belongs there, put the value into the environment, and change a secret that was"
        " written.",
    ),
    "database": (
        "The connector reads the database that is validated (MONGODB_DATABASE)",
        "The verdict would be about one database, and devices would get the documents of another.",
        "Write ${MONGODB_DATABASE} into the connector's configuration, or set MONGODB_DATABASE to its database.",
    ),
    "configured": (
        "{title}: exactly one entry in the connector's configuration",
        "Without an entry nobody decided whether devices get it; with two, the connector decides.",
        "Write one entry, with sync_enabled true or false.",
    ),
    "enabled": (
        "{title}: the connector syncs it if and only if its schema says so",
        "Devices lack what they need, or get what must not leave MongoDB.",
        "Set sync_enabled as x-sync has it, or change x-sync on purpose.",
    ),
    "id_mapping": (
        "{title}: the connector maps _id as the schema says",
        "Devices would know the documents by other ids; changing that later means to sync all anew.",
        "Set id_mapping as x-sync has it, or change x-sync on purpose.",
    ),
    "id_fields": (
        "{title}: what the connector makes Ditto's _id of is fit to be one",
        "The connector cannot tell documents apart or loses them: ids never change and are never absent.",
        "Map by top-level fields that are required, immutable, unique together and neither float nor object.",
    ),
    "exists": (
        "{title}: the collection exists, so that the connector can start",
        "The connector refuses to start on a collection that is not there, and a view has no change stream.",
        "Run zava provision.",
    ),
    "not_capped": (
        "{title}: the collection is not capped and does not expire documents",
        "The server deletes documents of a capped collection without an event, and the connector refuses it.",
        "Copy the documents into a collection that is not capped and does not expire documents.",
    ),
}

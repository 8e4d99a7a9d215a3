"""The texts of the rules on the connector's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: By subject: title, why, fix.
TEXTS: Final[Mapping[str, tuple[str, str, str]]] = {
    "file": (
        "The connector's configuration is valid: it has no unknown or repeated keys, and every value has its type",
        "A connector that ignores an unknown key or value behaves differently from the file.",
        "Correct the line that the finding names.",
    ),
    "unknown": (
        "Every collection in the connector's configuration is defined in the model",
        "A collection without a schema is synced without validation.",
        "Remove the entry, correct its name, or add a schema.",
    ),
    "settings": (
        "Every setting of the connector is present and has a valid value",
        "The initial copy fails, never ends or is skipped, or devices and cloud store objects differently.",
        "Correct the setting that the finding names.",
    ),
    "maps": (
        "The connector's strict_mode is false where the schemas declare MAPs (x-crdt)",
        "In strict mode an object is a REGISTER: if two devices edit different keys, one change is lost. A device in"
        " strict mode also uses no index: Ditto's engine scanned the collection in every device query.",
        "Set strict_mode to false for the connector and on devices, or declare the fields as registers.",
    ),
    "secrets": (
        "The connector's secrets are ${VARIABLE} placeholders, each with the variable that belongs there",
        "Everyone with access to the repository can read a secret in it; with the wrong variable the connector fails.",
        "Replace the secret with its ${VARIABLE}, set the variable in the environment, and rotate a secret that was"
        " in the file.",
    ),
    "database": (
        "The connector's database is the one that is validated (MONGODB_DATABASE)",
        "The verdict is about one database, but devices receive the documents of another.",
        "Set the connector's database to ${MONGODB_DATABASE}, or set MONGODB_DATABASE to the connector's database.",
    ),
    "configured": (
        "{title}: the connector's configuration has exactly one entry",
        "Without an entry it is undecided whether devices receive the collection; with two, the connector chooses one.",
        "Write one entry with sync_enabled true or false.",
    ),
    "enabled": (
        "{title}: sync_enabled is true exactly if the schema declares x-sync",
        "Devices do not receive data that they need, or receive data that must not leave MongoDB.",
        "Set sync_enabled to match x-sync, or change x-sync in the schema.",
    ),
    "id_mapping": (
        "{title}: the connector's id_mapping is the one that the schema declares",
        "Devices get other ids than intended, and changing them later requires a complete new sync.",
        "Set id_mapping to match x-sync, or change x-sync in the schema.",
    ),
    "id_fields": (
        "{title}: every field that the connector uses for Ditto's _id is suitable for an id",
        "The connector confuses or loses documents if an id is absent, not unique, or changes.",
        "Map top-level fields that are required, immutable, unique together, and neither a double nor an object.",
    ),
    "exists": (
        "{title}: the collection exists and is not a view",
        "The connector does not start if the collection is missing, and a view has no change stream.",
        "Run `zava provision` to create the collection.",
    ),
    "not_capped": (
        "{title}: the collection is not capped and does not expire documents",
        "The server deletes documents of a capped collection without an event, and the connector rejects such a"
        " collection.",
        "Copy the documents into a collection that is not capped and has no TTL index.",
    ),
}

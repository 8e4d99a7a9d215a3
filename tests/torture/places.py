"""The tortured model: four synced collections, one for each way to make Ditto's `_id`, and one that does not sync."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from bson import ObjectId

from tests.models import collection_of, write_model

Document = dict[str, Any]

_TEXT: Final = {"type": "string", "x-immutable": True}
_UNIQUE: Final = {**_TEXT, "x-unique": True}
#: Ditto's _id is MongoDB's (text, ObjectId), one field's value, and an object of two fields.
NAMES: Final = ("things", "keyed", "people", "stock")
#: The collection that must never arrive on a device.
SECRET: Final = "secrets"
_MAPPINGS: Final = {
    "things": {"mode": "match_ids"},
    "keyed": {"mode": "match_ids"},
    "people": {"mode": "single_field", "field": "code"},
    "stock": {"mode": "multiple_fields", "fields": ["store", "product"]},
}


def write_folder(folder: Path) -> Path:
    """Write schemas and the connector's configuration, so that `zava --model` takes the folder."""
    text_id = {"_id": {"type": "string"}}
    schemas = {
        "things": collection_of(text_id),
        "keyed": collection_of({}),
        "people": collection_of({"code": _UNIQUE}),
        "stock": {**collection_of({"store": _TEXT, "product": _TEXT}), "x-unique": [["store", "product"]]},
        SECRET: collection_of(text_id),
    }
    for name, mapping in _MAPPINGS.items():
        schemas[name]["x-sync"] = {"enabled": True, "id_mapping": _in_schema(mapping)}
    write_model(folder, schemas)
    configuration = {
        "connector_version": 1.0,
        "mongodb": {"connection_string": "${MONGODB_CONNECTION_STRING}", "database": "torture"},
        "ditto": {"app_id": "${DITTO_APP_ID}", "api_key": "${DITTO_API_KEY}", "endpoint": "https://cloud.ditto.live"},
        "collections": [
            {"name": name, "id_mapping": mapping, "sync_enabled": True} for name, mapping in _MAPPINGS.items()
        ],
        "settings": {
            "initial_sync": True,
            "strict_mode": False,
            "rate_limit_per_second": 0,
            "batch_size": 20,
            "retry_strategy": {"max_retries": 3, "backoff_multiplier": 2, "jitter": 0.25},
        },
    }
    path = folder / "config" / "ditto_connector_config.yaml"
    path.write_text(json.dumps(configuration, indent=1), encoding="utf-8")  # JSON is YAML
    return folder


def _in_schema(mapping: Document) -> Document:
    """Return a mapping of the connector's configuration as a schema has it."""
    return {
        "fields" if name == "field" else name: [value] if name == "field" else value for name, value in mapping.items()
    }


def key_for(name: str, word: str, number: int) -> str:
    """Return the key of a document that a test makes; hexadecimal where MongoDB's `_id` is an ObjectId."""
    if name == "keyed":
        return f"{sum(map(ord, word)):08x}{number:016x}"
    return f"{word}/{number:04}" if name == "stock" else f"{word} {number:04}"


def fields_of(name: str, key: str) -> Document:
    """Return the fields besides `_id` from which Ditto's `_id` is made."""
    if name == "people":
        return {"code": key}
    if name == "stock":
        store, product = key.split("/")
        return {"store": store, "product": product}
    return {}


def device_id(name: str, key: str) -> Any:
    """Return the `_id` of the document in Ditto."""
    return fields_of(name, key) if name == "stock" else key


def mongo_query(name: str, key: str) -> Document:
    """Return what finds the document in MongoDB, and begins it."""
    if name == "keyed":
        return {"_id": ObjectId(key)}
    return fields_of(name, key) or {"_id": key}


def key_of_mongo(name: str, document: Document) -> str | None:
    """Return the key of a document of MongoDB; None for one that no key of `key_for` names."""
    identity = document["_id"]
    if name == "keyed":
        return str(identity) if isinstance(identity, ObjectId) else None
    return _key(name, document)


def key_of_device(name: str, document: Document) -> str | None:
    """Return the key of a document of a store; None for one that no key of `key_for` names."""
    return _key(name, document)


def _key(name: str, document: Document) -> str | None:
    if name == "people":
        key = document.get("code")
    elif name == "stock":
        store, product = document.get("store"), document.get("product")
        key = f"{store}/{product}" if isinstance(store, str) and isinstance(product, str) else None
    else:
        key = document["_id"]
    return key if isinstance(key, str) else None

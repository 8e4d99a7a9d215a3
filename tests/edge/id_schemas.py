"""Schemas whose _id is an object, and their configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tests.models import collection_of

SHOP: Final = {"type": "string", "pattern": "^shop_[0-9]{2}$", "x-immutable": True}
SKU: Final = {"type": "string", "minLength": 1, "maxLength": 20, "x-immutable": True}
DELETED: Final = {"type": "boolean", "x-sample": {"constant": False}}


def synced_schema(properties: Mapping[str, Any], mapping: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A schema of a synced collection with soft deletion."""
    schema = collection_of({**properties, "deleted": DELETED}, cardinality=more.pop("cardinality", {"exactly": 6}))
    return {**schema, "x-sync": {"enabled": True, "id_mapping": mapping}, "x-soft-delete": "deleted", **more}


def object_id(**parts: Any) -> dict[str, Any]:
    """The schema of an _id that is a map of scalars."""
    return {
        "type": "object", "x-crdt": "register", "additionalProperties": False, "required": list(parts),
        "properties": parts,
    }  # fmt: skip


UNIQUE_NUMBER: Final = {"keys": {"number": 1}, "unique": True}
#: Shops; their stock, whose _id is an object on both sides; sales, whose _id in MongoDB is made of two mapped fields;
#: and checks, whose _id is all that they have.
SCHEMAS: Final[Mapping[str, Any]] = {
    "shops": synced_schema(
        {"_id": SHOP, "shop_id": SHOP | {"x-unique": True, "x-sample": {"sequence": "shop_{:02d}"}}},
        {"mode": "match_ids"},
        **{"x-id": {"equals": "shop_id"}},
    ),
    "stock": synced_schema(
        {
            "_id": object_id(shop_id=SHOP, sku=SKU),
            "shop_id": SHOP | {"x-reference": "shops._id"},
            "sku": SKU | {"x-sample": {"sequence": "sku {}"}},
            "level": {"type": "integer", "minimum": 0, "maximum": 50},
        },
        {"mode": "match_ids"},
        cardinality={"exactly": 60},
        **{"x-id": {"parts": ["shop_id", "sku"]}, "x-indexes": [{"keys": {"shop_id": 1}}]},
    ),
    "sales": synced_schema(
        {
            "_id": object_id(shop_id=SHOP, number={"type": "integer", "minimum": 1}),
            "shop_id": SHOP | {"x-reference": "shops._id"},
            "number": {"type": "integer", "minimum": 1, "x-unique": True, "x-immutable": True},
        },
        {"mode": "multiple_fields", "fields": ["shop_id", "number"]},
        cardinality={"exactly": 40},
        **{"x-id": {"parts": ["shop_id", "number"]}, "x-indexes": [{"keys": {"shop_id": 1}}, UNIQUE_NUMBER]},
    ),
    "checks": synced_schema(
        {"_id": object_id(day={"type": "string", "maxLength": 9, "x-sample": {"sequence": "day {}"}}, n=dict(DELETED))},
        {"mode": "match_ids"},
        cardinality={"exactly": 30},
    ),
}
CONNECTOR: Final = """
connector_version: 1.0
mongodb: {connection_string: "${MONGODB_CONNECTION_STRING}", database: "${MONGODB_DATABASE}"}
ditto: {app_id: "${DITTO_APP_ID}", api_key: "${DITTO_API_KEY}", endpoint: https://cloud.ditto.live}
collections:
  - {name: shops, id_mapping: {mode: match_ids}, sync_enabled: true}
  - {name: stock, id_mapping: {mode: match_ids}, sync_enabled: true}
  - {name: sales, id_mapping: {mode: multiple_fields, fields: [shop_id, number]}, sync_enabled: true}
  - {name: checks, id_mapping: {mode: match_ids}, sync_enabled: true}
settings:
  initial_sync: true
  strict_mode: false
  rate_limit_per_second: 0
  batch_size: 7
  retry_strategy: {max_retries: 3, backoff_multiplier: 2, jitter: 0.25}
"""
PERMISSIONS: Final = {
    "users": {"collection": "shops", "id": "shop_id", "attributes": ["shop_id"]},
    "rules": [
        {"collection": "stock", "operations": ["read", "write"], "condition": "shop_id = $user.shop_id"},
        {"collection": "sales", "operations": ["read", "write"], "condition": "_id.shop_id = $user.shop_id"},
        {"collection": "checks", "operations": ["read"], "condition": "_id.day = 'day 1'"},
    ],
    "super_manager": {"shop_id": "everything", "permissions": "all"},
}

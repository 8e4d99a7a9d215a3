"""Edits of the printed manifest, and the line that reports each."""

from __future__ import annotations

from typing import Final

ORDERS: Final = """        orders:
          fields:
          - order_id
          initialSync: true
          mode: native
          dqlStrictMode: false
"""
FIELDS: Final = "          fields:\n          - order_id\n"
#: The text of the printed manifest that is replaced, its replacement, the text whose line is named, and the rest of
#: that line.
DIFFERENCES: Final = {
    "missing collection": (
        ORDERS,
        "",
        "      collections:",
        "orders is not synced; fields [order_id] were expected; add it as `zava connector manifest` prints it",
    ),
    "extra collection": (
        ORDERS,
        ORDERS + "        notes: {fields: [_id]}\n",
        "        notes:",
        "notes is synced; the model has no such collection; remove it",
    ),
    "misspelt collection": (
        ORDERS,
        ORDERS + "        order: {fields: [_id]}\n",
        "        order:",
        "order is synced; the model has no such collection; remove it, or write orders",
    ),
    "excluded collection": (
        ORDERS,
        ORDERS + "        product_embeddings: {fields: [_id]}\n",
        "        product_embeddings:",
        "product_embeddings is synced; config/ditto_connector_config.yaml keeps it in MongoDB; remove it",
    ),
    "other way of making ids": (
        FIELDS,
        "          fields: [_id]\n",
        "          fields: [_id]",
        "orders.fields is [_id]; [order_id] was expected; write fields: [order_id]",
    ),
    "nested id field": (
        FIELDS,
        "          fields: [customer.id]\n",
        "          fields: [customer.id]",
        "orders.fields is [customer.id] ('customer.id' is not a top-level field); [order_id] was expected;"
        " write fields: [order_id]",
    ),
    "optional id field": (
        FIELDS,
        "          fields: [customer_email]\n",
        "          fields: [customer_email]",
        "orders.fields is [customer_email] ('customer_email' is optional, so a document without it could not sync);"
        " [order_id] was expected; write fields: [order_id]",
    ),
    "mutable id field": (
        FIELDS,
        "          fields: [status]\n",
        "          fields: [status]",
        "orders.fields is [status] ('status' is not immutable (x-immutable), so a change would create another"
        " document);"
        " [order_id] was expected; write fields: [order_id]",
    ),
    "id field of a type that no _id takes": (
        FIELDS,
        "          fields: [order_id, total]\n",
        "          fields: [order_id, total]",
        "orders.fields is [order_id, total] ('total' is a money, which Ditto does not accept in an _id); [order_id]"
        " was expected;"
        " write fields: [order_id]",
    ),
    "_id with another field": (
        FIELDS,
        "          fields: [_id, order_id]\n",
        "          fields: [_id, order_id]",
        "orders.fields is [_id, order_id] ('_id' can be used by match_ids only); [order_id] was expected;"
        " write fields: [order_id]",
    ),
    "id field given twice": (
        FIELDS,
        "          fields: [order_id, order_id]\n",
        "          fields: [order_id, order_id]",
        "orders.fields is [order_id, order_id]; [order_id] was expected; write fields: [order_id]",
    ),
    "unknown id field": (
        FIELDS,
        "          fields: [orderId]\n",
        "          fields: [orderId]",
        "orders.fields is [orderId] ('orderId' is not a field of orders); [order_id] was expected;"
        " write fields: [order_id]",
    ),
    "fields that are not a list": (
        FIELDS,
        "          fields: order_id\n",
        "          fields: order_id",
        'orders.fields is "order_id"; [order_id] was expected; write fields: [order_id]',
    ),
    "fields not set": (
        FIELDS,
        "",
        "        orders:",
        "orders.fields is not set; [order_id] was expected; write fields: [order_id]",
    ),
    "strict mode on": (
        ORDERS,
        ORDERS.replace("dqlStrictMode: false", "dqlStrictMode: true"),
        "dqlStrictMode: true",
        "orders.dqlStrictMode is true; false was expected; write dqlStrictMode: false",
    ),
    "strict mode not set": (
        ORDERS,
        ORDERS.replace("          dqlStrictMode: false\n", ""),
        "        orders:",
        "orders.dqlStrictMode is not set, which means true; false was expected; write dqlStrictMode: false",
    ),
    "initial sync off": (
        ORDERS,
        ORDERS.replace("initialSync: true", "initialSync: false"),
        "initialSync: false",
        "orders.initialSync is false; true was expected; write initialSync: true",
    ),
    "initial sync not set": (
        ORDERS,
        ORDERS.replace("          initialSync: true\n", ""),
        "        orders:",
        "orders.initialSync is not set, which means false; true was expected; write initialSync: true",
    ),
    "initial sync as a string": (
        ORDERS,
        ORDERS.replace("initialSync: true", "initialSync: 'true'"),
        "initialSync: 'true'",
        'orders.initialSync is "true"; true was expected; write initialSync: true',
    ),
    "mode": (
        ORDERS,
        ORDERS.replace("mode: native", "mode: ejson"),
        "mode: ejson",
        'orders.mode is "ejson"; native was expected; write mode: native',
    ),
    "misspelt key": (
        ORDERS,
        ORDERS + "          initalSync: true\n",
        "          initalSync: true",
        "orders has the key initalSync; one of fields, initialSync, mode, dqlStrictMode was expected;"
        " write initialSync",
    ),
    "a setting that no connector has": (
        "      database: zava\n",
        "      database: zava\n      ratePerSecond: 100\n",
        "      ratePerSecond",
        "mongoConnector has the key ratePerSecond; one of connectionSecret, database, collections was expected;"
        " remove it",
    ),
    "wrong database": (
        "database: zava",
        "database: zava_staging",
        "database: zava_staging",
        'database is "zava_staging"; zava was expected; write database: zava',
    ),
    "no database": (
        "      database: zava\n",
        "",
        "    mongoConnector:",
        "database is not set; zava was expected; write database: zava",
    ),
    "no label": (
        "    ditto.live/big-peer: main\n",
        "",
        "  labels:",
        "label ditto.live/big-peer is not set; the name of the big peer was expected;"
        " set ditto.live/big-peer below metadata.labels",
    ),
    "no secret": (
        "          name: mongodb\n          connectionString: connectionString\n",
        "",
        "      connectionSecret:",
        "connectionSecret does not name a secret; the secret with the connection string was expected;"
        " write it as `zava connector manifest` prints it",
    ),
    "another version": (
        "ditto.live/v1alpha1",
        "ditto.live/v1",
        "apiVersion: ditto.live/v1",
        'apiVersion is "ditto.live/v1"; ditto.live/v1alpha1 was expected; write apiVersion: ditto.live/v1alpha1',
    ),
}

"""A second opinion on what a MongoDB document is in Ditto; it shares nothing with what it judges (edge/)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bson import Decimal128, ObjectId

Document = dict[str, Any]


def canonical(document: Mapping[str, Any], id_fields: Sequence[str]) -> Document:
    """Return the document as devices should hold it; its _id is MongoDB's when no fields make it."""
    if not id_fields:
        identity = plain(document["_id"])
    elif len(id_fields) == 1:
        identity = plain(document[id_fields[0]])
    else:
        identity = {name: plain(document[name]) for name in id_fields}
    return {"_id": identity, **{name: plain(value) for name, value in document.items() if name != "_id"}}


def plain(value: Any) -> Any:
    """ObjectId, Decimal128 and Date as their texts; the rest as it is."""
    match value:
        case ObjectId() | Decimal128():
            return str(value)
        case datetime():
            return value.replace(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03}Z"
        case dict():
            return {name: plain(inner) for name, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
    return value


def text(document: Mapping[str, Any]) -> str:
    """One text for documents that are alike: names in any order, 1 and 1.0 told apart."""
    return json.dumps(document, sort_keys=True)


def texts(documents: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the documents' texts by the text of their _ids."""
    return {json.dumps(document["_id"], sort_keys=True): text(document) for document in documents}

"""Independent conversion of MongoDB documents to Ditto; it shares no code with the tested one (edge/)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from bson import Decimal128, ObjectId

Document = dict[str, Any]


def canonical(document: Mapping[str, Any], id_fields: Sequence[str]) -> Document:
    """Return the document in the form of devices; its _id is MongoDB's if no fields form it."""
    if not id_fields:
        identity = plain(document["_id"])
    elif len(id_fields) == 1:
        identity = plain(document[id_fields[0]])
    else:
        identity = {name: plain(document[name]) for name in id_fields}
    return {"_id": identity, **{name: plain(value) for name, value in document.items() if name != "_id"}}


def plain(value: Any) -> Any:
    """Return ObjectId, Decimal128 and Date as strings, and other values unchanged."""
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
    """Return one text for equal documents: names in any order, 1 and 1.0 different."""
    return json.dumps(document, sort_keys=True)


def texts(documents: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the documents' texts by the text of their _ids."""
    return {json.dumps(document["_id"], sort_keys=True): text(document) for document in documents}

"""Models for tests: the project's own with edits, or new collections of a few fields."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

from conformance.model.collection import Model
from conformance.model.schemas.loading import load_model
from tests.root import ROOT

#: As the new value of an edit: remove the key.
ABSENT: Final = object()
#: (file, JSON pointer, new value)
Edit = tuple[str, str, Any]


@cache
def shipped_model() -> Model:
    """Return the project's own model, read once in a process."""
    return load_model(ROOT)


@cache
def _own() -> Mapping[str, Any]:
    files = (ROOT / "schemas").glob("*.json")
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files}


def edited_model(folder: Path, edits: Sequence[Edit]) -> Path:
    """Write a folder with the project's schemas, edited, and an empty config/.

    The folder contains only the edited schemas and those that they refer to before or after the edit; all if there are
    no edits.
    """
    schemas = copy.deepcopy(dict(_own()))
    for name, pointer, value in edits:
        _edit(schemas[name], pointer, value)
    wanted = [name for name, _, _ in edits] or list(schemas)
    for name in wanted:
        for target in sorted(_targets(_own()[name]) | _targets(schemas[name])):
            if target in schemas and target not in wanted:
                wanted.append(target)
    return write_model(folder, {name: schemas[name] for name in wanted})


def _targets(schema: Any) -> set[str]:
    fields = schema.get("properties", {}).values()
    declared = [field["x-reference"] for field in fields if isinstance(field, dict) and "x-reference" in field]
    places = [place for one in declared for place in ([one] if isinstance(one, str) else one)]
    return {place.split(".")[0] for place in places}


def write_model(folder: Path, schemas: Mapping[str, Any]) -> Path:
    """Write a folder with these schemas and an empty config/."""
    (folder / "schemas").mkdir()
    (folder / "config").mkdir()
    for name, schema in schemas.items():
        (folder / "schemas" / f"{name}.json").write_text(json.dumps(schema, indent=1), encoding="utf-8")
    return folder


def _edit(document: Any, pointer: str, value: Any) -> None:
    *head, last = [part.replace("~1", "/") for part in pointer.strip("/").split("/")]
    for part in head:
        document = document[int(part)] if isinstance(document, list) else document[part]
    if value is ABSENT:
        del document[int(last) if isinstance(document, list) else last]
    elif isinstance(document, list):
        document[int(last) : int(last) + 1] = [value]
    else:
        document[last] = value


def collection_of(
    properties: Mapping[str, Any], *, optional: Sequence[str] = (), cardinality: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the schema of a collection that is not synced; by default with an ObjectId as _id, and 100 documents."""
    fields = {"_id": {"x-bson": "objectId"}, **properties}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Things",
        "type": "object",
        "additionalProperties": False,
        "required": [name for name in fields if name not in optional],
        "properties": fields,
        "x-cardinality": cardinality or {"exactly": 100},
        "x-sync": {"enabled": False},
    }


def model_of(folder: Path, schemas: Mapping[str, Any]) -> Model:
    """Return the loaded model of these schemas."""
    return load_model(write_model(folder, schemas))

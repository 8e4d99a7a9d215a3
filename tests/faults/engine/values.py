"""Values of an edit: Extended JSON for types that YAML lacks, a few makers, and $$name.path for a document's value."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from bson import json_util

from conformance.model.collection import Model
from conformance.model.validators.profiles import provisioned_validator
from tests.models import shipped_model

_NAME: Final = re.compile(r"^\$\$([a-z]+)\.([A-Za-z0-9_.]+)$")
#: Made here, because written out they would be too long, or look like a credential to a scanner.
_MAKERS: Final[Mapping[str, Callable[..., Any]]] = {
    "$times": lambda text, number: text * number,
    "$list": lambda value, number: [value] * number,
    "$keys": lambda number: {f"key_{position}": 1 for position in range(number)},
    "$nested": lambda levels: _nested(levels),
    "$join": lambda *parts: "".join(parts),
    "$upper": str.upper,
    "$validator": lambda name, profile: provisioned_validator(_model()[name], profile),
}


@cache
def _model() -> Model:
    return shipped_model()


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"m": value}
    return value


def made(data: Any, named: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return the data with every maker, every Extended JSON value and every $$name.path replaced by its value.

    A $$name that is not in ``named`` is left unchanged: it is a variable of MongoDB, such as $$ROOT.
    """
    if isinstance(data, Mapping):
        if len(data) == 1:
            ((key, value),) = data.items()
            if key in _MAKERS:
                value = made(value, named)
                return _MAKERS[key](*value) if isinstance(value, list) else _MAKERS[key](value)
        plain = {made(key, named): made(value, named) for key, value in data.items()}
        return _extended(plain) if any(str(key).startswith("$") for key in plain) else plain
    if isinstance(data, list | tuple):
        return [made(item, named) for item in data]
    match = _NAME.match(data) if isinstance(data, str) else None
    return at(named[match[1]], match[2]) if match and match[1] in named else data


def _extended(data: dict[str, Any]) -> Any:
    """{"$numberDecimal": "1.5"} as the BSON value; other operators unchanged."""
    if len(data) > 2 or not data.keys() <= _EXTENDED:
        return data
    return json_util.loads(json.dumps(data), json_options=json_util.CANONICAL_JSON_OPTIONS)


_EXTENDED: Final = {
    "$numberDecimal", "$numberDouble", "$numberLong", "$numberInt", "$date", "$oid", "$binary", "$uuid",
    "$regularExpression", "$timestamp", "$minKey", "$maxKey", "$code", "$undefined", "$symbol",
}  # fmt: skip


def at(document: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path; KeyError names the missing part."""
    value: Any = document
    for part in path.split("."):
        value = value[_place(value, part)]
    return value


def put(document: Any, path: str, value: Any) -> None:
    """Set the value at a dotted path in place; in a list a part is an index, or name=stores for an entry."""
    *parents, last = path.split(".")
    for part in parents:
        document = document.setdefault(part, {}) if isinstance(document, dict) else document[_place(document, part)]
    document[_place(document, last)] = value


def take(document: Any, path: str) -> Any:
    """Remove the value at a dotted path in place and return it; KeyError if it does not exist."""
    *parents, last = path.split(".")
    for part in parents:
        document = document[_place(document, part)]
    return document.pop(_place(document, last))


def _place(value: Any, part: str) -> Any:
    if not isinstance(value, list):
        return part
    key, equals, wanted = part.partition("=")
    if not equals:
        return int(part)
    found = [n for n, entry in enumerate(value) if str(entry[key]) == wanted]
    if not found:
        raise KeyError(part)
    return found[0]

"""Dotted paths, as MongoDB's queries name fields: followed into a document, and as a rule's id names them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_NOT_IN_IDS: Final = re.compile(r"[^\w+-]")


def value_at(document: Mapping[str, Any], path: str) -> Any:
    """Return the value at the path, None where there is none; a list on the way there is given as it is."""
    value: Any = document
    for name in path.split("."):
        if isinstance(value, list):
            return value
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def as_subject(*paths: str) -> str:
    """Return field names as the subject of a rule's id: lower case, with a hyphen for every other character.

    Arrays and maps on the way have no name.
    """
    names = (path.replace("[]", "").replace(".*", "") for path in paths)
    return "+".join(_NOT_IN_IDS.sub("-", name.lower()) for name in names)


def id_parts(rule_id: str) -> tuple[str, str, str]:
    """Return family, collection and subject of a rule's id; only a collection's name may hold dots."""
    family, _, rest = rule_id.partition(".")
    collection, _, subject = rest.rpartition(".")
    return family, collection, subject

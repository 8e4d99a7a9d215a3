"""Names that a model takes: of collections, those that MongoDB, a file and a rule's id can hold; of fields, others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from conformance.model.paths import VALUES
from conformance.text.rendering import named

#: Bytes of a collection's name: with the database's name MongoDB takes 255, and so does the name of a file.
MAX_COLLECTION_BYTES: Final = 200
#: Collections that a rule's id names without being one.
_PSEUDO: Final = frozenset({"_database", "_config"})
_MAX_FIELD: Final = 256
_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")
#: Characters with a meaning in shell patterns, lists of names, addresses, folders or aggregation expressions.
_RESERVED: Final = re.compile(r"""[$%/\\*?\[\],"'`|<>]""")


def unfit_collection(name: str) -> str | None:
    """Return why a model cannot name a collection so; None if it can."""
    found = _RESERVED.search(name)
    if found is not None:
        return f"it has {found[0]}, which patterns of rule ids and names of files reserve"
    if not name.isprintable() or name != name.strip():
        return f"{named(name)} begins or ends with a blank, or has a character that is not seen"
    if not name or name.strip(".") != name or ".." in name or name.startswith("system."):
        return "it is empty, begins with system., or has a dot at its start, at its end or twice"
    if name in _PSEUDO:
        return "rules about the whole database have this name"
    if len(name.encode()) > MAX_COLLECTION_BYTES:
        return f"it is longer than {MAX_COLLECTION_BYTES} bytes"
    return None


def unfit_field(name: str) -> str | None:
    """Return why a schema cannot define a field of this name; None if it can (see schemas/vocabulary.json)."""
    if not name:
        return "its name is empty"
    if "." in name:
        return "its name has a dot, which MongoDB reads as a path"
    if name.startswith("$"):
        return "its name begins with $, which MongoDB reads as an operator"
    if _CONTROL.search(name):
        return "its name has a control character"
    if "[" in name or name == VALUES:
        return "its name has a bracket, or is *, which paths of a model reserve for arrays and maps"
    return "its name is too long" if len(name) > _MAX_FIELD else None


def split_place(place: str, collections: Iterable[str]) -> tuple[str, str]:
    """Return the collection and the path of ``<collection>.<path>``; a collection's name may hold dots itself.

    Of several collections with which the text could begin, the one with the longest name is meant; where there is
    none, the part before the first dot.
    """
    known = [name for name in collections if place.startswith(f"{name}.")]
    if known:
        name = max(known, key=len)
        return name, place[len(name) + 1 :]
    name, _, path = place.partition(".")
    return name, path

"""The name under which a pipeline has the document that a reference leads to."""

from __future__ import annotations

import re
from typing import Final

from conformance.model.collection import Collection, Reference

#: Names that the pass over a reference gives to its own sums and flags (conformance/checks/joins).
_OF_THE_PASS: Final = re.compile(r"_(n|live|all|parents|kept|latest|died|missing|orphaned|[a-z]+[0-9]+)(_examined)?")


def parent_name(collection: Collection, reference: Reference) -> str:
    """Return ``_<reference field>``, with more underscores where the collection or the pass has such a name itself."""
    name = f"_{reference.field}"
    while collection.has(name) or _OF_THE_PASS.fullmatch(name):
        name = f"_{name}"
    return name

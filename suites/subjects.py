"""Parameters of tests without a rule: each collection, unique index or reference of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from conformance.model.collection import Model

#: By the name of a test's argument: the id and the value of each of its tests.
SUBJECTS: Final[Mapping[str, Callable[[Model], Iterable[tuple[str, Any]]]]] = {
    "collection": lambda model: [(each.name, each) for each in model],
    "unique": lambda model: [
        (f"{each.name}.{index.subject}", (each, index))
        for each in model
        for index in each.indexes
        if index.unique and not index.options
    ],
    "reference": lambda model: [(f"{each.name}.{r.field}", r) for each in model for r in each.references if not r.many],
}

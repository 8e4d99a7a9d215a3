"""Indexes that apps make on a device, and the plans that their queries must have there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, model_validator

from conformance.ditto.engine import Step
from conformance.files.strict_files import Strict
from conformance.text.suggestion import did_you_mean

#: The operators of the engine's plans (SDK 5.2.0.dev0).
OPERATORS: Final = (
    *("countScan", "distinct", "fetch", "filter", "finalProjection", "groupBy", "idScan", "indexScan"),
    *("intersectScan", "limit", "nlJoin", "projection", "scan", "sort", "unionScan", "valueScan"),
)
FieldPath = Annotated[str, StringConstraints(pattern=r"^[^.`\x00-\x1f]+([.][^.`\x00-\x1f]+)*$")]
#: Fields with their directions, as MongoDB's index keys are written.
Index = Annotated[Mapping[FieldPath, Literal[1, -1]], Field(min_length=1)]


class DevicePlan(Strict):
    """The required plan of a device query, by the engine's names of operators.

    ``indexed`` are fields that one index must be sought by: without them the engine would take another index, and read
    more of the collection.
    """

    require: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()
    indexed: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _known(self) -> DevicePlan:
        if not self.require and not self.forbid and not self.indexed:
            raise ValueError("plan: set require, forbid or indexed")
        for name in (*self.require, *self.forbid):
            if name not in OPERATORS:
                raise ValueError(f"no plan has {name}; {did_you_mean(name, OPERATORS)}")
        return self

    def problems(self, plan: Sequence[Step]) -> Iterator[str]:
        """Yield what a plan lacks, and what it has and must not have."""
        operators = {step.operator for step in plan}
        yield from (f"its plan has no {name}" for name in self.require if name not in operators)
        yield from (f"its plan has {name}" for name in self.forbid if name in operators)
        if self.indexed and not any({*self.indexed} <= {*step.sought} for step in plan):
            used = ", ".join(step.index for step in plan if step.index) or "no index"
            yield f"no index is sought by {', '.join(self.indexed)} (it uses {used})"


def create_index(collection: str, index: Mapping[str, int]) -> str:
    """Return the statement that makes an index; its name follows from what it indexes."""
    name = re.sub(r"\W", "_", "_".join([collection, *index]))
    fields = ", ".join(
        f"{'.'.join(f'`{part}`' for part in path.split('.'))}{' DESC' if direction < 0 else ''}"
        for path, direction in index.items()
    )
    return f"CREATE INDEX IF NOT EXISTS `{name}` ON `{collection}` ({fields})"

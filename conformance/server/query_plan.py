"""Query plans in one vocabulary for every engine, version and topology of the server.

The classic engine and the slot-based one (explainVersion 2), find and aggregate, standalone and sharded all nest the
same facts differently. Here an explain is walked whole, the winning plans only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

#: Not the winning plan, or words of the user's that could be mistaken for stages.
_ASIDE: Final = frozenset(
    {"rejectedPlans", "allPlansExecution", "executionStages", "slotBasedPlan", "command", "serverInfo"}
    | {"serverParameters", "parsedQuery", "filter", "indexBounds", "transformBy", "sortPattern", "keyPattern"}
    | {"indexFilterKey", "parsedTextQuery", "indexPrefix", "$clusterTime"}
)
#: Stages that are another name for one that plans are written with.
_SAME_AS: Final[Mapping[str, str]] = {
    "EXPRESS_IXSCAN": "IXSCAN",
    "EXPRESS_CLUSTERED_IXSCAN": "IXSCAN",
    "CLUSTERED_IXSCAN": "IXSCAN",
    "IDHACK": "IXSCAN",
    "COUNT_SCAN": "IXSCAN",
    "DISTINCT_SCAN": "IXSCAN",
    "TEXT_MATCH": "TEXT",
    "TEXT_OR": "TEXT",
    "SORT_MERGE": "MERGE",
    "$sort": "SORT",
}
#: The names that plans are written with; what else is forbidden could never be there. Aggregation stages have a $.
STAGES: Final = frozenset(
    {"COLLSCAN", "IXSCAN", "FETCH", "SORT", "LIMIT", "SKIP", "TEXT", "GROUP", "EQ_LOOKUP", "MERGE", "OR", "AND_HASH"}
    | {"AND_SORTED", "PROJECTION_SIMPLE", "PROJECTION_DEFAULT", "PROJECTION_COVERED", "SHARDING_FILTER", "SHARD_MERGE"}
    | {"SINGLE_SHARD", "EOF", "UNWIND", "GEO_NEAR_2DSPHERE", "GEO_NEAR_2D"}
)
#: Strategies of a $lookup in the slot-based engine.
_LOOKUP_STRATEGY: Final[Mapping[str, str]] = {
    "IndexedLoopJoin": "IXSCAN",
    "DynamicIndexedLoopJoin": "IXSCAN",
    "NestedLoopJoin": "COLLSCAN",
    "HashJoin": "COLLSCAN",
}


@dataclass(frozen=True)
class Explained:
    """One executed plan: stages and indexes of the winning plans, in order of appearance; documents and keys read.

    ``documents`` and ``keys`` are those of the collection asked; what a $lookup read is among them only where the
    slot-based engine ran it. ``ranges`` has, for each scan of an index, how many ranges of keys it was to read.
    """

    stages: tuple[str, ...]
    indexes: tuple[str, ...]
    documents: int
    keys: int
    returned: int
    ranges: tuple[int, ...] = ()

    def as_evidence(self) -> dict[str, Any]:
        """Return the plan as a report shows it."""
        return {
            "stages": list(self.stages),
            "indexes": list(self.indexes),
            "documents_examined": self.documents,
            "keys_examined": self.keys,
            "returned": self.returned,
        }


@dataclass
class _Found:
    stages: dict[str, None] = field(default_factory=dict)
    indexes: dict[str, None] = field(default_factory=dict)
    statistics: list[Mapping[str, Any]] = field(default_factory=list)
    ranges: list[int] = field(default_factory=list)


def explained(explain: Mapping[str, Any]) -> Explained:
    """Read the answer of the explain command with verbosity executionStats."""
    found = _Found()
    _walk(explain, found)
    return Explained(
        stages=tuple(found.stages),
        indexes=tuple(found.indexes),
        documents=sum(int(one.get("totalDocsExamined", 0)) for one in found.statistics),
        keys=sum(int(one.get("totalKeysExamined", 0)) for one in found.statistics),
        returned=_returned(explain, found),
        ranges=tuple(found.ranges),
    )


def _walk(node: Any, found: _Found) -> None:
    if isinstance(node, list):
        for item in node:
            _walk(item, found)
        return
    if not isinstance(node, Mapping):
        return
    for stage in _stages(node):
        found.stages[stage] = None
    for index in _indexes(node):
        found.indexes[index] = None
    bounds = node.get("indexBounds")
    if isinstance(bounds, Mapping):
        found.ranges.append(math.prod(len(each) for each in bounds.values() if isinstance(each, list)))
    for key, value in node.items():
        if key == "executionStats" and isinstance(value, Mapping):
            found.statistics.append(value)
        elif key not in _ASIDE and (not key.startswith("$") or key == "$cursor"):
            _walk(value, found)


def _stages(node: Mapping[str, Any]) -> Iterator[str]:
    stage = node.get("stage")
    if isinstance(stage, str):
        yield _SAME_AS.get(stage, stage)
    strategy = node.get("strategy")
    if isinstance(strategy, str) and strategy in _LOOKUP_STRATEGY:
        yield _LOOKUP_STRATEGY[strategy]
    for key in node:
        if key.startswith("$") and key not in _ASIDE and key != "$cursor":
            yield _SAME_AS.get(key, key)
            if node.get("collectionScans"):
                yield "COLLSCAN"


def _indexes(node: Mapping[str, Any]) -> Iterator[str]:
    name = node.get("indexName")
    if isinstance(name, str):
        yield name
    used = node.get("indexesUsed")
    yield from (str(one) for one in used) if isinstance(used, list) else ()


def _returned(explain: Mapping[str, Any], found: _Found) -> int:
    """Return what came out at the end: of the last stage of a pipeline, else of the plan; the sum over shards."""
    stages = explain.get("stages")
    if isinstance(stages, list) and stages and "nReturned" in stages[-1]:
        return int(stages[-1]["nReturned"])
    return sum(int(one.get("nReturned", 0)) for one in found.statistics)

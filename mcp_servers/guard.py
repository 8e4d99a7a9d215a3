"""What an aggregation may be: read-only, of known stages, and confined to what the caller may see.

Every collection that a pipeline reads, however deep, is first narrowed to the caller's documents. That comes before
all other stages and cannot be widened by them. A caller's own stages stand behind a $limit that limits nothing: the
server moves no condition past it, so that none is evaluated on a document that the caller may not see, not even to fail
on it, which would tell that the document is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Stage = dict[str, Any]

#: Everything that a caller's pipeline may consist of.
STAGES: Final = frozenset(
    {
        *("$addFields", "$bucket", "$bucketAuto", "$count", "$facet", "$graphLookup", "$group", "$limit", "$lookup"),
        *("$match", "$project", "$replaceRoot", "$replaceWith", "$sample", "$set", "$setWindowFields", "$skip"),
        *("$sort", "$sortByCount", "$unionWith", "$unset", "$unwind"),
    }
)
#: What runs programs on the server, writes, or tells about the database's users, wherever it stands.
FORBIDDEN: Final = frozenset({"$where", "$function", "$accumulator", "$out", "$merge", "$$USER_ROLES"})
#: A place that nothing moves past: the most that $limit takes.
BARRIER: Final[Mapping[str, Any]] = {"$limit": 2**63 - 1}
_MAX_STAGES: Final = 50
_MAX_DEPTH: Final = 40
#: Operators that compare and do nothing else: they never fail on a document, so they may be merged with the filter.
_COMPARES: Final = frozenset({"$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$exists"})
_COMBINES: Final = frozenset({"$and", "$or", "$nor"})


class RefusedError(Exception):
    """A pipeline that is not run; the text says what is wrong with it and what to write instead."""


@dataclass(frozen=True)
class View:
    """What a caller sees of a collection: documents that meet the filter, without the hidden fields."""

    filter: Mapping[str, Any]
    hidden: tuple[str, ...] = ()


#: The view of each collection by name; None for a name that is no collection of the model.
Sight = Callable[[str], View | None]


def confined(pipeline: Sequence[Mapping[str, Any]], collection: str, sight: Sight) -> list[Stage]:
    """The pipeline as it may be run on the collection; for pipelines of the servers' own, whose stages are known.

    Raises RefusedError for a collection that the model does not have.
    """
    view = _view(collection, sight)
    return [*_narrowed(view), *(stage_confined(stage, sight, confined) for stage in pipeline)]


def confined_foreign(pipeline: Any, collection: str, sight: Sight) -> list[Stage]:
    """A caller's pipeline as it may be run.

    Raises RefusedError when it is no pipeline, writes, runs programs, or reads what no caller may.
    """
    _check_depth(pipeline, 0)
    return _foreign(pipeline, collection, sight)


def _foreign(pipeline: Any, collection: Any, sight: Sight) -> list[Stage]:
    stages = _stages(pipeline)
    view = _view(collection, sight)
    narrowed = _narrowed(view)
    if stages and not view.hidden and "$match" in stages[0] and _harmless(stages[0]["$match"]):
        narrowed = [{"$match": {"$and": [dict(view.filter), stages[0]["$match"]]}}]
        stages = stages[1:]
    barrier = [dict(BARRIER)] if view.filter or view.hidden else []
    return [*narrowed, *barrier, *(stage_confined(stage, sight, _foreign) for stage in stages)]


def _view(collection: Any, sight: Sight) -> View:
    view = sight(collection) if isinstance(collection, str) else None
    if view is None:
        raise RefusedError(f"there is no collection {str(collection)[:60]!r}; get_collection_schemas lists them")
    return view


def _narrowed(view: View) -> list[Stage]:
    hidden: list[Stage] = [{"$unset": list(view.hidden)}] if view.hidden else []
    return [{"$match": dict(view.filter)}, *hidden]


Confine = Callable[[Any, Any, Sight], list[Stage]]


def stage_confined(stage: Mapping[str, Any], sight: Sight, confine: Confine) -> Stage:
    """The stage with every collection that it reads narrowed by ``confine``."""
    ((name, body),) = stage.items()
    rewrite = _REWRITES.get(name)
    return {name: rewrite(body, sight, confine) if rewrite else body}


def _lookup(body: Any, sight: Sight, confine: Confine) -> Any:
    if not isinstance(body, Mapping) or "from" not in body:
        raise RefusedError("$lookup needs from: the name of a collection")
    return {**body, "pipeline": confine(body.get("pipeline", []), body["from"], sight)}


def _graph_lookup(body: Any, sight: Sight, _: Confine) -> Any:
    if not isinstance(body, Mapping):
        raise RefusedError("$graphLookup needs from: the name of a collection")
    view = _view(body.get("from"), sight)
    if view.hidden:
        raise RefusedError(f"$graphLookup cannot read {body['from']}; use $lookup")
    wanted = body.get("restrictSearchWithMatch", {})
    if not _harmless(wanted):
        raise RefusedError(
            "restrictSearchWithMatch may only compare fields ($eq, $ne, $gt, $gte, $lt, $lte, $in, $exists)"
        )
    return {**body, "restrictSearchWithMatch": {"$and": [dict(view.filter), wanted]}}


def _union(body: Any, sight: Sight, confine: Confine) -> Any:
    if isinstance(body, str):
        body = {"coll": body}
    if not isinstance(body, Mapping) or "coll" not in body:
        raise RefusedError("$unionWith needs coll: the name of a collection")
    return {**body, "pipeline": confine(body.get("pipeline", []), body["coll"], sight)}


def _facet(body: Any, sight: Sight, _: Confine) -> Any:
    """Its pipelines get documents that are narrowed already; what they look up besides is not."""
    if not isinstance(body, Mapping):
        raise RefusedError("$facet needs a pipeline for each name")
    return {
        name: [stage_confined(stage, sight, _foreign) for stage in _stages(pipeline)] for name, pipeline in body.items()
    }


_REWRITES: Final[Mapping[str, Callable[[Any, Sight, Confine], Any]]] = {
    "$lookup": _lookup,
    "$graphLookup": _graph_lookup,
    "$unionWith": _union,
    "$facet": _facet,
}


def _stages(pipeline: Any) -> list[Stage]:
    if not isinstance(pipeline, list) or not all(isinstance(stage, dict) and len(stage) == 1 for stage in pipeline):
        raise RefusedError('a pipeline is a list of stages, each an object with one key, such as {"$match": {...}}')
    if len(pipeline) > _MAX_STAGES:
        raise RefusedError(f"the pipeline has {len(pipeline)} stages, more than {_MAX_STAGES}; ask for less at once")
    for stage in pipeline:
        (name,) = stage
        if name not in STAGES:
            raise RefusedError(f"the stage {name[:40]} is not allowed; use {', '.join(sorted(STAGES))}")
    return pipeline


def _check_depth(part: Any, depth: int) -> None:
    """Refuse what is forbidden wherever it stands, as a key or as a value, and what is nested too deep."""
    if depth > _MAX_DEPTH:
        raise RefusedError(f"the pipeline is nested more than {_MAX_DEPTH} deep; ask for less at once")
    if isinstance(part, Mapping):
        for key, value in part.items():
            _check_word(key)
            _check_depth(value, depth + 1)
    elif isinstance(part, list):
        for value in part:
            _check_depth(value, depth + 1)
    elif isinstance(part, str):
        _check_word(part)


def _check_word(word: str) -> None:
    if word.split(".")[0] in FORBIDDEN or word.startswith("$_"):
        raise RefusedError(f"{word[:40]} is not allowed: pipelines only read, and run no programs")


def _harmless(condition: Any) -> bool:
    """True for a condition that only compares fields with values, or looks for words."""
    if not isinstance(condition, Mapping):
        return False
    return all(_harmless_part(key, value) for key, value in condition.items())


def _harmless_part(key: str, value: Any) -> bool:
    if key in _COMBINES:
        return isinstance(value, list) and bool(value) and all(_harmless(part) for part in value)
    if key.startswith("$"):
        return key == "$text"
    return not isinstance(value, Mapping) or value.keys() <= _COMPARES

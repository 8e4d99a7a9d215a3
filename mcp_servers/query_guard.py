"""Checks of aggregations: read-only, made of known parts, and limited to documents that the caller may see.

Every collection that a pipeline reads, however deep, is first narrowed to the caller's documents, and the hidden fields
are removed. That comes before all other stages and cannot be widened by them. A caller's own stages stand behind a
$limit that limits nothing: the server moves no condition past it, so that none is evaluated on a document that the
caller may not see, not even to fail on it, which would tell that the document is there. The server compares a $lookup's
foreignField before that, so a hidden field's name is refused wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mcp_servers.expressions import RefusedError
from mcp_servers.matching import harmless
from mcp_servers.stages import STAGES, Stages

Stage = dict[str, Any]

#: Runs programs on the server, writes, or tells about the database's users, wherever it stands.
FORBIDDEN: Final = frozenset({"$where", "$function", "$accumulator", "$out", "$merge", "$$USER_ROLES"})
#: A place that nothing moves past: the most that $limit takes.
BARRIER: Final[Mapping[str, Any]] = {"$limit": 2**63 - 1}
_MAX_STAGES: Final = 50
_MAX_DEPTH: Final = 40
_MAX_PARTS: Final = 5_000
_MAX_TEXT: Final = 2_000


@dataclass(frozen=True)
class View:
    """The view of a caller on a collection: documents that match the filter, without the hidden fields."""

    filter: Mapping[str, Any]
    hidden: tuple[str, ...] = ()


#: The view of each collection by name; None for a name that is not a collection of the model.
Sight = Callable[[str], View | None]


def confined(pipeline: Sequence[Mapping[str, Any]], collection: str, sight: Sight) -> list[Stage]:
    """Return the pipeline as it may be run on the collection; for the servers' own pipelines, whose stages are known.

    Raises RefusedError for a collection that the model does not have.
    """
    return [*_narrowed(_view(collection, sight)), *(stage_confined(stage, sight) for stage in pipeline)]


def stage_confined(stage: Mapping[str, Any], sight: Sight) -> Stage:
    """Return a stage of the servers' own with the collection that it looks up narrowed."""
    ((name, body),) = stage.items()
    if name != "$lookup":
        return {name: body}
    return {name: {**body, "pipeline": confined(body.get("pipeline", []), body["from"], sight)}}


def confined_foreign(pipeline: Any, collection: str, sight: Sight, hidden: Sequence[str] = ()) -> list[Stage]:
    """Return a caller's pipeline as it may be run; ``hidden`` names the fields that it may not mention.

    Raises RefusedError when it is not a pipeline, writes, runs programs, names a hidden field, has a part that is not
    known, or could keep the server busy with one document.
    """
    _Words(hidden).check(pipeline, 0)
    return _Caller(sight).confined(pipeline, collection, {})


class _Caller(Stages):
    """The stages of one caller's pipeline."""

    def __init__(self, sight: Sight) -> None:
        super().__init__()
        self._sight = sight

    def confined(self, pipeline: Any, collection: Any, variables: Mapping[str, Any]) -> list[Stage]:
        stages = self.listed(pipeline)
        view = _view(collection, self._sight)
        narrowed = _narrowed(view)
        if stages and not view.hidden and "$match" in stages[0] and harmless(stages[0]["$match"]):
            first = self.checked(stages[:1], variables)
            narrowed = [{"$match": {"$and": [dict(view.filter), first[0]["$match"]]}}]
            stages = stages[1:]
        barrier = [dict(BARRIER)] if view.filter or view.hidden else []
        return [*narrowed, *barrier, *self.checked(stages, variables)]

    def graph_filter(self, collection: Any) -> Mapping[str, Any]:
        view = _view(collection, self._sight)
        if view.hidden:
            raise RefusedError(f"$graphLookup cannot read {collection}; use $lookup")
        return view.filter

    def listed(self, pipeline: Any) -> list[Stage]:
        if not isinstance(pipeline, list) or not all(isinstance(stage, dict) and len(stage) == 1 for stage in pipeline):
            raise RefusedError('a pipeline is a list of stages, each an object with one key, such as {"$match": {...}}')
        if len(pipeline) > _MAX_STAGES:
            raise RefusedError(
                f"the pipeline has {len(pipeline)} stages, more than {_MAX_STAGES}; send a smaller query"
            )
        for stage in pipeline:
            (name,) = stage
            if name not in STAGES:
                raise RefusedError(f"the stage {name[:40]} is not allowed; use {', '.join(sorted(STAGES))}")
        return pipeline


def _view(collection: Any, sight: Sight) -> View:
    view = sight(collection) if isinstance(collection, str) else None
    if view is None:
        raise RefusedError(f"there is no collection {str(collection)[:60]!r}; get_collection_schemas lists them")
    return view


def _narrowed(view: View) -> list[Stage]:
    hidden: list[Stage] = [{"$unset": list(view.hidden)}] if view.hidden else []
    return [{"$match": dict(view.filter)}, *hidden]


class _Words:
    """Refuse forbidden words and hidden fields wherever they stand, as a key or as a value, and too large pipelines."""

    def __init__(self, hidden: Sequence[str]) -> None:
        self._hidden = frozenset(hidden)
        self._parts = 0

    def check(self, part: Any, depth: int) -> None:
        """Look at a part and all parts in it."""
        self._parts += 1
        if depth > _MAX_DEPTH:
            raise RefusedError(f"the pipeline is nested more than {_MAX_DEPTH} deep; send a smaller query")
        if self._parts > _MAX_PARTS:
            raise RefusedError(f"the pipeline has more than {_MAX_PARTS} parts; send a smaller query")
        if isinstance(part, Mapping):
            for key, value in part.items():
                self._check_word(key)
                self.check(value, depth + 1)
        elif isinstance(part, list):
            for value in part:
                self.check(value, depth + 1)
        elif isinstance(part, str):
            self._check_word(part)

    def _check_word(self, word: str) -> None:
        if len(word) > _MAX_TEXT:
            raise RefusedError(f"a text in the pipeline has more than {_MAX_TEXT} characters; write a shorter one")
        names = word.split(".")
        if names[0] in FORBIDDEN:
            raise RefusedError(f"{word[:40]} is not allowed: pipelines only read, and run no programs")
        secret = self._hidden.intersection(name.lstrip("$") for name in names)
        if secret:
            raise RefusedError(f"the field {min(secret)} is not visible; write the pipeline without it")

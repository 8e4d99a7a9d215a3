"""The fields of stored documents that a named query selects by; what its pipeline makes has names of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from conformance.config.configuration import NamedQuery

#: Stages after which documents still have the fields that are stored.
_KEEPING: Final = frozenset({"$match", "$sort", "$limit", "$skip", "$unwind", "$lookup", "$set", "$addFields"})


def stored_fields(query: NamedQuery) -> Iterator[tuple[str, str]]:
    """Yield collection and field, in the order of the query."""
    by_value = [name for name, by in query.sort.items() if not isinstance(by, Mapping)]  # not {$meta: textScore}
    for name in sorted({*_selected(query.find or {}), *by_value, *_selected(query.plan.indexed or {})}):
        yield query.collection, name
    yield from _of_stages(query.collection, query.pipeline or ())


def _of_stages(collection: str, stages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    made: set[str] = set()
    are_stored = True
    for stage in stages:
        operator, body = next(iter(stage.items()), ("", None))
        named = list(_selected(body)) if operator == "$match" else []
        if operator == "$lookup" and isinstance(body, Mapping):
            named += [body["localField"]] if "localField" in body else []
            yield from _looked_up(body)
        if are_stored:
            yield from ((collection, name) for name in named if str(name).partition(".")[0] not in made)
        are_stored = are_stored and operator in _KEEPING
        made |= set(_made(operator, body))


def _looked_up(body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    other = str(body.get("from"))
    if "foreignField" in body:
        yield other, body["foreignField"]
    yield from _of_stages(other, body.get("pipeline", ()))


def _made(operator: str, body: Any) -> Iterator[str]:
    """Yield the names of the fields that a stage adds."""
    if isinstance(body, Mapping):
        names = {"$lookup": ("as",), "$unwind": ("includeArrayIndex",)}.get(operator, ())
        yield from (str(body[name]) for name in names if name in body)
        yield from (name.partition(".")[0] for name in body if operator in ("$set", "$addFields"))


def _selected(condition: Any) -> Iterator[str]:
    """Yield the fields of a condition, and of those inside $and, $or and $nor."""
    if isinstance(condition, Mapping):
        for name, value in condition.items():
            if not name.startswith("$"):
                yield name
            elif isinstance(value, list | tuple):
                for inner in value:
                    yield from _selected(inner)

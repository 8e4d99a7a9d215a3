"""The stages of a caller's pipeline: each with its known keys, its expressions checked, its collections narrowed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Final

from mcp_servers.expressions import Expressions, RefusedError, Scope, Value, operators, size_check
from mcp_servers.matching import check_literal, checked_condition, harmless

Stage = dict[str, Any]
Variables = Mapping[str, Value]

#: The parts of a stage that hold plain values, paths or names; those with expressions; the other ones.
_PLAIN: Final[Mapping[str, frozenset[str] | None]] = {
    "$count": None,
    "$limit": None,
    "$skip": None,
    "$unset": None,
    "$sample": frozenset({"size"}),
    "$unwind": frozenset({"path", "includeArrayIndex", "preserveNullAndEmptyArrays"}),
}
_ACCUMULATORS: Final = operators(
    "addToSet avg bottom bottomN count first firstN last lastN max maxN median mergeObjects min minN percentile push"
    " stdDevPop stdDevSamp sum top topN"
)
_WINDOW_OPERATORS: Final = _ACCUMULATORS | operators(
    "covariancePop covarianceSamp denseRank derivative documentNumber expMovingAvg integral linearFill locf rank shift"
)

#: Stages that can leave documents larger than those that the collection holds.
_COLLECT: Final = frozenset(
    {"$bucket", "$bucketAuto", "$facet", "$graphLookup", "$group", "$lookup", "$setWindowFields", "$sortByCount"}
)


class Stages(ABC):
    """Check the stages of one pipeline, and of those within it, against one budget."""

    def __init__(self) -> None:
        self._expressions = Expressions()

    @abstractmethod
    def listed(self, pipeline: Any) -> list[Stage]:
        """Return the stages of a pipeline, each of which has one known name."""

    @abstractmethod
    def confined(self, pipeline: Any, collection: Any, variables: Variables) -> list[Stage]:
        """Return a pipeline on a collection as it may be run."""

    @abstractmethod
    def graph_filter(self, collection: Any) -> Mapping[str, Any]:
        """Return the condition on the documents that $graphLookup may read."""

    def checked(self, stages: list[Stage], variables: Variables, large: bool = False) -> list[Stage]:
        """Return the stages as they may be run, with a size check where a stage might build from large documents.

        ``large`` says whether the first stage may already get some.
        """
        made: list[Stage] = []
        for stage in stages:
            ((name, body),) = stage.items()
            self._expressions.budget.builds = False
            ready = {name: _STAGES[name](self, body, Scope(variables))} if name not in _PLAIN else _plain(name, body)
            builds = self._expressions.budget.builds
            if builds and large:
                made.append(size_check())
            made.append(ready)
            large |= builds or name in _COLLECT
        return made

    def _expression(self, body: Any, scope: Scope) -> Any:
        return self._expressions.checked(body, scope)[0]

    def _match(self, body: Any, scope: Scope) -> Any:
        return checked_condition(body, self._expressions, scope)

    def _fields(self, body: Any, scope: Scope) -> Any:
        """Check $set, $addFields and $project: a computed field that holds data makes the document larger."""
        if not isinstance(body, Mapping):
            raise RefusedError('name each field with its value, such as {"month": {"$month": ...}}')
        made = {}
        for path, part in body.items():
            if path.startswith("$"):
                raise RefusedError(f"{path[:40]} is not the name of a field")
            if isinstance(part, Mapping) and part and not any(key.startswith("$") for key in part):
                made[path] = self._fields(part, scope)
                continue
            made[path], value = self._expressions.checked(part, scope)
            self._expressions.budget.builds |= value.copies > 0
        return made

    def _group(self, body: Any, scope: Scope) -> Any:
        given = _keyed("$group", body, frozenset({"_id"}))
        made = {"_id": self._expression(given["_id"], scope)}
        return made | self._accumulated({name: part for name, part in given.items() if name != "_id"}, scope)

    def _accumulated(self, body: Any, scope: Scope, allowed: frozenset[str] = _ACCUMULATORS) -> dict[str, Any]:
        made = {}
        for name, part in _keyed("an accumulator", body, frozenset()).items():
            accumulator, *others = (
                [key for key in part if key.startswith("$")] if isinstance(part, Mapping) else []
            ) or [""]
            if accumulator not in allowed or others or len(part) > 1 + ("window" in part):
                raise RefusedError(f"{name[:40]} needs one accumulator of {', '.join(sorted(allowed))}")
            made[name] = {**part, accumulator: self._operand(part[accumulator], scope)}
            check_literal(part.get("window", {}))
        return made

    def _operand(self, body: Any, scope: Scope) -> Any:
        """Check what an accumulator takes: an expression, or named operands ($topN, $shift)."""
        if isinstance(body, Mapping) and not any(key.startswith("$") for key in body):
            plain = ("sortBy", "method", "unit")
            for key in plain:
                check_literal(body.get(key))
            return {
                key: part if key in plain else self._expressions.checked(part, scope)[0] for key, part in body.items()
            }
        return self._expression(body, scope)

    def _bucket(self, body: Any, scope: Scope) -> Any:
        given = _keyed("$bucket", body, frozenset({"groupBy"}))
        _only("$bucket", given, "groupBy boundaries default output buckets granularity")
        made = {**given, "groupBy": self._expression(given["groupBy"], scope)}
        for key in given.keys() - {"groupBy", "output"}:
            check_literal(given[key])
        if "output" in given:
            made["output"] = self._accumulated(given["output"], scope)
        return made

    def _windows(self, body: Any, scope: Scope) -> Any:
        given = _keyed("$setWindowFields", body, frozenset({"output"}))
        _only("$setWindowFields", given, "partitionBy sortBy output")
        check_literal(given.get("sortBy"))
        made = {**given, "output": self._accumulated(given["output"], scope, _WINDOW_OPERATORS)}
        if "partitionBy" in given:
            made["partitionBy"] = self._expression(given["partitionBy"], scope)
        return made

    def _sort(self, body: Any, _: Scope) -> Any:
        for path, order in _keyed("$sort", body, frozenset()).items():
            if order not in (1, -1) and order != {"$meta": "textScore"}:
                raise RefusedError(f"$sort takes 1 or -1 for {path[:40]}")
        return body

    def _replace_root(self, body: Any, scope: Scope) -> Any:
        given = _keyed("$replaceRoot", body, frozenset({"newRoot"}))
        _only("$replaceRoot", given, "newRoot")
        return {"newRoot": self._expression(given["newRoot"], scope)}

    def _lookup(self, body: Any, scope: Scope) -> Any:
        if not isinstance(body, Mapping) or "from" not in body:
            raise RefusedError("$lookup needs from: the name of a collection")
        _only("$lookup", body, "from localField foreignField let pipeline as")
        _names("$lookup", body, "localField foreignField as")
        given = _keyed("let", body.get("let", {}), frozenset())
        found = {name: self._expressions.checked(part, scope) for name, part in given.items()}
        variables = {**scope.variables, **{name: value for name, (_, value) in found.items()}}
        made = {**body, "pipeline": self.confined(body.get("pipeline", []), body["from"], variables)}
        if found:
            made["let"] = {name: part for name, (part, _) in found.items()}
        self._expressions.budget.builds = any(value.copies for _, value in found.values())
        return made

    def _graph_lookup(self, body: Any, scope: Scope) -> Any:
        if not isinstance(body, Mapping):
            raise RefusedError("$graphLookup needs from: the name of a collection")
        narrowed = self.graph_filter(body.get("from"))
        wanted = body.get("restrictSearchWithMatch", {})
        _only(
            "$graphLookup",
            body,
            "from startWith connectFromField connectToField as maxDepth depthField restrictSearchWithMatch",
        )
        _names("$graphLookup", body, "connectFromField connectToField as depthField")
        if not harmless(wanted):
            raise RefusedError(
                "restrictSearchWithMatch may only compare fields ($eq, $ne, $gt, $gte, $lt, $lte, $in, $exists)"
            )
        restricted = {"$and": [dict(narrowed), checked_condition(wanted, self._expressions, scope)]}
        start = self._expression(body.get("startWith"), scope)
        return {**body, "startWith": start, "restrictSearchWithMatch": restricted}

    def _union(self, body: Any, _: Scope) -> Any:
        given = {"coll": body} if isinstance(body, str) else body
        if not isinstance(given, Mapping) or "coll" not in given:
            raise RefusedError("$unionWith needs coll: the name of a collection")
        _only("$unionWith", given, "coll pipeline")
        # $unionWith has no let; the server does not know the variables around it there.
        return {**given, "pipeline": self.confined(given.get("pipeline", []), given["coll"], {})}

    def _facet(self, body: Any, scope: Scope) -> Any:
        """Check its pipelines, which get narrowed documents; collections that they look up are narrowed too."""
        if not isinstance(body, Mapping):
            raise RefusedError("$facet needs a pipeline for each name")
        return {
            name: self.checked(self.listed(pipeline), scope.variables, large=True) for name, pipeline in body.items()
        }


def _plain(name: str, body: Any) -> Stage:
    keys = _PLAIN[name]
    if isinstance(body, Mapping):
        _only(name, body, " ".join(keys or ()))
    check_literal(body)
    return {name: body}


def _keyed(name: str, body: Any, needed: frozenset[str]) -> Mapping[str, Any]:
    if not isinstance(body, Mapping) or not needed <= body.keys():
        raise RefusedError(f"{name} needs {', '.join(sorted(needed)) or 'an object'}")
    return body


def _only(name: str, body: Mapping[str, Any], known: str) -> None:
    unknown = sorted(body.keys() - set(known.split()))
    if unknown:
        raise RefusedError(f"{name} does not take {unknown[0][:40]}; it takes {known.replace(' ', ', ') or 'a number'}")


def _names(name: str, body: Mapping[str, Any], keys: str) -> None:
    for key in keys.split():
        if key in body and (not isinstance(body[key], str) or body[key].startswith("$")):
            raise RefusedError(f"{name}: {key} must be the name of a field without $")


_STAGES: Final[Mapping[str, Callable[[Stages, Any, Scope], Any]]] = {
    "$addFields": Stages._fields,
    "$bucket": Stages._bucket,
    "$bucketAuto": Stages._bucket,
    "$facet": Stages._facet,
    "$graphLookup": Stages._graph_lookup,
    "$group": Stages._group,
    "$lookup": Stages._lookup,
    "$match": Stages._match,
    "$project": Stages._fields,
    "$replaceRoot": Stages._replace_root,
    "$replaceWith": Stages._expression,
    "$set": Stages._fields,
    "$setWindowFields": Stages._windows,
    "$sort": Stages._sort,
    "$sortByCount": Stages._expression,
    "$unionWith": Stages._union,
}
#: Everything that a caller's pipeline may consist of.
STAGES: Final = frozenset({*_STAGES, *_PLAIN})

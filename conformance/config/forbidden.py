"""A rule of one's own as a query that must find nothing: a filter of find, or a pipeline."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from bson import json_util
from pydantic import model_validator

from conformance.config.configured_rule import ConfiguredRule, Family, Subject
from conformance.text.suggestion import did_you_mean

Query = Mapping[str, Any]

#: Operators of a filter that read one document's own values. Others need an index, run JavaScript, or sort.
FILTER_OPERATORS: Final = frozenset({
    "$all", "$and", "$bitsAllClear", "$bitsAllSet", "$bitsAnyClear", "$bitsAnySet", "$comment",
    "$elemMatch", "$eq", "$exists", "$expr", "$geoIntersects", "$geoWithin", "$gt", "$gte", "$in",
    "$jsonSchema", "$lt", "$lte", "$mod", "$ne", "$nin", "$nor", "$not", "$options", "$or",
    "$regex", "$size", "$type",
})  # fmt: skip
#: Stages that read documents of the database, and change nothing.
STAGES: Final = frozenset({
    "$addFields", "$bucket", "$bucketAuto", "$count", "$densify", "$facet", "$fill", "$geoNear",
    "$graphLookup", "$group", "$limit", "$lookup", "$match", "$project", "$redact", "$replaceRoot",
    "$replaceWith", "$sample", "$set", "$setWindowFields", "$skip", "$sort", "$sortByCount",
    "$unionWith", "$unset", "$unwind",
})  # fmt: skip
#: Operators that run JavaScript.
_JAVASCRIPT: Final = frozenset({"$where", "$function", "$accumulator"})
#: Stages after which a result is no longer a document of the collection.
_REGROUPING: Final = frozenset({"$bucket", "$bucketAuto", "$count", "$facet", "$group", "$sortByCount", "$unionWith"})
#: Operators with a language of their own below them.
_OPAQUE: Final = frozenset({"$expr", "$jsonSchema", "$comment", "$geoIntersects", "$geoWithin"})
#: Values of extended JSON.
_VALUES: Final = frozenset({
    "$date", "$oid", "$numberLong", "$numberInt", "$numberDouble", "$numberDecimal", "$binary",
    "$uuid", "$timestamp", "$minKey", "$maxKey",
})  # fmt: skip
#: Operators whose value holds conditions on the document itself.
_LOGICAL: Final = frozenset({"$and", "$or", "$nor"})


class Forbidden(ConfiguredRule):
    """Documents or groups that must not exist: ``find`` is a filter, ``pipeline`` an aggregation that returns them.

    Values are MongoDB's extended JSON: ``{$date: "2024-01-01T00:00:00Z"}``, ``{$oid: …}``.
    """

    family: Family = "business"
    collection: str
    subject: Subject
    find: Query | None = None
    pipeline: tuple[Query, ...] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Forbidden:
        if (self.find is None) == (self.pipeline is None):
            raise ValueError("a rule is a find or a pipeline; write one of them")
        if not (self.find or self.pipeline):
            raise ValueError("an empty query forbids every document; write what must not be there")
        for problem in self.problems():
            raise ValueError(problem)
        return self

    def problems(self) -> Iterator[str]:
        """Yield one line for each operator that cannot be used here."""
        if self.find is not None:
            yield from (
                f"{name} cannot be used in find; {did_you_mean(name, sorted(FILTER_OPERATORS))}"
                for name in _operators(self.find)
                if name not in FILTER_OPERATORS
            )
        for position, stage in enumerate(self.pipeline or (), start=1):
            name = next(iter(stage), "")
            if len(stage) != 1 or name not in STAGES:
                hint = did_you_mean(name, sorted(STAGES))
                yield f"stage {position} of the pipeline: {name or 'nothing'} is not a stage that only reads; {hint}"
        text = json.dumps([self.find, self.pipeline], default=str)
        yield from (f"{name} runs JavaScript, which is not supported" for name in _JAVASCRIPT if f'"{name}"' in text)

    @property
    def filter(self) -> dict[str, Any]:
        """The filter with BSON's values."""
        return dict(_bson(self.find))

    @property
    def stages(self) -> list[dict[str, Any]]:
        """The pipeline with BSON's values."""
        return list(_bson(self.pipeline))

    @property
    def returns_documents(self) -> bool:
        """Return whether the results of the pipeline are documents of the collection, known by their _id."""
        return not any(_REGROUPING & stage.keys() for stage in self.pipeline or ())

    @property
    def paths(self) -> list[str]:
        """The fields of the document that the filter tests."""
        return list(dict.fromkeys(_paths(self.find or {})))

    @property
    def sources(self) -> list[str]:
        """The other collections that the pipeline reads."""
        return list(dict.fromkeys(_sources(self.pipeline or ())))


def _bson(part: Any) -> Any:
    """Return the part of a query with BSON's values in place of extended JSON's."""
    if isinstance(part, Mapping):
        if _VALUES & part.keys():
            return json_util.loads(json.dumps(part), json_options=json_util.RELAXED_JSON_OPTIONS)
        return {key: _bson(value) for key, value in part.items()}
    return [_bson(each) for each in part] if isinstance(part, list | tuple) else part


def _operators(query: Query) -> Iterator[str]:
    """Yield the operators of a filter; those within an expression or a schema are for the server to refuse."""
    for key, value in query.items():
        if key in _VALUES:
            continue
        if key.startswith("$"):
            yield key
        for each in () if key in _OPAQUE else value if isinstance(value, list | tuple) else [value]:
            if isinstance(each, Mapping):
                yield from _operators(each)


def _paths(query: Query) -> Iterator[str]:
    for key, value in query.items():
        if key in _LOGICAL:
            for each in value if isinstance(value, list | tuple) else ():
                yield from _paths(each)
        elif not key.startswith("$"):
            yield key


def _sources(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        for key, value in part.items():
            if key in ("$lookup", "$graphLookup") and isinstance(value, Mapping) and isinstance(value.get("from"), str):
                yield value["from"]
            if key == "$unionWith":
                yield str(value.get("coll") if isinstance(value, Mapping) else value)
            yield from _sources(value)
    elif isinstance(part, list | tuple):
        for each in part:
            yield from _sources(each)

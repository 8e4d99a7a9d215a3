"""Rules of one's own: queries of config/rules.yaml that must find nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from conformance.checks.base import Check, Context, Document, Rule, answer, skipped
from conformance.checks.document_scan import DocumentTest
from conformance.config.configuration import Configuration
from conformance.config.configured_rule import Family
from conformance.config.forbidden import Forbidden
from conformance.errors import ConfigurationError
from conformance.model.collection import Model
from conformance.model.index_options import may_hold
from conformance.results import Outcome, Sample
from conformance.text.paths import value_at
from conformance.text.rendering import shorten
from conformance.text.suggestion import did_you_mean


def forbidden_rules(model: Model, configuration: Configuration, family: Family) -> Iterator[Rule]:
    """Yield a rule of the family for each query under ``forbidden``.

    Raises ConfigurationError, one line, for a collection or field that the model does not have.
    """
    for query in configuration.rules.forbidden:
        if query.family == family:
            _check_names(model, query)
            yield Rule(
                id=f"{family}.{query.collection}.{query.subject}",
                title=query.title,
                check=_check(query),
                severity=query.severity,
                why=query.why,
                fix=query.fix,
            )


def _check_names(model: Model, query: Forbidden) -> None:
    where = f"{model.config('rules.yaml')}: forbidden {query.subject} of {query.collection}"
    for name in (query.collection, *query.sources):
        if name not in model.collections:
            raise ConfigurationError(f"{where}: there is no collection {name}; {did_you_mean(name, model.collections)}")
    collection = model[query.collection]
    for path in query.paths:
        if not may_hold(collection.schema, path):
            known = [field.path for field in collection.walk()]
            raise ConfigurationError(f"{where}: there is no field {path}; {did_you_mean(path, known)}")


def _check(query: Forbidden) -> Check:
    if query.find is None:
        return answer(_pipeline(query))

    def why(document: Document) -> str:
        values = ((path, value_at(document, path)) for path in query.paths)
        found = ", ".join(f"{path} {'absent' if value is None else shorten(value)}" for path, value in values)
        return f"{found or 'the document'} matches what must not exist"

    return DocumentTest(query.collection, screen=query.filter, violating=query.filter, why=why)


def _pipeline(query: Forbidden) -> Callable[[Context], Outcome]:
    def check(context: Context) -> Outcome:
        examined = context.counts[query.collection]
        if not examined:
            return skipped(f"{query.collection} is empty")
        collection = context.collection(query.collection)
        counted = next(iter(collection.aggregate([*query.stages, {"$count": "n"}], allowDiskUse=True)), {"n": 0})
        if not counted["n"]:
            return Outcome(examined)
        first = [*query.stages, {"$sort": {"_id": 1}}, {"$limit": context.sample_size}]
        rows = collection.aggregate(first, allowDiskUse=True)
        samples = context.samples(_sample(query, row) for row in rows)
        return Outcome(max(examined, counted["n"]), counted["n"], samples)

    return check


def _sample(query: Forbidden, row: Mapping[str, Any]) -> Sample:
    """Return a sample: a document by its _id, a group by its key."""
    shown = ", ".join(f"{name} {shorten(value)}" for name, value in row.items() if name != "_id")
    why = f"{shown or 'it'} is in the result of a query that must find nothing"
    if query.returns_documents and "_id" in row:
        return Sample(why, row["_id"])
    return Sample(why, ref=f"{query.collection}: {shorten(row.get('_id', dict(row)))}")

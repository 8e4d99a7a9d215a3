"""Family queries: each named query of config/queries.yaml has the plan it declares, with values from the data."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pymongo.errors import OperationFailure

from conformance.checks.base import Context, Rule, answer, listed, skipped
from conformance.config.configuration import Configuration, NamedQuery, Plan, filled
from conformance.connection.collation import SIMPLE_SPEC
from conformance.connection.decoding import OPTIONS
from conformance.errors import ConfigurationError, TargetError
from conformance.model.collection import Model
from conformance.model.index_options import may_hold
from conformance.model.paths import is_single
from conformance.results import Outcome, Sample
from conformance.rules.server.query_names import stored_fields
from conformance.server.metadata import declared_index, differences, live_indexes
from conformance.server.query_plan import STAGES, Explained, explained
from conformance.text.paths import value_at
from conformance.text.plural import numbered
from conformance.text.rendering import shorten
from conformance.text.suggestion import did_you_mean

_FILE: Final = "config/queries.yaml"
#: Variables that MongoDB defines itself: $$ROOT, $$NOW, and those of $reduce, $map and $filter.
_SYSTEM: Final = re.compile(r"[A-Z_]+|this|value")
_UNAUTHORIZED: Final = 13
#: BSON types to ask with, by the field's kind; a value of another type asks for nothing that anyone asks for.
_TYPES: Final[Mapping[str, list[str]]] = {
    "integer": ["int", "long"],
    "number": ["double", "int", "long"],
    "money": ["double", "int", "long"],
    "boolean": ["bool"],
    "objectid": ["objectId"],
    "enum": ["string", "int", "long"],
}

Values = Mapping[str, Any]


def rules(model: Model, configuration: Configuration) -> Iterator[Rule]:
    """One rule per named query; ConfigurationError when one names what the model or the query does not have."""
    seen: set[str] = set()
    for query in configuration.queries:
        _check(model, query)
        name = f"queries.{query.collection}.{query.name}"
        if name in seen:
            raise _wrong(query, "there are two of this name; rename one")
        seen.add(name)
        yield Rule(
            name,
            f"{query.title}: the query {_demands(query.plan)}",
            answer(_plan_check(query)),
            why=query.why or "Without its index, the query becomes slower with every document that is added.",
            fix=query.fix or "Run `zava provision` to restore the indexes, or correct the plan in config/queries.yaml.",
        )


def _demands(plan: Plan) -> str:
    parts = [f"uses {' and '.join(plan.require)}"] if plan.require else []
    parts += [f"never uses {' or '.join(plan.forbid)}"] if plan.forbid else []
    if plan.examined_per_returned is not None:
        fields = ", ".join(plan.indexed or {})
        parts.append(
            f"reads at most {plan.examined_per_returned:g} document and index key per document that matches {fields}"
            if plan.examined_per_returned == 1
            else f"reads at most {plan.examined_per_returned:g} documents and index keys per document that matches"
            f" {fields}"
        )
    return " and ".join(", ".join(parts).rsplit(", ", 1)) if len(parts) > 1 else "".join(parts)


def _plan_check(query: NamedQuery) -> Callable[[Context], Outcome]:
    def check(context: Context) -> Outcome:
        if not context.counts[query.collection]:
            return skipped(f"{query.collection} is empty")
        values = values_for(context, query)
        if isinstance(values, str):
            return skipped(values)
        try:
            plan = _explain(context, query, values)
        except OperationFailure as error:
            if error.code == _UNAUTHORIZED:
                why = f"explain of {query.collection} was rejected: {_message(error)}; grant the read role"
                raise TargetError(why) from None
            return listed(context, 1, [Sample(f"the server rejected the query: {_message(error)}", ref=_ref(query))])
        matching = _matching(context, query, values)
        problems = list(_problems(query.plan, plan, matching))
        served = _served(context, query, values, matching, plan.returned) if problems else None
        if served is not None:
            plan, problems = served, []
        evidence = {"parameters": {name: shorten(value) for name, value in values.items()}, **plan.as_evidence()}
        found = [Sample("; ".join(problems), ref=_ref(query))] if problems else []
        return listed(context, 1, found, **evidence, matching_indexed=matching, condition=_condition(query))

    return check


def _condition(query: NamedQuery) -> dict[str, list[str]]:
    """Return the fields that the query selects by, for each collection that it reads: indexes on them serve it."""
    match: Mapping[str, Any] = next((step["$match"] for step in query.pipeline or () if "$match" in step), {})
    own = [name for name in {**(query.plan.indexed or {}), **(query.find or match)} if not name.startswith("$")]
    fields = {query.collection: own}
    for step in query.pipeline or ():
        lookup = step.get("$lookup")
        if isinstance(lookup, Mapping) and "foreignField" in lookup:
            fields.setdefault(str(lookup["from"]), []).append(str(lookup["foreignField"]))
    return fields


def _served(
    context: Context, query: NamedQuery, values: Values, matching: int | None, returned: int
) -> Explained | None:
    """Return the plan by way of a declared index that is as wanted, though the planner took another.

    It tries the candidates on a hundred documents. Where the first hundred of each will do, it cannot tell them apart.
    Any index can be hinted at and read from end to end, so what is declared must say how much may be read; and an
    index that lacks documents (partial, sparse) can be hinted at too, so it must be as declared and return as many.
    """
    if matching is None or query.plan.examined_per_returned is None:
        return None
    live = live_indexes(context.database, query.collection)
    for declared in map(declared_index, context.model[query.collection].indexes):
        name = next((one.name for one in live if not differences(declared, one)), None)
        if name is None:
            continue
        try:
            plan = _explain(context, query, values, hint=name)
        except OperationFailure:  # nothing can be hinted at with $text
            continue
        if plan.returned == returned and not list(_problems(query.plan, plan, matching)):
            return plan
    return None


def _problems(wanted: Plan, plan: Explained, matching: int | None) -> Iterator[str]:
    if "EOF" not in plan.stages:  # the planner saw that nothing can match
        yield from (f"the plan has no {stage}" for stage in wanted.require if stage not in plan.stages)
    # If most documents are soft-deleted, sorting the few others reads less than the index in order.
    forgiven = {"SORT"} if matching is not None and plan.documents < matching else set()
    yield from (f"the plan has {stage}" for stage in wanted.forbid if stage in plan.stages and stage not in forgiven)
    if matching is not None and wanted.examined_per_returned is not None:
        allowed = wanted.examined_per_returned * matching
        # Each scan may read the keys of all that match, and one key at either end of a range. Words of a text have
        # keys of their own.
        keys = max(len(plan.ranges), 1) * allowed + 2 * sum(plan.ranges)
        if plan.documents > allowed:
            via = f" by way of {', '.join(plan.indexes)}" if plan.indexes else ""
            yield f"reads {numbered(plan.documents, 'document')}{via}; expected at most {allowed:g}"
        elif plan.ranges and "TEXT" not in plan.stages and plan.keys > keys:
            via = f" of {', '.join(plan.indexes)}" if plan.indexes else ""
            yield (
                f"reads {plan.keys} index keys{via} for {matching} matching documents; expected at most {keys:g};"
                " the condition scans the index instead of seeking in it"
            )


def _matching(context: Context, query: NamedQuery, values: Values) -> int | None:
    """Return how many documents match the part of the condition that the index answers; None where none is declared."""
    if query.plan.indexed is None:
        return None
    return context.collection(query.collection).count_documents(filled(query.plan.indexed, values))


def _explain(context: Context, query: NamedQuery, values: Values, **options: Any) -> Explained:
    command: dict[str, Any]
    if query.pipeline is not None:
        command = {"aggregate": query.collection, "pipeline": filled(query.pipeline, values), "cursor": {}}
    else:
        command = {"find": query.collection, "filter": filled(query.find, values)}
        command |= {"sort": filled(query.sort, values)} if query.sort else {}
        command |= {"limit": query.limit} if query.limit else {}
    # The server truncates the bounds of an index anywhere, also within a character.
    explain = {"explain": command | {"collation": SIMPLE_SPEC} | options, "verbosity": "executionStats"}
    answer: Mapping[str, Any] = context.database.command(explain, codec_options=OPTIONS)  # type: ignore[arg-type]
    return explained(answer)


def values_for(context: Context, query: NamedQuery) -> Values | str:
    """Return the parameters' values, those of one collection from one document, or why there are none."""
    values = {name: one.literal for name, one in query.parameters.items() if one.field is None}
    groups: dict[tuple[str, int], dict[str, str]] = {}
    for name, parameter in query.parameters.items():
        if parameter.field is not None:
            collection, path = context.model.split(parameter.field)
            groups.setdefault((collection, parameter.later), {})[name] = path
    for (collection, later), paths in groups.items():
        document = _document(context, collection, later, list(paths.values()))
        if document is None:
            return f"no document of {collection} has {', '.join(paths.values())} of the right type for the parameters"
        values |= {name: value_at(document, path) for name, path in paths.items()}
    return values


def _document(context: Context, name: str, later: int, paths: list[str]) -> Mapping[str, Any] | None:
    """Return the first suitable document by _id, or ``later`` places on; the last if there are fewer."""
    collection = context.model[name]
    # $type looks into arrays; a value in one is not what the applications ask for.
    fit: dict[str, Any] = {prefix: {"$not": {"$type": "array"}} for path in paths for prefix in _prefixes(path)}
    for path in paths:
        fit[path] = fit[path] | {"$type": _TYPES.get(collection.field(path).kind, ["string"])}
    documents = context.collection(name)
    found = documents.find_one(fit, dict.fromkeys(paths, 1), sort=[("_id", 1)], skip=later)
    if found is None and later:
        found = documents.find_one(fit, dict.fromkeys(paths, 1), sort=[("_id", -1)])
    return found


def _prefixes(path: str) -> Iterator[str]:
    """``location.aisle`` gives ``location`` and ``location.aisle``."""
    parts = path.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _check(model: Model, query: NamedQuery) -> None:
    known = list(model.collections)
    if query.collection not in model.collections:
        raise _wrong(query, f"there is no collection {query.collection!r}; {did_you_mean(query.collection, known)}")
    for verb, stages in (("requires", query.plan.require), ("forbids", query.plan.forbid)):
        for stage in stages:
            if stage not in STAGES and not stage.startswith("$"):
                raise _wrong(query, f"it {verb} {stage}, which no plan has; {did_you_mean(stage, sorted(STAGES))}")
    for step in query.pipeline or ():
        other = step["$lookup"].get("from") if isinstance(step.get("$lookup"), Mapping) else None
        if isinstance(other, str) and other not in model.collections:
            raise _wrong(query, f"it looks up {other!r}, which is not a collection; {did_you_mean(other, known)}")
    for name, parameter in query.parameters.items():
        if parameter.field is None:
            continue
        collection, path = model.split(parameter.field)
        if collection not in model.collections or not (model[collection].has(path) and is_single(path)):
            raise _wrong(query, f"parameter {name}: there is no field {parameter.field!r}; name <collection>.<field>")
    parts = (query.find, query.pipeline, query.plan.indexed)
    used = {name for part in parts for name in _variables(part)}
    bound = {name for part in parts for name in _bound(part)}
    for name in sorted(used - bound - query.parameters.keys()):
        if not _SYSTEM.fullmatch(name):
            raise _wrong(
                query,
                f"$${name} is not a parameter of the query; add it to parameters, or:"
                f" {did_you_mean(name, query.parameters)}",
            )
    for name in query.parameters.keys() - used:
        raise _wrong(query, f"the parameter {name} is not used; write $${name} where it belongs or remove it")
    for collection, name in stored_fields(query):
        if collection in model.collections and not may_hold(model[collection].schema, name):
            raise _wrong(query, f"{collection} has no field {name!r}; {did_you_mean(name, _paths(model, collection))}")


def _variables(part: Any) -> Iterator[str]:
    """Names after $$, without the path behind them."""
    if isinstance(part, Mapping | list | tuple):
        for inner in part.values() if isinstance(part, Mapping) else part:
            yield from _variables(inner)
    elif isinstance(part, str) and part.startswith("$$"):
        yield part[2:].split(".")[0]


def _bound(part: Any) -> Iterator[str]:
    """Names that a pipeline binds itself: the keys of let and vars, the value of as."""
    if isinstance(part, list | tuple):
        for inner in part:
            yield from _bound(inner)
    elif isinstance(part, Mapping):
        for key, inner in part.items():
            if key in ("let", "vars") and isinstance(inner, Mapping):
                yield from inner
            elif key == "as" and isinstance(inner, str):
                yield inner
            yield from _bound(inner)


def _paths(model: Model, collection: str) -> list[str]:
    return [field.path for field in model[collection].walk()]


def _wrong(query: NamedQuery, what: str) -> ConfigurationError:
    return ConfigurationError(f"{_FILE}: {query.name}: {what}")


def _ref(query: NamedQuery) -> str:
    return f"{_FILE}: {query.name}"


def _message(error: OperationFailure) -> str:
    details = error.details or {}
    return shorten(str(details.get("errmsg", error)), 160)

"""Family sync, queries on devices: Ditto's engine takes them, and runs them by an index.

The engine is the real one where the SDK is installed. Without it, statements are held against DQL's grammar as
conformance/language reads it, and plans are not examined.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from conformance.checks.base import Context, Rule, listed, skipped
from conformance.checks.config_file import unreadable
from conformance.checks.users.signed_in import FILE, TOLD_BY, signed_in
from conformance.config.configuration import Configuration
from conformance.ditto.connector import load_connector
from conformance.ditto.engine import Answer, Engine, EngineUnavailableError, Question, Step, engine
from conformance.ditto.subscriptions import DeviceQuery, Subscriptions, load_subscriptions, values_for
from conformance.errors import ConfigurationError
from conformance.language.dql.checks import refusals
from conformance.language.dql.fields import surprising, unsupported_joins
from conformance.language.dql.syntax import Operation, Placeholder, Statement, walk
from conformance.language.dql.tokens import parameters_in
from conformance.model.collection import Model
from conformance.results import Outcome, Sample

#: Documents that a device may read without an index: about what it shows at once.
PAGE_DOCUMENTS: Final = 100
_ENGINE, _SURPRISES, _INDEXES, _PLANS = (
    "subscriptions-engine",
    "subscriptions-surprises",
    "device-indexes",
    "device-plans",
)

_Check = Callable[[Context, Subscriptions, Rule], Outcome]


def rules(model: Model, _configuration: Configuration) -> Iterator[Rule]:
    """Three rules on the file, and one on the plans of each synced collection's queries."""
    yield Rule(
        f"sync._config.{_ENGINE}",
        "Ditto's engine accepts every subscription and query of the devices",
        _check,
        why="The engine refuses a query only when the app runs it, some for want of an index: the screen stays empty.",
        fix="Correct the query; `zava connector device-indexes` prints the indexes that a JOIN needs.",
    )
    yield Rule(
        f"sync._config.{_SURPRISES}",
        "No query uses a function of DQL that probably does something else than it seems to",
        _check,
        severity="warning",
        why="Positions in DQL begin with 0, in SQL with 1: the same words give another result, without an error.",
        fix="Correct the argument.",
    )
    yield Rule(
        f"sync._config.{_INDEXES}",
        "Indexes on devices are on fields that exist, of synced collections, in one direction",
        _check,
        why="Ditto makes an index on a field that no document has, and no query ever uses it. From an index of both"
        " directions it returns rows in the wrong order, without an error.",
        fix="Correct the name of the collection or field, give all fields one direction, or remove the index.",
    )
    for collection in model:
        if collection.synced:
            yield Rule(
                f"sync.{collection.name}.{_PLANS}",
                f"Devices' queries on {collection.name} have the plans they declare, and use an index",
                _check,
                why=f"A query without an index reads every document of the collection: beyond {PAGE_DOCUMENTS}"
                " documents an app is seen to wait. In strict mode Ditto's engine uses no index.",
                fix="Add the index under indexes, and have apps make it (`zava connector device-indexes`).",
            )


def _check(context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
    """Read the file once for all the rules on it."""
    try:
        subscriptions = load_subscriptions(context.model)
    except ConfigurationError as error:
        return unreadable(context, rules, FILE, error, TOLD_BY)
    return {rule.id: _CHECKS[rule.subject](context, subscriptions, rule) for rule in rules}


def _statements(subscriptions: Subscriptions) -> Iterator[tuple[str, Question, Statement | None]]:
    """Yield every subscription, query and index with its place in the file, the question to ask, and what it says."""
    for place, _, one in subscriptions.places():
        statement = one.selection.statement
        yield place, Question("subscription", one.query, _arguments(subscriptions, one.query, statement)), statement
    for query in subscriptions.queries:
        yield f"queries.{query.name}", _question(subscriptions, query), query.statement
    for text in subscriptions.index_statements:
        yield "indexes", Question("query", text), None


def _question(subscriptions: Subscriptions, query: DeviceQuery) -> Question:
    return Question("query", query.query, _arguments(subscriptions, query.query, query.statement))


def _arguments(subscriptions: Subscriptions, text: str, statement: Statement | None) -> str:
    """Return a value for each parameter, as JSON: the literal one, else any of its kind, which is enough for a plan."""
    numbers = set() if statement is None else {one.name for one in _counted(statement)}
    values: dict[str, Any] = {}
    for name in parameters_in(text):
        source = subscriptions.parameters.get(name)
        known = None if source is None else ["x"] if source.values else source.literal
        values[name] = known if known is not None else 1 if name in numbers else "x"
    return json.dumps(values)


def _counted(statement: Statement) -> Iterator[Placeholder]:
    """Yield the parameters for which the engine refuses anything but a number: of LIMIT, OFFSET and a minus sign."""
    signed = (
        one.operands[0]
        for expression in statement.expressions
        for one in walk(expression)
        if isinstance(one, Operation) and one.operator in "+-" and len(one.operands) == 1
    )
    for one in (statement.limit, statement.offset, *signed):
        if isinstance(one, Placeholder):
            yield one


def _taken(context: Context, subscriptions: Subscriptions, _rule: Rule) -> Outcome:
    asked = list(_statements(subscriptions))
    evaluated_by = "Ditto's engine"
    try:
        answers: Sequence[Answer] = _engine(context, subscriptions).ask(question for _, question, _ in asked)
        errors = [answer.error for answer in answers]
    except EngineUnavailableError as error:
        evaluated_by = f"the harness's own reading of DQL: {error}"
        errors = [_own(subscriptions, question, statement) for _, question, statement in asked]
    problems = [
        Sample(f"Ditto refuses it: {_better(question, error)}", ref=f"{FILE}: {place}")
        for (place, question, _), error in zip(asked, errors, strict=True)
        if error is not None
    ]
    return listed(context, len(asked), problems, judged_by=evaluated_by)


def _better(question: Question, error: str) -> str:
    """Return what to write instead, where the harness knows it; else the engine's own words."""
    return next(iter(refusals(question.text)), error)


def _own(subscriptions: Subscriptions, question: Question, statement: Statement | None) -> str | None:
    found = refusals(question.text)
    if statement is not None:
        indexed = {name: [path for one in indexes for path in one] for name, indexes in subscriptions.indexes.items()}
        found += unsupported_joins(statement, indexed)
    return next(iter(found), None)


def _surprises(context: Context, subscriptions: Subscriptions, _rule: Rule) -> Outcome:
    read = [(place, one) for place, _, one in _statements(subscriptions) if one is not None]
    problems = [Sample(why, ref=f"{FILE}: {place}") for place, one in read for why in dict.fromkeys(surprising(one))]
    return listed(context, len(read), problems) if read else skipped(f"{FILE}: see sync._config.{_ENGINE}")


def _indexes(context: Context, subscriptions: Subscriptions, _rule: Rule) -> Outcome:
    named = [(f"indexes.{name}[{position}]", name, index) for name, indexes in subscriptions.indexes.items()
             for position, index in enumerate(indexes)]  # fmt: skip
    problems = [
        Sample(why, ref=f"{FILE}: {place}")
        for place, name, index in named
        for why in _unfit(context.model, name, index)
    ]
    return listed(context, len(named), problems) if named else skipped(f"{FILE} has no index")


def _unfit(model: Model, name: str, index: Mapping[str, int]) -> Iterator[str]:
    """Yield what is wrong with an index."""
    if name not in model.collections or not model[name].synced:
        yield f"{name} is not a synced collection: no device has its documents"
        return
    unknown = (path for path in index if path.partition(".")[0] != "_id" and not model[name].has(path))
    yield from (f"{name} has no field {path!r}" for path in unknown)
    if len({*index.values()}) > 1:
        yield (
            "its fields have both directions, and from such an index Ditto's engine (SDK 5.2.0.dev0) returns rows in"
            " the wrong order; give all fields the direction of the ORDER BY"
        )


def _plans(context: Context, subscriptions: Subscriptions, rule: Rule) -> Outcome:
    queries = [query for query in subscriptions.queries if query.collection == rule.collection]
    if not queries:
        return skipped(f"no query of {FILE} is on {rule.collection}")
    try:
        answers = _engine(context, subscriptions).ask(_question(subscriptions, query) for query in queries)
    except EngineUnavailableError as error:
        return skipped(f"no plan without Ditto's engine: {error}")
    planned = [(query, answer) for query, answer in zip(queries, answers, strict=True) if answer.error is None]
    found = [(query, list(_problems(context, subscriptions, query, answer))) for query, answer in planned]
    samples = [Sample("; ".join(why), ref=f"{FILE}: queries.{query.name}") for query, why in found if why]
    plans = {query.name: [step.index or step.operator for step in answer.plan] for query, answer in planned}
    return listed(context, len(planned), samples, plans=plans) if planned else skipped(f"see sync._config.{_ENGINE}")


def _problems(context: Context, subscriptions: Subscriptions, query: DeviceQuery, answer: Answer) -> Iterator[str]:
    declared = query.plan
    if declared is not None:
        yield from declared.problems(answer.plan)
    if _sorts_too_early([step.operator for step in answer.plan]):
        yield (
            "it sorts before it projects, and then Ditto's engine (SDK 5.2.0.dev0) does not sort at all; select a field"
            " that the index does not have, or give the index the direction of the ORDER BY"
        )
    if declared is not None and "scan" in declared.require:
        return
    names = {} if query.statement is None else {one.alias: one.collection for one in query.statement.sources}
    for step, why in _reads_all(answer.plan):
        name = names.get(step.alias)
        if name in context.model.collections:
            number = _held(context, subscriptions, str(name))
            if number > PAGE_DOCUMENTS:
                yield (
                    f"it reads all {number} documents of {name} on a device, at most {PAGE_DOCUMENTS} may be read"
                    f" without an index{why or _strictly(context)}"
                )


def _sorts_too_early(operators: Sequence[str]) -> bool:
    """Return whether a plan sorts by a projected value before it projects: it is so where an index has all fields."""
    return "sort" in operators and "projection" in operators[operators.index("sort") :]


def _reads_all(plan: Sequence[Step]) -> Iterator[tuple[Step, str]]:
    """Yield the steps that read a whole collection, and why, if that is not plain.

    An index that is not sought by its first field is read from end to end; at the outer side until a LIMIT is met. In
    an intersection with one that is sought, only its keys are read.
    """
    sought = {step.alias for step in plan if step.sought and any(one.operator == "intersectScan" for one in plan)}
    joined = next((position for position, step in enumerate(plan) if step.operator == "nlJoin"), len(plan))
    limited = any(step.operator == "limit" for step in plan)
    for position, step in enumerate(plan):
        if step.operator == "scan":
            yield step, ""
        elif step.operator == "indexScan" and not step.sought and step.alias not in sought:
            if position < joined and limited:
                continue
            each = " for each row before it" if position > joined else ""
            yield step, f": {step.index} is read from end to end{each}, for its first field is not compared"


def _held(context: Context, subscriptions: Subscriptions, name: str) -> int:
    """Return how many documents of a collection a device holds, of the kinds of devices the one that holds most."""
    numbers = []
    for _, device, one in subscriptions.of(name):
        for _, user in signed_in(context, device)[:1]:
            values = values_for(subscriptions, one.selection.parameters, user, context.database)
            held = None if None in values.values() else one.filter(values)
            if held is not None:
                numbers.append(context.number(name, held))
    return max(numbers, default=context.counts[name])


def _engine(context: Context, subscriptions: Subscriptions) -> Engine:
    return engine(tuple(subscriptions.index_statements), strict_mode=_is_strict(context))


def _is_strict(context: Context) -> bool:
    """Return whether the connector, and so every device, is in strict mode; not where its file cannot be read."""
    try:
        return bool(load_connector(context.model).settings.strict_mode)
    except ConfigurationError:
        return False


def _strictly(context: Context) -> str:
    return ": in strict mode the engine uses none" if _is_strict(context) else ""


_CHECKS: Final[Mapping[str, _Check]] = {_ENGINE: _taken, _SURPRISES: _surprises, _INDEXES: _indexes, _PLANS: _plans}

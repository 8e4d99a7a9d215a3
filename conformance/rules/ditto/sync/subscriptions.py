"""Rules of family sync on subscriptions: the file is valid, names existing fields, and both conditions agree.

device_queries.py asks Ditto's engine whether it accepts each query; suites/devices/test_sync_queries.py compares the
results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from conformance.checks.base import Context, Rule, listed, skipped
from conformance.checks.config_file import unreadable
from conformance.checks.users.signed_in import FILE, TOLD_BY
from conformance.config.configuration import Configuration
from conformance.ditto.permissions import Users, load_permissions
from conformance.ditto.selection import Selection
from conformance.ditto.subscriptions import (
    Subscriptions,
    load_subscriptions,
)
from conformance.errors import ConfigurationError
from conformance.language.conditions.condition import (
    Always,
    Comparison,
    Computed,
    Condition,
    Every,
    Parameter,
    Some,
    bind,
    comparisons,
    holds,
)
from conformance.language.conditions.witnesses import impossible, incomparable, representatives
from conformance.language.dql.ejson import form_of
from conformance.language.dql.fields import EQUALITY, Named, fruitless
from conformance.model.collection import Collection, Model
from conformance.results import Outcome, Sample
from conformance.rules.ditto.sync.ejson_queries import collections_in_ejson
from conformance.rules.ditto.sync.meaning import meaning
from conformance.rules.ditto.sync.parameters import Parameters
from conformance.rules.ditto.sync.subscription_texts import TEXTS


def rules(_model: Model, _configuration: Configuration) -> Iterator[Rule]:
    """Six rules on the file."""
    for subject, (title, why, fix) in TEXTS.items():
        yield Rule(f"sync._config.{subject}", title, _check_file, why=why, fix=fix)


def _check_file(context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
    """Read the file once for all the rules on it."""
    try:
        subscriptions = load_subscriptions(context.model)
    except ConfigurationError as error:
        return unreadable(context, rules, FILE, error, TOLD_BY)
    return {rule.id: _CHECKS[rule.subject](context, subscriptions) for rule in rules}


def _readable(context: Context, subscriptions: Subscriptions) -> Outcome:
    return listed(context, len(list(subscriptions.places())), [])


def _collections(context: Context, subscriptions: Subscriptions) -> Outcome:
    named = [(place, one.selection.collection) for place, _, one in subscriptions.places()]
    asked = ((query, name) for query in subscriptions.queries for name in query.collections)
    named += [(f"queries.{query.name}", name) for query, name in asked if not name.startswith("system:")]
    named += [
        (f"parameters.{name}", source.field[0]) for name, source in subscriptions.parameters.items() if source.field
    ]
    named += [(f"{device.name}.changes", name) for device in subscriptions.devices for name in device.changes]
    problems = [Sample(why, ref=f"{FILE}: {place}") for place, name in named if (why := _unfit(context.model, name))]
    synced = [collection.name for collection in context.model if collection.synced]
    problems += [
        Sample(f"the device changes {name} but does not subscribe to it", ref=f"{FILE}: {device.name}.changes")
        for device in subscriptions.devices
        for name in device.changes
        if not _unfit(context.model, name) and all(one.selection.collection != name for one in device.subscriptions)
    ]
    problems += [
        Sample(f"{name} is synced but no device subscribes to it", ref=f"{FILE}: devices")
        for name in synced
        if not subscriptions.of(name)
    ]
    return listed(context, len(named) + len(synced), problems)


def _unfit(model: Model, name: str) -> str | None:
    if name not in model.collections:
        return f"the model defines no collection {name!r}"
    return None if model[name].synced else f"{name} is not synced, so it never reaches a device"


def _named(subscriptions: Subscriptions) -> Iterator[tuple[str, Named]]:
    """Yield every field that a subscription, query or parameter names, with its place."""
    for place, _, one in subscriptions.places():
        collection = one.selection.collection
        for named in (*one.selection.fields, *_in_filter(collection, one.find)):
            yield place, named
    for query in subscriptions.queries:
        first = (query.pipeline or ({},))[0].get("$match")
        sorted_by = [Named(query.collection, path) for path in query.sort]
        found = [*_in_filter(query.collection, query.find), *_in_filter(query.collection, first), *sorted_by]
        for named in (*query.fields, *(found if query.collection else ())):
            yield f"queries.{query.name}", named
    for name, source in subscriptions.parameters.items():
        if source.field is not None:
            collection, path = source.field
            for each in (path, *source.where):
                yield f"parameters.{name}", Named(collection, each)


def _in_filter(collection: str, find: Any) -> Iterator[Named]:
    """Yield the fields that a filter of MongoDB's names, each with the values that it is compared with for equality."""
    for key, value in find.items() if isinstance(find, Mapping) else ():
        if key in ("$and", "$or", "$nor"):
            for part in value if isinstance(value, list) else ():
                yield from _in_filter(collection, part)
        elif not key.startswith("$"):
            tests = value if isinstance(value, Mapping) else {"$eq": value}
            given = [tests[one] for one in ("$eq", "$ne", "$in", "$nin") if one in tests]
            values = [each for one in given for each in (one if isinstance(one, list) else [one])]
            known = tuple(one for one in values if not (isinstance(one, str) and one.startswith("$$")))
            yield Named(collection, key, "IN", tuple(one for one in known if isinstance(one, str | int | float)))


def _fields(context: Context, subscriptions: Subscriptions) -> Outcome:
    in_ejson = collections_in_ejson(context.model)
    known = [
        (place, _field(one) if one.collection in in_ejson else one)
        for place, one in _named(subscriptions)
        if one.collection in context.model.collections
    ]
    found = dict.fromkeys((place, why) for place, one in known for why in _impossible(context.model, one))
    statements = [(place, one.selection.statement) for place, _, one in subscriptions.places()]
    statements += [(f"queries.{query.name}", query.statement) for query in subscriptions.queries]
    found |= dict.fromkeys((place, why) for place, one in statements if one is not None for why in fruitless(one))
    problems = [Sample(why, ref=f"{FILE}: {place}") for place, why in found]
    return listed(context, len(known), problems) if known else skipped(f"{FILE} does not name any field")


def _field(named: Named) -> Named:
    """Return the field of a path into its Extended JSON; what that is compared with is examined by ejson_queries.py."""
    path, form = form_of(named.path)
    return Named(named.collection, path) if form else named


def _impossible(model: Model, named: Named) -> Iterator[str]:
    """Yield why no document has the field, or one of the values."""
    collection = model[named.collection]
    if named.operator in ("", *EQUALITY):
        yield from impossible(collection, named.path, named.values)
    else:
        yield from incomparable(collection, named.path, named.operator, named.values)


def _live(context: Context, subscriptions: Subscriptions) -> Outcome:
    """Evaluate the subscriptions that name existing fields; the others have a finding of another rule."""
    known = [
        (place, context.model[one.selection.collection], one.selection)
        for place, _, one in subscriptions.places()
        if one.selection.collection in context.model.collections
    ]
    named = [
        (place, collection, selection.condition)
        for place, collection, selection in known
        if not any(_wrong(context.model, selection))
    ]
    problems = [
        Sample(
            f"no document of {collection.name} that is not deleted can satisfy the condition", ref=f"{FILE}: {place}"
        )
        for place, collection, condition in named
        if not _can_select(collection, _supposing(condition, subscriptions))
    ]
    return (
        listed(context, len(named), problems)
        if named
        else skipped(f"{FILE} names unknown fields or values; see sync._config.subscriptions-fields")
    )


def _wrong(model: Model, selection: Selection) -> Iterator[str]:
    """Yield what a subscription names that is not there or finds nothing."""
    for one in selection.fields:
        yield from _impossible(model, one)
    if selection.statement is not None:
        yield from fruitless(selection.statement)


def _can_select(collection: Collection, condition: Condition) -> bool:
    """Return True when a document that is not deleted could meet the condition."""
    live = Comparison(collection.soft_delete, "=", False) if collection.soft_delete else Always(True)
    wanted = Every((live, condition))
    return any(holds(wanted, document) for document in representatives(collection, [wanted]))


def _supposing(condition: Condition, subscriptions: Subscriptions) -> Condition:
    """Return the condition, bound to literals; what the app, the data or the engine decides is supposed to be right."""
    if isinstance(condition, Computed):
        return Always(True)
    if isinstance(condition, Every):
        return Every(tuple(_supposing(part, subscriptions) for part in condition.parts))
    if isinstance(condition, Some):
        return Some(tuple(_supposing(part, subscriptions) for part in condition.parts))
    literals = {name: source.literal for name, source in subscriptions.parameters.items() if source.literal is not None}
    asked = {value.name for each in comparisons(condition) for value in each.values if isinstance(value, Parameter)}
    return Always(True) if asked - literals.keys() else bind(condition, {Parameter(k): v for k, v in literals.items()})


def _parameters(context: Context, subscriptions: Subscriptions) -> Outcome:
    found = Parameters(context.model, subscriptions, _users(context)).findings()
    if not found:
        return skipped(f"{FILE} declares no parameter")
    return listed(context, len(found), [Sample(why, ref=f"{FILE}: {place}") for place, why in found if why])


def _users(context: Context) -> Users | None:
    """Return what the permissions say of users; None when that file cannot be read, which its own rule says."""
    try:
        return load_permissions(context.model).users
    except ConfigurationError:
        return None


_CHECKS: Final[Mapping[str, Callable[[Context, Subscriptions], Outcome]]] = {
    "subscriptions-file": _readable,
    "subscriptions-collections": _collections,
    "subscriptions-fields": _fields,
    "subscriptions-live": _live,
    "subscriptions-parameters": _parameters,
    "subscriptions-meaning": meaning,
}

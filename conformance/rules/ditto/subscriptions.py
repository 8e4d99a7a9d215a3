"""Family sync, what devices subscribe to: the file can be read, names what there is, and says twice the same.

That the real engine takes each query, and selects the same, is shown by suites/test_sync_queries.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from pymongo.errors import OperationFailure

from conformance.checks.base import Context, Rule, listed, skipped
from conformance.checks.config_file import unreadable
from conformance.checks.signed_in import FILE, TOLD_BY, found, signed_in
from conformance.config.configuration import Configuration, filled
from conformance.ditto.permissions import User, Users, load_permissions
from conformance.ditto.subscriptions import (
    Subscription,
    Subscriptions,
    load_subscriptions,
    values_for,
)
from conformance.errors import ConfigurationError
from conformance.language.condition_translation import to_mongo
from conformance.language.conditions import (
    Always,
    Comparison,
    Condition,
    Every,
    Parameter,
    Some,
    bind,
    comparisons,
    holds,
)
from conformance.language.witnesses import impossible, representatives
from conformance.model.collection import Collection, Model
from conformance.results import Outcome, Sample
from conformance.rules.ditto.parameters import Parameters

#: By subject: title, why, fix.
_WORDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "subscriptions-file": (
        "The subscriptions file is valid: every query is a SELECT * of one collection with a condition",
        "Ditto rejects any other form when the app starts, or syncs other documents than intended.",
        "Correct the line that the finding names.",
    ),
    "subscriptions-collections": (
        "Devices subscribe to every synced collection and to no others, and change only collections that are on the"
        " device",
        "A subscription to a collection that is not synced stays empty; a synced collection without a subscription is"
        " sent to no device; a device cannot change documents that it does not subscribe to.",
        "Correct the collection's name, remove the entry, or add the missing subscription.",
    ),
    "subscriptions-fields": (
        "Every field that subscriptions, queries and parameters name exists and can have the value",
        "A field or value that no document has selects nothing and raises no error, so the device stays empty.",
        "Correct the name of the field, or the value, in the file.",
    ),
    "subscriptions-live": (
        "Every subscription is able to select documents that are not deleted",
        "A device with this subscription receives no live document, so its app shows nothing.",
        "Correct the condition, or remove the subscription.",
    ),
    "subscriptions-parameters": (
        "Every parameter is declared with a source, is used, and is a list exactly where a list is compared",
        "Ditto rejects a query whose parameter has no value; IN with a value that is not a list finds nothing.",
        "Declare the parameter under parameters, or remove the unused one.",
    ),
    "subscriptions-meaning": (
        "Every subscription selects the same documents as the MongoDB filter (find) beside it, for every user",
        "Devices receive other documents than the authors of the subscription intended.",
        "Correct the query or its find, whichever is wrong.",
    ),
}


def rules(_model: Model, _configuration: Configuration) -> Iterator[Rule]:
    """Six rules on the file."""
    for subject, (title, why, fix) in _WORDS.items():
        yield Rule(f"sync._config.{subject}", title, _judge_file, why=why, fix=fix)


def _judge_file(context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
    """Read the file once for all the rules on it."""
    try:
        subscriptions = load_subscriptions(context.model)
    except ConfigurationError as error:
        return unreadable(context, rules, FILE, error, TOLD_BY)
    return {rule.id: _JUDGES[rule.subject](context, subscriptions) for rule in rules}


def _readable(context: Context, subscriptions: Subscriptions) -> Outcome:
    return listed(context, len(list(subscriptions.places())), [])


def _collections(context: Context, subscriptions: Subscriptions) -> Outcome:
    named = [(place, name) for place, name, _ in _named(subscriptions)]
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


#: Place, collection, and a field with the values that it is compared with, for each that is named.
_Named = tuple[str, str, list[tuple[str, Sequence[Any]]]]


def _named(subscriptions: Subscriptions) -> Iterator[_Named]:
    """Of each subscription and query and its find, and of each parameter that a field gives."""
    for place, _, one in subscriptions.places():
        said = [(each.path, each.values) for each in comparisons(one.selection.condition)]
        yield place, one.selection.collection, [*said, *_in_filter(one.find)]
    for query in subscriptions.queries:
        sorted_by = [(path, ()) for path in query.sort]
        yield f"queries.{query.name}", query.collection, [*query.fields.items(), *_in_filter(query.find), *sorted_by]
    for name, source in subscriptions.parameters.items():
        if source.field is not None:
            collection, path = source.field
            yield f"parameters.{name}", collection, [(one, ()) for one in (path, *source.where)]


def _in_filter(find: Any) -> Iterator[tuple[str, Sequence[Any]]]:
    """The fields that a filter of MongoDB's names, each with the values that it is compared with for equality."""
    for key, value in find.items() if isinstance(find, Mapping) else ():
        if key in ("$and", "$or", "$nor"):
            for part in value if isinstance(value, list) else ():
                yield from _in_filter(part)
        elif not key.startswith("$"):
            tests = value if isinstance(value, Mapping) else {"$eq": value}
            given = [tests[one] for one in ("$eq", "$ne", "$in", "$nin") if one in tests]
            values = [each for one in given for each in (one if isinstance(one, list) else [one])]
            yield key, [one for one in values if not (isinstance(one, str) and one.startswith("$$"))]


def _fields(context: Context, subscriptions: Subscriptions) -> Outcome:
    known = [(place, context.model[name], fields) for place, name, fields in _named(subscriptions)
             if name in context.model.collections]  # fmt: skip
    examined = sum(len(fields) for _, _, fields in known)
    found = dict.fromkeys(
        (place, why)
        for place, collection, fields in known
        for path, values in fields
        for why in impossible(collection, path, values)
    )
    problems = [Sample(why, ref=f"{FILE}: {place}") for place, why in found]
    return listed(context, examined, problems) if examined else skipped(f"{FILE} does not name any field")


def _live(context: Context, subscriptions: Subscriptions) -> Outcome:
    """Of subscriptions that name what there is; what others name is told already."""
    known = [
        (place, context.model[one.selection.collection], one.selection.condition)
        for place, _, one in subscriptions.places()
        if one.selection.collection in context.model.collections
    ]
    named = [
        (place, collection, condition)
        for place, collection, condition in known
        if not any(why for each in comparisons(condition) for why in impossible(collection, each.path, each.values))
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


def _can_select(collection: Collection, condition: Condition) -> bool:
    """True when a document that is not deleted could meet the condition."""
    live = Comparison(collection.soft_delete, "=", False) if collection.soft_delete else Always(True)
    wanted = Every((live, condition))
    return any(holds(wanted, document) for document in representatives(collection, [wanted]))


def _supposing(condition: Condition, subscriptions: Subscriptions) -> Condition:
    """The condition, bound to what is as it stands; a value that the app or the data gives is supposed to be right."""
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


def _meaning(context: Context, subscriptions: Subscriptions) -> Outcome:
    examined, problems = 0, []
    for place, device, one in subscriptions.places():
        if to_mongo(one.selection.condition) == one.find:  # word for word the same, whatever the data
            examined += 1
            continue
        people = signed_in(context, device) if one.selection.collection in context.model.collections else []
        why = next(
            (why for name, user in people if (why := _difference(context, subscriptions, one, name, user))), None
        )
        examined += bool(people)
        problems += [Sample(why, ref=f"{FILE}: {place}")] if why else []
    return (
        listed(context, examined, problems)
        if examined
        else skipped("there is no known user to evaluate the subscriptions for")
    )


def _difference(context: Context, subscriptions: Subscriptions, one: Subscription, name: str, user: User) -> str | None:
    """What a subscription selects for the user and its find does not, or the reverse."""
    values = values_for(subscriptions, one.selection.parameters, user, context.database)
    said, meant = to_mongo(one.selection.bound(values)), filled(one.find, values)
    sides = (
        ("the subscription", "its find does not", said, meant),
        ("its find", "the subscription does not", meant, said),
    )
    try:
        for side, other, more, less in sides:
            number, example = found(context, one.selection.collection, {"$and": [more, {"$nor": [less]}]})
            if number:
                return f"for {name} {side} selects {number} documents that {other}, such as {example}"
    except OperationFailure as error:
        return f"the server rejects its find: {str((error.details or {}).get('errmsg', error))[:120]}"
    return None


_JUDGES: Final[Mapping[str, Callable[[Context, Subscriptions], Outcome]]] = {
    "subscriptions-file": _readable,
    "subscriptions-collections": _collections,
    "subscriptions-fields": _fields,
    "subscriptions-live": _live,
    "subscriptions-parameters": _parameters,
    "subscriptions-meaning": _meaning,
}

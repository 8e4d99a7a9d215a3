"""Comparison of a subscription with the MongoDB filter beside it: on the data, then on documents that may come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from pymongo.errors import OperationFailure

from conformance.checks.base import Context, listed, skipped
from conformance.checks.users.signed_in import FILE, found, signed_in
from conformance.config.configuration import filled
from conformance.ditto.permissions import User
from conformance.ditto.subscriptions import Subscription, Subscriptions, values_for
from conformance.language.conditions.condition import Comparison, Condition, Every, Operator, comparisons, is_computed
from conformance.language.conditions.translation import to_mongo, without
from conformance.language.conditions.witnesses import representatives
from conformance.results import Outcome, Sample
from conformance.text.plural import numbered
from conformance.text.rendering import shorten

Filter = Mapping[str, Any]

#: The first server that takes documents of a query's own ($documents).
_OWN_DOCUMENTS: Final = (5, 1)
#: Documents that are made up for a comparison, at most.
_MADE_UP: Final = 1_000
#: Tests of a filter that compare one field with values.
_OPERATORS: Final[Mapping[str, Operator]] = {
    "$eq": "=", "$ne": "=", "$in": "IN", "$nin": "IN", "$lt": "<", "$lte": "<=", "$gt": ">", "$gte": ">=",
}  # fmt: skip


def meaning(context: Context, subscriptions: Subscriptions) -> Outcome:
    """Compare each subscription that has a find with it, for every user who may sign in."""
    examined, problems = 0, []
    for place, device, one in subscriptions.places():
        if one.find is None or is_computed(one.selection.condition):
            continue
        if to_mongo(one.selection.condition) == one.find:  # word for word the same, whatever the data
            examined += 1
            continue
        people = signed_in(context, device) if one.selection.collection in context.model.collections else []
        why = next(
            (why for name, user in people if (why := _difference(context, subscriptions, one, name, user))), None
        )
        examined += bool(people)
        problems += [Sample(why, ref=f"{FILE}: {place}")] if why else []
    why = "there is no known user, or no subscription has a find that can be compared with its condition"
    return listed(context, examined, problems) if examined else skipped(why)


def _difference(context: Context, subscriptions: Subscriptions, one: Subscription, name: str, user: User) -> str | None:
    """Return what a subscription selects for the user and its find does not, or the reverse."""
    values = values_for(subscriptions, one.selection.parameters, user, context.database)
    condition, intended = one.selection.bound(values), filled(one.find, values)
    selected = to_mongo(condition)
    sides = (
        ("the subscription", "its find does not", selected, intended),
        ("its find", "the subscription does not", intended, selected),
    )
    try:
        for side, other, more, less in sides:
            number, example = found(context, one.selection.collection, without(more, less))
            if number:
                return f"for {name} {side} selects {numbered(number, 'document')} that {other}, such as {example}"
        made_up = _made_up(context, one.selection.collection, condition, intended)
        for side, other, more, less in sides:
            example = _first(context, made_up, without(more, less))
            if example:
                return f"for {name} {side} selects a document with {example}, and {other}; there is none yet"
    except OperationFailure as error:
        return f"the server rejects its find: {str((error.details or {}).get('errmsg', error))[:120]}"
    return None


def _made_up(context: Context, name: str, condition: Condition, find: Filter) -> list[dict[str, Any]]:
    """Return values by path that tell the two apart if documents of the schema can; none where find says more."""
    collection = context.model[name]
    compared = _comparisons(find)
    if compared is None or context.server_version < _OWN_DOCUMENTS:
        return []
    if not all(collection.has(one.path) for one in (*compared, *comparisons(condition))):
        return []
    return list(islice(representatives(collection, [condition, Every(tuple(compared))]), _MADE_UP))


def _comparisons(find: Filter) -> list[Comparison] | None:
    """Return what a filter compares; None if it tests anything else than fields against values."""
    compared: list[Comparison] = []
    for key, value in find.items():
        if key in ("$and", "$or", "$nor"):
            parts = [_comparisons(part) for part in value]
            compared += [one for part in parts if part for one in part]
            if None in parts:
                return None
        else:
            tests = value if isinstance(value, Mapping) else {"$eq": value}
            if key.startswith("$") or not all(_is_simple(*test) for test in tests.items()):
                return None
            compared += _of_field(key, tests)
    return compared


def _values(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_simple(operator: str, value: Any) -> bool:
    """Return whether a test compares a field with values that JSON has."""
    return operator in _OPERATORS and all(one is None or isinstance(one, str | int | float) for one in _values(value))


def _of_field(path: str, tests: Filter) -> Iterator[Comparison]:
    for operator, value in tests.items():
        values = [
            one for one in _values(value) if one is not None
        ]  # a field may be absent whatever it is compared with
        if values:
            several = _OPERATORS[operator] == "IN"
            yield Comparison(path, _OPERATORS[operator], tuple(values) if several else values[0])


def _first(context: Context, made_up: Sequence[Mapping[str, Any]], query: Filter) -> str:
    """Return the first of the documents that the server selects, in words; empty if it selects none."""
    if not made_up:
        return ""
    documents = [{**_nested(values), "__number": number} for number, values in enumerate(made_up)]
    stages: list[Any] = [{"$documents": {"$literal": documents}}, {"$match": query}, {"$limit": 1}]
    row = next(iter(context.database.aggregate(stages)), None)
    if row is None:
        return ""
    shown = [
        f"{path} {'absent' if value is None else shorten(value)}" for path, value in made_up[row["__number"]].items()
    ]
    return " and ".join(shown)


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document with the values at their paths."""
    document: dict[str, Any] = {}
    for path, value in values.items():
        *above, name = path.split(".")
        inner = document
        for step in above:
            inner = inner.setdefault(step, {})
        if value is not None:
            inner[name] = value
    return document

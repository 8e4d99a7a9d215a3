"""Family sync, collections in mode ejson: devices hold numbers and dates as objects, which queries must not misuse."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from bson import Code, DBRef

from conformance.checks.base import Context, Document, Rule, answer, listed, skipped
from conformance.checks.users.signed_in import FILE
from conformance.checks.walk import walk
from conformance.config.configuration import Configuration
from conformance.ditto.connector import CONNECTOR_FILE, load_connector
from conformance.ditto.subscriptions import Subscriptions, load_subscriptions
from conformance.errors import ConfigurationError
from conformance.language.dql.ejson import Misuse, form_of, misuses
from conformance.language.dql.syntax import Statement
from conformance.model.collection import Collection, Field, Model
from conformance.results import Outcome, Sample
from conformance.text.rendering import shorten

#: The key of the text in the object of a value, and the type that it is cast to.
_FORMS: Final = {
    "integer": "`$numberInt` AS INT",
    "money": "`$numberDouble` AS FLOAT",
    "number": "`$numberDouble` AS FLOAT",
}


def rules(_model: Model, _configuration: Configuration) -> Iterator[Rule]:
    """One rule on the file."""
    yield Rule(
        "sync._config.ejson-queries",
        "Every number, date and id that mode ejson makes an object is cast before devices compare, sort or add it",
        answer(_check),
        why="Devices hold such a value as an object: the comparison finds nothing, the sum is empty, the order is"
        " wrong, and no error is raised.",
        fix="Write a CAST of the text in the object, compare it with an equal object, or choose mode: native.",
    )


def collections_in_ejson(model: Model) -> frozenset[str]:
    """Return the names of the collections in mode ejson; none where the connector's file cannot be read."""
    try:
        config = load_connector(model)
    except ConfigurationError:
        return frozenset()
    return frozenset(each.name for each in config.collections if each.sync_enabled and each.mode == "ejson")


def is_object(field: Field) -> bool:
    """Return whether devices hold the field's values as objects in mode ejson."""
    if field.kind == "enum":
        return any(not isinstance(value, str) for value in field.schema["enum"])
    if field.kind == "scalar":
        return bool({"integer", "number"} & set(field.schema["type"]))
    return field.kind in ("objectid", "bson", "money", "integer", "number")


def without_form(_: Collection, document: Document) -> Iterator[str]:
    """Yield the values that have no form in Extended JSON; every other BSON type crosses without loss."""
    for one in walk(document):
        if isinstance(one.value, DBRef) or (isinstance(one.value, Code) and one.value.scope is not None):
            yield f"{one.path} is {shorten(one.value)}"


def _check(context: Context) -> Outcome:
    model, concerned = context.model, collections_in_ejson(context.model)
    if not concerned:
        return skipped(f"{CONNECTOR_FILE} has no collection in mode ejson")
    try:
        subscriptions = load_subscriptions(model)
    except ConfigurationError:
        return skipped(f"{FILE} cannot be read; see sync._config.subscriptions-file")
    read = [
        (place, one) for place, one in _statements(subscriptions) if {s.collection for s in one.sources} & concerned
    ]

    def stored_as_object(collection: str, path: str) -> bool:
        return collection in concerned and model[collection].has(path) and is_object(model[collection].field(path))

    def plain(parameter: str) -> bool:
        source = subscriptions.parameters.get(parameter)
        return source is None or not isinstance(source.literal, dict)

    problems = [
        Sample(_explain(model, misuse), ref=f"{FILE}: {place}")
        for place, statement in read
        for misuse in misuses(statement, stored_as_object, plain)
    ]
    return listed(context, len(read), problems) if read else skipped("no device asks for a collection in mode ejson")


def _statements(subscriptions: Subscriptions) -> Iterator[tuple[str, Statement]]:
    read: Sequence[tuple[str, Statement | None]] = [
        *((place, one.selection.statement) for place, _, one in subscriptions.places()),
        *((f"queries.{query.name}", query.statement) for query in subscriptions.queries),
    ]
    yield from ((place, statement) for place, statement in read if statement is not None)


def _explain(model: Model, misuse: Misuse) -> str:
    path, _ = form_of(misuse.path)
    form = _FORMS.get(model[misuse.collection].field(path).kind)
    fix = f"; write CAST({path}.{form})" if form else ""
    return f"{misuse.path} of {misuse.collection} is an object or its text on devices, and the query {misuse.what}{fix}"

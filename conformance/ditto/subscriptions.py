"""What devices subscribe to and ask for, config/ditto_subscriptions.yaml, parsed strictly.

A device's subscription is what its store holds: ``SELECT * FROM collection [WHERE condition]`` and nothing else, as
Ditto demands. Beside each stands what it means in MongoDB's words, written by hand: rules and suites hold one to the
other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator
from pymongo.database import Database

from conformance.ditto.permissions import CHANGES, Operation, User
from conformance.files.strict_files import Strict, parse_file
from conformance.language.condition_parser import Reader, unexpected
from conformance.language.conditions import Always, Condition, Parameter, Scalar, bind, comparisons
from conformance.language.dql_fields import fields_named
from conformance.model.collection import Model
from conformance.text.paths import value_at

#: The file's name below config/.
SUBSCRIPTIONS_FILE: Final = "ditto_subscriptions.yaml"
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
FieldName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*([.][A-Za-z0-9_]+)+$")]
_FROM: Final = re.compile(r"\bFROM\s+`?([A-Za-z_]\w*)`?", re.IGNORECASE)
_PARAMETER: Final = re.compile(r"(?<![\w:]):([A-Za-z_]\w*)")


@dataclass(frozen=True)
class Selection:
    """The documents of one collection that meet a condition."""

    collection: str
    condition: Condition

    @property
    def parameters(self) -> Mapping[str, bool]:
        """The parameters that the condition names, each with whether it must be a list."""
        return {
            value.name: comparison.operator == "IN"
            for comparison in comparisons(self.condition)
            for value in comparison.values
            if isinstance(value, Parameter)
        }

    def bound(self, values: Mapping[str, Any]) -> Condition:
        """The condition with values for its parameters; one without a value selects nothing."""
        return bind(self.condition, {Parameter(name): value for name, value in values.items()})


@cache
def parse_subscription(text: str) -> Selection:
    """What a subscription selects; ValueError, one line with what to write instead, when Ditto takes it for none."""
    reader = Reader(text)
    if not reader.word("SELECT"):
        raise ValueError("a subscription is SELECT * FROM <collection> WHERE <condition>; write it so")
    if not reader.word("*"):
        raise ValueError("a subscription selects whole documents: no DISTINCT, field or aggregate; write SELECT *")
    kind, name = reader.take() if reader.word("FROM") else reader.peek()
    if kind != "word" or "." in name:
        raise ValueError("a subscription is about one collection: write SELECT * FROM <collection>")
    if reader.word("WHERE"):
        return Selection(name.replace("`", ""), reader.whole())
    if reader.peek()[0] != "end":
        raise unexpected(reader.peek()[1], "WHERE or the end")
    return Selection(name.replace("`", ""), Always(True))


class Source(Strict):
    """Where a parameter's value comes from; the app gives it, and rules and suites find one of the same kind.

    ``user`` is an attribute of the user who signed in, ``values`` a list and ``value`` one value of a field
    (<collection>.<field>) of the documents whose fields equal the parameters of ``where``, smallest first, ``at_most``
    so many; ``literal`` is as it stands.
    """

    title: str
    user: str | None = None
    values: FieldName | None = None
    value: FieldName | None = None
    literal: str | int | float | bool | None = None
    where: Mapping[str, str] = Field(default_factory=dict)
    at_most: int = Field(default=100, ge=1)

    @model_validator(mode="after")
    def _one(self) -> Source:
        given = [one for one in (self.user, self.values, self.value, self.literal) if one is not None]
        if len(given) != 1:
            raise ValueError("a parameter is from user, values, value or literal; write one of them")
        return self

    @property
    def field(self) -> tuple[str, str] | None:
        """Collection and path of the field that gives the value; None where none does."""
        name = self.values or self.value
        if name is None:
            return None
        collection, _, path = name.partition(".")
        return collection, path


class Subscription(Strict):
    """One subscription: ``query`` in DQL, and ``find``, the same as a filter of MongoDB's with $$name for :name."""

    query: str
    find: Mapping[str, Any]

    @field_validator("query")
    @classmethod
    def _readable(cls, value: str) -> str:
        parse_subscription(value)
        return value

    @property
    def selection(self) -> Selection:
        """What it selects."""
        return parse_subscription(self.query)


class Device(Strict):
    """A kind of device: who signs in on it, what it subscribes to, and what it changes, by collection."""

    name: Name
    title: str
    user: Literal["known", "super_manager"] = "known"
    subscriptions: tuple[Subscription, ...] = Field(min_length=1)
    changes: Mapping[str, tuple[Operation, ...]] = Field(default_factory=dict)

    @field_validator("changes")
    @classmethod
    def _no_reading(cls, value: Mapping[str, tuple[Operation, ...]]) -> Mapping[str, tuple[Operation, ...]]:
        if any(operation not in CHANGES for operations in value.values() for operation in operations):
            raise ValueError(f"changes are {', '.join(CHANGES)}; what is read is in subscriptions")
        return value


class DeviceQuery(Strict):
    """A query that apps run on the device's own store: any DQL, and the same in MongoDB's words.

    Rows come in the order of ``sort`` where there is one.
    """

    name: Name
    title: str
    query: str
    find: Mapping[str, Any]
    sort: Mapping[str, Literal[1, -1]] = Field(default_factory=dict)
    limit: int = Field(default=0, ge=0)

    @field_validator("query")
    @classmethod
    def _of_one_collection(cls, value: str) -> str:
        if len(_FROM.findall(value)) != 1:
            raise ValueError("a query is about one collection, and DQL has no subquery: write one FROM <collection>")
        return value

    @property
    def collection(self) -> str:
        """The collection that it asks."""
        return str(_FROM.findall(self.query)[0])

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that it names."""
        return tuple(dict.fromkeys(_PARAMETER.findall(self.query)))

    @property
    def fields(self) -> Mapping[str, Sequence[Scalar]]:
        """The fields that it names, each with the values it is compared with; Ditto's own _id is left out."""
        named = fields_named(self.query)
        return {path: values for path, values in named.items() if path.partition(".")[0] != "_id"}


class Subscriptions(Strict):
    """The whole file."""

    parameters: Mapping[Name, Source] = Field(default_factory=dict)
    devices: tuple[Device, ...] = Field(min_length=1)
    queries: tuple[DeviceQuery, ...] = ()

    @model_validator(mode="after")
    def _told_apart(self) -> Subscriptions:
        for names in ([one.name for one in self.devices], [one.name for one in self.queries]):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ValueError(f"two have the name {twice!r}; rename one")
        return self

    def places(self) -> Iterator[tuple[str, Device, Subscription]]:
        """Every subscription with its place in the file and its device."""
        for device in self.devices:
            for position, one in enumerate(device.subscriptions):
                yield f"{device.name}.subscriptions[{position}]", device, one

    def of(self, collection: str) -> Sequence[tuple[str, Device, Subscription]]:
        """The subscriptions to a collection, each with its place in the file and its device."""
        return [entry for entry in self.places() if entry[2].selection.collection == collection]


def load_subscriptions(model: Model) -> Subscriptions:
    """What the model's devices subscribe to.

    Raises ConfigurationError, one line with file, line and fix, when the file is missing or not as described.
    """
    subscriptions: Subscriptions = parse_file(Subscriptions, model.config(SUBSCRIPTIONS_FILE))
    return subscriptions


def values_for(
    subscriptions: Subscriptions, names: Iterable[str], user: User, database: Database[Any]
) -> Mapping[str, Any]:
    """Values for the parameters, of the kind that an app would give for the user; None where the data has none.

    A parameter that is declared nowhere has no value; neither has one that goes by its own value in a circle.
    """

    def value(name: str, asked: frozenset[str]) -> Any:
        source = subscriptions.parameters.get(name)
        if source is None or name in asked:
            return None
        if source.field is None:
            return user.attributes.get(source.user) if source.user else source.literal
        wanted = {path: value(other, asked | {name}) for path, other in source.where.items()}
        return None if None in wanted.values() else _asked(source, *source.field, wanted, database)

    return {name: value(name, frozenset()) for name in names}


def _asked(source: Source, collection: str, path: str, wanted: Mapping[str, Any], database: Database[Any]) -> Any:
    equal = [{name: {"$in": one} if isinstance(one, list) else one} for name, one in wanted.items()]
    there = {"$and": [*equal, {path: {"$exists": True, "$ne": None}}]}
    rows = database[collection].find(there, {path: 1}).sort(path, 1).limit(source.at_most if source.values else 1)
    found = [value_at(row, path) for row in rows]
    return found if source.values else next(iter(found), None)

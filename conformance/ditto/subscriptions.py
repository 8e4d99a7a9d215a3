"""Subscriptions and queries of devices, config/ditto_subscriptions.yaml, parsed strictly.

A device's subscription is what its store holds: ``SELECT * FROM collection [WHERE condition]`` and nothing else, as
Ditto demands. Beside each may stand what it means in MongoDB's words, written by hand: rules and suites compare both.
Ditto's engine decides whether a query is valid; what is not read here is not analysed, and no error of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field, PrivateAttr, StringConstraints, field_validator, model_validator
from pymongo.database import Database

from conformance.config.configuration import filled
from conformance.ditto.device_plans import DevicePlan, Index, create_index
from conformance.ditto.permissions import CHANGES, Operation, User
from conformance.ditto.selection import Selection, parse_subscription
from conformance.files.strict_files import Strict, parse_file
from conformance.language.conditions.condition import is_computed
from conformance.language.conditions.translation import to_mongo
from conformance.language.dql.fields import Named, named_fields, placeholders
from conformance.language.dql.parser import parse_statement
from conformance.language.dql.syntax import Statement
from conformance.language.dql.tokens import parameters_in
from conformance.model.collection import Model
from conformance.model.names import split_place
from conformance.text.paths import value_at

#: The file's name below config/.
SUBSCRIPTIONS_FILE: Final = "ditto_subscriptions.yaml"
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
FieldName = Annotated[str, StringConstraints(pattern=r"^[^.].*[.].*[^.]$")]


class Source(Strict):
    """The source of a parameter's value; the app sets it, rules and suites choose one of the same kind.

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
    _collections: tuple[str, ...] = PrivateAttr(default=())

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
        return None if name is None else split_place(name, self._collections)

    def within(self, collections: Iterable[str]) -> None:
        """Set the model's collections, whose names may hold dots."""
        self._collections = tuple(collections)


class Subscription(Strict):
    """One subscription: ``query`` in DQL, and if given, ``find``: the same for MongoDB, with $$name for :name."""

    query: str
    find: Mapping[str, Any] | None = None

    @field_validator("query")
    @classmethod
    def _readable(cls, value: str) -> str:
        parse_subscription(value)
        return value

    @property
    def selection(self) -> Selection:
        """Return what it selects."""
        return parse_subscription(self.query)

    def filter(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return a MongoDB filter: the condition, or the find if only the engine can evaluate the condition.

        None where neither can say it.
        """
        if not is_computed(self.selection.condition):
            return to_mongo(self.selection.bound(values))
        return None if self.find is None else dict(filled(self.find, values))


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
    """A query that apps run on the device's own store: any SELECT of DQL.

    The same in MongoDB's words is ``find``, or ``pipeline`` for a JOIN, if given. Rows come in the order of ``sort``
    where there is one.
    """

    name: Name
    title: str
    query: str
    find: Mapping[str, Any] | None = None
    pipeline: tuple[Mapping[str, Any], ...] | None = None
    sort: Mapping[str, Literal[1, -1]] = Field(default_factory=dict)
    limit: int = Field(default=0, ge=0)
    plan: DevicePlan | None = None

    @model_validator(mode="after")
    def _fits(self) -> DeviceQuery:
        if self.statement is not None and (self.statement.verb != "SELECT" or self.statement.prefix):
            raise ValueError("a query reads: write SELECT; what a device changes is in changes")
        if self.find is not None and self.pipeline is not None:
            raise ValueError("find and pipeline are two ways to say the same; write one of them")
        if self.pipeline is not None and (self.sort or self.limit):
            raise ValueError("sort and limit belong to find; a pipeline has $sort and $limit")
        return self

    @property
    def statement(self) -> Statement | None:
        """Return what it says; None where only the engine can tell."""
        try:
            return parse_statement(self.query)
        except ValueError:
            return None

    @property
    def collection(self) -> str:
        """The collection after FROM; empty where it is not known."""
        return self.statement.sources[0].collection if self.statement else ""

    @property
    def collections(self) -> Sequence[str]:
        """The collections that it reads."""
        return [source.collection for source in self.statement.sources] if self.statement else ()

    @property
    def parameters(self) -> Mapping[str, bool | None]:
        """The parameters that it names, each with whether it must be a list; None if that is not known."""
        return placeholders(self.statement) if self.statement else dict.fromkeys(parameters_in(self.query))

    @property
    def fields(self) -> Sequence[Named]:
        """The fields that it names, with what it compares them with."""
        return named_fields(self.statement) if self.statement else ()


class Subscriptions(Strict):
    """The whole file. ``indexes`` are those that apps make on a device, by collection: fields and directions."""

    parameters: Mapping[Name, Source] = Field(default_factory=dict)
    devices: tuple[Device, ...] = Field(min_length=1)
    indexes: Mapping[str, tuple[Index, ...]] = Field(default_factory=dict)
    queries: tuple[DeviceQuery, ...] = ()

    @model_validator(mode="after")
    def _told_apart(self) -> Subscriptions:
        for names in ([one.name for one in self.devices], [one.name for one in self.queries]):
            twice = next((name for name in names if names.count(name) > 1), None)
            if twice is not None:
                raise ValueError(f"two have the name {twice!r}; rename one")
        return self

    @property
    def index_statements(self) -> Sequence[str]:
        """The statements that make the indexes on a device."""
        return [create_index(name, index) for name, indexes in self.indexes.items() for index in indexes]

    def places(self) -> Iterator[tuple[str, Device, Subscription]]:
        """Every subscription with its place in the file and its device."""
        for device in self.devices:
            for position, one in enumerate(device.subscriptions):
                yield f"{device.name}.subscriptions[{position}]", device, one

    def of(self, collection: str) -> Sequence[tuple[str, Device, Subscription]]:
        """Return the subscriptions to a collection, each with its place in the file and its device."""
        return [entry for entry in self.places() if entry[2].selection.collection == collection]


def load_subscriptions(model: Model) -> Subscriptions:
    """Return what the model's devices subscribe to.

    Raises ConfigurationError, one line with file, line and fix, when the file is missing or not as described.
    """
    subscriptions: Subscriptions = parse_file(Subscriptions, model.config(SUBSCRIPTIONS_FILE))
    for source in subscriptions.parameters.values():
        source.within(model.collections)
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

"""Permissions of config/ditto_permissions.json, parsed strictly, and their result for one user.

A rule grants operations on the documents of a collection that meet its condition. ``write`` is to create and to
update, ``delete`` to set the soft-delete flag. What no rule of a collection grants is not allowed; a synced collection
without any rule may be read by every known user. Whoever is not known may do nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator

from conformance.files.strict_files import Exact, parse_file
from conformance.language.conditions.condition import Always, Attribute, Condition, Parameter, Some, bind, comparisons
from conformance.language.conditions.parser import parse
from conformance.model.collection import Collection, IdMapping, Model
from conformance.model.validators.document_validator import fits

#: The file's name below config/.
PERMISSIONS_FILE: Final = "ditto_permissions.json"
Operation = Literal["read", "write", "update", "delete"]
OPERATIONS: Final[tuple[Operation, ...]] = get_args(Operation)
#: Operations of a device on documents, except reading.
CHANGES: Final[tuple[Operation, ...]] = OPERATIONS[1:]


class Users(Exact):
    """The collection each of whose documents is a user's scope: the field ``id`` holds the user's id.

    ``attributes`` are the fields of the document that conditions may name as $user.<field>.
    """

    collection: str
    id: str
    attributes: Annotated[tuple[str, ...], Field(min_length=1, strict=False)]


class Grant(Exact):
    """One rule. ``enforced_by`` and ``reason`` say who keeps it where Ditto does not, or not all of it."""

    collection: str
    operations: Annotated[tuple[Operation, ...], Field(min_length=1, strict=False)]
    condition: str
    enforced_by: Literal["ditto", "subscriptions"] | None = None
    reason: Annotated[str, Field(min_length=20)] | None = None

    @field_validator("operations")
    @classmethod
    def _once(cls, value: tuple[Operation, ...]) -> tuple[Operation, ...]:
        if len(set(value)) < len(value):
            raise ValueError("an operation occurs twice; remove one")
        return value

    @field_validator("condition")
    @classmethod
    def _readable(cls, value: str) -> str:
        for comparison in comparisons(parse(value)):
            for one in comparison.values:
                if isinstance(one, Parameter):
                    raise ValueError(f"a permission has no parameter :{one.name}; write a value or $user.<attribute>")
        return value

    @model_validator(mode="after")
    def _explained(self) -> Grant:
        if self.enforced_by == "subscriptions" and self.reason is None:
            raise ValueError("enforced_by subscriptions needs a reason; write why Ditto cannot enforce the rule")
        return self

    @property
    def parsed(self) -> Condition:
        """The condition, to be bound to a user's attributes."""
        return parse(self.condition)

    def grants(self, operation: Operation) -> bool:
        """Return True when the rule is about the operation; who may write may update."""
        return operation in self.operations or (operation == "update" and "write" in self.operations)


class Permissions(Exact):
    """The whole file. ``super_manager`` holds its user's id under the name of ``users.id``."""

    users: Users
    rules: Annotated[tuple[Grant, ...], Field(strict=False)]
    super_manager: Mapping[str, str]

    @field_validator("super_manager")
    @classmethod
    def _all(cls, value: Mapping[str, str], info: ValidationInfo) -> Mapping[str, str]:
        users = info.data.get("users")
        if users is not None and (value.keys() != {users.id, "permissions"} or value["permissions"] != "all"):
            raise ValueError(f'write {{"{users.id}": "<the user\'s id>", "permissions": "all"}}')
        if users is not None and not value[users.id].strip():
            raise ValueError("the id is empty: everyone without an id would be the super manager; write an id")
        return value

    @property
    def super_manager_id(self) -> str:
        """The id of the user who may do everything."""
        return self.super_manager[self.users.id]

    def of(self, collection: str) -> tuple[Grant, ...]:
        """Return the rules of a collection."""
        return tuple(rule for rule in self.rules if rule.collection == collection)


def load_permissions(model: Model) -> Permissions:
    """Return the model's permissions.

    Raises ConfigurationError, one line with file, line and fix, when the file is missing or not as described.
    """
    permissions: Permissions = parse_file(Permissions, model.config(PERMISSIONS_FILE))
    return permissions


@dataclass(frozen=True)
class User:
    """Someone who is known, with the values of the attributes that conditions may name."""

    id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    super_manager: bool = False

    @property
    def given(self) -> Mapping[Parameter | Attribute, Any]:
        """Return what conditions are bound to."""
        return {Attribute(name): value for name, value in self.attributes.items()}


def user_of(
    permissions: Permissions, model: Model, documents: Iterable[Mapping[str, Any]], user_id: Any
) -> User | None:
    """Return the user of that id, or None for someone who may do nothing.

    ``documents`` are those of the users' collection; all of them, or those of that id. Fails closed: an id that is
    missing, no text, malformed, unknown or held by several documents is nobody's; neither is one whose document is
    soft-deleted or lacks an attribute.
    """
    if type(user_id) is not str:
        return None
    if user_id == permissions.super_manager_id:
        return User(user_id, super_manager=True)
    users, collection = permissions.users, model.collections.get(permissions.users.collection)
    if collection is None or not all(collection.has(name) for name in (users.id, *users.attributes)):
        return None
    if not fits(collection.field(users.id).schema, user_id):
        return None
    found = [document for document in documents if document.get(users.id) == user_id]
    if len(found) != 1 or (collection.soft_delete and found[0].get(collection.soft_delete) is not False):
        return None
    attributes = {name: found[0].get(name) for name in users.attributes}
    if not all(fits(collection.field(name).schema, value) for name, value in attributes.items()):
        return None
    return User(user_id, attributes)


def known_users(permissions: Permissions, model: Model, documents: Iterable[Mapping[str, Any]]) -> list[User]:
    """Everyone whom the documents of the users' collection make known, by id; the super manager is not among them."""
    all_of_them = list(documents)
    ids = sorted({str(document.get(permissions.users.id)) for document in all_of_them} - {permissions.super_manager_id})
    found = (user_of(permissions, model, all_of_them, user_id) for user_id in ids)
    return [user for user in found if user is not None]


def document_of(permissions: Permissions, documents: Iterable[dict[str, Any]], user: User) -> dict[str, Any]:
    """Return the document that defines a known user, among those of the users' collection."""
    return next(document for document in documents if document.get(permissions.users.id) == user.id)


def allowed(permissions: Permissions, collection: Collection, user: User | None, operation: Operation) -> Condition:
    """Return what documents of the collection the user may do the operation on: a condition, bound."""
    if user is None:
        return Always(False)
    if user.super_manager:
        return Always(collection.synced)
    rules = permissions.of(collection.name)
    if not rules:
        return Always(collection.synced and operation == "read")
    granted = tuple(bind(rule.parsed, user.given) for rule in rules if rule.grants(operation))
    return Some(granted) if len(granted) > 1 else next(iter(granted), Always(False))


def in_ditto_id(collection: Collection, mapping: IdMapping) -> Mapping[str, str]:
    """Return the fields of Ditto's _id with their paths in it; Ditto's permissions can test only these."""
    if mapping.mode == "match_ids":
        same = (collection.id_field,) if collection.id_field else ()
        parts = {part.path: part.path for part in collection.field("_id").children}
        return dict.fromkeys(("_id", *same), "_id") | parts | {name: f"_id.{name}" for name in collection.id_parts}
    held = {name: f"_id.{name}" if len(mapping.fields) > 1 else "_id" for name in mapping.fields}
    return held | {f"_id.{name}": held[name] for name in collection.id_parts if name in held}


def beyond_ditto(rule: Grant, collection: Collection, mapping: IdMapping) -> Iterator[str]:
    """Yield why Ditto cannot enforce the rule, in words: a reason for each field that its _id lacks."""
    held = in_ditto_id(collection, mapping)
    for path in dict.fromkeys(comparison.path for comparison in comparisons(rule.parsed)):
        if path not in held:
            yield f"{path} is not part of Ditto's _id, and Ditto's permissions test nothing else"


def indistinct(rule: Grant) -> str | None:
    """Return what Ditto cannot tell apart in the rule, in words: it has one permission for all kinds of changes."""
    granted = [operation for operation in CHANGES if rule.grants(operation)]
    if not granted or len(granted) == len(CHANGES):
        return None
    more = " and ".join(operation for operation in CHANGES if operation not in granted)
    return f"Ditto knows read and write only: who may {' and '.join(granted)} could {more} as well"

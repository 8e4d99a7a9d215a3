"""Rules on users, names and the super manager of the permissions file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from conformance.checks.base import Context, Document, listed, skipped
from conformance.ditto.permissions import (
    OPERATIONS,
    PERMISSIONS_FILE,
    Grant,
    Permissions,
    allowed,
    known_users,
    user_of,
)
from conformance.language.conditions.condition import Always, Attribute, Comparison, comparisons
from conformance.language.conditions.witnesses import impossible
from conformance.model.collection import Model
from conformance.model.validators.document_validator import fits
from conformance.results import Outcome, Sample
from conformance.text.rendering import shorten

FILE: Final = f"config/{PERMISSIONS_FILE}"
#: The rule that says of users that they are not defined.
USERS_RULE: Final = "permissions._config.users"


def ref(place: str) -> str:
    """Return where in the file something is."""
    return f"{FILE}: {place}"


def _readable(context: Context, permissions: Permissions) -> Outcome:
    return listed(context, max(1, len(permissions.rules)), [])


def _users(context: Context, permissions: Permissions) -> Outcome:
    problems = [Sample(why, ref=ref(f"users.{place}")) for place, why in unfit_users(context.model, permissions)]
    if not problems and context.counts[permissions.users.collection]:
        documents = context.collection(permissions.users.collection).find()
        if not known_users(permissions, context.model, documents):
            problems.append(
                Sample(f"{no_known_user(permissions)}, so no user has permissions", ref=ref("users.collection"))
            )
    return listed(context, 3 + len(permissions.users.attributes), problems)


def no_known_user(permissions: Permissions) -> str:
    """Return the reason that there is no known user."""
    return f"no live document of {permissions.users.collection} defines a user with a unique id and all attributes"


def unfit_users(model: Model, permissions: Permissions) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the definition of users: place below users, and why."""
    users = permissions.users
    collection = model.collections.get(users.collection)
    if collection is None:
        yield "collection", f"the model defines no collection {users.collection!r}"
        return
    for place, name in (("id", users.id), *(("attributes", name) for name in users.attributes)):
        field = next((one for one in collection.fields if one.name == name), None)
        if field is None:
            yield place, f"{collection.name} has no field {name!r}"
        elif not field.required or field.children:
            yield place, f"{name!r} is optional or an object; every user needs a scalar value"
        elif place == "id" and (name != "_id" and (name,) not in collection.unique):
            yield place, f"{name!r} is not unique (x-unique), so two documents could be the same user"


def _names(context: Context, permissions: Permissions) -> Outcome:
    problems = [
        Sample(why, ref=ref(f"rules[{position}]"))
        for position, rule in enumerate(permissions.rules)
        for why in _unknown(context.model, permissions, rule)
    ]
    if not permissions.rules:
        return skipped(f"{FILE} has no rule")
    return listed(context, sum(1 + len(list(comparisons(rule.parsed))) for rule in permissions.rules), problems)


def _unknown(model: Model, permissions: Permissions, rule: Grant) -> Iterator[str]:
    collection = model.collections.get(rule.collection)
    if collection is None:
        yield f"the model defines no collection {rule.collection!r}"
        return
    if not collection.synced:
        yield f"{collection.name} is not synced, so a permission on it has no effect"
    for comparison in comparisons(rule.parsed):
        yield from impossible(collection, comparison.path, comparison.values)
        if collection.has(comparison.path):
            yield from _unknown_attributes(comparison, permissions)


def _unknown_attributes(comparison: Comparison, permissions: Permissions) -> Iterator[str]:
    for value in comparison.values:
        if isinstance(value, Attribute) and value.name not in permissions.users.attributes:
            yield f"users have no attribute {value.name!r}; it is not in users.attributes"


def _super_manager(context: Context, permissions: Permissions) -> Outcome:
    users, super_manager = permissions.users, permissions.super_manager_id
    if any(unfit_users(context.model, permissions)):
        return skipped(f"users are not defined; see {USERS_RULE}")
    documents = context.collection(users.collection).find({users.id: super_manager}, {"_id": 1}).sort("_id", 1)
    problems = [
        Sample(f"{users.id} is the super manager's id; only the super manager may have it", id=one["_id"])
        for one in documents
    ]
    if fits(context.model[users.collection].field(users.id).schema, super_manager):
        problems.append(
            Sample(
                f"the schema of {users.collection}.{users.id} accepts this id; choose one that it rejects",
                ref=ref("super_manager"),
            )
        )
    return listed(context, 1 + context.counts[users.collection], problems)


def _strangers(context: Context, permissions: Permissions) -> Outcome:
    if any(unfit_users(context.model, permissions)):
        return skipped(f"users are not defined; see {USERS_RULE}")
    documents = list(context.collection(permissions.users.collection).find())
    strange = list(_strange_ids(context.model, permissions, documents))
    problems = []
    for one in strange:
        user = user_of(permissions, context.model, documents, one)
        open_to = [
            f"{operation} {collection.name}"
            for collection in context.model
            for operation in OPERATIONS
            if allowed(permissions, collection, user, operation) != Always(False)
        ]
        if open_to:
            problems.append(Sample(f"{shorten(one)} may {', '.join(open_to)}", ref=ref("users")))
    return listed(context, len(strange), problems)


def _strange_ids(model: Model, permissions: Permissions, documents: Sequence[Document]) -> Iterator[Any]:
    """Ids that are nobody's: none, empty, malformed, nearly somebody's, of a deleted document or of several."""
    yield from (None, "", " ", 0, True, [], {}, {"$ne": None}, {"$gt": ""}, "nobody")
    ids = [document.get(permissions.users.id) for document in documents]
    for one in (*ids, permissions.super_manager_id):
        if isinstance(one, str):
            yield from (near for near in (f"{one} ", f"{one}\n", one[:-1], [one]) if near not in ids)
    yield from (one for one in ids if ids.count(one) > 1)
    flag = model[permissions.users.collection].soft_delete
    yield from (
        document.get(permissions.users.id) for document in documents if flag and document.get(flag) is not False
    )


#: By the rule's subject.
CHECKS: Final[Mapping[str, Callable[[Context, Permissions], Outcome]]] = {
    "file": _readable,
    "users": _users,
    "names": _names,
    "super_manager": _super_manager,
    "strangers": _strangers,
}

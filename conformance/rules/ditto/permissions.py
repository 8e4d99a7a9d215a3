"""Family permissions: what config/ditto_permissions.json lets each user do is what they should, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from conformance.checks.access import Access
from conformance.checks.base import Check, Context, Rule, listed, skipped
from conformance.checks.config_file import unreadable
from conformance.checks.signed_in import TOLD_BY
from conformance.config.configuration import Configuration
from conformance.ditto.permissions import (
    OPERATIONS,
    Grant,
    Operation,
    Permissions,
    beyond_ditto,
    indistinct,
    load_permissions,
)
from conformance.ditto.subscriptions import Subscriptions, load_subscriptions
from conformance.errors import ConfigurationError
from conformance.model.collection import Collection, Model
from conformance.results import Outcome, Sample
from conformance.rules.ditto.permission_users import FILE, JUDGES, USERS_RULE, nobody, ref, unfit_users

_FILE_RULE: Final = "permissions._config.file"

#: By subject: title, why, mend.
_WORDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "file": (
        "The permissions can be read: no unknown key, every condition one that DQL can test",
        "Whoever compiles them for Ditto would guess what was meant.",
        "Mend the line that is named.",
    ),
    "users": (
        "Users are documents of a collection of the model, told apart by a required and unique id; somebody is known",
        "A user could be anyone, or be without the values that conditions compare; without any, devices stay empty.",
        "Name a collection, its id field (required, x-unique) and required attributes; keep a document of it live.",
    ),
    "names": (
        "The permissions name synced collections, fields and attributes that exist, and values they can have",
        "A condition that no document can meet locks everybody out; a rule for nothing protects nothing.",
        "Correct the name or the value.",
    ),
    "super_manager": (
        "The super manager's id can be nobody else's",
        "A store's user would see every store.",
        "Give the super manager an id that the schema refuses for users, and correct the document that has it.",
    ),
    "strangers": (
        "Whoever has no id, an empty, malformed or unknown one may do nothing",
        "A device that forgot who it is would see what it likes.",
        "Correct the library: user_of fails closed.",
    ),
    "read": (
        "{title}: every user may read the documents that are theirs, all of them and no other",
        "People see another store's business, or cannot do their work.",
        "Correct the condition of the rule, or the key in the documents.",
    ),
    "write": (
        "{title}: every user may create and change what devices do, of their own, and nothing else",
        "A change made offline is refused when it arrives, or one that nobody should make is taken.",
        "Grant the operation to whom a device needs it for (changes in config/ditto_subscriptions.yaml), or to nobody.",
    ),
    "update": (
        "{title}: every user may change what devices change, of their own, and nothing else",
        "A change made offline is refused when it arrives, or one that nobody should make is taken.",
        "Grant the operation to whom a device needs it for (changes in config/ditto_subscriptions.yaml), or to nobody.",
    ),
    "delete": (
        "{title}: every user may soft-delete what devices delete, of their own, and nothing else",
        "What is deleted vanishes from every device; what cannot be deleted stays in the way.",
        "Grant the operation to whom a device needs it for (changes in config/ditto_subscriptions.yaml), or to nobody.",
    ),
    "subscriptions": (
        "{title}: devices subscribe to nothing that their user may not read",
        "Where Ditto cannot enforce a rule, a device holds whatever it subscribes to.",
        "Narrow the subscription to the condition of the rule.",
    ),
    "enforceable": (
        "{title}: Ditto enforces the rules, or the file says what keeps them instead",
        "A rule that nobody enforces is taken for protection.",
        "Make the field part of Ditto's _id (docs/PERMISSIONS.md), or write enforced_by and a reason.",
    ),
    "enforced_by": (
        "{title}: a rule that is said to be enforced by Ditto can be",
        "The file promises a protection that is not there.",
        "Make the field part of Ditto's _id (docs/PERMISSIONS.md), or write enforced_by subscriptions and a reason.",
    ),
}


def rules(model: Model, _configuration: Configuration) -> Iterator[Rule]:
    """Five rules on the file, one for each operation on each collection, and three more on what devices hold."""
    for subject in ("file", "users", "names", "super_manager", "strangers"):
        yield _rule("_config", subject, _judge_file, "")
    for collection in model:
        check = _judge_documents(collection)
        for operation in OPERATIONS:
            yield _rule(collection.name, operation, check, collection.title)
        if collection.synced:
            yield _rule(collection.name, "subscriptions", check, collection.title)
            yield _rule(collection.name, "enforceable", _judge_enforcement, collection.title)
            yield _rule(collection.name, "enforced_by", _judge_enforcement, collection.title)


def _rule(where: str, subject: str, check: Check, title: str) -> Rule:
    words, why, mend = _WORDS[subject]
    severity: Any = "warning" if subject == "enforceable" else "error"
    return Rule(f"permissions.{where}.{subject}", words.replace("{title}", title), check, severity, why=why, mend=mend)


# -- the file ----------------------------------------------------------------------------------------------------------


def _judge_file(context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
    """Read the file once for all the rules on it."""
    try:
        permissions = load_permissions(context.model)
    except ConfigurationError as error:
        return unreadable(context, rules, FILE, error, _FILE_RULE)
    return {rule.id: JUDGES[rule.subject](context, permissions) for rule in rules}


# -- the documents -----------------------------------------------------------------------------------------------------


def _judge_documents(collection: Collection) -> Check:
    """A check of its own for each collection: each reads its own documents only."""

    def check(context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
        try:
            permissions = load_permissions(context.model)
        except ConfigurationError as error:
            return unreadable(context, rules, FILE, error, _FILE_RULE)
        if any(unfit_users(context.model, permissions)):
            return dict.fromkeys((rule.id for rule in rules), skipped(f"users are not defined: see {USERS_RULE}"))
        subscriptions: Subscriptions | None
        try:
            subscriptions = load_subscriptions(context.model)
        except ConfigurationError:
            subscriptions = None
        access = Access(context, collection, permissions)
        return {rule.id: _of_documents(access, subscriptions, rule.subject) for rule in rules}

    return check


def _of_documents(access: Access, subscriptions: Subscriptions | None, subject: str) -> Outcome:
    name = access.collection.name
    if not access.context.counts[name]:
        return skipped(f"{name} is empty")
    if not access.people:
        return skipped(nobody(access.permissions))
    if subject == "read":
        return access.operation("read", needed=True)
    if subscriptions is None:
        return skipped(f"what devices do cannot be read: see {TOLD_BY}")
    if subject == "subscriptions":
        if not subscriptions.of(name):
            return skipped(f"no device subscribes to {name}: see sync._config.subscriptions-collections")
        return access.subscriptions(subscriptions)
    operation = next(one for one in OPERATIONS if one == subject)
    return access.operation(operation, needed=_needed(subscriptions, name, operation))


def _needed(subscriptions: Subscriptions, collection: str, operation: Operation) -> bool:
    """True when a device of a known user's does the operation, or creates documents, which then change too."""
    done = {
        one for device in subscriptions.devices if device.user == "known" for one in device.changes.get(collection, ())
    }
    return operation in done or (operation == "update" and "write" in done)


# -- who keeps the rules -----------------------------------------------------------------------------------------------


def _judge_enforcement(context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
    """Whether Ditto can enforce each rule of a collection; without a rule it can: everyone may read everything."""
    try:
        permissions = load_permissions(context.model)
    except ConfigurationError as error:
        return unreadable(context, rules, FILE, error, _FILE_RULE)
    return {rule.id: _enforcement(context, permissions, rule) for rule in rules}


def _enforcement(context: Context, permissions: Permissions, rule: Rule) -> Outcome:
    collection, problems, evidence = context.model[rule.collection], [], {}
    grants = [(ref(f"rules[{n}]"), one) for n, one in enumerate(permissions.rules) if one.collection == rule.collection]
    for place, grant in grants:
        reasons = _not_by_ditto(grant, collection)
        evidence[place] = f"{grant.enforced_by or 'ditto'}: {grant.reason or 'Ditto can test what the rule is about'}"
        if reasons and not _acknowledged(grant, collection, rule.subject):
            problems.append(Sample("; ".join(reasons), ref=place))
    return listed(context, max(1, len(grants)), problems, **evidence)


def _not_by_ditto(grant: Grant, collection: Collection) -> list[str]:
    """Why Ditto does not enforce all of the rule, in words."""
    mapping, kinds = collection.id_mapping, indistinct(grant)
    return [*(beyond_ditto(grant, collection, mapping) if mapping else ()), *([kinds] if kinds else ())]


def _acknowledged(grant: Grant, collection: Collection, subject: str) -> bool:
    """True when the file does not leave in the dark (or under ``enforced_by``: does not deny) what Ditto cannot do."""
    if subject == "enforceable":
        return grant.enforced_by is not None
    whose = collection.id_mapping and any(beyond_ditto(grant, collection, collection.id_mapping))
    return grant.enforced_by != "ditto" or (not whose and grant.reason is not None)

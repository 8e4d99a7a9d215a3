"""Family permissions: what config/ditto_permissions.json lets each user do is what they should, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from conformance.checks.base import Check, Context, Rule, listed, skipped
from conformance.checks.config_file import unreadable
from conformance.checks.users.access import Access
from conformance.checks.users.signed_in import TOLD_BY
from conformance.checks.users.subscribed import Subscribed
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
from conformance.rules.ditto.permissions.users import CHECKS, FILE, USERS_RULE, no_known_user, ref, unfit_users

_FILE_RULE: Final = "permissions._config.file"

#: By subject: title, why, fix.
_WORDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "file": (
        "The permissions file is valid: it has no unknown keys, and DQL can evaluate every condition",
        "A file with errors cannot be compiled to Ditto's permissions, or compiles to something else than intended.",
        "Correct the line that the finding names.",
    ),
    "users": (
        "Users are documents of one collection with a required, unique id, and at least one user exists",
        "Users cannot be distinguished, or lack the values that conditions compare; without any user, devices stay"
        " empty.",
        "Set users to a collection, its id field (required, x-unique) and required attributes; keep one document live.",
    ),
    "names": (
        "Every collection, field, attribute and value that the permissions name exists and is possible",
        "A condition that no document can satisfy denies access to everyone; a rule for an unknown collection has no"
        " effect.",
        "Correct the name or the value in the file.",
    ),
    "super_manager": (
        "The super manager's id is not valid for any other user",
        "A user of one store could see the documents of every store.",
        "Set super_manager to an id that the schema rejects for users, and correct the document that has this id.",
    ),
    "strangers": (
        "A user whose id is missing, empty, malformed or unknown has no permissions",
        "A device without a valid user could read documents of any store.",
        "Report this as a defect of the harness: user_of must deny access to unknown users.",
    ),
    "read": (
        "{title}: every user is allowed to read all their own documents and no others",
        "Users see data of other stores, or cannot see the data that they need.",
        "Correct the condition of the rule, or the key in the documents.",
    ),
    "write": (
        "{title}: every user is allowed to create and change their own documents where a device does so, and no others",
        "Changes made offline are rejected later and lost, or changes that no user should make are accepted.",
        "Grant the operation to exactly the users whose devices need it (`changes` in"
        " config/ditto_subscriptions.yaml).",
    ),
    "update": (
        "{title}: every user is allowed to change their own documents where a device does so, and no others",
        "Changes made offline are rejected later and lost, or changes that no user should make are accepted.",
        "Grant the operation to exactly the users whose devices need it (`changes` in"
        " config/ditto_subscriptions.yaml).",
    ),
    "delete": (
        "{title}: every user is allowed to soft-delete their own documents where a device does so, and no others",
        "Documents disappear from every device by mistake, or cannot be deleted where they must be.",
        "Grant the operation to exactly the users whose devices need it (`changes` in"
        " config/ditto_subscriptions.yaml).",
    ),
    "subscriptions": (
        "{title}: devices subscribe only to documents that their user is allowed to read",
        "If Ditto cannot enforce a rule, a device receives every document that it subscribes to.",
        "Restrict the subscription to the condition of the rule.",
    ),
    "enforceable": (
        "{title}: every rule is enforced by Ditto, or the file names what enforces it instead",
        "A rule that is not enforced looks like protection but is none.",
        "Make the field part of Ditto's _id (docs/PERMISSIONS.md), or add enforced_by and a reason to the rule.",
    ),
    "enforced_by": (
        "{title}: every rule with enforced_by ditto is one that Ditto can enforce",
        "The file claims a protection that does not exist.",
        "Make the field part of Ditto's _id (docs/PERMISSIONS.md), or set enforced_by to subscriptions with a reason.",
    ),
}


def rules(model: Model, _configuration: Configuration) -> Iterator[Rule]:
    """Five rules on the file, one for each operation on each collection, and three more on what devices hold."""
    for subject in ("file", "users", "names", "super_manager", "strangers"):
        yield _rule("_config", subject, _check_file, "")
    for collection in model:
        check = _document_check(collection)
        for operation in OPERATIONS:
            yield _rule(collection.name, operation, check, collection.title)
        if collection.synced:
            yield _rule(collection.name, "subscriptions", check, collection.title)
            yield _rule(collection.name, "enforceable", _check_enforcement, collection.title)
            yield _rule(collection.name, "enforced_by", _check_enforcement, collection.title)


def _rule(where: str, subject: str, check: Check, title: str) -> Rule:
    words, why, fix = _WORDS[subject]
    severity: Any = "warning" if subject == "enforceable" else "error"
    return Rule(f"permissions.{where}.{subject}", words.replace("{title}", title), check, severity, why=why, fix=fix)


# -- the file ----------------------------------------------------------------------------------------------------------


def _check_file(context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
    """Read the file once for all the rules on it."""
    try:
        permissions = load_permissions(context.model)
    except ConfigurationError as error:
        return unreadable(context, rules, FILE, error, _FILE_RULE)
    return {rule.id: CHECKS[rule.subject](context, permissions) for rule in rules}


# -- the documents -----------------------------------------------------------------------------------------------------


def _document_check(collection: Collection) -> Check:
    """Return a check for one collection, which reads only its documents."""

    def check(context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
        try:
            permissions = load_permissions(context.model)
        except ConfigurationError as error:
            return unreadable(context, rules, FILE, error, _FILE_RULE)
        if any(unfit_users(context.model, permissions)):
            return dict.fromkeys((rule.id for rule in rules), skipped(f"users are not defined; see {USERS_RULE}"))
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
        return skipped(no_known_user(access.permissions))
    if subject == "read":
        return access.operation("read", needed=True)
    if subscriptions is None:
        return skipped(f"the subscriptions file cannot be read; see {TOLD_BY}")
    if subject == "subscriptions":
        if not subscriptions.of(name):
            return skipped(f"no device subscribes to {name}; see sync._config.subscriptions-collections")
        return Subscribed(access.context, access.collection, access.permissions, subscriptions).unreadable()
    operation = next(one for one in OPERATIONS if one == subject)
    return access.operation(operation, needed=_needed(subscriptions, name, operation))


def _needed(subscriptions: Subscriptions, collection: str, operation: Operation) -> bool:
    """Return True when a device of a known user's does the operation, or creates documents, which then change too."""
    done = {
        one for device in subscriptions.devices if device.user == "known" for one in device.changes.get(collection, ())
    }
    return operation in done or (operation == "update" and "write" in done)


# -- who keeps the rules -----------------------------------------------------------------------------------------------


def _check_enforcement(context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
    """Evaluate whether Ditto can enforce each rule of a collection; without a rule it can."""
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
        evidence[place] = f"{grant.enforced_by or 'ditto'}: {grant.reason or 'Ditto can evaluate the condition'}"
        if reasons and not _acknowledged(grant, collection, rule.subject):
            problems.append(Sample("; ".join(reasons), ref=place))
    return listed(context, max(1, len(grants)), problems, **evidence)


def _not_by_ditto(grant: Grant, collection: Collection) -> list[str]:
    """Return why Ditto does not enforce all of the rule, in words."""
    mapping, kinds = collection.id_mapping, indistinct(grant)
    return [*(beyond_ditto(grant, collection, mapping) if mapping else ()), *([kinds] if kinds else ())]


def _acknowledged(grant: Grant, collection: Collection, subject: str) -> bool:
    """Return True if the file acknowledges (or, under ``enforced_by``, does not deny) a limit of Ditto."""
    if subject == "enforceable":
        return grant.enforced_by is not None
    whose = collection.id_mapping and any(beyond_ditto(grant, collection, collection.id_mapping))
    return grant.enforced_by != "ditto" or (not whose and grant.reason is not None)

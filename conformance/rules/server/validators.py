"""Rules on the server's own validators: each collection refuses what its schema refuses, and not what devices write."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from conformance.checks.base import Context, Rule, listed, skipped
from conformance.config.configuration import Configuration
from conformance.model.collection import Collection, Model
from conformance.model.validators.profiles import profile_of, provisioned_validator
from conformance.model.validators.server_validator import difference
from conformance.results import Outcome, Sample
from conformance.server.metadata import LiveCollection, live_collections

_FIX: Final = "Run `zava provision` to install the validator."


def rules(model: Model, _configuration: Configuration) -> Iterator[Rule]:
    """Four rules per collection: there is a validator, it is today's, it covers all writes, and it refuses.

    For each synced collection a fifth: it does not refuse what devices write legitimately.
    """
    for collection in model:
        for subject, (title, why) in _STATEMENTS.items():
            yield Rule(
                id=f"validators.{collection.name}.{subject}",
                title=f"{collection.title}: {title}",
                check=_check,
                why=why,
                fix=_FIX,
            )
        if collection.synced:
            yield Rule(
                id=f"validators.{collection.name}.{_DEVICES}",
                title=f"{collection.title}: the validator accepts what devices write legitimately",
                check=_check,
                severity="warning",
                why="A document that the server refuses stays on its device: the connector records it as unsynced.",
                fix="Run `zava provision --validators connector`; the rules still report these documents.",
            )


#: The subject of the rule on what devices write.
_DEVICES: Final = "devices"
_STATEMENTS: Final[Mapping[str, tuple[str, str]]] = {
    "present": (
        "the collection has a validator",
        "Without a validator, any application can write documents that devices cannot merge.",
    ),
    "definition": (
        "the validator is the translation of the current schema",
        "An outdated validator accepts invalid documents or rejects valid ones.",
    ),
    "level": (
        "the validator is applied to every insert and update (validationLevel strict)",
        "With level off the server validates nothing; with level moderate an invalid document remains invalid after"
        " updates.",
    ),
    "action": (
        "invalid documents are rejected by the validator (validationAction error)",
        "With action warn the server logs an invalid document but stores it.",
    ),
}


def _check(context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
    """Answer all rules with one listing of the collections."""
    live = live_collections(context.database)
    return {rule.id: _outcome(context, rule, live.get(rule.collection)) for rule in rules}


def _outcome(context: Context, rule: Rule, live: LiveCollection | None) -> Outcome:
    """Evaluate one rule; other rules skip faults that `present` reports."""
    missing = _absence(live)
    if rule.subject == "present":
        problems = [missing] if missing else []
    elif live is None or missing:
        return skipped(f"{missing}; see validators.*.present")
    else:
        found = _COMPARISONS[rule.subject](context.model[rule.collection], live)
        problems = [found] if found else []
    return listed(context, 1, [Sample(problem, ref=rule.collection) for problem in problems])


def _absence(live: LiveCollection | None) -> str | None:
    if live is None:
        return "the collection does not exist"
    if live.type != "collection":
        return f"it is a {live.type}, which has no validator; rename or drop it"
    return None if live.validator else "the collection has no validator"


def _definition(collection: Collection, live: LiveCollection) -> str | None:
    if profile_of(collection, live.validator):
        return None
    different = difference(provisioned_validator(collection), live.validator)
    return f"the validator differs from the schema's translation at {different}" if different else None


def _devices(collection: Collection, live: LiveCollection) -> str | None:
    """Return what the strict validator rejects of the collection's documents; see `definition` for others."""
    if profile_of(collection, live.validator) != "strict" or live.action not in _REFUSE or live.level == "off":
        return None
    optional = [field.path for field in collection.walk() if not field.required and not field.nullable]
    integers = [field.path for field in collection.walk() if field.kind == "integer"]
    refused = ["a field of a newer app version"]
    refused += [f"null in an optional field ({optional[0]})"] if optional else []
    refused += [f"a whole double in an integer field ({integers[0]})"] if integers else []
    refused += ["a deleted document that lacks fields"] if collection.soft_delete else []
    return f"the strict validator rejects {', '.join(refused)}"


def _level(_: Collection, live: LiveCollection) -> str | None:
    effect = _LEVELS.get(live.level, "which this version does not know")
    return None if live.level == "strict" else f"validationLevel is {live.level}, {effect}; expected strict"


def _action(_: Collection, live: LiveCollection) -> str | None:
    effect = _ACTIONS.get(live.action, "which this version does not know")
    return None if live.action in _REFUSE else f"validationAction is {live.action}, {effect}; expected error"


#: The effect of a wrong setting.
_LEVELS: Final = {
    "off": "so the server validates nothing",
    "moderate": "so updates of invalid documents are not validated",
}
_ACTIONS: Final = {"warn": "so invalid documents are logged and accepted"}
#: Actions that refuse an invalid document; the second one logs it too (MongoDB 8.1).
_REFUSE: Final = ("error", "errorAndLog")

_COMPARISONS: Final[Mapping[str, Callable[[Collection, LiveCollection], str | None]]] = {
    "definition": _definition,
    "level": _level,
    "action": _action,
    _DEVICES: _devices,
}

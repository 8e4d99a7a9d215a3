"""Family sync: the connector's configuration and the schemas agree, both ways, and the database lets it work.

The file is read when the rules run, never when they are derived: a broken one is a finding, of one rule. Each fault
has the rule that names it; rules that could only repeat it are skipped and say where to look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from conformance.checks.base import Check, Context, Rule, listed, skipped
from conformance.checks.config_file import unreadable
from conformance.config.configuration import Configuration
from conformance.config.settings import is_database_name
from conformance.ditto.connector import (
    CONNECTOR_FILE,
    PLACEHOLDER,
    ConnectorConfig,
    Entry,
    demands,
    load_connector,
    resolve,
    shown,
    unfit_for_ids,
    unfit_variables,
)
from conformance.errors import ConfigurationError
from conformance.model.collection import Collection, IdMapping, Model
from conformance.results import Outcome, Sample
from conformance.rules.ditto.sync.connector_texts import TEXTS
from conformance.rules.ditto.sync.synced_collections import check_database
from conformance.text.rendering import shorten

_FILE: Final = f"config/{CONNECTOR_FILE}"

#: BSON types that match_ids cannot take as MongoDB's _id; named one by one so that the _id index answers.
#: (MongoDB itself takes no array, regular expression or undefined; a symbol sorts among the strings, all of which would
#: be looked at: the documents family names it.)
_UNFIT_TYPES: Final = (
    "double", "object", "binData", "bool", "date", "null", "dbPointer",
    "javascript", "javascriptWithScope", "timestamp", "decimal", "minKey", "maxKey",
)  # fmt: skip

SubjectCheck = Callable[[Context, ConnectorConfig, str], Outcome]


def rules(model: Model, _configuration: Configuration) -> Iterator[Rule]:
    """Five rules on the file, up to six per collection; those on ids and on what exists for synced ones only."""
    for subject in ("file", "unknown", "settings", "secrets", "database"):
        yield _rule("_config", subject, _check_file, "")
    if any(_kept_as(model, "map")):
        yield replace(_rule("_config", "maps", _check_file, ""), severity="warning")
    for collection in model:
        synced = ("id_mapping", "id_fields") if collection.synced else ()
        for subject in ("configured", "enabled", *synced):
            yield _rule(collection.name, subject, _check_file, collection.title)
        for subject in ("exists", "not_capped") if collection.synced else ("not_capped",):
            yield _rule(collection.name, subject, check_database, collection.title)


def _rule(where: str, subject: str, check: Check, title: str) -> Rule:
    words, why, fix = TEXTS[subject]
    return Rule(f"sync.{where}.{subject}", words.replace("{title}", title), check, why=why, fix=fix)


def _check_file(context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
    """Read the file once for all the rules on it."""
    try:
        config = load_connector(context.model)
    except ConfigurationError as error:
        return unreadable(context, rules, _FILE, error, "sync._config.file")
    return {rule.id: _CHECKS[rule.subject](context, config, rule.collection) for rule in rules}


def _readable(context: Context, _config: ConnectorConfig, _where: str) -> Outcome:
    return listed(context, 1, [])


def _unknown(context: Context, config: ConnectorConfig, _where: str) -> Outcome:
    if not config.collections:
        return skipped(f"{_FILE} has no entries; see sync.*.configured")
    problems = [
        Sample(f"the model defines no collection {entry.name!r}", ref=_ref(f"collections[{position}].name"))
        for position, entry in enumerate(config.collections)
        if entry.name not in context.model.collections
    ]
    return listed(context, len(config.collections), problems)


def _settings(context: Context, config: ConnectorConfig, _where: str) -> Outcome:
    asked = demands(config)
    problems = [
        Sample(f"found {shown(each.value)}; expected {each.wanted}", ref=_ref(each.place))
        for each in asked
        if not each.met
    ]
    return listed(context, len(asked), problems)


def _kept_as(model: Model, crdt: str) -> Iterator[str]:
    """Yield the object fields of synced collections that merge so."""
    for collection in model:
        for field in collection.walk():
            if collection.synced and field.kind in ("map", "dictionary") and field.schema["x-crdt"] == crdt:
                yield f"{collection.name}.{field.path}"


def _maps(context: Context, config: ConnectorConfig, _where: str) -> Outcome:
    if config.settings.strict_mode is None:
        return skipped("strict_mode is not set; see sync._config.settings")
    fields = list(_kept_as(context.model, "map"))
    stated = {entry.name: entry.strict_mode for entry in config.collections if entry.strict_mode is not None}
    stated |= {entry.name: False for entry in config.collections if entry.mode == "ejson"}
    places = {"settings.strict_mode": [name for name in context.model.collections if name not in stated]}
    if not config.settings.strict_mode:
        places = {}
    for position, entry in enumerate(config.collections):
        if stated.get(entry.name):
            places[f"collections[{position}].strict_mode"] = [entry.name]
    problems = [
        Sample(f"strict_mode is true, but {', '.join(concerned)} are declared as MAPs", ref=_ref(place))
        for place, names in places.items()
        if (concerned := [each for each in fields if each.partition(".")[0] in names])
    ]
    return listed(context, len(fields), problems)


def _secrets(context: Context, config: ConnectorConfig, _where: str) -> Outcome:
    secrets = {
        "mongodb.connection_string": config.mongodb.connection_string,
        "ditto.app_id": config.ditto.app_id,
        "ditto.api_key": config.ditto.api_key,
    }
    others = {"mongodb.database": config.mongodb.database, "ditto.endpoint": config.ditto.endpoint}
    named = secrets | {place: value for place, value in others.items() if PLACEHOLDER.search(value)}
    problems = []
    for place, value in named.items():
        written = place in secrets and not PLACEHOLDER.fullmatch(value)
        whys = ["the value is written in the file (shown as ***); write ${VARIABLE} instead"] if written else []
        whys += unfit_variables(place, value, context.settings)
        problems += [Sample(why, ref=_ref(place)) for why in whys[:1]]
    return listed(context, len(named), problems)


def _database(context: Context, config: ConnectorConfig, _where: str) -> Outcome:
    written, wanted = config.mongodb.database, context.settings.mongodb_database
    try:
        found = resolve(written, context.settings, context.model.config(CONNECTOR_FILE))
    except ConfigurationError:
        return skipped("the database name contains a variable that is not set; see sync._config.secrets")
    if any(unfit_variables("mongodb.database", written, context.settings)):
        return skipped("the database name is the value of another variable; see sync._config.secrets")
    if not is_database_name(found):
        return skipped("the database name is not valid; see sync._config.settings")
    problem = f"the connector reads {shorten(found)}, but {shorten(wanted)} is validated (MONGODB_DATABASE)"
    return listed(context, 1, [Sample(problem, ref=_ref("mongodb.database"))] if found != wanted else [])


def _configured(context: Context, config: ConnectorConfig, name: str) -> Outcome:
    places = [f"collections[{position}]" for position, _ in _entries(config, name)]
    if len(places) == 1:
        return listed(context, 1, [])
    why = f"{name} has {len(places)} entries: {', '.join(places)}" if places else f"there is no entry for {name}"
    return listed(context, 1, [Sample(why, ref=_ref(places[1] if places else "collections"))])


def _entries(config: ConnectorConfig, name: str) -> list[tuple[int, Entry]]:
    return [(position, entry) for position, entry in enumerate(config.collections) if entry.name == name]


def _of_the_entry(check: Callable[[Context, Collection, Entry, str], Outcome]) -> SubjectCheck:
    """Return a check of the collection's only entry; it is skipped if there is none, or more than one."""

    def checked(context: Context, config: ConnectorConfig, name: str) -> Outcome:
        entries = _entries(config, name)
        if len(entries) != 1:
            return skipped(f"there are {len(entries)} entries for {name}; see sync.{name}.configured")
        (position, entry), *_ = entries
        return check(context, context.model[name], entry, f"collections[{position}]")

    return checked


def _enabled(context: Context, collection: Collection, entry: Entry, place: str) -> Outcome:
    if entry.sync_enabled == collection.synced:
        return listed(context, 1, [])
    why = f"found {str(entry.sync_enabled).lower()}; expected {str(collection.synced).lower()}, as x-sync in the schema"
    return listed(context, 1, [Sample(why, ref=_ref(f"{place}.sync_enabled"))])


def _id_mapping(context: Context, collection: Collection, entry: Entry, place: str) -> Outcome:
    if entry.id_mapping is None:
        if not entry.sync_enabled:
            return skipped(f"{collection.name} is not enabled; see sync.{collection.name}.enabled")
        return listed(context, 1, [Sample("the entry has no id_mapping", ref=_ref(place))])
    actual, wanted = entry.id_mapping.as_mapping(), collection.id_mapping
    evidence = {"mapping": _in_words(actual)}
    # Ditto sorts the keys of an _id, so that the order of the fields says nothing.
    if wanted is not None and (actual.mode, sorted(actual.fields)) == (wanted.mode, sorted(wanted.fields)):
        return listed(context, 1, [], **evidence)
    why = f"found {_in_words(actual)}; expected {_in_words(wanted) if wanted else 'none, since it is not synced'}"
    return listed(context, 1, [Sample(why, ref=_ref(f"{place}.id_mapping"))], **evidence)


def _in_words(mapping: IdMapping) -> str:
    return " ".join((mapping.mode, ", ".join(mapping.fields))).rstrip()


def _id_fields(context: Context, collection: Collection, entry: Entry, place: str) -> Outcome:
    if entry.id_mapping is None:
        return skipped(f"{_FILE} has no id_mapping for {collection.name}")
    mapping = entry.id_mapping.as_mapping()
    if mapping.mode == "match_ids":
        return _documents_ids(context, collection)
    ref = _ref(f"{place}.id_mapping")
    problems = [Sample(why, ref=ref) for why in unfit_for_ids(collection, mapping.fields)]
    # One question per field (may it be in an id?), and one on all of them together.
    return listed(context, len(mapping.fields) + 1, problems)


def _documents_ids(context: Context, collection: Collection) -> Outcome:
    """match_ids: what MongoDB alone can show, the types of the _ids that are there."""
    examined = context.counts[collection.name]
    if not examined:
        return skipped(f"{collection.name} is empty")
    documents = context.collection(collection.name)
    unfit, expected = _unfit_ids(collection)
    violations = documents.count_documents(unfit)
    found = documents.find(unfit, {"_id": 1}).sort("_id", 1).limit(context.sample_size) if violations else ()
    samples = context.samples(
        Sample(f"_id is {shorten(one['_id'])}; match_ids requires {expected}", id=one["_id"]) for one in found
    )
    return Outcome(examined, violations, samples)


def _unfit_ids(collection: Collection) -> tuple[dict[str, Any], str]:
    """Return a query for the documents whose _id cannot be Ditto's, and what is expected in words.

    Ditto sorts the names in an object, so two objects that differ in their order only would be one _id there.
    """
    parts = collection.field("_id").children
    if not parts:
        return {"_id": {"$type": list(_UNFIT_TYPES)}}, "a string, an integer or an ObjectId"
    names = {"$map": {"input": {"$objectToArray": "$_id"}, "in": "$$this.k"}}
    wanted = [part.name for part in parts]
    is_object = {"$eq": [{"$type": "$_id"}, "object"]}
    other_names = {"$expr": {"$cond": [is_object, {"$ne": [names, wanted]}, True]}}
    unfit = [types for types in _UNFIT_TYPES if types != "bool"]
    return (
        {"$or": [other_names, *({part.path: {"$type": unfit}} for part in parts)]},
        f"an object of {', '.join(wanted)} in this order, each a string, an integer, a boolean or an ObjectId",
    )


_CHECKS: Final[Mapping[str, SubjectCheck]] = {
    "file": _readable,
    "unknown": _unknown,
    "settings": _settings,
    "maps": _maps,
    "secrets": _secrets,
    "database": _database,
    "configured": _configured,
    "enabled": _of_the_entry(_enabled),
    "id_mapping": _of_the_entry(_id_mapping),
    "id_fields": _of_the_entry(_id_fields),
}


def _ref(place: str) -> str:
    return f"{_FILE}: {place}"

"""Rules on indexes: those of the model are there, as declared, and there are no others."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from pymongo.errors import OperationFailure

from conformance.checks.base import Context, Rule, answer, listed, skipped
from conformance.checks.subjects import Subjects
from conformance.config.configuration import Configuration
from conformance.model.collection import Collection, Model
from conformance.model.index_options import may_hold, unknown_options
from conformance.model.indexes import VectorIndex
from conformance.model.paths import dotted
from conformance.results import Outcome, Sample
from conformance.server.metadata import (
    LiveCollection,
    LiveIndex,
    declared_index,
    differences,
    in_words,
    is_prefix,
    listed_index,
    live_indexes,
    option_words,
)
from conformance.server.vector_search import NO_SEARCH
from conformance.text.rendering import shorten

_ID: Final = listed_index({"name": "_id_", "key": {"_id": 1}})
_FIX: Final = "Run `zava provision` to create the index."
_ABSENT: Final = "the collection does not exist, or a view or time series has its name"
_FIX_ID: Final = (
    "Run `zava provision`. If the collection has a default collation, first copy its documents into a collection"
    " without one, drop the original and rename the copy."
)
_WHY: Final = "Without this index, queries that need it read the whole collection."
_WHY_UNIQUE: Final = "Without this index, two documents can have the same key, and lookups read the whole collection."
_NO_SEARCH_NOTE: Final = "the server has no vector search, so only the declaration was compared with the schema"

#: Tests by which a wrong index is matched with the wanted one, the closest first.
_LIKENESSES: Final[tuple[Callable[[LiveIndex, LiveIndex], bool], ...]] = (
    lambda wanted, live: live.keys == wanted.keys,
    lambda wanted, live: live.text and wanted.text,
    lambda wanted, live: {path for path, _ in live.keys} == {path for path, _ in wanted.keys},
)


def rules(model: Model, _configuration: Configuration) -> Iterator[Rule]:
    """One rule per wanted index; per collection: none extra, none redundant, every reference led by one."""
    for collection in model:
        check = partial(_check, collection)
        for subject, wanted in _wanted(collection).items():
            yield Rule(
                id=f"indexes.{collection.name}.{subject}",
                title=f"{collection.title}: the collection has {' and '.join(map(_title, wanted))}",
                check=check,
                why=_WHY_UNIQUE if any(index.unique for index in wanted) else _WHY,
                fix=_FIX_ID if wanted == [_ID] else _FIX,
            )
        yield Rule(
            id=f"indexes.{collection.name}.extra",
            title=f"{collection.title}: every index is declared in the model",
            check=check,
            why="An undeclared index slows every write and takes memory from the indexes in use.",
            fix="Declare the index in the schema's x-indexes if a query needs it, or drop it.",
        )
        yield Rule(
            id=f"indexes.{collection.name}.redundant",
            title=f"{collection.title}: no index is a prefix of another index",
            check=check,
            why="A redundant index slows every write and helps no query.",
            fix="Drop the shorter index, and remove it from x-indexes if the schema declares it.",
        )
        referring = dict.fromkeys(reference.field for reference in collection.every_reference)
        indexed = [name for path in referring if (name := dotted(path))]
        if indexed:
            fields = ", ".join(indexed)
            yield Rule(
                id=f"indexes.{collection.name}.foreign-keys",
                title=f"{collection.title}: every reference ({fields}) is the first field of an index",
                check=check,
                why="Without such an index, finding the children of a document reads the whole collection.",
                fix="Declare an index that starts with the field in the schema's x-indexes, and run `zava provision`.",
            )
        if collection.vector_index is not None:
            yield _vector_rule(collection, collection.vector_index)


def _wanted(collection: Collection) -> dict[str, list[LiveIndex]]:
    """Return the wanted indexes by subject; two with the same fields and other directions share one."""
    shapes: dict[str, list[LiveIndex]] = {}
    for index in collection.indexes:
        shape = declared_index(index)
        if shape.keys != _ID.keys:
            shapes.setdefault(index.subject, []).append(shape)
    vector = collection.vector_index
    subjects = Subjects("_id", *_OTHERS, *([] if vector is None else [_vector_subject(vector)]))
    return {"_id": [_ID]} | {subjects.of(subject): group for subject, group in shapes.items()}


def _title(index: LiveIndex) -> str:
    return f"a{' unique' if index.unique else 'n'} index on {in_words(index.keys)}{option_words(index)}"


def _check(collection: Collection, context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
    """One listing of the collection's indexes answers for all its rules."""
    live = live_indexes(context.database, collection.name)
    wanted = _wanted(collection)
    pairs = _pair([index for group in wanted.values() for index in group], live)
    return {
        rule.id: _OTHERS[rule.subject](context, collection, live, pairs)
        if rule.subject in _OTHERS
        else _declared(context, collection, wanted[rule.subject], pairs)
        for rule in rules
    }


Pairs = Mapping[str, tuple[LiveIndex, LiveIndex]]


def _pair(wanted: Sequence[LiveIndex], live: Sequence[LiveIndex]) -> dict[str, tuple[LiveIndex, LiveIndex]]:
    """Each wanted index, by name, with the live one that is it, or that is meant for it and not right."""
    pairs: dict[str, tuple[LiveIndex, LiveIndex]] = {}
    free = list(live)
    for alike in (lambda one, other: not differences(one, other), *_LIKENESSES):
        for index in wanted:
            match = next((other for other in free if index.name not in pairs and alike(index, other)), None)
            if match is not None:
                pairs[index.name] = (index, match)
                free.remove(match)
    return pairs


def _declared(context: Context, collection: Collection, wanted: Sequence[LiveIndex], pairs: Pairs) -> Outcome:
    problems = []
    for index in wanted:
        ref = f"{collection.name}.{index.name}"
        if index.name not in pairs:
            problems.append(Sample(f"there is no index on {in_words(index.keys)}", ref=ref))
            continue
        live = pairs[index.name][1]
        reasons = differences(index, live)
        if index is _ID and "collation" in live.options:
            has = LiveCollection(collection.name, "collection", live.options).collation
            reasons = [f"the collection has {has}; expected no collation, so that values are compared exactly"]
        if index is _ID and collection.clustered and not live.spec.get("clustered"):
            reasons.append("the collection is not clustered, but the model declares it so")
        if reasons:
            named = f"{live.name}: " if live.name != index.name else ""
            problems.append(Sample(named + "; ".join(reasons), ref=ref))
    return listed(context, len(wanted), problems)


def _extra(context: Context, collection: Collection, live: Sequence[LiveIndex], pairs: Pairs) -> Outcome:
    if not live:
        return skipped(_ABSENT)
    known = {match.name for _, match in pairs.values()}
    problems = [
        Sample(
            f"the index on {in_words(index.keys)} exists but the model does not declare it"
            + _expiry(index)
            + _undeclarable(collection, index),
            ref=_ref(collection, index),
        )
        for index in live
        if index.name not in known
    ]
    return listed(context, len(live), problems)


def _expiry(index: LiveIndex) -> str:
    """Say that a TTL index deletes documents; empty for any other index."""
    seconds = index.options.get("expireAfterSeconds")
    return "" if seconds is None else f"; it deletes documents {seconds:,} seconds after the date in {index.keys[0][0]}"


def _undeclarable(collection: Collection, index: LiveIndex) -> str:
    """Say why a schema cannot declare an index as it is; empty where it can."""
    unknown = unknown_options(index.options)
    if unknown:
        return f"; a schema cannot declare {', '.join(unknown)}: drop it, or create it without"
    absent = [path for path, _ in index.keys if not may_hold(collection.schema, path)]
    return f"; the schema does not define {', '.join(absent)}: define it first, or drop the index" if absent else ""


def _redundant(context: Context, collection: Collection, live: Sequence[LiveIndex], _: Pairs) -> Outcome:
    if not live:
        return skipped(_ABSENT)
    problems = []
    for position, index in enumerate(live):
        others = [(other, position < place) for place, other in enumerate(live) if place != position]
        cover = next((other for other, first in others if _covers(other, index, first=first)), None)
        if cover is not None:
            why = f"the index on {in_words(index.keys)} is covered by {cover.name} ({in_words(cover.keys)})"
            problems.append(Sample(why, ref=_ref(collection, index)))
    return listed(context, len(live), problems)


def _covers(other: LiveIndex, index: LiveIndex, *, first: bool) -> bool:
    """Return True when ``other`` does all that ``index`` does; of two alike the one that stands ``first`` is kept."""
    if index.text or other.text or index.wildcard or other.wildcard or not is_prefix(index.keys, other.keys):
        return False
    same_rest = (index.unique, index.options) == (other.unique, other.options)
    if len(index.keys) == len(other.keys) and same_rest:
        return not first
    return not (index.unique or index.options or other.options)


def _foreign_keys(context: Context, collection: Collection, live: Sequence[LiveIndex], _: Pairs) -> Outcome:
    problems, leading = [], {}
    indexed: dict[str, list[str]] = defaultdict(list)
    for reference in collection.every_reference:
        if name := dotted(reference.field):
            indexed[name].append(reference.target)
    for name, targets in indexed.items():
        index = next((index for index in live if index.leads(name)), None)
        if index is None:
            why = f"no index starts with {name}, which refers to {' or '.join(targets)}"
            problems.append(Sample(why, ref=f"{collection.name}.{name}"))
        else:
            leading[name] = index.name
    return listed(context, len(indexed), problems, led_by=leading)


_OTHERS: Final = {"extra": _extra, "redundant": _redundant, "foreign-keys": _foreign_keys}


def _ref(collection: Collection, index: LiveIndex) -> str:
    return f"{collection.name}.{index.name}"


def _vector_subject(index: VectorIndex) -> str:
    name = re.sub("[^a-z0-9_+-]", "-", index.name.lower())
    return f"{name}+vectors" if name in ("_id", *_OTHERS) else name


def _vector_rule(collection: Collection, index: VectorIndex) -> Rule:
    fields = ", ".join(f"{field} ({dimensions})" for field, dimensions in index.dimensions.items())
    return Rule(
        id=f"indexes.{collection.name}.{_vector_subject(index)}",
        title=f"{collection.title}: the vector search index has {fields} with {index.similarity} similarity",
        check=answer(partial(_vector, collection, index)),
        why="If vectors and index disagree, a semantic search finds nothing or the wrong documents.",
        fix="Create the vector search index in Atlas with these fields, dimensions and similarity.",
    )


def _vector(collection: Collection, index: VectorIndex, context: Context) -> Outcome:
    try:
        live = list(context.collection(collection.name).list_search_indexes(index.name))
    except OperationFailure as error:
        if error.code not in NO_SEARCH:
            raise
        problems = list(_declaration_problems(collection, index))
        note: dict[str, Any] = {"note": _NO_SEARCH_NOTE}
    else:
        problems = list(_vector_problems(index, live[0])) if live else ["the vector search index does not exist"]
        note = {"definition": live[0].get("latestDefinition"), "state": live[0].get("status")} if live else {}
    ref = f"{collection.name}.{index.name}"
    return listed(context, len(index.dimensions), [Sample(problem, ref=ref) for problem in problems], **note)


def _declaration_problems(collection: Collection, index: VectorIndex) -> Iterator[str]:
    for name, dimensions in index.dimensions.items():
        schema = collection.field(name).schema if collection.has(name) else {}
        if (schema.get("type"), schema.get("items", {}).get("type")) != ("array", "number"):
            yield f"{name} is not an array of numbers in the schema"
        elif not schema.get("minItems") == schema.get("maxItems") == dimensions:
            length = f"{schema.get('minItems')} to {schema.get('maxItems')}"
            yield f"{name} has {length} numbers in the schema but {dimensions} dimensions in the index"


def _vector_problems(index: VectorIndex, live: Mapping[str, Any]) -> Iterator[str]:
    """Yield how an index that `$listSearchIndexes` shows differs from the one declared."""
    if live.get("type", "search") != "vectorSearch":
        yield f"the index has type {live.get('type', 'search')}; expected vectorSearch"
        return
    if live.get("status") == "FAILED":
        yield "its build failed; see Atlas for the reason"
    entries = live.get("latestDefinition", {}).get("fields", [])
    vectors = {entry["path"]: entry for entry in entries if entry.get("type") == "vector"}
    for name, dimensions in index.dimensions.items():
        if name not in vectors:
            yield f"{name} is not in the index"
            continue
        for option, wanted in (("numDimensions", dimensions), ("similarity", index.similarity)):
            if vectors[name].get(option) != wanted:
                yield f"{name} has {option} {shorten(vectors[name].get(option))}; expected {shorten(wanted)}"
    for name in sorted(vectors.keys() - index.dimensions.keys()):
        yield f"{name} is in the index but not in the model"

"""Texts that look right and are not: invisible characters, blank names, and keys that stand twice in a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, Final

from conformance.checks.base import Document, Rule
from conformance.checks.document_scan import DocumentTest
from conformance.checks.subjects import Subjects
from conformance.language.formulas.expressions import Expression, typed
from conformance.model.collection import Collection, Field
from conformance.model.paths import ELEMENTS, VALUES, all_values, dotted, is_single, steps, values_at
from conformance.text.invisible import BLANK, IN_NAMES, IN_PROSE, PADDED, named, padding
from conformance.text.rendering import shorten

Query = dict[str, Any]

REPEATED: Final = "repeated-keys"
#: Up to this number of optional fields, each combination is a clause of the query.
_FEW_OPTIONAL: Final = 3


def rules(collection: Collection, subjects: Subjects) -> Iterator[Rule]:
    """One rule per field that holds free text (its inner keys included), and one for keys that stand twice."""
    for field in collection.fields:
        texts = [one for one in field.everywhere() if _is_free(one)]
        if texts:
            yield _visible(collection, field, texts, subjects.of(field.path, suffix="-characters"))
    yield _once(collection)


def _is_free(field: Field) -> bool:
    """Return True for text that no pattern limits to ASCII, also where a number may stand instead."""
    if field.kind == "scalar":
        return "string" in field.schema["type"]
    pattern = field.schema.get("pattern", "")
    return field.kind == "string" and (not pattern or "[^" in pattern or not pattern.isascii())


def _has_lines(field: Field) -> bool:
    """Return True for text that may have line breaks; no schema can say so of a scalar of several types."""
    return field.kind == "scalar" or "x-multiline" in field.schema


def _is_name(field: Field) -> bool:
    """Return True for text of one line that may not be empty; a space at its end is never wanted."""
    return bool(field.schema.get("minLength", 0)) and not _has_lines(field)


def _signs(text: str, field: Field) -> str | None:
    """Name what is wrong with a text; None when nothing is."""
    return named(text) or (padding(text) if _is_name(field) else None)


def _matching(path: str, pattern: str) -> Query:
    """Return a query for documents with a text at the path that matches."""
    name = dotted(path)
    if name is not None:
        return {name: {"$regex": pattern}}
    schema: Query = {"not": {"bsonType": "string", "pattern": pattern}}
    for step in reversed(steps(path)):
        keyword = {ELEMENTS: "items", VALUES: "additionalProperties"}.get(step)
        schema = {keyword: schema} if keyword else {"properties": {step: schema}}
    return {"$nor": [{"$jsonSchema": schema}]}


def _visible(collection: Collection, field: Field, texts: Sequence[Field], subject: str) -> Rule:
    tests: list[Query] = []
    for text in texts:
        tests.append(_matching(text.path, IN_PROSE if _has_lines(text) else IN_NAMES))
        if text.schema.get("minLength", 0):
            tests.append(_matching(text.path, BLANK))
        if _is_name(text):
            tests.append(_matching(text.path, PADDED))
    query = {"$or": tests} if len(tests) > 1 else tests[0]

    def why(document: Document) -> str:
        found = (
            (path, text, _signs(text, one))
            for one in texts
            for path, text in values_at(document, one.path)
            if isinstance(text, str)
        )
        return "; ".join(f"{path} is {shorten(text)}, which has {signs}" for path, text, signs in found if signs)

    return Rule(
        id=f"documents.{collection.name}.{subject}",
        title=f"{collection.title}: {field.name} is not blank and has no invisible or replacement characters"
        + (", and no space at either end" if any(map(_is_name, texts)) else ""),
        check=DocumentTest(
            collection.name,
            screen=query,
            violating=query,
            why=why,
            guards=({"$or": [_holds_text(text.path) for text in texts]},),
            needs=field.path,
        ),
        why="Names that look equal are different values, so a search for one does not find the other. U+FFFD"
        " replaces a letter that an import with the wrong encoding could not read.",
        fix=f"Write {field.name} again without these characters; take a lost letter from the source. Joiners and"
        " direction marks are allowed where the script needs them, line breaks where the schema has x-multiline.",
    )


def _holds_text(path: str) -> Expression:
    if is_single(path):
        return typed(f"${path}", "string")
    return {"$anyElementTrue": {"$map": {"input": all_values(path), "in": typed("$$this", "string")}}}


def _once(collection: Collection) -> Rule:
    """BSON allows a key to stand twice: the server's paths find the first, drivers keep the last."""
    repeats = [_repeats_at(one.path) for one in collection.everywhere() if one.kind in ("map", "dictionary")]
    nested = [{"$expr": one} for one in repeats]
    screen = {"$or": [_more_than_known(collection), *nested]} if nested else _more_than_known(collection)
    violating = {"$expr": {"$or": [_repeats("$$ROOT"), *repeats]}}
    return Rule(
        id=f"documents.{collection.name}.{REPEATED}",
        title=f"{collection.title}: no document has the same key twice",
        check=DocumentTest(collection.name, screen=screen, violating=violating, why=_why),
        why="Queries and indexes of the server use the first value, devices receive the last.",
        fix="Replace the document with one that has each key once (replaceOne).",
    )


def _more_than_known(collection: Collection) -> dict[str, Any]:
    """Return a query for documents with more keys than fields: of a document that has all fields, a key stands twice.

    The server counts keys at next to no cost; looking for equal ones adds two thirds to that of the scan. A document
    that also lacks as many required fields is reported for these first.
    """
    required = sum(field.required for field in collection.fields)
    optional = [field.name for field in collection.fields if not field.required]
    if len(optional) > _FEW_OPTIONAL:
        there = [{"$cond": [{"$eq": [{"$type": f"${name}"}, "missing"]}, 0, 1]} for name in optional]
        return {"$expr": {"$gt": [{"$size": {"$objectToArray": "$$ROOT"}}, {"$add": [required, *there]}]}}
    fitting = [
        {**{name: {"$exists": True} for name in some}, "$jsonSchema": {"maxProperties": required + size}}
        for size in range(len(optional) + 1)
        for some in combinations(optional, size)
    ]
    return {"$nor": fitting}


def _repeats_at(path: str) -> Expression:
    if is_single(path):
        return _repeats(f"${path}")
    return {"$anyElementTrue": {"$map": {"input": all_values(path), "in": _repeats("$$this")}}}


def _repeats(path: str) -> Expression:
    """Return whether an object has fewer different keys than keys."""
    pairs = {"$objectToArray": {"$cond": [{"$eq": [{"$type": path}, "object"]}, path, {}]}}
    keys = {"$map": {"input": pairs, "in": "$$this.k"}}
    return {"$ne": [{"$size": pairs}, {"$size": {"$setUnion": [keys, []]}}]}


def _why(document: Document) -> str:
    return f"one of the keys {', '.join(document)} occurs twice, in the document or in one of its objects"

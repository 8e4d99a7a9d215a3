"""Family documents: every document meets its schema, field by field, and has no field besides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from conformance.checks.base import Document, Rule
from conformance.checks.document_scan import DocumentTest
from conformance.checks.subjects import Subjects
from conformance.config.configuration import Configuration
from conformance.model.collection import Collection, Field, Model
from conformance.model.kinds import timestamp_form
from conformance.model.validators.document_validator import breaches
from conformance.model.validators.server_validator import closed_query, field_query, validator
from conformance.rules.data import texts
from conformance.text.rendering import named


def rules(model: Model, _: Configuration) -> Iterator[Rule]:
    """Per collection: one rule per top-level field (its inner keys included), one for extra fields, and texts."""
    for collection in model:
        unfit = {"$nor": [validator(collection)]}
        subjects = Subjects("extra-fields", texts.REPEATED)
        for field in collection.fields:
            violating = {"$nor": [field_query(collection, field.name)]}
            yield Rule(
                id=f"documents.{collection.name}.{subjects.of(field.path)}",
                title=f"{collection.title}: {field.name} is {describe(field)}",
                check=DocumentTest(
                    collection.name,
                    screen=unfit,
                    alone=violating,
                    violating=violating,
                    why=_why(collection, field.name),
                    field=field.name,
                ),
                why="An app that reads a value of another type or range fails or shows a wrong value.",
                fix=f"Correct {field.name} in the documents; `zava provision` installs the validator that rejects new"
                " ones.",
            )
        if collection.open:
            yield from texts.rules(collection, subjects)
            continue
        yield Rule(
            id=f"documents.{collection.name}.extra-fields",
            title=f"{collection.title}: every field is defined in the schema",
            check=DocumentTest(
                collection.name,
                screen=unfit,
                violating={"$nor": [closed_query(collection)]},
                why=_extra(collection),
            ),
            why="An unknown field is synced to every device but never validated.",
            fix="Remove the field from the documents, or define it in the schema.",
        )
        yield from texts.rules(collection, subjects)


def describe(field: Field) -> str:
    """Describe the values that a field may have."""
    schema = field.schema
    text = _NAMES[field.kind]
    if field.kind == "enum":
        text = "one of " + ", ".join(map(str, schema["enum"]))
    if field.kind == "timestamp":
        text = f"a valid UTC time in the form {timestamp_form(schema)}"
    if field.kind == "bson":
        text = " or ".join(schema["x-bson"])
    if field.nullable:
        text += ", or null"
    if field.kind == "vector":
        text = f"an array of {schema['minItems']} numbers"
    limits = [*_length(schema), *(f"{word} {schema[key]}" for key, word in _LIMITS.items() if key in schema)]
    if "pattern" in schema:
        limits.append(f"matching {schema['pattern']}")
    return ("" if field.required else "absent or ") + ", ".join([text, *limits])


def _length(schema: Mapping[str, Any]) -> Iterator[str]:
    low, high = schema.get("minLength"), schema.get("maxLength")
    if low is not None and high is not None:
        yield f"{low} to {high} characters long"
    elif low is not None or high is not None:
        yield f"at least {low} characters long" if high is None else f"at most {high} characters long"


_NAMES = {
    "objectid": "an ObjectId",
    "uuid": "a UUID of version 4",
    "timestamp": "",
    "money": "a number of whole cents",
    "scalar": "a string, a number or a boolean",
    "map": "an object (MAP) with its declared keys",
    "dictionary": "an object (MAP) with free keys",
    "string": "a string",
    "integer": "an integer (int or long)",
    "number": "a finite number",
    "boolean": "a boolean",
    "enum": "",
    "vector": "",
    "list": "an array",
    "bson": "",
}
_LIMITS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "above",
    "exclusiveMaximum": "below",
}


def _why(collection: Collection, name: str) -> Callable[[Document], str | None]:
    def why(document: Document) -> str | None:
        found = [breach for breach in breaches(collection, document) if breach.field == name]
        return "; ".join(f"{breach.path} {breach.message}" for breach in found[:3]) or None

    return why


def _extra(collection: Collection) -> Callable[[Document], str | None]:
    known = {field.name for field in collection.fields}
    return lambda document: (
        "fields that the schema does not define: " + ", ".join(map(named, sorted(document.keys() - known)[:5]))
    )

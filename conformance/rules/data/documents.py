"""Family documents: every document meets its schema, field by field, and has no field besides."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from conformance.checks.base import Document, Rule
from conformance.checks.document_scan import DocumentTest
from conformance.checks.subjects import Subjects
from conformance.config.configuration import Configuration
from conformance.model.collection import Collection, Field, Model
from conformance.model.document_validator import breaches
from conformance.model.server_validator import closed_query, field_query, validator
from conformance.rules.data import texts
from conformance.text.rendering import named


def rules(model: Model, _: Configuration) -> Iterator[Rule]:
    """Per collection: one rule per top-level field (its inner keys included), one for extra fields, and texts."""
    for collection in model:
        unfit = {"$nor": [validator(collection)]}
        subjects = Subjects("extra-fields", texts.REPEATED)
        for field in collection.fields:
            yield Rule(
                id=f"documents.{collection.name}.{subjects.of(field.path)}",
                title=f"{collection.title}: {field.name} is {describe(field)}",
                check=DocumentTest(
                    collection.name,
                    screen=unfit,
                    violating={"$nor": [field_query(collection, field.name)]},
                    why=_why(collection, field.name),
                    field=field.name,
                ),
                why="Devices and queries rely on the field's type and range; a till cannot show what it cannot read.",
                mend=f"Correct or set {field.name}; provision the validator so that the server refuses the next one.",
            )
        yield Rule(
            id=f"documents.{collection.name}.extra-fields",
            title=f"{collection.title}: no field beyond those of the schema",
            check=DocumentTest(
                collection.name,
                screen=unfit,
                violating={"$nor": [closed_query(collection)]},
                why=_extra(collection),
            ),
            why="An unknown field is carried to every device and checked by nobody.",
            mend="Remove the field, or define it in the schema.",
        )
        yield from texts.rules(collection, subjects)


def describe(field: Field) -> str:
    """What a field must be, in a reviewer's words."""
    schema = field.schema
    text = _NAMES[field.kind]
    if field.kind == "enum":
        text = "one of " + ", ".join(map(str, schema["enum"]))
    if field.kind == "vector":
        text = f"an array of {schema['minItems']} numbers"
    limits = [f"{word} {schema[key]}" for key, word in _LIMITS.items() if key in schema]
    if "pattern" in schema:
        limits.append(f"like {schema['pattern']}")
    return ("" if field.required else "absent or ") + ", ".join([text, *limits])


_NAMES = {
    "objectid": "an ObjectId",
    "uuid": "a UUID of version 4",
    "timestamp": "a real instant written YYYY-MM-DDTHH:MM:SSZ",
    "money": "a number of whole cents",
    "scalar": "a scalar",
    "map": "a MAP with its keys",
    "dictionary": "a MAP of scalars",
    "string": "text",
    "integer": "an int",
    "number": "a finite number",
    "boolean": "a boolean",
    "enum": "",
    "vector": "",
}
_LIMITS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "above",
    "exclusiveMaximum": "below",
    "minLength": "length at least",
    "maxLength": "length at most",
}


def _why(collection: Collection, name: str) -> Callable[[Document], str | None]:
    def why(document: Document) -> str | None:
        found = [breach for breach in breaches(collection, document) if breach.path.split(".")[0] == name]
        return "; ".join(f"{breach.path} {breach.message}" for breach in found[:3]) or None

    return why


def _extra(collection: Collection) -> Callable[[Document], str | None]:
    known = {field.name for field in collection.fields}
    return lambda document: "extra: " + ", ".join(map(named, sorted(document.keys() - known)[:5]))

"""Choices that the data leaves open: each a question with a default, its evidence, and the answers it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pymongo.database import Database

from conformance.inspection.drafting.fields import Notes, Schema
from conformance.model.kinds import kind_of, type_of
from conformance.model.paths import ELEMENTS, VALUES, all_values

YES: Final = "yes"
NO: Final = "no"
NONE: Final = "none"
#: Values of an enumeration, at most, and how often each occurs on average, at least.
_MOST_VALUES: Final = 12
_TIMES_EACH: Final = 5


@dataclass(frozen=True)
class Question:
    """A question about ``place``, a collection or one of its fields; ``default`` is the conservative answer."""

    place: str
    text: str
    evidence: str
    default: str
    answers: tuple[str, ...] = (YES, NO)


Ask = Callable[[Question], str]


def conservative(question: Question) -> str:
    """Answer with the default: what the data proves, and no more."""
    return question.default


def answered(notes: Notes, ask: Ask, question: Question) -> str:
    """Return the answer; one that a person gave is noted with the evidence that they saw."""
    answer = ask(question)
    if ask is not conservative:
        notes.evidence[f"{question.place}: {question.text}"] = f"you answered {answer}; {question.evidence}"
    return answer


def ask_for_enumerations(
    database: Database[dict[str, Any]], collection: str, documents: int, schema: Schema, notes: Notes, ask: Ask
) -> None:
    """Ask whether strings with few different values are one of these values, and write the enum if so."""
    for path, field in _free_strings(schema, ""):
        values = _few_values(database, collection, path, documents)
        if not values:
            continue
        listed = ", ".join(values)
        question = Question(
            f"{collection}.{path}",
            f"Is {path} always one of {listed}?",
            f"{len(values)} different values in {documents:,} documents",
            NO,
        )
        if answered(notes, ask, question) == YES:
            field.pop("x-multiline", None)
            field["enum"] = values


def _free_strings(schema: Schema, prefix: str) -> Iterator[tuple[str, Schema]]:
    for name, field in schema.get("properties", {}).items():
        if f"{prefix}{name}" != "_id":
            yield from _strings_of(field, f"{prefix}{name}")


def _strings_of(field: Schema, path: str) -> Iterator[tuple[str, Schema]]:
    """Yield the field if it is a free string, or those in its objects, arrays and maps."""
    if type_of(field) == "object":
        yield from _free_strings(field, f"{path}.")
        for inner in field.get("patternProperties", {}).values():
            yield from _strings_of(inner, f"{path}.{VALUES}")
    elif type_of(field) == "array":
        yield from _strings_of(field["items"], path + ELEMENTS)
    elif "x-bson" not in field and kind_of(field) == "string" and not {"x-unique", "x-immutable"} & field.keys():
        yield path, field


def _few_values(database: Database[dict[str, Any]], collection: str, path: str, documents: int) -> list[str]:
    """Return the values of a string, if they are few for so many documents; each was counted by the server."""
    most = min(_MOST_VALUES, documents // _TIMES_EACH)
    stages: list[dict[str, Any]] = [
        {"$project": {"value": all_values(path)}},
        {"$unwind": "$value"},
        {"$match": {"value": {"$type": "string"}}},
        {"$group": {"_id": "$value"}},
        {"$limit": most + 1},
    ]
    found = sorted(row["_id"] for row in database[collection].aggregate(stages, allowDiskUse=True))
    return found if 1 < len(found) <= most else []

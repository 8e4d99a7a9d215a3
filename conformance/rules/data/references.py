"""Family references: every reference resolves, and keys that are kept twice agree."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from conformance.checks.base import Rule, answer
from conformance.checks.joins.alternatives import missing_everywhere
from conformance.checks.joins.circles import circles
from conformance.checks.joins.copies import copies_through, differing_copy
from conformance.checks.joins.join import Deletions, JoinTest, Part
from conformance.checks.joins.parents import deleted_parent, missing_parent
from conformance.checks.subjects import Subjects
from conformance.config.configuration import Configuration
from conformance.model.collection import Alternatives, Collection, Model, Reference

_WHY_MISSING: Final = "An app that follows the reference finds nothing, and an offline device cannot ask the server."


def _about_deletion(collection: Collection, reference: Reference) -> dict[str, str]:
    """Return what the rule about deleted parents says: history may outlive its parent, a reference in use may not."""
    if reference.history:
        return {
            "title": f"{collection.title}: no live document was created after its document of {reference.target} was"
            " deleted",
            "why": "A device used a deleted document: it had not synced yet, or its app ignores the flag.",
            "fix": "Soft-delete the child as well, or restore the parent; ask the device's user which is right.",
        }
    return {
        "title": f"{collection.title}: no live document refers to a deleted document of {reference.target}",
        "why": "Devices hide deleted documents, so the app cannot show what the reference points to.",
        "fix": "Soft-delete the child as well, or restore the parent.",
    }


def _rule(model: Model, reference: Reference, subject: str, part: Callable[[Deletions], Part], **about: Any) -> Rule:
    name = f"references.{reference.collection}.{subject}"
    return Rule(id=name, check=JoinTest(model, reference, part), **about)


def _of_several(collection: Collection, alternatives: Alternatives, subjects: Subjects) -> Rule:
    return Rule(
        id=f"references.{collection.name}.{subjects.of(alternatives.field)}",
        title=f"{collection.title}: every {alternatives.field} exists in {alternatives.collections}",
        check=answer(missing_everywhere(alternatives)),
        why=_WHY_MISSING,
        fix=f"Restore the document of {alternatives.collections}, or correct {alternatives.field}.",
    )


def rules(model: Model, _: Configuration) -> Iterator[Rule]:
    """Per reference: no missing parent, no circle, no live child of a deleted one; per key kept twice: equal."""
    for collection in model:
        subjects = Subjects()
        for alternatives in collection.alternatives:
            yield _of_several(collection, alternatives, subjects)
        for reference in collection.references:
            field = collection.field(reference.field)
            yield _rule(
                model,
                reference,
                subjects.of(field.path),
                missing_parent(reference),
                title=f"{collection.title}: every {field.path} exists in {reference.target}",
                why=_WHY_MISSING,
                fix=f"Restore the document of {reference.target}, or correct {field.path}.",
            )
            if model[reference.target].soft_delete:
                yield _rule(
                    model,
                    reference,
                    subjects.of(field.path, suffix="-deleted"),
                    deleted_parent(model, reference),
                    severity="warning",
                    **_about_deletion(collection, reference),
                )
            if reference.target == collection.name and not reference.many:
                yield Rule(
                    id=f"references.{collection.name}.{subjects.of(field.path, suffix='-circle')}",
                    title=f"{collection.title}: {field.path}, followed from document to document, comes to an end",
                    check=answer(circles(collection, reference)),
                    why="An app that follows the reference upwards never stops.",
                    fix=f"Correct or remove {field.path} in one document of the circle.",
                )
            for position, copy in copies_through(collection, reference):
                if copy.key:
                    yield _rule(
                        model,
                        reference,
                        subjects.of(copy.field, copy.through.field),
                        differing_copy(position, copy),
                        title=f"{collection.title}: {copy.field} equals {copy.of[0]} of the document in"
                        f" {reference.target}",
                        why="Devices subscribe by this key, so the document reaches the wrong devices.",
                        fix=f"Set {copy.field} to the value in {reference.target}, or correct {reference.field}.",
                    )

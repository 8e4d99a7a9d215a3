"""Dependencies between collections while a dataset is generated: required and optional ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from conformance.model.collection import Collection, Model, Reference
from conformance.model.paths import ELEMENTS
from generator.columns.nulls import may_refer_to_nothing


def may_be_left_out(collection: Collection, reference: Reference) -> bool:
    """Return True when documents can do without the reference: it may be absent or null, or its array empty or null."""
    field = collection.field(reference.field)
    if field.name == ELEMENTS:
        array = collection.field(reference.field.removesuffix(ELEMENTS))
        return bool(collection.nullable_above(field.path)) or not array.schema.get("minItems", 0)
    return may_refer_to_nothing(collection, field)


def needed_later(model: Model, fanned_out_from: Callable[[Collection], Collection | None]) -> Mapping[str, set[str]]:
    """Return the fields of each collection that others need after it is finished."""
    needed: dict[str, set[str]] = {collection.name: set() for collection in model}
    for collection in model:
        parent = fanned_out_from(collection)
        made_before = {name for name in model.collections if name != collection.name and model[name] is not parent}
        later = [reference for reference in collection.every_reference if reference.target in made_before]
        for reference in later:
            needed[reference.target].add(reference.target_field)
        for copy in collection.copies:
            if copy.through in later:
                needed[copy.through.target].update(copy.of)
        for field in collection.fields:
            for path in _paths(field.sample):
                head, _, name = path.partition(".")
                for reference in later:
                    if reference.field == head:
                        needed[reference.target].add(name)
            how = field.sample.get("reference", {})
            target = model[collection.reference(field.path).target] if how else collection
            needed[target.name].update(how.get("matching", {}))
            if "seasonal" in how:
                through = target.reference(how["seasonal"]["through"])
                needed[target.name].add(through.field)
                needed[through.target].update({through.target_field, how["seasonal"]["multipliers"]})
    return needed


def _paths(recipe: Any) -> Iterator[str]:
    if isinstance(recipe, str):
        if "." in recipe and " " not in recipe:
            yield recipe
    elif isinstance(recipe, Mapping):
        for value in recipe.values():
            yield from _paths(value)
    elif isinstance(recipe, list):
        for value in recipe:
            yield from _paths(value)

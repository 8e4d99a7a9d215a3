"""Patterns of faults made into one fault per field, bound, index or collection of the model.

The YAML declares the rules that a pattern breaks: for the subject, for subjects that have a trait, and as effects of a
change of a field. Only what every model has is derived here: the references to a field, and its copies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from conformance.model.collection import Collection, Field, Model

Data = dict[str, Any]
_IT: Final = "$$it."  # in the values of an edit: the first edited document


@dataclass(frozen=True)
class Subject:
    """Subject of one fault of a pattern: names for the texts, traits for the choices."""

    id: str
    names: Mapping[str, Any]
    traits: Mapping[str, Any]
    value: Any = None
    about: Field | None = None
    effects: Mapping[str, Any] = field(default_factory=dict)


def expand(model: Model, pattern: Mapping[str, Any], effects: Mapping[str, Any]) -> Iterator[Data]:
    """Yield the faults of one pattern in the form of entries of a file. AssertionError if there is none."""
    used: set[str] = set()
    seen: set[str] = set()
    for subject in _SUBJECTS[pattern["each"]](model, pattern.get("event", "")):
        if subject.id in pattern.get("except", ()):
            used.add(subject.id)
            continue
        if not _chosen(subject, pattern.get("where", {})):
            continue
        used.add(subject.id)
        collection = subject.names["collection"]
        yield {**_fault(pattern, subject, effects), "soak": pattern.get("soak", False) and collection in seen}
        seen.add(collection)
    unknown = {*pattern.get("also", {}), *pattern.get("except", ())} - used
    assert seen, f"the pattern {pattern['pattern']!r} makes no fault"
    assert not unknown, f"the pattern {pattern['pattern']!r} names what it does not make: {sorted(unknown)}"


def _chosen(subject: Subject, wanted: Mapping[str, Any]) -> bool:
    return all(
        subject.traits.get(trait) in value if isinstance(value, list) else subject.traits.get(trait, False) == value
        for trait, value in wanted.items()
    )


def _fault(pattern: Mapping[str, Any], subject: Subject, effects: Mapping[str, Any]) -> Data:
    override = pattern.get("also", {}).get(subject.id, {})
    data: Data = {"id": f"{subject.id}.{pattern['pattern']}", "title": pattern["title"], "fails": {}, "warns": {}}
    data |= {name: pattern[name] for name in ("base", "families") if name in pattern}
    data["edits"] = override.get("edits", pattern.get("edits", []))
    data["skips"] = []
    outcomes = [pattern]
    outcomes += [outcome for trait, outcome in pattern.get("traits", {}).items() if subject.traits.get(trait)]
    of_field = effects.get(f"{subject.names['collection']}.{subject.names.get('path')}", {})
    outcomes += [{"fails": subject.effects}, {"fails": of_field.get(pattern.get("event"), {})}]
    outcomes.append(override)
    for outcome in outcomes:
        for kind in ("fails", "warns"):
            data[kind] |= outcome.get(kind, {})
        data["skips"] += outcome.get("skips", ())
    value = override.get("value", subject.value)
    filled: Data = _filled(data, {**subject.names, "": value}, override.get("where"))
    return filled


def _filled(data: Any, names: Mapping[str, Any], where: Mapping[str, Any] | None) -> Any:
    """Return the data with {name} replaced in texts and keys, "{}" by the subject's value, and documents selected."""
    if isinstance(data, Mapping):
        filled = {_text(key, names): _filled(value, names, where) for key, value in data.items()}
        if where is not None and "in" in filled and filled["in"] == names.get("collection") and _is_edit(filled):
            filled["where"] = where
        return filled
    if isinstance(data, list | tuple):
        return [_filled(item, names, where) for item in data]
    if isinstance(data, str):
        name = data[1:-1]
        return names[name] if data == "{" + name + "}" and name in names else _text(data, names)
    return data


def _is_edit(data: Mapping[str, Any]) -> bool:
    return bool(data.keys() & {"set", "unset", "rename", "add", "cast", "key", "insert", "derive", "delete"})


def _text(text: str, names: Mapping[str, Any]) -> str:
    for name, value in names.items():
        if name:
            text = text.replace("{" + name + "}", str(value))
    return text


# -- subjects ---------------------------------------------------------------------------------------------------------


def _collections(model: Model, _: str) -> Iterator[Subject]:
    for collection in model:
        yield _of_collection(collection)


def _of_collection(collection: Collection) -> Subject:
    mapping = collection.id_mapping
    kinds = {one.kind for one in collection.walk()}
    traits = {
        "collection": collection.name,
        "synced": collection.synced,
        "mode": mapping.mode if mapping else None,
        **({mapping.mode: True} if mapping else {}),
        "has_x_id": collection.id_field is not None,
        "id_kind": collection.field("_id").kind,
        "vectors": "vector" in kinds,
        "cardinality": next(iter(collection.cardinality), None),
    }
    first = collection.indexes[0].keys[0][0] if collection.indexes else "_id"
    names = {"collection": collection.name, "body": _body(collection), "first": first}
    return Subject(collection.name, names, traits)


def _body(collection: Collection) -> str:
    mapping = collection.id_mapping
    return mapping.fields[0] if mapping and mapping.fields else collection.id_field or "_id"


def _fields(model: Model, event: str) -> Iterator[Subject]:
    for collection in model:
        for one in collection.walk():
            yield _of_field(model, collection, one, event)


def _of_field(model: Model, collection: Collection, one: Field, event: str) -> Subject:
    whole = _of_collection(collection)
    top = one.path.split(".")[0]
    copies = [copy for copy in collection.copies if copy.field == one.path]
    required = one.required and (top == one.path or collection.field(top).required)
    traits = {
        **whole.traits,
        "kind": one.kind,
        one.kind: True,
        "required": required,
        "nested": "." in one.path,
        "id": one.path == "_id",
        "synced_flag": collection.synced and one.path == collection.soft_delete,
        "device_id": collection.synced and one.path == whole.names["body"] != "_id",
        "x_id": one.path == collection.id_field,
        "reference": one.path in {reference.field for reference in collection.references},
        "copy": any(not copy.key for copy in copies),
        "agrees": any(copy.key for copy in copies),
        "unique": "x-unique" in one.schema,
        "keyed": next((f"{copy.field}+{copy.through.field}" for copy in copies), None),
    }
    names = {
        **whole.names,
        "path": one.path,
        "field": one.name,
        "subject": one.subject,
        "top": top.lower(),
        "keyed": str(traits["keyed"]),
    }
    effects = dict(_followers(model, collection, one, event))
    return Subject(f"{collection.name}.{one.path}", names, traits, None, one, effects)


def _followers(model: Model, collection: Collection, one: Field, event: str) -> Iterator[tuple[str, Any]]:
    """Return rules that fail too: references to the changed field are broken, and copies of it are stale."""
    for child in model:
        for reference in child.references:
            if event and (reference.target, reference.target_field) == (collection.name, one.path):
                where = {reference.field: f"{_IT}{one.path}"}
                yield f"references.{child.name}.{reference.field}", {"in": child.name, "where": where}
        for copy in child.copies:
            joined = len(copy.of) > 1
            reported = event == "changed" or (event == "typed" and not joined)
            if reported and copy.through.target == collection.name and one.path in copy.of:
                own: Data = {copy.through.field: f"{_IT}{copy.through.target_field}"}
                own |= {} if child.field(copy.field).required else {copy.field: {"$exists": True}}
                rule = (
                    f"references.{child.name}.{copy.field}+{copy.through.field}"
                    if copy.key
                    else f"snapshots.{child.name}.{copy.field}"
                )
                yield rule, {"in": child.name, "where": own}


def _bounds(model: Model, event: str) -> Iterator[Subject]:
    """Yield every bound of every field, exceeded by one; of keys with equal bounds in one MAP only the first."""
    for subject in _fields(model, event):
        one = subject.about
        assert one is not None
        collection = model[subject.names["collection"]]
        if "." in one.path:
            siblings = collection.field(one.path.rpartition(".")[0]).children
            if next(other for other in siblings if other.schema == one.schema) is not one:
                continue
        for keyword, beyond in _BEYOND.items():
            if keyword in one.schema:
                traits = {**subject.traits, "keyword": keyword}
                yield Subject(
                    f"{subject.id}.{keyword}", subject.names, traits, beyond(one, one.schema[keyword]), one,
                    subject.effects,
                )  # fmt: skip


def _step(one: Field) -> float:
    return 0.01 if one.kind == "money" else 1


_BEYOND: Final[Mapping[str, Callable[[Field, Any], Any]]] = {
    "minimum": lambda one, limit: round(limit - _step(one), 2),
    "maximum": lambda one, limit: round(limit + _step(one), 2),
    "exclusiveMinimum": lambda _, limit: limit,
    "exclusiveMaximum": lambda _, limit: limit,
    "minLength": lambda _, limit: {"$times": ["x", limit - 1]},
    "maxLength": lambda _, limit: {"$times": ["x", limit + 1]},
    "minItems": lambda _, limit: {"$list": [0.5, limit - 1]},
    "maxItems": lambda _, limit: {"$list": [0.5, limit + 1]},
    "minProperties": lambda _, limit: {"$keys": limit - 1},
    "maxProperties": lambda _, limit: {"$keys": limit + 1},
}


def _patterns(model: Model, event: str) -> Iterator[Subject]:
    for subject in _fields(model, event):
        assert subject.about is not None
        if "pattern" in subject.about.schema or subject.about.kind in ("uuid", "timestamp"):
            yield subject


def _indexes(model: Model, _: str) -> Iterator[Subject]:
    for collection in model:
        targets = {reference.field for reference in collection.references}
        for index in collection.indexes:
            leading = index.keys[0][0]
            leaders = [other for other in collection.indexes if other.keys[0][0] == leading]
            traits = {
                **_of_collection(collection).traits,
                "unique": index.unique,
                "text": bool(index.weights),
                "compound": len(index.keys) > 1,
                "single": len(index.keys) == 1,
                "leads": leading in targets and len(leaders) == 1,
            }
            names: dict[str, Any] = {
                "collection": collection.name,
                "index": index.name,
                "subject": index.subject,
                "leading": leading,
                "keys": dict(index.keys),
                "turned": {path: -kind if isinstance(kind, int) else kind for path, kind in index.keys},
                "reordered": dict(reversed(index.keys)),
            }
            yield Subject(f"{collection.name}.{index.name}", names, traits)


def _references(model: Model, event: str) -> Iterator[Subject]:
    for collection in model:
        for reference in collection.references:
            subject = _of_field(model, collection, collection.field(reference.field), event)
            names = {**subject.names, "target": reference.target, "target_field": reference.target_field}
            yield Subject(subject.id, names, subject.traits)


def _copies(model: Model, event: str) -> Iterator[Subject]:
    for collection in model:
        for copy in collection.copies:
            subject = _of_field(model, collection, collection.field(copy.field), event)
            traits = {**subject.traits, "joined": len(copy.of) > 1}
            through = {"through": copy.through.field, "target": copy.through.target, "of": copy.of[0]}
            yield Subject(subject.id, {**subject.names, **through}, traits, effects=subject.effects)


def _unique(model: Model, _: str) -> Iterator[Subject]:
    for collection in model:
        for group in collection.unique:
            indexed = next((i for i in collection.indexes if i.unique and {p for p, _ in i.keys} == set(group)), None)
            name = "+".join(group)
            traits = {**_of_collection(collection).traits, "indexed": indexed is not None, "single": len(group) == 1}
            names = {"collection": collection.name, "group": name.lower(), "index": indexed.name if indexed else ""}
            yield Subject(f"{collection.name}.{name}", names, traits, {path: f"{_IT}{path}" for path in group})


_SUBJECTS: Final[Mapping[str, Callable[[Model, str], Iterator[Subject]]]] = {
    "collection": _collections,
    "field": _fields,
    "bound": _bounds,
    "pattern": _patterns,
    "index": _indexes,
    "reference": _references,
    "copy": _copies,
    "unique": _unique,
}

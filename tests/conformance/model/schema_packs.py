"""Random models within the vocabulary: they prove that the library depends on no particular model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]
Pack = dict[str, Schema]

NAMES = ("harbours", "ships.log", "crews-2", "Sea Voyages")
_KINDS: dict[str, st.SearchStrategy[Schema]] = {
    "text": st.integers(0, 3).map(lambda low: {"type": "string", "minLength": low, "maxLength": low + 12}),
    "code": st.sampled_from(["^[A-Z]{2}-[0-9]{3}$", "^(red|green)[0-9]?$", "^x[a-f0-9]{2,5}$"]).map(
        lambda pattern: {"type": "string", "pattern": pattern}
    ),
    "flag": st.just({"type": "boolean"}),
    "anything": st.sampled_from([["bool", "string"], ["int", "object"], ["double"]]).map(
        lambda types: {"x-bson": types}
    ),
    "count": st.tuples(st.integers(-50, 50), st.integers(0, 1000)).map(
        lambda pair: {"type": "integer", "minimum": pair[0], "maximum": pair[0] + pair[1]}
    ),
    "share of cargo (%)": st.tuples(st.integers(-5, 5), st.integers(1, 9)).map(
        lambda pair: {"type": "number", "exclusiveMinimum": pair[0], "maximum": pair[0] + pair[1]}
    ),
    "price": st.just({"type": "number", "x-money": True, "minimum": 0, "maximum": 5000}),
    "time": st.just({"type": "string", "x-timestamp": True}),
    "token": st.just({"type": "string", "x-uuid": 4}),
    "@state": st.just({"type": "string", "enum": ["new", "old", "lost"]}),
    "grade": st.just({"type": "integer", "enum": [1, 2, 3]}),
    "Place (at sea)": st.just(
        {
            "type": "object",
            "x-crdt": "map",
            "additionalProperties": False,
            "required": ["row"],
            "properties": {"row": {"type": "string", "minLength": 1, "maxLength": 5}, "Level (m)": {"type": "integer"}},
        }
    ),
    "extras": st.just(
        {
            "type": "object",
            "x-crdt": "register",
            "additionalProperties": False,
            "maxProperties": 6,
            "patternProperties": {"^[a-z]{1,6}$": {"type": ["string", "integer", "boolean"]}},
        }
    ),
    "ledger": st.just(
        {
            "type": "object",
            "x-crdt": "map",
            "additionalProperties": False,
            "minProperties": 1,
            "patternProperties": {
                "^[0-9]{1,4}$": {
                    "type": "object",
                    "x-crdt": "map",
                    "additionalProperties": False,
                    "required": ["sum"],
                    "properties": {"sum": {"type": "number", "x-money": True}, "note": {"type": "string"}},
                }
            },
        }
    ),
}


def key_of(name: str) -> str:
    """Return the name of the field that identifies the documents of a collection."""
    return f"{name.replace('.', ' ')} key"


@st.composite
def packs(draw: st.DrawFn) -> Pack:
    """Generate one to four collections; a later one may refer to and copy from earlier ones, and count per parent."""
    pack: Pack = {}
    for name in NAMES[: draw(st.integers(1, 4))]:
        pack[name] = draw(_collection(name, pack))
    return pack


@st.composite
def _collection(draw: st.DrawFn, name: str, earlier: Pack) -> Schema:
    key = key_of(name)
    code = {"type": "string", "pattern": f"^{name[:4]}_[0-9]{{6}}$"}
    properties: Schema = {"_id": dict(code), key: {**code, "x-unique": True, "x-immutable": True}}
    properties[key]["x-sample"] = {"sequence": f"{name[:4]}_{{:06d}}"}
    required = ["_id", key]
    same = draw(st.booleans())
    if not same:
        properties["_id"] = draw(st.sampled_from([{"x-bson": "objectId"}, {"type": "string", "x-uuid": 4}]))
    indexes = [{"keys": {key: 1}, "unique": True}]
    parents = draw(st.lists(st.sampled_from(sorted(earlier)), unique=True, max_size=2)) if earlier else []
    for parent in parents:
        field, their = key_of(parent), earlier[parent]["properties"][key_of(parent)]
        properties[field] = {"type": "string", "pattern": their["pattern"], "x-reference": f"{parent}.{key_of(parent)}"}
        required.append(field)
        indexes.append({"keys": {field: draw(st.sampled_from([1, -1]))}})
        copied = [
            n for n in earlier[parent]["required"] if earlier[parent]["properties"][n].get("minLength") is not None
        ]
        if copied and draw(st.booleans()):
            source = earlier[parent]["properties"][copied[0]]
            snapshot = {**source, "x-snapshot": {"through": field, "of": [copied[0]]}}
            properties[f"{key_of(parent)} copy"] = snapshot
            required.append(f"{key_of(parent)} copy")
    if len(parents) == 2:
        either = {"type": "string", "x-reference": [f"{parent}.{key_of(parent)}" for parent in parents]}
        properties["either"] = either
        required += ["either"] if draw(st.booleans()) else []
        indexes.append({"keys": {"either": 1}})
    for kind in draw(st.lists(st.sampled_from(sorted(_KINDS)), unique=True, max_size=6)):
        properties[kind] = draw(_KINDS[kind])
        if draw(st.booleans()):
            required.append(kind)
    sync = draw(_syncs(key))
    if draw(st.booleans()):
        properties["above"] = {**code, "x-reference": f"{name}.{key}"}
        indexes.append({"keys": {"above": 1}})
    if parents and not sync["enabled"]:
        reference = properties[key_of(parents[0])]
        line = {"type": "object", "additionalProperties": False, "required": ["to"], "properties": {"to": reference}}
        properties["lines"] = {"type": "array", "items": draw(st.sampled_from([reference, line]))}
        indexes.append({"keys": {"lines" if properties["lines"]["items"] is reference else "lines.to": 1}})
        properties["berth"] = {**line, "x-crdt": "map"}
        indexes.append({"keys": {"berth.to": 1}})
    if not sync["enabled"]:  # where it is, null is a finding of family crdt
        for field in sorted(properties.keys() - {"_id"}):
            properties[field] = draw(_nullable(properties[field]))
    schema: Schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": name.capitalize(),
        "type": "object",
        "x-cardinality": draw(_cardinalities(parents)),
        "x-sync": sync,
        "x-indexes": indexes,
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }
    if same:
        schema["x-id"] = {"equals": key}
    if schema["x-sync"].get("enabled") or draw(st.booleans()):
        properties["gone"] = {"type": "boolean", "x-sample": {"constant": False}}
        schema["x-soft-delete"] = "gone"
        required.append("gone")
    return schema


@st.composite
def _nullable(draw: st.DrawFn, field: Schema) -> Schema:
    """Return the field, in which some objects and arrays may also be null."""
    nullable = dict(field)
    for keyword in ("properties", "patternProperties"):
        if keyword in field:
            nullable[keyword] = {name: draw(_nullable(inner)) for name, inner in field[keyword].items()}
    if "items" in field:
        nullable["items"] = draw(_nullable(field["items"]))
    if field.get("type") in ("object", "array"):
        nullable["type"] = draw(st.sampled_from([field["type"], [field["type"], "null"], ["null", field["type"]]]))
    return nullable


def _cardinalities(parents: list[str]) -> st.SearchStrategy[Schema]:
    plain = st.one_of(
        st.integers(1, 30).map(lambda number: {"exactly": number}),
        st.integers(1, 20).map(lambda low: {"between": [low, low + 10]}),
        st.just({"setting": "NUM_THINGS"}),
    )
    if not parents:
        return plain
    per = [{"per": [parents[0]], "between": [1, 3]}, {"per": [parents[0]], "between": [1, 1]}]
    per += [{"per": parents, "between": [0.3, 0.9]}] if len(parents) == 2 else []
    return st.one_of(plain, st.sampled_from(per))


def _syncs(key: str) -> st.SearchStrategy[Schema]:
    mappings = [{"mode": "match_ids"}, {"mode": "single_field", "fields": [key]}]
    return st.sampled_from([{"enabled": False}, *({"enabled": True, "id_mapping": mapping} for mapping in mappings)])


#: Edits that make a pack invalid: a name, and what is done to the first collection's schema.
SPOILERS: dict[str, Any] = {
    "an unknown keyword": lambda schema: schema.update({"x-colour": "red"}),
    "an unknown keyword of a field": lambda schema: schema["properties"]["_id"].update(format="uuid"),
    "a document that is neither open nor closed": lambda schema: schema.update(additionalProperties={}),
    "an object or an array": lambda schema: schema["properties"].update(
        spoilt={
            "type": ["object", "array"],
            "additionalProperties": False,
            "properties": {},
            "items": {"type": "string"},
        }
    ),
    "a null": lambda schema: schema["properties"].update(spoilt={"type": ["string", "null"]}),
    "a reference to nowhere": lambda schema: schema["properties"].update(
        spoilt={"type": "string", "x-reference": "atlantis.key"}
    ),
    "an index on nothing": lambda schema: schema["x-indexes"].append({"keys": {"spoilt": 1}}),
    "a required field that is not there": lambda schema: schema["required"].append("spoilt"),
    "a pattern of one dialect": lambda schema: schema["properties"].update(
        spoilt={"type": "string", "pattern": r"^\d$"}
    ),
    "no value between the bounds": lambda schema: schema["properties"].update(
        spoilt={"type": "integer", "minimum": 3, "maximum": 2}
    ),
    "a boolean that is unique": lambda schema: schema["properties"].update(
        spoilt={"type": "boolean", "x-unique": True}
    ),
    "a child of nothing": lambda schema: schema.update({"x-cardinality": {"per": ["atlantis"], "between": [1, 2]}}),
}


def write(pack: Pack, root: Path) -> Path:
    """Write a pack as a model below ``root``; replace existing schemas."""
    (root / "schemas").mkdir(parents=True, exist_ok=True)
    (root / "config").mkdir(exist_ok=True)
    for old in (root / "schemas").glob("*.json"):
        old.unlink()
    for name, schema in pack.items():
        (root / "schemas" / f"{name}.json").write_text(json.dumps(schema), encoding="utf-8")
    things = any("setting" in schema.get("x-cardinality", {}) for schema in pack.values())
    defaults = {"NUM_THINGS": 25} if things else {}  # a setting that no schema names is refused
    (root / "config" / "generation.yaml").write_text(json.dumps({"defaults": defaults}), encoding="utf-8")
    return root

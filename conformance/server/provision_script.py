"""The changes of a plan as a mongosh script, for those who may not run this program against their server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from bson import json_util

from conformance.server.provision import Change, Kind
from conformance.text.masking import mask


def as_mongosh(changes: Sequence[Change], database: str) -> str:
    """Return a script that does what `apply` does with the changes, for `mongosh URI/<database> FILE`.

    The same changes give the same text. The script looks before it acts, as `plan` does, so that it may be run
    again, and a script of everything wanted (`wish`) brings a database in any state to the one that is wanted.
    Indexes that stand in the way of a wanted one are dropped and rebuilt by the script's own look.
    """
    lines = [_PRELUDE.replace("$DATABASE", json.dumps(database))]
    collection = ""
    for change in changes:
        statement = _STATEMENTS[change.kind](change.command)
        if not statement:
            continue
        if change.collection != collection:
            collection = change.collection
            lines.append(f"\n// {collection}")
        lines.append(f"// {mask(change.what)}\n{statement}")
    return "\n".join(lines) + "\n"


def _literal(value: Any) -> str:
    """Return a value as the script has it: JSON, or a call of EJSON for types that JSON lacks."""
    text = json_util.dumps(value, json_options=json_util.RELAXED_JSON_OPTIONS, ensure_ascii=True)
    try:
        plain = json.dumps(value, ensure_ascii=True) == text
    except TypeError:
        plain = False
    return text if plain else f"EJSON.parse({json.dumps(text)})"


def _collection(command: Mapping[str, Any]) -> str:
    options = {name: value for name, value in command.items() if name != "create"}
    return f"ensureCollection({_literal(command['create'])}, {_literal(options)});"


def _modification(command: Mapping[str, Any]) -> str:
    return f"modify({_literal(command)});"


def _indexes(command: Mapping[str, Any]) -> str:
    specs = ",\n  ".join(_literal(spec) for spec in command["indexes"])
    return f"ensureIndexes({_literal(command['createIndexes'])}, [\n  {specs}\n]);"


def _extra(command: Mapping[str, Any]) -> str:
    return f"dropIndex({_literal(command['dropIndexes'])}, {_literal(command['index'])});"


def _left_to_ensure_indexes(_: Mapping[str, Any]) -> str:
    return ""


_STATEMENTS: Final[Mapping[Kind, Callable[[Mapping[str, Any]], str]]] = {
    "collection": _collection,
    "validator": _modification,
    "images": _modification,
    "conflicting-index": _left_to_ensure_indexes,
    "extra-index": _extra,
    "indexes": _indexes,
}

#: Uses nothing but `db.getSiblingDB` and `runCommand`, which every mongosh has.
_PRELUDE: Final = """\
// Brings collections, validators, indexes and pre- and post-images to the state of the model. May be run again.
const target = db.getSiblingDB($DATABASE);
const ACCEPT_VIOLATIONS = false;

function run(command) {
  const answer = target.runCommand(command);
  if (!answer.ok) {
    throw new Error(`${Object.keys(command)[0]}: ${answer.errmsg}`);
  }
  return answer;
}

function ensureCollection(name, options) {
  const there = run({listCollections: 1, filter: {name: name}}).cursor.firstBatch.length > 0;
  if (!there) {
    run({create: name, ...options});
  } else {
    const {clusteredIndex, ...changes} = options;
    if (Object.keys(changes).length > 0) {
      modify({collMod: name, ...changes});
    }
  }
}

// A strict validator refuses every update of a document that does not satisfy it.
function modify(command) {
  const strict = command.validator && command.validationLevel === "strict" && command.validationAction === "error";
  const number = strict ? run({count: command.collMod, query: {$nor: [command.validator]}}).n : 0;
  if (number > 0 && !ACCEPT_VIOLATIONS) {
    throw new Error(`${command.collMod}: ${number} documents do not satisfy the validator: correct them, or set`
      + " ACCEPT_VIOLATIONS to true");
  }
  run(command);
}

function listIndexes(collection) {
  return run({listIndexes: collection}).cursor.firstBatch;
}

function dropIndex(collection, name) {
  if (listIndexes(collection).some((index) => index.name === name)) {
    run({dropIndexes: collection, index: name});
  }
}

// Two definitions with the same keys and the same rest are the same index, whatever its name.
function keysOf(index) {
  const text = Object.keys(index.weights || {}).sort().map((path) => [path, "text"]);
  const keys = Object.entries(index.key).filter(([path]) => path !== "_ftsx");
  const first = keys.findIndex(([, kind]) => kind === "text");
  return JSON.stringify(keys.flatMap(([path, kind], position) => {
    if (kind === "text") {
      return position === first ? text : [];
    }
    return [[path, typeof kind === "string" ? kind : Math.sign(Number(kind))]];
  }));
}

const COLLATION = {caseLevel: false, caseFirst: "off", strength: 3, numericOrdering: false, alternate: "non-ignorable",
  maxVariable: "punct", normalization: false, backwards: false};
const DEFAULTS = {language_override: "language", bits: 26, min: -180, max: 180};

function sorted(value) {
  if (Array.isArray(value)) {
    return value.map(sorted);
  }
  const isPlain = Object.prototype.toString.call(value) === "[object Object]" && value._bsontype === undefined;
  return isPlain ? Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])])) : value;
}

function meaningOf(option, value) {
  if (option === "weights") {
    return Object.entries(value).map(([path, weight]) => [path, Number(weight)]).sort();
  }
  if (option === "collation") {
    const {version, ...given} = value;
    return sorted({...COLLATION, ...given});
  }
  if (option === "wildcardProjection") {
    return Object.entries(value).map(([path, kept]) => [path, Boolean(kept)]).sort();
  }
  return sorted(value);
}

function restOf(index) {
  const neutral = ["v", "ns", "key", "name", "background", "textIndexVersion", "2dsphereIndexVersion", "clustered",
    "storageEngine", "dropDups", "safe"];
  const rest = Object.entries(index).filter(([option, value]) => !neutral.includes(option) && value !== false)
    .filter(([option, value]) => !(option in DEFAULTS) || value !== DEFAULTS[option])
    .filter(([option, value]) => option !== "collation" || value.locale !== "simple")
    .map(([option, value]) => [option, meaningOf(option, value)]);
  return JSON.stringify(rest.sort((one, other) => one[0] < other[0] ? -1 : 1));
}

function ensureIndexes(collection, wanted) {
  const there = listIndexes(collection).filter((index) => index.name !== "_id_");
  const same = (one, other) => keysOf(one) === keysOf(other) && restOf(one) === restOf(other);
  const missing = wanted.filter((index) => !there.some((live) => same(index, live)));
  const right = there.filter((live) => wanted.some((index) => same(index, live)));
  for (const live of there.filter((index) => !right.includes(index))) {
    const conflicting = missing.some((index) => keysOf(index) === keysOf(live) || index.name === live.name
      || (index.weights !== undefined && live.weights !== undefined));
    if (conflicting) {
      run({dropIndexes: collection, index: live.name});
    }
  }
  if (missing.length > 0) {
    run({createIndexes: collection, indexes: missing});
  }
}
"""

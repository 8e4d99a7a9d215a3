"""Reading a model: one JSON Schema per collection, checked and turned into the dataclasses of collection.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from conformance.errors import ConfigurationError, FileError
from conformance.files.strict_files import located, read_json
from conformance.model.collection import (
    Alternatives,
    Collection,
    Copy,
    Field,
    IdMapping,
    Model,
    Reference,
)
from conformance.model.index_options import declared_options
from conformance.model.indexes import Index, VectorIndex
from conformance.model.kinds import kind_of
from conformance.model.names import split_place, unfit_collection
from conformance.model.order import parents_first
from conformance.model.paths import ELEMENTS, VALUES
from conformance.model.schemas.model_checks import check_model, escaped
from conformance.model.schemas.vocabulary import VOCABULARY, misuse
from conformance.text.masking import remember_secrets


def find_model(start: Path | None = None, *, otherwise: Path | None = None) -> Path:
    """Return the nearest folder at or above ``start`` (default: the current one) that has schemas/ and config/.

    ``otherwise`` is where to look for it next.
    """
    folder = (start or Path.cwd()).resolve()
    for candidate in (folder, *folder.parents, *([otherwise] if otherwise else [])):
        if (candidate / "schemas").is_dir() and (candidate / "config").is_dir():
            return candidate
    raise ConfigurationError(
        f"no model at or above {folder}: a model is a folder with schemas/ and config/; go to one or pass --model DIR"
    )


def load_model(root: Path) -> Model:
    """Read and check every schema below ``root``/schemas.

    Raises ConfigurationError, one line naming file, path and fix, when a schema misuses the vocabulary.
    """
    folder = root / "schemas"
    files = sorted(path for path in folder.glob("*.json") if path.name != VOCABULARY.name)
    if not files:
        raise ConfigurationError(f"{folder}: no schema found; write one JSON Schema per collection, <collection>.json")
    names = [path.stem for path in files]
    collections = {path.stem: _load_collection(path, names) for path in files}
    model = Model(root, parents_first(collections))
    check_model(model)
    return model


def _load_collection(path: Path, names: Sequence[str]) -> Collection:
    name = path.stem
    unfit = unfit_collection(name)
    if unfit is not None:
        raise ConfigurationError(f"{path}: a collection cannot have this name: {unfit}; rename the file")
    schema = read_json(path)
    remember_secrets(schema)
    wrong = misuse(schema)
    if wrong is not None:
        raise FileError(located(path, wrong.place), wrong.message, wrong.pointer)
    fields = tuple(_fields(schema, "", ""))
    referring = [field for top in fields for field in top.everywhere() if "x-reference" in field.schema]
    # Those with one value at the top first: they are what a collection is counted per, and made with.
    referring.sort(key=lambda field: field.path != field.name)
    targets = {field.path: tuple(_references(name, field, names)) for field in referring}
    references = tuple(one for found in targets.values() if len(found) == 1 for one in found)
    return Collection(
        name=name,
        path=path,
        schema=schema,
        fields=fields,
        references=references,
        alternatives=tuple(Alternatives(found) for found in targets.values() if len(found) > 1),
        copies=tuple(_copies(path, fields, references)),
        indexes=tuple(
            Index(
                tuple(entry["keys"].items()),
                entry.get("unique", False),
                entry.get("weights", {}),
                declared_options(entry),
                entry.get("name"),
            )
            for entry in schema.get("x-indexes", ())
        ),
        vector_index=_vector_index(schema),
        id_mapping=_id_mapping(schema["x-sync"]),
    )


def _fields(schema: Mapping[str, Any], prefix: str, place: str) -> Iterator[Field]:
    required = schema.get("required", ())
    for name, field_schema in schema.get("properties", {}).items():
        where = f"{place}properties/{escaped(name)}"
        yield _field(name, prefix + name, where, field_schema, required=name in required)


def _field(name: str, path: str, place: str, schema: Mapping[str, Any], *, required: bool) -> Field:
    kind, children, element = kind_of(schema), tuple[Field, ...](), None
    if kind == "map":
        children = tuple(_fields(schema, f"{path}.", f"{place}/"))
    elif kind == "list":
        element = _field(ELEMENTS, path + ELEMENTS, f"{place}/items", schema["items"], required=True)
    elif kind == "dictionary":
        ((pattern, inner),) = schema["patternProperties"].items()
        element = _field(
            VALUES, f"{path}.{VALUES}", f"{place}/patternProperties/{escaped(pattern)}", inner, required=True
        )
    return Field(name, path, kind, schema, required, place, children, element)


def _references(name: str, field: Field, names: Sequence[str]) -> Iterator[Reference]:
    declared = field.schema["x-reference"]
    for place in [declared] if isinstance(declared, str) else declared:
        target, target_field = split_place(place, names)
        yield Reference(name, field.path, target, target_field, field.schema.get("x-history"))


def _copies(path: Path, fields: tuple[Field, ...], references: tuple[Reference, ...]) -> Iterator[Copy]:
    by_field = {reference.field: reference for reference in references}
    for field in fields:
        for keyword in ("x-agrees", "x-snapshot"):
            if keyword not in field.schema:
                continue
            declared = field.schema[keyword]
            through = declared["through"]
            if through not in by_field:
                raise ConfigurationError(
                    f"{path}: at /properties/{field.name}/{keyword}: {through!r} is not a reference field of this"
                    " collection; give it x-reference or name one that has it"
                )
            of = tuple(declared["of"]) if keyword == "x-snapshot" else (declared["with"],)
            yield Copy(field.name, by_field[through], of, declared.get("separator", ""), keyword == "x-agrees")


def _vector_index(schema: Mapping[str, Any]) -> VectorIndex | None:
    declared = schema.get("x-vector-index")
    if declared is None:
        return None
    properties = schema["properties"]
    dimensions = {name: properties.get(name, {}).get("maxItems", 0) for name in declared["fields"]}
    return VectorIndex(declared["name"], declared["similarity"], dimensions)


def _id_mapping(sync: Mapping[str, Any]) -> IdMapping | None:
    if not sync["enabled"]:
        return None
    mapping = sync["id_mapping"]
    return IdMapping(mapping["mode"], tuple(mapping.get("fields", ())))

"""Names in config/ that mean nothing: files, settings and parameters that nobody asks for, rows that fit no schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from conformance.config.configuration import Configuration
from conformance.errors import ConfigurationError, FileError
from conformance.files.strict_files import located
from conformance.model.collection import Model
from conformance.model.validators.document_validator import fitting
from conformance.text.rendering import shorten
from conformance.text.suggestion import did_you_mean, nearest

#: The files of config/ that are read; each is optional.
FILES: Final = (
    "catalogue.yaml",
    "ditto_connector_config.yaml",
    "ditto_permissions.json",
    "ditto_subscriptions.yaml",
    "generation.yaml",
    "queries.yaml",
    "rules.yaml",
    "severity.yaml",
    "users.yaml",
    "waivers.yaml",
)
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_GENERATION: Final = "generation.yaml"
_CATALOGUE: Final = "catalogue.yaml"
_Place = Sequence[str | int]


def check_names(model: Model, configuration: Configuration) -> None:
    """Raise ConfigurationError, one line, for the first name that means nothing."""
    _check_files(model)
    for file, place, what in (*_of_generation(model, configuration), *_of_catalogue(model, configuration.catalogue)):
        raise FileError(located(model.config(file), place), what, ".".join(map(str, place)))


def _check_files(model: Model) -> None:
    """Refuse a file whose name is like one that is read: it would be passed over without a word."""
    folder = model.root / "config"
    there = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    for name in there:
        stem, _, ending = name.rpartition(".")
        if name in FILES or ending not in ("yaml", "yml", "json"):
            continue
        missing = {file.rpartition(".")[0]: file for file in FILES if file not in there}
        near = nearest(stem, missing)
        if near is not None:
            raise ConfigurationError(
                f"{folder / name}: no file of this name is read; did you mean {missing[near]}? Rename it"
            )


def _of_generation(model: Model, configuration: Configuration) -> Iterator[tuple[str, _Place, str]]:
    generation = configuration.generation
    for name in generation.defaults:
        if name not in model.settings:
            yield (
                _GENERATION,
                ("defaults", name),
                f"no schema's x-cardinality names this setting; {did_you_mean(name, model.settings)}",
            )


def check_parameters(model: Model, configuration: Configuration) -> None:
    """Raise ConfigurationError, one line, for the first parameter that no recipe and no rule names."""
    parameters = configuration.generation.parameters
    products = [value for value in parameters.values() if isinstance(value, str)]
    recipes = [field.schema.get("x-sample", {}) for collection in model for field in collection.walk()]
    named = set(_WORD.findall(json.dumps([recipes, products])))
    asked = named | set(_WORD.findall(configuration.rules.model_dump_json()))
    for name in parameters:
        if name not in asked:
            likely = sorted(each for each in named - parameters.keys() if len(each) > 3)
            where = located(model.config(_GENERATION), ("parameters", name))
            hint = did_you_mean(name, likely, otherwise="name it there, or remove it")
            what = f"no recipe and no rule names this parameter; {hint}"
            raise FileError(where, what, f"parameters.{name}")


def _of_catalogue(
    model: Model, catalogue: Mapping[str, tuple[Mapping[str, Any], ...]]
) -> Iterator[tuple[str, _Place, str]]:
    """Check that fixed rows have only fields of the schema, with valid values; other fields are generated."""
    for name, rows in catalogue.items():
        if name not in model.collections:
            yield _CATALOGUE, (name,), f"there is no such collection; {did_you_mean(name, model.collections)}"
            continue
        fields = {field.name: fitting(field.schema) for field in model[name].fields}
        keys = _keys(model, catalogue, name)
        for position, row in enumerate(rows):
            for key, value in row.items():
                place = (name, position, key)
                if key not in fields:
                    yield _CATALOGUE, place, f"there is no such field; {did_you_mean(key, fields)}"
                    continue
                if not fields[key](value):
                    what = f"{shorten(value)} does not meet the schema in {model[name].path.name}; correct it"
                    yield _CATALOGUE, place, what
                elif key in keys and value not in keys[key]:
                    hint = did_you_mean(value, sorted(map(str, keys[key])))
                    yield _CATALOGUE, place, f"{shorten(value)} is in no row that it refers to; {hint}"


def _keys(model: Model, catalogue: Mapping[str, tuple[Mapping[str, Any], ...]], name: str) -> Mapping[str, set[Any]]:
    """Return, for each field that refers to rows of the catalogue, the values that it may have."""
    return {
        each.field: {row[each.target_field] for row in catalogue[each.target]}
        for each in model[name].references
        if each.target in catalogue and all(each.target_field in row for row in catalogue[each.target])
    }

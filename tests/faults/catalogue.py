"""The catalogue of faults: read from the YAML files beside this one, checked by their schema, expanded over a model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from conformance.model.collection import Model
from tests.faults.expansion import expand
from tests.models import shipped_model

HERE: Final = Path(__file__).parent
Edit = Mapping[str, Any]
Expectations = Mapping[str, Any]


@dataclass(frozen=True)
class Fault:
    """An edit to a conformant database or to a copy of its configuration, and the rules that must report it.

    ``soak`` marks a fault that resembles others and runs in `make soak` only; ``reasons`` are texts that findings must
    have.
    """

    id: str
    title: str
    base: str = "small"
    generate: Mapping[str, Any] | None = None
    edits: tuple[Edit, ...] = ()
    families: tuple[str, ...] = ()
    fails: Expectations = field(default_factory=dict)
    warns: Expectations = field(default_factory=dict)
    skips: tuple[str, ...] = ()
    soak: bool = False
    reasons: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Fault:
        """Return the fault of one entry of a file, or of an expanded pattern."""
        lists = {name: tuple(data[name]) for name in ("edits", "families", "skips") if name in data}
        return cls(**{**data, **lists})


@dataclass(frozen=True)
class Catalogue:
    """All faults in the order of the files, harmless edits, and reasons why some rules have no fault."""

    faults: tuple[Fault, ...]
    harmless: tuple[Fault, ...]
    unkillable: Mapping[str, str]


@cache
def shipped_catalogue() -> Catalogue:
    """Return the catalogue beside this module for the project's own model, read once in a process."""
    return load_catalogue(shipped_model())


def load_catalogue(model: Model, folder: Path = HERE) -> Catalogue:
    """Read every file; AssertionError names the file and path that violates fault.schema.json, or a duplicate id."""
    faults: list[Fault] = []
    harmless: list[Fault] = []
    unkillable: dict[str, str] = {}
    reasons: dict[str, Mapping[str, str]] = {}
    for content in _files(folder):
        effects = content.get("effects", {})
        faults += [Fault.parse(entry) for entry in content.get("faults", ())]
        faults += [Fault.parse(entry) for one in content.get("patterns", ()) for entry in expand(model, one, effects)]
        harmless += [Fault.parse(entry) for entry in content.get("harmless", ())]
        unkillable |= content.get("unkillable", {})
        reasons |= content.get("reasons", {})
    ids = [fault.id for fault in (*faults, *harmless)]
    twice = sorted({one for one in ids if ids.count(one) > 1})
    assert not twice, f"two faults of one id: {twice}"
    unknown = sorted(reasons.keys() - {fault.id for fault in faults})
    assert not unknown, f"reasons of faults that are none: {unknown}"
    faults = [replace(fault, reasons=reasons.get(fault.id, {})) for fault in faults]
    return Catalogue(tuple(faults), tuple(harmless), unkillable)


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """A safe loader with merge keys (<<) that rejects duplicate keys; PyYAML alone would silently use the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"{node.start_mark}: a key appears twice: {keys}"
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def _files(folder: Path) -> Iterator[Mapping[str, Any]]:
    """Return the contents of the files; effects are shared by all files."""
    validator = Draft202012Validator(json.loads((HERE / "fault.schema.json").read_text(encoding="utf-8")))
    contents = []
    for path in sorted(folder.glob("*.yaml")):
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - it is a SafeLoader
        error = best_match(validator.iter_errors(content))
        assert error is None, f"{path.name}: at {error.json_path}: {error.message[:300]}"
        contents.append(content)
    assert contents, f"{folder} holds no catalogue"
    effects = {name: events for content in contents for name, events in content.get("effects", {}).items()}
    for content in contents:
        yield {**content, "effects": effects}

"""Environment of faults: a copy of the model's folder, and databases of a conformant dataset on one server."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from pymongo import MongoClient
from pymongo.database import Database

from conformance.checks.base import Context
from conformance.config.configuration import Configuration, GenerationFile
from conformance.config.loading import load_configuration
from conformance.config.settings import Settings, load_settings
from conformance.files.strict_files import read_yaml
from conformance.model.collection import Model
from conformance.model.schemas.loading import load_model
from conformance.server.provision import apply, plan
from generator.columns.plan import Plan
from generator.loader import load
from tests.faults.engine.values import at, made, put, take

Document = dict[str, Any]
#: Files of the project that are copied: a model, and the files that the rules of family security examine.
_COPIED: Final = ("schemas", "config", ".env.sample", ".gitignore")
#: Files that some families read when they run; every other one below these folders is read when rules are derived.
_READ_AT_RUN: Final = (
    "config/ditto_connector_config.yaml",
    "config/ditto_permissions.json",
    "config/ditto_subscriptions.yaml",
    "config/users.yaml",
)
_DERIVED_FROM: Final = ("config/", "schemas/")
#: Customers and orders by the name of the base.
SIZES: Final[Mapping[str, tuple[int, int]]] = {"tiny": (60, 250), "small": (300, 2_000), "large": (1_000, 12_000)}
#: A named query's product of all elements of all vectors, and of a few: the plan is the same, and explaining the whole
#: takes the server as long as all other rules together.
_WHOLE_PRODUCT: Final = "{$range: [0, 1536]}"
_SHORT_PRODUCT: Final = "{$range: [0, 8]}"
#: libyaml's where it is installed: each edit of a file writes all of it.
_DUMPER: Final[Any] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
#: Not the default: a fault must not depend on the usual seed.
SEED: Final = 7


@dataclass
class Place:
    """The copy of the folder at ``root``, and the databases created so far."""

    root: Path
    client: MongoClient[Document]
    prefix: str
    _databases: dict[str, Database[Document]] = field(default_factory=dict)

    @classmethod
    def copied(cls, project: Path, root: Path, client: MongoClient[Document], prefix: str) -> Place:
        """Return a place with a copy of the project's model below ``root``, in a new git repository if git exists."""
        for name in _COPIED:
            if (project / name).is_dir():
                shutil.copytree(project / name, root / name)
            elif (project / name).exists():
                shutil.copy(project / name, root / name)
        place = cls(root, client, prefix)
        place.shorten()
        place.track()
        return place

    def shorten(self) -> None:
        """Have the copy's named query compare the first elements of vectors only."""
        queries = self.root / "config" / "queries.yaml"
        text = queries.read_text(encoding="utf-8")
        assert text.count(_WHOLE_PRODUCT) == 1
        queries.write_text(text.replace(_WHOLE_PRODUCT, _SHORT_PRODUCT), encoding="utf-8")

    def track(self) -> None:
        """Add every file of the copy to git, if it exists."""
        for command in (["init", "-q"], ["add", "-A"]):
            subprocess.run(["git", *command], cwd=self.root, capture_output=True, check=False)

    def settings(self, base: str, **changed: Any) -> Settings:
        """Return the settings of a base, with some changes."""
        customers, orders = SIZES[base]
        given = {"num_customers": customers, "num_orders": orders, "seed": SEED}
        return load_settings(self.root / ".env", **(given | changed))

    def model(self) -> Model:
        """Return the current model of the copy."""
        return load_model(self.root)

    def configuration(self, model: Model, settings: Settings) -> Configuration:
        """Return the current configuration of the copy."""
        return load_configuration(model, settings.constants())

    def database(self, base: str) -> Database[Document]:
        """Return the conformant database of a base; created once."""
        if base not in self._databases:
            self._databases[base] = self.generated(base, {})
        return self._databases[base]

    def generated(self, base: str, figures: Mapping[str, Any]) -> Database[Document]:
        """Return a separate database, generated with other parameters."""
        model, settings = self.model(), self.settings(base)
        configuration = self.configuration(model, settings)
        if figures:
            generation = configuration.generation
            changed = GenerationFile(**(generation.model_dump() | {"parameters": {**generation.parameters, **figures}}))
            configuration = Configuration(
                changed, configuration.rules, configuration.queries, configuration.catalogue, configuration.constants
            )
        database = self.client[f"{self.prefix}_{base}" + ("_other" if figures else "")]
        self.client.drop_database(database.name)
        load(Plan(model, configuration, settings).documents(), database, 1_000)
        apply(plan(model, database), database)
        return database

    @contextmanager
    def conformant(self, settings: Settings) -> Iterator[Context]:
        """Yield a context with a separate database, generated with these settings and dropped afterwards."""
        model = self.model()
        configuration = self.configuration(model, settings)
        database = self.client[f"{self.prefix}_clean"]
        self.client.drop_database(database.name)
        load(Plan(model, configuration, settings).documents(), database, 1_000)
        apply(plan(model, database), database)
        yield Context(model, configuration, settings, database, True, self.client[f"{self.prefix}_scratch"])
        self.client.drop_database(database.name)

    def clear(self) -> None:
        """Drop every database of this place."""
        for name in self.client.list_database_names():
            if name.startswith(self.prefix):
                self.client.drop_database(name)


def changes_rules(file: str) -> bool:
    """Return whether rules are derived from a file, and not only read it when they run."""
    return file.startswith(_DERIVED_FROM) and file not in _READ_AT_RUN


@contextmanager
def edited_files(place: Place, edits: Sequence[Mapping[str, Any]]) -> Iterator[None]:
    """Apply edits to the copy's files, and restore them afterwards."""
    before = {edit["file"]: _content(place.root / edit["file"]) for edit in edits}
    try:
        for edit in edits:
            _edit_file(place.root / edit["file"], edit)
        if edits:
            place.track()
        yield
    finally:
        for name, content in before.items():
            if content is None:
                (place.root / name).unlink(missing_ok=True)
            else:
                (place.root / name).write_bytes(content)
        if edits:
            place.track()


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _edit_file(path: Path, edit: Mapping[str, Any]) -> None:
    if "delete" in edit:
        path.unlink()
        return
    if "text" in edit:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made(edit["text"], {}), encoding="utf-8")
        return
    if "replace" in edit:
        text = path.read_text(encoding="utf-8")
        for old, new in edit["replace"].items():
            assert text.count(old) == 1, f"{path.name}: {old!r} occurs {text.count(old)} times, not once"
            text = text.replace(old, new)
        path.write_text(text, encoding="utf-8")
    if edit.keys() & {"set", "unset", "append"}:
        content = json.loads(path.read_text(encoding="utf-8")) if path.suffix == ".json" else read_yaml(path)
        for name, value in edit.get("set", {}).items():
            put(content, name, made(value, {}))
        for name in edit.get("unset", ()):
            take(content, name)
        for name, value in edit.get("append", {}).items():
            at(content, name).append(made(value, {}))
        is_json = path.suffix == ".json"
        dumped = json.dumps(content, indent=2) if is_json else yaml.dump(content, Dumper=_DUMPER, sort_keys=False)
        path.write_text(dumped, encoding="utf-8")

"""The dataset of a target: made once, reused while nothing that it is made from has changed."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from conformance.config.configuration import Configuration
from conformance.config.settings import Settings
from conformance.embedded.locks import dataset_lock
from conformance.errors import ConfigurationError
from conformance.extras import require
from conformance.files.writing import write_text
from conformance.model.collection import Model
from conformance.server import provision
from conformance.server.target import Target
from generator.columns.batch import Document
from generator.columns.plan import Plan
from generator.embeddings.embedder import local_embedder
from generator.fingerprint import imported_sources
from generator.loader import Progress, load

#: Stands in place of the fingerprint while the data is being made.
_UNFINISHED: Final = "unfinished"
#: Marks data of the user: it is validated unchanged, and replaced only on request.
_IMPORTED: Final = "imported"
#: Kinds that are provisioned before documents are loaded.
SHAPES: Final = frozenset({"collections", "validators", "images"})
#: Modules that make documents, validators and indexes; their imports count, too.
_MAKERS: Final = (
    "generator.columns.plan",
    "generator.loader",
    "generator.embeddings.embedder",
    "conformance.server.provision",
)
#: Packages whose releases may change the values.
_LIBRARIES: Final = ("faker", "numpy", "pymongo", "rstr", "tokenizers", "wordllama")
#: Told what is about to happen, in words.
Notice = Callable[[str], None]


def fingerprint(model: Model, settings: Settings, configuration: Configuration) -> str:
    """Return a SHA-256 over everything the dataset is made from: schemas, config, code, settings, library versions."""
    digest = hashlib.sha256()
    files = [*(model.root / "schemas").glob("*.json"), *(model.root / "config").rglob("*")]
    named = [(path.relative_to(model.root).as_posix(), path) for path in sorted(files) if path.is_file()]
    for name, path in [*named, *imported_sources(*_MAKERS)]:
        content = path.read_bytes()
        digest.update(f"{name}:{len(content)}:".encode())
        digest.update(content)
    sizes = {name: settings.size(name, configuration.generation.defaults) for name in model.settings}
    made_with = {name: importlib.metadata.version(name) for name in _LIBRARIES} | {"by": local_embedder().provider}
    digest.update(json.dumps([sizes, settings.constants(), settings.seed, made_with], sort_keys=True).encode())
    return digest.hexdigest()


def generate(
    model: Model,
    settings: Settings,
    configuration: Configuration,
    target: Target,
    progress: Progress | None = None,
    kept: Mapping[str, list[Document]] | None = None,
) -> Mapping[str, int]:
    """Make the dataset and load it into the target, whose collections of the model must be empty; counts by name.

    Validators and images are set before the load, so that the server validates every document; indexes are built after
    it, which is faster. An embedded target is noted as unfinished while this runs and as finished when it is done, so
    that the next run makes anew what a killed one left. ``kept`` is a catalogue that is there already
    (generator/catalogue.py): it stays, the rest refers to it, and no later run replaces it of its own accord. Raises
    ConfigurationError or TargetError, one line.
    """
    target.require_replica_set()
    made_from = _IMPORTED if kept else fingerprint(model, settings, configuration)
    _note(target, _IMPORTED if kept else _UNFINISHED, {})
    provision.apply(provision.plan(model, target.database, parts=SHAPES), target.database)
    made = model.collections.keys() - (kept or {}).keys()
    documents = Plan(model, configuration, settings, given=kept).documents(made)
    counts = load(documents, target.database, settings.batch_size, progress)
    provision.apply(provision.plan(model, target.database), target.database)
    _note(target, made_from, counts)
    return counts


def unfinished(target: Target) -> bool:
    """Return True when the embedded server's data is what a killed run left."""
    return _noted(target) == _UNFINISHED


def note_unfinished(target: Target) -> None:
    """Note that an embedded target's data is being made or taken away: the next run is to make it anew."""
    _note(target, _UNFINISHED, {})


def note_imported(target: Target) -> None:
    """Note that an embedded target's data is what the user brought: no run replaces it of its own accord."""
    _note(target, _IMPORTED, {})


def make_room(model: Model, target: Target, *, replace: bool, notice: Notice) -> None:
    """Leave the target without documents of the model: drop them with ``replace``, else refuse if there are any.

    What a killed run left unfinished on the embedded server is dropped in any case. Raises ConfigurationError, and
    nothing was changed, when there are documents that may not be dropped.
    """
    target.require_replica_set()
    if unfinished(target):
        notice("an earlier run did not finish; its data is generated again")
        replace = True
    held = next((n for n in _with_documents(target) if not (replace and n in model.collections)), None)
    where = f"the database {target.database.name} on {target.info.uri}"
    if held is not None and held in model.collections:
        raise ConfigurationError(f"{where} has documents already (in {held}); pass --drop to replace them")
    if held is not None:
        raise ConfigurationError(
            f"{where} also holds {held}, which the model does not define: it is somebody else's and is left alone;"
            " use another MONGODB_DATABASE"
        )
    if replace:
        for name in model.collections:
            target.database.drop_collection(name)


def refuse_foreign(model: Model, target: Target) -> None:
    """Raise ConfigurationError when the database holds collections and none of them is the model's."""
    names = _collections(target)
    if names and not set(names) & set(model.collections):
        raise ConfigurationError(
            f"the database {target.database.name} on {target.info.uri} holds {', '.join(names[:3])} and none of the"
            " model's collections: it is somebody else's and is left alone; check MONGODB_DATABASE"
        )


def _collections(target: Target) -> list[str]:
    return sorted(n for n in target.database.list_collection_names() if not n.startswith("system."))


def _with_documents(target: Target) -> Iterator[str]:
    return (n for n in _collections(target) if target.database[n].find_one({}, {"_id": 1}) is not None)


@contextmanager
def alone(target: Target, notice: Notice) -> Iterator[None]:
    """Hold an embedded target's data for changing it, or a named one's, which has no lock, as it is."""
    if target.directory is None:
        yield
        return
    with dataset_lock(target.directory, exclusive=True, waiting=lambda: notice("another run reads the data: waiting")):
        yield


@contextmanager
def embedded_dataset(
    model: Model,
    settings: Settings,
    configuration: Configuration,
    target: Target,
    notice: Notice,
    progress: Progress | None = None,
) -> Iterator[bool]:
    """Hold the embedded dataset, made anew if anything it is made from has changed; yields True if it was made.

    While held, no other process replaces it: readers share, whoever makes it waits until they are done.
    """
    assert target.directory is not None  # noqa: S101 - only for embedded targets
    require("generate")
    made = False
    while True:
        wanted = fingerprint(model, settings, configuration)  # anew each time: somebody may be editing
        with dataset_lock(
            target.directory, exclusive=False, waiting=lambda: notice("another run is generating: waiting")
        ):
            if _current(target, wanted):
                if _noted(target) == _IMPORTED:
                    notice("the data was imported and is validated unchanged; `zava generate --drop` replaces it")
                yield made
                return
        with alone(target, notice):
            if not _current(target, wanted):
                _refuse_unknown(target)
                notice("generating the dataset")
                target.client.drop_database(target.database.name)
                generate(model, settings, configuration, target, progress)
                made = True


def _refuse_unknown(target: Target) -> None:
    """Raise ConfigurationError when the embedded database has documents that no generation here has put there."""
    held = next(_with_documents(target), None)
    if held is not None and _noted(target) is None:
        raise ConfigurationError(
            f"the database {target.database.name} on the embedded server has documents (in {held}) that the harness did"
            " not make: use another MONGODB_DATABASE, or replace them: zava generate --embedded --drop"
        )


def _current(target: Target, wanted: str) -> bool:
    return _noted(target) in (wanted, _IMPORTED) and bool(_collections(target))


def _note_file(target: Target) -> Path | None:
    """Beside the embedded server's data, one for each database."""
    return target.directory / f"dataset-{target.database.name}.json" if target.directory else None


def _noted(target: Target) -> str | None:
    """Return the fingerprint of the embedded data, _UNFINISHED, or None if it was not generated here."""
    file = _note_file(target)
    try:
        return str(json.loads(file.read_text(encoding="utf-8"))["fingerprint"]) if file else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _note(target: Target, made_from: str, counts: Mapping[str, int]) -> None:
    file = _note_file(target)
    if file is not None:
        write_text(file, json.dumps({"fingerprint": made_from, "counts": dict(counts)}))

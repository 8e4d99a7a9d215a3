"""The dataset of a target: made once, reused while nothing that it is made from has changed."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from conformance import provision
from conformance.configuration import Configuration
from conformance.embedded import dataset_lock
from conformance.errors import ConfigurationError
from conformance.model import Model
from conformance.report.writing import write_text
from conformance.settings import Settings
from conformance.target import Target
from generator.loader import Progress, load
from generator.plan import Plan

_FILE: Final = "dataset.json"
_SHAPES: Final = frozenset({"collections", "validators", "images"})
#: Modules of the library that decide what documents, validators and indexes look like.
_SHAPING: Final = ("calendar.py", "formula.py", "kinds.py", "model.py", "oracle.py", "provision.py", "validator.py")
#: Told what is about to happen, in words.
Notice = Callable[[str], None]


def fingerprint(model: Model, settings: Settings, configuration: Configuration) -> str:
    """SHA-256 over everything the dataset is made from: schemas, config, generator, settings, library versions."""
    digest = hashlib.sha256()
    library = Path(__file__).parent
    sources = [*(model.root / "schemas").glob("*.json"), *(model.root / "config").glob("*"), *library.glob("*.py")]
    sources += [library.parent / "conformance" / name for name in _SHAPING]
    for path in sorted(sources):
        if path.is_file():
            digest.update(f"{path.name}:{path.stat().st_size}:".encode())
            digest.update(path.read_bytes())
    sizes = {name: settings.size(name, configuration.generation.defaults) for name in model.settings}
    made_with = {name: importlib.metadata.version(name) for name in ("numpy", "faker", "pymongo", "rstr")}
    digest.update(json.dumps([sizes, settings.constants(), settings.seed, made_with], sort_keys=True).encode())
    return digest.hexdigest()


def generate(
    model: Model,
    settings: Settings,
    configuration: Configuration,
    target: Target,
    progress: Progress | None = None,
) -> Mapping[str, int]:
    """Make the dataset and load it into the target, whose collections of the model must be empty; counts by name.

    Validators and images are set before the load, so that the server judges every document; indexes are built after
    it, which is faster. An embedded target is noted as unfinished while this runs and as finished when it is done, so
    that the next run makes anew what a killed one left. Raises ConfigurationError or TargetError, one line.
    """
    target.require_replica_set()
    _note(target, None, {})
    provision.apply(provision.plan(model, target.database, parts=_SHAPES), target.database)
    counts = load(Plan(model, configuration, settings).documents(), target.database, settings.batch_size, progress)
    provision.apply(provision.plan(model, target.database), target.database)
    _note(target, fingerprint(model, settings, configuration), counts)
    return counts


def make_room(model: Model, target: Target, *, replace: bool, notice: Notice) -> None:
    """Leave the target without documents of the model: drop them with ``replace``, else refuse if there are any.

    What a killed run left unfinished on the embedded server is dropped in any case. Raises ConfigurationError, and
    nothing was changed, when there are documents that may not be dropped.
    """
    target.require_replica_set()
    unfinished = _noted(target) == (None, target.database.name)
    if unfinished:
        notice("an earlier run did not finish: its data is made anew")
    for name in _collections(target):
        ours = name in model.collections
        if ours and (replace or unfinished) or target.database[name].find_one({}, {"_id": 1}) is None:
            continue
        where = f"the database {target.database.name} on {target.info.uri}"
        if ours:
            raise ConfigurationError(f"{where} has documents already (in {name}); pass --drop to replace them")
        raise ConfigurationError(
            f"{where} also holds {name}, which the model does not define: it is somebody else's and is left alone;"
            " use another MONGODB_DATABASE"
        )
    if replace or unfinished:
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
    wanted = fingerprint(model, settings, configuration)
    made = False
    while True:
        with dataset_lock(
            target.directory, exclusive=False, waiting=lambda: notice("another run is generating: waiting")
        ):
            if _current(target, wanted):
                yield made
                return
        with dataset_lock(
            target.directory, exclusive=True, waiting=lambda: notice("another run reads the data: waiting")
        ):
            if not _current(target, wanted):
                notice("generating the dataset")
                target.client.drop_database(target.database.name)
                generate(model, settings, configuration, target, progress)
                made = True


def _current(target: Target, wanted: str) -> bool:
    return _noted(target) == (wanted, target.database.name) and bool(_collections(target))


def _noted(target: Target) -> tuple[str | None, str] | None:
    """What the embedded data was made from (None while it is being made) and its database; None when not known."""
    if target.directory is None:
        return None
    try:
        noted = json.loads((target.directory / _FILE).read_text(encoding="utf-8"))
        return noted["fingerprint"], noted["database"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _note(target: Target, made_from: str | None, counts: Mapping[str, int]) -> None:
    if target.directory is not None:
        content = {"fingerprint": made_from, "database": target.database.name, "counts": dict(counts)}
        write_text(target.directory / _FILE, json.dumps(content))

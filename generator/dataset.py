"""The dataset of a target: made once, reused while nothing that it is made from has changed."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pymongo.errors import PyMongoError

from conformance import provision
from conformance.configuration import Configuration
from conformance.embedded import dataset_lock
from conformance.errors import ConfigurationError, TargetError
from conformance.masking import mask
from conformance.model import Model
from conformance.settings import Settings
from conformance.target import Target
from generator.loader import Progress, load
from generator.plan import Plan

_FILE: Final = "dataset.json"
_SHAPES: Final = frozenset({"collections", "validators", "images"})
#: Told what is about to happen, in words.
Notice = Callable[[str], None]


def fingerprint(model: Model, settings: Settings, configuration: Configuration) -> str:
    """SHA-256 over everything the dataset is made from: schemas, config, generator, settings, library versions."""
    digest = hashlib.sha256()
    library = Path(__file__).parent
    for path in sorted(
        [*(model.root / "schemas").glob("*.json"), *(model.root / "config").glob("*"), *library.glob("*.py")]
    ):
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
    it, which is faster. Raises ConfigurationError or TargetError, one line.
    """
    provision.apply(provision.plan(model, target.database, parts=_SHAPES), target.database)
    counts = load(Plan(model, configuration, settings).documents(), target.database, settings.batch_size, progress)
    provision.apply(provision.plan(model, target.database), target.database)
    return counts


def refuse_data(model: Model, target: Target) -> None:
    """Raise ConfigurationError when the database has documents; `--drop` is the mend."""
    for name in _collections(target):
        if target.database[name].find_one({}, {"_id": 1}) is not None:
            hint = "pass --drop to replace them" if name in model.collections else "use another MONGODB_DATABASE"
            raise ConfigurationError(
                f"the database {target.database.name} on {target.info.uri} has documents already (in {name}); {hint}"
            )


def drop(model: Model, target: Target) -> None:
    """Drop the model's collections. ConfigurationError when there are others with documents: they are not ours."""
    for name in _collections(target):
        if name not in model.collections and target.database[name].find_one({}, {"_id": 1}) is not None:
            raise ConfigurationError(
                f"the database {target.database.name} on {target.info.uri} also holds {name}, which the model does not"
                " define; it is not dropped: use another MONGODB_DATABASE"
            )
    for name in model.collections:
        target.database.drop_collection(name)


def _collections(target: Target) -> list[str]:
    try:
        return sorted(n for n in target.database.list_collection_names() if not n.startswith("system."))
    except PyMongoError as error:
        raise TargetError(f"{target.info.uri}: {mask(str(error))[:200]}; check the user's roles") from None


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
                (target.directory / _FILE).unlink(missing_ok=True)
                target.client.drop_database(target.database.name)
                counts = generate(model, settings, configuration, target, progress)
                _remember(target, wanted, counts)
                made = True


def remember(
    model: Model, settings: Settings, configuration: Configuration, target: Target, counts: Mapping[str, int]
) -> None:
    """Note that the embedded target now holds the dataset of these settings."""
    _remember(target, fingerprint(model, settings, configuration), counts)


def _current(target: Target, wanted: str) -> bool:
    assert target.directory is not None  # noqa: S101 - see embedded_dataset
    try:
        noted = json.loads((target.directory / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    known = noted.get("fingerprint") == wanted and noted.get("database") == target.database.name
    return known and bool(_collections(target))


def _remember(target: Target, made_from: str, counts: Mapping[str, int]) -> None:
    assert target.directory is not None  # noqa: S101 - see embedded_dataset
    content = {"fingerprint": made_from, "database": target.database.name, "counts": dict(counts)}
    path = target.directory / _FILE
    path.with_suffix(".tmp").write_text(json.dumps(content), encoding="utf-8")
    path.with_suffix(".tmp").replace(path)

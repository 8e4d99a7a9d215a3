"""Provisioning: what a database lacks of the state the model wants, as commands, and running them.

`plan` only reads; `apply` runs what was planned; running a plan twice changes nothing the second time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from threading import Lock
from typing import Any, Final, Literal

from pymongo.database import Database
from pymongo.errors import OperationFailure, PyMongoError

from conformance.connection.collation import SIMPLE_SPEC
from conformance.errors import TargetError
from conformance.model.collection import Collection, Model, ValidatorProfile
from conformance.model.validators.profiles import profile_of, provisioned_validator
from conformance.model.validators.server_validator import Query, difference
from conformance.server.metadata import (
    LiveCollection,
    LiveIndex,
    declared_index,
    differences,
    in_words,
    live_collections,
    live_indexes,
    option_words,
)
from conformance.text.rendering import shorten

Kind = Literal["collection", "validator", "images", "conflicting-index", "extra-index", "indexes"]

_CLUSTERED: Final = {"key": {"_id": 1}, "unique": True}
PARTS: Final = frozenset({"collections", "validators", "indexes", "images"})
#: The first release with changeStreamPreAndPostImages.
IMAGES_SINCE: Final = (6, 0, 0)
_THREADS: Final = 2
_UNAUTHORIZED: Final = frozenset({13, 8000})
_DUPLICATE: Final = 11000


@dataclass(frozen=True)
class Change:
    """One step towards the wanted state: ``what`` in words, ``command`` as the server is given it.

    ``undo`` puts back what the command removes, should a later step of the collection fail.
    """

    collection: str
    kind: Kind
    what: str
    command: Mapping[str, Any]
    undo: Mapping[str, Any] | None = None


def plan(
    model: Model,
    database: Database[dict[str, Any]],
    *,
    parts: frozenset[str] = PARTS,
    drop_extra: bool = False,
    validators: ValidatorProfile | None = None,
) -> list[Change]:
    """Return what must be run, collection by collection in the model's order; empty when the database is as wanted.

    Indexes the model does not declare stay unless ``drop_extra``. ``validators`` is the profile of all validators, in
    place of those that the schemas ask for. Raises TargetError when the server is too old for images, when a name is
    taken by a view, or when the user may not look.
    """
    try:
        if "images" in parts and any(collection.synced for collection in model):
            require_images(tuple(database.client.server_info()["versionArray"][:3]))
        live = live_collections(database)
        changes: list[Change] = []
        for collection in model:
            there = _usable(collection, live.get(collection.name), parts, database.name)
            indexes = live_indexes(database, collection.name) if there and "indexes" in parts else ()
            changes += _changes(collection, there, indexes, parts, drop_extra, validators)
    except PyMongoError as error:
        raise _target_error(error, database.name, "read collections and indexes") from error
    return changes


def wish(model: Model, *, parts: frozenset[str] = PARTS, validators: ValidatorProfile | None = None) -> list[Change]:
    """Everything the model wants, as if the database were empty."""
    return [change for collection in model for change in _changes(collection, None, (), parts, False, validators)]


def apply(
    changes: Sequence[Change],
    database: Database[dict[str, Any]],
    progress: Callable[[Change], None] | None = None,
) -> None:
    """Run the changes, each collection's in order, two collections side by side; ``progress`` hears of each one done.

    Raises TargetError for the first that fails; an index dropped to be rebuilt is put back, and what was done on
    other collections stays, so that a second run finishes the work.
    """
    lock = Lock()

    def run(steps: list[Change]) -> None:
        for number, change in enumerate(steps):
            try:
                database.command(dict(change.command))
            except PyMongoError as error:
                where = f"{database.name}.{change.collection}"
                _put_back(steps[:number], database, where)
                raise _target_error(error, where, change.what) from error
            if progress:
                with lock:
                    progress(change)

    work = [list(steps) for _, steps in groupby(changes, key=lambda change: change.collection)]
    with ThreadPoolExecutor(_THREADS) as pool:
        futures = [pool.submit(run, steps) for steps in work]
        try:
            for future in futures:
                future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def require_images(version: tuple[int, ...]) -> None:
    """Raise TargetError when a server of the version has no pre- and post-images."""
    if version < IMAGES_SINCE:
        raise TargetError(
            f"the server is MongoDB {'.'.join(map(str, version))}, which has no change stream pre- and post-images;"
            " upgrade it to 6.0 or later"
        )


def _usable(
    collection: Collection, there: LiveCollection | None, parts: frozenset[str], database: str
) -> LiveCollection | None:
    if there is None and "collections" not in parts:
        raise TargetError(f"{database}.{collection.name}: there is no such collection; provision collections first")
    if there is not None and there.type != "collection":
        raise TargetError(
            f"{database}.{collection.name}: found a {there.type}; expected a collection; rename or drop it"
        )
    unfit = None if there is None else there.losing or (there.collation and f"it has {there.collation}")
    if there is not None and collection.clustered and "clusteredIndex" not in there.options:
        raise TargetError(
            f"{database}.{collection.name}: it is not clustered, which cannot be changed; create a clustered"
            " collection, copy the documents, drop this one and rename the copy"
        )
    if unfit is not None:
        raise TargetError(
            f"{database}.{collection.name}: {unfit}, which cannot be changed; create another collection without it,"
            " copy the documents, drop this one and rename the copy"
        )
    return there


def _changes(
    collection: Collection,
    there: LiveCollection | None,
    indexes: Sequence[LiveIndex],
    parts: frozenset[str],
    drop_extra: bool,
    validators: ValidatorProfile | None,
) -> Iterator[Change]:
    validator = provisioned_validator(collection, validators)
    if there is None:
        yield _creation(collection, parts, validator)
    else:
        if "validators" in parts:
            yield from _validation(collection, there, validator)
        if "images" in parts:
            yield from _images(collection, there)
    if "indexes" in parts:
        yield from _index_changes(collection, indexes, drop_extra)


def _creation(collection: Collection, parts: frozenset[str], validator: Query) -> Change:
    options: dict[str, Any] = {"clusteredIndex": _CLUSTERED} if collection.clustered else {}
    parts_in_words = []
    if "validators" in parts:
        options |= _validation_options(validator)
        parts_in_words.append("validator")
    if "images" in parts:
        # Said also where they stay off: as a script, the command meets collections that have them.
        options |= _images_options(collection.synced)
        parts_in_words += ["pre- and post-images"] if collection.synced else []
    what = "create the collection" + (f" with {' and '.join(parts_in_words)}" if parts_in_words else "")
    return Change(collection.name, "collection", what, {"create": collection.name, **options})


def _validation(collection: Collection, there: LiveCollection, validator: Query) -> Iterator[Change]:
    reasons = []
    if not there.validator:
        reasons.append("there is none")
    elif difference(validator, there.validator):
        profile = profile_of(collection, there.validator)
        reasons.append(f"it is that of profile {profile}" if profile else "it is not the schema's")
    if there.level != "strict":
        reasons.append(f"validationLevel is {there.level}, not strict")
    if there.action != "error":
        reasons.append(f"validationAction is {there.action}, not error")
    if reasons:
        command = {"collMod": collection.name, **_validation_options(validator)}
        yield Change(collection.name, "validator", f"set the validator ({'; '.join(reasons)})", command)


def _images(collection: Collection, there: LiveCollection) -> Iterator[Change]:
    if there.images != collection.synced:
        what = "enable pre- and post-images" if collection.synced else "disable pre- and post-images (not synced)"
        command = {"collMod": collection.name, **_images_options(collection.synced)}
        yield Change(collection.name, "images", what, command)


def _validation_options(validator: Query) -> dict[str, Any]:
    return {"validator": validator, "validationLevel": "strict", "validationAction": "error"}


def _images_options(enabled: bool) -> dict[str, Any]:
    return {"changeStreamPreAndPostImages": {"enabled": enabled}}


def _index_changes(collection: Collection, there: Sequence[LiveIndex], drop_extra: bool) -> Iterator[Change]:
    wanted = [declared_index(index) for index in collection.indexes]
    wanted = [index for index in wanted if index.keys != (("_id", 1),)]
    right = {live.name: index for live in there for index in wanted if not differences(index, live)}
    missing = [index for index in wanted if index not in right.values()]
    for live in there:
        if live.name in right or live.keys == (("_id", 1),):
            continue
        rival = next((index for index in missing if _conflict(index, live)), None)
        if rival is not None:
            reasons = "; ".join(differences(rival, live))
            yield _drop(collection, live, "conflicting-index", f"drop the index {live.name} to rebuild it: {reasons}")
        elif drop_extra:
            yield _drop(collection, live, "extra-index", f"drop the index {live.name}, which is not in the model")
    if missing:
        names = "; ".join(
            in_words(index.keys) + (" (unique)" if index.unique else "") + option_words(index) for index in missing
        )
        noun = "an index" if len(missing) == 1 else f"{len(missing)} indexes"
        yield Change(collection.name, "indexes", f"build {noun}: {names}", _creating(collection, missing))


def _conflict(wanted: LiveIndex, live: LiveIndex) -> bool:
    """Return True when the server would refuse ``wanted`` beside ``live``, or hold two indexes of the same keys."""
    return live.keys == wanted.keys or live.name == wanted.name or (live.text and wanted.text)


def _drop(collection: Collection, live: LiveIndex, kind: Kind, what: str) -> Change:
    command = {"dropIndexes": collection.name, "index": live.name}
    return Change(collection.name, kind, what, command, undo=_creating(collection, [live]))


def _creating(collection: Collection, indexes: Iterable[LiveIndex]) -> dict[str, Any]:
    return {
        "createIndexes": collection.name,
        "indexes": [{"collation": SIMPLE_SPEC, **index.spec} for index in indexes],
    }


def _put_back(done: Sequence[Change], database: Database[dict[str, Any]], where: str) -> None:
    for change in done:
        if change.kind == "conflicting-index" and change.undo is not None:
            try:
                database.command(dict(change.undo))
            except PyMongoError as error:
                raise _target_error(error, where, f"put back the index {change.command['index']}") from error


def _target_error(error: PyMongoError, where: str, what: str) -> TargetError:
    if not isinstance(error, OperationFailure):
        reason = str(error).splitlines()[0]
        return TargetError(f"{where}: could not {what}: {reason}; check the connection and run again")
    details = error.details or {}
    if error.code in _UNAUTHORIZED:
        database = where.split(".")[0]
        return TargetError(f"{where}: the user may not {what}; grant the user the role dbAdmin on {database}")
    if error.code == _DUPLICATE:
        values = ", ".join(f"{path} {shorten(value)}" for path, value in details.get("keyValue", {}).items())
        family = f"uniqueness.{where.split('.', 1)[-1]}.*"
        return TargetError(
            f"{where}: a unique index cannot be built: more than one document has {values};"
            f" remove the duplicates (zava validate --only '{family}' lists them)"
        )
    return TargetError(
        f"{where}: could not {what}: {details.get('errmsg', error)}; correct that and run the command again"
    )

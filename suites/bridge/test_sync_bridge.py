"""The bridge between a scratch database and the real store: each collection, each way to form Ditto's _ids.

A small dataset goes into a provisioned database, so that MongoDB's validators check the writes of devices. Both sides
are edited while no bridge runs, and then synced. suites/bridge/canonical.py defines what each should hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import allure
import pytest
from pymongo.database import Database

from conformance.ditto.connector import ConnectorSettings, load_connector, unfit_for_ids
from conformance.errors import HarnessError, TargetError
from conformance.model.collection import Collection, Field, IdMapping
from conformance.run.session import Project, load_project
from conformance.server import provision
from conformance.server.target import Target
from edge.bridge.bridge import Bridge
from edge.bridge.state.state import State
from edge.bridge.synced_collection import Synced
from edge.store.statements import identifier
from edge.store.store import Store
from suites.bridge.canonical import canonical, text, texts
from suites.devices.edge_dataset import Document, dataset

MODES: Final = ("match_ids", "single_field", "multiple_fields")
#: Changes of a document of each collection, in the order of their _ids.
ROLES: Final = (
    "mongo sets",
    "device sets",
    "both set",
    "mongo deletes softly",
    "device deletes softly",
    "mongo adds",
    "device adds",
)


def mapping(collection: Collection, mode: str) -> IdMapping | None:
    """Return the first mapping of the mode that suits the collection's fields; None if there is none."""
    names = [each.name for each in collection.fields if each.name != "_id"]
    choices: Mapping[str, Sequence[tuple[str, ...]]] = {
        "match_ids": [()],
        "single_field": [(name,) for name in names],
        "multiple_fields": [(first, second) for first in names for second in names if first < second],
    }
    fitting = (each for each in choices[mode] if not each or not list(unfit_for_ids(collection, each)))
    fields = next(fitting, None)
    return None if fields is None else IdMapping(mode, fields)


@dataclass
class Meeting:
    """Both sides after the edits of ROLES; ``expected`` by collection and role, in the form of devices."""

    database: Database[Document]
    store: Store
    synced: Mapping[str, Synced]
    expected: dict[tuple[str, str], Document] = field(default_factory=dict)
    unsynced: list[str] = field(default_factory=list)

    def held(self, name: str) -> list[Document]:
        """Return the store's documents."""
        return self.store.execute(f"SELECT * FROM {identifier(name)}")  # noqa: S608 - quoted


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Generate one case per mode and collection with suitable fields."""
    if "crossing" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--model")
        model = load_project(Path(chosen) if chosen else None).model
        cases = [(mode, each.name) for mode in MODES for each in model if each.synced and mapping(each, mode)]
        metafunc.parametrize(("mode", "crossing"), cases, indirect=True, scope="module")
    elif "mode" in metafunc.fixturenames:
        metafunc.parametrize("mode", MODES, indirect=True, scope="module")


@pytest.fixture(scope="module")
def mode(request: pytest.FixtureRequest) -> str:
    """Return how Ditto's _ids are formed."""
    found: str = request.param
    return found


@pytest.fixture
def crossing(request: pytest.FixtureRequest, meeting: Meeting) -> Synced:
    """Return the collection of a test."""
    allure.dynamic.story(request.param)
    return meeting.synced[request.param]


@pytest.fixture(scope="module")
def meeting(
    project: Project, target: Target, scratch: Database[Document], mode: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Meeting]:
    """Run a first copy, edits on both sides, and a second run of the bridge."""
    folder = tmp_path_factory.mktemp(mode)
    synced = {
        each.name: Synced(each, found)
        for each in project.model
        if each.synced and (found := mapping(each, mode)) is not None
    }
    if not synced:
        pytest.skip(f"no collection has fields for {mode}")
    try:
        target.require_replica_set()
        store = Store.open(folder / "store")
    except TargetError as error:
        pytest.skip(str(error))
    try:
        with store:
            settings = load_connector(project.model).settings
            yield _met(target, *_filled(project, scratch), store, synced, folder, settings)
    finally:
        scratch.client.drop_database(scratch.name)


def _filled(project: Project, scratch: Database[Document]) -> tuple[Database[Document], dict[str, list[Document]]]:
    """Return the scratch database without the documents to be added later, and these documents."""
    later: dict[str, list[Document]] = {}
    try:
        provision.apply(provision.plan(project.model, scratch), scratch)
    except HarnessError as error:
        pytest.fail(f"the scratch database could not be made: {error}", pytrace=False)
    for name, documents in dataset(project, "").items():
        flag = project.model[name].soft_delete
        rows = [document if flag is None else {**document, flag: False} for document in documents]
        later[name] = rows[-2:]
        scratch[name].insert_many(rows[:-2])
    return scratch, later


def _met(
    target: Target,
    database: Database[Document],
    later: Mapping[str, Sequence[Document]],
    store: Store,
    synced: Mapping[str, Synced],
    folder: Path,
    settings: ConnectorSettings,
) -> Meeting:
    """Return both sides after a first sync, the edits of ROLES, and a second sync."""
    meeting = Meeting(database, store, synced)
    fast = settings.model_copy(update={"rate_limit_per_second": 0, "initial_sync": True, "strict_mode": False})

    def meet() -> None:
        with State.open(folder / "state") as state:
            bridge = Bridge(database, store, state, synced, fast, link=target.link, source="suites")
            assert bridge.run(once=True)
            meeting.unsynced = [f"{each.collection} {each.key}: {each.reason}" for each in state.unsynced]

    meet()
    for name, each in synced.items():
        _edit(meeting, each, later[name])
    for name in database.list_collection_names():
        if name not in synced:
            database[name].update_many({}, {"$currentDate": {"touched": True}}, bypass_document_validation=True)
    meet()
    return meeting


def _edit(meeting: Meeting, synced: Synced, later: Sequence[Document]) -> None:
    """Edit the first documents of a collection as in ROLES, and record the expected results."""
    name, fields = synced.name, synced.mapping.fields
    documents = list(meeting.database[name].find().sort("_id", 1))
    paths = list(_paths(synced, documents))
    flag = synced.collection.soft_delete
    roles = dict(zip(ROLES[:-2], documents, strict=False)) | dict(zip(ROLES[-2:], later, strict=True))
    if not _gets_an_id(synced):
        del roles["device adds"]
    for role, document in roles.items():
        edits = [(path, _another(documents, document, path)) for path in paths[:2]]
        mongo: dict[str, Any] = {}
        device: dict[str, Any] = {}
        match role:
            case "mongo sets":
                mongo = dict(edits[:1])
            case "device sets":
                device = dict(edits[:1])
            case "both set":
                mongo, device = dict(edits[:1]), dict(edits[1:])
            case "mongo deletes softly":
                mongo = {flag: True} if flag else {}
            case "device deletes softly":
                device = {flag: True} if flag else {}
            case "mongo adds":
                meeting.database[name].insert_one(dict(document))
            case "device adds":
                meeting.store.insert(name, [canonical(document, fields)])
        identity = canonical(document, fields)["_id"]
        if mongo:
            meeting.database[name].update_one({"_id": document["_id"]}, {"$set": mongo})
        for path, value in device.items():
            dql = ".".join(map(identifier, path.split(".")))
            meeting.store.mutate(
                f"UPDATE {identifier(name)} SET {dql} = :value WHERE _id = :id",  # noqa: S608 - quoted
                {"value": value, "id": identity},
            )
        meeting.expected[name, role] = _changed(canonical(document, fields), mongo | device)


def _gets_an_id(synced: Synced) -> bool:
    """Return whether a document inserted by a device gets a valid _id in MongoDB."""
    collection, mapping = synced.collection, synced.mapping
    given = not collection.has("_id") or collection.field("_id").kind == "objectid"
    return mapping.mode == "match_ids" or collection.id_field in mapping.fields or given


def _paths(synced: Synced, documents: Sequence[Document]) -> Iterator[str]:
    """Yield editable paths: keys of MAPs first, then fields; no unique or immutable ones, nor MAPs that may be null."""
    collection = synced.collection
    keys = {name for group in collection.unique for name in group}
    free = [each for each in collection.fields if each.name not in keys and not _fixed(each, collection)]
    whole = [each.name for each in free if each.kind == "map" and not each.nullable]
    maps = [f"{name}.{key}" for name in whole for key in documents[0].get(name, {})]
    plain = [each.name for each in free if each.kind != "map" and each.name != collection.soft_delete]
    for path in (*maps, *plain):
        if all(_another(documents, document, path) is not None for document in documents[: len(ROLES)]):
            yield path


def _fixed(each: Field, collection: Collection) -> bool:
    return each.name == "_id" or "x-immutable" in each.schema or each.name == collection.id_field


def _another(documents: Sequence[Document], document: Document, path: str) -> Any:
    """Return a value of another document at the path that differs from this one's; None if all are equal."""
    values = [_value(each, path) for each in documents]
    return next((value for value in values if value not in (None, _value(document, path))), None)


def _value(document: Document, path: str) -> Any:
    value: Any = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _changed(document: Document, changes: Mapping[str, Any]) -> Document:
    made = {name: dict(value) if isinstance(value, dict) else value for name, value in document.items()}
    for path, value in changes.items():
        *above, last = path.split(".")
        (made[above[0]] if above else made)[last] = value
    return made


@pytest.fixture(autouse=True)
def labelled() -> None:
    """Allure's labels."""
    allure.dynamic.feature("Bridge: both ways")


def test_both_sides_have_the_edits_of_both(meeting: Meeting, crossing: Synced) -> None:
    """Edits of one field, of two fields or keys by both sides, soft deletions and inserts, by MongoDB and devices."""
    name, fields = crossing.name, crossing.mapping.fields
    held = {text({"": each["_id"]}): each for each in meeting.held(name)}
    rows = [canonical(row, fields) for row in meeting.database[name].find()]
    there = {text({"": row["_id"]}): row for row in rows}
    expected = {role: document for (where, role), document in meeting.expected.items() if where == name}
    assert "mongo adds" in expected
    assert len(expected) >= 2
    for role, document in expected.items():
        key = text({"": document["_id"]})
        assert (role, held.get(key)) == (role, document)
        assert (role, there.get(key)) == (role, document)


def test_no_document_is_missing_or_extra(meeting: Meeting, crossing: Synced) -> None:
    """Documents without edits are equal too."""
    rows = [canonical(row, crossing.mapping.fields) for row in meeting.database[crossing.name].find()]
    assert texts(meeting.held(crossing.name)) == texts(rows)


@pytest.mark.usefixtures("mode")
def test_every_document_syncs(meeting: Meeting) -> None:
    """MongoDB's validators accept the writes of devices."""
    assert meeting.unsynced == []


@pytest.mark.usefixtures("mode")
def test_excluded_collections_are_not_synced(project: Project, meeting: Meeting) -> None:
    """Changes in MongoDB do not sync them either."""
    others = [each.name for each in project.model if each.name not in meeting.synced]
    if not others:
        pytest.skip("every collection of the model syncs")
    assert {name: meeting.store.count(name) for name in others} == dict.fromkeys(others, 0)
    assert all(meeting.database[name].count_documents({"touched": {"$exists": True}}) for name in others)

"""The conflict scenarios of the architecture: the merged state of offline devices, and the lost writes.

Every scenario runs on the model of merging (edge/crdt/document.py), and where one store can show it on the real Ditto
store. On three real peers over loopback it runs when DITTO_LICENSE_TOKEN is set. docs/CONFLICTS.md lists the scenarios
as here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import allure
import pytest

from conformance.errors import ConfigurationError, HarnessError, TargetError
from conformance.run.session import Project
from edge.crdt.document import Document
from edge.crdt.hybrid_clock import BEGINNING, Clock
from edge.crdt.operations import Delete, Insert, Operation, change, statement
from edge.crdt.replica import Message, Replica
from edge.store.peers import Peer, chain
from edge.store.sdk import unavailable
from edge.store.store import Store
from suites.devices.conflict_scenarios import (
    SCENARIOS,
    SITES,
    STEP,
    Scenario,
    Views,
    on_the_model,
    one_store_shows,
    views,
)

COLLECTION: Final = "conflicts"


@pytest.fixture(autouse=True)
def labelled(request: pytest.FixtureRequest) -> None:
    """Allure's labels."""
    allure.dynamic.feature("Conflicts")
    allure.dynamic.story(request.node.originalname)


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Yield the real store of one device."""
    with Store.open(tmp_path_factory.mktemp("conflicts") / "store") as store:
        yield store


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Store:
    """Return the real store, if it can run."""
    reason = unavailable()
    if reason is not None:
        pytest.skip(reason)
    store: Store = request.getfixturevalue("opened")
    return store


@pytest.fixture(scope="module")
def licensed(project: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Peer]]:
    """Three real devices, of which the last syncs with the first through the second."""
    assert project.settings.ditto_license_token is not None
    token = project.settings.ditto_license_token.get_secret_value()
    try:
        with chain(tmp_path_factory.mktemp("peers"), SITES, token, COLLECTION) as peers:
            yield peers
    except HarnessError as error:
        reason = str(error)
    else:
        return
    pytest.fail(reason, pytrace=False)


@pytest.fixture
def peers(project: Project, request: pytest.FixtureRequest) -> Mapping[str, Peer]:
    """Return the real devices, if a license allows them to sync."""
    if project.settings.ditto_license_token is None:
        pytest.skip("sync between real peers needs a license: set DITTO_LICENSE_TOKEN")
    reason = unavailable()
    if reason is not None:
        pytest.skip(reason)
    peers: Mapping[str, Peer] = request.getfixturevalue("licensed")
    return peers


def execute(store: Store, scenario: Scenario, _id: str, operation: Operation) -> None:
    """Run an operation on a real store, in which the scenario identifies the documents."""
    store.mutate(*statement(operation, COLLECTION, f"{scenario.title}: {_id}"))


def read(rows: list[dict[str, Any]], scenario: Scenario) -> Views:
    """Return the scenario's documents from a real store's rows, without their _ids."""
    found = {row["_id"]: {name: value for name, value in row.items() if name != "_id"} for row in rows}
    return {_id: found.get(f"{scenario.title}: {_id}") for _id in scenario.merged}


def titled(scenarios: list[Scenario]) -> list[Any]:
    """Parameters, each with its scenario's title."""
    return [pytest.param(scenario, id=scenario.title) for scenario in scenarios]


@pytest.mark.parametrize("scenario", titled([*SCENARIOS]))
def test_scenario_on_the_model_merges_as_documented(scenario: Scenario) -> None:
    outcome = on_the_model(scenario)
    for device in outcome.devices.values():
        assert views(device, scenario) == scenario.merged
    assert outcome.lost == scenario.lost


@pytest.mark.parametrize("scenario", titled([scenario for scenario in SCENARIOS if one_store_shows(scenario)]))
def test_scenario_on_one_real_store_merges_as_documented(store: Store, scenario: Scenario) -> None:
    for _id, operation in (*scenario.base, *((_id, operation) for _, _id, operation in scenario.offline)):
        execute(store, scenario, _id, operation)
    assert read(store.execute("SELECT * FROM conflicts"), scenario) == scenario.merged


@pytest.mark.parametrize("scenario", titled([*SCENARIOS]))
def test_scenario_on_real_peers_merges_as_documented(peers: Mapping[str, Peer], scenario: Scenario) -> None:
    for _id, operation in scenario.base:
        execute(peers["a"].store, scenario, _id, operation)
    base = read(peers["a"].store.execute("SELECT * FROM conflicts"), scenario)
    for peer in peers.values():
        assert peer.await_rows(COLLECTION, lambda rows: read(rows, scenario) == base)
        peer.offline()
    for site, _id, operation in scenario.offline:
        time.sleep(STEP / 1000)  # between two stamps of different devices, whose clocks are the same here
        execute(peers[site].store, scenario, _id, operation)
    for peer in peers.values():
        peer.online()
    for peer in peers.values():
        peer.await_rows(COLLECTION, lambda rows: read(rows, scenario) == scenario.merged)
        assert read(peer.store.execute("SELECT * FROM conflicts"), scenario) == scenario.merged


@pytest.mark.usefixtures("store")
def test_real_peers_require_a_license(tmp_path: Path) -> None:
    refused = pytest.raises(
        ConfigurationError, match="DITTO_LICENSE_TOKEN is rejected: The license failed verification"
    )
    with refused, chain(tmp_path, SITES[:2], "not a token", COLLECTION):
        pytest.fail("a made-up token was taken")
    with Store.open(tmp_path / "alone") as alone, pytest.raises(TargetError, match="not yet activated"):
        Peer(alone).online()


def test_write_older_than_a_delete_leaves_an_empty_document(store: Store) -> None:
    """INITIAL DOCUMENTS have the earliest time, so that one store shows a write that arrives after a DELETE."""
    late = {"notes": "from the beginning", "location": {"aisle": "A1"}}
    store.mutate(*statement(Insert({"stock_level": 45}), COLLECTION, "husk"))
    store.mutate(*statement(Delete(), COLLECTION, "husk"))
    store.mutate("INSERT INTO conflicts INITIAL DOCUMENTS (:document)", {"document": {"_id": "husk", **late}})
    device, _ = Replica(Clock("a")).write("husk", Insert({"stock_level": 45}), STEP)
    device, _ = device.write("husk", Delete(), 2 * STEP)
    device = device.receive(Message({"husk": change(Document(), Insert(late), BEGINNING)}, BEGINNING))
    rows = store.execute("SELECT * FROM conflicts WHERE _id = 'husk'")
    assert rows == [{"_id": "husk", "notes": None, "location": {"aisle": None}}]
    assert device.document("husk").view() == {"notes": None, "location": {"aisle": None}}

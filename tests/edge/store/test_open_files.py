"""Directories that are removed or recreated while the bridge runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pymongo import MongoClient

from conformance.errors import TargetError
from edge.store.store import Store
from tests.edge.bridge.pair import Document, Pair, edge, pair, synced

__all__ = ["edge", "pair", "synced"]

REMOVED = (
    r"^{}: the directory was removed or replaced while the bridge was running; the bridge stopped .*: start it again$"
)


def remove(pair: Pair, which: str) -> None:
    """Remove the directory, or move it away and remove it a moment later; make it again if asked to."""
    folder = pair.folder / which.split()[0]
    moved = folder.with_name("moved")
    folder.rename(moved)
    if "again" in which:
        shutil.copytree(moved, folder)
    shutil.rmtree(moved)


@pytest.mark.parametrize("which", ["state", "store", "state again", "store again"])
def test_bridge_stops_if_its_directory_is_removed(pair: Pair, which: str) -> None:
    """Later writes on either side are not reverted or deleted."""
    things = pair.database["things"]
    things.insert_many([{"_id": f"{each}", "n": 0} for each in range(20)])
    place = pair.folder / which.split()[0]
    place = place / "ditto_store" if place.name == "store" else place
    with pytest.raises(TargetError, match=REMOVED.format(place)), pair.live() as bridge:
        remove(pair, which)
        things.update_many({}, {"$set": {"n": 7}})
        pair.eventually(lambda: bridge._stop.is_set())
    assert things.count_documents({"n": 7}) == 20


def test_edit_of_another_device_is_not_reverted(pair: Pair, server: MongoClient[Document], tmp_path: Path) -> None:
    """The directory is recreated, and a second bridge runs in it while the first one still runs."""
    things = pair.database["things"]
    things.insert_many([{"_id": f"{each}", "n": 0} for each in range(20)])
    with pytest.raises(TargetError, match="was removed or replaced"), pair.live():
        shutil.rmtree(pair.folder / "store")
        shutil.rmtree(pair.folder / "state")
        with Store.open(pair.folder / "store") as other:
            second = Pair(pair.database, other, pair.folder, pair.synced, pair.link, pair.settings)
            second.meet()
            second.device("UPDATE things SET n = 1")
            second.meet()
            assert things.count_documents({"n": 1}) == 20
    assert things.count_documents({"n": 1}) == 20

"""Writes of devices that MongoDB rejects, one document or all of them; and transactions that are retried."""

from __future__ import annotations

from typing import Any, Final

import pytest
from bson.errors import InvalidDocument
from pymongo.collection import Collection
from pymongo.errors import OperationFailure, WriteError

from tests.edge.bridge.pair import Document, Pair, edge, failing, pair, synced, telling

pytestmark = pytest.mark.ditto

__all__ = ["edge", "failing", "pair", "synced", "telling"]

#: The server's reply if another transaction holds the document.
CONFLICT: Final = {"failCommands": ["update"], "errorCode": 112, "errorLabels": ["TransientTransactionError"]}


@pytest.mark.parametrize("times", [0, 2], ids=["at once", "after two attempts"])
def test_conflict_is_counted_once(failing: Pair, times: int) -> None:
    """MongoDB changes a field just before a device's edit of it is applied, with another edit that is retried."""
    things = failing.database["things"]
    things.insert_many([{"_id": "a", "n": 0}, {"_id": "b", "n": 0}])
    failing.meet()
    failing.device("UPDATE things SET n = 1")
    phases: list[str] = []

    def phase(name: str) -> None:
        if name == "flush" and name not in phases:
            things.update_one({"_id": "a"}, {"$set": {"n": 9}})
            if times:
                point = {
                    "configureFailPoint": "failCommand",
                    "mode": {"times": times},
                    "data": CONFLICT,
                }
                failing.database.client.admin.command(point)
        phases.append(name)

    with failing.bridge(phase=phase) as bridge:
        assert bridge.run(once=True)
    failing.meet()
    assert {each["_id"]: each["n"] for each in things.find()} == {"a": 9, "b": 1}
    assert failing.in_store("things", "a") == {"n": 9}
    assert bridge.counts["conflicts"] + failing.counts["conflicts"] == 1


@pytest.mark.parametrize(
    "error",
    [OverflowError("int"), InvalidDocument("no"), WriteError("no", 2), OperationFailure("no", 2), ValueError("?")],
)
def test_any_error_of_a_document_is_recorded(pair: Pair, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Other documents sync, and this one syncs when it can be written."""
    original = Collection.bulk_write

    def bulk_write(self: Collection[Document], operations: list[Any], **options: Any) -> Any:
        if any("odd" in str(each) for each in operations):
            raise error
        return original(self, operations, **options)

    pair.store.insert("things", [{"_id": each} for each in ("a", "odd", "z")])
    with monkeypatch.context() as failing:
        failing.setattr(Collection, "bulk_write", bulk_write)
        for _ in range(2):
            pair.meet()
            assert sorted(pair.database["things"].distinct("_id")) == ["a", "z"]
            assert list(pair.unsynced) == [("things", '"odd"')]
    pair.device("UPDATE things SET n = 1 WHERE _id = 'odd'")
    pair.meet()
    assert pair.in_mongo("things", _id="odd") == {"n": 1}
    assert pair.unsynced == {}


def test_server_that_rejects_all_writes_records_no_document(failing: Pair) -> None:
    failing.store.insert("things", [{"_id": "a"}])
    data = {"failCommands": ["insert"], "errorCode": 13}
    failing.database.client.admin.command({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": data})
    with pytest.raises(OperationFailure):
        failing.meet()
    failing.meet()
    assert failing.in_mongo("things", _id="a") == {}
    assert failing.unsynced == {}

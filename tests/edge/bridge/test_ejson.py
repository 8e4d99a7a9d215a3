"""A collection in mode ejson through the bridge: Extended JSON on devices, BSON's own types in MongoDB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from bson import Decimal128, Int64, ObjectId
from pymongo import MongoClient

from edge.bridge.synced_collection import Synced
from tests.edge.bridge.pair import Document, Pair, edge, paired, synced

__all__ = ["edge", "synced"]

pytestmark = pytest.mark.ditto

DAY = datetime(2026, 1, 1)
HEX = "65a4f0c8e4b0a1b2c3d4e5f6"
STORED: Document = {
    "whole": 5,
    "long": Int64(2**40),
    "price": 24.5,
    "tax": Decimal128("1.10"),
    "sold": DAY,
    "owner": ObjectId(HEX),
    "m": {"n": 1, "text": "a"},
    "l": [1, "a"],
}
HELD: Document = {
    "whole": {"$numberInt": "5"},
    "long": {"$numberLong": "1099511627776"},
    "price": {"$numberDouble": "24.5"},
    "tax": {"$numberDecimal": "1.10"},
    "sold": {"$date": {"$numberLong": "1767225600000"}},
    "owner": {"$oid": HEX},
    "m": {"n": {"$numberInt": "1"}, "text": "a"},
    "l": [{"$numberInt": "1"}, "a"],
}


@pytest.fixture
def pair(server: MongoClient[Document], edge: Path, tmp_path: Path, synced: Mapping[str, Synced]) -> Iterator[Pair]:
    in_ejson = {name: replace(each, mode="ejson") for name, each in synced.items()}
    with paired(server, tmp_path, in_ejson) as both:
        yield both


def held(pair: Pair, name: str = "things") -> list[Any]:
    return sorted(pair.store.execute(f"SELECT * FROM {name}"), key=str)  # noqa: S608


def stored(pair: Pair, name: str = "things") -> list[Document]:
    return list(pair.database[name].find().sort("_id"))


def test_documents_reach_devices_as_extended_json_and_come_back_unchanged(pair: Pair) -> None:
    pair.database["things"].insert_one({"_id": "a", **STORED})
    pair.database["keyed"].insert_one({"_id": ObjectId(HEX), **STORED})
    pair.meet()
    assert held(pair) == [{"_id": "a", **HELD}]
    assert held(pair, "keyed") == [{"_id": {"$oid": HEX}, **HELD}]
    pair.meet()
    assert stored(pair) == [{"_id": "a", **STORED}]
    assert stored(pair, "keyed") == [{"_id": ObjectId(HEX), **STORED}]
    assert pair.unsynced == {}


def test_document_of_a_device_has_bson_types_in_mongodb(pair: Pair) -> None:
    pair.meet()
    pair.store.insert("things", [{"_id": "a", **HELD}])
    pair.store.insert("keyed", [{"_id": {"$oid": HEX}, **HELD}])
    pair.meet()
    assert stored(pair) == [{"_id": "a", **STORED}]
    assert stored(pair, "keyed") == [{"_id": ObjectId(HEX), **STORED}]


#: DQL of a device, and what MongoDB then holds.
EDITS: Mapping[str, tuple[str, Document]] = {
    "number": ("SET whole.`$numberInt` = '6'", {"whole": 6}),
    "number of another type": ("SET whole.`$numberDouble` = '6.5' UNSET whole.`$numberInt`", {"whole": 6.5}),
    "date": ("SET sold.`$date`.`$numberLong` = '1767225600001'", {"sold": DAY.replace(microsecond=1000)}),
    "number within a map": ("SET m.n.`$numberInt` = '2'", {"m": {"n": 2, "text": "a"}}),
    "new number": ("SET more = :more", {"more": 7}),
    "array": ("SET l = :list", {"l": [2]}),
}


@pytest.mark.parametrize("case", EDITS)
def test_edit_of_a_device_changes_only_its_value(pair: Pair, case: str) -> None:
    clause, changed = EDITS[case]
    pair.database["things"].insert_one({"_id": "a", **STORED})
    pair.meet()
    pair.database["things"].update_one({"_id": "a"}, {"$set": {"tax": Decimal128("2.20")}})
    more = {"more": {"$numberInt": "7"}, "list": [{"$numberInt": "2"}]}
    pair.store.execute(f"UPDATE things {clause} WHERE _id = 'a'", {n: v for n, v in more.items() if f":{n}" in clause})
    pair.meet()
    assert stored(pair) == [{"_id": "a", **STORED, "tax": Decimal128("2.20"), **changed}]
    assert pair.counts.get("conflicts", 0) == 0
    pair.meet()
    assert [pair.synced["things"].to_mongo(one) for one in held(pair)] == stored(pair)


@pytest.mark.parametrize(
    "value", [6, 6.5, Int64(6), Decimal128("6"), DAY, ObjectId(HEX), "six", None, True, {"n": 6}, [6]], ids=repr
)
def test_edit_in_mongodb_of_any_type_reaches_devices(pair: Pair, value: Any) -> None:
    pair.database["things"].insert_one({"_id": "a", **STORED})
    pair.meet()
    pair.database["things"].update_one({"_id": "a"}, {"$set": {"whole": value}})
    pair.meet()
    assert [pair.synced["things"].to_mongo(one) for one in held(pair)] == [{"_id": "a", **STORED, "whole": value}]
    pair.meet()
    assert stored(pair) == [{"_id": "a", **STORED, "whole": value}]
    assert pair.unsynced == {}


def test_plain_number_of_a_device_is_recorded_as_unsynced(pair: Pair) -> None:
    pair.database["things"].insert_one({"_id": "a", **STORED})
    pair.meet()
    pair.store.execute("UPDATE things SET whole = 6 WHERE _id = 'a'")
    pair.meet()
    assert stored(pair) == [{"_id": "a", **STORED}]
    (one,) = pair.unsynced.values()
    assert (one.path, one.reason) == ("whole", 'a plain number; mode ejson expects {"$numberInt": "6"}')
    pair.store.execute("UPDATE things SET whole = :form WHERE _id = 'a'", {"form": {"$numberInt": "6"}})
    pair.meet()
    assert stored(pair) == [{"_id": "a", **STORED, "whole": 6}]
    assert pair.unsynced == {}


def test_edit_in_mongodb_wins_a_conflict(pair: Pair) -> None:
    pair.database["things"].insert_one({"_id": "a", **STORED})
    pair.meet()
    pair.database["things"].update_one({"_id": "a"}, {"$set": {"whole": 7.5}})
    pair.store.execute("UPDATE things SET whole.`$numberInt` = '6' WHERE _id = 'a'")
    pair.meet()
    assert stored(pair) == [{"_id": "a", **STORED, "whole": 7.5}]
    assert held(pair) == [{"_id": "a", **HELD, "whole": {"$numberDouble": "7.5"}}]
    assert pair.counts["conflicts"] > 0

"""Money as int, long and double: the same to the generator, the validator and the bridge."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from bson import Int64

from conformance.model.kinds import MAX_MONEY, is_money
from conformance.model.validators.server_validator import validator
from generator.columns.samplers import emit
from tests.edge.bridge.pair import Pair, edge, pair, synced
from tests.models import collection_of, model_of

__all__ = ["edge", "pair", "synced"]

PRICED: Final[Mapping[str, Any]] = {"price": {"type": "number", "x-money": True, "minimum": 0}}


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        (25, True), (25.0, True), (Int64(25), True), (0, True), (-3, True), (0.07, True), (0.1 + 0.2, True),
        (MAX_MONEY, True), (-MAX_MONEY, True), (90_071_992_547_410, False), (Int64(2**63 - 1), False), (1e16, False),
        (True, False), ("25", False), (None, False), (0.005, False), (float("nan"), False), (float("inf"), False),
    ],
)  # fmt: skip
def test_money_is_a_number_of_whole_cents(value: object, fits: bool) -> None:
    assert is_money(value) is fits


def test_generated_whole_dollars_are_integers_and_doubles_in_turn() -> None:
    cents = np.array([100.0, 2500, 150, 0, -700, 0])
    made = emit("money", cents, {})
    assert made == [1, 25.0, 1.5, 0, -7.0, 0]
    assert [type(value) for value in made] == [int, float, float, int, float, int]


def test_documents_with_money_as_integers_sync(pair: Pair, tmp_path: Path) -> None:
    model = model_of(tmp_path, {"things": collection_of({"_id": {"type": "string"}, **PRICED})})
    options = {"changeStreamPreAndPostImages": {"enabled": True}, "validator": validator(model["things"])}
    pair.database.create_collection("things", **options)
    prices = {"integer": 25, "whole": 25.0, "cents": 25.5, "nothing": 0}
    for key, price in prices.items():
        pair.device("INSERT INTO things DOCUMENTS (:new)", new={"_id": key, "price": price})
    pair.device("INSERT INTO things DOCUMENTS (:new)", new={"_id": "half a cent", "price": 25.005})
    pair.meet()
    found = {each["_id"]: each["price"] for each in pair.database["things"].find()}
    assert {key: (type(value), value) for key, value in found.items()} == {
        key: (type(value), value) for key, value in prices.items()
    }
    (unsynced,) = pair.unsynced.values()
    assert (unsynced.key, unsynced.path) == ('"half a cent"', "price")
    assert unsynced.reason == "MongoDB's validator rejects it: price: 25.005 is not a number of whole cents"

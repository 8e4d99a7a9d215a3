"""Filters made of others."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.language.conditions.translation import NOTHING, without

S1, S2 = {"store_id": "s1"}, {"store_id": "s2"}


@pytest.mark.parametrize(
    ("selected", "excluded", "expected"),
    [
        (S1, S1, NOTHING),
        (S1, {}, NOTHING),
        ({}, {}, NOTHING),
        ({}, S1, {"$and": [{}, {"$nor": [S1]}]}),
        (S1, S2, {"$and": [S1, {"$nor": [S2]}]}),
        (S1, NOTHING, {"$and": [S1, {"$nor": [NOTHING]}]}),
    ],
)
def test_what_one_filter_selects_without_another(selected: Any, excluded: Any, expected: Any) -> None:
    assert without(selected, excluded) == expected

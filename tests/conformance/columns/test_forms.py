"""Time stamps and UUIDs are recognised by their bytes, with the result of their patterns."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from itertools import product

import pytest

from conformance.columns.patterns import matches
from conformance.columns.values import values_at
from conformance.model.kinds import TIMESTAMP_PATTERN, UUID4_PATTERN
from tests.conformance.columns.test_queries import batches

YEARS = ("2024", "2023", "2000", "1900", "0000", "0004", "0400", "9999")
MONTHS = ("00", "01", "02", "04", "06", "09", "11", "12", "13", "99")
DAYS = ("00", "01", "28", "29", "30", "31", "32")
TIMES = ("00:00:00", "23:59:59", "24:00:00", "19:60:00", "20:00:60", "09:09:99")
SIGNS = "0123456789abcdefgABCDEFGTZz-:/+,.@`\x01\x7f\n "


def edited(text: str) -> Iterator[str]:
    """Yield the text with each sign replaced, cut off, and with one more."""
    yield from (text, text.upper(), "", *(text + sign for sign in SIGNS))
    for at in range(len(text)):
        yield text[:at]
        yield from (text[:at] + sign + text[at + 1 :] for sign in SIGNS)


TIME_STAMPS = [f"{year}-{month}-{day}T{time}Z" for year, month, day, time in product(YEARS, MONTHS, DAYS, TIMES)]
UUID = "12345678-90ab-4cde-9f01-23456789abcd"


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        pytest.param(TIMESTAMP_PATTERN, [*TIME_STAMPS, *edited("2024-02-29T23:59:59Z")], id="time stamp"),
        pytest.param(UUID4_PATTERN, [*edited(UUID), *edited(UUID.replace("-9f", "-Bf"))], id="UUID"),
    ],
)
def test_form_matches_like_its_pattern(pattern: str, texts: list[str]) -> None:
    random.Random(1).shuffle(texts)
    expected = [re.search(pattern, text) is not None for text in texts]
    (batch,) = batches([{"t": text} for text in texts])
    assert matches(pattern, values_at(batch, "t")).tolist() == expected
    assert any(expected)

"""Selecting rules: lists with commas, exclusions, and one error line for a pattern without a match."""

from __future__ import annotations

import pytest

from conformance.checks.base import Outcome, Rule, answer
from conformance.errors import ConfigurationError
from conformance.run.selection import select

IDS = (
    "totals.orders.tax",
    "totals.orders.total",
    "references.orders.store_id",
    "totals.lines.price",
    "counts.lines.all",
)
RULES = [Rule(each, "x", answer(lambda _: Outcome())) for each in IDS]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, IDS),
        ({"only": ["totals, references"]}, IDS[:4]),
        ({"only": ["totals.orders.*", "counts"]}, (*IDS[:2], IDS[4])),
        ({"collection": "lines,orders"}, IDS),
        ({"collection": "lines"}, IDS[3:]),
        ({"exclude": ["totals"]}, (IDS[2], IDS[4])),
        ({"exclude": ["totals.orders.tax,counts"]}, IDS[1:4]),
        ({"only": ["orders"], "exclude": ["references"], "collection": "orders"}, IDS[:2]),
    ],
)
def test_selection_accepts_lists_and_exclusions(options: dict[str, object], wanted: tuple[str, ...]) -> None:
    assert tuple(rule.id for rule in select(RULES, **options)) == wanted  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"exclude": ["total.*"]}, "--exclude: no rule matches 'total.*'"),
        ({"only": ["totals,refrences"]}, "--only: no rule matches 'refrences' (did you mean references?)"),
        ({"only": ["totals,"]}, "--only: a part of the list is empty"),
        ({"collection": "lines,order"}, "there is no collection 'order' (did you mean orders?)"),
        ({"only": ["counts"], "exclude": ["lines"]}, "leaves none of the 1 chosen rules"),
        ({"only": ["counts"], "collection": "orders"}, "no rule of orders matches 'counts'"),
    ],
)
def test_selection_without_a_match_is_one_error(options: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        select(RULES, **options)  # type: ignore[arg-type]
    assert words in str(error.value)

"""Every time stamp of the model has a lower and an upper bound, in config/rules.yaml, that ends at a day."""

from __future__ import annotations

import ast
import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

import pytest

from conformance.checks.base import Document
from conformance.config.configuration import Configuration
from conformance.config.loading import load_configuration
from conformance.model.collection import Model
from conformance.rules.catalogue import all_rules
from tests.conformance.rules.finding import Finding
from tests.models import shipped_model
from tests.validation import configuration_for

#: A field of a collection, or a day that the settings give.
Place = tuple[str, str]
DAY: Final[Place] = ("", "a day of the settings")


def time_stamps(model: Model) -> list[Place]:
    return [(collection.name, one.path) for collection in model for one in collection.walk() if one.kind == "timestamp"]


def relations(model: Model, configuration: Configuration) -> Iterator[tuple[Place, Place]]:
    """Return pairs whose first value is at most the second, according to the configured rules."""
    for assertion in configuration.rules.assertions:
        comparison = ast.parse(assertion.holds, mode="eval").body
        if isinstance(comparison, ast.Compare):
            sides = [place(assertion.collection, side) for side in (comparison.left, *comparison.comparators)]
            for operator, (left, right) in zip(comparison.ops, pairwise(sides), strict=True):
                yield (right, left) if isinstance(operator, ast.Gt | ast.GtE) else (left, right)
    for bound in configuration.rules.bounds:
        name, _, path = bound.field.partition(".")
        for limit, lower in ((bound.at_least, True), (bound.at_most, False)):
            if limit is not None and limit.count(".") == 1 and limit.partition(".")[0].isidentifier():
                through, _, other = limit.partition(".")
                parent = (model[name].reference(through).target, other)
                yield (parent, (name, path)) if lower else ((name, path), parent)


def place(collection: str, side: ast.expr) -> Place:
    """Return the field, or a slice of it, on one side of a comparison; or a day."""
    if isinstance(side, ast.Call) and ast.unparse(side.func) == "slice":
        side = side.args[0]
    if isinstance(side, ast.Name) and not side.id.isupper():
        return collection, side.id
    return DAY if isinstance(side, ast.Name | ast.Call) else ("", ast.unparse(side))


def reached(start: Place, graph: Mapping[Place, set[Place]]) -> set[Place]:
    found: set[Place] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting += new
    return found


MODEL: Final = shipped_model()


@pytest.fixture(scope="module")
def graphs() -> tuple[Mapping[Place, set[Place]], Mapping[Place, set[Place]]]:
    """Return by field the values that are at most it, and those that are at least it."""
    lower: dict[Place, set[Place]] = defaultdict(set)
    upper: dict[Place, set[Place]] = defaultdict(set)
    for less, more in relations(MODEL, configuration_for(MODEL)):
        lower[more].add(less)
        upper[less].add(more)
    return lower, upper


@pytest.mark.parametrize("field", time_stamps(MODEL), ids=".".join)
@pytest.mark.parametrize("side", [0, 1], ids=["lower", "upper"])
def test_every_time_stamp_has_a_lower_and_an_upper_bound(
    field: Place, side: int, graphs: tuple[Mapping[Place, set[Place]], Mapping[Place, set[Place]]]
) -> None:
    """A field that is compared only with fields that have no date bound has no bound itself."""
    assert DAY in reached(field, graphs[side])


#: Keys by which documents of different collections belong together.
KEYS: Final = {"product_id": "p", "store_id": "s", "customer_id": "c", "order_id": "order_20200601_000001"}
USUAL: Final = "2020-06-01T00:00:00Z"


@pytest.fixture(scope="module")
def rules(found: Finding) -> list[str]:
    """Return the rules on time stamps, which accept the usual one."""
    rules = [
        rule.id for rule in all_rules(MODEL, configuration_for(MODEL)) if rule.id.startswith("business.") and
        "shares" not in rule.id and any(part in rule.id for part in ("_at", "order_date", "last_"))
    ]  # fmt: skip
    assert broken(found, rules, usual()) == []
    return rules


def usual() -> dict[str, list[Document]]:
    """Return one document of each collection, with the usual time stamp in every field."""
    return {
        one.name: [{"_id": 1, **KEYS} | {f.path: USUAL for f in one.fields if f.kind == "timestamp"}] for one in MODEL
    }


def broken(found: Finding, rules: Sequence[str], documents: Mapping[str, Sequence[Document]]) -> list[str]:
    return [rule for rule, outcome in found.of(rules, **documents).items() if outcome.violations]


@pytest.mark.parametrize("wrong", ["1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
@pytest.mark.parametrize("field", time_stamps(MODEL), ids=".".join)
def test_time_stamp_out_of_bounds_breaks_a_rule(field: Place, wrong: str, found: Finding, rules: list[str]) -> None:
    """The rule may compare the field with a constant, another field, or a field of a referenced document."""
    name, path = field
    documents = usual()
    documents[name][0][path] = wrong
    assert broken(found, rules, documents)


def test_latest_date_is_the_later_of_tomorrow_and_end_date() -> None:
    """Generated data may be later than the clock, up to END_DATE; a live shop continues up to tomorrow."""
    tomorrow = (dt.datetime.now(dt.UTC) + dt.timedelta(days=1)).date().isoformat()
    for end, latest in (("2000-01-01", tomorrow), ("2999-01-01", "2999-01-01")):
        configuration = load_configuration(MODEL, {"START_DATE": "2000-01-01", "END_DATE": end})
        assert configuration.constants["LATEST_DATE"] in (latest, max(latest, tomorrow))

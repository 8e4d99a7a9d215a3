"""References and unique fields below the top of a document: in objects, arrays, objects of arrays, free maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from conformance.checks.base import Document
from conformance.checks.key_range import Partition
from conformance.config.settings import Settings
from conformance.errors import ConfigurationError
from conformance.model.collection import Model
from conformance.model.validators.document_validator import breaches
from conformance.results import Outcome
from conformance.rules.catalogue import all_rules
from conformance.rules.data import references, uniqueness
from conformance.rules.server import indexes
from generator.columns.plan import Plan
from tests.models import collection_of, model_of
from tests.validation import configuration_for, context_for, run_rules

KEY: Any = {"type": "string", "minLength": 1, "maxLength": 9}
TO_CITY = KEY | {"x-reference": "cities._id"}


def place(properties: Any, **more: Any) -> Any:
    """An object whose keys may be absent."""
    return {"type": "object", "x-crdt": "map", "additionalProperties": False, "properties": properties, **more}


FIELDS: dict[str, Any] = {
    "address": place({"city_id": TO_CITY}),
    "cities": {"type": "array", "items": TO_CITY},
    "stops": {"type": "array", "items": {"type": "object", "additionalProperties": False,
                                         "properties": {"city": TO_CITY, "qty": {"type": "integer"}}}},
    "legs": {"type": "array", "items": {"type": "array", "items": TO_CITY}},
    "by_day": place(None, patternProperties={"^[a-z]{1,3}$": place({"city": TO_CITY})}),
}  # fmt: skip
del FIELDS["by_day"]["properties"]


@pytest.fixture
def model(tmp_path: Path) -> Model:
    cities = collection_of({"_id": KEY, "gone": {"type": "boolean"}}) | {"x-soft-delete": "gone"}
    return model_of(tmp_path, {"cities": cities, "trips": collection_of({"_id": KEY, **FIELDS}, optional=list(FIELDS))})


def summary(outcome: Outcome) -> tuple[int, int, list[str]]:
    return outcome.examined, outcome.violations, [f"{one.id}: {one.why}" for one in outcome.samples]


def found(
    model: Model, database: Database[Document], trips: Sequence[Document], partition: Partition | None = None
) -> dict[str, Outcome]:
    """Return the outcomes of the rules on these trips; the cities are a, b and c, of which c is deleted."""
    database["cities"].insert_many({"_id": one, "gone": one == "c"} for one in "abc")
    database["trips"].insert_many({"_id": f"t{n}", **trip} for n, trip in enumerate(trips))
    outcomes = run_rules(references.rules(model, configuration_for(model)), context_for(model, database))
    return {name.removeprefix("references.trips."): outcome for name, outcome in outcomes.items()}


@pytest.mark.server
def test_missing_and_deleted_parents_are_found_at_every_depth(model: Model, database: Database[Document]) -> None:
    """Each document is counted once, whatever the number of its references that lead nowhere."""
    none, gone = "no document of cities has this key", "that document of cities is deleted"
    outcomes = found(
        model,
        database,
        [
            {"address": {"city_id": "a"}, "cities": ["a", "b"], "stops": [{"city": "a"}], "legs": [["a"], []]},
            {"address": {"city_id": "x"}, "cities": ["a", "x", "y", "x"], "stops": [{}, {"city": "c"}, {"city": "y"}]},
            {"address": {}, "cities": [], "legs": [["b"], ["a", "z"]], "by_day": {"mo": {"city": "x"}}},
            {"cities": ["c", "c"], "by_day": {"mo": {"city": "a"}, "tu": {"city": "c"}, "we": {}}},
            {"cities": ["x", None, "b"], "stops": []},
        ],
    )
    assert {name: summary(outcome) for name, outcome in outcomes.items()} == {
        "address-city_id": (2, 1, [f't1: address.city_id is "x"; {none}']),
        "address-city_id-deleted": (1, 0, []),
        "cities": (4, 2, [f't1: cities[1] is "x", cities[2] is "y", cities[3] is "x"; {none}',
                          f't4: cities[0] is "x"; {none}']),
        "cities-deleted": (4, 1, [f't3: cities[0] is "c", cities[1] is "c"; {gone}']),
        "stops-city": (2, 1, [f't1: stops[2].city is "y"; {none}']),
        "stops-city-deleted": (2, 1, [f't1: stops[1].city is "c"; {gone}']),
        "legs": (2, 1, [f't2: legs[1][1] is "z"; {none}']),
        "legs-deleted": (2, 0, []),
        "by_day-city": (2, 1, [f't2: by_day.mo.city is "x"; {none}']),
        "by_day-city-deleted": (2, 1, [f't3: by_day.tu.city is "c"; {gone}']),
    }  # fmt: skip


@pytest.mark.server
def test_key_beside_the_path_is_not_a_reference(model: Model, database: Database[Document]) -> None:
    """An object where the array should be, an array in place of a key: the documents family reports them."""
    odd: list[Document] = [{"stops": {"city": "x"}}, {"stops": [["x"], {"city": ["x"]}]}, {"cities": "x"}]
    outcomes = found(model, database, [*odd, {"stops": [{"city": "x"}], "cities": ["x"]}])
    assert [(name, one.violations) for name, one in outcomes.items() if one.violations] == [
        ("cities", 1), ("stops-city", 2)
    ]  # fmt: skip
    assert outcomes["stops-city"].samples[0].why.startswith('stops[1].city is ["x"]')


@pytest.mark.server
def test_array_where_an_object_should_be_is_shown_with_its_keys(model: Model, database: Database[Document]) -> None:
    odd = [[], [{"city_id": "a"}, {"city_id": "x"}, "y", {}], [[{"city_id": "z"}]]]
    outcome = found(model, database, [{"address": one} for one in odd])["address-city_id"]
    assert summary(outcome) == (3, 3, [
        "t0: address.city_id is []; no document of cities has this key",
        "t2: address.city_id is []; no document of cities has this key",
        't1: address.city_id is ["a", "x"]; no document of cities has this key',
    ])  # fmt: skip


@pytest.mark.server
def test_many_missing_parents_are_counted_by_document(model: Model, database: Database[Document]) -> None:
    """More keys than one query takes, of odd types, too: they are asked for in parts."""
    trips = [{"cities": [f"x{n}", f"y{n}", n + 0.5]} for n in range(600)] + [{"cities": ["a"]}]
    outcome = found(model, database, trips)["cities"]
    assert (outcome.examined, outcome.violations) == (601, 600)


@pytest.mark.server
def test_parts_of_a_run_count_each_document_once(model: Model, database: Database[Document]) -> None:
    found(model, database, [{"cities": ["x", "y"]} for _ in range(6)])
    total = 0
    for number in (1, 2):
        context = context_for(model, database)
        object.__setattr__(context, "partition", Partition(number, 2))
        outcome = run_rules(references.rules(model, configuration_for(model)), context)["references.trips.cities"]
        total += outcome.violations
    assert total == 6


@pytest.mark.server
def test_index_on_a_reference_in_an_array_is_required(model: Model, database: Database[Document]) -> None:
    """An index of the array's field leads with it; free keys and arrays of arrays have none."""
    database["trips"].create_index([("stops.city", 1)])
    rule = next(one for one in indexes.rules(model, configuration_for(model)) if one.id.endswith("trips.foreign-keys"))
    outcome = run_rules([rule], context_for(model, database))[rule.id]
    assert (outcome.examined, outcome.violations) == (3, 2)
    assert outcome.evidence["led_by"] == {"stops.city": "stops.city_1"}


def test_generated_documents_refer_to_what_exists(model: Model) -> None:
    made: dict[str, list[Document]] = {"cities": [], "trips": []}
    for name, documents in Plan(model, configuration_for(model), Settings()).documents():
        made[name] += documents
    assert all(breaches(model[name], one) == [] for name, documents in made.items() for one in documents)
    cities = {one["_id"] for one in made["cities"]}
    used = {stop["city"] for trip in made["trips"] for stop in trip.get("stops", ()) if "city" in stop}
    assert len(used) > 10
    assert used <= cities


@pytest.mark.server
def test_unique_nested_fields_are_compared(database: Database[Document], tmp_path: Path) -> None:
    account = place({"number": KEY | {"x-unique": "ignore-case"}, "bank": KEY})
    schema = collection_of({"_id": KEY, "account": account, "day": KEY}) | {
        "x-unique": [["account.bank", "day"]],
        "x-indexes": [{"keys": {"account.number": 1}, "unique": True}],
    }
    model = model_of(tmp_path, {"things": schema})
    rows = [("n1", "b", "mo"), ("n2", "b", "tu"), ("n2", "c", "mo"), ("N2", "b", "mo"), (None, "d", "mo")]
    database["things"].insert_many(
        {"_id": f"t{n}", "account": {"number": number, "bank": bank}, "day": day}
        for n, (number, bank, day) in enumerate(rows)
    )
    outcomes = run_rules(uniqueness.rules(model, configuration_for(model)), context_for(model, database))
    assert {name.removeprefix("uniqueness.things."): summary(outcome) for name, outcome in outcomes.items()} == {
        "account-number": (4, 2, [f't{n}: another document has the same account.number "n2"' for n in (1, 2)]),
        "account-number-ignoring-case": (4, 3, [
            't1: account.number "n2" differs from "N2" only in case',
            't2: account.number "n2" differs from "N2" only in case',
            't3: account.number "N2" differs from "n2" only in case',
        ]),
        "account-number-look-alike": (4, 0, []),
        "account-bank+day": (5, 2, [
            f't{n}: another document has the same account.bank "b", day "mo"' for n in (0, 3)
        ]),
    }  # fmt: skip


QUERIES = """
- name: trips-through-a-city
  collection: trips
  title: Trips that stop in a city
  parameters: {city: cities._id}
  find: {PATH: $$city}
  plan: {forbid: [SORT]}
"""
FORBIDDEN = """
forbidden:
- collection: trips
  subject: nothing-to-load
  title: No trip stops for nothing
  why: A driver waits.
  find: {PATH: 0}
"""


@pytest.mark.parametrize("path", ["stops.city", "stops.0.city", "by_day.mo.city", "legs", "address.city_id"])
def test_query_names_fields_through_arrays_and_maps(path: str, model: Model) -> None:
    model.config("queries.yaml").write_text(QUERIES.replace("PATH", path), encoding="utf-8")
    model.config("rules.yaml").write_text(FORBIDDEN.replace("PATH", path), encoding="utf-8")
    ids = [rule.id for rule in all_rules(model, configuration_for(model))]
    assert "queries.trips.trips-through-a-city" in ids


def test_query_with_a_misspelt_field_of_an_array_is_rejected(model: Model) -> None:
    model.config("queries.yaml").write_text(QUERIES.replace("PATH", "stops.cty"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"trips has no field 'stops\.cty'"):
        list(all_rules(model, configuration_for(model)))

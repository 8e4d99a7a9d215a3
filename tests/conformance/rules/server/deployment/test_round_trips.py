"""Round trips: changes arrive in the change stream as they were made, with their images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bson import Int64

from conformance.checks.round_trip import Event, problems, round_trips
from conformance.model.collection import Model
from tests.conformance.rules.server.deployment.rules import Documents, context_of, put, run_all, skips
from tests.validation import failed

pytestmark = pytest.mark.server


TRIPS = "streams.{}.round_trip"


def trips(model: Model) -> list[str]:
    return [TRIPS.format(collection.name) for collection in model if collection.synced]


def test_three_changes_arrive_and_no_document_is_left(database: Documents, scratch: Documents, model: Model) -> None:
    before = {c.name: list(database[c.name].find()) for c in model}
    outcomes = run_all(context_of(model, database, scratch))
    for name in trips(model):
        assert (outcomes[name].examined, outcomes[name].violations) == (3, 0)
        assert outcomes[name].evidence == {"arrived": ["insert", "update", "delete"]}
    assert scratch.list_collection_names() == []
    assert {c.name: list(database[c.name].find()) for c in model} == before


def test_nothing_is_written_without_a_scratch_database(database: Documents, model: Model) -> None:
    reasons = skips(run_all(context_of(model, database)))
    assert {reasons[name] for name in trips(model)} == {
        "the rule writes to a scratch database; pass --allow-writes to run it"
    }


def test_empty_collection_is_skipped_and_others_are_tested(
    database: Documents, scratch: Documents, model: Model
) -> None:
    database.orders.delete_many({})
    outcomes = run_all(context_of(model, database, scratch))
    assert outcomes[TRIPS.format("orders")].skipped == "the collection is empty"
    assert outcomes[TRIPS.format("stores")].examined == 3


@pytest.mark.parametrize(
    "document",
    [
        {"_id": 1, "deleted": False, "ratio": float("nan")},
        {"_id": 1, "note": "no flag"},
        {"_id": 1, "deleted": "yes"},
        {"_id": {"b": 1, "a": [None]}, "deleted": True, "$odd.name": Int64(1)},
    ],
    ids=["NaN", "no flag", "a flag that is no boolean", "odd names"],
)
@pytest.mark.parametrize("flag", ["deleted", None], ids=["soft delete", "no soft delete"])
def test_invalid_document_arrives(
    document: dict[str, Any], flag: str | None, database: Documents, scratch: Documents, model: Model
) -> None:
    database.orders.delete_many({})
    put(database, "orders", document)
    schema = {name: value for name, value in model["orders"].schema.items() if name != "x-soft-delete" or flag}
    orders = replace(model["orders"], schema=schema)
    outcome = round_trips(context_of(model, database, scratch), scratch, [orders])["orders"]
    assert (outcome.examined, outcome.violations) == (3, 0), outcome.samples


def test_missing_images_are_reported(
    database: Documents, scratch: Documents, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scratch collections are created without images, unnoticed by the rule."""
    create = scratch.create_collection
    monkeypatch.setattr(scratch, "create_collection", lambda name, **_: create(name))
    outcomes = run_all(context_of(model, database, scratch))
    assert failed(outcomes) == set(trips(model))
    outcome = outcomes[TRIPS.format("orders")]
    assert (outcome.examined, outcome.violations) == (3, 2)
    assert [(sample.ref, sample.why) for sample in outcome.samples] == [
        ("orders.update", "the pre-image is missing and the post-image is missing"),
        ("orders.delete", "the pre-image is missing"),
    ]


def test_unrelated_changes_are_ignored(
    database: Documents, scratch: Documents, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = scratch.watch

    def disturbed(*arguments: Any, **options: Any) -> Any:
        stream = watch(*arguments, **options)
        scratch["another"].insert_one({})
        scratch.drop_collection("orders")
        scratch.create_collection("orders", changeStreamPreAndPostImages={"enabled": True})
        return stream

    monkeypatch.setattr(scratch, "watch", disturbed)
    outcome = round_trips(context_of(model, database, scratch), scratch, [model["orders"]])["orders"]
    assert (outcome.examined, outcome.violations) == (3, 0)
    assert outcome.evidence == {"arrived": ["insert", "update", "delete"]}


def test_late_events_are_reported(database: Documents, scratch: Documents, model: Model) -> None:
    outcome = round_trips(context_of(model, database, scratch), scratch, [model["orders"]], deadline=0)["orders"]
    assert (outcome.examined, outcome.violations) == (3, 3)
    assert {sample.why for sample in outcome.samples} == {"the event did not arrive in time"}
    assert scratch.list_collection_names() == []


OLD, NEW = {"_id": 1, "a": 1, "b": 2}, {"_id": 1, "a": 1, "b": 3}
ASKED = (Event("insert", None, OLD), Event("update", OLD, NEW), Event("delete", NEW, None))


@pytest.mark.parametrize(
    ("arrived", "expected"),
    [
        (ASKED, []),
        (ASKED[:2], [("delete", "the event did not arrive in time")]),
        (
            (ASKED[0], ASKED[2], ASKED[1]),
            [
                ("update", "found the event delete; expected update"),
                ("delete", "found the event update; expected delete"),
            ],
        ),
        (
            (ASKED[0], Event("replace", OLD, NEW), ASKED[2]),
            [("update", "found the event replace; expected update")],
        ),
        (
            (ASKED[0], Event("update", NEW, NEW), ASKED[2]),
            [("update", "the pre-image differs from the document")],
        ),
        (
            (ASKED[0], ASKED[1], Event("delete", {"_id": 1, "b": 3, "a": 1}, None)),
            [("delete", "the pre-image differs from the document")],
        ),
        (
            (Event("insert", None, {**OLD, "a": 1.0}), ASKED[1], ASKED[2]),
            [("insert", "the post-image differs from the document")],
        ),
    ],
    ids=["right", "lost", "swapped", "another operation", "wrong pre-image", "fields in another order", "another type"],
)
def test_events_are_compared_exactly(arrived: tuple[Event, ...], expected: list[tuple[str, str]]) -> None:
    assert list(problems(ASKED, arrived)) == expected

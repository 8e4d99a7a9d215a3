"""Plans of changes, and their execution: from any state of a database to that of the model."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from conformance.errors import TargetError
from conformance.model.collection import Model
from conformance.model.validators.profiles import provisioned_validator
from conformance.server.metadata import live_collections
from conformance.server.provision import PARTS, Change, apply, plan, wish
from tests.conformance.server.provisioning.deviations import DEVIATIONS, Deviation, Documents

pytestmark = pytest.mark.server


deviations = pytest.mark.parametrize("deviation", DEVIATIONS, ids=lambda deviation: deviation.title)


def kinds(changes: Sequence[Change]) -> list[tuple[str, str]]:
    return [(change.collection, change.kind) for change in changes]


def test_empty_database_is_fully_provisioned(empty: Documents, model: Model) -> None:
    apply(plan(model, empty), empty)
    live = live_collections(empty)
    assert set(live) == set(model.collections)
    assert {name: live[name].images for name in live} == {c.name: c.synced for c in model}
    assert all(live[c.name].validator == provisioned_validator(c) for c in model)
    assert {(live[c.name].level, live[c.name].action) for c in model} == {("strict", "error")}
    assert sum(len(list(empty[c.name].list_indexes())) for c in model) == 44


def test_plan_does_not_write(empty: Documents, model: Model) -> None:
    assert plan(model, empty) == wish(model)
    assert empty.list_collection_names() == []


def test_provisioned_database_needs_no_change(database: Documents, model: Model) -> None:
    assert plan(model, database) == []
    assert plan(model, database, drop_extra=True) == []


def test_provisioning_is_idempotent(database: Documents, model: Model) -> None:
    again = [change for change in wish(model) if change.kind == "indexes"]
    apply(again, database)
    assert plan(model, database, drop_extra=True) == []


@deviations
def test_deviation_is_described_and_fixed(deviation: Deviation, database: Documents, model: Model) -> None:
    deviation.damage(database)
    changes = plan(model, database)
    assert kinds(changes) == [(collection, kind) for collection, kind, _ in deviation.fixed_by]
    for change, (_, _, words) in zip(changes, deviation.fixed_by, strict=True):
        assert words in change.what
    apply(changes, database)
    assert plan(model, database) == []


def test_foreign_index_is_dropped_only_with_drop_extra(database: Documents, model: Model) -> None:
    database.orders.create_index("tax")
    assert plan(model, database) == []
    assert "tax_1" in database.orders.index_information()
    changes = plan(model, database, drop_extra=True)
    assert [(change.kind, dict(change.command)) for change in changes] == [
        ("extra-index", {"dropIndexes": "orders", "index": "tax_1"})
    ]
    apply(changes, database)
    assert "tax_1" not in database.orders.index_information()


def test_provisioning_keeps_documents(database: Documents, model: Model) -> None:
    database.drop_collection("stores")
    database.stores.insert_one({"_id": "dirty"})
    apply(plan(model, database), database)
    assert list(database.stores.find()) == [{"_id": "dirty"}]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"collections"}, {"collection": set()}),
        ({"collections", "validators"}, {"collection": {"validator", "validationLevel", "validationAction"}}),
        ({"collections", "images"}, {"collection": {"changeStreamPreAndPostImages"}}),
        ({"collections", "indexes"}, {"collection": set(), "indexes": {"indexes"}}),
    ],
    ids=lambda value: "+".join(sorted(value)) if isinstance(value, set) else "",
)
def test_selected_parts_of_an_empty_database_are_created(
    parts: set[str], expected: dict[str, set[str]], empty: Documents, model: Model
) -> None:
    changes = [change for change in plan(model, empty, parts=frozenset(parts)) if change.collection == "orders"]
    assert {change.kind: set(list(change.command)[1:]) for change in changes} == expected


@pytest.mark.parametrize("part", sorted(PARTS - {"collections"}))
def test_parts_are_planned_separately(part: str, empty: Documents, model: Model) -> None:
    apply(plan(model, empty, parts=frozenset({"collections"})), empty)
    kind = {"validators": "validator", "images": "images", "indexes": "indexes"}[part]
    changes = plan(model, empty, parts=frozenset({part}))
    assert {change.kind for change in changes} == {kind}
    apply(changes, empty)
    assert kind not in {change.kind for change in plan(model, empty)}


def test_part_without_its_collection_is_rejected(empty: Documents, model: Model) -> None:
    with pytest.raises(TargetError, match="there is no such collection; provision collections first"):
        plan(model, empty, parts=frozenset({"indexes"}))


def test_indexes_name_the_simple_collation(model: Model) -> None:
    created = [spec for change in wish(model) for spec in change.command.get("indexes", ())]
    assert len(created) == 35
    assert [spec["collation"] for spec in created] == [{"locale": "simple"}] * 35


def test_validators_are_ascii(model: Model) -> None:
    """A server's rejection quotes the command truncated at any byte: a driver cannot decode half a character."""
    for collection in model:
        assert str(provisioned_validator(collection)).isascii(), collection.name


def test_progress_reports_every_change_in_order(empty: Documents, model: Model) -> None:
    applied: list[Change] = []
    changes = plan(model, empty)
    apply(changes, empty, applied.append)
    for collection in model:
        assert [c for c in applied if c.collection == collection.name] == [
            c for c in changes if c.collection == collection.name
        ]

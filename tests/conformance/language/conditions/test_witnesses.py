"""Possible values of fields, and small sets of documents that represent all documents in conditions."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.language.conditions.condition import Comparison, Condition, Every, Some, holds
from conformance.language.conditions.parser import parse
from conformance.language.conditions.witnesses import can_be, impossible, representatives, states_of
from conformance.model.collection import Collection
from conformance.model.schemas.loading import load_model
from conformance.text.rendering import render
from tests.models import collection_of, model_of, shipped_model
from tests.profiles import examples
from tests.validation import ROOT

pytestmark = pytest.mark.slow

MODEL: Final = shipped_model()
ORDERS, PRODUCTS, STORES = MODEL["orders"], MODEL["products"], MODEL["stores"]

#: A path, a value, and whether a document can have what DQL finds equal to it.
VALUES = [
    ("deleted", False, True),
    ("deleted", "false", False),
    ("deleted", 0, False),
    ("status", "pending", True),
    ("status", "open", False),
    ("total", 20, True),
    ("total", 19.99, True),
    ("total", 19.999, False),
    ("total", "20", False),
    ("item_count", 2.0, True),
    ("item_count", 2.5, False),
    ("item_count", True, False),
    ("store_id", "store_new", True),
    ("store_id", "shop", False),
]


@pytest.mark.parametrize(("path", "value", "possible"), VALUES)
def test_possible_and_impossible_values_of_a_field_are_distinguished(path: str, value: Any, possible: bool) -> None:
    assert can_be(ORDERS.field(path), value) is possible
    messages = [] if possible else [f"{path} can never be {render(value)}; the schema rejects it"]
    assert list(impossible(ORDERS, path, [value])) == messages


#: A path, and the expected messages; a key of specifications may be any name.
PATHS = [
    ("specifications.watts", []),
    ("specifications", []),
    ("price", ["products has no field 'price'"]),
    ("sku.length", ["products has no field 'sku.length'"]),
]


@pytest.mark.parametrize(("path", "messages"), PATHS, ids=[row[0] for row in PATHS])
def test_field_exists_or_is_a_free_key(path: str, messages: list[str]) -> None:
    assert list(impossible(PRODUCTS, path, [])) == messages


def test_operators_are_not_examined() -> None:
    assert list(impossible(ORDERS, "status", [None, {"$gt": 1}])) == []


#: A collection, a path, the values that are named, and what the field can be.
STATES: list[tuple[Collection, str, list[Any], list[Any]]] = [
    (ORDERS, "deleted", [True], [False, True]),
    (ORDERS, "status", ["open"], ["pending", "completed", "cancelled"]),
    (ORDERS, "store_id", ["store_a", "shop"], ["store_a", "store_a~"]),
    (ORDERS, "item_count", [3, 2.5], [3, 4]),
    (ORDERS, "customer_email", [], ["~", None]),
    (ORDERS, "shop_id", ["store_a"], [None]),
    (PRODUCTS, "specifications.watts", [800], [800, "800~", None]),
    (STORES, "location.city", ["Tacoma"], ["Tacoma", "Tacoma~"]),
]


@pytest.mark.parametrize(("collection", "path", "values", "states"), STATES, ids=[row[1] for row in STATES])
def test_field_has_states_besides_the_named_values(
    collection: Collection, path: str, values: list[Any], states: list[Any]
) -> None:
    assert states_of(collection, path, values) == states


def test_field_in_an_object_that_may_be_null_may_be_absent(tmp_path: Path) -> None:
    place: dict[str, Any] = {"type": ["object", "null"], "x-crdt": "map", "additionalProperties": False}
    place |= {"required": ["city"], "properties": {"city": {"type": "string"}}}
    things = model_of(tmp_path, {"things": collection_of({"place": place})})["things"]
    assert states_of(things, "place.city", ["Tacoma"]) == ["Tacoma", "Tacoma~", None]
    found = [one["place.city"] for one in representatives(things, [parse("place.city = 'Tacoma'")])]
    assert found == ["Tacoma", "Tacoma~", None]


def test_id_and_its_equal_field_have_the_same_value() -> None:
    made = list(representatives(ORDERS, [parse("_id = 'order_20240101_000001' OR order_id = 'order_20240101_000001'")]))
    assert made
    assert all(document["_id"] == document["order_id"] for document in made)


def test_part_of_an_id_and_its_equal_field_have_the_same_value() -> None:
    inventory = load_model(ROOT / "examples" / "zava_joins")["inventory"]
    made = list(representatives(inventory, [parse("_id.store_id = 'store_a'"), parse("store_id = 'store_a'")]))
    assert made
    assert all(document["_id.store_id"] == document["store_id"] for document in made)


def test_long_list_has_two_representatives() -> None:
    several = Comparison("store_id", "IN", tuple(f"store_{n}" for n in range(300)))
    made = list(representatives(ORDERS, [several]))
    assert made == [{"store_id": "store_0"}, {"store_id": "store_100~"}]
    assert [holds(several, document) for document in made] == [True, False]


STATE: Final[dict[str, tuple[Any, ...]]] = {
    "store_id": ("store_a", "store_b", "store_c"),
    "status": ("pending", "completed", "cancelled"),
    "deleted": (True, False),
    "item_count": (1, 2, 3),
    "customer_email": ("ann@example.com", "bob@example.com", None),
}
documents = st.fixed_dictionaries({path: st.sampled_from(values) for path, values in STATE.items()})
single = st.sampled_from(sorted(STATE)).flatmap(
    lambda path: st.builds(
        Comparison,
        st.just(path),
        st.sampled_from(("=", "!=")),
        st.sampled_from([value for value in STATE[path][:2] if value is not None]),
    )
)
conditions = st.recursive(
    single,
    lambda inner: (
        st.builds(Every, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(Some, st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=6,
)


@examples(100)
@given(one=conditions, other=conditions, document=documents)
def test_every_document_has_a_representative(one: Condition, other: Condition, document: dict[str, Any]) -> None:
    """For every possible document, a representative gives the same results in both conditions."""
    results = {(holds(one, each), holds(other, each)) for each in representatives(ORDERS, [one, other])}
    assert (holds(one, document), holds(other, document)) in results

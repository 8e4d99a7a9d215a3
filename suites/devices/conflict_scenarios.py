"""The conflicts of the architecture as data: who does what while offline, what all read afterwards, and what it cost.

docs/CONFLICTS.md lists them; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge.crdt.hybrid_clock import Clock
from edge.crdt.operations import Delete, Increment, Insert, Operation, Refused, Replace, Restart, Set, Unset
from edge.crdt.replica import Replica
from edge.crdt.superseded_writes import superseded_by, writes

SITES: Final = ("a", "b", "c")
#: Milliseconds between two operations: more than any clock's resolution.
STEP: Final = 20

Views = Mapping[str, dict[str, Any] | None]


@dataclass(frozen=True)
class Scenario:
    """Devices that hold the same go offline, write, and meet again.

    ``base`` was written before, ``offline`` meanwhile by a device, each in the order of the clocks; ``merged`` is what
    all read afterwards by ``_id``, ``lost`` the writes that are not read: device, path, rule.
    """

    title: str
    base: tuple[tuple[str, Operation], ...]
    offline: tuple[tuple[str, str, Operation], ...]
    merged: Views
    lost: frozenset[tuple[str, str, str]] = frozenset()


def lost(*writes: tuple[str, str, str]) -> frozenset[tuple[str, str, str]]:
    """Return the writes that are not read afterwards: device, path, rule."""
    return frozenset(writes)


PLACE: Final = {"aisle": "A1", "shelf": "S1", "bin": "B01"}
SCENARIOS: Final = (
    Scenario(
        "The same field is edited twice",
        (("anna", Insert({"first_name": "John", "last_name": "Doe"})),),
        (("a", "anna", Set(("first_name",), "Johnny")), ("b", "anna", Set(("first_name",), "Jonathan"))),
        {"anna": {"first_name": "Jonathan", "last_name": "Doe"}},
        lost(("a", "first_name", "later write")),
    ),
    Scenario(
        "Different fields are edited",
        (("drill", Insert({"base_price": 139.99, "stock_level": 45})),),
        (("a", "drill", Set(("base_price",), 149.99)), ("b", "drill", Set(("stock_level",), 50))),
        {"drill": {"base_price": 149.99, "stock_level": 50}},
    ),
    Scenario(
        "Two stores count their own stock",
        (("seattle/drill", Insert({"stock_level": 45})), ("tacoma/drill", Insert({"stock_level": 45}))),
        (("a", "seattle/drill", Set(("stock_level",), 50)), ("b", "tacoma/drill", Set(("stock_level",), 40))),
        {"seattle/drill": {"stock_level": 50}, "tacoma/drill": {"stock_level": 40}},
    ),
    Scenario(
        "Stock is counted while it is moved",
        (("drill", Insert({"stock_level": 45, "location": PLACE})),),
        (
            ("a", "drill", Set(("location",), {"aisle": "A7", "shelf": "S3"})),
            ("b", "drill", Set(("stock_level",), 44)),
            ("b", "drill", Set(("location", "bin"), "B22")),
        ),
        {"drill": {"stock_level": 44, "location": {"aisle": "A7", "shelf": "S3", "bin": "B22"}}},
    ),
    Scenario(
        "Stock is moved twice, to a mixture of both places",
        (("drill", Insert({"location": {"aisle": "A1", "shelf": "S1"}})),),
        (
            ("a", "drill", Set(("location",), {"aisle": "A7", "shelf": "S3"})),
            ("b", "drill", Set(("location", "shelf"), "S2")),
        ),
        {"drill": {"location": {"aisle": "A7", "shelf": "S2"}}},
        lost(("a", "location.shelf", "later write")),
    ),
    Scenario(
        "Two tills create orders",
        (),
        (
            ("a", "order 17 of till a", Insert({"item_count": 2, "total": 40.0})),
            ("b", "order 17 of till b", Insert({"item_count": 3, "total": 75.5})),
        ),
        {
            "order 17 of till a": {"item_count": 2, "total": 40.0},
            "order 17 of till b": {"item_count": 3, "total": 75.5},
        },
    ),
    Scenario(
        "Two tills give two orders the same number",
        (),
        (
            ("a", "order 17", Insert({"item_count": 2, "total": 40.0, "customer_email": "anna@example.com"})),
            ("b", "order 17", Insert({"item_count": 3, "total": 75.5})),
        ),
        {"order 17": {"item_count": 3, "total": 75.5, "customer_email": "anna@example.com"}},
        lost(("a", "item_count", "later write"), ("a", "total", "later write")),
    ),
    Scenario(
        "A customer is renamed while an order copies the old name",
        (("anna", Insert({"first_name": "Anna", "last_name": "Berg"})),),
        (
            ("a", "anna", Set(("last_name",), "Lind")),
            ("b", "order 18", Insert({"customer_name": "Anna Berg", "total": 12.0})),
        ),
        {
            "anna": {"first_name": "Anna", "last_name": "Lind"},
            "order 18": {"customer_name": "Anna Berg", "total": 12.0},
        },
    ),
    Scenario(
        "A document is deleted, then edited elsewhere",
        (("drill", Insert({"stock_level": 45, "notes": "old"})),),
        (("a", "drill", Delete()), ("b", "drill", Set(("notes",), "new"))),
        {"drill": {"notes": "new"}},
    ),
    Scenario(
        "A document is edited, then deleted elsewhere",
        (("drill", Insert({"stock_level": 45, "notes": "old"})),),
        (("b", "drill", Set(("notes",), "new")), ("a", "drill", Delete())),
        {"drill": {"notes": None}},
        lost(("b", "notes", "deleted")),
    ),
    Scenario(
        "A document is soft-deleted and edited",
        (("drill", Insert({"deleted": False, "notes": "old"})),),
        (("a", "drill", Set(("deleted",), True)), ("b", "drill", Set(("notes",), "new"))),
        {"drill": {"deleted": True, "notes": "new"}},
    ),
    Scenario(
        "A field is removed and edited",
        (("drill", Insert({"stock_level": 45, "notes": "old"})),),
        (("b", "drill", Set(("notes",), "new")), ("a", "drill", Unset(("notes",)))),
        {"drill": {"stock_level": 45, "notes": "new"}},
    ),
    Scenario(
        "Two tills sell from a stock level that is a REGISTER",
        (("drill", Insert({"stock_level": 10})),),
        (("a", "drill", Set(("stock_level",), 10 - 2)), ("b", "drill", Set(("stock_level",), 10 - 3))),
        {"drill": {"stock_level": 7}},
        lost(("a", "stock_level", "later write")),
    ),
    Scenario(
        "Two tills sell from a stock level that is a COUNTER",
        (("drill", Insert({})), ("drill", Restart(("stock_level",), 10))),
        (("a", "drill", Increment(("stock_level",), -2)), ("b", "drill", Increment(("stock_level",), -3))),
        {"drill": {"stock_level": 5}},
    ),
    Scenario(
        "A COUNTER is restarted with a stock count while a till sells",
        (("drill", Insert({})), ("drill", Restart(("stock_level",), 10))),
        (("a", "drill", Increment(("stock_level",), -2)), ("b", "drill", Restart(("stock_level",), 12))),
        {"drill": {"stock_level": 12}},
        lost(("a", "stock_level", "restarted")),
    ),
    Scenario(
        "A stock count is added as a difference while a till sells",
        (("drill", Insert({})), ("drill", Restart(("stock_level",), 10))),
        (("a", "drill", Increment(("stock_level",), -2)), ("b", "drill", Increment(("stock_level",), 12 - 10))),
        {"drill": {"stock_level": 10}},
    ),
    Scenario(
        "A till sells from a COUNTER whose document is deleted elsewhere",
        (("drill", Insert({})), ("drill", Restart(("stock_level",), 10))),
        (("b", "drill", Increment(("stock_level",), -3)), ("a", "drill", Delete())),
        {"drill": {"stock_level": -3}},
    ),
    Scenario(
        "A device counts down a stock level that is a REGISTER elsewhere",
        (("drill", Insert({"stock_level": 10})),),
        (("a", "drill", Set(("stock_level",), 9)), ("b", "drill", Increment(("stock_level",), -1))),
        {"drill": {"stock_level": -1}},
        lost(("a", "stock_level", "shadowed")),
    ),
    Scenario(
        "One device is in strict mode and replaces a MAP by a REGISTER",
        (("drill", Insert({"location": PLACE})),),
        (
            ("a", "drill", Set(("location", "bin"), "B22")),
            ("b", "drill", Replace("location", {"aisle": "A7", "shelf": "S3"})),
        ),
        {"drill": {"location": {"aisle": "A7", "shelf": "S3"}}},
        lost(("a", "location.bin", "shadowed")),
    ),
    Scenario(
        "A shadowed MAP comes back with the next write into it",
        (("drill", Insert({"location": PLACE})),),
        (
            ("b", "drill", Replace("location", {"aisle": "A7", "shelf": "S3"})),
            ("a", "drill", Set(("location", "bin"), "B22")),
        ),
        {"drill": {"location": {"aisle": "A1", "shelf": "S1", "bin": "B22"}}},
        lost(("b", "location", "shadowed")),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """The final state of the devices of the model, and the lost writes."""

    devices: Mapping[str, Replica]
    lost: frozenset[tuple[str, str, str]]


def on_the_model(scenario: Scenario, *, apart: bool = True) -> Outcome:
    """Run a scenario on the model; with ``apart`` False nobody is offline, and each sees every write at once."""
    devices = {site: Replica(Clock(site)) for site in SITES}
    now, acknowledged = 0, []
    for site, _id, operation in (*(("a", *each) for each in scenario.base), *scenario.offline):
        now += STEP
        devices[site], message = devices[site].write(_id, operation, now)
        if now <= STEP * len(scenario.base) or not apart:
            devices = {name: device.receive(message) for name, device in devices.items()}
        if now > STEP * len(scenario.base):
            acknowledged.append((site, _id, message.documents[_id]))
    states = [device.state() for device in devices.values()]
    for state in states:
        devices = {name: device.receive(state) for name, device in devices.items()}
    superseded = {
        (site, ".".join(write.path), found.rule)
        for site, _id, made in acknowledged
        for write in writes(made)
        if (found := superseded_by(devices["a"].document(_id), write))
    }
    return Outcome(devices, frozenset(superseded))


def views(device: Replica, scenario: Scenario) -> Views:
    """Return what a device reads of the scenario's documents."""
    return {_id: device.document(_id).view() for _id in scenario.merged}


def one_store_shows(scenario: Scenario) -> bool:
    """Return whether the outcome is that of the same operations in the order of the clocks, on one store."""
    try:
        return views(on_the_model(scenario, apart=False).devices["a"], scenario) == scenario.merged
    except Refused:
        return False

"""The model of Ditto's merging: its laws, its convergence, and the result of each write.

Each property is shown able to fail: it detects a model that is wrong in one named way (crdt_mutations.py).
"""

from __future__ import annotations

import itertools
import json
import re
import runpy
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.crdt.document import Document, merge
from edge.crdt.hybrid_clock import BEGINNING, NEVER, Clock, Stamp
from edge.crdt.operations import Delete, Increment, Insert, Operation, Refused, Replace, Restart, Set, Unset
from edge.crdt.replica import Message, Replica
from edge.crdt.superseded_writes import RULES, Superseded, superseded_by, writes
from suites.devices.conflict_scenarios import SCENARIOS, one_store_shows
from tests.edge.crdt.crdt_mutations import BY_DEVICES, FIND, NOTICED
from tests.edge.crdt.devices import IDS, SITES, names, run_devices, some_operations
from tests.profiles import examples
from tests.validation import ROOT

pytestmark = pytest.mark.slow


def test_devices_converge_and_writes_are_lost_only_by_named_rules() -> None:
    run_devices(150, 25)


@pytest.mark.soak
def test_devices_converge_for_a_long_time() -> None:
    run_devices(1_000, 50)


@pytest.mark.parametrize("name", BY_DEVICES)
def test_mutated_device_is_detected(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BY_DEVICES[name](monkeypatch)
    with pytest.raises(NOTICED):
        run_devices(1_000, 25, **FIND)  # ends at the first that is noticed


# Laws

Step = tuple[str, str, Operation | str, int]
histories = st.lists(
    st.tuples(
        st.sampled_from(SITES),
        st.sampled_from(IDS),
        some_operations | st.sampled_from(SITES),
        st.integers(0, 3),
    ),
    max_size=25,
)


def played(history: list[Step]) -> tuple[dict[str, Replica], list[Message]]:
    """Return the devices after a history of writes and of syncs between devices, and the messages of the writes."""
    devices = {site: Replica(Clock(site)) for site in SITES}
    messages = []
    for site, _id, operation, now in history:
        if isinstance(operation, str):
            devices[site] = devices[site].receive(devices[operation].state())
            continue
        if not devices[site].document(_id).alive:
            operation = Insert({"k": {"l": 1}})
        try:
            devices[site], message = devices[site].write(_id, operation, now)
        except Refused:
            continue
        messages.append(message)
    return devices, messages


@examples(300)
@given(histories)
def test_merging_is_commutative_associative_and_idempotent(history: list[Step]) -> None:
    devices, _ = played(history)
    one, other, third = (device.documents for device in devices.values())
    assert merge(one, other) == merge(other, one)
    assert merge(merge(one, other), third) == merge(one, merge(other, third))
    assert merge(one, one) == one
    assert merge(one, {}) == merge({}, one) == one
    assert merge(one, merge(one, other)) == merge(one, other)


@examples(300)
@given(histories, st.randoms(use_true_random=False))
def test_changes_may_arrive_in_any_order_and_repeatedly(history: list[Step], random: Any) -> None:
    devices, messages = played(history)
    everything = Replica(Clock("listener"))
    for device in devices.values():
        everything = everything.receive(device.state())
    shuffled = messages + random.choices(messages, k=len(messages)) if messages else []
    random.shuffle(shuffled)
    listener = Replica(Clock("listener"))
    for message in shuffled:
        listener = listener.receive(message)
    assert listener.documents == everything.documents
    assert listener.clock == everything.clock or not messages


# Clocks


@given(
    st.lists(st.tuples(st.integers(0, 5), st.none() | st.builds(Stamp, st.integers(0, 9), st.integers(0, 2), names)))
)
def test_write_is_later_than_all_operations_seen_by_its_device(times: list[tuple[int, Stamp | None]]) -> None:
    clock, seen = Clock("a"), {BEGINNING}
    for now, arrived in times:
        if arrived is not None:
            clock = clock.observe(arrived)
            seen.add(arrived)
        clock = clock.tick(now)
        assert clock.last > max(seen)
        assert clock.last.wall >= now
        assert clock.last.site == "a"
        seen.add(clock.last)


def test_write_with_a_slow_clock_supersedes_seen_writes() -> None:
    ahead, operation = Replica(Clock("ahead")).write("x", Insert({"price": 1}), 3_600_000)
    behind, answer = Replica(Clock("behind")).receive(operation).write("x", Set(("price",), 2), 0)
    assert ahead.receive(answer).document("x").view() == behind.document("x").view() == {"price": 2}


def test_write_with_a_fast_clock_supersedes_later_unseen_writes() -> None:
    _, base = Replica(Clock("a")).write("x", Insert({"price": 1}), 0)
    _, wrong = Replica(Clock("fast")).receive(base).write("x", Set(("price",), 2), 3_600_000)
    slow, right = Replica(Clock("slow")).receive(base).write("x", Set(("price",), 3), 60_000)
    merged = slow.receive(wrong).document("x")
    assert merged.view() == {"price": 2}
    (lost,) = writes(right.documents["x"])
    assert superseded_by(merged, lost) == Superseded("later write", wrong.latest)


def test_simultaneous_writes_are_ordered_by_site() -> None:
    assert Stamp(5, 0, "a") < Stamp(5, 0, "b") < Stamp(5, 1, "a") < Stamp(6, 0, "a")
    assert NEVER < BEGINNING < Clock("").tick(0).last


# Rules

K, L, KL = ("k",), ("l",), ("k", "l")
#: The subject, the content of both devices before, their offline operations in order, the merged content, and how a's
#: write was superseded.
OFFLINE: Final[tuple[tuple[str, Any, list[tuple[str, Operation]], Any, str | None], ...]] = (
    ("two values", {"k": 1}, [("a", Set(K, 2)), ("b", Set(K, 3))], {"k": 3}, "later write"),
    ("two fields", {"k": 1}, [("a", Set(K, 2)), ("b", Set(L, 3))], {"k": 2, "l": 3}, None),
    ("fields of a map", {"k": {}}, [("a", Set(KL, 2)), ("b", Set(K, {"m": 3}))], {"k": {"l": 2, "m": 3}}, None),
    ("an unset of what it saw", {"k": 1}, [("b", Set(L, 2)), ("a", Unset(K))], {"l": 2}, None),
    ("adding wins over unset", {"k": 1}, [("a", Set(K, 2)), ("b", Unset(K))], {"k": 2}, None),
    ("adding wins in a map", {"k": {"l": 1, "m": 1}}, [("a", Set(KL, 2)), ("b", Unset(K))], {"k": {"l": 2}}, None),
    ("an edit after a delete", {"k": 1, "l": 1}, [("b", Delete()), ("a", Set(K, 2))], {"k": 2}, None),
    ("an edit before a delete", {"k": 1, "l": 1}, [("a", Set(K, 2)), ("b", Delete())], {"k": None}, "deleted"),
    ("additions", {}, [("a", Increment(K, -2)), ("b", Increment(K, -3))], {"k": -5}, None),
    ("a restart", {}, [("a", Increment(K, -2)), ("b", Restart(K, 9))], {"k": 9}, "restarted"),
    ("a restart in the past", {}, [("b", Restart(K, 9)), ("a", Increment(K, -2))], {"k": 9}, "restarted"),
    ("a REGISTER", {"k": {"l": 1}}, [("a", Set(KL, 2)), ("b", Replace("k", {"m": 1}))], {"k": {"m": 1}}, "shadowed"),
    ("a scalar", {"k": {"l": 1}}, [("a", Set(KL, 2)), ("b", Set(K, 3))], {"k": 3}, "shadowed"),
    ("a counter", {"k": 1}, [("a", Set(K, 2)), ("b", Increment(K, 3))], {"k": 3}, "shadowed"),
)


def offline(base: dict[str, Any], done: list[tuple[str, Operation]]) -> tuple[Document, list[Document]]:
    """Return the merged document of two offline devices, and the changes of each operation."""
    _, start = Replica(Clock("base")).write("x", Insert(base), 0)
    devices = {site: Replica(Clock(site)).receive(start) for site in ("a", "b")}
    changes = []
    for now, (site, operation) in enumerate(done, 1):
        devices[site], message = devices[site].write("x", operation, 1_000 * now)
        changes.append(message.documents["x"])
    one, other = devices["a"].receive(devices["b"].state()), devices["b"].receive(devices["a"].state())
    assert one.documents == other.documents
    return one.document("x"), changes


@pytest.mark.parametrize(
    ("base", "done", "read", "became"), [case[1:] for case in OFFLINE], ids=[c[0] for c in OFFLINE]
)
def test_offline_writes_merge_as_documented(
    base: dict[str, Any], done: list[tuple[str, Operation]], read: dict[str, Any], became: str | None
) -> None:
    document, changes = offline(base, done)
    assert document.view() == read
    (by_a,) = [change for (site, _), change in zip(done, changes, strict=True) if site == "a"]
    found = [superseded_by(document, write) for write in writes(by_a)]
    assert [each.rule if each else None for each in found] == [became] * len(found)


def test_every_rule_has_an_example() -> None:
    assert {case[4] for case in OFFLINE} - {None} | {"removed"} == set(RULES)


def test_removal_that_had_seen_the_write_is_reported() -> None:
    device, operation = Replica(Clock("a")).write("x", Insert({"k": 1, "l": 1}), 0)
    device, _ = device.write("x", Unset(("k",)), 1)
    after, _ = device.write("x", Delete(), 2)
    unset, deleted = sorted(writes(operation.documents["x"]), key=lambda write: write.path)
    assert superseded_by(device.document("x"), unset) == Superseded("removed", Stamp(1, 0, "a"))
    assert superseded_by(device.document("x"), deleted) is None
    assert superseded_by(after.document("x"), deleted) == Superseded("removed", Stamp(2, 0, "a"))


@pytest.mark.parametrize("operation", [Set(("k",), 1), Increment(("k",), 1)])
def test_write_that_has_not_arrived_is_neither_read_nor_superseded(operation: Operation) -> None:
    device, _ = Replica(Clock("a")).write("x", Insert({}), 0)
    _, later = device.write("x", operation, 1)
    (write,) = writes(later.documents["x"])
    with pytest.raises(LookupError, match="has not arrived"):
        superseded_by(device.document("x"), write)


# The documentation


def rows_of(document: str, header: str) -> list[str]:
    """Return the rows of the table below this header line."""
    lines = iter(document.splitlines())
    assert header in lines, header
    return list(itertools.takewhile(lambda line: line.startswith("|"), itertools.islice(lines, 1, None)))


@pytest.fixture(scope="module")
def conflicts() -> str:
    """docs/CONFLICTS.md."""
    return (ROOT / "docs" / "CONFLICTS.md").read_text(encoding="utf-8")


def test_documented_rules_equal_the_code(conflicts: str) -> None:
    assert rows_of(conflicts, "| rule | what it says |") == [
        f"| {rule} | {message} |" for rule, message in RULES.items()
    ]


def test_documented_scenarios_equal_the_suite(conflicts: str) -> None:
    assert rows_of(conflicts, "| scenario | all read | not read | one store |") == [
        f"| {each.title} | `{json.dumps(each.merged)[1:-1]}`"
        f" | {', '.join(f'{path} of {site}: {by}' for site, path, by in sorted(each.lost)) or 'nothing'}"
        f" | {'yes' if one_store_shows(each) else 'no'} |"
        for each in SCENARIOS
    ]


def test_register_loses_sales_and_counter_does_not(conflicts: str, capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "examples" / "stock_conflict.py"), run_name="__main__")
    printed = capsys.readouterr().out
    assert re.findall(r"(\w+): 100 in the morning, (\d+) sold", printed) == [("REGISTER", "28"), ("COUNTER", "28")]
    assert re.findall(r"all read (\d+), and (\d+) are left: (\d+) too many", printed) == [
        ("88", "72", "16"),
        ("72", "72", "0"),
    ]
    assert f"```\n{printed}```" in conflicts

"""Devices of the model that write apart and meet again, drawn by Hypothesis; a ledger justifies what they read."""

from __future__ import annotations

import itertools
from typing import Any, Final

import pytest
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from edge.crdt import superseded_writes
from edge.crdt.document import Document, merge
from edge.crdt.hybrid_clock import BEGINNING, Clock
from edge.crdt.operations import Delete, Increment, Insert, Operation, Refused, Replace, Restart, Set, Unset
from edge.crdt.replica import Message, Replica
from edge.crdt.superseded_writes import Superseded, writes
from tests.edge.crdt.conflict_ledger import Entry, Ledger
from tests.profiles import examples

SITES: Final = ("a", "b", "c")
IDS: Final = ("x", "y")

ids = st.sampled_from(["x", "x", "x", "y"])
waits = st.integers(0, 2)
#: Few names, so that operations meet.
names = st.sampled_from(["k", "l"])
paths = st.sampled_from([("k",), ("k",), ("k",), ("l",), ("k", "k"), ("k", "l"), ("k", "l"), ("k", "l", "k")])
scalars = st.sampled_from([0, 1, "s", [0, 1]])
objects = st.dictionaries(names, scalars | st.dictionaries(names, scalars, max_size=2), max_size=2)
amounts = st.sampled_from([-3, -1, 1, 2])
policies = st.sampled_from(["fail", "do nothing", "do update", "do update_local_diff"])
inserts = st.builds(Insert, objects, policies)
updates: st.SearchStrategy[Operation] = st.one_of(
    st.builds(Set, paths, scalars | objects),
    st.builds(Set, paths, scalars),
    st.builds(Unset, paths),
    st.builds(Replace, names, scalars | objects),
    st.builds(Increment, paths, amounts),
    st.builds(Increment, paths, amounts),
    st.builds(Restart, paths, amounts),
)
some_operations = st.one_of(updates, updates, updates, inserts, st.just(Delete()))


class Devices(RuleBasedStateMachine):
    """Three devices whose clocks disagree, and a network that delays, repeats, reorders, loses and is cut."""

    def __init__(self) -> None:
        super().__init__()
        self.devices = {site: Replica(Clock(site)) for site in SITES}
        self.seen: dict[str, set[int]] = {site: set() for site in SITES}
        self.ledger = Ledger()
        self.acknowledged: list[tuple[Entry, Document]] = []
        self.under_way: list[tuple[frozenset[str], str, Message, frozenset[int]]] = []
        self.cut: set[frozenset[str]] = set()
        self.now = 0

    @initialize(skews=st.tuples(*[st.sampled_from([0, 0, 1, -1, 3_600_000]) for _ in SITES]))
    def clocks_disagree(self, skews: tuple[int, ...]) -> None:
        self.skew = dict(zip(SITES, skews, strict=True))

    @rule(first=st.integers(0, 2), _id=ids, done=st.lists(some_operations, min_size=2, max_size=5), elapsed=waits)
    def write(self, first: int, _id: str, done: list[Operation], elapsed: int) -> None:
        """The devices in turn: nobody hears of another's before the next message arrives."""
        for turn, operation in enumerate(done, first):
            self.now += elapsed
            site = SITES[turn % len(SITES)]
            self._write(site, _id, operation)
            self._check(site, _id)

    def _write(self, site: str, _id: str, operation: Operation) -> None:
        before = self.devices[site]
        if not before.document(_id).alive and not isinstance(operation, Insert):
            operation = Insert({"k": 0})
        try:
            after, message = before.write(_id, operation, max(0, self.now + self.skew[site]))
        except Refused:
            with pytest.raises(Refused):
                self.ledger.record(_id, operation, BEGINNING, self.seen[site])
            return
        entry = self.ledger.record(_id, operation, message.latest, self.seen[site])
        change = message.documents[_id]
        self.acknowledged.append((entry, change))
        self.devices[site] = after
        assert merge(before.documents, after.documents) == after.documents
        assert message.latest > before.clock.last
        found = [superseded_writes.superseded_by(after.document(_id), write) for write in writes(change)]
        assert found == [None] * len(found), "a device reads what it has just written"
        carried = self.ledger.carried(entry)
        self.seen[site] |= carried
        self._send(site, message, carried)

    def _check(self, site: str, _id: str) -> None:
        """A device reads what has reached it."""
        assert self.devices[site].document(_id).view() == self.ledger.reader(_id, self.seen[site]).document()

    @rule(site=st.sampled_from(SITES))
    def send_everything(self, site: str) -> None:
        self._send(site, self.devices[site].state(), frozenset(self.seen[site]))

    def _send(self, site: str, message: Message, carried: frozenset[int]) -> None:
        others = [other for other in SITES if other != site]
        self.under_way += [(frozenset({site, other}), other, message, carried) for other in others]

    @precondition(lambda self: any(link not in self.cut for link, *_ in self.under_way))
    @rule(which=st.integers(0, 1_000), again=st.booleans())
    def deliver(self, which: int, again: bool) -> None:
        """Any message whose link is up, in any order; it may arrive once more later."""
        arriving = [each for each in self.under_way if each[0] not in self.cut]
        chosen = arriving[which % len(arriving)]
        if not again:
            self.under_way.remove(chosen)
        _, to, message, carried = chosen
        self.devices[to] = self.devices[to].receive(message)
        self.seen[to] |= carried
        for _id in message.documents:
            self._check(to, _id)

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 1_000))
    def lose(self, which: int) -> None:
        self.under_way.pop(which % len(self.under_way))

    @rule(link=st.sampled_from([frozenset(pair) for pair in itertools.combinations(SITES, 2)]))
    def cut_or_mend(self, link: frozenset[str]) -> None:
        self.cut ^= {link}

    def teardown(self) -> None:
        """The network is mended, and everybody tells everybody everything."""
        for one, other in itertools.product(SITES, repeat=2):
            self.devices[one] = self.devices[one].receive(self.devices[other].state())
        for one in SITES:
            self.devices[one] = self.devices[one].receive(self.devices[SITES[-1]].state())
        first = self.devices[SITES[0]]
        for device in self.devices.values():
            assert device.documents == first.documents, "devices that know the same hold the same"
        for _id in IDS:
            assert first.document(_id).view() == self.ledger.everything(_id).document()
        for entry, change in self.acknowledged:
            for write in writes(change):
                justify(
                    self.ledger, entry, write, superseded_writes.superseded_by(first.document(entry._id), write), first
                )


def justify(ledger: Ledger, entry: Entry, write: Any, found: Superseded | None, device: Replica) -> None:
    """A write is read, or there is an operation in the ledger that superseded it by the rule that was named."""
    reader = ledger.everything(entry._id)
    done = next(e for e in entry.events if (e.what, e.path) == (write.kind, write.path))
    event(f"superseded: {found.rule if found else None}")
    if found is None:
        reading = reader.at(write.path)
        assert reading is not None and reading[1] == write.kind
        if write.kind == "REGISTER":
            assert reading == (write.stamp, "REGISTER", done.value)
        assert not reader.removed(entry, done)
        return
    by = next(each for each in ledger.entries if each._id == entry._id and each.stamp == found.by)
    if found.rule == "later write":
        assert by.stamp > write.stamp
        assert any((each.what, each.path) == ("REGISTER", write.path) for each in by.events)
    elif found.rule == "removed":
        assert reader.removed(entry, done)
        assert entry.number in by.seen
        assert any(each.what == "gone" and each.path == write.path[: len(each.path)] for each in by.events)
    elif found.rule == "deleted":
        assert isinstance(by.operation, Delete) and by.stamp > write.stamp and entry.number not in by.seen
    elif found.rule == "restarted":
        assert isinstance(by.operation, Restart) and by.operation.path == write.path
        assert by.stamp > done.epoch
    else:
        depth = next(n for n in range(1, len(write.path) + 1) if wanted(write, n) != kind_at(reader, write.path[:n]))
        reading = reader.at(write.path[:depth])
        assert reading is not None and reading[0] == found.by


def wanted(write: Any, depth: int) -> str:
    """The kind that a path must be read as down to that depth, for the write to be read."""
    return str(write.kind) if depth == len(write.path) else "MAP"


def kind_at(reader: Any, path: tuple[str, ...]) -> str | None:
    """The kind that is read at a path."""
    reading = reader.at(path)
    return reading[1] if reading else None


def run_devices(number: int, steps: int, **more: Any) -> None:
    """Run the machine so many times."""
    run_state_machine_as_test(Devices, settings=settings(examples(number), stateful_step_count=steps, **more))

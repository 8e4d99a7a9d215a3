"""Fields whose types change repeatedly on both sides: both sides are equal, and no value reappears."""

from __future__ import annotations

import json
import random
from typing import Any, Final

import pytest

from edge.crdt.operations import Increment, Operation, Replace, Restart, Set, Unset, statement
from tests.edge.bridge.pair import Document, Pair, edge, pair, synced

__all__ = ["edge", "pair", "synced"]

NAMES: Final = ("a", "b", "c")
SCALARS: Final = (None, True, 0, 1, 1.5, 2**40, "", "a", [], [1, {"a": 1}])
#: Documents, by whose edits they are changed between two meetings.
EDITED_BY: Final = {f"{who} {number}": who for number in range(20) for who in ("mongo", "device", "both")}


def value(chance: random.Random, depth: int = 0) -> Any:
    """Return a random value of a field, with even odds an object."""
    if depth < 3 and chance.random() < 0.5:
        return {name: value(chance, depth + 1) for name in chance.sample(NAMES, chance.randrange(3))}
    return chance.choice(SCALARS)


def path(chance: random.Random) -> tuple[str, ...]:
    """Return the path of an edit."""
    return tuple(chance.choices(NAMES, k=chance.choice((1, 1, 2, 3))))


def operation(chance: random.Random) -> Operation:
    """Return an edit of a document by a device."""
    where = path(chance)
    return chance.choice(
        (
            Set(where, value(chance)),
            Set(where, value(chance)),
            Unset(where),
            Increment(where, 1),
            Restart(where, 5),
            Replace(where[0], chance.choice(SCALARS)),
        )
    )


def replaced(document: Document, chance: random.Random) -> Document:
    """Return the document after an edit in MongoDB of one of its fields, or of a nested one."""
    made, inner = document, document
    *above, last = path(chance)
    for name in above:
        inner[name] = inner = dict(inner[name]) if isinstance(inner.get(name), dict) else {}
    if chance.random() < 0.3:
        inner.pop(last, None)
    else:
        inner[last] = value(chance)
    return made


def exactly(document: Document) -> str:
    """Return the document as text, in which 1, 1.0 and true differ."""
    return json.dumps(document, sort_keys=True)


@pytest.mark.parametrize("seed", [1, *(pytest.param(each, marks=pytest.mark.soak) for each in range(2, 40))])
def test_both_sides_are_equal_after_changes_of_types(pair: Pair, seed: int) -> None:
    chance, things = random.Random(seed), pair.database["things"]
    things.insert_many([{"_id": key, "a": 1} for key in EDITED_BY])
    pair.meet()
    for _ in range(5):
        wanted: dict[str, Document] = {}
        for key, who in EDITED_BY.items():
            if who != "device":
                (document,) = things.find({"_id": key})
                for _ in range(chance.randrange(1, 4)):
                    document = replaced(document, chance)
                    things.replace_one({"_id": key}, document)
                wanted[key] = document
            if who != "mongo":
                for _ in range(chance.randrange(1, 4)):
                    pair.store.mutate(*statement(operation(chance), "things", key))
                if who == "device":
                    (wanted[key],) = pair.store.execute("SELECT * FROM things WHERE _id = :id", {"id": key})
        pair.meet()
        mongo = {each["_id"]: exactly(each) for each in things.find()}
        assert {each["_id"]: exactly(each) for each in pair.store.execute("SELECT * FROM things")} == mongo
        alone = [key for key, who in EDITED_BY.items() if who != "both"]
        assert {key: mongo[key] for key in alone} == {key: exactly(wanted[key]) for key in alone}
        assert pair.unsynced == {}

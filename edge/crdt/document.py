"""A model of how Ditto merges documents: REGISTER, MAP and COUNTER in each field, and tombstones.

A state is a Document, and so is a change to one: merging is the least upper bound of two of them, whatever the order.
What one store shows of this is checked against the real one; what needs two peers follows Ditto's documentation
(docs/CONFLICTS.md says which is which).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from edge.crdt.hybrid_clock import NEVER, Stamp

Kind = Literal["REGISTER", "MAP", "COUNTER"]
FieldPath = tuple[str, ...]
V = TypeVar("V")


def _joined(one: Mapping[str, V], other: Mapping[str, V], merge: Callable[[V, V], V]) -> dict[str, V]:
    both = {key: merge(one[key], other[key]) for key in one.keys() & other.keys()}
    return {**one, **other, **both}


@dataclass(frozen=True, order=True)
class Removal:
    """A tombstone: the last write it has ``seen`` and takes away, and the stamp it was made ``by``."""

    seen: Stamp = NEVER
    by: Stamp = NEVER


@dataclass(frozen=True)
class Register:
    """One value, an array or a whole object included: the last write wins."""

    value: Any = None
    stamp: Stamp = NEVER
    removal: Removal = Removal()

    @property
    def updated(self) -> Stamp:
        """The last write."""
        return self.stamp

    @property
    def alive(self) -> bool:
        """Return whether there is a write that no removal has seen."""
        return self.stamp > self.removal.seen

    def merge(self, other: Register) -> Register:
        """Both together."""
        last = max(self, other, key=lambda each: each.stamp)
        return Register(last.value, last.stamp, max(self.removal, other.removal))

    def removed(self, by: Stamp) -> Register:
        """Return the change that takes away what is here."""
        return Register(removal=Removal(self.stamp, by))


@dataclass(frozen=True)
class Tally:
    """The additions of one site: its ``total`` at ``stamp``, minus the part that a removal has seen."""

    total: int = 0
    stamp: Stamp = NEVER
    removal: Removal = Removal()
    removed_total: int = 0

    @property
    def alive(self) -> bool:
        """Return whether the site has added anything that no removal has seen."""
        return self.stamp > self.removal.seen

    def merge(self, other: Tally) -> Tally:
        """Both together."""
        last = max(self, other, key=lambda each: each.stamp)
        gone = max(self, other, key=lambda each: each.removal)
        return Tally(last.total, last.stamp, gone.removal, gone.removed_total)


@dataclass(frozen=True)
class Counter:
    """The sum of what the sites have added since the last RESTART, ``epoch``; a RESTART is its site's first tally."""

    epoch: Stamp = NEVER
    tallies: Mapping[str, Tally] = field(default_factory=dict)

    @property
    def value(self) -> int:
        """The sum of the additions that no removal has seen."""
        return sum(tally.total - tally.removed_total for tally in self.tallies.values() if tally.alive)

    @property
    def updated(self) -> Stamp:
        """The last addition that no removal has seen."""
        return max((tally.stamp for tally in self.tallies.values() if tally.alive), default=NEVER)

    @property
    def alive(self) -> bool:
        """Return whether there is an addition that no removal has seen."""
        return any(tally.alive for tally in self.tallies.values())

    def merge(self, other: Counter) -> Counter:
        """Both together; of two epochs the later one only."""
        if self.epoch != other.epoch:
            return max(self, other, key=lambda each: each.epoch)
        return Counter(self.epoch, _joined(self.tallies, other.tallies, Tally.merge))

    def removed(self, by: Stamp) -> Counter:
        """Return the change that takes away what is here."""
        return Counter(
            self.epoch,
            {
                site: Tally(removal=Removal(tally.stamp, by), removed_total=tally.total)
                for site, tally in self.tallies.items()
            },
        )


@dataclass(frozen=True)
class Map:
    """Fields that merge each on its own; ``touched`` by the last write to it or below it. Adding wins over removing."""

    fields: Mapping[str, Field] = field(default_factory=dict)
    touched: Stamp = NEVER
    removal: Removal = Removal()

    @property
    def updated(self) -> Stamp:
        """The last write to the map or below it that no removal has seen."""
        if self.touched > self.removal.seen:
            return self.touched
        return max((each.updated for each in self.fields.values() if each.shown), default=NEVER)

    @property
    def alive(self) -> bool:
        """Return whether there is a write to it, or a field in it, that no removal has seen."""
        return self.touched > self.removal.seen or any(each.shown for each in self.fields.values())

    def merge(self, other: Map) -> Map:
        """Both together."""
        fields = _joined(self.fields, other.fields, Field.merge)
        return Map(fields, max(self.touched, other.touched), max(self.removal, other.removal))

    def removed(self, by: Stamp) -> Map:
        """Return the change that takes away what is here, hidden variants included."""
        fields = {name: each.removed(by) for name, each in self.fields.items()}
        return Map(fields, removal=Removal(self.touched, by))


Variant = Register | Map | Counter


@dataclass(frozen=True)
class Field:
    """The variants of a field, one of each kind; the one updated last is shown and shadows the others."""

    register: Register = Register()
    map: Map = Map()
    counter: Counter = Counter()

    @property
    def variants(self) -> Mapping[Kind, Variant]:
        """The variants by kind, those that were never written included."""
        return {"REGISTER": self.register, "MAP": self.map, "COUNTER": self.counter}

    @property
    def shown(self) -> Kind | None:
        """The kind of the variant that is read; None when there is none."""
        alive = [(variant.updated, kind) for kind, variant in self.variants.items() if variant.alive]
        return max(alive)[1] if alive else None

    @property
    def updated(self) -> Stamp:
        """The last write to what is read; NEVER when there is nothing."""
        return self.variants[self.shown].updated if self.shown else NEVER

    def merge(self, other: Field) -> Field:
        """Both together."""
        return Field(self.register.merge(other.register), self.map.merge(other.map), self.counter.merge(other.counter))

    def removed(self, by: Stamp, *kinds: Kind) -> Field:
        """Return the change that takes away the variants of these kinds; of all when none is given."""

        def gone(kind: Kind) -> bool:
            return not kinds or kind in kinds

        return Field(
            self.register.removed(by) if gone("REGISTER") else Register(),
            self.map.removed(by) if gone("MAP") else Map(),
            self.counter.removed(by) if gone("COUNTER") else Counter(),
        )


@dataclass(frozen=True)
class Document:
    """A document, or a change to one; ``deleted`` is the last DELETE. Document() is neither: it changes nothing."""

    root: Map = Map()
    deleted: Stamp = NEVER

    @property
    def alive(self) -> bool:
        """Return whether queries find it."""
        return self.root.alive

    def merge(self, other: Document) -> Document:
        """Both together: commutative, associative, idempotent."""
        return Document(self.root.merge(other.root), max(self.deleted, other.deleted))

    def at(self, path: FieldPath) -> Field:
        """Return the field at a path, shown or not; an empty one where there is none."""
        found, inside = Field(), self.root
        for name in path:
            found = inside.fields.get(name, Field())
            inside = found.map
        return found

    def view(self, *, strict: bool = False) -> dict[str, Any] | None:
        """Return what a query reads; None when it finds no document. In strict mode REGISTERs only.

        A field that was written before a DELETE which had not seen it is null: the document is a husk.
        """
        if not self.alive:
            return None
        if strict:
            registers = ((name, each.register) for name, each in self.root.fields.items())
            return {name: self._value(register) for name, register in registers if register.alive}
        return self._view(self.root)

    def _view(self, inside: Map) -> dict[str, Any]:
        return {name: self._value(each.variants[each.shown]) for name, each in inside.fields.items() if each.shown}

    def _value(self, variant: Variant) -> Any:
        if isinstance(variant, Map):
            return self._view(variant)
        return None if isinstance(variant, Register) and variant.stamp < self.deleted else variant.value


Documents = Mapping[str, Document]


def merge(one: Documents, other: Documents) -> Documents:
    """Both together, documents by ``_id``."""
    return _joined(one, other, Document.merge)

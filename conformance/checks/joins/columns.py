"""Children and parents as columns: the parents' keys and values are kept, and each child is looked at beside its own.

A child's values and those of its parent, which stand at ``_<reference field>`` as in the server's pipelines, are given
to the expressions of the rules. Sums over children are added up for each parent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from conformance.checks.base import Found
from conformance.checks.joins.join import Column
from conformance.checks.joins.keys import askable
from conformance.checks.joins.sums import TOLERANCE
from conformance.columns.expressions import evaluate, truth
from conformance.columns.keys import Cells, Index, cells
from conformance.columns.keys import joined as joined_cells
from conformance.columns.layout import NULL, TEXT, Array, Batch, UnusualError
from conformance.columns.values import EXACT, IS_NUMBER, UNKNOWN, Values, joined, values_at
from conformance.model.collection import Reference

#: Parents that are held in memory, at some 150 bytes for each key, and bytes of their values.
MOST: Final = 1_000_000
MEMORY: Final = 500_000_000
#: Half of what a sum may differ by: NumPy adds in another order than the server, which decides what is between.
CLOSE: Final = TOLERANCE / 2


@dataclass(frozen=True)
class Question:
    """The test of one rule on each child and its parent, or on the totals over children (see Part)."""

    each: tuple[Any, Any] | None
    views: Sequence[tuple[str, str]] = ()
    columns: Mapping[str, Column] = field(default_factory=dict)


class Parents:
    """The documents of a collection that others refer to by one key: their places, and the values that are needed."""

    def __init__(self, target: str, key: str) -> None:
        self.collection, self.key = target, key
        self.paths: set[str] = {key}
        self.sums: dict[str, Any] = {}
        self._index: Index | None = None
        self.values: dict[str, Values] = {}
        self._keys: list[Cells] = []
        self._number = 0
        self._parts: dict[str, list[Values]] = {}

    def take(self, batch: Batch) -> None:
        """Keep what is asked for of a batch."""
        self._keys.append(cells(batch, values_at(batch, self.key)))
        asked = {path: f"${path}" for path in self.paths} | self.sums
        for name, expression in asked.items():
            self._parts.setdefault(name, []).append(_full(evaluate(expression, batch), len(batch)))
        self._number += len(batch)
        widest = [max(_width(part) for part in parts) for parts in self._parts.values()]
        if self._number > MOST or self._number * sum(widest) > MEMORY:
            self._keys, self._parts = [], {}
            raise UnusualError

    def finish(self) -> None:
        """Make the index, once all documents were taken; without one the children are left to the server."""
        try:
            self._index = Index(joined_cells(self._keys)) if self._keys else None
        except UnusualError:
            return
        self.values = {name: joined(parts) for name, parts in self._parts.items()}
        self._keys, self._parts = [], {}

    @property
    def is_known(self) -> bool:
        """Return whether all documents were taken, and each has a key of its own."""
        return self._index is not None

    def places(self, keys: Cells) -> Array:
        """Return where the documents with these keys are; -1 for none."""
        if self._index is None:
            raise UnusualError
        return self._index.places(keys)


def _width(values: Values) -> int:
    """Return the bytes that each value takes."""
    columns = (values.codes, values.numbers, values.texts, values.unsure)
    return sum(one.itemsize for one in columns if one is not None)


def _full(values: Values, size: int) -> Values:
    """Return the values with a constant repeated."""
    if len(values.codes) == size:
        return values
    columns = (
        None if one is None else np.broadcast_to(one, size) for one in (values.numbers, values.texts, values.unsure)
    )
    return Values(np.broadcast_to(values.codes, size), *columns)


class _Total:
    """A sum over the children of each parent."""

    def __init__(self, parents: int) -> None:
        self._sums, self._sizes, self._numbers = np.zeros(parents), np.zeros(parents), np.zeros(parents)
        self._is_whole = True

    def add(self, places: Array, numbers: Array) -> None:
        """Add what children of the parents at these places contribute."""
        self._is_whole &= _are_whole(numbers)
        np.add.at(self._sums, places, numbers)
        np.add.at(self._sizes, places, np.abs(numbers))
        np.add.at(self._numbers, places, 1.0)

    def difference(self, own: Array) -> Array:
        """Return what is left for each parent, which adds its own; infinity where rounding may matter."""
        sizes = self._sizes + np.abs(own)
        if self._is_whole and _are_whole(own):
            is_rounded = sizes > EXACT
        else:
            is_rounded = sizes * (self._numbers + 2) * np.finfo(float).eps > CLOSE / 2
        with np.errstate(invalid="ignore"):
            return np.where(is_rounded, np.inf, self._sums + own)


def _are_whole(numbers: Array) -> bool:
    return bool(((np.rint(numbers) == numbers) | np.isnan(numbers)).all())


class Family:
    """All questions about the children of one reference."""

    def __init__(self, check: Any, reference: Reference, questions: Mapping[str, Question], parents: Parents) -> None:
        self.check = check
        self.reference = reference
        self.parents = parents
        self.complete = False
        self.questions = questions
        self.prefix = f"_{reference.field}."
        self._paths = set(paths_below(f"${self.prefix}", [one.each for one in questions.values()]))
        totals = [one for one in questions.values() if one.views]
        named = {name: one.columns[name] for one in totals for view in one.views for name in view}
        self.amounts = {name: column.children for name, column in named.items()}
        self._examined = dict.fromkeys(questions, 0)
        self._suspects: dict[Any, None] = {}
        self._totals: dict[str, _Total] = {}
        self._unusual = reference.many or any(one.each is None and not one.views for one in questions.values())
        parents.paths |= self._paths
        parents.sums |= {name: column.parents for name, column in named.items()}

    @property
    def is_ready(self) -> bool:
        """Return whether the parents are known."""
        return not self._unusual and self.parents.is_known

    def take(self, batch: Batch) -> None:
        """Look at the children of a batch."""
        try:
            self._look(batch)
        finally:  # what was computed with these parents is not that of others
            for key in [key for key in batch.cache if self.prefix in str(key)]:
                del batch.cache[key]

    def _look(self, batch: Batch) -> None:
        keys = cells(batch, values_at(batch, self.reference.field))
        places = self.parents.places(keys)
        for path in self._paths:
            batch.cache[self.prefix + path] = self.parents.values[path].at(places)
        keyed = keys.kinds != 0
        for name, question in self.questions.items():
            if question.each is None:
                continue
            examined, unsure = truth(question.each[0], batch)
            broken, doubtful = truth(question.each[1], batch)
            if (unsure & keyed).any():
                raise UnusualError
            self._examined[name] += int((examined & keyed).sum())
            self._suspect(
                values_at(batch, self.reference.field), np.flatnonzero(keyed & examined & (broken | doubtful))
            )
        for name, amount in self.amounts.items():
            self._add(name, amount, batch, places)

    def _suspect(self, keys: Values, places: Array) -> None:
        for place in places:
            self._suspects[_key(keys, int(place))] = None
        if not askable(list(self._suspects)):
            raise UnusualError

    def _add(self, name: str, amount: Any, batch: Batch, places: Array) -> None:
        """Add what a total is over, for each parent."""
        here = places >= 0
        numbers = _summed(_full(evaluate(amount, batch), len(batch)).at(np.where(here, np.arange(len(batch)), -1)))
        self._total(name).add(places[here], numbers[here])

    def _total(self, name: str) -> _Total:
        """Return a sum, which is 0 for each parent until children are added."""
        if name not in self._totals:
            self._totals[name] = _Total(len(self.parents.values[self.reference.target_field].codes))
        return self._totals[name]

    def found(self) -> Found | None:
        """Return what was found; None if the server has to be asked about all."""
        if not self.complete:
            return None
        try:
            for name, question in self.questions.items():
                if question.views:
                    self._compare(name, question.views)
        except UnusualError:
            return None
        return Found(self._examined, list(self._suspects))

    def _compare(self, rule: str, views: Sequence[tuple[str, str]]) -> None:
        """Suspect each parent whose totals are off in both views."""
        keys = self.parents.values[self.reference.target_field]
        keyed = (keys.codes != 0) & (keys.codes != NULL)
        over_all, over_live = ([self._difference(name) for name in names] for names in zip(*views, strict=True))
        all_off, live_off = (
            np.any([np.abs(one) > CLOSE for one in differences], axis=0) for differences in (over_all, over_live)
        )
        self._examined[rule] = int((keyed & ~np.isnan(over_all[0])).sum())
        self._suspect(keys, np.flatnonzero(keyed & all_off & live_off))

    def _difference(self, name: str) -> Array:
        """Return for each parent what is left of a sum when its own value is taken away."""
        return self._total(name).difference(_summed(self.parents.values[name]))


def _summed(values: Values) -> Array:
    """Return what values add to a sum. Raise UnusualError where that is not known; of NaN it is."""
    numbers = np.zeros(len(values.codes)) if values.numbers is None else values.numbers
    if ((values.codes == UNKNOWN) | (~values.sure & IS_NUMBER[values.codes] & ~np.isnan(numbers))).any():
        raise UnusualError
    return np.where(IS_NUMBER[values.codes], numbers, 0.0)


def _key(keys: Values, place: int) -> Any:
    """Return a key as the driver has it."""
    if keys.codes[place] == TEXT and keys.texts is not None:
        return bytes(keys.texts[place]).decode("utf-8", "replace")
    number = float(keys.numbers[place]) if keys.numbers is not None else 0.5
    if not number.is_integer():
        raise UnusualError
    return int(number)


def paths_below(prefix: str, expressions: Any) -> Iterator[str]:
    """Yield the paths in expressions that begin with a prefix, without it."""
    if isinstance(expressions, str):
        if expressions.startswith(prefix):
            yield expressions.removeprefix(prefix)
    elif isinstance(expressions, Mapping):
        for part in expressions.values():
            yield from paths_below(prefix, part)
    elif isinstance(expressions, list | tuple):
        for part in expressions:
            yield from paths_below(prefix, part)

"""Children and parents, more than memory holds: both are kept on disk in parts, and the parts are joined one by one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from threading import Event
from typing import Any, Final

from conformance.checks.base import Found
from conformance.checks.joins.columns import Family, Parents, Question, paths_below
from conformance.checks.joins.keys import askable
from conformance.columns.layout import Batch, UnusualError
from conformance.columns.spill import Spill
from conformance.model.collection import Reference

#: Parents that are held in memory at once, with the totals over their children: some 100 MB.
AT_ONCE: Final = 250_000
#: Parts, at most: each adds an array for every 128,000 documents.
_MOST_PARTS: Final = 64


def are_many(parents: int) -> bool:
    """Return whether so many documents are divided."""
    return parents > AT_ONCE


class DividedParents(Parents):
    """The documents of a collection that others refer to, in parts."""

    def __init__(self, target: str, key: str, number: int) -> None:
        super().__init__(target, key)
        self.parts = min(-(-number // AT_ONCE), _MOST_PARTS)
        self._is_finished = False

    @cached_property
    def _spill(self) -> Spill:
        return Spill(self.key, {*self.paths, *_fields(list(self.sums.values()))}, self.parts)

    def take(self, batch: Batch) -> None:
        """Keep what is asked for of a batch."""
        self._spill.take(batch)

    def finish(self) -> None:
        """Write what is left; if the disk is full, the children are left to the server."""
        with suppress(UnusualError):
            self._spill.flush()
            self._is_finished = True

    @property
    def is_known(self) -> bool:
        """Return whether all documents were taken."""
        return self._is_finished

    def part(self, number: int) -> Parents:
        """Return the documents of a part."""
        parents = Parents(self.collection, self.key)
        parents.paths, parents.sums = self.paths, self.sums
        for batch in self._spill.batches(number):
            parents.take(batch)
        parents.finish()
        return parents

    def close(self) -> None:
        """Free the disk."""
        self._spill.close()


class DividedFamily(Family):
    """All questions about the children of one reference, in parts."""

    parents: DividedParents

    def __init__(
        self, check: Any, reference: Reference, questions: Mapping[str, Question], parents: DividedParents, stop: Event
    ) -> None:
        super().__init__(check, reference, questions, parents)
        self._stop = stop
        expressions = [[one.each for one in questions.values()], self.amounts]
        own = {path for path in _fields(expressions) if not f"{path}.".startswith(self.prefix)}
        self._spill = Spill(reference.field, own, parents.parts)

    def take(self, batch: Batch) -> None:
        """Keep what is asked for of a batch."""
        self._spill.take(batch)

    def found(self) -> Found | None:
        """Return what was found; None if the server has to be asked about all."""
        if not self.complete:
            return None
        examined, suspects = dict.fromkeys(self.questions, 0), list[Any]()
        try:
            self._spill.flush()
            for number in range(self.parents.parts):
                part = self._part(number)
                if part is None or self._stop.is_set():
                    return None
                suspects += part.suspects
                for name, size in part.examined.items():
                    examined[name] += size
        except UnusualError:
            return None
        return Found(examined, suspects) if askable(suspects) else None

    def close(self) -> None:
        """Free the disk."""
        self._spill.close()

    def _part(self, number: int) -> Found | None:
        """Return what was found in a part."""
        family = Family(self.check, self.reference, self.questions, self.parents.part(number))
        if not family.is_ready:
            return None
        for batch in self._spill.batches(number):
            family.take(batch)
        family.complete = True
        return family.found()


def _fields(expressions: Any) -> set[str]:
    """Return the paths of fields in expressions."""
    return {path for path in paths_below("$", expressions) if not path.startswith("$")}

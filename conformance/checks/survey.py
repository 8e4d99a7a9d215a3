"""Read each collection once, as columns, and settle most of the rules about documents and references there.

The survey finds suspects: documents that may violate a rule, and keys whose documents may. The checks then ask the
server about these, and about all documents where a rule or a document is of a kind that columns do not have. So a
result, its count and its samples are always the server's; what is decided here is only that nothing else can be wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from threading import Event
from typing import Any

import bson
import numpy as np
from bson.errors import BSONError
from pymongo.errors import ConfigurationError, OperationFailure

from conformance.checks.base import Context, Found, Rule
from conformance.checks.document_scan import FEW, DocumentTest, Query, screens
from conformance.checks.grouped_bounds import GroupedBounds
from conformance.checks.joins.columns import Family, Parents, Question
from conformance.checks.joins.divided import DividedFamily, DividedParents, are_many
from conformance.checks.joins.join import Deletions, JoinTest
from conformance.columns.expressions import truth
from conformance.columns.layout import Array, Batch, UnusualError
from conformance.columns.queries import may_match
from conformance.columns.reading import batches
from conformance.connection.decoding import OPTIONS
from conformance.language.formulas.parents import parent_name
from conformance.model.collection import Collection, Reference


@dataclass
class _Test:
    """One rule about single documents, and what is known of it so far."""

    check: DocumentTest
    screen: Query
    examined: int = 0
    suspects: list[Any] = field(default_factory=list)
    many: bool = False

    def __post_init__(self) -> None:
        self._key = "screen", id(self.screen)  # tests of the whole schema share one screen, which is evaluated once

    def take(self, batch: Batch) -> None:
        """Examine a batch."""
        if self.check.guards:
            is_true, unsure = self._guarded(batch)
            if unsure.any():
                raise UnusualError
            self.examined += int(is_true.sum())
        else:
            self.examined += len(batch)
        if self.many:
            return
        at = np.flatnonzero(self._may_violate(batch))
        self.many = len(self.suspects) + len(at) > FEW
        self.suspects += [] if self.many else [identity(batch, int(place)) for place in at]

    def _guarded(self, batch: Batch) -> tuple[Array, Array]:
        in_columns = self.check.in_columns
        if in_columns is not None and in_columns.guards is not None:
            return in_columns.guards(batch)
        return truth({"$and": list(self.check.guards)}, batch)

    def _may_violate(self, batch: Batch) -> Array:
        if self.check.in_columns is not None:
            return self.check.in_columns.suspects(batch)
        if self._key not in batch.cache:
            batch.cache[self._key] = may_match(self.screen, batch)
        found: Array = batch.cache[self._key]
        return found

    def found(self) -> Found:
        """Return what was found."""
        return Found({"": self.examined}, self.suspects, many=self.many)


class _Deleted:
    """The search for documents of a collection that are marked as deleted."""

    def __init__(self, flag: str) -> None:
        self._is_set = {"$eq": [f"${flag}", True]}
        self.any = False

    def take(self, batch: Batch) -> None:
        """Examine a batch."""
        is_true, unsure = truth(self._is_set, batch)
        if unsure.any():
            raise UnusualError
        self.any |= bool(is_true.any())


def identity(batch: Batch, place: int) -> Any:
    """Return the _id of a document of the batch, as the driver has it."""
    at = int(batch.starts[place])
    size = int.from_bytes(batch.raw[at : at + 4], "little")
    column = batch.columns.get("_id")
    try:
        found = bson.decode(batch.raw[at : at + size], OPTIONS).get("_id")
    except BSONError:  # a date beyond Python's years, say
        raise UnusualError from None
    element = bson.encode({"_id": found})[4:-1]
    # Documents of a view may have none. One with bytes that are no text, say, may be read as that of another document.
    if column is None or not batch.raw.startswith(element, int(column.at[place]) - len(b"._id.")):
        raise UnusualError
    return found


def survey(context: Context, rules: Sequence[Rule], stop: Event) -> dict[Any, Found]:
    """Return what was found for the checks that could be settled in columns; ends early when ``stop`` is set."""
    try:
        return _Survey(context, rules, stop).findings()
    except OperationFailure:  # documents that the user may not count, say: each check will say that of its own
        return {}


class _Survey:
    def __init__(self, context: Context, rules: Sequence[Rule], stop: Event) -> None:
        self._context = context
        self._stop = stop
        self._close = ExitStack()
        self._tests: dict[str, list[_Test]] = defaultdict(list)
        self._families: dict[str, list[Family]] = defaultdict(list)
        self._parents: dict[tuple[str, str], Parents] = {}
        joins: dict[Reference, dict[str, Question]] = defaultdict(dict)
        tests = [rule.check for rule in rules if isinstance(rule.check, DocumentTest)]
        for test, query in zip(tests, screens(tests), strict=True):
            self._tests[test.collection].append(_Test(test, query))
        for rule in rules:
            check = rule.check
            if isinstance(check, JoinTest):
                name, target = check.reference.collection, check.reference.target
                part = check.part(Deletions(self._may_be_deleted(name), self._may_be_deleted(target)))
                joins[check.reference][rule.id] = Question(part.each, part.views, part.columns)
            elif isinstance(check, GroupedBounds):
                self._add(check, check.bounds.reference, {"": Question(check.bounds.each)})
        for reference, questions in joins.items():
            self._add(reference, reference, questions)

    def _may_be_deleted(self, name: str) -> bool:
        """Return whether documents of a collection may be marked as deleted; to ask may take a scan of it."""
        return self._context.deleted.get(name, self._context.model[name].soft_delete is not None)

    def _add(self, check: Any, reference: Reference, questions: dict[str, Question]) -> None:
        collection = self._context.model[reference.collection]
        if parent_name(collection, reference) != f"_{reference.field}" or reference.target == reference.collection:
            return
        target = reference.target, reference.target_field
        parents = self._parents.get(target) or self._parents.setdefault(target, self._new_parents(*target))
        if isinstance(parents, DividedParents):
            family: Family = self._close.enter_context(
                closing(DividedFamily(check, reference, questions, parents, self._stop))
            )
        else:
            family = Family(check, reference, questions, parents)
        self._families[collection.name].append(family)

    def _new_parents(self, target: str, key: str) -> Parents:
        try:
            number = self._context.collection(target).estimated_document_count()
        except OperationFailure:  # as for reading them
            number = 0
        if not are_many(number):
            return Parents(target, key)
        return self._close.enter_context(closing(DividedParents(target, key, number)))

    def findings(self) -> dict[Any, Found]:
        """Read the collections, parents before their children."""
        with self._close:
            return self._findings()

    def _findings(self) -> dict[Any, Found]:
        found: dict[Any, Found] = {}
        for collection in self._ordered():
            name = collection.name
            takers: list[Any] = [
                *self._tests[name],
                *(one for one in self._families[name] if one.is_ready),
                *(one for one in self._parents.values() if one.collection == name),
            ]
            if takers and collection.soft_delete is not None:
                takers.append(_Deleted(collection.soft_delete))
            for taker in self._read(collection, takers):
                if isinstance(taker, Parents):
                    taker.finish()
                elif isinstance(taker, _Deleted):
                    self._context.deleted.setdefault(name, taker.any)
                elif isinstance(taker, Family):
                    taker.complete = True
                elif isinstance(taker, _Test):
                    found[taker.check] = taker.found()
        for families in self._families.values():
            for family in families:
                result = family.found()
                if result is not None:
                    found[family.check] = result
        return found

    def _read(self, collection: Collection, takers: list[Any]) -> Iterator[Any]:
        """Show every batch to all takers; yield those that could take all of them."""
        objects = {one.path for one in collection.walk() if one.kind == "map"}
        left = list(takers)
        is_empty = True
        try:
            for batch in batches(self._context.collection(collection.name), objects) if left else ():
                if self._stop.is_set() or not left:
                    return
                is_empty = False
                for taker in list(left):
                    try:
                        taker.take(batch)
                    except UnusualError:
                        left.remove(taker)
        except (UnusualError, OperationFailure, ConfigurationError):  # what the user may not do, the check will say
            return
        if not is_empty:
            yield from left

    def _ordered(self) -> list[Collection]:
        """Return the collections, each after those that it refers to where that is possible."""
        ordered: dict[str, Collection] = {}
        model = self._context.model

        def visit(collection: Collection, above: tuple[str, ...]) -> None:
            for reference in collection.references:
                if reference.target not in above:
                    visit(model[reference.target], (*above, reference.target))
            ordered.setdefault(collection.name, collection)

        for collection in model:
            visit(collection, (collection.name,))
        return list(ordered.values())

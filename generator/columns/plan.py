"""The plan of a dataset: how many documents of what, in which order, and what is kept while streaming.

Collections are made parents first. A collection with children per document (orders and their items) is streamed in
batches together with them; of every other collection only the columns that later ones look at are kept, so memory
does not grow with the number of orders.
"""

from __future__ import annotations

import math
from collections.abc import Collection as Names
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np

from conformance.config.configuration import Configuration
from conformance.config.settings import Settings
from conformance.errors import ConfigurationError
from conformance.language.calendar import day_number, day_weight
from conformance.language.formulas.formula import Formula
from conformance.language.formulas.nodes import Column
from conformance.model.collection import Collection, Field, Model
from generator.columns import fan_out
from generator.columns.batch import Batch, Document
from generator.columns.needed import may_be_left_out, needed_later
from generator.columns.protocols import Calendar, Rows
from generator.embeddings.embedder import Embedder, local_embedder

Array = np.ndarray[Any, Any]

#: Documents per batch: large enough for NumPy to pay, small enough for the client to stay far below 400 MB.
BATCH: Final = 5_000
#: Documents of a collection whose schema has no x-cardinality.
_ANY_NUMBER: Final = 100


class Plan:
    """Everything a batch asks for that is larger than itself. One plan makes one dataset, once.

    ``given`` are documents that are not for the plan to invent, by collection: those of a database to go on from, or
    what somebody wrote of new ones. They stand in place of the catalogue's rows, with two differences: how many they
    are is not held against the schema, and an optional field that they lack stays absent.
    """

    def __init__(
        self,
        model: Model,
        configuration: Configuration,
        settings: Settings,
        embedder: Embedder | None = None,
        given: Mapping[str, Rows] | None = None,
    ) -> None:
        self.model = model
        self.configuration = configuration
        self.settings = settings
        self.embedder = embedder or local_embedder()
        self.given = given or {}
        self._retained: dict[str, dict[str, Array]] = {}
        self._presence: dict[str, dict[str, Array]] = {}
        self._offsets: dict[str, int] = {}
        self._needed = needed_later(model, self.fanned_out_from)
        #: By collection: the number of the parents' batch that was asked for last, and the children of each parent.
        self._fan_outs: dict[str, tuple[int, Array]] = {}
        self._equations: dict[str, Formula] = {}
        self._calendars: dict[str, Calendar] = {}
        self._pairs: dict[str, Mapping[str, Array]] = {}

    # -- sizes -----------------------------------------------------------------------------------------------------

    def catalogue(self, collection: Collection) -> Rows:
        """Return the given rows of a collection, else those of config/catalogue.yaml, or none."""
        rows = self.given.get(collection.name)
        return self.configuration.catalogue.get(collection.name, ()) if rows is None else rows

    def fanned_out_from(self, collection: Collection) -> Collection | None:
        """Return the collection in whose batches this one is made, if it has one or more per document."""
        declared = collection.cardinality
        if len(declared.get("per", ())) != 1 or list(declared["between"]) == [1, 1]:
            return None
        return self.model[declared["per"][0]]

    def size(self, collection: Collection) -> int:
        """Return how many documents a collection gets; 0 for one that is fanned out unless a setting says it."""
        declared, rows = collection.cardinality, self.catalogue(collection)
        if collection.name in self.given:
            return len(rows)
        if rows:
            wanted = self._rows_wanted(declared)
            if wanted is not None and not wanted[0] <= len(rows) <= wanted[1]:
                raise ConfigurationError(
                    f"{self.model.config('catalogue.yaml')}: {len(rows)} rows of {collection.name}, but its schema"
                    f" says {' to '.join(str(bound) for bound in dict.fromkeys(wanted))}; add or remove rows"
                )
            return len(rows)
        if "exactly" in declared:
            return int(declared["exactly"])
        if "setting" in declared:
            return self.settings.size(declared["setting"], self.configuration.generation.defaults)
        if not declared:
            return _ANY_NUMBER
        low, high = declared["between"]
        if "per" not in declared:
            return int((low + high) // 2)
        if self.fanned_out_from(collection):
            return 0
        product = math.prod(self._number(name) for name in declared["per"])
        return max(1, round(product * (low + high) / 2)) if product else 0

    def _number(self, name: str) -> int:
        """Return how many documents a collection has, once made, or gets: of one that is fanned out, 0 until then."""
        made = self._retained.get(name)
        return len(next(iter(made.values()))) if made else self.size(self.model[name])

    def _rows_wanted(self, declared: Mapping[str, Any]) -> tuple[int, int] | None:
        """Return how many fixed rows a cardinality allows; None when it depends on other collections."""
        if "exactly" in declared:
            return declared["exactly"], declared["exactly"]
        if "setting" in declared:
            size = self.settings.size(declared["setting"], self.configuration.generation.defaults)
            return size, size
        return tuple(declared["between"]) if "between" in declared and "per" not in declared else None

    def fan_out(self, parent: Batch, collection: Collection) -> Array:
        """Return how many children each document of a batch gets."""
        known = self._fan_outs.get(collection.name)
        if known is None or known[0] != parent.number:
            known = self._fan_outs[collection.name] = (parent.number, self._drawn_fan_out(parent, collection))
        return known[1]

    def _drawn_fan_out(self, parent: Batch, collection: Collection) -> Array:
        reference = next(r for r in collection.references if r.target == parent.collection.name)
        field = collection.field(reference.field)
        figure = field.sample.get("reference", {}).get("parent")
        low, high = fan_out.limits(collection)
        table = self.configuration.table(figure) if figure else dict.fromkeys(range(low, high + 1), 1.0)
        rng = parent.rng(field, f"{collection.name} per document")
        numbers = fan_out.drawn(collection, field, table, parent.size, rng)
        if "setting" in collection.cardinality and parent.collection.name not in self.given:
            total, parents = self.size(collection), self.size(parent.collection)
            fan_out.check_total(collection, total, parents)
            wanted = fan_out.quota(total, parents, parent.first, parent.size)
            numbers = fan_out.adjusted(numbers, wanted, (low, high), rng)
        return numbers

    def child_batch(self, parent: Batch, collection: Collection) -> Batch:
        """Return the children of a batch, numbered on from those of the batches before."""
        size = int(self.fan_out(parent, collection).sum())
        first = self._offsets.get(collection.name, 0)
        self._offsets[collection.name] = first + size
        return Batch(self, collection, first, size, parent.number, parent)

    # -- what batches share ----------------------------------------------------------------------------------------

    def retained(self, name: str) -> Mapping[str, Array]:
        """Return the kept columns of a finished collection; empty ones when it has no documents."""
        return self._retained.get(name) or dict.fromkeys(self._needed[name], np.empty(0, dtype=object))

    def retained_presence(self, name: str) -> Mapping[str, Array]:
        """Return where the kept columns that are optional are present."""
        return self._presence.get(name, {})

    def equation(self, collection: Collection, field: Field) -> Formula:
        """Return the formula of config/rules.yaml that gives a field its value."""
        name = f"{collection.name}.{field.path}"
        if name not in self._equations:
            equation = next((one for one in self.configuration.rules.equations if one.field == name), None)
            if equation is None:
                raise ConfigurationError(
                    f"{collection.path}: {field.path} is made by an equation, but config/rules.yaml has none for"
                    f" {name}; add one"
                )
            where = f"{self.model.config('rules.yaml')}: equation of {name}"
            self._equations[name] = Formula(str(equation.equals), self.model, collection, self.configuration, where)
        return self._equations[name]

    def calendar(self, collection: Collection) -> Calendar:
        """Return the distribution of a collection's documents over the days of the period, by the years' weights."""
        if collection.name not in self._calendars:
            field = next(field for field in collection.fields if "calendar" in field.sample)
            weights = self.configuration.table(field.sample["calendar"]["year_weights"])
            first = day_number(self.settings.start_date)
            days = np.arange(first, day_number(self.settings.end_date) + 1)
            years = days.astype("datetime64[D]").astype("datetime64[Y]").astype(int) + 1970
            by_year = {int(year): day_weight(weights, int(year)) for year in np.unique(years)}
            chance = np.array([by_year[int(year)] for year in years])
            rng = np.random.default_rng([self.settings.seed, len(collection.name), 0xCA1])
            sizes = rng.multinomial(self.size(collection), chance / chance.sum())
            self._calendars[collection.name] = Calendar(first, sizes, np.cumsum(sizes))
        return self._calendars[collection.name]

    def pairs(self, collection: Collection) -> Mapping[str, Array]:
        """For a collection with one document per parent or pair of parents: the parents' positions, by field."""
        declared = collection.cardinality
        if "per" not in declared or self.fanned_out_from(collection):
            return {}
        if collection.name not in self._pairs:
            fields = [next(r.field for r in collection.references if r.target == name) for name in declared["per"]]
            sizes = [len(next(iter(self.retained(name).values()))) for name in declared["per"]]
            rng = np.random.default_rng([self.settings.seed, len(collection.name), 0xFA1])
            total = int(np.prod(sizes))
            chosen = np.sort(rng.choice(total, self.size(collection), replace=False))
            self._pairs[collection.name] = dict(zip(fields, np.unravel_index(chosen, sizes), strict=True))
        return self._pairs[collection.name]

    # -- documents -------------------------------------------------------------------------------------------------

    def documents(self, names: Names[str] | None = None) -> Iterator[tuple[str, list[Document]]]:
        """Yield the whole dataset: (collection, documents) in an order in which every reference is to an earlier one.

        With ``names`` only the documents of those collections are made, although the others are there to refer to.
        """
        wanted = self.model.collections if names is None else names
        for collection in self._roots_in_order():
            yield from self._collection(collection, wanted)

    def _root(self, collection: Collection) -> Collection:
        parent = self.fanned_out_from(collection)
        return collection if parent is None else self._root(parent)

    def _roots_in_order(self) -> Iterator[Collection]:
        """Yield the collections that are not fanned out, each after everything that its whole family refers to."""
        waiting: dict[str, dict[str, bool]] = {}
        for collection in self.model:
            root = self._root(collection).name
            targets = waiting.setdefault(root, {})
            for reference in collection.every_reference:
                target = self._root(self.model[reference.target]).name
                if target != root:
                    targets[target] = targets.get(target, True) and may_be_left_out(collection, reference)
        while waiting:
            blocked = {name: targets.keys() & waiting.keys() for name, targets in waiting.items()}
            free = (name for name, by in blocked.items() if not by)
            # Of collections that refer to each other, the first one leaves its reference out: nothing is made yet.
            willing = (name for name, by in blocked.items() if all(waiting[name][target] for target in by))
            ready = next(free, None) or next(willing, None)
            if ready is None:
                raise ConfigurationError(
                    f"{self.model.root}/schemas: {', '.join(waiting)} and the collections made with them wait for each"
                    " other; change one x-cardinality, or make one x-reference optional"
                )
            del waiting[ready]
            yield self.model[ready]

    def _collection(self, collection: Collection, wanted: Names[str]) -> Iterator[tuple[str, list[Document]]]:
        size = self.size(collection)
        kept: dict[tuple[str, str], list[Column]] = {}
        for number, first in enumerate(range(0, size, BATCH)):
            batch = Batch(self, collection, first, min(BATCH, size - first), number)
            yield from self._family(batch, wanted)
            self._keep(batch, kept)
        for (name, field), columns in kept.items():
            values = [values for values, _ in columns]
            self._retained.setdefault(name, {})[field] = np.concatenate(values)
            if any(present is not None for _, present in columns):
                masks = [np.ones(len(v), dtype=bool) if present is None else present for v, present in columns]
                self._presence.setdefault(name, {})[field] = np.concatenate(masks)

    def _keep(self, batch: Batch, kept: dict[tuple[str, str], list[Column]]) -> None:
        """Note the columns that later collections look at, of the batch and of all that was made with it."""
        for name in sorted(self._needed[batch.collection.name]):
            kept.setdefault((batch.collection.name, name), []).append(batch.column(name))
        for child in batch.children.values():
            self._keep(child, kept)
        batch.children.clear()  # parent and children refer to each other: free them now, not when the GC comes by

    def _family(self, batch: Batch, wanted: Names[str]) -> Iterator[tuple[str, list[Document]]]:
        """Yield a batch, then its children, then their children."""
        if batch.collection.name in wanted:
            yield batch.collection.name, batch.documents()
        for collection in self.model:
            if self.fanned_out_from(collection) is batch.collection:
                yield from self._family(batch.children_of(collection.name), wanted)

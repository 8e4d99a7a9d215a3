"""A batch: some thousands of documents of one collection, as columns that are made when first asked for."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from conformance.errors import ConfigurationError
from conformance.language.formulas.formula import Total
from conformance.language.formulas.nodes import Column
from conformance.model.collection import Collection, Copy, Field, Reference
from conformance.model.kinds import MILLISECONDS
from generator.columns.indexed import keys_in_arrays, place
from generator.columns.nested import Nested
from generator.columns.nulls import Nulls
from generator.columns.protocols import Plan
from generator.columns.recipes import RECIPES
from generator.columns.references import keys, one_of_several
from generator.columns.samplers import emit, objects, sample

Array = np.ndarray[Any, Any]
Document = dict[str, Any]


class Batch:
    """Documents ``first`` to ``first + size`` of a collection; ``parent`` is the batch it was fanned out from.

    Columns are in inner form (see samplers.py). ``rows`` says, for each reference field, which documents of the
    referenced collection were chosen, by position.
    """

    def __init__(
        self, plan: Plan, collection: Collection, first: int, size: int, number: int, parent: Batch | None = None
    ) -> None:
        self.plan = plan
        self.collection = collection
        self.first = first
        self.size = size
        self.number = number
        self.parent = parent
        self.rows: dict[str, Array] = {}
        self.children: dict[str, Batch] = {}
        self._columns: dict[str, Column] = {}
        self._nulls = Nulls(self, self._column)
        self._making: set[str] = set()

    def rng(self, field: Field, purpose: str = "") -> np.random.Generator:
        """Return the random stream of a field in this batch: independent of every other field, batch and collection."""
        name = f"{self.collection.name}.{field.path}:{purpose}"
        return np.random.default_rng([self.plan.settings.seed, zlib.crc32(name.encode()), self.number])

    # -- columns ---------------------------------------------------------------------------------------------------

    def column(self, path: str) -> Column:
        """Return a field's values and where they are present (None if everywhere)."""
        return self._nulls.passed_on(path, *self._column(path))

    def _column(self, path: str) -> Column:
        """Return a field's values and where they are present in its object, which itself may be null."""
        if path not in self._columns:
            if path in self._making:
                raise ConfigurationError(
                    f"{self.collection.path}: the recipes of {', '.join(sorted(self._making))} wait for each other;"
                    " change one x-sample"
                )
            self._making.add(path)
            self._columns[path] = self._make(path)
            self._making.discard(path)
        return self._columns[path]

    def values(self, path: str) -> list[Any]:
        """Return a field's values as documents hold them."""
        if self.collection.has(path):
            field = self.collection.field(path)
            return emit(field.kind, self.column(path)[0], field.schema)
        return list(self.column(path)[0].tolist())

    def _make(self, path: str) -> Column:
        if not self.collection.has(path):
            reference_field, _, name = path.partition(".")
            reference = self.collection.reference(reference_field)
            return self._of_parent(reference, name)
        field = self.collection.field(path)
        rows = self.plan.catalogue(self.collection)
        if rows and field.name == field.path and any(field.name in row for row in rows):
            return self._everywhere(field, *_from_rows(field, rows[self.first : self.first + self.size]))
        if self.collection.name in self.plan.given and field.name == field.path and not field.required:
            return np.zeros(self.size), np.zeros(self.size, dtype=bool)
        if field.path == "_id" and self.collection.id_field:
            return self.column(self.collection.id_field)
        if field.path in (f"_id.{name}" for name in self.collection.id_parts):
            return self.column(field.name)
        copy = self._copy_of(field)
        if copy is not None:
            values, present = self._copied(copy)
        elif "equation" in field.sample:
            values, present = self._equation(field)
        else:
            values, present = self._sampled(field), None
        return self._everywhere(field, values, self._presence(field, present))

    def _everywhere(self, field: Field, values: Array, present: Array | None) -> Column:
        """Return the column as it is, or ConfigurationError when a required field would be absent in some documents."""
        if field.required and present is not None and self._nulls.lacks(field, present):
            raise ConfigurationError(
                f"{self.collection.path}: {field.path} is required, but what it is made from (rows of"
                " config/catalogue.yaml, or the fields of its equation) is absent in some documents; add it there"
            )
        return values, None if field.required else present

    def _copy_of(self, field: Field) -> Copy | None:
        return next((copy for copy in self.collection.copies if copy.field == field.path), None)

    def _copied(self, copy: Copy) -> Column:
        parts = [self._of_parent(copy.through, name) for name in copy.of]
        if len(parts) == 1:
            return parts[0]
        texts = zip(*(values.tolist() for values, _ in parts), strict=True)
        return objects([copy.separator.join(row) for row in texts]), None

    def _equation(self, field: Field) -> Column:
        formula = self.plan.equation(self.collection, field)
        for total in formula.totals:
            self._columns[total.name] = self._total(total)
        needed = (*formula.operands, *formula.optional, *formula.parents, *(t.name for t in formula.totals))
        keys = {one.key: (objects(self.values(one.key)), None) for one in formula.lookups.values()}
        values, present = formula.evaluate({**keys, **{name: self.column(name) for name in needed if name not in keys}})
        values = np.broadcast_to(values, self.size)
        if field.kind in ("money", "integer"):
            values = np.rint(values)  # within a tolerance, the nearest cent or whole number
        return (values.astype(np.int64) if field.kind == "integer" else values), present

    def _total(self, total: Total) -> Column:
        children = self.children_of(total.reference.collection)
        rows = children.parent_rows(total.reference.field)
        if total.formula is None:
            return np.bincount(rows, minlength=self.size)[: self.size].astype(np.float64), None
        formula = total.formula
        values, present = formula.evaluate({n: children.column(n) for n in (*formula.operands, *formula.optional)})
        if present is not None:
            values = np.where(present, values, 0.0)
        return np.bincount(rows, weights=values, minlength=self.size)[: self.size], None

    def _sampled(self, field: Field) -> Array:
        if field.kind == "map":
            return self._nulls.put(field, objects(list(self._maps(field))))
        recipe = next((name for name in RECIPES if name in field.sample), None)
        if recipe is None and isinstance(field.schema.get("x-reference"), list):
            return one_of_several(self, field)
        if recipe is None and "x-reference" in field.schema:
            recipe, parameter = "reference", self._default_reference(field)
        elif recipe is not None:
            parameter = field.sample[recipe]
        if recipe is None and field.path == self.collection.soft_delete:
            return np.zeros(self.size, dtype=bool)
        placed = place(self.collection, field, self.size, self.rng(field)) if recipe is None else None
        if placed is not None:
            return placed
        if recipe is None and field.kind in ("list", "dictionary"):
            draw_from = partial(keys, self)
            made_by = Nested(self.rng(field), self.collection, draw_from, keys_in_arrays(self.collection), self.first)
            if self.collection.nullable_above(field.path) and not made_by.can_be_made(field):
                self.rows[field.path] = np.full(self.size, -1)
                return objects([None] * self.size)
            return made_by.column(field, self.size)
        if recipe is None:
            return sample(field, self.size, self.rng(field), self.first)
        return RECIPES[recipe](self, field, parameter)

    def _default_reference(self, field: Field) -> Mapping[str, Any]:
        if self.parent is not None and self.collection.reference(field.path).target == self.parent.collection.name:
            return {"parent": ""}
        return {"each": True} if field.path in self.plan.pairs(self.collection) else {}

    def _maps(self, field: Field) -> Iterator[Document]:
        columns = [
            (child.name, emit(child.kind, values, child.schema), present)
            for child in field.children
            for values, present in [self.column(child.path)]
        ]
        for row in range(self.size):
            yield {name: values[row] for name, values, present in columns if present is None or present[row]}

    def _presence(self, field: Field, present: Array | None) -> Array | None:
        if field.required:
            return present
        if field.path in self.rows and present is None and (self.rows[field.path] < 0).any():
            present = self.rows[field.path] >= 0
        if "present" not in field.sample and ("equation" in field.sample or self._copy_of(field)):
            return present
        share = field.sample.get("present", 0.5)
        chance = self.plan.configuration.number(share) if isinstance(share, str) else share
        drawn: Array = self.rng(field, "present").random(self.size) < chance
        return drawn if present is None else drawn & present

    # -- parents and children --------------------------------------------------------------------------------------

    def parents(self, reference: Reference) -> Mapping[str, Array]:
        """Return the columns of the referenced collection: of this batch, of those made with it, or of all of it."""
        if reference.target == self.collection.name:
            return _BatchColumns(self)
        if self.parent is not None:
            made_with, target = self.parent.collection, self.plan.model[reference.target]
            if target is made_with:
                return _BatchColumns(self.parent)
            if self.plan.fanned_out_from(target) is made_with:
                return _BatchColumns(self.parent.children_of(target.name))
        return self.plan.retained(reference.target)

    def parent_size(self, field: str) -> int:
        """Return how many documents a reference field may refer to."""
        reference = self.collection.reference(field)
        return len(self.parents(reference)[reference.target_field])

    def parent_rows(self, field: str) -> Array:
        """Return the position of each document's parent in the batch of the parents; beyond its end for no parent."""
        if self.collection.reference(field).target == self.collection.name:
            _, present = self.column(field)
            rows = self.rows[field]
            return np.where((rows >= 0) & (True if present is None else present), rows, self.size)
        if field not in self.rows:
            assert self.parent is not None  # noqa: S101 - only fanned-out collections are given this recipe
            self.rows[field] = np.repeat(np.arange(self.parent.size), self.plan.fan_out(self.parent, self.collection))
        return self.rows[field]

    def children_of(self, name: str) -> Batch:
        """Return the documents that are made with this batch; of the own collection, the batch itself."""
        if name == self.collection.name:
            return self
        if name not in self.children:
            self.children[name] = self.plan.child_batch(self, self.plan.model[name])
        return self.children[name]

    def _of_parent(self, reference: Reference, name: str) -> Column:
        values, present = self.column(reference.field)
        parents = self.parents(reference)
        if reference.field not in self.rows:
            position = {key: row for row, key in enumerate(parents[reference.target_field])}
            self.rows[reference.field] = np.array([position[key] for key in values])
        rows = self.rows[reference.field]
        if (rows < 0).all():
            return objects([None] * self.size), np.zeros(self.size, dtype=bool)
        own = reference.target == self.collection.name
        given = self.column(name)[1] if own else self.plan.retained_presence(reference.target).get(name)
        if given is not None:
            present = given[rows] if present is None else given[rows] & present
        if (rows < 0).any():
            present = (rows >= 0) if present is None else (rows >= 0) & present
        return parents[name][rows], present

    # -- documents -------------------------------------------------------------------------------------------------

    def documents(self) -> list[Document]:
        """Return the batch as documents, fields in the order of the schema, absent ones left out."""
        names = [field.name for field in self.collection.fields]
        columns = [self.column(field.path) for field in self.collection.fields]
        pairs = zip(self.collection.fields, columns, strict=True)
        emitted = [emit(field.kind, values, field.schema) for field, (values, _) in pairs]
        documents = [dict(zip(names, row, strict=True)) for row in zip(*emitted, strict=True)]
        for name, (_, present) in zip(names, columns, strict=True):
            if present is not None:
                for row in np.flatnonzero(~present).tolist():
                    del documents[row][name]
        return documents


class _BatchColumns(Mapping[str, Array]):
    """The columns of a batch, by field name, without their presence."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch

    def __getitem__(self, name: str) -> Array:
        return self._batch.column(name)[0]

    def __iter__(self) -> Iterator[str]:
        return (field.name for field in self._batch.collection.fields)

    def __len__(self) -> int:
        return len(self._batch.collection.fields)


def _from_rows(field: Field, rows: Sequence[Mapping[str, Any]]) -> Column:
    """Return a column from given or fixed rows; a row without the key has no such field."""
    present = np.array([field.name in row for row in rows])
    if not present.any():
        return np.zeros(len(rows)), present
    filler = next(row[field.name] for row in rows if field.name in row)
    values: list[Any] = [row.get(field.name, filler) for row in rows]
    if field.kind == "money":
        return np.array([float(round(100 * value)) for value in values]), None if present.all() else present
    if field.kind == "timestamp":
        milliseconds = np.array([value.rstrip("Z") for value in values], dtype="datetime64[ms]").astype(np.int64)
        precise = field.schema["x-timestamp"] == MILLISECONDS
        return milliseconds / 1000 if precise else milliseconds // 1000, None if present.all() else present
    return objects(values), None if present.all() else present

"""Profile of one path of a collection's documents: types with counts, texts, numbers, and the paths below it.

Values arrive in columns (all values of a path in a batch), so that Python's own loops, which are in C, do the counting.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final

from bson import Binary, DBRef, Int64, ObjectId

from conformance.inspection.key_values import KeyValues
from conformance.inspection.name_forms import NameForms
from conformance.inspection.names import is_refused
from conformance.inspection.text_forms import TextForms
from conformance.model.kinds import MAX_INTEGER
from conformance.text.rendering import bson_type

#: Names below one path that are told apart. A path with more is a map whose keys are data: they are counted together.
MAX_NAMES: Final = 400
#: Shapes of the objects in a batch that are handled as columns; objects of more shapes are taken one by one.
_MAX_SHAPES: Final = 64
#: Characters of a text that may be a key.
_LONGEST_KEY: Final = 200
_ID: Final = "_id"
#: Stand for the elements of an array and for the values of a map whose keys are data.
ELEMENTS: Final = "[]"
VALUES: Final = "*"
#: One step: a name, or one of the two above. A name is a tuple of one, so that it is never taken for one of them.
Step = str | tuple[str]
Path = tuple[Step, ...]

Column = Sequence[Any]


class Profile:
    """Counts of all values at one path. ``parents`` is how many objects or arrays could have held one."""

    def __init__(self, path: Path = ()) -> None:
        self.path = path
        self.types: Counter[str] = Counter()
        self.fields: dict[str, Profile] = {}
        self.elements: Profile | None = None
        self.values: Profile | None = None
        self.texts = TextForms()
        self.keys: KeyValues | None = KeyValues()
        self.true = 0
        self.largest_array = 0
        self.beyond_exact = 0
        self.not_finite = 0
        self.fractions = 0
        self.least: float = math.inf
        self.greatest: float = -math.inf
        self.empty = 0
        self.refused_names = 0
        self.name_forms = NameForms()

    @property
    def count(self) -> int:
        """Return how many values there are, null included."""
        return self.types.total()

    def add(self, column: Column) -> None:
        """Count the values of a batch."""
        kinds = Counter(map(type, column))
        for kind, number in kinds.items():
            part = column if len(kinds) == 1 else [value for value in column if type(value) is kind]
            self.types[_name(kind, part)] += number
            count = _COUNTERS.get(kind)
            if count is not None:
                count(self, part)
            elif kind is not type(None):
                self.keys = None

    def walk(self) -> Iterator[Profile]:
        """Yield the path itself, then every path below it."""
        yield self
        for below in self.below():
            yield from below.walk()

    def below(self) -> Iterator[Profile]:
        """Yield the paths directly below this one."""
        yield from self.fields.values()
        yield from filter(None, (self.elements, self.values))

    def at(self, path: Path) -> Profile:
        """Return the profile of a path that was counted."""
        profile = self
        for step in path:
            profile = next(below for below in profile.below() if below.path[-1] == step)
        return profile

    # -- Objects and arrays --------------------------------------------------------------------------------------------

    def add_objects(self, objects: Column) -> None:
        """Count the fields of objects, or of the documents themselves."""
        self.keys = None
        if self.values is not None:
            if not self.path:
                objects = self._apart(objects)
            self.values.count_names(Counter(chain.from_iterable(objects)))
            self.values.add(list(chain.from_iterable(each.values() for each in objects)))
            return
        for name, column in _columns(objects).items():
            if name not in self.fields:
                self.fields[name] = Profile((*self.path, (name,)))
            self.fields[name].add(column)
        self.empty += sum(not each for each in objects)
        if len(self.fields) > MAX_NAMES:
            self.join_fields()

    def join_fields(self) -> None:
        """From now on, take the names here for data: the values below all of them are counted together."""
        joined = Profile((*self.path, VALUES))
        kept = {_ID: self.fields.pop(_ID)} if not self.path and _ID in self.fields else {}
        for field in self.fields.values():
            joined.merge(field)
        joined.count_names({name: field.count for name, field in self.fields.items()})
        self.fields, self.values = kept, joined

    def _apart(self, documents: Column) -> Column:
        """Count the _id of documents whose other names are data; return what is left of them."""
        self.fields[_ID].add([each[_ID] for each in documents])
        return [{name: value for name, value in each.items() if name != _ID} for each in documents]

    def count_names(self, counted: Mapping[str, int]) -> None:
        """Count, at the values of a map, the names that they have there."""
        self.refused_names += sum(number for name, number in counted.items() if is_refused(name))
        self.name_forms.add(counted)

    def merge(self, other: Profile) -> None:
        """Add the counts of another path."""
        self.types += other.types
        self.texts.merge(other.texts)
        for name in ("true", "beyond_exact", "not_finite", "fractions", "empty", "refused_names"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.largest_array = max(self.largest_array, other.largest_array)
        self.least, self.greatest = min(self.least, other.least), max(self.greatest, other.greatest)
        if self.keys is not None and other.keys is not None:
            self.keys.merge(other.keys)
        else:
            self.keys = None
        self.name_forms.merge(other.name_forms)
        for below in other.below():
            self._own(below.path[-1]).merge(below)

    def _own(self, step: Step) -> Profile:
        """Return the path below this one that the step leads to, made when there is none."""
        path = (*self.path, step)
        if isinstance(step, tuple):
            return self.fields.setdefault(step[0], Profile(path))
        if step == ELEMENTS:
            self.elements = self.elements or Profile(path)
            return self.elements
        self.values = self.values or Profile(path)
        return self.values

    def _add_arrays(self, arrays: Column) -> None:
        self.keys = None
        self.largest_array = max(self.largest_array, max(map(len, arrays)))
        self._own(ELEMENTS).add(list(chain.from_iterable(arrays)))

    # -- Scalars -------------------------------------------------------------------------------------------------------

    def _add_texts(self, texts: Column) -> None:
        counted = Counter(texts)
        self.texts.add(counted)
        if self.texts.longest > _LONGEST_KEY:
            self.keys = None
        if self.keys is not None:
            self.keys.add(counted, len(texts))

    def _add_integers(self, numbers: Column) -> None:
        least, greatest = min(numbers), max(numbers)
        self.least, self.greatest = min(self.least, least), max(self.greatest, greatest)
        if least < -MAX_INTEGER or greatest > MAX_INTEGER:
            self.beyond_exact += sum(not -MAX_INTEGER <= number <= MAX_INTEGER for number in numbers)
        self._add_keys(numbers)

    def _add_doubles(self, numbers: Column) -> None:
        if not math.isfinite(sum(numbers)):
            self.not_finite += sum(not math.isfinite(number) for number in numbers)
            numbers = [number for number in numbers if math.isfinite(number)]
            if not numbers:
                self.keys = None
                return
        self.least, self.greatest = min(self.least, min(numbers)), max(self.greatest, max(numbers))
        fractions = len(numbers) - sum(map(float.is_integer, numbers))
        self.fractions += fractions
        if fractions:
            self.keys = None
        self._add_keys(numbers)

    def _add_booleans(self, values: Column) -> None:
        self.true += sum(values)
        self.keys = None

    def _add_keys(self, values: Column) -> None:
        if self.keys is not None:
            self.keys.add(set(values), len(values))


_COUNTERS: Final[Mapping[type, Callable[[Profile, Column], None]]] = {
    dict: Profile.add_objects,
    list: Profile._add_arrays,
    str: Profile._add_texts,
    int: Profile._add_integers,
    Int64: Profile._add_integers,
    float: Profile._add_doubles,
    bool: Profile._add_booleans,
    ObjectId: Profile._add_keys,
    bytes: Profile._add_keys,
    Binary: Profile._add_keys,
}
_NAMES: dict[type, str] = {dt.datetime: "date", DBRef: "dbRef"}


def _name(kind: type, values: Column) -> str:
    """Return the name of the values' BSON type."""
    if kind not in _NAMES:
        _NAMES[kind] = bson_type(values[0])
    return _NAMES[kind]


def _columns(objects: Column) -> Mapping[str, Column]:
    """Return the values of each name; objects with the same names are turned into columns at once."""
    shapes: dict[tuple[str, ...], list[Any]] = {}
    for each in objects:
        shapes.setdefault(tuple(each), []).append(each)
    if len(shapes) == 1:
        ((names, alike),) = shapes.items()
        return dict(zip(names, zip(*map(dict.values, alike), strict=True), strict=True))
    columns: dict[str, list[Any]] = {}
    if len(shapes) > _MAX_SHAPES:
        for each in objects:
            for name, value in each.items():
                columns.setdefault(name, []).append(value)
        return columns
    for names, alike in shapes.items():
        for name, column in zip(names, zip(*map(dict.values, alike), strict=True), strict=True):
            columns.setdefault(name, []).extend(column)
    return columns

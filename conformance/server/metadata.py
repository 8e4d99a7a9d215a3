"""Options and indexes of a collection on a server, in a form that can be compared with the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pymongo.database import Database
from pymongo.errors import OperationFailure

from conformance.connection.collation import SIMPLE_SPEC
from conformance.model.index_options import same_option, stated
from conformance.model.indexes import Index
from conformance.text.rendering import render, shorten

Keys = tuple[tuple[str, int | str], ...]

#: The language of a text index that names none.
TEXT_LANGUAGE: Final = "english"

_NOT_ON_A_VIEW: Final = 166
#: Options that are compared by themselves, and those that say how an index is stored or was built, not what it finds.
_NEUTRAL: Final = frozenset(
    {"v", "ns", "key", "name", "unique", "weights", "default_language", "background", "textIndexVersion"}
    | {"2dsphereIndexVersion", "clustered", "storageEngine", "dropDups", "safe"}
)
#: Options that say no more than an index without them does.
_DEFAULTS: Final[Mapping[str, Any]] = {
    "language_override": "language",
    "collation": SIMPLE_SPEC,
    "bits": 26,
    "min": -180,
    "max": 180,
}
#: Options that make an index unfit for some queries on its leading field.
_RESTRICTING: Final = frozenset({"partialFilterExpression", "collation", "hidden"})


@dataclass(frozen=True)
class LiveCollection:
    """A collection as `listCollections` shows it; ``type`` is collection, view or timeseries."""

    name: str
    type: str
    options: Mapping[str, Any]

    @property
    def validator(self) -> Mapping[str, Any]:
        """The validator; empty when there is none."""
        return self.options.get("validator") or {}

    @property
    def level(self) -> str:
        """validationLevel; what is not said is strict."""
        return str(self.options.get("validationLevel", "strict"))

    @property
    def action(self) -> str:
        """validationAction; what is not said is error."""
        return str(self.options.get("validationAction", "error"))

    @property
    def images(self) -> bool:
        """True when changeStreamPreAndPostImages is enabled."""
        return bool(self.options.get("changeStreamPreAndPostImages", {}).get("enabled"))

    @property
    def collation(self) -> str | None:
        """The default collation in words; None where values are compared exactly, as the model wants it."""
        found = self.options.get("collation")
        if not found:
            return None
        strength = f", strength {found['strength']}" if "strength" in found else ""
        return f"the default collation {found.get('locale')}{strength}"

    @property
    def losing(self) -> str | None:
        """Return why the server deletes documents on its own, in words; None where it does not."""
        if self.options.get("capped"):
            return "it is capped"
        if "expireAfterSeconds" in self.options:
            return f"it deletes documents {self.options['expireAfterSeconds']} seconds after the time in their _id"
        return None


@dataclass(frozen=True)
class LiveIndex:
    """An index, alike for one that a server lists and one that a model declares.

    The fields of a text index stand in ``keys`` in alphabetical order, as the server keeps them. ``options`` is
    whatever else changes what the index finds; ``spec`` is the definition that `createIndexes` takes.
    """

    name: str
    keys: Keys
    unique: bool
    weights: Mapping[str, int]
    language: str | None
    options: Mapping[str, Any]
    spec: Mapping[str, Any]

    @property
    def text(self) -> bool:
        """True for a text index, of which a collection can have one."""
        return self.language is not None

    @property
    def wildcard(self) -> bool:
        """True for an index on every field below a path, which is not ordered by any of them."""
        return any(path.rpartition(".")[2] == "$**" for path, _ in self.keys)

    @property
    def unrestricted(self) -> bool:
        """True when any query on the leading field may use the index."""
        return not self.text and not self.wildcard and not _RESTRICTING & self.options.keys()

    def leads(self, path: str) -> bool:
        """Return True when a look-up by the field can use the index."""
        return self.unrestricted and self.keys[0] in ((path, 1), (path, -1), (path, "hashed"))


def live_collections(database: Database[dict[str, Any]]) -> dict[str, LiveCollection]:
    """Every collection and view of the database by name."""
    return {
        info["name"]: LiveCollection(info["name"], info.get("type", "collection"), info.get("options", {}))
        for info in database.list_collections()
    }


def live_indexes(database: Database[dict[str, Any]], name: str) -> tuple[LiveIndex, ...]:
    """Return the indexes of a collection, `_id_` first; none when there is no such collection (a view is not one)."""
    try:
        return tuple(listed_index(spec) for spec in database[name].list_indexes())
    except OperationFailure as error:
        if error.code == _NOT_ON_A_VIEW:
            return ()
        raise


def declared_index(index: Index) -> LiveIndex:
    """Return the model's index in the form the server lists it."""
    spec: dict[str, Any] = {"name": index.name, "key": dict(index.keys)}
    if index.unique:
        spec["unique"] = True
    if "text" in spec["key"].values():
        spec["weights"] = {path: index.weights.get(path, 1) for path, kind in index.keys if kind == "text"}
        spec["default_language"] = TEXT_LANGUAGE
    return listed_index({**spec, **index.options})


def listed_index(spec: Mapping[str, Any]) -> LiveIndex:
    """Return an index from its definition, as `listIndexes` gives it or `createIndexes` takes it."""
    weights = {path: int(weight) for path, weight in sorted(spec.get("weights", {}).items())}
    keys = tuple(_keys(spec["key"], list(weights)))
    options = {
        option: value
        for option, value in spec.items()
        if option not in _NEUTRAL and value is not False and value != _DEFAULTS.get(option)
    }
    return LiveIndex(
        name=spec["name"],
        keys=keys,
        unique=bool(spec.get("unique")) or keys == (("_id", 1),),
        weights=weights,
        language=spec.get("default_language", TEXT_LANGUAGE) if weights else None,
        options=options,
        spec={option: value for option, value in spec.items() if option not in ("v", "ns")},
    )


def differences(wanted: LiveIndex, actual: LiveIndex) -> list[str]:
    """Return how an index differs from the one that is wanted, each in words; empty when it serves as well."""
    found = []
    if actual.keys != wanted.keys:
        found.append(f"its keys are {in_words(actual.keys)} instead of {in_words(wanted.keys)}")
    if actual.unique != wanted.unique:
        found.append("it is not unique" if wanted.unique else "it is unique, but the model declares it as not unique")
    if actual.weights != wanted.weights and actual.keys == wanted.keys:
        found.append(f"its weights are {render(actual.weights)} instead of {render(wanted.weights)}")
    if actual.language != wanted.language and actual.text and wanted.text:
        found.append(f"its default_language is {actual.language} instead of {wanted.language}")
    return found + list(_option_differences(wanted.options, actual.options))


def _option_differences(wanted: Mapping[str, Any], actual: Mapping[str, Any]) -> Iterator[str]:
    for option, value in actual.items():
        if option not in wanted:
            yield f"it has {option} {_said(option, value)}; the model declares none"
        elif not same_option(option, wanted[option], value):
            yield f"its {option} is {_said(option, value)} instead of {_said(option, wanted[option])}"
    yield from (f"it lacks {option} {_said(option, value)}" for option, value in wanted.items() if option not in actual)


def _said(option: str, value: Any) -> str:
    return shorten(stated(option, value))


def in_words(keys: Keys) -> str:
    """Keys as a reviewer reads them, such as "store_id, order_date (descending)"."""
    return ", ".join(path if kind == 1 else f"{path} ({_KINDS.get(kind, kind)})" for path, kind in keys)


def option_words(index: LiveIndex) -> str:
    """Return the options of an index in words, after a comma each; empty where it has none."""
    return "".join(f", {option} {shorten(value)}" for option, value in index.options.items())


def is_prefix(shorter: Sequence[tuple[str, int | str]], longer: Sequence[tuple[str, int | str]]) -> bool:
    """Return True when ``longer`` starts with ``shorter``, read forwards or, every direction turned, backwards."""
    start = tuple(longer[: len(shorter)])
    turned = tuple((path, -kind if isinstance(kind, int) else kind) for path, kind in start)
    return tuple(shorter) in (start, turned)


_KINDS: Final[Mapping[int | str, str]] = {-1: "descending", "text": "text"}


def _keys(key: Mapping[str, Any], text: Sequence[str]) -> Iterator[tuple[str, int | str]]:
    """Yield the key pattern with a text index's own fields, once, where the server keeps its `_fts`."""
    done = False
    for path, kind in key.items():
        if path == "_ftsx" and text:
            continue
        if kind == "text":
            if not done:
                yield from ((name, "text") for name in text)
            done = True
        else:
            yield path, kind if isinstance(kind, str) else (1 if kind > 0 else -1)

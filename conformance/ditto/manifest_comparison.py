"""The differences of a BigPeerDataBridge that exists from what the model asks of the connector."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from conformance.ditto.connector import CONNECTOR_FILE, unfit_for_ids
from conformance.ditto.manifest import API_VERSION, KIND, LABELS, Bridged, Plan, as_keys
from conformance.files.yaml_documents import Located
from conformance.model.collection import Model
from conformance.text.rendering import named, shorten
from conformance.text.suggestion import nearest

#: A collection's optional keys: the kind of difference, and the operator's default.
_OPTIONAL: Final[Mapping[str, tuple[str, Any]]] = {
    "initialSync": ("initial_sync", False),
    "mode": ("mode", "native"),
    "dqlStrictMode": ("strict_mode", True),
}
_COLLECTION_KEYS: Final = ("fields", *_OPTIONAL)
_CONNECTOR_KEYS: Final = ("connectionSecret", "database", "collections")
_CONNECTOR: Final = ("spec", "bridge", "mongoConnector")
_PRINTED: Final = "as `zava connector manifest` prints it"


@dataclass(frozen=True)
class Difference:
    """One difference of a manifest from the model. ``collection`` is empty where it concerns the whole resource."""

    line: int
    kind: str
    collection: str
    found: str
    expected: str
    fix: str

    def describe(self, file: str) -> str:
        """Return the difference as one line."""
        return f"{file}:{self.line}: {self.found}; {self.expected}; {self.fix}"


def bridges(documents: Sequence[Located]) -> list[Located]:
    """Return the resources that configure the MongoDB connector, of documents and of the items of a List.

    Other resources, and data bridges of other kinds, are not returned.
    """
    return [one for document in documents for one in (_items(document) or [document]) if _is_bridge(one)]


def _items(document: Located) -> list[Located]:
    kind, items = document.get("kind"), document.get("items")
    if kind is None or items is None or not str(kind.value).endswith("List"):
        return []
    return items.value if isinstance(items.value, list) else []


def _is_bridge(resource: Located) -> bool:
    kind, version, bridge = resource.get("kind"), resource.get("apiVersion"), resource.get("spec", "bridge")
    if kind is None or kind.value != KIND:
        return False
    other_group = version is not None and not str(version.value).startswith(API_VERSION.partition("/")[0])
    other_bridge = bridge is not None and bridge.value and resource.get(*_CONNECTOR) is None
    return not other_group and not other_bridge


def compare(model: Model, plan: Plan, resources: Sequence[Located]) -> list[Difference]:
    """Return every difference of the resources from the plan, in the order of their lines."""
    differences: list[Difference] = []
    lines: dict[str, int] = {}
    for resource in resources:
        differences += _of_the_resource(plan, resource)
        for name, given in _entries(resource.get(*_CONNECTOR, "collections")):
            if name in lines:
                found = f"{named(name)} is synced by two bridges (the first on line {lines[name]})"
                differences.append(_difference(given, "twice", name, found, "one was expected", "remove it from one"))
            lines.setdefault(name, given.line)
            differences += _of_the_collection(model, plan, name, given)
    missing = [name for name in plan.collections if name not in lines]
    differences += [_missing(name, plan.collections[name], resources[0]) for name in missing]
    return sorted(differences, key=lambda each: each.line)


def _entries(given: Located | None) -> Sequence[tuple[str, Located]]:
    return list(given.value.items()) if given is not None and isinstance(given.value, Mapping) else []


def _difference(at: Located, kind: str, collection: str, found: str, expected: str, fix: str) -> Difference:
    return Difference(at.line, kind, collection, found, expected, fix)


def _stated(name: str, given: Located | None) -> str:
    return f"{name} is not set" if given is None else f"{name} is {shorten(given.plain)}"


def _of_the_resource(plan: Plan, resource: Located) -> Iterator[Difference]:
    version = resource.get("apiVersion")
    if version is None or version.value != API_VERSION:
        expected, fix = f"{API_VERSION} was expected", f"write apiVersion: {API_VERSION}"
        yield _difference(version or resource, "api_version", "", _stated("apiVersion", version), expected, fix)
    for label, what in LABELS.items():
        value = resource.get("metadata", "labels", label)
        if value is None or not isinstance(value.value, str) or not value.value:
            at = value or resource.get("metadata", "labels") or resource.get("metadata") or resource
            expected, fix = f"the name of {what} was expected", f"set {label} below metadata.labels"
            yield _difference(at, "label", "", _stated(f"label {label}", value), expected, fix)
    connector = resource.get(*_CONNECTOR)
    if connector is None:  # then every collection is reported as missing
        return
    yield from _unknown_keys(connector, "mongoConnector", _CONNECTOR_KEYS, "")
    secret = connector.get("connectionSecret")
    if secret is None or not _names_a_secret(secret):
        found = "connectionSecret is not set" if secret is None else "connectionSecret does not name a secret"
        expected, fix = "the secret with the connection string was expected", f"write it {_PRINTED}"
        yield _difference(secret or connector, "secret", "", found, expected, fix)
    database = connector.get("database")
    if database is None or database.value != plan.database:
        expected, fix = f"{plan.database} was expected", f"write database: {plan.database}"
        yield _difference(database or connector, "database", "", _stated("database", database), expected, fix)


def _names_a_secret(secret: Located) -> bool:
    """Return whether there is one source, such as ``kubernetesSecret``, and no key of it is empty."""
    sources = [each for _, each in _entries(secret)]
    return len(sources) == 1 and bool(_entries(sources[0])) and all(each.value for _, each in _entries(sources[0]))


def _missing(name: str, wanted: Bridged, resource: Located) -> Difference:
    path = (*_CONNECTOR, "collections")
    nearest_parts = (resource.get(*path[:depth]) for depth in range(len(path), -1, -1))
    at = next(each for each in nearest_parts if each is not None)
    expected = f"fields [{', '.join(wanted.fields)}] were expected"
    return _difference(at, "missing", name, f"{name} is not synced", expected, f"add it {_PRINTED}")


def _of_the_collection(model: Model, plan: Plan, name: str, given: Located) -> Iterator[Difference]:
    wanted, shown = plan.collections.get(name), named(name)
    if wanted is not None:
        yield from _unknown_keys(given, shown, _COLLECTION_KEYS, name)
        yield from _id_fields(model, name, given, wanted)
        yield from _optional_keys(name, given, wanted)
    elif name in plan.excluded:
        expected = f"config/{CONNECTOR_FILE} keeps it in MongoDB"
        yield _difference(given, "excluded", name, f"{shown} is synced", expected, "remove it")
    else:
        near = nearest(name, plan.collections)
        fix = f"remove it, or write {near}" if near else "remove it"
        yield _difference(given, "extra", name, f"{shown} is synced", "the model has no such collection", fix)


def _unknown_keys(given: Located, where: str, known: Sequence[str], collection: str) -> Iterator[Difference]:
    for key, value in _entries(given):
        if key not in known:
            near = nearest(key, known)
            found, expected = f"{where} has the key {named(key)}", f"one of {', '.join(known)} was expected"
            fix = f"write {near}" if near else "remove it"
            yield _difference(value, "unknown_key", collection, found, expected, fix)


def _id_fields(model: Model, name: str, given: Located, wanted: Bridged) -> Iterator[Difference]:
    fields = given.get("fields")
    stated = fields.plain if fields is not None else None
    names = stated if isinstance(stated, list) and all(isinstance(each, str) for each in stated) else []
    if sorted(names) == sorted(wanted.fields):  # Ditto sorts the keys of an _id: their order has no meaning
        return
    found = _stated(f"{name}.fields", fields)
    if names:
        unfit = [] if names == ["_id"] else unfit_for_ids(model[name], names)
        reasons = [why.partition(";")[0] for why in unfit]
        found = f"{name}.fields is [{', '.join(map(named, names))}]" + (f" ({', '.join(reasons)})" if reasons else "")
    expected = f"[{', '.join(wanted.fields)}]"
    yield _difference(
        fields or given, "id_fields", name, found, f"{expected} was expected", f"write fields: {expected}"
    )


def _optional_keys(name: str, given: Located, wanted: Bridged) -> Iterator[Difference]:
    expected = as_keys(wanted)
    for key, (kind, default) in _OPTIONAL.items():
        if key == "dqlStrictMode" and wanted.mode == "ejson":  # which switches strict mode off, whatever is stated
            continue
        at, value = given.get(key), expected[key]
        actual = default if at is None else at.value
        if type(actual) is type(value) and actual == value:
            continue
        found = _stated(f"{name}.{key}", at) + (f", which means {shorten(default)}" if at is None else "")
        text = str(value).lower()
        yield _difference(at or given, kind, name, found, f"{text} was expected", f"write {key}: {text}")

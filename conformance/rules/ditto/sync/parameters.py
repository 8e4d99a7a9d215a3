"""Parameters of what devices subscribe to: each has a source, is used, and is compared with values of its own kind."""

from __future__ import annotations

from collections.abc import Iterator

from conformance.ditto.permissions import Users
from conformance.ditto.subscriptions import Device, Source, Subscriptions
from conformance.language.conditions.condition import Condition, Parameter, comparisons
from conformance.model.collection import Model
from conformance.text.suggestion import nearest

#: Place in the file, and what is wrong there; None where nothing is.
Finding = tuple[str, str | None]
#: A collection and one of its fields.
_Field = tuple[str, str]


class Parameters:
    """The parameters of one file; ``users`` says who signs in, None if that is not known."""

    def __init__(self, model: Model, subscriptions: Subscriptions, users: Users | None) -> None:
        self._model = model
        self._subscriptions = subscriptions
        self._declared = subscriptions.parameters
        self._users = users

    def findings(self) -> list[Finding]:
        """Return what was examined, each with what is wrong."""
        used = {name for _, name, _ in self._uses()}
        found: list[Finding] = [(place, why) for place, _, why in self._uses()]
        for of, source in self._declared.items():
            found.append((f"parameters.{of}", None if of in used else f":{of} is declared but not used"))
            if source.user is not None and self._users is not None and source.user not in self._users.attributes:
                found.append((f"parameters.{of}", f"users have no attribute {source.user!r}"))
        found += [(f"parameters.{min(circle)}", _in_words(circle)) for circle in self._circles()]
        found += self._other_keys()
        return found

    def _uses(self) -> Iterator[tuple[str, str, str | None]]:
        """Yield place and name of each use, and what is wrong with it."""
        for place, device, one in self._subscriptions.places():
            for name, is_list in one.selection.parameters.items():
                yield place, name, self._odd(name, device, is_list)
        for query in self._subscriptions.queries:
            for name, is_list in query.parameters.items():
                yield f"queries.{query.name}", name, self._odd(name, is_list=is_list)
        for of, source in self._declared.items():
            for name in source.where.values():
                yield f"parameters.{of}", name, self._odd(name)

    def _odd(self, name: str, device: Device | None = None, is_list: bool | None = None) -> str | None:
        """Return what is wrong with a use; ``is_list`` None where it is not known what is wanted."""
        source = self._declared.get(name)
        if source is None:
            near = nearest(name, self._declared)
            return f":{name} is not declared under parameters{f'; did you mean :{near}?' if near else ''}"
        if device is not None and device.user == "super_manager" and source.user is not None:
            return f":{name} is a user's attribute, but the super manager has no attributes"
        if is_list is None or is_list == (source.values is not None):
            return None
        return (
            f":{name} is a single value but is compared as a list; declare values"
            if is_list
            else (f":{name} is a list but is compared as a single value")
        )

    def _circles(self) -> list[tuple[str, ...]]:
        """Return the parameters whose values depend on their own, each circle once."""
        found: dict[frozenset[str], tuple[str, ...]] = {}

        def follow(name: str, path: tuple[str, ...]) -> None:
            if name in path:
                circle = path[path.index(name) :]
                found.setdefault(frozenset(circle), circle)
                return
            source = self._declared.get(name)
            for other in dict.fromkeys(source.where.values()) if source else ():
                follow(other, (*path, name))

        for name in self._declared:
            follow(name, ())
        return list(found.values())

    def _other_keys(self) -> Iterator[Finding]:
        """Yield comparisons of one collection's key with the key of another: they are never equal."""
        for of, source in self._declared.items():
            for path, name in source.where.items():
                if source.field is not None:
                    yield f"parameters.{of}", self._differ((source.field[0], path), name)
        for place, _, one in self._subscriptions.places():
            for path, name in _compared(one.selection.condition):
                yield place, self._differ((one.selection.collection, path), name)

    def _differ(self, field: _Field, name: str) -> str | None:
        source = self._declared.get(name)
        given = None if source is None else source.field or self._attribute(source)
        if given is None:
            return None
        one, other = self._key(field), self._key(given)
        if one is None or other is None or one == other:
            return None
        return (
            f"{'.'.join(field)} is a key of {one[0]}, but :{name} is a key of {other[0]} ({'.'.join(given)});"
            " they are never equal"
        )

    def _attribute(self, source: Source) -> _Field | None:
        return (self._users.collection, source.user) if self._users is not None and source.user else None

    def _key(self, field: _Field) -> _Field | None:
        """Return the key that a field holds a value of: its own, or of the document that it refers to; else None."""
        references = {(each.collection, each.field): each for one in self._model for each in one.references}
        seen = set()
        while field in references and field not in seen:
            seen.add(field)
            field = (references[field].target, references[field].target_field)
        targets = {(each.target, each.target_field) for each in references.values()}
        return field if field in targets else None


def _compared(condition: Condition) -> Iterator[tuple[str, str]]:
    for comparison in comparisons(condition):
        if comparison.operator in ("=", "IN"):
            yield from ((comparison.path, value.name) for value in comparison.values if isinstance(value, Parameter))


def _in_words(circle: tuple[str, ...]) -> str:
    first = circle.index(min(circle))
    names = [*circle[first:], *circle[:first], circle[first]]
    return f"its value depends on itself: {' -> '.join(f':{name}' for name in names)}"

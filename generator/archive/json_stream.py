"""Reading a JSON file from front to back, an element at a time, however large it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conformance.errors import ConfigurationError

Event = tuple[str, Any]


class JsonStream:
    """Steps through a file: `members` of an object, `elements` of an array, or the whole `value` that comes next.

    What `members` and `elements` stop at must be read, by one of the three, before they go on. Numbers with a point are
    doubles, others ints. ConfigurationError, one line with file and path, for what cannot be read, is not JSON, not of
    the shape asked for, or has a key twice.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._place = ""
        self._events = self._read()
        self._pushed: list[Event] = []

    @property
    def place(self) -> str:
        """The file, and the path in it that was come to."""
        return f"{self._path}: at {self._place}" if self._place else str(self._path)

    def members(self) -> Iterator[str]:
        """Each key of the object that comes next."""
        here = self._place
        self._enter("start_map", "an object")
        seen: set[str] = set()
        while (event := self._next())[0] != "end_map":
            key = event[1]
            self._place = f"{here}.{key}" if here else key
            if key in seen:
                raise self.refused("the key occurs twice; remove one")
            seen.add(key)
            yield key
        self._place = here

    def elements(self) -> Iterator[int]:
        """Each position, from 0, of the array that comes next."""
        here, position = self._place, 0
        self._enter("start_array", "a list")
        while (event := self._next())[0] != "end_array":
            self._pushed.append(event)
            self._place = f"{here}[{position}]"
            yield position
            position += 1
        self._place = here

    def value(self) -> Any:
        """Return what comes next, whole."""
        try:
            return self._value(*self._next())
        except RecursionError:
            raise self.refused("it is nested too deeply") from None

    def end(self) -> None:
        """Make sure that nothing follows."""
        next(self._events, None)

    def refused(self, why: str) -> ConfigurationError:
        """Return the one line for what is wrong here."""
        return ConfigurationError(f"{self.place}: {why}; nothing was written")

    def _enter(self, wanted: str, name: str) -> None:
        if self._next()[0] != wanted:
            raise self.refused(f"it is not {name}")

    def _value(self, event: str, scalar: Any) -> Any:
        if event == "start_map":
            found: dict[str, Any] = {}
            while (following := self._next())[0] != "end_map":
                if following[1] in found:
                    raise self.refused(f"the key {following[1]!r} occurs twice; remove one")
                found[following[1]] = self._value(*self._next())
            return found
        if event == "start_array":
            items = []
            while (following := self._next())[0] != "end_array":
                items.append(following[1] if following[0] == "number" else self._value(*following))
            return items
        return scalar

    def _next(self) -> Event:
        return self._pushed.pop() if self._pushed else next(self._events)

    def _read(self) -> Iterator[Event]:
        import ijson
        from ijson.common import JSONError

        try:
            with self._path.open("rb") as file:
                yield from ijson.basic_parse(file, use_float=True)
        except OSError as error:
            raise ConfigurationError(f"{self._path}: cannot be read: {error.strerror}; check the path") from None
        except JSONError as error:
            reason = str(error).removeprefix("b'").replace("\\n", "\n").splitlines()[0]
            raise self.refused(f"not valid JSON after this: {reason}") from None

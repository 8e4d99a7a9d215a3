"""Configuration keys that were renamed: the old names are read until the next release, with a notice on stderr."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from conformance.errors import FileError
from conformance.files.strict_files import located

_LOG: Final = logging.getLogger(__name__)

#: By file: old and new names of the keys at the top.
_TOP: Final[Mapping[str, Mapping[str, str]]] = {
    "rules.yaml": {"tallies": "counts", "shares": "distributions"},
    "generation.yaml": {"figures": "parameters"},
}
#: By file: old and new names of the keys of an entry, in any list of the file.
_ENTRY: Final[Mapping[str, Mapping[str, str]]] = {
    "rules.yaml": {"mend": "fix"},
    "queries.yaml": {"mend": "fix"},
}


def with_new_names(path: Path, content: Any) -> Any:
    """Return the content of a configuration file with the keys' new names.

    Raises ConfigurationError, one line, where an old name stands beside its new one.
    """
    if isinstance(content, Mapping):
        content = _renamed(path, (), content, _TOP.get(path.name, {}))
        return {key: _entries(path, (key,), value) for key, value in content.items()}
    return _entries(path, (), content)


def _entries(path: Path, place: tuple[str | int, ...], value: Any) -> Any:
    names = _ENTRY.get(path.name, {})
    if not isinstance(value, list) or not names:
        return value
    return [
        _renamed(path, (*place, number), one, names) if isinstance(one, Mapping) else one
        for number, one in enumerate(value)
    ]


def _renamed(
    path: Path, place: tuple[str | int, ...], content: Mapping[Any, Any], names: Mapping[str, str]
) -> Mapping[Any, Any]:
    for old in names.keys() & content.keys():
        if names[old] in content:
            what = f"found both {old!r} and {names[old]!r}; remove {old!r}"
            raise FileError(located(path, (*place, old)), what)
        _notify(path, old, names[old])
    return {names.get(key, key): value for key, value in content.items()}


@cache
def _notify(path: Path, old: str, new: str) -> None:
    _LOG.warning("%s: the key %r is deprecated; write %r, the only name that the next release reads", path, old, new)

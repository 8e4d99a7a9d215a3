"""YAML as a tree of nodes with their lines, and as values: keys once, merge keys, and aliases without end refused."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import lru_cache
from typing import Any, Final

import yaml

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MERGE: Final = "tag:yaml.org,2002:merge"
_NULL: Final = "tag:yaml.org,2002:null"
#: Values that a file may hold when its aliases are written out, and how deep they may be nested.
MAX_VALUES: Final = 5_000_000
MAX_DEPTH: Final = 100
#: Characters up to which a text and its values are kept in memory.
_KEPT_LENGTH: Final = 1_000_000
#: Begins the names of parts that only hold what is referred to elsewhere (`x-defaults: &defaults {...}`).
EXTENSION: Final = "x-"


class TooDeepError(ValueError):
    """The file is nested too deeply, refers to itself, or is too large."""


def parse(text: str) -> Any:
    """Return the values of a YAML document, without its parts of the top level that begin with ``x-``.

    A text that was parsed lately is not parsed again: `--watch`, the MCP servers and tests read the same files often.
    Raises yaml.YAMLError with the line of a syntax error or of a key that is given twice, and TooDeepError.
    """
    return deepcopy(_parsed(text) if len(text) < _KEPT_LENGTH else _parsed.__wrapped__(text))


@lru_cache(maxsize=32)
def _parsed(text: str) -> Any:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            return None
        check_size(root)
        _check_keys(root, loader)
        values = loader.construct_document(root)
    except RecursionError:
        raise TooDeepError("it is nested too deeply") from None
    finally:
        loader.dispose()
    if isinstance(values, dict):
        return {key: value for key, value in values.items() if not str(key).startswith(EXTENSION)}
    return values


def compose(text: str) -> Any:
    """Return the root node of a YAML document, None if there is none. Raises yaml.YAMLError."""
    return yaml.compose(text, Loader=_Loader)


def compose_all(text: str) -> list[Any]:
    """Return the root node of every document that is not empty. Raises as `parse` does."""
    loader = _Loader(text)
    roots = []
    try:
        while loader.check_node():
            root = loader.get_node()
            check_size(root)
            _check_keys(root, loader)
            if root.tag != _NULL:
                roots.append(root)
    finally:
        loader.dispose()
    return roots


def scalar(node: Any) -> Any:
    """Return the value of a node that is neither a list nor a mapping."""
    loader = _Loader("")
    try:
        return loader.construct_object(node, deep=True)
    finally:
        loader.dispose()


def pairs(node: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the keys and values of a mapping: its own, then those of what it merges."""
    merged: list[Any] = []
    for key, value in node.value:
        if key.tag == _MERGE:
            merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
        else:
            yield key, value
    for each in merged:
        if isinstance(each, yaml.MappingNode):
            yield from pairs(each)


def check_size(root: Any) -> None:
    """Raise TooDeepError for nodes (or values of JSON) that are nested too deeply, refer to themselves or are many."""
    waiting = [(root, 0)]
    seen = 0
    while waiting:
        part, depth = waiting.pop()
        seen += 1
        if depth > MAX_DEPTH:
            raise TooDeepError(f"it is nested more than {MAX_DEPTH} deep, or refers to itself")
        if seen > MAX_VALUES:
            raise TooDeepError(f"it holds more than {MAX_VALUES:,} values")
        waiting.extend((inner, depth + 1) for inner in _inner(part))


def _inner(part: Any) -> Iterator[Any]:
    if isinstance(part, yaml.MappingNode):
        for pair in part.value:
            yield from pair
    elif isinstance(part, yaml.SequenceNode):
        yield from part.value
    elif isinstance(part, dict):
        yield from part.values()
    elif isinstance(part, list):
        yield from part


def _check_keys(root: Any, loader: Any) -> None:
    """Refuse a key that is given twice in one mapping, which YAML would let the later value win."""
    waiting, visited = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in visited:
            continue
        visited.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            seen = set()
            for key_node, value in node.value:
                waiting.append(value)
                if not isinstance(key_node, yaml.ScalarNode):
                    raise _wrong("a key is a list or a table", key_node)
                merges = key_node.tag == _MERGE
                key = "<<" if merges else loader.construct_object(key_node, deep=True)
                if key in seen:
                    advice = "write <<: [*one, *other]" if merges else "remove one"
                    raise _wrong(f"the key {key!r} occurs twice; {advice}", key_node)
                seen.add(key)


def _wrong(problem: str, node: Any) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)

"""Reading YAML and JSON strictly: what would be lost or guessed at is refused in one line with file and line."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import TypeAdapter, ValidationError

from conformance.errors import ConfigurationError

#: Places whose value is not shown, even when it is wrong.
_SECRET: Final = re.compile(r"key|token|secret|password|connection_string", re.IGNORECASE)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Twice(Exception):  # noqa: N818 - never leaves this module
    """A key stands twice in one JSON object."""


class _UniqueKeyLoader(_Loader):  # type: ignore[misc]
    """A safe loader that refuses a key given twice, which YAML would let the later value win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a key is a list or a table", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice; remove one", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)  # type: ignore[no-any-return]


def read_yaml(path: Path) -> Any:
    """The YAML document in a file; a syntax error or a key given twice is one line with file and line number."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)  # noqa: S506 - it is a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError(f"{path}:{line}: not valid YAML: {error.problem}; mend the file") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path}: not valid YAML: {str(error).splitlines()[0]}; mend the file") from None
    except OSError as error:
        raise _unreadable(path, error) from None


def read_json(path: Path) -> Any:
    """The JSON document in a file; duplicate keys, NaN and syntax errors are ConfigurationErrors with the line."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise _Twice(twice)
        return dict(pairs)

    def refuse(constant: str) -> None:
        line = next((node.start_mark.line + 1 for node in _nodes(path) if node.value == constant), 1)
        raise ConfigurationError(f"{path}:{line}: {constant} is not JSON; write a finite number")

    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique, parse_constant=refuse)
    except _Twice as error:
        line, key = _line_of_second(path, str(error)), str(error)
        raise ConfigurationError(f"{path}:{line}: the key {key!r} stands twice in one object; remove one") from None
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"{path}:{error.lineno}: not valid JSON: {error.msg}; mend the syntax") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: not UTF-8; save the file as UTF-8") from None
    except OSError as error:
        raise _unreadable(path, error) from None


def parse_file(kind: Any, path: Path) -> Any:
    """The content of a YAML or JSON file as ``kind`` (a pydantic model or any type that pydantic understands).

    Raises ConfigurationError, one line with file, line, place and what to write instead.
    """
    content = read_json(path) if path.suffix == ".json" else read_yaml(path)
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the top"
        hidden = first["type"] in ("missing", "extra_forbidden") or _SECRET.search(place)
        # What a validator of ours says names the value itself where that helps.
        own = first["type"] == "value_error"
        found = "" if hidden or own else f" (found {str(first['input'])[:60]!r})"
        raise ConfigurationError(f"{located(path, first['loc'])}: at {place}: {_mend(first)}{found}") from None


def located(path: Path, place: Sequence[str | int] = ()) -> str:
    """``file:line`` of the innermost part of a place that the YAML or JSON file has, keys and positions from the top.

    Parts that the file does not have (a key that is missing, a name that pydantic adds) are passed over.
    """
    root = _composed(path)
    if root is None:
        return f"{path}:1"
    line, node = root.start_mark.line, root
    for part in place:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    line, node = key.start_mark.line, value
                    break
        elif isinstance(node, yaml.SequenceNode) and str(part).isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line
    return f"{path}:{line + 1}"


def _composed(path: Path) -> Any:
    """The nodes of a file with their lines; JSON is YAML, but for tabs. None where there is nothing to be read."""
    try:
        return yaml.compose(path.read_text(encoding="utf-8").replace("\t", " "), Loader=_Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None


def _nodes(path: Path) -> Iterator[Any]:
    waiting = [_composed(path)]
    while waiting:
        node = waiting.pop()
        if node is None:
            continue
        yield node
        if isinstance(node, yaml.MappingNode):
            waiting += [part for pair in reversed(node.value) for part in reversed(pair)]
        elif isinstance(node, yaml.SequenceNode):
            waiting += reversed(node.value)


def _line_of_second(path: Path, key: str) -> int:
    for node in _nodes(path):
        if isinstance(node, yaml.MappingNode):
            lines = [name.start_mark.line + 1 for name, _ in node.value if name.value == key]
            if len(lines) > 1:
                return int(lines[1])
    return 1


def _unreadable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{path}: cannot be read: {error.strerror}; check the path")


def _mend(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return "there is no such key; remove it or correct its spelling"
    if error["type"] == "missing":
        return "the key is missing; write it"
    return str(error["msg"]).removeprefix("Value error, ")

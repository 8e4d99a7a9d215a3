"""Reading YAML and JSON strictly: what would be lost or guessed at is refused in one line with file and line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from conformance.errors import ConfigurationError, FileError, Location
from conformance.files import yaml_file
from conformance.files.input_errors import input_problem
from conformance.files.known_names import keys_at, values_at
from conformance.files.yaml_file import MAX_DEPTH, TooDeepError, check_size
from conformance.text.masking import mask, remember_secrets
from conformance.text.suggestion import did_you_mean

#: Places whose value is not shown, even when it is wrong.
_SECRET: Final = re.compile(r"key|token|secret|password|connection_string", re.IGNORECASE)
#: Bytes that a file may have: a configuration file is written by people.
MAX_BYTES: Final = 64 * 1024 * 1024


class _Twice(Exception):  # noqa: N818 - never leaves this module
    """A key stands twice in one JSON object."""

    def __init__(self, key: str) -> None:
        self.key = key


class Strict(BaseModel):
    """Base of everything read from a file: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Exact(Strict):
    """Strict in types too: "100" is no number and 1 no boolean."""

    model_config = ConfigDict(strict=True)


def read_yaml(path: Path) -> Any:
    """Return the YAML document in a file; a syntax error or a key given twice is one line with file and line number."""
    try:
        content = yaml_file.parse(_text(path))
    except TooDeepError as error:
        raise FileError(Location(path), f"{error}; write less at once") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise FileError(Location(path, line), f"not valid YAML: {error.problem}; correct the file") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise FileError(Location(path), f"not valid YAML: {str(error).splitlines()[0]}; correct the file") from None
    except OSError as error:
        raise _unreadable(path, error) from None
    remember_secrets(content)
    return content


def read_json(path: Path) -> Any:
    """Return the JSON document in a file; raise ConfigurationError with the line for errors, NaN, repeated keys."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise _Twice(twice)
        return dict(pairs)

    def refuse(constant: str) -> None:
        line = next((node.start_mark.line + 1 for node in _nodes(path) if node.value == constant), 1)
        raise FileError(Location(path, line), f"{constant} is not JSON; write a finite number")

    try:
        content = json.loads(_text(path), object_pairs_hook=unique, parse_constant=refuse)
        check_size(content)
        remember_secrets(content)
        return content
    except RecursionError:
        raise FileError(Location(path), f"it is nested more than {MAX_DEPTH} deep; write less at once") from None
    except TooDeepError as error:
        raise FileError(Location(path), f"{error}; write less at once") from None
    except _Twice as error:
        what = f"the key {error.key!r} occurs twice in one object; remove one"
        raise FileError(Location(path, _line_of_second(path, error.key)), what) from None
    except json.JSONDecodeError as error:
        raise FileError(Location(path, error.lineno), f"not valid JSON: {error.msg}; correct the syntax") from None
    except UnicodeDecodeError:
        raise FileError(Location(path), "not UTF-8; save the file as UTF-8") from None
    except OSError as error:
        raise _unreadable(path, error) from None


def parse_file(kind: Any, path: Path, prepare: Callable[[Path, Any], Any] | None = None) -> Any:
    """Return the content of a YAML or JSON file as ``kind`` (a pydantic model or any type that pydantic understands).

    ``prepare`` changes the content before it is validated, for example to rename keys.

    Raises ConfigurationError, one line with file, line, place and what to write instead.
    """
    content = read_json(path) if path.suffix == ".json" else read_yaml(path)
    if prepare is not None:
        content = prepare(path, content)
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the top"
        hidden = first["type"] in ("missing", "extra_forbidden") or _SECRET.search(place)
        # Our own validators name the value in their message where that helps.
        own = first["type"] == "value_error"
        found = "" if hidden or own else f" (found {_shown(first['input'])})"
        raise FileError(located(path, first["loc"]), f"{_instead(first, kind)}{found}", place) from None


def _shown(value: Any) -> str:
    """Return a value as the file has it; what is empty in YAML, and null in JSON, is nothing."""
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    return repr(mask(str(value))[:60])


def located(path: Path, place: Sequence[str | int] = ()) -> Location:
    """Return the line of the innermost part of a place that a YAML or JSON file has.

    The place is keys and positions from the top. Parts that the file does not have (a key that is missing, a name that
    pydantic adds) are passed over.
    """
    root = _composed(path)
    if root is None:
        return Location(path, 1)
    line, node = root.start_mark.line, root
    for part in place:
        if isinstance(node, yaml.MappingNode):
            for key, value in yaml_file.pairs(node):
                if key.value == str(part):
                    line, node = key.start_mark.line, value
                    break
        elif isinstance(node, yaml.SequenceNode) and str(part).isdigit() and int(part) < len(node.value):
            node = node.value[int(part)]
            line = node.start_mark.line
    return Location(path, line + 1)


def _composed(path: Path) -> Any:
    """Return the nodes of a YAML or JSON file with their lines; None if it cannot be read."""
    try:
        return yaml_file.compose(_text(path).replace("\t", " "))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError, ConfigurationError):
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


def _text(path: Path) -> str:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise FileError(Location(path), f"it has {size:,} bytes; a file of at most {MAX_BYTES:,} is expected")
    return path.read_text(encoding="utf-8")


def _unreadable(path: Path, error: OSError) -> FileError:
    return FileError(Location(path), f"cannot be read: {error.strerror}; check the path")


def _instead(error: Any, kind: Any) -> str:
    place = error["loc"]
    if error["type"] == "extra_forbidden":
        return f"there is no such key; {did_you_mean(place[-1], keys_at(kind, place[:-1]))}"
    if error["type"] == "literal_error":
        known = values_at(kind, place) or re.findall(r"'([^']*)'", error["ctx"]["expected"])
        return f"there is no such value; {did_you_mean(error['input'], known)}"
    if error["type"] == "missing":
        return "the key is missing; write it"
    return input_problem(error)

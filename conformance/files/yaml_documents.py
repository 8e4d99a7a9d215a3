"""A file of several YAML documents, as kubectl takes them: every value with the line that it is on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from conformance.errors import ConfigurationError
from conformance.files import yaml_file
from conformance.files.yaml_file import TooDeepError


@dataclass(frozen=True)
class Located:
    """A value with its line. Those in it are Located too; the line of a value in a mapping is its key's."""

    value: Any
    line: int

    def get(self, *keys: str) -> Located | None:
        """Return the value at these keys of nested mappings; None where one of them is absent or not a mapping."""
        found: Located | None = self
        for key in keys:
            found = found.value.get(key) if found is not None and isinstance(found.value, Mapping) else None
        return found

    @property
    def plain(self) -> Any:
        """The value without lines."""
        if isinstance(self.value, Mapping):
            return {key: each.plain for key, each in self.value.items()}
        return [each.plain for each in self.value] if isinstance(self.value, list) else self.value


def read_documents(text: str, name: str) -> list[Located]:
    """Return the documents of a text that are not empty.

    Raises ConfigurationError, one line with ``name`` and the line number, for a syntax error or a repeated key.
    """
    try:
        return [_located(node, node.start_mark.line + 1) for node in yaml_file.compose_all(text)]
    except (TooDeepError, RecursionError) as error:
        why = error if isinstance(error, TooDeepError) else "it is nested too deeply"
        raise ConfigurationError(f"{name}: {why}; write less at once") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError(f"{name}:{line}: not valid YAML: {error.problem}; correct the file") from None
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{name}: not valid YAML: {str(error).splitlines()[0]}; correct the file") from None


def _located(node: Any, line: int) -> Located:
    if isinstance(node, yaml.MappingNode):
        # The key that comes first wins: a mapping's own ones precede those that it merges.
        values: dict[str, Located] = {}
        for key, value in yaml_file.pairs(node):
            values.setdefault(str(key.value), _located(value, key.start_mark.line + 1))
        return Located(values, line)
    if isinstance(node, yaml.SequenceNode):
        return Located([_located(each, each.start_mark.line + 1) for each in node.value], line)
    return Located(yaml_file.scalar(node), line)

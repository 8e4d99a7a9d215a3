"""Reading JSON strictly: what would be lost or guessed at is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conformance.errors import ConfigurationError


def read_json(path: Path) -> Any:
    """The JSON document in a file; duplicate keys, NaN and syntax errors are ConfigurationErrors with the line."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        for key in keys:
            if keys.count(key) > 1:
                raise ConfigurationError(f"{path}: the key {key!r} stands twice in one object; remove one")
        return dict(pairs)

    def refuse(constant: str) -> None:
        raise ConfigurationError(f"{path}: {constant} is not JSON; write a finite number")

    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise ConfigurationError(f"{path}:{error.lineno}: not valid JSON: {error.msg}; mend the syntax") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: not UTF-8; save the file as UTF-8") from None

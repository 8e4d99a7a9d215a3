"""A program that asks Ditto's engine about statements: one JSON document on stdin, one on stdout.

Rules ask it in a process of its own (conformance/ditto/engine.py): the SDK's native code ends the process on a full
disk. The store is empty and temporary. Nothing is run but CREATE INDEX: a query is only explained, which also refuses
a JOIN that has no index, and a subscription is registered and cancelled at once.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any

from conformance.errors import TargetError
from edge.store.statements import StatementError
from edge.store.store import Store


def answers(asked: Mapping[str, Any], directory: Path) -> list[dict[str, Any]]:
    """Return for each statement ``error`` if the engine refuses it; else for a query ``plan``, its operators."""
    with Store.open(directory, strict_mode=asked["strict_mode"]) as store:
        for statement in asked["indexes"]:
            with suppress(StatementError):  # a refused index is reported as a statement
                store.execute(statement)
        return [_answer(store, one) for one in asked["statements"]]


def _answer(store: Store, asked: Mapping[str, Any]) -> dict[str, Any]:
    text, arguments = asked["text"], asked["arguments"]
    try:
        if asked["kind"] == "subscription":
            store.validate_subscription(text, arguments)
            return {}
        return {"plan": list(steps(store.execute(f"EXPLAIN {text}", arguments)))}
    except StatementError as error:
        return {"error": error.reason}


def steps(explained: Any) -> Iterator[dict[str, Any]]:
    """Yield a plan's operators in order: with the alias that each reads, its index, and the fields it seeks by."""
    if isinstance(explained, Mapping):
        if "#operator" in explained:
            index = explained.get("desc", {})
            yield {
                "operator": explained["#operator"],
                "alias": explained.get("alias", ""),
                "index": index.get("index", ""),
                "sought": _sought(index.get("spans", ())),
            }
        for inner in explained.values():
            yield from steps(inner)
    elif isinstance(explained, Sequence) and not isinstance(explained, str):
        for inner in explained:
            yield from steps(inner)


def _sought(spans: Sequence[Any]) -> list[str]:
    """Return the first fields of an index whose values a scan is bounded by; of the others it walks through all values.

    The engine also takes an index whose first field has no bound. It then reads the index from end to end.
    """
    first: list[list[str]] = []
    for span in spans:
        bounded = takewhile(lambda part: part["range"], span)
        first.append([".".join(part["index_key"]["key"]) for part in bounded])
    return min(first, key=len, default=[])


def main() -> None:
    """Answer what stdin asks; where the engine cannot run, ``unavailable`` says why."""
    asked = json.load(sys.stdin)
    with tempfile.TemporaryDirectory(prefix="zava-engine-") as directory:
        try:
            found: dict[str, Any] = {"answers": answers(asked, Path(directory))}
        except TargetError as error:
            found = {"unavailable": str(error)}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()

"""Ditto's own engine for DQL: whether it accepts a statement, and the plan by which it would run it.

The engine runs in a process of its own (edge/store/statement_checker.py), since the SDK is optional and its native
code may end the process. Its answers depend on nothing but what is asked, so each is asked once.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, Literal

#: The program that answers; by name, since the library imports nothing of the packages above it.
_PROGRAM: Final = "edge.store.statement_checker"
#: Seconds that the engine may take to start and answer; it takes one.
_PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Step:
    """One operator of a plan, the alias that it reads, the index that it uses, and the fields that it seeks by."""

    operator: str
    alias: str = ""
    index: str = ""
    sought: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The answer of the engine for one statement: the reason of its rejection, or the plan of a query."""

    error: str | None = None
    plan: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Question:
    """A statement, with values for its parameters as JSON; a query is explained, a subscription registered."""

    kind: Literal["subscription", "query"]
    text: str
    arguments: str = "{}"


class EngineUnavailableError(Exception):
    """Raised where the engine cannot run; the text says why."""


@dataclass
class Engine:
    """The engine of an empty store with these indexes; ``ask`` once for all statements is fastest."""

    indexes: tuple[str, ...] = ()
    strict_mode: bool = False
    _known: dict[Question, Answer] = field(default_factory=dict)

    def ask(self, questions: Iterable[Question]) -> Sequence[Answer]:
        """Return the answers in order. Raises EngineUnavailableError."""
        asked = list(questions)
        if missing := [one for one in dict.fromkeys(asked) if one not in self._known]:
            self._known |= dict(zip(missing, self._answers(missing), strict=True))
        return [self._known[one] for one in asked]

    def _answers(self, questions: Sequence[Question]) -> list[Answer]:
        statements = [{"kind": one.kind, "text": one.text, "arguments": json.loads(one.arguments)} for one in questions]
        reply = _run({"indexes": self.indexes, "strict_mode": self.strict_mode, "statements": statements})
        if "unavailable" in reply:
            raise EngineUnavailableError(reply["unavailable"])
        return [
            Answer(
                each.get("error"),
                tuple(Step(**step | {"sought": tuple(step["sought"])}) for step in each.get("plan", ())),
            )
            for each in reply["answers"]
        ]


@cache
def engine(indexes: tuple[str, ...] = (), *, strict_mode: bool = False) -> Engine:
    """Return the engine with these indexes, which remembers its answers."""
    return Engine(indexes, strict_mode)


def _run(asked: Mapping[str, Any]) -> dict[str, Any]:
    command = [sys.executable, "-P", "-m", _PROGRAM]
    try:
        done = subprocess.run(
            command, input=json.dumps(asked), capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False
        )
        found: dict[str, Any] = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise EngineUnavailableError(
            f"Ditto's engine did not answer ({type(error).__name__}); run zava doctor"
        ) from None
    return found

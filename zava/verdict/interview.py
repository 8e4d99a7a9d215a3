"""Questions on the terminal: each with its evidence and a default, which Enter accepts."""

from __future__ import annotations

import sys
from pathlib import Path

from conformance.errors import ConfigurationError
from conformance.inspection.drafting.choices import Question
from conformance.inspection.drafting.files import require_no_model
from conformance.text.masking import mask
from conformance.text.visible import visible
from zava.terminal.answers import read_line
from zava.terminal.console import notice


def require_terminal(folder: Path) -> None:
    """Raise ConfigurationError before any work if nobody can be asked, or the answers could not be written."""
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()):
        raise ConfigurationError(
            "--interactive: there is no terminal to ask on; leave it out: choices are then conservative, and"
            " INFERRED.md lists them"
        )
    require_no_model(folder)


def ask_on_terminal(question: Question) -> str:
    """Return the answer to a question: Enter is the default, the first letters of an answer are enough.

    Raises ConfigurationError if the input ends; nothing was written then.
    """
    notice(f"\n{visible(question.place)}: {visible(question.text)}\n  {visible(question.evidence)}")
    shown = " / ".join(f"[{answer}]" if answer == question.default else answer for answer in question.answers)
    while True:
        sys.stderr.write(mask(f"  {visible(shown)}: "))
        sys.stderr.flush()
        line = read_line()
        if not line:
            raise ConfigurationError("--interactive: the input ended before the last question; nothing was written")
        answer = chosen(line.strip(), question)
        if answer is not None:
            return answer
        notice(f"  write one of {', '.join(map(visible, question.answers))}, or press Enter for the one in brackets")


def chosen(text: str, question: Question) -> str | None:
    """Return the answer that a text means; None if it means none or several."""
    if not text:
        return question.default
    if text in question.answers:
        return text
    found = [answer for answer in question.answers if answer.lower().startswith(text.lower())]
    return found[0] if len(found) == 1 else None

"""Mistakes on the command line, each in one line: what was found, and what to do."""

from __future__ import annotations

from typing import Any, Final

import typer

from conformance.text.suggestion import nearest
from zava.terminal.parameters import option_name

#: The exceptions of typer for each mistake, which have no public names.
UsageError: Final = typer.BadParameter.__mro__[1]


def is_help(error: Any) -> bool:
    """Return whether the error holds the help of a group that was called without a command."""
    return isinstance(error, UsageError) and "\n" in str(error)


def in_one_line(error: Any) -> str:
    """Return what is wrong with the command line and what to do about it."""
    context = error.ctx
    path = context.command_path if context is not None else "zava"
    hint = f"see `{path} --help`"
    option = getattr(error, "option_name", None)
    if option is not None and hasattr(error, "possibilities"):
        return _unknown(option, context, path, hint)
    if getattr(error, "param", None) is not None:
        return f"{option_name(error.param)} is missing; `{path} --help` shows an example"
    commands = getattr(getattr(context, "command", None), "commands", {})
    if commands:
        return f"{_plain(error)}; the commands are {', '.join(f'{path} {name}' for name in commands)}"
    return f"{_plain(error)}; {hint}"


def _unknown(option: str, context: Any, path: str, hint: str) -> str:
    """Return what to do about an option that the command does not have."""
    top = context.find_root()
    if context is not top and option in _options(top):
        command = path.removeprefix(f"{top.command_path} ")
        value = "" if _options(top)[option].is_flag else " …"
        return f"{option} must be before the command: `{top.command_path} {option}{value} {command}`"
    near = nearest(option.lstrip("-"), [name.lstrip("-") for name in _options(context) if name.startswith("--")])
    return f"{option} is not an option of `{path}`; {hint if near is None else f'did you mean --{near}?'}"


def _options(context: Any) -> dict[str, Any]:
    options = [each for each in context.command.params if each.param_type_name == "option"]
    return {name: each for each in options for name in [*each.opts, *each.secondary_opts]}


def _plain(error: Any) -> str:
    """Return the library's own words as the beginning of a line."""
    text = " ".join(error.format_message().split()).rstrip(".")
    return text[:1].lower() + text[1:]

"""Options of all commands: two ways to request JSON, and one line for a wrong value."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import typer

from conformance.errors import ConfigurationError


@dataclass(frozen=True)
class Options:
    """Options before the command."""

    model: Path | None
    debug: bool


class Plain(StrEnum):
    """Output formats of results without HTML."""

    TEXT = "text"
    JSON = "json"


def with_both_forms_of_json(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that has ``--json`` the option ``--format`` too, and the other way round."""
    signature = inspect.signature(function, eval_str=True)
    if "as_json" in signature.parameters:
        added, annotation = "output", Annotated[Plain | None, typer.Option("--format", help="Output format.")]
        default: Any = None
    elif "output" in signature.parameters:
        added, annotation = "as_json", Annotated[bool, typer.Option("--json", help="The same as --format json.")]
        default = False
    else:
        return function

    @functools.wraps(function)
    def command(**given: Any) -> Any:
        output, as_json = given.pop("output"), given.pop("as_json")
        if as_json and output is not None and output != Plain.JSON:
            raise ConfigurationError(f"--json and --format {output} exclude each other; give one")
        if added == "output":
            return function(**given, as_json=as_json or output == Plain.JSON)
        kind = signature.parameters["output"].annotation.__origin__.__args__[0]
        return function(**given, output=kind("json") if as_json else output)

    extra = inspect.Parameter(added, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
    command.__signature__ = signature.replace(parameters=[*signature.parameters.values(), extra])  # type: ignore[attr-defined]
    command.__annotations__ = {name: each.annotation for name, each in command.__signature__.parameters.items()}  # type: ignore[attr-defined]
    return command


def refuse_wrong_values(command: Any) -> Any:
    """Make a value of any option or argument that is empty, an option itself or of the wrong type an error."""
    names = {name for parameter in command.params for name in parameter.opts if name.startswith("--")}
    annotations = {}
    if command.callback is not None:
        signature = inspect.signature(command.callback, eval_str=True)
        annotations = {name: each.annotation for name, each in signature.parameters.items()}
    for parameter in command.params:
        expected = _expected(annotations.get(parameter.name))
        parameter.process_value = _checked(parameter.process_value, option_name(parameter), names, expected)
    for child in getattr(command, "commands", {}).values():
        refuse_wrong_values(child)
    return command


def option_name(parameter: Any) -> str:
    """Return a parameter's name as a user writes it."""
    return str(max(parameter.opts, key=len)) if parameter.param_type_name == "option" else parameter.name.upper()


def _expected(annotation: Any) -> str:
    """Return what to write for a parameter of this type."""
    extra = annotation.__metadata__[0] if get_origin(annotation) is Annotated else None
    types = [annotation.__origin__] if extra is not None else [annotation]
    types += [inner for each in types for inner in get_args(each)]
    choices = next((each for each in types if isinstance(each, type) and issubclass(each, Enum)), None)
    if choices is not None:
        return f"write one of {', '.join(str(each.value) for each in choices)}"
    number = "a whole number" if int in types else "a number" if float in types else "another value"
    low, high = getattr(extra, "min", None), getattr(extra, "max", None)
    bounds = [f"from {low}" if low is not None else "", f"to {high}" if high is not None else ""]
    return " ".join(["write", number, *filter(None, bounds)])


def _checked(
    process: Callable[[Any, Any], Any], name: str, names: set[str], expected: str
) -> Callable[[Any, Any], Any]:
    def checked(context: Any, value: Any) -> Any:
        for each in value if isinstance(value, list | tuple) else (value,):
            if isinstance(each, str) and not each.strip():
                raise ConfigurationError(f"{name}: is empty; give a value, or leave it out")
            if isinstance(each, str) and each in names:
                raise ConfigurationError(f"{name}: found {each}, which is an option; give a value in front of it")
        try:
            return process(context, value)
        except typer.BadParameter as error:
            if value is None:  # it is missing
                raise
            raise ConfigurationError(f"{name}: found {value!r}; {expected}") from error

    return checked

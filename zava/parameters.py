"""What holds for the options of every command: JSON is asked for in two ways, and an empty value is an error."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer

from conformance.errors import ConfigurationError


class Plain(StrEnum):
    """How a result is printed that has no HTML."""

    TEXT = "text"
    JSON = "json"


def with_both_forms_of_json(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that has ``--json`` the option ``--format`` too, and the other way round."""
    signature = inspect.signature(function, eval_str=True)
    if "as_json" in signature.parameters:
        added, annotation = "output", Annotated[Plain | None, typer.Option("--format", help="How it is printed.")]
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


def refuse_empty_values(command: Any) -> Any:
    """Make an empty value of any option or argument an error, and one that is an option of the command itself."""
    names = {name for parameter in command.params for name in parameter.opts if name.startswith("--")}
    for parameter in command.params:
        parameter.process_value = _checked(parameter.process_value, _name(parameter), names)
    for child in getattr(command, "commands", {}).values():
        refuse_empty_values(child)
    return command


def _name(parameter: Any) -> str:
    return str(max(parameter.opts, key=len)) if parameter.param_type_name == "option" else parameter.name.upper()


def _checked(process: Callable[[Any, Any], Any], name: str, names: set[str]) -> Callable[[Any, Any], Any]:
    def checked(context: Any, value: Any) -> Any:
        for each in value if isinstance(value, list | tuple) else (value,):
            if isinstance(each, str) and not each.strip():
                raise ConfigurationError(f"{name}: is empty; give a value, or leave it out")
            if isinstance(each, str) and each in names:
                raise ConfigurationError(f"{name}: found {each}, which is an option; give a value in front of it")
        return process(context, value)

    return checked

"""The commands, each in a module that is imported only when it is asked for.

`zava --help` then takes 0.1 s of processor time more than a bare Python, where importing them all took 0.8 s.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

from conformance.errors import ConfigurationError
from conformance.text.suggestion import nearest
from zava.terminal.parameters import refuse_wrong_values, with_both_forms_of_json

#: By command: its module and what it does in one line, in the order of a first day's work.
COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "conform": ("zava.verdict.conform", "Run everything: generate, provision, validate, report."),
    "validate": ("zava.verdict.validate", "Run the rules and print the verdict."),
    "inspect": ("zava.verdict.inspect", "Inspect any database, without a model."),
    "infer": ("zava.verdict.infer", "Draft schemas/ and config/ from a database."),
    "merge": ("zava.verdict.validate", "Merge the parts of validate --partition into one report."),
    "init": ("zava.starter.init", "Write a model to start from."),
    "generate": ("zava.data.generate", "Fill the database with generated data."),
    "provision": ("zava.data.generate", "Set validators, indexes, pre- and post-images and users."),
    "up": ("zava.servers.up", "Run the embedded server until Ctrl-C."),
    "doctor": ("zava.verdict.doctor", "Check settings, server and machine."),
    "rules": ("zava.verdict.validate", "List the rules."),
    "explain": ("zava.verdict.validate", "Explain a rule and how to fix a finding."),
    "diff": ("zava.verdict.diff", "Compare two runs: new and fixed violations."),
    "trend": ("zava.verdict.diff", "Show the results of the saved runs."),
    "sync": ("zava.servers.sync", "Run the bridge between MongoDB and a Ditto store."),
    "trigger-initial-sync": ("zava.servers.sync", "Make the bridge copy all documents again."),
    "connector": ("zava.servers.connector", "Print or check the configuration of Ditto's connector."),
    "export": ("zava.data.transfer", "Write the collections into a folder."),
    "import": ("zava.data.transfer", "Import an export."),
    "import-source": ("zava.data.source", "Import the product catalogue of the original dataset."),
    "add-product": ("zava.data.product", "Add a product, its vectors and its stock."),
    "embed": ("zava.data.embed", "Compute missing and outdated search vectors (embeddings)."),
    "mcp": ("zava.servers.mcp", "Serve AI assistants over the Model Context Protocol."),
    "clear": ("zava.data.clear", "Remove the documents, keep the collections."),
    "drop-indexes": ("zava.data.clear", "Drop the indexes, except the one on _id."),
    "encode-password": ("zava.servers.password", "Escape a password for a connection string."),
    "docs": ("zava.verdict.documentation", "Regenerate DATA_MODEL.md, RULES.md and API.md."),
}
#: Similarity of an unknown command to an option, from 0 to 1, from which the option is suggested.
_ALMOST_THE_SAME: Final = 0.8


class _Registry(typer.Typer):
    """Takes the commands of a module, and gives each what all commands have."""

    def command(self, *arguments: Any, **options: Any) -> Any:
        """Register a command that prints JSON when asked in either way."""
        register = super().command(*arguments, **options)
        return lambda function: register(with_both_forms_of_json(function))


def load(name: str) -> Any:
    """Return the command of that name, its module imported."""
    registered = _Registry(rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})
    registered.callback()(lambda: None)  # so that a single command stays one of a group
    import_module(COMMANDS[name][0]).register(registered)
    return refuse_wrong_values(typer.main.get_group(registered).commands[name])


def _command_with_option(word: str) -> str | None:
    """Return the command and its option of nearly that name, such as ``provision --users`` for "user"."""
    found: dict[str, tuple[str, str]] = {}
    for name in reversed([*COMMANDS]):  # the first command of the table wins
        with suppress(ImportError):  # a command of an extra that is not installed
            found |= {each.lstrip("-"): (name, each) for each in _long_options(load(name))}
    near = get_close_matches(word.lower(), found, 1, _ALMOST_THE_SAME)
    return " ".join(found[near[0]]) if near else None


def _long_options(command: Any) -> list[str]:
    return [name for parameter in command.params for name in parameter.opts if name.startswith("--")]


class Commands(TyperGroup):
    """The group of all commands; a command's module is imported when the command is used."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        refuse_wrong_values(self)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the arguments name; one that does not exist is one line with a suggestion."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            near = nearest(args[0], COMMANDS) or _command_with_option(args[0])
            hint = f"did you mean {near}?" if near is not None else "`zava --help` lists the commands"
            raise ConfigurationError(f"there is no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Every name, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Return the command of that name; None when there is none."""
        return load(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Print the table of commands without importing their modules."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

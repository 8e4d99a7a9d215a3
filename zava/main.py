"""zava: the command line. Results go to stdout, everything else to stderr; exit codes as in docs/API.md."""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from conformance import exit_codes
from conformance.errors import ConfigurationError, HarnessError
from conformance.extras import missing_extra
from conformance.run.watchdog import watch
from conformance.text.masking import mask, one_line
from zava.commands import Commands
from zava.terminal.output import prepare
from zava.terminal.parameters import Options
from zava.terminal.usage import UsageError, in_one_line, is_help

app = typer.Typer(
    name="zava",
    cls=Commands,
    help="Test whether a MongoDB database is ready to be synced to devices with Ditto.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"zava {version('zava-conformance')}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    model: Annotated[
        Path | None,
        typer.Option(help="Folder with schemas/ and config/; default: the nearest folder at or above the current one."),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Options of every command."""
    context.obj = Options(model, debug)


def main() -> None:
    """Run the command line in a process of its own, which SIGTERM always ends."""
    watch()
    run()


def run() -> None:
    """Run the command line: every expected error is one line on stderr and its exit code."""
    if os.environ.get("COLUMNS") == "0":  # on so narrow a terminal nothing at all would be written
        del os.environ["COLUMNS"]
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    prepare()
    try:
        _discard_earlier_reports(sys.argv[1:])
        sys.exit(app(standalone_mode=False))  # the exit code of a command that raised typer.Exit
    except Exception as error:
        if not _signals:  # else it is what a library made of the signal
            sys.exit(_show(error))
    finally:  # there is nothing left to stop or drop
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        _end_by_signal()


def _discard_earlier_reports(arguments: list[str]) -> None:
    """Remove the reports that this run would write, even where the command line is going to be refused."""
    asked = any(argument.partition("=")[0] == "--reports" for argument in arguments) or "conform" in arguments
    if asked and not {"-h", "--help"} & set(arguments):
        from zava.verdict.reports import discard_earlier

        discard_earlier(arguments)


def _show(error: Exception) -> int:
    """Show the error, with --debug and its traceback, and give the exit code."""
    if is_help(error):
        print(error, file=sys.stderr)
        return ConfigurationError.exit_code
    if isinstance(error, UsageError):
        print(f"zava: {mask(in_one_line(error))}", file=sys.stderr)
        return ConfigurationError.exit_code
    if "--debug" in sys.argv:
        print(mask("".join(traceback.format_exception(error))), file=sys.stderr, end="")
    if isinstance(error, ImportError):
        error = missing_extra(error) or error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT) and error.filename is None:
        error = HarnessError(f"output: cannot be written: {error.strerror}; free space, or write it elsewhere")
    expected = isinstance(error, HarnessError)
    print(f"zava: {one_line(error)}{'' if expected else '; --debug shows where'}", file=sys.stderr)
    return error.exit_code if isinstance(error, HarnessError) else HarnessError.exit_code


#: The signal that the process leaves for.
_signals: list[int] = []


def _leave(number: int, _frame: FrameType | None) -> None:
    """Leave through every context manager, so that servers stop and scratch databases go."""
    _signals.append(number)
    if number == signal.SIGINT:
        os.write(2, b"zava: interrupted\n")  # not print, in the midst of which the signal may have come
    raise SystemExit(exit_codes.SIGNAL + number)


def _end_by_signal() -> None:
    """End the process that a signal told to, which would else wait for a library's thread that waits for ever.

    Such a one reads the standard input of ``zava mcp`` for as long as it is open.
    """
    if _signals:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        os._exit(exit_codes.SIGNAL + _signals[0])

"""zava init: write a model to start from, and what a repository needs around it; never over a file that exists."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os.path import lexists
from pathlib import Path
from typing import Annotated, Final

import typer
import yaml

from conformance.config.configuration import GenerationFile
from conformance.errors import ConfigurationError
from conformance.files.packaged import packaged
from conformance.files.strict_files import parse_file
from conformance.files.writing import write_text
from conformance.inspection.drafting.files import model_files
from zava.starter.env_sample import env_sample
from zava.terminal.console import Json, notice
from zava.terminal.parameters import Options
from zava.verdict.infer import drafted_model

_SAMPLE: Final = ".env.sample"
_GENERATION: Final = "config/generation.yaml"
_WORKFLOW: Final = ".github/workflows/conformance.yml"
_IGNORED: Final = (".env", ".env.*", "!.env.sample", "/reports/")
_NEXT: Final = (
    "next: `zava validate --embedded` tries the model on generated data; then change schemas/ and config/ to describe"
    " your collections, copy .env.sample to .env, and run `zava validate` or `pytest --zava`"
)
_NEXT_DRAFTED: Final = (
    "next: read INFERRED.md and correct the schemas; copy .env.sample to .env, write the connection string and"
    " MONGODB_DATABASE into it, and run `zava validate` or `pytest --zava`"
)


@dataclass(frozen=True)
class Written:
    """The files that were written, and existing files that were left unchanged; paths relative to the folder."""

    written: tuple[str, ...]
    kept: tuple[str, ...]


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command()(init)


def init(
    context: typer.Context,
    folder: Annotated[Path | None, typer.Argument(help="Folder to write to; default: the current folder.")] = None,
    source: Annotated[str | None, typer.Option("--from", help="Draft the model from this database (a URI).")] = None,
    as_json: Json = False,
) -> None:
    """Write a commented starter model, .env.sample, .gitignore and a CI workflow; existing files are not changed.

    With --from, the model is drafted from a database as by zava infer, with INFERRED.md.

    Example: zava init
    """
    options: Options = context.obj
    root = folder or options.model or Path()
    done = write(root, starter() if source is None else drafted(options, source))
    if as_json:
        typer.echo(json.dumps({"written": done.written, "kept": done.kept}))
        return
    for name in done.written:
        typer.echo(f"{name} written")
    for name in done.kept:
        notice(f"{name} is there and was not changed")
    notice(_NEXT if source is None else _NEXT_DRAFTED)


def drafted(options: Options, uri: str) -> dict[str, str]:
    """Return the model drafted from a database: file contents by path below the model's folder."""
    return model_files(*drafted_model(options, uri))


def starter() -> dict[str, str]:
    """Return the starter model: file contents by path below the model's folder."""
    root = packaged("zava.starter", "model")
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_text(encoding="utf-8") for path in files}


def write(root: Path, model: Mapping[str, str]) -> Written:
    """Write a model and what a repository needs around it into a folder.

    A folder that has schemas keeps its own model: the files of two models would be one. Raises ConfigurationError, one
    line, when a file cannot be written.
    """
    own = sorted((root / "schemas").glob("*.json"))
    files = {} if own else dict(model)
    files |= {_SAMPLE: env_sample(_sizes(root, files)), _WORKFLOW: _workflow()}
    kept = [f"schemas/{path.name}" for path in own] + [name for name in files if lexists(root / name)]
    new = [name for name in files if name not in kept]
    for name in new:
        write_text(root / name, files[name])
    return Written((*new, *_ignore(root)), tuple(kept))


def _workflow() -> str:
    return packaged("zava.starter", "ci/github.yml").read_text(encoding="utf-8")


def _sizes(root: Path, files: Mapping[str, str]) -> Mapping[str, int]:
    """Return the settings of the model that the folder is going to have, with their defaults."""
    there = root / _GENERATION
    parsed = parse_file(GenerationFile, there) if there.exists() else None
    if parsed is None and _GENERATION in files:
        parsed = GenerationFile.model_validate(yaml.safe_load(files[_GENERATION]))
    return {} if parsed is None else parsed.defaults


def _ignore(root: Path) -> list[str]:
    """Add the lines that .gitignore lacks; what it has stays byte for byte."""
    path = root / ".gitignore"
    try:
        before = path.read_bytes().decode("utf-8", "replace") if path.exists() else ""
        missing = [line for line in _IGNORED if line not in before.splitlines()]
        if missing:
            gap = "\n" if before and not before.endswith("\n") else ""
            with path.open("a", encoding="utf-8") as file:
                file.write(gap + "".join(f"{line}\n" for line in missing))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}; correct its permissions") from None
    return [path.name] if missing else []

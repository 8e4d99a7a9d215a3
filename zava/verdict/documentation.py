"""zava docs: the documents generated from the model and the program, and the tables of saved runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from conformance import exit_codes
from conformance.report.documentation import data_model, rule_list
from zava.figures import pages
from zava.reference import reference
from zava.terminal.console import Json, notice, project_of

_OWN: Final = Path(__file__).parent.parent.parent


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(docs)


def docs(
    context: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if a document is stale.")] = False,
    as_json: Json = False,
) -> None:
    """Write docs/DATA_MODEL.md and docs/RULES.md from schemas/ and config/.

    With the harness's own model, also docs/API.md, and the tables of docs/figures/ in the pages that show them.

    Example: zava docs --check
    """
    project = project_of(context)
    stale = []
    documents = {"DATA_MODEL.md": data_model(project.model), "RULES.md": rule_list(project)}
    if project.model.root == _OWN:
        documents |= {"API.md": reference(), **pages(_OWN / "docs")}
    for name, content in documents.items():
        path = project.model.root / "docs" / name
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            stale.append(name)
            if not check:
                path.parent.mkdir(exist_ok=True)
                path.write_text(content, encoding="utf-8")
    if as_json:
        typer.echo(json.dumps([{"document": f"docs/{name}", "written": not check} for name in stale]))
    for name in () if as_json else stale:
        typer.echo(f"docs/{name} {'is stale; run zava docs' if check else 'written'}")
    if not stale:
        notice("docs are up to date")
    raise typer.Exit(exit_codes.FINDINGS if check and stale else exit_codes.CONFORMANT)

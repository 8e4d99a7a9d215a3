"""zava conform: the whole job, from an empty machine to the reports."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from conformance.errors import TargetError
from conformance.extras import require
from conformance.report import json_file, text
from conformance.report.allure import labels
from conformance.report.allure.html import Rendered, render_html
from conformance.results import report_from_json
from conformance.run.session import Project
from conformance.server import provision as provisioning
from conformance.server.target import Choice
from conformance.server.violators import refuse_violators, violators
from conformance.text.masking import mask
from generator import dataset
from generator.dataset import embedded_dataset
from zava.data.generate import generate_into
from zava.terminal.console import AllowWrites, Embedded, Json, Uri, Wait, Yes, chosen, notice, progress, project_of

#: The suites of a checkout, which test the bridge too; an installed package has the rules alone.
_SUITES = Path(__file__).parent.parent.parent / "suites"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(conform)


def conform(
    context: typer.Context,
    uri: Uri = None,
    embedded: Embedded = False,
    generate: Annotated[
        bool, typer.Option("--generate", help="Your own server: first load the dataset into the empty database.")
    ] = False,
    drop: Annotated[
        bool, typer.Option("--drop", help="Your own server, with --generate: replace the existing documents.")
    ] = False,
    provision: Annotated[
        bool, typer.Option("--provision", help="Your own server: set indexes, validators, pre- and post-images.")
    ] = False,
    allow_writes: AllowWrites = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings, too.")] = False,
    baseline: Annotated[
        Path | None, typer.Option(help="Fail only on violations that are not in this baseline file.")
    ] = None,
    yes: Yes = False,
    wait: Wait = 0,
    with_allure: Annotated[
        bool, typer.Option("--allure/--no-allure", help="Write the Allure HTML report if Node.js is installed.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Generate, provision, run every suite and write the reports; on a named server write only what flags allow.

    Example: zava conform --embedded
    """
    require("suites" if _SUITES.is_dir() else "pytest")
    project = project_of(context)
    choice = chosen(project, uri, embedded, validating=True)
    # The server stops while Allure's page is made.
    with ThreadPoolExecutor(1) as renderer, project.opened(choice, wait=wait) as target:
        if target.embedded:
            with progress() as bars:
                held = embedded_dataset(project.model, project.settings, project.configuration, target, notice, bars)
                with held as made:
                    notice("dataset generated" if made else "dataset reused: nothing it is made from has changed")
        else:
            if generate:
                generate_into(project, target, drop=drop, yes=yes)
            elif provision:
                dataset.refuse_foreign(project.model, target)
                target.require_replica_set()
                changes = provisioning.plan(project.model, target.database)
                refuse_violators(violators(changes, target.database))
                provisioning.apply(changes, target.database)
        code = _run_suites(project, choice, allow_writes, strict, baseline)
        rendering = renderer.submit(_render_allure, project, choice.embedded) if with_allure else None
    raise typer.Exit(_conclude(project, code, strict, rendering.result() if rendering else None, as_json))


def _run_suites(project: Project, choice: Choice, allow_writes: bool, strict: bool, baseline: Path | None) -> int:
    """Run the suites as a user would, in a process of their own; pytest's exit code.

    The server is named in the environment, not on the command line, where every user of the machine could read it.
    """
    where = ["--embedded"] if choice.uri is None else []
    environment = os.environ if choice.uri is None else {**os.environ, "MONGODB_CONNECTION_STRING": choice.uri}
    reports = project.reports
    reports.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "pytest",
        *_tests(project),
        *where,
        f"--model={project.model.root}",  # with "=", or pytest would take the folder for one of tests
        "-q",
        "--no-verdict",
        f"--command={mask(shlex.join(['zava', *sys.argv[1:]]))}",
    ]
    command += [f"--reports={reports}", f"--junitxml={reports / 'junit.xml'}"]
    command += [f"--alluredir={reports / 'allure-results'}", "--clean-alluredir"]
    command += ["--allow-writes"] if allow_writes else []
    command += ["--warnings-fail"] if strict else []
    command += [f"--baseline={baseline.resolve()}"] if baseline else []
    # A session of their own: Ctrl-C in the terminal is for this process, which tells them; not for both at once.
    with subprocess.Popen(
        command,
        cwd=_SUITES.parent if _SUITES.is_dir() else project.model.root,
        env=environment,
        stdout=sys.stderr,
        start_new_session=True,
    ) as suites:
        try:
            return suites.wait()
        except BaseException:
            suites.terminate()  # leaving the block waits for it: it has a scratch database to drop
            raise


def _tests(project: Project) -> list[str]:
    """Return the arguments that name the tests; the configuration of pytest beside a model is for the team's own."""
    if _SUITES.is_dir():
        return [str(_SUITES)]
    return ["--zava", "--noconftest", "-c", os.devnull, f"--rootdir={project.model.root}"]


def _render_allure(project: Project, embedded: bool) -> Rendered:
    """Allure's HTML."""
    reports = project.reports
    return render_html(
        reports / "allure-results",
        reports / "allure",
        title=labels.epic(project.settings.mongodb_database, embedded=embedded),
        history=reports / "history" / "allure.jsonl",
    )


def _conclude(project: Project, code: int, strict: bool, rendered: Rendered | None, as_json: bool) -> int:
    """Print the verdict and where the reports are; the exit code."""
    reports = project.reports
    written = reports / "validation.json"
    if not written.exists():
        if code == TargetError.exit_code:
            raise TargetError("the suites wrote no report; see the error above")
        return code
    paths = {"JSON": written, "HTML": reports / "validation.html", "JUnit": reports / "junit.xml"}
    if rendered is not None and rendered.path is not None:
        paths["Allure"] = rendered.path
    elif rendered is not None:
        notice(str(rendered.reason))
    report = project.explained(report_from_json(json_file.load(written)))
    if as_json:
        typer.echo(json_file.render(report), nl=False)
        return code
    text.show(report, Console(highlight=False, emoji=False), paths=paths, strict=strict)
    return code

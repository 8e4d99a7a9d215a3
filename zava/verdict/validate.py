"""zava validate, rules and explain: the verdict, and what is behind it."""

from __future__ import annotations

import json
import shlex
import sys
from contextlib import ExitStack
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from conformance.checks.key_range import Partition
from conformance.errors import ConfigurationError
from conformance.files.writing import write_text
from conformance.report import html, json_file, text
from conformance.report.explanation import explain as explained
from conformance.report.explanation import lines
from conformance.results import Report, Result, report_from_json
from conformance.run.baseline import LIMIT, Baseline, compare, record
from conformance.run.baseline import load as load_baseline
from conformance.run.merge import merged_report
from conformance.run.selection import find_rule, select
from conformance.run.session import validating
from conformance.run.violations import write_violations
from conformance.run.watch import Watch
from conformance.server.target import require_data
from conformance.text.masking import mask, masked
from zava.terminal.completion import collections, rule_ids, rule_parts
from zava.terminal.console import AllowWrites, Embedded, Json, Uri, Wait, notice, opened, progress, project_of
from zava.verdict.watch import follow

Only = Annotated[
    list[str] | None,
    typer.Option(
        help="Run only rules whose id contains a part or matches a pattern; separate by commas.",
        autocompletion=rule_parts,
    ),
]
Exclude = Annotated[
    list[str] | None, typer.Option(help="Skip rules whose id matches, as in --only.", autocompletion=rule_parts)
]
OfCollection = Annotated[
    str | None,
    typer.Option(help="Run only rules of these collections; separate by commas.", autocompletion=collections),
]


class Format(StrEnum):
    """Output formats of the report."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(validate)
    app.command()(merge)
    app.command("rules")(list_rules)
    app.command()(explain)


def validate(
    context: typer.Context,
    uri: Uri = None,
    embedded: Embedded = False,
    output: Annotated[
        Format | None, typer.Option("--format", help="Output format of the report; default: text.")
    ] = None,
    only: Only = None,
    exclude: Exclude = None,
    collection: OfCollection = None,
    sample: Annotated[int, typer.Option(help="Number of violating documents to show per rule.", min=1, max=1000)] = 5,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings, too.")] = False,
    allow_writes: AllowWrites = False,
    wait: Wait = 0,
    reports: Annotated[Path | None, typer.Option(help="Also write validation.json and .html into this folder.")] = None,
    violations: Annotated[
        Path | None,
        typer.Option(help="Write every violation into this folder, a file of JSON lines per rule."),
    ] = None,
    baseline: Annotated[Path | None, typer.Option(help="Fail only on violations that are not in this file.")] = None,
    update_baseline: Annotated[
        bool,
        typer.Option("--update-baseline", help="Write the current violations to the --baseline file; exit with 0."),
    ] = False,
    watching: Annotated[
        bool,
        typer.Option(
            "--watch", help="Keep running, and evaluate affected rules again after each change, until Ctrl-C."
        ),
    ] = False,
    part: Annotated[
        str | None, typer.Option("--partition", metavar="K/N", help="Run part K of N and print JSON for zava merge.")
    ] = None,
) -> None:
    """Run the rules and print the verdict; exit 0 conformant, 1 findings, 3 when the verdict could not be reached.

    Example: zava validate --only references --format json
    """
    if update_baseline and baseline is None:
        raise ConfigurationError("--update-baseline needs --baseline FILE, the file to write")
    if watching and (update_baseline or reports is not None or violations is not None or output is Format.HTML):
        raise ConfigurationError(
            "--watch prints text or JSON lines; leave out --update-baseline, --reports, --violations and html"
        )
    partition = None if part is None else Partition.parse(part)
    if partition and (output in (Format.TEXT, Format.HTML) or watching or any((baseline, reports, violations))):
        raise ConfigurationError(
            "--partition runs a part of the rules, which gives no verdict, and prints JSON for zava merge: leave out"
            " --watch, --baseline, --reports, --violations and other formats"
        )
    if partition:
        output = Format.JSON
    project = project_of(context)
    rules = select(project.rules, only or [], collection, exclude or [])
    known = load_baseline(baseline) if baseline is not None and not update_baseline else None
    with ExitStack() as stack:
        target = stack.enter_context(opened(project, uri, embedded, validating=True, wait=wait))
        shown = stack.enter_context(ExitStack())
        bars = shown.enter_context(progress())
        if target.embedded:
            from generator.dataset import embedded_dataset

            stack.enter_context(
                embedded_dataset(project.model, project.settings, project.configuration, target, notice, bars)
            )
        require_data(project.model, target)
        command, size = shlex.join(["zava", *sys.argv[1:]]), LIMIT if baseline is not None else sample
        if watching:
            shown.close()  # the view and the bars would fight for the terminal
            watch = Watch(project, target, rules, command, allow_writes=allow_writes, sample_size=size)
            watch.settle, watch.baseline = lambda results: compare(results, known, sample).results, baseline
            raise typer.Exit(follow(watch, as_json=output is Format.JSON, strict=strict))
        validation = stack.enter_context(
            validating(
                project,
                target,
                rules,
                command=command,
                allow_writes=allow_writes,
                sample_size=size,
                partition=partition,
            )
        )
        bars.expect({"rules": len(rules)})
        results = validation.run.results(lambda _: bars("rules", 1))
        if baseline is not None and update_baseline:
            known = _updated(
                baseline, results, {rule.id for rule in project.rules}, narrowed=bool(only or exclude or collection)
            )
        compared = compare(results, known, sample)
        report = validation.report(compared.results, baseline)
        if violations is not None:
            write_violations(validation.context, rules, results, violations)
    for rule_id, number in compared.fixed.items():
        notice(f"fixed: {rule_id}: {number} violations of the baseline no longer occur")
    publish(report, output, reports, strict=strict)
    raise typer.Exit(report.exit_code(strict=strict) if partition is None else 0)


def _updated(path: Path, results: list[Result], rules: set[str], *, narrowed: bool) -> Baseline:
    """Write what is broken now into the baseline; entries of rules that this run did not examine stay."""
    before = None
    if path.exists():
        try:
            before = load_baseline(path)
        except ConfigurationError:
            if narrowed:
                raise
    write_text(path, record(results, before, rules=rules))
    written = load_baseline(path)
    number = sum(entry.violations for entry in written.rules.values())
    notice(f"{path}: written with {number:,} known violations of {len(written.rules):,} rules")
    return written


def merge(
    context: typer.Context,
    parts: Annotated[
        list[Path], typer.Argument(help="The files that validate --partition printed, one for each of the N parts.")
    ],
    output: Annotated[
        Format | None, typer.Option("--format", help="Output format of the report; default: text.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings, too.")] = False,
    reports: Annotated[Path | None, typer.Option(help="Also write validation.json and .html into this folder.")] = None,
) -> None:
    """Merge the parts of a run into one report; the exit codes are those of zava validate. Needs no server.

    Example: zava merge part-1.json part-2.json
    """
    report = merged_report(project_of(context).rules, {path: report_from_json(json_file.load(path)) for path in parts})
    publish(report, output, reports, strict=strict)
    raise typer.Exit(report.exit_code(strict=strict))


def publish(report: Report, output: Format | None, reports: Path | None, *, strict: bool) -> None:
    """Print the report, and write it where it is wanted."""
    paths = {}
    if reports is not None:
        paths = {"JSON": json_file.write(report, reports), "HTML": html.write(report, reports, strict=strict)}
    if output is Format.JSON:
        typer.echo(json_file.render(report), nl=False)
    elif output is Format.HTML:
        typer.echo(html.render(report, strict=strict))
    else:
        text.show(report, Console(highlight=False, emoji=False), paths=paths, strict=strict)


def list_rules(
    context: typer.Context,
    only: Only = None,
    exclude: Exclude = None,
    collection: OfCollection = None,
    as_json: Json = False,
) -> None:
    """List the rules of the model: id, severity, title. Needs no server.

    Example: zava rules --collection orders
    """
    rules = select(project_of(context).rules, only or [], collection, exclude or [])
    if as_json:
        listed = [{"id": rule.id, "severity": rule.severity, "title": mask(rule.title)} for rule in rules]
        typer.echo(json.dumps(listed, indent=1))
        return
    for rule in rules:
        typer.echo(mask(f"{rule.id:64} {rule.severity:8} {rule.title}"))


def explain(
    context: typer.Context,
    rule_id: Annotated[str, typer.Argument(help="A rule's id.", autocompletion=rule_ids)],
    as_json: Json = False,
) -> None:
    """Explain a rule: its meaning, why it matters, how it is checked and how to fix a finding. Needs no server.

    Example: zava explain totals.orders.total
    """
    project = project_of(context)
    explanation = explained(project, find_rule(project.rules, rule_id))
    if as_json:
        typer.echo(json.dumps(masked(explanation.as_json()), indent=1, ensure_ascii=False))
        return
    for line in lines(explanation):
        typer.echo(mask(line))

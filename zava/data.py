"""zava generate and provision: the commands that write to the target."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Annotated

import typer

from conformance import provision as provisioning
from conformance.embedded import dataset_lock
from conformance.errors import ConfigurationError
from conformance.mongosh import as_mongosh
from conformance.session import Project
from conformance.target import Target
from generator import dataset
from generator.plan import Plan
from zava.console import Embedded, Json, Uri, Yes, notice, opened, progress, project_of, stderr


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(generate)
    app.command()(provision)


def generate(
    context: typer.Context,
    uri: Uri = None,
    embedded: Embedded = False,
    drop: Annotated[bool, typer.Option("--drop", help="Replace the model's collections.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Fill the target with the whole dataset; refuses a database that has data unless --drop.

    Example: NUM_ORDERS=1000 NUM_CUSTOMERS=200 zava generate --drop
    """
    project = project_of(context)
    with opened(project, uri, embedded) as target:
        lock = (
            dataset_lock(
                target.directory, exclusive=True, waiting=lambda: notice("another run reads the data: waiting")
            )
            if target.directory
            else nullcontext()
        )
        with lock:
            counts = generate_into(project, target, drop=drop, yes=yes)
    if as_json:
        typer.echo(json.dumps({"database": target.info.database, "counts": dict(counts)}))
    else:
        for name, size in counts.items():
            typer.echo(f"{name:24} {size:>12,}")
        typer.echo(f"{'documents':24} {sum(counts.values()):>12,}")


def generate_into(project: Project, target: Target, *, drop: bool, yes: bool) -> Mapping[str, int]:
    """Make room in the target and generate into it, with a progress bar per collection; the counts by name."""
    plan = Plan(project.model, project.configuration, project.settings)
    sizes = {collection.name: plan.size(collection) for collection in project.model}
    if drop:
        confirm(target, yes, "replace the collections of")
    dataset.make_room(project.model, target, replace=drop, notice=notice)
    with progress(sizes) as bars:
        return dataset.generate(project.model, project.settings, project.configuration, target, bars)


def confirm(target: Target, yes: bool, what: str) -> None:
    """On a server that is not the harness's own: ask for the database's name, unless --yes."""
    if yes or target.embedded:
        return
    name = target.info.database
    stderr.print(f"This will {what} {name} on {target.info.uri}. Type the database's name: ", end="", soft_wrap=True)
    answer = sys.stdin.readline()  # typer's prompt would write a space to stdout, where results go
    if answer.strip() != name:
        raise ConfigurationError(f"not confirmed, nothing was changed: type {name} when asked, or pass --yes")


def provision(
    context: typer.Context,
    uri: Uri = None,
    embedded: Embedded = False,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if something is missing.")] = False,
    print_js: Annotated[
        bool, typer.Option("--print-js", help="Print a mongosh script instead; needs no server.")
    ] = False,
    drop_extra: Annotated[
        bool, typer.Option("--drop-extra", help="Also drop indexes the model does not define.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Create collections, validators, indexes and pre/post images; says what it changed, changes nothing twice.

    Example: zava provision --check
    """
    project = project_of(context)
    if print_js:
        typer.echo(as_mongosh(provisioning.wish(project.model), project.settings.mongodb_database), nl=False)
        return
    with opened(project, uri, embedded) as target:
        dataset.refuse_foreign(project.model, target)
        target.require_replica_set()
        changes = provisioning.plan(project.model, target.database, drop_extra=drop_extra)
        if not check:
            with progress({"provision": len(changes)}) as bars:
                provisioning.apply(changes, target.database, lambda _: bars("provision", 1))
    if as_json:
        typer.echo(json.dumps([{"collection": c.collection, "kind": c.kind, "what": c.what} for c in changes]))
    else:
        for change in changes:
            typer.echo(f"{change.collection}: {change.what}")
        notice(_summary(len(changes), check))
    raise typer.Exit(1 if check and changes else 0)


def _summary(number: int, check: bool) -> str:
    if not number:
        return "as the model wants it: nothing to change"
    return f"{number} changes needed; run zava provision" if check else f"{number} changes made"

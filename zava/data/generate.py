"""zava generate and provision: the commands that write to the target."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, NoReturn

import typer

from conformance import exit_codes
from conformance.errors import ConfigurationError
from conformance.extras import require
from conformance.model.collection import ValidatorProfile
from conformance.run.session import Project
from conformance.server import provision as provisioning
from conformance.server.provision_script import as_mongosh
from conformance.server.target import Target
from conformance.server.violators import Violators, refuse_violators, violators
from conformance.text.masking import mask
from generator import dataset
from generator.catalogue import held_catalogue
from generator.columns.plan import Plan
from zava.servers.users import print_script, provision_users
from zava.terminal.answers import read_line
from zava.terminal.console import (
    Embedded,
    Json,
    Uri,
    Wait,
    Yes,
    notice,
    opened,
    progress,
    project_of,
    show_counts,
    stderr,
)


class Profile(StrEnum):
    """The profiles of validators, as choices of the command line."""

    STRICT = "strict"
    CONNECTOR = "connector"


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
    wait: Wait = 0,
    as_json: Json = False,
) -> None:
    """Fill the database with generated data; one that has data already is rejected without --drop.

    A database with only an imported catalogue (zava import-source) keeps it; the other documents are generated.

    Example: NUM_ORDERS=1000 NUM_CUSTOMERS=200 zava generate --drop
    """
    require("generate")
    project = project_of(context)
    with opened(project, uri, embedded, wait=wait) as target, dataset.alone(target, notice):
        counts = generate_into(project, target, drop=drop, yes=yes)
    show_counts(target.info.database, counts, as_json)


def generate_into(project: Project, target: Target, *, drop: bool, yes: bool) -> Mapping[str, int]:
    """Make room in the target and generate into it, with a progress bar per collection; the counts by name."""
    keeps = not drop and not dataset.unfinished(target)
    kept = held_catalogue(project.model, project.configuration, target.database) if keeps else {}
    plan = Plan(project.model, project.configuration, project.settings, given=kept)
    sizes = {collection.name: plan.size(collection) for collection in project.model if collection.name not in kept}
    if kept:
        notice(f"continuing from the existing catalogue ({', '.join(kept)})")
        confirm(target, yes, "add a generated dataset to the catalogue of")
    else:
        if drop:
            confirm(target, yes, "replace the collections of")
        dataset.make_room(project.model, target, replace=drop, notice=notice)
    with progress(sizes) as bars:
        made = dataset.generate(project.model, project.settings, project.configuration, target, bars, kept)
    return {c.name: made.get(c.name) or target.database[c.name].count_documents({}) for c in project.model}


def confirm(target: Target, yes: bool, what: str) -> None:
    """On a server that is not the harness's own: ask for the database's name, unless --yes."""
    if yes or target.embedded:
        return
    name = target.info.database
    stderr.print(f"This will {what} {name} on {target.info.uri}. Type the database's name: ", end="", soft_wrap=True)
    answer = read_line()  # typer's prompt would write a space to stdout, where results go
    if not (sys.stdin.isatty() and answer.endswith("\n")):  # only a terminal shows the line feed that was typed
        stderr.print()
    if answer.strip() != name:
        raise ConfigurationError(f"not confirmed; nothing was changed; type {name} when asked, or pass --yes")


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
    users: Annotated[
        bool, typer.Option("--users", help="Roles and users of config/users.yaml instead of collections.")
    ] = False,
    accept_violations: Annotated[
        bool,
        typer.Option(
            "--accept-violations",
            help="Install validators even if existing documents violate them, so that updates of these are rejected.",
        ),
    ] = False,
    validators: Annotated[
        Profile | None,
        typer.Option("--validators", help="The profile of all validators; default: x-sync.validator of each schema."),
    ] = None,
    wait: Wait = 0,
    as_json: Json = False,
) -> None:
    """Create collections, validators, indexes and pre- and post-images; print the changes. It is safe to repeat.

    On a named server, nothing is changed while existing documents violate a new validator, because their updates would
    fail. Validators of the profile `connector` also accept legitimate writes of devices; those of `strict` accept only
    documents that match the schemas. With --users, create the database's roles and users; passwords are read from the
    environment or from a prompt.

    Example: zava provision --check
    """
    project = project_of(context)
    if users and (drop_extra or validators):
        option, subject = ("--drop-extra", "indexes") if drop_extra else ("--validators", "validators")
        raise ConfigurationError(f"{option} is about {subject}, --users about roles; give one of them")
    profile: ValidatorProfile | None = validators.value if validators else None
    if users and print_js:
        print_script(project)
        return
    if users:
        with opened(project, uri, embedded, wait=wait) as target:
            made = len(provision_users(project, target, check=check, as_json=as_json))
        _conclude(made, check, as_json)
    if print_js:
        typer.echo(
            as_mongosh(provisioning.wish(project.model, validators=profile), project.settings.mongodb_database),
            nl=False,
        )
        return
    with opened(project, uri, embedded, wait=wait) as target:
        dataset.refuse_foreign(project.model, target)
        target.require_replica_set()
        changes = provisioning.plan(project.model, target.database, drop_extra=drop_extra, validators=profile)
        refused = violators(changes, target.database)
        for each in refused:
            notice(str(each))
        if not check:
            if not (accept_violations or target.embedded):
                refuse_violators(refused)
            with progress({"provision": len(changes)}) as bars:
                provisioning.apply(changes, target.database, lambda _: bars("provision", 1))
    if as_json:
        typer.echo(json.dumps([_as_json(change, refused) for change in changes]))
    else:
        for change in changes:
            typer.echo(mask(f"{change.collection}: {change.what}"))
    _conclude(len(changes), check, as_json)


def _as_json(change: provisioning.Change, refused: Sequence[Violators]) -> dict[str, Any]:
    content = {"collection": change.collection, "kind": change.kind, "what": mask(change.what)}
    numbers = [each.number for each in refused if each.collection == change.collection and change.kind == "validator"]
    return {**content, **({"violators": numbers[0]} if numbers else {})}


def _conclude(number: int, check: bool, as_json: bool) -> NoReturn:
    if not as_json:
        notice(_summary(number, check))
    raise typer.Exit(exit_codes.FINDINGS if check and number else exit_codes.CONFORMANT)


def _summary(number: int, check: bool) -> str:
    if not number:
        return "nothing to change: the database matches the model"
    return f"{number} changes needed; run it without --check" if check else f"{number} changes made"

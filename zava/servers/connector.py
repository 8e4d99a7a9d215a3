"""zava connector: what Ditto's operator and portal need, a check of the operator's file, and indexes for devices."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer
import yaml

from conformance import exit_codes
from conformance.ditto.manifest import KIND, Names, Plan, build, load_plan
from conformance.ditto.manifest_comparison import bridges, compare
from conformance.ditto.portal_sheet import portal_sheet
from conformance.ditto.subscriptions import SUBSCRIPTIONS_FILE, load_subscriptions
from conformance.errors import ConfigurationError
from conformance.files.yaml_documents import read_documents
from conformance.run.session import Project
from conformance.text.masking import mask
from zava.terminal.console import Json, notice, project_of
from zava.terminal.parameters import with_both_forms_of_json

commands = typer.Typer(
    name="connector",
    help="Print the configuration of Ditto's MongoDB connector from the model, or check an existing one.\n\n"
    "Example: zava connector manifest",
    no_args_is_help=True,
)
#: A resource's name, and the value of a label, as Kubernetes takes them.
_RESOURCE_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL_VALUE: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_SECRET_KEY: Final = re.compile(r"[-._A-Za-z0-9]{1,253}")
_APP, _BIG_PEER = "ditto-app", "big-peer"
_NAME, _KEY = "mongodb-connector", "connectionString"
_STDIN: Final = "<stdin>"


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(commands)


@commands.command()
def manifest(
    context: typer.Context,
    app: Annotated[str, typer.Option(help="Name of the app (label ditto.live/app).")] = _APP,
    big_peer: Annotated[str, typer.Option(help="Name of the big peer (label ditto.live/big-peer).")] = _BIG_PEER,
    name: Annotated[str, typer.Option(help="Name of the resource.")] = _NAME,
    namespace: Annotated[str | None, typer.Option(help="Its namespace; default: that of kubectl.")] = None,
    secret: Annotated[str, typer.Option(help="Name of the Kubernetes secret with the connection string.")] = _NAME,
    secret_key: Annotated[str, typer.Option(help="The secret's key.")] = _KEY,
) -> None:
    """Print the BigPeerDataBridge that Ditto's operator (0.10 or newer) reads, from the model's configuration.

    The secret must exist in the same namespace. The connection string is never printed.

    Example: zava connector manifest --app retail --big-peer main | kubectl apply -f -
    """
    for option, value, form in (
        ("--app", app, _LABEL_VALUE),
        ("--big-peer", big_peer, _LABEL_VALUE),
        ("--name", name, _RESOURCE_NAME),
        ("--namespace", namespace, _RESOURCE_NAME),
        ("--secret", secret, _RESOURCE_NAME),
        ("--secret-key", secret_key, _SECRET_KEY),
    ):
        if value is not None and not form.fullmatch(value):
            raise ConfigurationError(
                f"{option}: found {value!r}; a name that Kubernetes accepts was expected; correct it"
            )
    names = Names(name, app, big_peer, secret, secret_key, namespace)
    typer.echo(yaml.safe_dump(build(_plan(project_of(context)), names), sort_keys=False, width=120), nl=False)
    for option, label, given, default in (("--app", "app", app, _APP), ("--big-peer", "big peer", big_peer, _BIG_PEER)):
        if given == default:
            notice(f"the manifest names the {label} {default}; give the name of yours with {option}")


@commands.command()
def portal(context: typer.Context) -> None:
    """Print the values for the MongoDB Connector form of Ditto's portal, in the order of the form.

    Example: zava connector portal
    """
    typer.echo(portal_sheet(_plan(project_of(context))), nl=False)


@commands.command()
@with_both_forms_of_json
def check(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="YAML with a BigPeerDataBridge; - for standard input.")],
    as_json: Json = False,
) -> None:
    """Compare an existing BigPeerDataBridge with the model, and report every difference with its line.

    The file may have several documents, or be the output of `kubectl get -o yaml`; other resources are not examined.
    Exit codes: 0 no difference, 1 differences, 2 the file cannot be read or has no BigPeerDataBridge.

    Example: kubectl get bigpeerdatabridge -o yaml | zava connector check -
    """
    project = project_of(context)
    plan = _plan(project)
    shown = _STDIN if str(file) == "-" else str(file)
    resources = bridges(read_documents(_text(file, shown), shown))
    if not resources:
        raise ConfigurationError(
            f"{shown}: no {KIND} with a mongoConnector was found; one was expected;"
            " write one with `zava connector manifest`"
        )
    differences = compare(project.model, plan, resources)
    if as_json:
        typer.echo(mask(json.dumps([{"file": shown, **asdict(each)} for each in differences], indent=1)))
    for each in () if as_json else differences:
        typer.echo(mask(each.describe(shown)))
    raise typer.Exit(exit_codes.FINDINGS if differences else exit_codes.CONFORMANT)


@commands.command("device-indexes")
def device_indexes(context: typer.Context) -> None:
    """Print the CREATE INDEX statements for devices, one per line: apps run them when they open their store.

    They are those of `indexes` in config/ditto_subscriptions.yaml. Running one again changes nothing.

    Example: zava connector device-indexes
    """
    statements = load_subscriptions(project_of(context).model).index_statements
    if not statements:
        notice(f"config/{SUBSCRIPTIONS_FILE} has no indexes; add them under indexes")
    for statement in statements:
        typer.echo(statement)


def _plan(project: Project) -> Plan:
    return load_plan(project.model, project.settings)


def _text(file: Path, shown: str) -> str:
    try:
        return sys.stdin.read() if shown == _STDIN else file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{shown}: cannot be read: {error.strerror}; check the path") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{shown}: not UTF-8; save the file as UTF-8") from None

"""zava provision --users: the database's roles and users."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from functools import partial

import typer

from conformance.config.environment import Environment
from conformance.errors import ConfigurationError
from conformance.run.session import Project
from conformance.server import roles
from conformance.server.target import Target
from conformance.text.masking import mask
from zava.servers.password import read_password
from zava.terminal.console import notice


def print_script(project: Project) -> None:
    """Print the mongosh script that makes roles and users."""
    wanted = roles.load_roles(project.model)
    typer.echo(roles.as_mongosh(project.model, wanted, project.settings.mongodb_database), nl=False)


def provision_users(project: Project, target: Target, *, check: bool, as_json: bool) -> Sequence[roles.Change]:
    """Make roles and users, or with ``check`` only look; prints what was changed, and returns it."""
    changes = roles.plan(project.model, roles.load_roles(project.model), target.database)
    if not check:
        roles.apply(changes, target.database, partial(password, project.settings.environment))
    if as_json:
        typer.echo(json.dumps([{"subject": c.subject, "kind": c.kind, "what": mask(c.what)} for c in changes]))
    for change in () if as_json else changes:
        typer.echo(mask(change.what))
    if not target.client.admin.command("connectionStatus")["authInfo"]["authenticatedUsers"]:
        notice("the server requires no password; roles have no effect until mongod runs with --auth")
    return changes


def password(environment: Environment, variable: str, user: str) -> str:
    """Return the password of a new user: from the environment or .env, else asked for in a terminal. Never shown.

    ConfigurationError, one line, when there is none.
    """
    value = environment.get(variable)
    if value is not None and not value.strip():
        raise ConfigurationError(
            f"{environment.where(variable)}{variable}: is empty; set it to the password of the new user {user}"
        )
    if value is None and not sys.stdin.isatty():
        raise ConfigurationError(f"{variable}: not set; set it to the password of the new user {user}")
    return value or read_password(f"Password of {user} ({variable}): ")

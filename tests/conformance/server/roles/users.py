"""The roles of the model, with a password for each user."""

from __future__ import annotations

import re
from urllib.parse import quote

from conformance.embedded.server import EmbeddedServer
from conformance.server import roles
from tests.commands import Done, Workplace
from tests.models import shipped_model

MODEL = shipped_model()
ROLES = roles.load_roles(MODEL)


#: A password with every character that has a meaning in a connection string.
PASSWORDS = {role.password: f"p@ss/{number}:?#%" for number, role in enumerate(ROLES.values())}
NAMES = list(ROLES)


def provision(workplace: Workplace, guarded: EmbeddedServer, *flags: str, **env: str) -> Done:
    """Run the command on the database shop."""
    known = {**PASSWORDS, "MONGODB_DATABASE": "shop", **env}
    return workplace.zava(
        "provision", "--users", *flags, "--uri", guarded.uri, env={k: v for k, v in known.items() if v is not None}
    )


def login(guarded: EmbeddedServer, role: str, database: str = "shop") -> str:
    """Return the connection string of the user of a role."""
    user, password = ROLES[role].user, quote(PASSWORDS[ROLES[role].password], safe="")
    return re.sub(r"//.*@", f"//{user}:{password}@", guarded.uri) + f"&authSource={database}"

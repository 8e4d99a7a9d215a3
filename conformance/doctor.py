"""The doctor: what the harness needs of its settings, the server and the machine, looked at step by step."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from pymongo.errors import PyMongoError

from conformance.configuration import load_configuration
from conformance.connection import in_words
from conformance.connector import CONNECTOR_FILE, PLACEHOLDER, load_connector, resolve, value_of
from conformance.embedded import cache_directory, find_mongod
from conformance.errors import ConfigurationError, HarnessError, TargetError
from conformance.model import Model, find_model, load_model
from conformance.provision import require_images
from conformance.rules.catalogue import all_rules
from conformance.rules.round_trip import DEADLINE, Trial, exchange, problems
from conformance.rules.streams import CONNECTOR_SINCE
from conformance.settings import Settings, load_settings, setting_problems
from conformance.target import Choice, Target, choose, open_target

Status = Literal["ok", "failed", "skipped"]

#: Exit code of a finding that is neither configuration nor a server out of reach.
_FINDING: Final = 1
#: Oldest Node.js that Allure 3 and mongosh run on.
_NODE: Final = 20
#: Bytes for the embedded server with the whole dataset (0.8 GB) and as much again while it is made anew.
_ROOM: Final = 2_000_000_000
_NEEDS: Final = "needs the settings and the model, see above"
#: What each kind of work asks of the user: actions on every collection of the model.
_WORK: Final[Mapping[str, Sequence[str]]] = {
    "judge": ("find", "listIndexes", "listCollections"),
    "write": ("insert", "update", "remove"),
    "provision": ("createCollection", "collMod", "createIndex"),
    "follow changes": ("changeStream",),
}


@dataclass(frozen=True)
class Step:
    """What was looked at and how it is; ``detail`` is one line, with the mend when it failed, or why it was skipped.

    ``exit_code`` is the command's when this is the first step that failed: 1 finding, 2 configuration, 3 target.
    """

    name: str
    status: Status
    detail: str
    exit_code: int = 0


class _Bad(Exception):  # noqa: N818 - never leaves this module
    """A finding: what is wrong and how it is mended, in one line."""


class _Left(Exception):  # noqa: N818 - never leaves this module
    """Nothing was looked at, and this is why."""


def examine(root: Path | None, *, uri: str | None, embedded: bool, allow_writes: bool) -> Iterator[Step]:
    """Every step in turn, each as soon as it is known; what a failed one makes impossible is skipped.

    ``root`` is the model's folder, else it is looked for. ``allow_writes`` lets the change stream of a named server be
    tried in a scratch database, which is dropped.
    """
    settings = yield from _settings()
    model = yield from _model(root, settings)
    yield _step("connector", partial(_connector, settings, model), ConfigurationError.exit_code)
    choice: Choice | None = None
    if settings is not None and model is not None:
        try:
            choice = choose(settings, uri=uri, embedded=embedded)
        except ConfigurationError as error:
            yield Step("connection", "failed", str(error), error.exit_code)
    if settings is None or model is None or choice is None:
        yield from (Step(name, "skipped", _NEEDS) for name in ("connection", *_SERVER_STEPS))
    else:
        yield from _server(model, settings, choice, allow_writes)
    own = choice is None or choice.embedded
    yield _step("mongod", partial(_mongod, own), TargetError.exit_code)
    yield _step("node", _node)
    yield _step("ditto", _ditto)
    yield _step("disk", partial(_disk, model, own))


def _step(name: str, look: Callable[[], str], exit_code: int = _FINDING) -> Step:
    """Look, and say what was found; any error of the harness or of the driver is a failed step."""
    try:
        return Step(name, "ok", look())
    except _Left as left:
        return Step(name, "skipped", str(left))
    except _Bad as bad:
        return Step(name, "failed", str(bad), exit_code)
    except HarnessError as error:
        return Step(name, "failed", str(error), exit_code)
    except PyMongoError as error:
        return Step(name, "failed", f"{in_words(error)}; check the server and the user's roles", exit_code)


def _settings() -> Generator[Step, None, Settings | None]:
    wrong = setting_problems()
    yield from (Step("settings", "failed", line, ConfigurationError.exit_code) for line in wrong)
    if wrong:
        return None
    settings = load_settings()
    origin = "from .env and the environment" if Path(".env").exists() else "from the environment (there is no .env)"
    yield Step("settings", "ok", f"read {origin}")
    yield _step("azure openai", partial(_azure, settings), ConfigurationError.exit_code)
    return settings


def _azure(settings: Settings) -> str:
    needed = ("azure_openai_endpoint", "azure_openai_api_key")
    missing = [name.upper() for name in needed if getattr(settings, name) is None]
    if len(missing) == len(needed):
        raise _Left(f"{' and '.join(missing)} are not set; only embeddings by Azure would need them")
    if missing:
        raise _Bad(f"{' and '.join(missing)} is not set, and its companion is; set both, or neither")
    return f"{' and '.join(name.upper() for name in needed)} are set"


def _connector(settings: Settings | None, model: Model | None) -> str:
    """Whether the variables that the connector's configuration names are set, once one of Ditto's is."""
    if settings is None or model is None:
        raise _Left(_NEEDS)
    path = model.config(CONNECTOR_FILE)
    if not path.is_file():
        raise _Left(f"the model has no config/{CONNECTOR_FILE}")
    config = load_connector(model)
    theirs = [text for section in (config.ditto, config.mongodb) for _, text in section]
    named = PLACEHOLDER.findall(" ".join(text for _, text in config.ditto))
    if named and not any(value_of(variable, settings) for variable in named):
        raise _Left(f"{' and '.join(named)} are not set; only the managed connector would need them")
    for text in theirs:
        resolve(text, settings, path)
    return f"every variable that {path.name} names is set"


def _model(root: Path | None, settings: Settings | None) -> Generator[Step, None, Model | None]:
    try:
        model = load_model(root.resolve() if root else find_model())
        constants = (settings or Settings.model_construct()).constants()
        rules = all_rules(model, load_configuration(model, constants))
    except HarnessError as error:
        yield Step("model", "failed", str(error), error.exit_code)
        return None
    yield Step("model", "ok", f"{len(model.collections)} collections and {len(rules)} rules in {model.root}")
    return model


def _server(model: Model, settings: Settings, choice: Choice, allow_writes: bool) -> Iterator[Step]:
    told = 0
    try:
        with open_target(model, settings, choice) as target:
            named = "the harness's own server" if target.embedded else f"named by {choice.source}"
            yield Step("connection", "ok", f"{target.info.uri} answers ({named})")
            for name, look in _SERVER_STEPS.items():
                told += 1
                yield _step(name, partial(look, model, target, allow_writes))
    except HarnessError as error:
        if not told:
            yield Step("connection", "failed", str(error), error.exit_code)
        else:
            yield Step("connection", "failed", f"lost meanwhile: {error}", error.exit_code)
        yield from (Step(name, "skipped", "there is no connection") for name in list(_SERVER_STEPS)[told:])


def _version(_: Model, target: Target, __: bool) -> str:
    version = tuple(target.client.server_info()["versionArray"][:3])
    require_images(version)
    shown = f"MongoDB {target.info.server_version}"
    wanted = ".".join(map(str, CONNECTOR_SINCE))
    return shown if version >= CONNECTOR_SINCE else f"{shown}; the managed connector would want {wanted} or later"


def _replica_set(_: Model, target: Target, __: bool) -> str:
    target.require_replica_set()
    name = target.client.admin.command("hello").get("setName")
    return f"replica set {name}" if name else "sharded cluster"


def _privileges(model: Model, target: Target, _: bool) -> str:
    login = target.client.admin.command("connectionStatus", showPrivileges=True)["authInfo"]
    if not login["authenticatedUsers"]:
        target.database.list_collection_names()
        return "the server asks nobody for a password, so anybody who reaches it may do anything"
    missing = {
        work: [
            action for action in actions if not _allowed(login["authenticatedUserPrivileges"], action, model, target)
        ]
        for work, actions in _WORK.items()
    }
    may_not = [f"{work} ({', '.join(actions)})" for work, actions in missing.items() if actions]
    if missing["judge"]:
        raise _Bad(
            f"the user may not {may_not[0]} on {target.database.name}; grant a role that may, such as read"
            " (zava provision --users makes the roles)"
        )
    may = ", ".join(work for work, actions in missing.items() if not actions)
    return f"may {may}" + (f"; may not {'; '.join(may_not)}" if may_not else "")


def _allowed(privileges: Sequence[Mapping[str, Any]], action: str, model: Model, target: Target) -> bool:
    """True when the action is granted on every collection of the model, or on the database if it is one of that."""
    collections = [""] if action == "listCollections" else list(model.collections)
    granted = [entry["resource"] for entry in privileges if action in entry["actions"]]
    return all(
        any(
            resource.get("anyResource")
            or (resource.get("db") in ("", target.database.name) and resource.get("collection") in ("", name))
            for resource in granted
        )
        for name in collections
    )


def _change_stream(_: Model, target: Target, allow_writes: bool) -> str:
    trial = Trial({"_id": "doctor", "number": 1}, {"number": 2})
    with target.scratch(allow_writes=allow_writes) as scratch:
        if scratch is None:
            raise _Left("needs a scratch database on a named server: pass --allow-writes")
        arrived = exchange(scratch, {"doctor": trial}, DEADLINE)["doctor"]
    wrong = [f"{operation}: {problem}" for operation, problem in problems(trial.events, arrived)]
    if wrong:
        raise _Bad(f"{'; '.join(wrong)}; look at the server's log and at the user's privileges (changeStream, find)")
    return "an insert, an update and a delete arrived with both images"


_SERVER_STEPS: Final[Mapping[str, Callable[[Model, Target, bool], str]]] = {
    "version": _version,
    "replica set": _replica_set,
    "privileges": _privileges,
    "change stream": _change_stream,
}


def _mongod(own: bool) -> str:
    try:
        return f"{find_mongod()}"
    except TargetError as error:
        if own:
            raise
        raise _Left(f"there is none, and a named server needs none ({error})") from None


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        raise _Left("not on PATH; only Allure's HTML report and mongosh need it (apt-get install nodejs npm)")
    version = _output([node, "--version"])
    major = re.match(r"v(\d+)\.", version)
    if major is None or int(major[1]) < _NODE:
        raise _Bad(f"{node} is {version[:80] or 'not to be run'}; install Node.js {_NODE} or later")
    return f"{node} {version}"


def _ditto() -> str:
    """The library is tried in a process of its own: a native one that fails takes its process with it."""
    package = "dittolive-ditto"
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise _Bad(f"{package} is not installed, so devices cannot be tried; pip install {package}") from None
    said = _output([sys.executable, "-c", "import ditto; print('loaded')"])
    if not said.endswith("loaded"):
        raise _Bad(f"{package} {version} does not load: {said[-200:] or 'it ended without a word'}; install it again")
    return f"{package} {version}"


def _disk(model: Model | None, own: bool) -> str:
    if model is None or not own:
        raise _Left("the data is on a named server" if model else "the model's name is in that of the folder")
    place = cache_directory(model.root)
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < _ROOM:
        raise _Bad(
            f"{there} has {free / 1e9:.1f} GB free, the whole dataset wants {_ROOM / 1e9:.1f}; make room, or set"
            " ZAVA_CACHE_DIR to a folder on another disk"
        )
    return f"{free / 1e9:.1f} GB free for {place}"


def _output(command: Sequence[str]) -> str:
    """What a program prints, in one line; what went wrong when it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{type(error).__name__}: {error}"
    return " ".join((done.stdout.strip() or done.stderr.strip()).split())

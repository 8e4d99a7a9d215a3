"""The doctor: what the harness needs of its settings, the server and the machine, looked at step by step."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from conformance.config.environment import ENV_FILE, Environment, read_environment
from conformance.config.settings import Settings, known_variables, load_settings, setting_problems
from conformance.ditto.connector import CONNECTOR_FILE, PLACEHOLDER, load_connector, resolve, value_of
from conformance.doctor.diagnosis import Fault, Skipped, Step, Warned, diagnose
from conformance.doctor.server import SERVER_STEPS, server_steps
from conformance.embedded.server import cache_directory, find_mongod
from conformance.errors import ConfigurationError, HarnessError, TargetError
from conformance.extras import pip_command
from conformance.model.collection import Model
from conformance.model.schemas.loading import find_model
from conformance.run.session import Project, assemble
from conformance.server.target import Choice, choose
from conformance.text.masking import mask

#: Oldest Node.js that Allure 3 and mongosh run on.
_NODE: Final = 20
#: Bytes for the embedded server with the whole dataset (0.8 GB) and as much again while it is made anew.
_ROOM: Final = 2_000_000_000
_NEEDS: Final = "needs the settings and the model, see above"


def examine(root: Path | None, *, uri: str | None, embedded: bool, allow_writes: bool) -> Iterator[Step]:
    """Yield every step, each as soon as it is known; a step that an earlier fault makes impossible is skipped.

    ``root`` is the model's folder, else it is looked for; the steps on the server need none. ``allow_writes`` lets the
    change stream of a named server be tried in a scratch database, which is dropped.
    """
    missing: ConfigurationError | None = None
    try:
        root = find_model() if root is None else root.resolve()
    except ConfigurationError as error:
        missing = error
    settings = yield from _settings(root)
    project: Project | None = None
    if root is None:
        yield Step("model", "failed", str(missing), ConfigurationError.exit_code)
    else:
        project = yield from _project(root, settings)
    model = project.model if project else None
    yield diagnose("connector", partial(_connector, settings, model), ConfigurationError.exit_code)
    choice: Choice | None = None
    if settings is None:
        yield from (Step(name, "skipped", "needs the settings, see above") for name in ("connection", *SERVER_STEPS))
    else:
        try:
            choice = choose(settings, uri=uri, embedded=embedded, validating=True)
        except ConfigurationError as error:
            yield Step("connection", "failed", mask(str(error)), error.exit_code)
            yield from (Step(name, "skipped", "there is no connection") for name in SERVER_STEPS)
        else:
            yield from server_steps(root, model, settings, choice, allow_writes)
    own = choice is None or choice.embedded
    yield diagnose("mongod", partial(_mongod, own), TargetError.exit_code)
    yield diagnose("node", _node)
    yield diagnose("ditto", _ditto)
    yield diagnose("disk", partial(_disk, model, own))


def _settings(root: Path | None) -> Generator[Step, None, Settings | None]:
    path = root / ENV_FILE if root else None
    environment = read_environment(path, known_variables())
    wrong = setting_problems(environment)
    yield from (Step("settings", "failed", mask(line), ConfigurationError.exit_code) for line in wrong)
    if wrong:
        return None
    settings = load_settings(path)
    yield diagnose("settings", partial(_origin, environment))
    yield diagnose("azure openai", partial(_azure, settings), ConfigurationError.exit_code)
    return settings


def _origin(environment: Environment) -> str:
    """Return where the settings come from; a warning when every user of the machine can read the file."""
    path = environment.path
    if path is None:
        origin = "read from the environment (there is no model, and so no .env beside it)"
    elif environment.present:
        origin = f"read from {path} and the environment"
        if path.stat().st_mode & stat.S_IROTH:
            raise Warned(f"{origin}; every user of this machine can read {path}: chmod 600 {path}")
    else:
        origin = f"read from the environment (there is no {path})"
    if environment.unread is not None:
        raise Warned(f"{origin}; {environment.unread} is not read: only the .env beside the model is")
    return origin


def _azure(settings: Settings) -> str:
    needed = ("azure_openai_endpoint", "azure_openai_api_key")
    missing = [name.upper() for name in needed if getattr(settings, name) is None]
    if len(missing) == len(needed):
        raise Skipped(f"{' and '.join(missing)} are not set; only embeddings by Azure would need them")
    if missing:
        raise Fault(f"{' and '.join(missing)} is not set, and its companion is; set both, or neither")
    return f"{' and '.join(name.upper() for name in needed)} are set"


def _connector(settings: Settings | None, model: Model | None) -> str:
    """Return whether the variables that the connector's configuration names are set, once one of Ditto's is."""
    if settings is None or model is None:
        raise Skipped(_NEEDS)
    path = model.config(CONNECTOR_FILE)
    if not path.is_file():
        raise Skipped(f"the model has no config/{CONNECTOR_FILE}")
    config = load_connector(model)
    theirs = [text for section in (config.ditto, config.mongodb) for _, text in section]
    named = PLACEHOLDER.findall(" ".join(text for _, text in config.ditto))
    if named and not any(value_of(variable, settings) for variable in named):
        raise Skipped(f"{' and '.join(named)} are not set; only the managed connector would need them")
    for text in theirs:
        resolve(text, settings, path)
    return f"every variable that {path.name} names is set"


def _project(root: Path, settings: Settings | None) -> Generator[Step, None, Project | None]:
    try:
        project = assemble(root, settings or Settings.model_validate({}))
    except HarnessError as error:
        yield Step("model", "failed", mask(str(error)), error.exit_code)
        return None
    yield Step("model", "ok", f"{len(project.model.collections)} collections and {len(project.rules)} rules in {root}")
    return project


def _mongod(own: bool) -> str:
    try:
        return f"{find_mongod()}"
    except HarnessError as error:
        if own:
            raise
        raise Skipped(f"there is none, and a named server needs none ({error})") from None


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        raise Skipped("not on PATH; only Allure's HTML report and mongosh need it (apt-get install nodejs npm)")
    version = _output([node, "--version"])
    major = re.match(r"v(\d+)\.", version)
    if major is None or int(major[1]) < _NODE:
        raise Fault(f"{node} is {version[:80] or 'not to be run'}; install Node.js {_NODE} or later")
    return f"{node} {version}"


def _ditto() -> str:
    """Load the library in a process of its own, because a native crash ends the process."""
    package = "dittolive-ditto"
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        raise Skipped(f"{package} is not installed; only `zava sync` needs it ({pip_command('ditto')})") from None
    printed = _output([sys.executable, "-c", "import ditto; print('loaded')"])
    if not printed.endswith("loaded"):
        raise Fault(
            f"{package} {version} does not load: {printed[-200:] or 'it ended without a word'}; install it again"
        )
    return f"{package} {version}"


def _disk(model: Model | None, own: bool) -> str:
    if model is None or not own:
        raise Skipped("the data is on a named server" if model else "the model's name is in that of the folder")
    place = cache_directory(model.root)
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < _ROOM:
        raise Fault(
            f"{there} has {free / 1e9:.1f} GB free, the whole dataset wants {_ROOM / 1e9:.1f}; make room, or set"
            " ZAVA_CACHE_DIR to a folder on another disk"
        )
    return f"{free / 1e9:.1f} GB free for {place}"


def _output(command: Sequence[str]) -> str:
    """Return what a program prints, in one line; what went wrong when it cannot be run."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{type(error).__name__}: {error}"
    return " ".join((done.stdout.strip() or done.stderr.strip()).split())

"""Family security: no credential in tracked files, .env kept out of them, .env.sample complete, addresses masked."""

from __future__ import annotations

import re
import subprocess
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Final

from dotenv import dotenv_values

from conformance.checks.base import Context, Rule, answer, listed, skipped
from conformance.config.configuration import Configuration
from conformance.config.settings import Settings
from conformance.errors import TargetError
from conformance.model.collection import Model
from conformance.results import Outcome, Sample
from conformance.text.credentials import credentials, is_placeholder
from conformance.text.masking import mask

#: Read where there is no git to ask: what belongs to a model, besides the files at its top.
_FOLDERS: Final = ("schemas", "config", "docs", "examples", "tests", "suites", "scripts", "src", ".github", ".ci")
_ENV: Final = ".env"
_SAMPLE: Final = ".env.sample"
_NOT_SECRET_SUFFIXES: Final = (".sample", ".example", ".template")
_ASSIGNMENT: Final = re.compile(r"^#?\s?(?:export\s+)?(?P<name>[A-Z][A-Z0-9_]*)=(?P<value>.*)$")
#: Variables whose value is a secret as such; in an address it is the password, which is found by its form.
_SECRET_NAME: Final = re.compile(r"KEY|TOKEN|SECRET|PASSWORD")

#: Passwords as they stand in addresses: escaped as they should be, and as people paste them.
_PASSWORDS: Final = ("plainword", "p%40ss%2Fw%3Ard", "p@ss", "pa:ss:word", "pa/ss/word", "pa?ss#word", "@:/", "%")
_ADDRESSES: Final = (
    "mongodb://zava:{}@localhost:27017/zava",
    "mongodb+srv://zava:{}@cluster.example.net/?retryWrites=true&w=majority",
    "mongodb://zava:{}@a.example.net:27017,b.example.net:27018,c.example.net/zava?replicaSet=r",
    "mongodb://zava@example.com:{}@localhost/",
    "mongodb://:{}@[::1]:27017/?authSource=admin",
    "MONGODB://zava:{}@LOCALHOST/",
    "cannot reach 'mongodb://zava:{}@localhost/': refused",
)


def rules(_model: Model, _configuration: Configuration) -> Iterator[Rule]:
    """Four rules on the model's folder and the harness itself; no collection is looked at."""
    yield Rule(
        "security._config.credentials",
        "No tracked file has a credential in it",
        answer(_credentials),
        why="Everyone who has or had access to the repository can use the credential.",
        fix="Rotate the credential, then move it from the file and its history to .env.",
    )
    yield Rule(
        "security._config.env_ignored",
        "The file .env is ignored by git, and no file like it is tracked",
        answer(_env_ignored),
        why="The next `git add .` commits all secrets in the file.",
        fix="Add .env to .gitignore, and run `git rm --cached` on the tracked files.",
    )
    yield Rule(
        "security._config.env_sample",
        "The file .env.sample has every setting, no others, and no secret",
        answer(_env_sample),
        why="A user who copies the sample misses a setting, sets one without effect, or uses the key of another"
        " person.",
        fix="Add or remove the variable that the finding names; write a placeholder such as your_api_key for a secret.",
    )
    yield Rule(
        "security._database.masked_uri",
        "No password is visible in addresses that the harness prints",
        answer(_masked_uri),
        why="More people can read reports and logs than the database.",
        fix="Report this as a defect of the harness; the masking is in conformance/text/masking.py.",
    )


def _credentials(context: Context) -> Outcome:
    root = context.model.root
    tracked = _git(root, "ls-files", "-z")
    names = _untracked(root) if tracked is None else [name for name in tracked.split("\0") if name]
    files, lines, problems = 0, 0, []
    for name in names:
        text = _text(root / name)
        if text is None:
            continue
        files += 1
        lines += text.count("\n") + 1
        for found in credentials(text):
            why = f"the line has {found.kind} of {found.length} characters (not shown)"
            problems.append(Sample(why, ref=f"{name}:{found.line}"))
    if not files:
        how = "git tracks no text file" if tracked is not None else "there is no text file"
        raise TargetError(f"nothing was scanned for credentials: {how} below {root}; `git add` what belongs to it")
    return listed(context, lines, problems, files=files, tracked_by_git=tracked is not None)


def _git(root: Path, *arguments: str) -> str | None:
    """Return what git prints; None when it is not installed or ``root`` is in no checkout (or none that it trusts)."""
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
    except OSError:
        return None
    # check-ignore says 1 for "no"; 128 and 129 are git's errors.
    return done.stdout.decode("utf-8", "surrogateescape") if done.returncode in (0, 1) else None


def _untracked(root: Path) -> list[str]:
    """Files at the top and in the model's folders; .env is where secrets belong as long as nothing is tracked."""
    found = [path for path in root.iterdir() if path.name != _ENV]
    found += [path for folder in _FOLDERS for path in (root / folder).rglob("*")]
    return sorted(str(path.relative_to(root)) for path in found if path.is_file())


def _text(path: Path) -> str | None:
    """Return the file's text; None for a link, a folder, a binary file and one that is gone."""
    if path.is_symlink() or not path.is_file():
        return None
    content = path.read_bytes()
    if content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):  # as PowerShell writes what is redirected to a file
        return content.decode("utf-16", "replace")
    return None if b"\0" in content[:8192] else content.decode("utf-8", "replace")


def _env_ignored(context: Context) -> Outcome:
    root = context.model.root
    tracked = _git(root, "ls-files", "-z")
    ignored = _git(root, "check-ignore", "--no-index", _ENV)
    if tracked is None or ignored is None:
        return skipped(f"{root} is not in a git checkout")
    problems = [] if ignored else [Sample(".env is not ignored by git; add it to .gitignore", ref=".gitignore")]
    names = [name for name in tracked.split("\0") if name]
    problems += [
        Sample("the file is tracked by git; remove it with git rm --cached", ref=name)
        for name in names
        if _is_env(name)
    ]
    return listed(context, len(names) + 1, problems)


def _is_env(name: str) -> bool:
    last = name.rsplit("/", 1)[-1]
    return last == _ENV or (last.startswith(f"{_ENV}.") and not last.endswith(_NOT_SECRET_SUFFIXES))


def _env_sample(context: Context) -> Outcome:
    path = context.model.root / _SAMPLE
    if not path.is_file():
        return skipped(f"{context.model.root} has no {_SAMPLE}")
    wanted = {name.upper() for name in Settings.model_fields} | set(context.model.settings)
    found: dict[str, int] = {}
    problems = []
    text = path.read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        match = _ASSIGNMENT.match(line)
        if match is None:
            continue
        name, ref = match["name"], f"{_SAMPLE}:{number}"
        if name in found:
            problems.append(Sample(f"{name} is already defined in line {found[name]}; remove one of them", ref=ref))
        elif name not in wanted:
            problems.append(Sample(f"{name} is not a setting; remove it", ref=ref))
        elif _holds_secret(name, match["value"]):
            problems.append(
                Sample(f"{name} has a value (not shown) that is not a placeholder; write a placeholder", ref=ref)
            )
        found.setdefault(name, number)
    problems += [Sample(f"{name} is missing; add it", ref=_SAMPLE) for name in sorted(wanted - found.keys())]
    named = {int(str(one.ref).rpartition(":")[2]) for one in problems if one.ref != _SAMPLE}
    problems += [
        Sample(f"the line has {one.kind} of {one.length} characters (not shown)", ref=f"{_SAMPLE}:{one.line}")
        for one in credentials(text)
        if one.line not in named
    ]
    return listed(context, len(wanted | found.keys()), problems)


def _holds_secret(name: str, value: str) -> bool:
    plain = dotenv_values(stream=StringIO(f"{name}={value}")).get(name)
    return bool(plain) and _SECRET_NAME.search(name) is not None and not is_placeholder(str(plain))


def _masked_uri(context: Context) -> Outcome:
    """Typical addresses with typical passwords, and the settings' own."""
    cases = [(address.replace("{}", ""), address.format(word), word) for address in _ADDRESSES for word in _PASSWORDS]
    for own in (context.settings.mongodb_connection_string, context.settings.mongodb_local_connection_string):
        scheme, _, rest = (own.get_secret_value() if own else "").partition("://")
        user, at, host = rest.rpartition("@")
        name, colon, password = user.partition(":")
        cases += [(f"{scheme}://{name}:@{host}", f"{scheme}://{rest}", password)] if at and colon and password else []
    # A password may also be a word of the address, such as its user: what counts is that it is not there once more.
    problems = [
        Sample("the password is visible", ref=f"form {number} of {len(cases)}")
        for number, (bare, address, password) in enumerate(cases, start=1)
        if mask(address).count(password) > bare.count(password)
    ]
    return listed(context, len(cases), problems)

"""Credentials in text: a table of what the known kinds look like, and what is only a placeholder for one.

detect-secrets 1.5 does not replace it. Of the cases in tests/conformance/rules/server/test_credentials.py this module
reports 51 of 51 planted credentials and 0 of 74 harmless lines; detect-secrets reports 27 and 20 in a YAML file, 27
and 22 in a text file. This module reads the repository (7 MB) in 0.5 seconds, detect-secrets in 80.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

#: A line that holds this is not looked at; the notation of detect-secrets, for made-up values in tests and documents.
ALLOWED: Final = "pragma: allowlist secret"


@dataclass(frozen=True)
class Kind:
    """A kind of credential; the pattern's group ``secret`` is what must not be known.

    ``hints``: a text without any of these, in lower case, has no match. ``guarded`` kinds are known by a name beside
    the value only, so that the value must also look like a real one.
    """

    name: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    guarded: bool = False


@dataclass(frozen=True)
class Credential:
    """A credential at a line (from 1); the secret itself is not kept, only how long it is."""

    kind: str
    line: int
    length: int


def _kind(name: str, hints: str, pattern: str, *, guarded: bool = False) -> Kind:
    return Kind(name, tuple(hints.split()), re.compile(pattern), guarded)


#: Between a variable's name and its value: in shell, .env, YAML, JSON, Python and TOML alike.
_IS: Final = r"""["']?\s{0,4}(?:[:=]|:=|=>)\s{0,4}["']?"""
#: A value in quotes or bare, up to what ends one; not a call, an index or an attribute of something.
_VALUE: Final = r"""(?P<secret>[^\s"'`,;<>(){}\[\]]{8,512})(?![\w(\[{<])"""

#: The most telling first: a line is reported once.
KINDS: Final = (
    _kind("a private key", "-----begin", r"(?P<secret>-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----)"),
    _kind("a JSON web token", "eyj", r"\b(?P<secret>eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,})"),
    _kind("an AWS access key", "akia asia", r"\b(?P<secret>(?:AKIA|ASIA)[0-9A-Z]{16})\b"),
    _kind(
        "an AWS secret key",
        "secret",
        r"(?i:aws_?secret_?access_?key)" + _IS + r"(?P<secret>[A-Za-z0-9/+=]{40})(?![\w/+=])",
    ),
    _kind(
        "an OpenAI key",  # or of one who took over its form; random, so that letters of both cases and digits mix
        "sk-",
        r"(?<![\w.])(?<!\w-)(?P<secret>sk-(?:[a-z]{2,10}-){0,2}(?=[\w-]*[A-Z])(?=[\w-]*[a-z])(?=[\w-]*\d)"
        r"(?=[\w-]*[A-Za-z0-9]{16})[\w-]{20,}"
        r"|sk-(?:[a-z]{2,10}-(?:v\d-)?)?(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{32,}\b)",
    ),
    _kind(
        "an Azure OpenAI key",
        "openai",
        r"(?i:azure_?openai_?(?:api_?)?key)" + _IS + r"(?P<secret>[A-Za-z0-9]{32,84})\b",
    ),
    _kind(
        "an Azure storage key",  # but for those of Azure's two emulators, which are the same for everyone
        "accountkey",
        r"(?i:accountkey)" + _IS + r"(?P<secret>(?!Eby8vdM0|C2y6yDjf)[A-Za-z0-9+/]{86}==)",
    ),
    _kind("an Atlas service account secret", "mdb_sa_sk_", r"\b(?P<secret>mdb_sa_sk_[\w-]{20,})"),
    _kind(
        "a GitHub token",
        "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
        r"\b(?P<secret>gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,})",
    ),
    _kind("a GitLab token", "glpat-", r"\b(?P<secret>glpat-[\w-]{20,})"),
    _kind("a Slack token", "xox xapp-", r"\b(?P<secret>xox[abeoprs]-[\w-]{10,}|xapp-[\w-]{10,})"),
    _kind("a Slack webhook", "hooks.slack.com", r"(?P<secret>https://hooks\.slack\.com/services/T\w+/B\w+/\w{16,})"),
    _kind("an npm token", "npm_", r"\b(?P<secret>npm_[A-Za-z0-9]{36})"),
    _kind("a PyPI token", "pypi-age", r"\b(?P<secret>pypi-AgE[\w-]{30,})"),
    _kind("a Google key", "aiza", r"\b(?P<secret>AIza[\w-]{35})"),
    _kind("a Stripe key", "k_live_ k_test_", r"\b(?P<secret>[rs]k_(?:live|test)_[A-Za-z0-9]{16,})"),
    _kind("a Hugging Face token", "hf_", r"\b(?P<secret>hf_[A-Za-z0-9]{30,})"),
    _kind(
        "a Ditto credential", "ditto", r"(?i:ditto[\w-]{0,40}(?:api[-_]?key|token|secret))" + _IS + _VALUE, guarded=True
    ),
    _kind(
        "a password in an address",
        "://",
        r"(?<=[A-Za-z0-9])://[^\s:/\"'`<>]{0,80}:(?!\d{1,5}[/?,])(?P<secret>[^\s@\"'`<>]{3,200})@(?=[\w\[<$%])",
    ),
    _kind(
        "a password or key written out",
        "pass secret key token",
        r"(?i:password|passwd|passphrase|secret|(?:api|access|private)[-_]?key|(?:auth|access|license|refresh|bearer|bot"
        r"|playground)_?token)" + _IS + _VALUE,
        guarded=True,
    ),
    _kind(
        "a password on a command line",
        "--pass",
        r"(?<![\w-])--(?:password|passwd|passphrase)(?:\s{1,4}|=)[\"']?" + _VALUE,
        guarded=True,
    ),
    _kind(
        "a user's password",  # in quotes, and no path: the working directory has this name too
        "pwd",
        r"(?i:\bpwd)" + _IS + r"(?<=[\"'])(?P<secret>[^\s\"'`/\\]{8,512})[\"']",
        guarded=True,
    ),
    _kind(
        "a password of MongoDB's tools",
        "mongosh mongodump mongorestore mongoexport mongoimport",
        r"\bmongo(?:sh|dump|restore|export|import)\s[^\n|;&#]{0,300}?(?<=\s)-u\s{1,4}[^\n|;&#]{1,300}?"
        r"(?<=\s)-p\s{1,4}[\"']?(?!-)" + _VALUE,
        guarded=True,
    ),
    _kind(
        "a token written out",
        "token",
        r"(?i:\btoken)" + _IS + r"(?<=[\"'])(?P<secret>[\w.+/=-]{16,512})[\"']",
        guarded=True,
    ),
    _kind(
        "a bearer token",
        "authorization",
        r"(?i:authorization)" + _IS + r"(?i:bearer|basic)\s{1,4}" + _VALUE,
        guarded=True,
    ),
)

#: A text without any of the hints holds no secret; most texts are done with after this one search.
_ANY_HINT: Final = re.compile("|".join(re.escape(hint) for kind in KINDS for hint in kind.hints))
#: Placeholders for a credential: variables, angle brackets, stars, and words that manuals use.
_PLACEHOLDER: Final = re.compile(
    r"""\$\{.*|\$\(.*|\$[A-Z_][A-Z0-9_]*|\$[A-Za-z]+(?:_[A-Za-z0-9]+)*|%\w+%|%\(\w+\)s|\{.*|<.*|\*+.*|\.{2,}|…|x+|X+
    |(?i:(?:your|my|the|some|an?)[-_ ].*|.*(?:example|placeholder|change_?me|redacted|dummy|not[-_]?a[-_]?real).*)
    |(?i:(?:the_?)?(?:user(?:name)?|pass(?:word|wd)?|pwd|secret|secure_password|token|key|api_?key|p(?:ss)?w))
    """,
    re.VERBOSE,
)
#: Up to the end of a value, which may be before that of the text that a kind took for one.
_END: Final = r"""(?![^\s"'`,;<>(){}\[\]])"""
#: Names and expressions of programs and configuration: settings.ditto_api_key, os.environ, process.env.KEY!, user?.key.
_EXPRESSION: Final = re.compile(
    r"(?:\$?[A-Za-z_]\w*(?:(?:\.|->|::)[A-Za-z_]\w*)+|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|[a-z]+(?:_[a-z0-9]+)+"
    r"""|(?<!["'`])(?:[$@&]?[A-Za-z_]\w*(?:(?:[!?]{0,2}\.|\??->|::)#?[A-Za-z_]\w*)+!{0,2}"""
    r"|[a-z]+(?:[A-Z][a-z]*)+!{1,2}(?=[,;)])))" + _END
)
#: References to a secret (AWS, Google, Vault, Azure, a container, an address), not the secret itself.
_REFERENCE: Final = re.compile(
    r"arn:aws[\w-]*:|ssm:/|projects/[^\s/]+/secrets/|vault:[\w-]+/|@Microsoft\.KeyVault\(|secretref:"
    r"|/(?:var/)?run/secrets/|[a-z][a-z0-9+.-]*://"
)


def credentials(text: str) -> Iterator[Credential]:
    """Every line of the text that holds a credential, once, as the first kind of the table that it is."""
    lower = text.lower()
    hinted = [(kind, [hint for hint in kind.hints if hint in lower]) for kind in KINDS]
    hinted = [(kind, hints) for kind, hints in hinted if hints]
    if not hinted:
        return
    lines, starts = text.splitlines(), [0, *accumulate(map(len, lower.splitlines(keepends=True)))]
    kinds: dict[int, list[Kind]] = defaultdict(list)
    for kind, hints in hinted:
        for number in sorted({number for hint in hints for number in _lines_with(hint, lower, starts)}):
            kinds[number].append(kind)
    for number in sorted(kinds):
        if ALLOWED not in lines[number]:
            found = _first(lines[number], kinds[number])
            if found is not None:
                yield Credential(found[0], number + 1, found[1])


def _lines_with(hint: str, lower: str, starts: Sequence[int]) -> Iterator[int]:
    """Yield the numbers of the lines that hold the hint. ``starts`` are the offsets at which the lines begin."""
    at = lower.find(hint)
    while at >= 0:
        number = bisect_right(starts, at) - 1
        yield number
        at = lower.find(hint, starts[number + 1])


def secrets(text: str) -> list[str]:
    """Return every secret that the text holds, the longest first; see `credentials` for what counts as one."""
    lower = text.lower()
    if _ANY_HINT.search(lower) is None:
        return []
    found = {
        match["secret"]
        for kind in KINDS
        if any(hint in lower for hint in kind.hints)
        for line in text.splitlines()
        for match in kind.pattern.finditer(line)
        if _is_secret(kind, line, match)
    }
    return sorted(found, key=len, reverse=True)


def is_placeholder(value: str) -> bool:
    """Return True for what only stands where a credential belongs, such as ``<password>`` or ``your_api_key``."""
    return _PLACEHOLDER.fullmatch(value) is not None


def _first(line: str, kinds: Sequence[Kind]) -> tuple[str, int] | None:
    for kind in kinds:
        for match in kind.pattern.finditer(line):
            if _is_secret(kind, line, match):
                return kind.name, len(match["secret"])
    return None


def _is_secret(kind: Kind, line: str, match: re.Match[str]) -> bool:
    return not is_placeholder(match["secret"]) and (not kind.guarded or _is_written_out(line, match))


def _is_written_out(line: str, match: re.Match[str]) -> bool:
    """Return False where a program computes the value, or a store of secrets is asked for it."""
    start = match.start("secret")
    if _EXPRESSION.match(line, start) or _REFERENCE.match(line, start):
        return False
    return _looks_real(match["secret"])


def _looks_real(value: str) -> bool:
    """Letters mixed with digits or signs, or digits alone, as passwords and keys are, and names and words are not."""
    if value.isdigit():
        return True
    letters = any(char.isalpha() for char in value)
    others = any(not char.isalpha() and char not in "_-./:" for char in value)
    long_and_mixed = len(value) >= 20 and value.lower() != value != value.upper() and value.isalnum()
    return letters and (others or long_and_mixed)

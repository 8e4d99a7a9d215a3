"""Data of a rule for Allure: its labels, a bounded attachment, and the run's environment and categories.

Nothing here imports pytest or Allure; allure_pytest.py hangs it on tests, allure_html.py renders it.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from conformance.checks.base import Rule
from conformance.files.writing import write_text
from conformance.report.json_file import plain
from conformance.report.pictures import pictures
from conformance.results import KNOWN, Report, Result, Severity, TargetInfo
from conformance.rules.families import family
from conformance.text.visible import visible

#: The HTML report as seen from Allure's, before a rule's id.
REPORT_LINK: Final = "../validation.html#"
#: The folder of the whole run's pictures, in that of Allure's results.
PICTURES: Final = "pictures"
_SEVERITIES: Final[Mapping[Severity, str]] = {"error": "critical", "warning": "minor"}
_ATTACHED_TEXT: Final = 1000
_ATTACHED_SAMPLES: Final = 100
_ATTACHED_EVIDENCE: Final = 20_000
#: Errors that are the target's or the configuration's, not the harness's: as they begin pytest's message.
_TARGET_ERRORS: Final = r"(conformance\.errors\.|pymongo\.errors\.|TargetError|ConfigurationError)"


@dataclass(frozen=True)
class Labels:
    """The labels of one rule in Allure; ``severity`` is Allure's word, ``description`` Markdown."""

    rule: str
    epic: str
    feature: str
    story: str
    severity: str
    title: str
    description: str

    @property
    def link(self) -> str:
        """Return where the HTML report, which lies beside Allure's, tells of the rule."""
        return f"{REPORT_LINK}{self.rule}"

    @property
    def identity(self) -> str:
        """The same 32 hex digits for the rule in every run, on every machine, in every checkout and test file."""
        return hashlib.md5(self.rule.encode(), usedforsecurity=False).hexdigest()


def epic(database: str, *, embedded: bool = False) -> str:
    """Return the title over everything that was validated in one database."""
    return f"Conformance of {database}{' (generated data)' if embedded else ''}"


def labels(subject: Rule | Result, epic: str) -> Labels:
    """Return the labels of a rule, the same before its run and after."""
    about = family(subject.family)
    paragraphs = [
        visible(subject.title),
        f"**Why it matters:** {visible(subject.why)}" if subject.why else "",
        f"**How to fix it:** {visible(subject.fix)}" if subject.fix else "",
        f"Rule `{subject.id}`, family {about.title}: {about.meaning} {about.method}",
    ]
    return Labels(
        rule=subject.id,
        epic=epic,
        feature=about.title,
        story=subject.collection,
        severity=_SEVERITIES[subject.severity],
        title=visible(subject.title),
        description="\n\n".join(filter(None, paragraphs)),
    )


def attachment(result: Result) -> tuple[str, str]:
    """Name and JSON text of the one attachment of a result.

    Bounded: at most 100 samples, 1,000 characters of each text in them, 20,000 characters of evidence.
    """
    evidence = plain(result.evidence)
    text = json.dumps(evidence, ensure_ascii=False)
    content = {
        "rule": result.id,
        "title": result.title,
        "status": result.status,
        "reason": result.reason,
        "examined": result.examined,
        "violations": result.violations,
        "samples": [
            {key: visible(value, _ATTACHED_TEXT) for key, value in sample.as_json().items()}
            for sample in result.samples[:_ATTACHED_SAMPLES]
        ],
        "evidence": evidence if len(text) <= _ATTACHED_EVIDENCE else visible(text, _ATTACHED_EVIDENCE),
    }
    return f"{result.id}.json", json.dumps(content, ensure_ascii=False, indent=1)


def environment_properties(target: TargetInfo, seed: int) -> dict[str, str]:
    """Return what Allure lists as the run's environment."""
    return {
        "Database": target.database,
        "Server": target.uri,
        "MongoDB": target.server_version,
        "Data": "embedded, generated data" if target.embedded else "named server",
        "Seed": str(seed),
        "Python": platform.python_version(),
    }


def categories() -> list[dict[str, Any]]:
    """Allure's categories, the same for Allure 2 (categories.json) and 3 (its configuration): each result is in one."""
    return [
        {"name": "Known: accepted", "matchedStatuses": ["failed"], "messageRegex": rf"{KNOWN}[\s\S]*"},
        {"name": "The data breaks a rule", "matchedStatuses": ["failed"], "messageRegex": rf"^(?!{KNOWN})[\s\S]*"},
        {
            "name": "The target or the configuration could not be used",
            "matchedStatuses": ["broken"],
            "messageRegex": rf"[\s\S]*{_TARGET_ERRORS}[\s\S]*",
        },
        {
            "name": "The harness or a test is at fault",
            "matchedStatuses": ["broken"],
            "messageRegex": rf"^(?![\s\S]*{_TARGET_ERRORS})[\s\S]*",
        },
        {"name": "Not examined", "matchedStatuses": ["skipped"]},
    ]


def prepare(results: Path, report: Report) -> None:
    """Put the run's environment, categories and pictures into the folder of Allure's results, which is made if missing.

    Call it once the target is known; pytest's --clean-alluredir empties the folder before. Raises ConfigurationError
    when the folder cannot be written.
    """
    properties = environment_properties(report.target, report.seed)
    lines = [f"{key}={_escaped(value)}\n" for key, value in properties.items()]
    write_text(results / "environment.properties", "".join(lines))
    for old in (results / PICTURES).glob("*.svg"):
        old.unlink()
    for picture in pictures(report):
        write_text(results / PICTURES / f"{picture.name}.svg", picture.file)
    write_text(results / "categories.json", json.dumps(categories(), indent=1))


def _escaped(text: str) -> str:
    """Return a value as Java's properties have it, in ASCII."""
    escaped = visible(text).strip().replace("\\", "\\\\")
    return "".join(character if character.isascii() else _utf16(character) for character in escaped)


def _utf16(character: str) -> str:
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))

"""Keys that were renamed are still read under their old names, with one notice each."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from conformance.config import renamed_keys
from conformance.errors import ConfigurationError
from conformance.run.session import load_project
from tests.root import ROOT

OLD = {
    "rules.yaml": {"\ncounts:": "\ntallies:", "\ndistributions:": "\nshares:", "\n    fix: ": "\n    mend: "},
    "generation.yaml": {"\nparameters:": "\nfigures:"},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the model."""
    renamed_keys._notify.cache_clear()
    for name in ("schemas", "config"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def with_old_names(folder: Path) -> None:
    for name, keys in OLD.items():
        path = folder / "config" / name
        text = path.read_text(encoding="utf-8")
        for new, old in keys.items():
            assert new in text
            text = text.replace(new, old)
        path.write_text(text, encoding="utf-8")


def test_old_names_give_the_same_rules_and_one_notice_each(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    expected = load_project(folder)
    with_old_names(folder)
    with caplog.at_level(logging.WARNING):
        found = load_project(folder)
    texts = [(rule.id, rule.title, rule.why, rule.fix) for rule in expected.rules]
    assert [(rule.id, rule.title, rule.why, rule.fix) for rule in found.rules] == texts
    assert found.configuration.generation == expected.configuration.generation
    messages = sorted(record.getMessage().split("the key ")[1] for record in caplog.records)
    assert [one.split(" is deprecated; write ")[0] for one in messages] == [
        "'figures'",
        "'mend'",
        "'shares'",
        "'tallies'",
    ]
    assert all(one.endswith("the only name that the next release reads") for one in messages)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("rules.yaml", "counts: []\ntallies: []\n", "found both 'tallies' and 'counts'; remove 'tallies'"),
        (
            "rules.yaml",
            "assertions:\n  - {family: business, title: A, fix: B, mend: C, collection: a, subject: a, holds: a}\n",
            "found both 'mend' and 'fix'; remove 'mend'",
        ),
    ],
)
def test_old_name_together_with_the_new_one_is_an_error(folder: Path, name: str, text: str, why: str) -> None:
    (folder / "config" / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=rf"{name}:2: {why}"):
        load_project(folder)


def test_new_names_give_no_notice(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        load_project(folder)
    assert caplog.records == []

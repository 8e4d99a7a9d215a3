"""Family security: .env is ignored, and .env.sample is complete and free of secrets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from conformance.config.settings import Settings, load_settings
from conformance.errors import ConfigurationError
from conformance.rules.server import security
from tests.conformance.rules.server.checkouts import HEX, IGNORED, SAMPLE, _git, checkout, verdict
from tests.validation import ROOT

__all__ = ["checkout"]


Checkout = Callable[..., Path]


@pytest.mark.parametrize(
    ("files", "refs"),
    [
        ({"DOTgitignore": ".env\n", "a": ""}, []),
        ({"DOTgitignore": "*.env*\n!.env.sample\n", "DOTenvDOTsample": "", "DOTenvDOTexample": ""}, []),
        ({"a": ""}, [".gitignore"]),
        ({"DOTgitignore": ".env\n!.env\n", "a": ""}, [".gitignore"]),
        ({"a": "", "DOTenv": "A=1"}, [".gitignore", ".env"]),
        ({"DOTgitignore": "/.env\n", "deploy__DOTenvDOTproduction": "A=1"}, ["deploy/.env.production"]),
    ],
    ids=["ignored", "by a pattern", "not ignored", "taken back", "tracked", "another one tracked"],
)
def test_env_is_ignored_and_not_tracked(checkout: Checkout, files: dict[str, str], refs: list[str]) -> None:
    outcome = verdict(checkout(**files))[IGNORED]
    assert [sample.ref for sample in outcome.samples] == refs
    assert outcome.violations == len(refs)


@pytest.mark.parametrize("unknown", ["ls-files", "check-ignore"])
def test_failing_git_is_not_a_finding(checkout: Checkout, monkeypatch: pytest.MonkeyPatch, unknown: str) -> None:
    git = security._git
    monkeypatch.setattr(security, "_git", lambda root, *words: None if unknown in words else git(root, *words))
    root = checkout(a="x")
    assert verdict(root)[IGNORED].skipped == f"{root} is not in a git checkout"


def test_tracked_env_is_reported_although_ignored(checkout: Checkout) -> None:
    root = checkout(DOTgitignore=".env\n", DOTenv="A=1")
    _git(root, "add", "--force", ".env")
    assert [sample.ref for sample in verdict(root)[IGNORED].samples] == [".env"]


SHIPPED = (ROOT / ".env.sample").read_text(encoding="utf-8")

SAMPLES = [
    ("as shipped", "", "", []),
    ("a variable is missing", "BATCH_SIZE=1000\n", "", ["BATCH_SIZE is missing"]),
    ("a secret's variable is missing", "# DITTO_API_KEY=your_ditto_api_key\n", "", ["DITTO_API_KEY is missing"]),
    ("a variable too many", "SEED=", "COLOUR=red\nSEED=", ["COLOUR is not a setting"]),
    ("a variable twice", "SEED=", "SEED=1\nSEED=", ["SEED is already defined in line"]),
    ("a key", "your_ditto_api_key", "abc", ["DITTO_API_KEY has a value (not shown) that is not a placeholder"]),
    (
        "a key that looks real",
        "your_ditto_api_key",
        HEX,
        ["DITTO_API_KEY has a value (not shown) that is not a placeholder"],
    ),
    ("a password in the address", "username:password", "zava:" + "x7y8z9", ["a password in an address"]),
    ("a key in a comment", "# Seed of the generator", "# " + "AK" + "IA" + "Q3EGRZ7YTB2XWVU5", ["an AWS access key"]),
    ("two faults", "BATCH_SIZE", "BATCHSIZE", ["BATCHSIZE is not a setting", "BATCH_SIZE is missing"]),
]


@pytest.mark.parametrize(("old", "new", "message"), [row[1:] for row in SAMPLES], ids=[row[0] for row in SAMPLES])
def test_env_sample_is_complete_and_free_of_secrets(checkout: Checkout, old: str, new: str, message: list[str]) -> None:
    assert not old or SHIPPED.count(old) == 1
    text = SHIPPED.replace(old, new) if old else SHIPPED
    outcome = verdict(checkout(DOTenvDOTsample=text, DOTgitignore=".env"))[SAMPLE]
    assert outcome.violations == len(message)
    for sample, part in zip(outcome.samples, message, strict=True):
        assert part in sample.why
        assert HEX not in sample.why
    assert outcome.examined == len(Settings.model_fields) + sum("is not a setting" in part for part in message)


def test_setting_of_a_model_is_required_in_env_sample(checkout: Checkout) -> None:
    greenhouse = ROOT / "examples" / "greenhouse"
    root = checkout(DOTenvDOTsample=f"{SHIPPED}NUM_SENSORS=5\n", DOTgitignore=".env")
    assert verdict(root, greenhouse)[SAMPLE].violations == 0
    (root / ".env.sample").write_text(SHIPPED, encoding="utf-8")
    (sample,) = verdict(root, greenhouse)[SAMPLE].samples
    assert (sample.why, sample.ref) == ("NUM_SENSORS is missing; add it", ".env.sample")


def test_missing_env_sample_skips_the_rule(checkout: Checkout) -> None:
    root = checkout(a="x")
    assert verdict(root)[SAMPLE].skipped == f"{root} has no .env.sample"


def _values(*, commented: bool) -> dict[str, str]:
    """Return the variables of .env.sample, with or without those that are commented out."""
    found = {}
    for line in SHIPPED.splitlines():
        name, equals, value = line.removeprefix("# ").partition("=")
        if equals and name.isupper() and " " not in name and (commented or not line.startswith("#")):
            found[name] = value
    return found


def test_unedited_copy_of_env_sample_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _forget(monkeypatch)
    (tmp_path / ".env").write_text(SHIPPED, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"MONGODB_CONNECTION_STRING.*placeholder of \.env\.sample"):
        load_settings(tmp_path / ".env")


def test_env_sample_without_its_first_line_has_the_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _forget(monkeypatch)
    rest = [line for line in SHIPPED.splitlines() if not line.startswith("MONGODB_CONNECTION_STRING")]
    (tmp_path / ".env").write_text("\n".join(rest), encoding="utf-8")
    assert load_settings(tmp_path / ".env") == load_settings(tmp_path / "none")


def test_every_placeholder_is_rejected_by_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _forget(monkeypatch)
    placeholders = _values(commented=True).keys() - _values(commented=False).keys()
    placeholders -= {"MONGODB_LOCAL_CONNECTION_STRING"}  # a usual address, not a placeholder
    assert len(placeholders) == 8
    for name in placeholders | {"MONGODB_CONNECTION_STRING"}:
        (tmp_path / ".env").write_text(f"{name}={_values(commented=True)[name]}\n", encoding="utf-8")
        with pytest.raises(ConfigurationError, match=rf"{name}.*placeholder of \.env\.sample"):
            load_settings(tmp_path / ".env")


def test_comments_of_env_sample_equal_the_descriptions_of_settings() -> None:
    for name, field in Settings.model_fields.items():
        assert name.upper() in _values(commented=True)
        assert field.description is not None
        assert field.description.rstrip(".").lower() in SHIPPED.lower()


def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

"""Patterns with excessive backtracking are rejected; accepted patterns are measured to be fast."""

from __future__ import annotations

import itertools
import json
import random
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from conformance.errors import ConfigurationError
from conformance.model.schemas.loading import load_model
from conformance.model.validators.document_validator import fits
from conformance.patterns.backtracking import MAX_STEPS, explodes, slow
from conformance.patterns.portability import unportable
from tests.validation import ROOT

pytestmark = pytest.mark.slow

EXPONENTIAL = [
    "^([A-Za-z .'-]+)+$", "^(a|a)*$", "^(a*)*$", "^(a+)+$", "^(a|aa)+$", "^(ab|a|b)*$", "^(a+b?)+$", "^((ab)*)*$",
    "^(x+x+)+y$", "^([a-z]{1,64}){1,64}$", "^([0-9]{1,3}-?){20}$", "^(a?){30}a{30}$", "^(a{0,30}){0,30}$",
    "^(([0-9]+,?)+;?)+$", "^(a|b|ab)*c$", "^([a-zA-Z0-9])(([._-]?[a-zA-Z0-9]+)*)$", "^[a-z]+( ?[a-z]+)*$",
    "^(ab|cd|abcd)*$", "^((a|b)(c|d)|ac)+$", "^(a|a){30}$", "^(a*?)+?$", "^([ -~]|[a-z]){5,}$", "^x(y|y)*z$",
    "^(\\.|[!-~])+$", "^([^a]+|b)*$",
]  # fmt: skip
HARMLESS: list[tuple[str, int | None]] = [
    ("^([0-9]{4}[ -]?){3}[0-9]{4}$", None), ("^([0-9a-f]{2}:){5}[0-9a-f]{2}$", None), ("^(a|b)*$", None),
    ("^[A-Z][a-z]*( [A-Z][a-z]*)*$", None), ("^(jan|feb|mar)+$", None), ("^[a-z]+[a-z0-9]*$", 200),
    ("^[a-z0-9]+(-[a-z0-9]+)*$", None), ("^#([0-9a-f]{3}|[0-9a-f]{6})$", None), ("^(0|[1-9][0-9]*)$", None),
    ("^[A-Za-z][A-Za-z0-9 ]*[A-Za-z0-9]$", 100), ("^(ab|ac)*$", None), ("^[0-9]{1,3}(\\.[0-9]{1,3}){3}$", None),
    ("^[a-z]{2,10}(-[a-z]{2,10}){0,5}$", None), ("^([a-z]{1,8}-?){1,3}$", None), ("^[0-9a-f]{1024}$", None),
    ("^[^a]*a[^a]*$", None), ("^(a{1,2}){1,3}$", None), ("^é+$", None), ("^$", None), ("^()$", None), ("^(|a)*$", None),
    ("^[!-~]([ -~]{0,62}[!-~])?$", None), ("^(a|b){200}(a|b){300}$", None),
]  # fmt: skip
#: A pattern, the number of its loops that can match the same text, and the greatest accepted maxLength.
POLYNOMIAL = [
    ("^[a-z]*[a-z0-9]*$", 2, 1_998), ("^[A-Za-z0-9_]*[A-Za-z0-9_]*[A-Za-z0-9_]*$", 3, 226),
    ("^([ -~]*a){20}$", 20, 7), ("^a*b*a*$", 2, 1_998), ("^ *[a-z ]* *$", 3, 226), ("^(ab)*a(ba)*$", 2, 1_998),
]  # fmt: skip


@pytest.mark.parametrize("pattern", EXPONENTIAL)
def test_exponential_pattern_is_rejected(pattern: str) -> None:
    assert "very many ways" in str(unportable(pattern))


@pytest.mark.parametrize(("pattern", "longest"), HARMLESS)
def test_harmless_pattern_is_accepted(pattern: str, longest: int | None) -> None:
    assert unportable(pattern) is None
    assert slow(pattern, longest) is None


@pytest.mark.parametrize(("pattern", "degree", "most"), POLYNOMIAL)
def test_overlapping_loops_are_rejected_from_the_length_at_which_they_are_slow(
    pattern: str, degree: int, most: int
) -> None:
    assert explodes(pattern) is None
    assert str(slow(pattern, None)).startswith(f"{degree} repetitions that match the same characters")
    assert slow(pattern, most) is None
    assert f"maxLength of at most {most}" in str(slow(pattern, most + 500))


def test_patterns_of_the_project_and_its_examples_are_accepted() -> None:
    for folder in (ROOT, ROOT / "examples" / "greenhouse"):
        assert load_model(folder).collections


def generated(rng: random.Random, depth: int = 3) -> str:
    """Return a random pattern over two letters."""
    if depth == 0 or rng.random() < 0.2:
        return rng.choice(["a", "b", "[ab]", "[^a]", "ab"])
    inner = [generated(rng, depth - 1) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.5:
        return "".join(inner)
    return f"({'|'.join(inner)}){rng.choice(['*', '+', '?', '{2}', '{0,2}', '{1,9}', ''])}"


def seconds(pattern: str, longest: int) -> float:
    """Return the longest time that the engine takes for a text that repeats few letters and does not match."""
    most = 0.0
    for size in (1, 2, 3):
        for letters in itertools.product("ab", repeat=size):
            text = ("".join(letters) * longest)[:longest] + "!"
            started = time.process_time()
            re.search(pattern, text)
            most = max(most, time.process_time() - started)
    return most


def test_accepted_patterns_are_fast_by_measurement() -> None:
    """Random accepted patterns are measured with the engine at the accepted length."""
    rng = random.Random(7)
    accepted = refused = 0
    for _ in range(400):
        pattern = f"^{generated(rng)}x$"
        if explodes(pattern) is not None:
            refused += 1
        elif slow(pattern, 120) is None:
            accepted += 1
            assert seconds(pattern, 120) < 1, pattern
    assert accepted > 150
    assert refused > 50


def test_rejected_patterns_are_slow_by_measurement() -> None:
    """The time of each rejected pattern doubles with one or two more letters."""
    for pattern, text in (("^([A-Za-z .'-]+)+$", "a"), ("^(a|a)*$", "a"), ("^(a|aa)+$", "a"), ("^(ab|a|b)*$", "ab")):
        times = []
        for length in (12, 20):
            started = time.process_time()
            for _ in range(3):
                re.search(pattern, (text * length)[:length] + "!")
            times.append(time.process_time() - started)
        assert times[1] > 3 * times[0], pattern
    assert MAX_STEPS < 2**24


def model_with(tmp_path: Path, **keywords: Any) -> Path:
    """Return a copy of the greenhouse whose house has a field of the keywords."""
    folder = tmp_path / "model"
    shutil.copytree(ROOT / "examples" / "greenhouse", folder)
    path = next((folder / "schemas").glob("*house*.json"))
    schema = json.loads(path.read_text(encoding="utf-8"))
    schema["properties"]["note"] = {"type": "string", **keywords}
    path.write_text(json.dumps(schema), encoding="utf-8")
    return folder


def test_model_with_an_exponential_pattern_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_model(model_with(tmp_path, pattern="^([A-Za-z .'-]+)+$", maxLength=100))
    text = str(refused.value)
    assert "properties/note/pattern" in text
    assert "it can match one text in very many ways" in text
    assert len(text.splitlines()) == 1


def test_model_with_a_slow_pattern_is_rejected_unless_text_is_short(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"properties/note/pattern: 2 repetitions .* maxLength of at most 1998"
    ):
        load_model(model_with(tmp_path, pattern="^[a-z]*[a-z0-9]*$"))
    assert load_model(model_with(tmp_path / "short", pattern="^[a-z]*[a-z0-9]*$", maxLength=50))


def test_text_longer_than_maxlength_is_not_matched() -> None:
    """A pattern is fast up to maxLength only; longer text is a violation in any case."""
    schema = {"type": "string", "pattern": "^[a-z]*[a-z0-9]*x$", "maxLength": 1_000}
    started = time.process_time()
    assert not fits(schema, "a" * 60_000)
    assert time.process_time() - started < 1
    assert not fits(schema, "a" * 1_000)
    assert fits(schema, "a" * 999 + "x")

"""Every rule has a title that states a requirement, a why that names a consequence, and a fix that names an action."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from conformance.checks.base import Rule
from conformance.run.session import load_project
from tests.root import ROOT
from tests.validation import shipped_project

MODELS: Final = {"zava": ROOT, **{name: ROOT / "examples" / name for name in ("greenhouse", "zava_joins")}}
RULES: Final = {rule.id: rule for rule in shipped_project().rules}

#: Verbs that make a title a sentence.
VERB: Final = re.compile(
    r"\b(?:is|are|was|were|has|have|can|must|exists?|equals?|uses?|subscribe|selects?|share|look|differ|refers?|contains?|accepts|belongs)\b"
)
#: Beginnings of a clause that lacks its head, such as "What is few is compared".
HEADLESS: Final = re.compile(r"(?:What|Whatever|Who|Whoever|Whose|Which|Whether|Where|Wherever|Of|That)\b")
IMPERATIVE: Final = re.compile(
    r"(?:Add|Ask|Change|Check|Compute|Copy|Correct|Count|Create|Declare|Define|Divide|Drop|Enlarge|Find|Flatten|Generate|Give|Grant"
    r"|Insert|Load|Make|Map|Merge|Move|Name|Read|Recompute|Recount|Remove|Rename|Replace|Report|Require|Restore|Restrict"
    r"|Rotate|Run|Set|Shorten|Soft-delete|Start|Store|Upgrade|Write)\b"
)
RETIRED: Final = re.compile(
    r"\b(?:nobody|anew|mend\w*|judg\w*|stands|stand|told|tells|whoever|tall(?:y|ies)|figures?|looked at|says|said)\b"
    r"|\bis no\b|\bof its\b (?=\w+$)",
    re.IGNORECASE,
)


def rules(model: str) -> list[Rule]:
    return list(load_project(MODELS[model]).rules)


def requirement(rule: Rule) -> str:
    """Return the title without the collection or query that it begins with."""
    place, colon, sentence = rule.title.partition(": ")
    return sentence if colon and len(place) < 120 and not VERB.search(place) else rule.title


@pytest.mark.parametrize("model", MODELS)
def test_every_title_is_a_sentence(model: str) -> None:
    found = rules(model)
    assert [rule.title for rule in found if not rule.title[0].isupper()] == []
    assert [rule.title for rule in found if rule.title.endswith((".", ":", ";", ",", "?"))] == []
    assert [rule.title for rule in found if not VERB.search(requirement(rule))] == []
    assert [rule.title for rule in found if HEADLESS.match(requirement(rule))] == []


def test_every_why_is_a_sentence() -> None:
    whys = {rule.why for rule in RULES.values()}
    assert [why for why in whys if not re.fullmatch(r"[A-Z].*[.]", why, re.DOTALL)] == []
    assert [why for why in whys if HEADLESS.match(why)] == []


def test_every_fix_begins_with_an_imperative() -> None:
    fixes = {rule.fix for rule in RULES.values()}
    assert [fix for fix in fixes if not fix.endswith(".")] == []
    assert [fix for fix in fixes if not IMPERATIVE.match(fix)] == []


def test_no_text_has_a_retired_term() -> None:
    texts = {text for rule in RULES.values() for text in (rule.title, rule.why, rule.fix)}
    assert [text for text in texts if RETIRED.search(text)] == []


def test_patterns_match_texts_that_are_not_sentences(tmp_path: Path) -> None:
    assert not VERB.search("no field beyond those of the schema")
    assert HEADLESS.match("What has no vector is not found by a search.")
    assert RETIRED.search("Generate the data anew")

"""The facts about Ditto that this project relies on, verified on the SDK: a changed answer fails here first."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
import yaml

from edge.store.sdk import unavailable
from edge.store.statements import StatementError
from edge.store.store import Store
from tests.faults.engine.values import made
from tests.root import ROOT

FACTS: Final = yaml.safe_load((ROOT / "tests/edge/store/ditto_facts.yaml").read_text(encoding="utf-8"))
PAGE: Final = (ROOT / "docs/DITTO_FACTS.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    reason = unavailable()
    if reason is not None:
        pytest.skip(reason)
    with Store.open(tmp_path_factory.mktemp("facts") / "store") as opened:
        for collection, documents in FACTS["documents"].items():
            opened.insert(collection, documents)
        yield opened


@pytest.mark.ditto
@pytest.mark.parametrize("fact", FACTS["facts"], ids=lambda fact: fact["fact"][:60])
def test_sdk_answers_as_documented(fact: Mapping[str, Any], store: Store) -> None:
    for statement in fact["statements"]:
        if "refused" in statement:
            with pytest.raises(StatementError) as refusal:
                run(store, statement)
            assert statement["refused"] in str(refusal.value)
        else:
            assert run(store, statement) == statement.get("rows", []), statement["dql"]


def run(store: Store, statement: Mapping[str, Any]) -> list[Any]:
    """Return the rows of a statement; none for a subscription."""
    arguments = made(statement.get("arguments", {}), {})
    if statement.get("subscription"):
        store.validate_subscription(statement["dql"], arguments)
        return []
    return store.execute(statement["dql"], arguments)


@pytest.mark.ditto
def test_facts_match_the_installed_sdk_version() -> None:
    """After a change of version, check every answer again; then update the version and the day in this file."""
    assert importlib.metadata.version("dittolive-ditto") == FACTS["sdk"]


def test_page_lists_each_fact_with_version_and_day() -> None:
    assert f"SDK {FACTS['sdk']}" in PAGE
    assert str(FACTS["checked"]) in PAGE
    lines = [line.removeprefix("- ") for line in PAGE.replace("\n  ", " ").splitlines()]
    assert [fact["fact"] for fact in FACTS["facts"] if fact["fact"] not in lines] == []

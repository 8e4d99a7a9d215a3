"""Random models are generated, provisioned and validated without findings; invalid ones are one error line."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, note
from hypothesis import strategies as st
from pymongo import MongoClient

from conformance.checks.base import Context
from conformance.config.loading import load_configuration
from conformance.config.settings import load_settings
from conformance.errors import ConfigurationError
from conformance.model.schemas.loading import load_model
from conformance.model.validators.document_validator import breaches
from conformance.rules.catalogue import all_rules
from conformance.run.runner import Run
from conformance.server import provision
from generator.columns.plan import Plan
from generator.loader import load
from tests.conformance.model.schema_packs import SPOILERS, Pack, packs, write
from tests.profiles import examples

pytestmark = pytest.mark.slow

#: Families that say something of a model without configuration files of its own.
FAMILIES = (
    "counts",
    "documents",
    "references",
    "uniqueness",
    "snapshots",
    "crdt",
    "indexes",
    "validators",
    "embeddings",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pack")


@examples(12)
@given(pack=packs(), seed=st.integers(0, 2**32))
def test_random_model_is_generated_without_a_finding(
    server: MongoClient[Any], folder: Path, pack: Pack, seed: int
) -> None:
    model = load_model(write(pack, folder))
    settings = load_settings(folder / "none.env", seed=seed)
    configuration = load_configuration(model, settings.constants())
    database = server["random_pack"]
    server.drop_database(database.name)
    try:
        plan = [*Plan(model, configuration, settings).documents()]
    except ConfigurationError as error:  # one is made with each harbour, and refers to what refers to harbours
        assume("wait for each other" not in str(error))
        raise
    for name, documents in plan:
        wrong = [breach for document in documents for breach in breaches(model[name], document)]
        assert not wrong, (name, wrong[:3])
    provision.apply(provision.plan(model, database), database)
    load(Plan(model, configuration, settings).documents(), database, 100)
    assert provision.plan(model, database) == []
    rules = [rule for rule in all_rules(model, configuration) if rule.family in FAMILIES]
    context = Context(model, configuration, settings, database, embedded=True, scratch=None)
    with Run(rules, context) as run:
        results = run.results()
    broken = {r.id: (r.status, r.reason, r.samples) for r in results if r.status not in ("passed", "skipped")}
    note(f"seed {seed}")
    assert broken == {}
    assert sum(result.status == "passed" for result in results) > 10


@pytest.mark.parametrize("spoiler", SPOILERS, ids=str)
@examples(5)
@given(pack=packs())
def test_random_invalid_model_is_one_error(folder: Path, spoiler: str, pack: Pack) -> None:
    spoilt = copy.deepcopy(pack)
    name = next(iter(spoilt))
    SPOILERS[spoiler](spoilt[name])
    with pytest.raises(ConfigurationError) as error:
        load_model(write(spoilt, folder))
    assert f"{name}.json" in str(error.value)
    assert "\n" not in str(error.value)

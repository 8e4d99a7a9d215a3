"""Times with milliseconds, as JavaScript writes them: every reading of the schema agrees, and forms are not mixed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database
from pymongo.errors import WriteError

from conformance.checks.bounds import Bounds
from conformance.config.configuration import Bound
from conformance.config.settings import Settings
from conformance.errors import ConfigurationError
from conformance.inspection.drafting.draft import draft
from conformance.inspection.drafting.files import write_model
from conformance.inspection.inspection import inspect
from conformance.language.formulas.formula import Formula
from conformance.model.schemas.loading import load_model
from conformance.model.validators.document_validator import breaches, conforms
from conformance.model.validators.server_validator import validator
from conformance.report.documentation import data_model
from conformance.rules.data import documents
from generator.columns.plan import Plan
from generator.fuzzing.mutations import mutations
from generator.fuzzing.strategies import documents as valid_documents
from tests.models import collection_of, model_of
from tests.validation import configuration_for, context_for, run_rules

SECONDS = {"type": "string", "x-timestamp": True}
PRECISE = {"type": "string", "x-timestamp": "milliseconds"}


@pytest.mark.server
def test_server_and_jsonschema_take_the_same_times(database: Database[dict[str, Any]], tmp_path: Path) -> None:
    (collection,) = model_of(tmp_path, {"things": collection_of({"at": PRECISE})})
    mongo = database.create_collection("things", validator=validator(collection))
    for text, is_right in {
        "2024-01-31T10:00:00.000Z": True,
        "2024-02-29T23:59:59.999Z": True,
        "2023-02-29T10:00:00.000Z": False,
        "2024-01-31T10:00:00Z": False,
        "2024-01-31T10:00:00.00Z": False,
        "2024-01-31T10:00:00.0000Z": False,
        "2024-01-31T10:00:00,000Z": False,
        "2024-01-31T10:00:00.000Z\n": False,
    }.items():
        document = {"_id": ObjectId(), "at": text}
        try:
            mongo.insert_one(document)
            taken = True
        except WriteError:
            taken = False
        assert (taken, conforms(collection, document)) == (is_right, is_right), text
    (breach,) = breaches(collection, {"_id": ObjectId(), "at": "2024-01-31T10:00:00Z"})
    assert breach.message == '"2024-01-31T10:00:00Z" is not a valid UTC time in the form YYYY-MM-DDTHH:MM:SS.mmmZ'


@given(data=st.data())
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_strategies_make_valid_and_invalid_times(data: st.DataObject, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    if not folder.exists():
        folder.mkdir()
        model_of(folder, {"things": collection_of({"at": PRECISE, "then": SECONDS})})
    (collection,) = load_model(folder)
    document = data.draw(valid_documents(collection))
    assert conforms(collection, document)
    broken = [each for each in mutations(collection, document) if each.breach.keyword == "x-timestamp"]
    assert len(broken) > 30
    assert not any(conforms(collection, each.document()) for each in broken)


def test_generated_times_have_their_form_and_their_order(tmp_path: Path) -> None:
    fields = {
        "made": {**PRECISE, "x-sample": {"before": "START_DATE", "days": 9}},
        "changed": {**PRECISE, "x-sample": {"after": "made", "days": 3}},
        "copy": {**PRECISE, "x-sample": {"same_as": "changed"}},
        "any": PRECISE,
    }
    model = model_of(tmp_path, {"things": collection_of(fields)})
    ((_, made),) = Plan(model, configuration_for(model), Settings()).documents()
    assert all(conforms(model["things"], each) for each in made)
    assert all(each["made"] <= each["changed"] == each["copy"] for each in made)
    assert len({each["any"][-5:] for each in made}) > 50


@pytest.mark.server
def test_times_of_javascript_are_drafted_and_validated(database: Database[dict[str, Any]], tmp_path: Path) -> None:
    database["events"].insert_many(
        {"_id": n, "at": f"2024-01-{n + 1:02}T10:00:00.{n:03}Z", "mixed": "2024-01-15T10:00:00" + ".5Z"[2 * (n % 2) :]}
        for n in range(20)
    )
    write_model(draft(database, inspect(database), ()), tmp_path / "model", database.name)
    model = load_model(tmp_path / "model")
    assert model["events"].field("at").schema == PRECISE
    assert model["events"].field("mixed").kind == "string"
    assert "in the form YYYY-MM-DDTHH:MM:SS.mmmZ" in data_model(model)
    database["events"].update_one({"_id": 4}, {"$set": {"at": "2024-02-30T10:00:00.000Z"}})
    rules = list(documents.rules(model, configuration_for(model)))
    outcomes = run_rules(rules, context_for(model, database))
    assert {name: one.violations for name, one in outcomes.items() if one.violations} == {"documents.events.at": 1}


def test_times_of_two_forms_are_not_compared(tmp_path: Path) -> None:
    """`10:00:00.500Z` is less than `10:00:00Z` as a string, which is earlier as a time."""
    parents = collection_of({"gone": {"type": "boolean"}, "at": SECONDS}) | {
        "x-soft-delete": "gone", "x-deleted-at": "at",
    }  # fmt: skip
    refers = {"x-bson": "objectId", "x-reference": "parents._id"}
    (tmp_path / "history").mkdir()
    with pytest.raises(ConfigurationError, match="it is compared with parents"):
        children = collection_of({"parent": {**refers, "x-history": "made"}, "made": PRECISE})
        model_of(tmp_path / "history", {"parents": parents, "children": children})
    children = collection_of({"parent": refers, "made": PRECISE, "then": SECONDS})
    model = model_of(tmp_path, {"parents": parents, "children": children})
    configuration = configuration_for(model)
    with pytest.raises(ConfigurationError, match="made and then are times of different forms"):
        Formula("made <= then", model, model["children"], configuration, "here")
    about = {"family": "business", "title": "t", "why": "w", "fix": "f"}
    with pytest.raises(ConfigurationError, match="times of different forms"):
        Bounds.parse(model, configuration, Bound(**about, field="children.made", at_least="parent.at"))
    assert Formula("slice(made, 0, 10) <= slice(then, 0, 10)", model, model["children"], configuration, "here")

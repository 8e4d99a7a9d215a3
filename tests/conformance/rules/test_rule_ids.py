"""Rule ids: field names of a model never collide with each other or with subjects of built-in rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from pymongo.database import Database

from conformance.checks.subjects import Subjects
from conformance.config.configuration import Assertion, Count
from conformance.config.settings import Settings
from conformance.model.collection import Model
from conformance.rules.catalogue import all_rules
from conformance.run.runner import Run
from conformance.server.provision import apply, plan
from generator.columns.plan import Plan
from generator.loader import load
from tests.models import collection_of, model_of
from tests.validation import configuration_for, context_for

TEXT: Final = {"type": "string", "pattern": "^[a-z]{12}$"}
COUNT: Final = {"type": "integer", "minimum": 0, "maximum": 9}
FLAG: Final = {"type": "boolean"}
VECTOR: Final = {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}


def map_of(**fields: Any) -> dict[str, Any]:
    """Return a MAP with these required fields."""
    return {
        "type": "object", "additionalProperties": False, "required": list(fields), "properties": fields,
        "x-crdt": "map",
    }  # fmt: skip


@pytest.fixture
def model(tmp_path: Path) -> Model:
    """A model whose field names equal the subjects of rules."""
    parents = collection_of({"storeId": {**TEXT, "x-unique": True}, "regionName": TEXT, "deleted": FLAG, "n": COUNT})
    parents |= {"x-soft-delete": "deleted"}
    fields = {
        **dict.fromkeys(("extra", "redundant", "vector_index", "Extra", "name", "Name", "size", "file"), TEXT),
        "foreign": map_of(keys=TEXT),
        "extraFields": map_of(fields=TEXT),
        "storeId": {**TEXT, "x-reference": "parents.storeId"},
        "storeid": {**TEXT, "x-reference": "parents.storeId"},
        "regionName": {**TEXT, "x-agrees": {"through": "storeId", "with": "regionName"}},
        "regionname": {**TEXT, "x-snapshot": {"through": "storeId", "of": ["regionName"]}},
        "RegionName": {**TEXT, "x-snapshot": {"through": "storeId", "of": ["regionName"]}},
        "loose": {**TEXT, "x-unique": "ignore-case"},
        "Loose": {**TEXT, "x-unique": "ignore-case"},
        "vector": VECTOR,
        "Vector": VECTOR,
    }  # fmt: skip
    things = collection_of(fields) | {
        "x-unique": [["name", "size"], ["Name", "size"]],
        "x-indexes": [
            {"keys": {path: 1}}
            for path in ("extra", "redundant", "foreign.keys", "vector_index", "Extra", "storeId", "storeid")
        ],
        "x-vector-index": {"name": "vector_index", "similarity": "cosine", "fields": ["vector"]},
    }
    return model_of(tmp_path, {"parents": parents, "things": things})


def test_model_with_awkward_names_is_provisioned_without_a_finding(
    model: Model, database: Database[dict[str, Any]]
) -> None:
    configuration = configuration_for(model)
    rules = all_rules(model, configuration)
    load(Plan(model, configuration, Settings()).documents(), database, 1_000)
    apply(plan(model, database), database)
    database["parents"].update_many({}, {"$set": {"deleted": False}})
    wanted = [rule for rule in rules if rule.family not in ("sync", "permissions", "security")]
    with Run(wanted, context_for(model, database)) as run:
        results = {result.id: result for result in run.results()}
    assert {name: r.samples or r.reason for name, r in results.items() if r.status not in ("passed", "skipped")} == {}
    assert {
        "indexes.things.extra", "indexes.things.extra+2", "indexes.things.redundant", "indexes.things.redundant+2",
        "indexes.things.foreign-keys", "indexes.things.foreign-keys+2", "indexes.things.vector_index",
        "indexes.things.vector_index+2", "documents.things.extra", "documents.things.extra+2",
        "references.things.storeid", "references.things.storeid+2", "references.things.regionname+storeid",
        "references.things.storeid-deleted", "references.things.storeid-deleted+2", "snapshots.things.regionname",
        "snapshots.things.regionname+2", "uniqueness.things.loose-ignoring-case", "uniqueness.things.name+size",
        "uniqueness.things.loose-ignoring-case+2", "uniqueness.things.name+size+2", "embeddings.things.vector",
        "embeddings.things.vector+2",
    } <= results.keys()  # fmt: skip


@pytest.mark.parametrize("dropped", ["extra_1", "redundant_1", "foreign.keys_1", "vector_index_1", "Extra_1"])
def test_missing_index_on_a_field_named_like_a_rule_fails_its_own_rule(
    dropped: str, model: Model, database: Database[dict[str, Any]]
) -> None:
    apply(plan(model, database), database)
    database["things"].drop_index(dropped)
    rules = [rule for rule in all_rules(model, configuration_for(model)) if rule.id.startswith("indexes.things.")]
    with Run(rules, context_for(model, database)) as run:
        (failed,) = [result for result in run.results() if result.status == "failed"]
    assert failed.samples[0].ref == f"things.{dropped}"
    assert failed.subject.endswith("+2")


def test_configured_rules_of_one_field_have_distinct_ids(model: Model) -> None:
    """A rule named after a field does not take a subject that another rule sets explicitly."""
    about = {"family": "business", "title": "t", "why": "w", "fix": "m"}
    chosen = Assertion(**about, collection="parents", subject="deleted", holds="n >= 0")
    tallies = tuple(Count(**about, field="parents.deleted", value=value, exactly=50) for value in (True, False))
    configuration = configuration_for(model)
    file = configuration.rules.model_copy(update={"assertions": (chosen,), "counts": tallies})
    ids = [rule.id for rule in all_rules(model, replace(configuration, rules=file)) if rule.family == "business"]
    assert ids == ["business.parents.deleted", "business.parents.deleted+2", "business.parents.deleted+3"]


def test_subjects_are_unique() -> None:
    subjects = Subjects("extra", "foreign-keys")
    assert subjects.of("extra") == "extra+2"
    assert subjects.of("foreign.keys") == "foreign-keys+2"
    assert [subjects.of("storeId", "n"), subjects.of("storeid", "n")] == ["storeid+n", "storeid+n+2"]
    assert subjects.of("a", suffix="-deleted") == "a-deleted"

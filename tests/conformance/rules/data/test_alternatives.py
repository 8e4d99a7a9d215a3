"""References to one of several collections: a key that none of them has is found, wherever the field stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from pymongo.database import Database

from conformance.checks.base import Document
from conformance.model.collection import Model
from conformance.report.documentation import data_model
from conformance.results import Result
from conformance.rules.catalogue import all_rules
from conformance.run.runner import Run
from conformance.server import provision
from generator.columns.plan import Plan
from generator.loader import load
from tests.models import collection_of, model_of
from tests.validation import configuration_for, context_for

pytestmark = pytest.mark.server

KEY: Final[dict[str, Any]] = {"type": "string", "pattern": "^[a-z]{3}[0-9]{3}$", "x-unique": True}
EITHER: Final[dict[str, Any]] = {
    "type": "string", "pattern": "^[a-z]{3}[0-9]{3}$", "x-reference": ["posts.key", "videos.key"],
}  # fmt: skip
OBJECT: Final[dict[str, Any]] = {
    "type": ["object", "null"], "x-crdt": "map", "additionalProperties": False, "required": ["on"],
    "properties": {"on": EITHER},
}  # fmt: skip
SCHEMAS: Final[dict[str, Any]] = {
    "posts": collection_of({"key": KEY}, cardinality={"exactly": 30}),
    "videos": collection_of({"key": KEY}, cardinality={"exactly": 20}),
    "comments": {
        **collection_of(
            {"on": EITHER, "tagged": {"type": "array", "items": EITHER, "maxItems": 3}, "reply": OBJECT},
            cardinality={"exactly": 90},
            optional=["on"],
        ),
        "x-indexes": [{"keys": {"on": 1}}, {"keys": {"tagged": 1}}],
    },
}


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return model_of(tmp_path, SCHEMAS)


def results(model: Model, database: Database[Document], *families: str) -> dict[str, Result]:
    rules = [rule for rule in all_rules(model, configuration_for(model)) if rule.family in families]
    with Run(rules, context_for(model, database)) as run:
        return {one.id: one for one in run.results()}


def filled(model: Model, database: Database[Document]) -> list[Any]:
    context = context_for(model, database)
    provision.apply(provision.plan(model, database), database)
    load(Plan(model, configuration_for(model), context.settings).documents(), database, 100)
    return [one["_id"] for one in database["comments"].find().sort("_id", 1)]


def test_generated_documents_have_keys_of_all_collections(model: Model, database: Database[Document]) -> None:
    filled(model, database)
    found = results(model, database, "references", "documents", "counts")
    assert {name: one.samples for name, one in found.items() if one.status != "passed"} == {}
    assert found["references.comments.on"].examined == database["comments"].count_documents({"on": {"$exists": True}})
    for name in ("posts", "videos"):
        keys = database[name].distinct("key")
        assert database["comments"].count_documents({"on": {"$in": keys}}) > 5
        assert database["comments"].count_documents({"tagged": {"$in": keys}}) > 5


def test_key_that_no_collection_has_is_found(model: Model, database: Database[Document]) -> None:
    ids = filled(model, database)
    there = database["videos"].distinct("key")[0]
    database["comments"].update_many({"_id": {"$in": ids[:2]}}, {"$set": {"on": "zzz999"}})
    database["comments"].update_one({"_id": ids[2]}, {"$set": {"tagged": [there, "zzz998", "zzz997"]}})
    database["comments"].update_one({"_id": ids[3]}, {"$set": {"reply": {"on": "zzz996"}}})
    database["comments"].update_one({"_id": ids[4]}, {"$set": {"reply": None}})
    found = results(model, database, "references")
    assert {name: (one.violations, [sample.id for sample in one.samples]) for name, one in found.items()} == {
        "references.comments.on": (2, ids[:2]),
        "references.comments.tagged": (1, ids[2:3]),
        "references.comments.reply-on": (1, ids[3:4]),
    }
    first = {name: one.samples[0].why for name, one in found.items()}
    assert first["references.comments.on"] == 'on is "zzz999"; no document of posts or videos has this key'
    assert first["references.comments.tagged"].startswith("tagged[1] is")


def test_rule_is_skipped_where_nothing_refers(model: Model, database: Database[Document]) -> None:
    filled(model, database)
    database["comments"].update_many({}, {"$unset": {"on": ""}})
    assert results(model, database, "references")["references.comments.on"].reason == "no document of comments has on"
    database["comments"].delete_many({})
    assert results(model, database, "references")["references.comments.on"].reason == "comments is empty"


def test_reference_needs_an_index(model: Model, database: Database[Document]) -> None:
    filled(model, database)
    found = results(model, database, "indexes")["indexes.comments.foreign-keys"]
    assert [sample.why for sample in found.samples] == [
        "no index starts with reply.on, which refers to posts or videos",
    ]


def test_page_about_the_model_names_all_collections(model: Model) -> None:
    page = data_model(model)
    assert "refers to posts.key or videos.key" in page
    assert "posts ||--o{ comments : on" in page
    assert "videos ||--o{ comments : on" in page

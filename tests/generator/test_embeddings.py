"""zava embed: only vectors of changed texts are computed again."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pymongo import MongoClient
from pymongo.database import Database

from conformance.config.settings import Settings
from conformance.errors import ConfigurationError, TargetError
from conformance.model.collection import Model
from conformance.model.embedding import embedded_paths, text_digest
from conformance.server.provision import apply, plan
from generator.columns.plan import Plan
from generator.embeddings.embedded_text import joined, vectors_of
from generator.embeddings.embedder import local_embedder
from generator.refresh import Refreshed, refresh
from tests.commands import Done, Workplace
from tests.models import collection_of, model_of
from tests.validation import configuration_for

pytestmark = pytest.mark.slow

pytest_plugins = ["tests.commands"]


Document = dict[str, Any]
Mongo = Database[Document]


# Kept fresh


class Lengths:
    """An embedder whose vectors depend on the lengths of its texts."""

    def __init__(self, provider: str = "lengths") -> None:
        self.provider = provider
        self.given: list[str] = []

    def embed(self, texts: Any, dimensions: int) -> Any:
        """Return one row per text; its first number is the text's length."""
        self.given += texts
        rows = np.zeros((len(texts), dimensions))
        rows[:, 0] = [len(text) for text in texts]
        return rows


NAME = "product_embeddings"


@pytest.fixture
def filled(model: Model, database: Mongo) -> Mongo:
    """Products with their generated vectors."""
    wanted = {"categories", "product_types", "products", NAME}
    for name, documents in Plan(model, configuration_for(model), Settings()).documents(wanted):
        database[name].insert_many(documents)
    apply(plan(model, database), database)
    return database


def vectors(database: Mongo) -> dict[str, Document]:
    return {one["product_id"]: one for one in database[NAME].find()}


def test_generated_vectors_are_fresh(model: Model, filled: Mongo) -> None:
    """Generation and a refresh write the same bytes."""
    before = vectors(filled)
    assert refresh(model, filled, local_embedder()) == {NAME: Refreshed(0, 0, 400)}
    assert vectors(filled) == before
    assert refresh(model, filled, local_embedder(), everything=True) == {NAME: Refreshed(400, 0, 0)}
    after = vectors(filled)
    for key, one in before.items():
        assert {**after[key], "created_at": one["created_at"]} == one


def test_only_changed_texts_are_embedded_again(model: Model, filled: Mongo) -> None:
    before = vectors(filled)
    name, text, price, gone = list(before)[:4]
    filled["products"].update_one({"_id": name}, {"$set": {"product_name": "Magic Wand"}})
    filled["products"].update_one({"_id": text}, {"$set": {"product_description": "Turns frogs into princes."}})
    filled["products"].update_one({"_id": price}, {"$set": {"base_price": 1.0}})
    filled[NAME].delete_one({"_id": gone})
    reports: list[tuple[str, int]] = []
    done = refresh(model, filled, local_embedder(), progress=lambda *part: reports.append(part))
    assert done == {NAME: Refreshed(renewed=2, added=1, unchanged=397)}
    assert sum(number for _, number in reports) == 400
    after = vectors(filled)
    assert {key for key in before if before[key] != after[key]} == {name, text, gone}
    assert before[name]["image_embedding"] != after[name]["image_embedding"]
    assert before[text]["image_embedding"] == after[text]["image_embedding"]
    assert before[text]["description_embedding"] != after[text]["description_embedding"]
    for key in ("image_embedding", "description_embedding", "text_digest", "provider", "_id", "deleted"):
        assert after[gone][key] == before[gone][key]
    assert refresh(model, filled, local_embedder()) == {NAME: Refreshed(0, 0, 400)}


def test_vectors_are_added_and_removed_with_their_documents(model: Model, filled: Mongo) -> None:
    """A vector that was deleted by mistake is restored; one of a deleted product is not."""
    back, gone, without = list(vectors(filled))[:3]
    filled["products"].update_many({"_id": {"$in": [gone, without]}}, {"$set": {"deleted": True}})
    filled[NAME].update_many({"_id": {"$in": [back, gone]}}, {"$set": {"deleted": True}})
    filled[NAME].delete_one({"_id": without})
    assert refresh(model, filled, local_embedder()) == {NAME: Refreshed(renewed=1, added=1, unchanged=398)}
    after = vectors(filled)
    assert [after[key]["deleted"] for key in (back, gone, without)] == [False, True, True]
    assert refresh(model, filled, local_embedder()) == {NAME: Refreshed(0, 0, 400)}


def test_other_model_embeds_all_texts_again(model: Model, filled: Mongo) -> None:
    other = Lengths("another@1")
    assert refresh(model, filled, other) == {NAME: Refreshed(400, 0, 0)}
    assert {one["provider"] for one in vectors(filled).values()} == {"another@1"}
    assert len(other.given) == 800
    assert refresh(model, filled, other) == {NAME: Refreshed(0, 0, 400)}
    assert len(other.given) == 800


def test_vector_rejected_by_the_server_is_one_error(model: Model, filled: Mongo) -> None:
    with pytest.raises(
        TargetError,
        match=r"product_embeddings: the server rejected a vector: the validator refuses the document: provider: .*"
        r" does",
    ):
        refresh(model, filled, Lengths("no spaces allowed"))


def test_schema_defines_the_embedded_fields(model: Model) -> None:
    collection = model[NAME]
    assert embedded_paths(collection) == ["product_id.product_name", "product_id.product_description"]
    row = {"product_id.product_name": "Hammer", "product_id.product_description": "Hits nails."}
    (made,) = vectors_of(collection, Lengths(), [row])
    assert made["image_embedding"][0] == len("Hammer")
    assert made["description_embedding"][0] == len("Hammer. Hits nails.")
    assert made["text_digest"] == text_digest(["Hammer", "Hits nails."])
    assert made["provider"] == "lengths"
    assert text_digest(["ab", "c"]) != text_digest(["a", "bc"])
    assert text_digest([25.0, 0.5]) == text_digest([25, 0.5]) != text_digest([25.5, 0.5])
    assert joined(["Hammer", 25.0]) == joined(["Hammer", 25]) == "Hammer. 25"


def test_model_without_vectors_is_reported(tmp_path: Any, database: Mongo) -> None:
    model = model_of(tmp_path, {"things": collection_of({"name": {"type": "string"}})})
    with pytest.raises(ConfigurationError, match="no schema declares the source of a vector"):
        refresh(model, database, Lengths())


def test_vectors_of_several_documents_are_rejected(tmp_path: Any, database: Mongo) -> None:
    vector = {"type": "array", "minItems": 300, "maxItems": 300, "items": {"type": "number"}}
    own = {"name": {"type": "string"}, "likeness": {**vector, "x-sample": {"embedding": {"of": ["name"]}}}}
    model = model_of(tmp_path, {"things": collection_of(own)})
    with pytest.raises(ConfigurationError, match="the vectors are made from name; only those of one document"):
        refresh(model, database, Lengths())


def test_embedded_recipe_requires_an_embedding(tmp_path: Any) -> None:
    with pytest.raises(ConfigurationError, match="this collection has no embedding to tell of"):
        model_of(tmp_path, {"things": collection_of({"by": {"type": "string", "x-sample": {"embedded": "provider"}}})})


# The command


def test_command_prints_counts(
    workplace: Workplace, generated: Done, mongo: MongoClient[Document], copied: str, uri: str
) -> None:
    env = {"MONGODB_DATABASE": copied}
    done = workplace.zava("embed", "--uri", uri, env=env)
    assert (done.code, done.out) == (0, f"{NAME}: 0 added, 0 renewed, 400 unchanged\n")
    mongo[copied]["products"].update_one({}, {"$set": {"product_description": "Another text."}})
    done = workplace.zava("embed", "--uri", uri, "--json", env=env)
    assert json.loads(done.out) == {
        "provider": local_embedder().provider,
        "collections": {NAME: {"renewed": 1, "added": 0, "unchanged": 399}},
    }
    done = workplace.zava("embed", "--uri", uri, "--all", env=env)
    assert done.out == f"{NAME}: 0 added, 400 renewed, 0 unchanged\n"
    assert done.err == f"by {local_embedder().provider}\n"


def test_command_reports_an_empty_database(workplace: Workplace, uri: str) -> None:
    done = workplace.zava("embed", "--uri", uri, env={"MONGODB_DATABASE": "nosuch"})
    assert done.code == 3
    assert "the database nosuch" in done.line

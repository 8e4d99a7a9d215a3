"""The model on a real server, in a scratch database: documents through the validators, joins, plans.

A small generated dataset is loaded into a provisioned database; what the tests change they put back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import allure
import pytest
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, WriteError

from conformance.connection.collation import SIMPLE_SPEC
from conformance.errors import HarnessError
from conformance.model.collection import Collection, Reference
from conformance.model.indexes import Index
from conformance.run.session import Project
from conformance.server import provision
from conformance.server.query_plan import explained
from conformance.server.target import Target
from conformance.text.paths import value_at
from generator.loader import load
from suites.devices.edge_dataset import small_plan

Document = dict[str, Any]

#: The value for every setting that decides the size of a collection.
SIZE: Final = 30
_REFUSED_BY_VALIDATOR: Final = 121


@pytest.fixture(autouse=True)
def labelled(request: pytest.FixtureRequest) -> None:
    """Allure's labels; the collection is the story."""
    allure.dynamic.feature("Integration")
    allure.dynamic.story(request.node.callspec.id.partition(".")[0])


@pytest.fixture(scope="module")
def filled(project: Project, target: Target, scratch: Database[Document]) -> Database[Document]:
    """Return the scratch database, provisioned and with a small dataset."""
    try:
        target.require_replica_set()
        provision.apply(provision.plan(project.model, scratch), scratch)
        load(small_plan(project, SIZE).documents(), scratch, project.settings.batch_size)
    except HarnessError as error:
        pytest.fail(f"the scratch database could not be filled: {error}", pytrace=False)
    return scratch


def some(database: Database[Document], collection: str, number: int) -> list[Document]:
    """Return the first documents by _id."""
    found = list(database[collection].find().sort("_id", 1).limit(number))
    if len(found) < number:
        pytest.skip(f"needs {number} documents of {collection}, and the generator makes {len(found)}")
    return found


@pytest.fixture
def document(filled: Database[Document], collection: Collection) -> Iterator[Document]:
    """Yield a generated document, and restore it afterwards."""
    (found,) = some(filled, collection.name, 1)
    yield dict(found)
    filled[collection.name].replace_one({"_id": found["_id"]}, found, upsert=True)


def test_document_is_created_read_updated_and_deleted(
    filled: Database[Document], collection: Collection, document: Document
) -> None:
    """A document passes the validator, is read unchanged, is updated, and is deleted."""
    documents, key = filled[collection.name], {"_id": document["_id"]}
    assert documents.delete_one(key).deleted_count == 1
    assert documents.find_one(key) is None
    documents.insert_one(document)
    assert documents.find_one(key) == document
    flag = collection.soft_delete
    if flag is not None:
        assert documents.update_one(key, {"$set": {flag: True}}).modified_count == 1
        assert documents.find_one(key) == {**document, flag: True}


def test_update_that_breaks_the_schema_is_rejected(
    filled: Database[Document], collection: Collection, document: Document
) -> None:
    """The server's validator rejects the update, and the document is unchanged."""
    required = next((field.name for field in collection.fields if field.required and field.name != "_id"), None)
    if required is None:
        pytest.skip("the schema requires nothing but _id")
    documents, key = filled[collection.name], {"_id": document["_id"]}
    with pytest.raises(WriteError) as refused:
        documents.update_one(key, {"$unset": {required: 1}})
    assert refused.value.code == _REFUSED_BY_VALIDATOR
    assert documents.find_one(key) == document


def test_duplicate_of_a_unique_value_is_rejected(filled: Database[Document], unique: tuple[Collection, Index]) -> None:
    """The error of the unique index names the index."""
    collection, index = unique
    first, second = some(filled, collection.name, 2)
    fields = [path for path, _ in index.keys]
    documents, key = filled[collection.name], {"_id": second["_id"]}
    with pytest.raises(DuplicateKeyError) as refused:
        documents.update_one(key, {"$set": {path: value_at(first, path) for path in fields}})
    assert refused.value.details
    assert list(refused.value.details["keyPattern"]) == fields
    assert documents.find_one(key) == second


def test_unique_value_is_found_by_its_index(filled: Database[Document], unique: tuple[Collection, Index]) -> None:
    """A query by a unique value reads one document with an index."""
    collection, index = unique
    (first,) = some(filled, collection.name, 1)
    wanted = {path: value_at(first, path) for path, _ in index.keys}
    find = {"find": collection.name, "filter": wanted, "collation": SIMPLE_SPEC}
    plan = explained(filled.command("explain", find, verbosity="executionStats"))
    assert "IXSCAN" in plan.stages
    assert "COLLSCAN" not in plan.stages
    assert (plan.documents, plan.returned) == (1, 1)


def test_lookup_joins_every_child_to_its_parent(filled: Database[Document], reference: Reference) -> None:
    """The server's join has the number of rows that Python counts."""
    children = Counter(value_at(child, reference.field) for child in filled[reference.collection].find())
    parents = [value_at(parent, reference.target_field) for parent in filled[reference.target].find()]
    joined = filled[reference.target].aggregate(
        [
            {
                "$lookup": {
                    "from": reference.collection,
                    "localField": reference.target_field,
                    "foreignField": reference.field,
                    "as": "children",
                }
            },
            {"$project": {"key": f"${reference.target_field}", "number": {"$size": "$children"}}},
        ]
    )
    assert {row["key"]: row["number"] for row in joined} == {parent: children[parent] for parent in parents}

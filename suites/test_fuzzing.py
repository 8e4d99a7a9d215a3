"""Differential fuzzing of the schemas: `jsonschema`, the server and the strategies agree on every document.

`pytest suites/test_fuzzing.py --hypothesis-profile=deep` draws fifty times as many documents. A failure prints the
document and a line that reproduces it.
"""

from __future__ import annotations

from typing import Any, Final

import allure
import bson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.collection import Collection as MongoCollection
from pymongo.database import Database
from pymongo.errors import AutoReconnect, WriteError

from conformance.model.collection import Collection
from conformance.model.validators.document_validator import breaches
from conformance.model.validators.server_validator import validator
from generator.fuzzing.strategies import documents, invalid_versions
from zava.testing.server_gone import ServerGone

#: Refused by the validator; or, before it looks, because of an _id that MongoDB never takes (array, regex).
_REFUSED: Final = (121, 2, 53)
#: The server and the database are the same for every document of a test.
fuzzed = settings(suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def labelled(request: pytest.FixtureRequest) -> None:
    """Allure's labels; the collection is the story."""
    allure.dynamic.feature("Fuzzing")
    allure.dynamic.story(request.node.callspec.id)


@pytest.fixture
def guarded(scratch: Database[Any], collection: Collection) -> MongoCollection[Any]:
    """Return an empty collection with the model's validator."""
    name = f"fuzzed_{collection.name}"
    scratch.drop_collection(name)
    return scratch.create_collection(name, validator=validator(collection))


def accepts(guarded: MongoCollection[Any], document: dict[str, Any]) -> bool:
    """Return whether the server accepts the document, and remove it again."""
    try:
        guarded.insert_one(document)
        guarded.delete_one({"_id": document["_id"]})
    except WriteError as error:
        assert error.code in _REFUSED, error
        return False
    except AutoReconnect as error:
        raise ServerGone from error
    return True


@fuzzed
@given(data=st.data())
def test_schema_server_and_strategies_agree_on_valid_and_invalid_documents(
    guarded: MongoCollection[Any], collection: Collection, data: st.DataObject
) -> None:
    """Both kinds are tested with one drawn document, because drawing it takes most of the time.

    A generated document is valid, accepted by the server, and unchanged after a round trip through BSON. A version of
    it that breaks one keyword breaks the same one for `jsonschema`, and is rejected by the server.
    """
    document = data.draw(documents(collection), "valid")
    assert breaches(collection, document) == []
    assert accepts(guarded, document)
    assert bson.decode(bson.encode(document)) == document
    broken, stated = data.draw(invalid_versions(collection, document), "invalid")
    found = {(breach.path, breach.keyword) for breach in breaches(collection, broken)}
    assert (stated.path, stated.keyword) in found
    if "_id" in broken:  # the server adds a missing _id before it looks
        assert not accepts(guarded, broken)

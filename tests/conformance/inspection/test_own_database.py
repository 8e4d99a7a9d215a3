"""The inspection of the project's own database finds what the model declares, and no violation."""

from __future__ import annotations

import pytest

from conformance.inspection.findings.key import key_candidates, unique_fields
from conformance.inspection.inspection import Inspection, deletion_flags, inspect
from conformance.inspection.samples import shown_path
from conformance.model.collection import Model
from tests.faults.engine.place import Place

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def inspection(place: Place) -> Inspection:
    return inspect(place.database("small"))


def test_exactly_the_declared_references_are_found(inspection: Inspection, model: Model) -> None:
    found = {(each.collection, shown_path(each.path), f"{each.target}.{each.field}") for each in inspection.references}
    declared = {
        (each.collection, each.field, f"{each.target}.{each.target_field}") for one in model for each in one.references
    }
    assert len(declared) == 12
    assert found == declared


def test_every_unique_field_is_found(inspection: Inspection, model: Model) -> None:
    found = {(scanned.name, name) for scanned in inspection.scans for name in unique_fields(scanned)}
    declared = {(one.name, group[0]) for one in model for group in one.unique if len(group) == 1}
    assert declared <= found


def test_id_fields_are_the_first_candidates(inspection: Inspection, model: Model) -> None:
    for scanned in inspection.scans:
        own = model[scanned.name].id_field
        expected = ["_id", own] if own is not None and scanned.name != "product_embeddings" else ["_id"]
        assert key_candidates(scanned)[: len(expected)] == expected


def test_every_soft_delete_flag_is_found(inspection: Inspection, model: Model) -> None:
    found = {scanned.name: deletion_flags(scanned) for scanned in inspection.scans}
    assert found == {one.name: [one.soft_delete] for one in model}


def test_conformant_data_has_findings_on_personal_data_and_vectors_only(inspection: Inspection, model: Model) -> None:
    found = {result.id for result in inspection.results if result.status in ("failed", "warned")}
    assert {each for each in found if "._database." not in each} == {
        "crdt.product_embeddings.arrays:description_embedding",
        "crdt.product_embeddings.arrays:image_embedding",
        "security.customers.personal-data",
        "security.orders.personal-data",
        "streams.product_embeddings.images",
    }


def test_every_document_is_counted(inspection: Inspection, place: Place) -> None:
    database = place.database("small")
    counts = {scanned.name: scanned.documents for scanned in inspection.scans}
    assert counts == {name: database[name].count_documents({}) for name in database.list_collection_names()}

"""A model of parents and children, and formulas over them in both evaluations."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import MongoClient

from conformance.checks.base import Document
from conformance.config.configuration import Configuration
from conformance.config.loading import load_configuration
from conformance.language.formulas.formula import Formula
from conformance.model.collection import Model
from tests.models import collection_of, model_of

NAMES = {"type": "string", "minLength": 1, "maxLength": 30}
MONEY = {"type": "number", "x-money": True}
INTEGER = {"type": "integer"}
GENERATION = """
parameters:
  rate: {a: 1035, b: 900.5}
  twice: rate * rate
  one: 3
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model of parents and children with every kind of field that a formula may name."""
    fields = {
        "price": MONEY,
        "n": INTEGER,
        "x": {"type": "number"},
        "y": {"type": "number"},
        "z": {"type": "number"},
        "off": MONEY,
        "key": NAMES,
        "at": {"type": "string", "x-timestamp": True},
        "place": {"type": "object", "x-crdt": "map", "additionalProperties": False, "properties": {"row": INTEGER}},
    }
    parent = {**fields, "code": {**NAMES, "x-unique": True}}
    child = {**fields, "parent": {**NAMES, "x-reference": "parents.code"}}
    folder = tmp_path_factory.mktemp("shop")
    model = model_of(
        folder,
        {"parents": collection_of(parent, optional=["off"]), "children": collection_of(child, optional=["off"])},
    )
    (folder / "config" / "generation.yaml").write_text(GENERATION, encoding="utf-8")
    return model


@pytest.fixture(scope="module")
def configuration(shop: Model) -> Configuration:
    """The parameters of the model, and one year."""
    return load_configuration(shop, {"START_DATE": "2024-01-01", "END_DATE": "2024-12-31"})


def formula(text: str, shop: Model, configuration: Configuration, collection: str = "children") -> Formula:
    """Return a formula over one of the two collections."""
    return Formula(text, shop, shop[collection], configuration, "config/rules.yaml: test")


def on_server(server: MongoClient[Document], parsed: Formula, rows: list[Document]) -> list[Any]:
    """Return the formula's value for each row, computed by the server."""
    stages: list[Document] = [{"$documents": rows}, {"$project": {"value": parsed.mongo()}}]
    return [row["value"] for row in server["formula"].aggregate(stages)]


ROW: Document = {
    "price": 19.99, "n": 3, "x": 2.5, "y": -2.5, "z": 0.1, "key": "a", "at": "2024-02-29T10:00:00Z",
    "place": {"row": 7}, "parent": "p", "_parent": {"price": 4.35, "n": 2, "at": "2023-12-31T23:59:59Z"},
    "_total0": 250,
}  # fmt: skip

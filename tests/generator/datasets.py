"""Datasets of the project's model, generated once in a process."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import bson

from conformance.checks.base import Document
from conformance.config.loading import load_configuration
from conformance.config.settings import load_settings
from generator.columns.plan import Plan
from tests.models import shipped_model

MODEL = shipped_model()
SIZES = [(1, 1), (1, 5), (3, 200), (50, 1000)]
Dataset = Mapping[str, list[Document]]


def plan(**given: Any) -> Plan:
    """Return a plan of the project's model with these settings."""
    settings = load_settings(Path("none"), **given)
    return Plan(MODEL, load_configuration(MODEL, settings.constants()), settings)


@cache
def dataset(customers: int, orders: int, seed: int = 20240115, **given: Any) -> Dataset:
    """Return all documents by collection."""
    made: dict[str, list[Document]] = defaultdict(list)
    for name, batch in plan(num_customers=customers, num_orders=orders, seed=seed, **given).documents():
        made[name] += batch
    return made


def by(made: Dataset, name: str, field: str) -> dict[Any, Document]:
    """Return the documents of a collection by a unique field."""
    return {document[field]: document for document in made[name]}


def digest(**given: Any) -> str:
    """Return a hash of every byte that would be stored, in order."""
    total = hashlib.sha256()
    for name, batch in plan(num_customers=5, num_orders=40, **given).documents():
        total.update(name.encode())
        for document in batch:
            total.update(bson.encode(document))
    return total.hexdigest()

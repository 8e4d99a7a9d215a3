"""Fixtures of the apps' stories: MongoDB, two devices, and both in sync before and after each story."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pymongo.database import Database

from conformance.run.session import Project
from conformance.server.target import Target
from suites.demo.shop import Device, Document, Shop, opened_shop


@pytest.fixture(scope="module")
def opened(
    project: Project,
    target: Target,
    scratch: Database[Document],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shop]:
    """MongoDB and two devices."""
    with opened_shop(project, target, scratch, tmp_path_factory.mktemp("stories")) as shop:
        yield shop


@pytest.fixture
def shop(opened: Shop) -> Iterator[Shop]:
    """Yield the shop, in sync before and after."""
    yield opened
    opened.close_of_day()


@pytest.fixture
def here(shop: Shop) -> Device:
    """Return the device of most stories."""
    return shop.devices["here"]


@pytest.fixture
def there(shop: Shop) -> Device:
    """Return the second device."""
    return shop.devices["there"]

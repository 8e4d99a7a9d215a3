"""Pictures of a run, where a look says more than a table: drawn from the report alone, which JSON can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from conformance.report.pictures.devices import devices
from conformance.report.pictures.indexes import indexes
from conformance.report.pictures.months import months
from conformance.report.pictures.picture import Picture
from conformance.report.pictures.references import references
from conformance.report.pictures.shares import share, shares
from conformance.report.pictures.sizes import sizes
from conformance.results import Report

__all__ = ["Picture", "pictures", "share"]

_DRAWN: Final[tuple[Callable[[Report], Iterator[Picture]], ...]] = (
    references, months, shares, sizes, devices, indexes,
)  # fmt: skip


def pictures(report: Report) -> list[Picture]:
    """Every picture that the run has the data for, in reading order."""
    return [picture for draw in _DRAWN for picture in draw(report)]

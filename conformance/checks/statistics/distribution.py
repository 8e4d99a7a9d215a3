"""Distributions: a G-test compares the documents per store, year or season with the configuration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from bson import ObjectId

from conformance.checks.base import Context, Rule, skipped
from conformance.checks.statistics.g_test import POWER, GTest, g_test
from conformance.config.configuration import Configuration, Distribution
from conformance.errors import ConfigurationError
from conformance.language.calendar import day_weight, days_by_year, days_of
from conformance.language.formulas.formula import Formula
from conformance.model.collection import Model, Reference
from conformance.model.validators.server_validator import field_query
from conformance.results import Outcome, Sample
from conformance.text.plural import numbered
from conformance.text.rendering import shorten

_MONTHS: Final = 12
_KEYS: Final = frozenset({str, int, ObjectId})


@dataclass(frozen=True)
class Cell:
    """One group: how many documents it has, and its weights by the expected distribution and by the alternative."""

    found: float
    expected: float
    alternative: float


#: By key.
Row = dict[str, Cell]
#: By month, or "" for one row.
Table = dict[str, Row]


@dataclass(frozen=True, eq=False)
class DistributionTest:
    """The check of one entry under ``distributions`` in config/rules.yaml."""

    model: Model
    configuration: Configuration
    share: Distribution

    def __post_init__(self) -> None:
        if self.share.collection not in self.model.collections:
            raise ConfigurationError(f"{self._where}: there is no such collection; use a collection of schemas/")
        _ = self._formula
        if not self.share.within:
            self.configuration.table(self.share.expected)
            return
        try:
            _, group, field = self._through()
            known = len(self.model[group.target].field(field).children) == _MONTHS
        except (KeyError, ValueError):
            known = False
        if not known:
            raise ConfigurationError(
                f"{self._where}: {self.share.by!r} must be reference.reference.field, where the last field is a MAP by"
                " month"
            )

    @property
    def _where(self) -> str:
        return f"{self.model.config('rules.yaml')}: distribution of {self.share.collection} by {self.share.by}"

    @cached_property
    def _formula(self) -> Formula:
        """Return the grouping formula, parsed once: ast.parse in threads of a run disturbs other threads."""
        text = self.share.within or self.share.by
        return Formula(text, self.model, self.model[self.share.collection], self.configuration, self._where)

    def _through(self) -> tuple[Reference, Reference, str]:
        """For ``product_id.category_id.seasonal_multipliers``: both references, and the MAP field at the end."""
        own, through, field = self.share.by.split(".")
        reference = self.model[self.share.collection].reference(own)
        return reference, self.model[reference.target].reference(through), field

    def __call__(self, context: Context, rules: Sequence[Rule]) -> Mapping[str, Outcome]:
        """See Check."""
        return {rule.id: self._outcome(context) for rule in rules}

    def _outcome(self, context: Context) -> Outcome:
        share = self.share
        if not context.counts[share.collection]:
            return skipped(f"{share.collection} is empty")
        if share.within:
            return self._compare([self._by_month(context)])
        found = self._found(context)
        compared = self._compare([{"": row} for row in self._by_key(context, found)])
        unlisted = [] if share.per_year else self._unlisted(found)
        if not unlisted:
            return compared
        return Outcome(
            max(compared.examined, len(unlisted)),
            len(unlisted) + compared.violations,
            context.samples([*unlisted, *compared.samples]),
            evidence=compared.evidence,
        )

    def _compare(self, tables: list[Table]) -> Outcome:
        """Test what was found against what is expected; of several tables the one that fits best decides."""
        share = self.share
        rows = [list(row.values()) for row in tables[0].values()]
        examined = int(sum(cell.found for row in rows for cell in row))
        if not examined:
            return skipped(f"no document of {share.collection} has a {share.by} that is listed in {share.expected}")
        if all(len(row) < 2 for row in rows):
            return skipped("there is only one group, so nothing can be compared")
        test, table = max(((self._test(table), table) for table in tables), key=lambda pair: pair[0].p_value)
        broken = test.p_value < share.significance
        if not broken and test.power < POWER:  # that it was not rejected says nothing
            return skipped(_too_few(examined, test))
        evidence = {
            "test": "G-test",
            "statistic": round(test.statistic, 2),
            "degrees_of_freedom": test.degrees,
            "p_value": test.p_value,
            "significance": share.significance,
            "power": round(test.power, 4),
            "largest_deviations": _largest(table),
            "table": {name: _expected(row) for name, row in table.items()},
        }
        most = "; ".join(_largest(table)[:3])
        why = (
            f"the distribution differs from {share.expected} (G = {test.statistic:,.1f}, {test.degrees} degrees of"
            " freedom,"
            f" p = {test.p_value:.1e}): {most}"
        )
        samples = (Sample(why, ref=f"{share.collection} by {share.by}"),) if broken else ()
        return Outcome(examined, int(broken), samples, evidence=evidence)

    def _test(self, table: Table) -> GTest:
        rows = [list(row.values()) for row in table.values()]
        return g_test(
            [[cell.found for cell in row] for row in rows],
            [[cell.expected for cell in row] for row in rows],
            [[cell.alternative for cell in row] for row in rows],
            self.share.significance,
        )

    def _found(self, context: Context) -> dict[str, float]:
        """Return how many documents each key has."""
        formula = self._formula
        pipeline = [
            *([{"$match": {"$expr": {"$and": formula.guards()}}}] if formula.guards() else []),
            {"$group": {"_id": formula.mongo(), "n": {"$sum": 1}}},
        ]
        rows = context.collection(self.share.collection).aggregate(pipeline, allowDiskUse=True)
        return {str(row["_id"]): float(row["n"]) for row in rows}

    def _unlisted(self, found: Mapping[str, float]) -> list[Sample]:
        """Return the keys that documents have and the table does not list, or says are of none."""
        share = self.share
        listed = {str(key) for key, weight in self.configuration.table(share.expected).items() if weight > 0}
        return [
            Sample(
                f"{share.by} is {shorten(key)} in {numbered(round(number), 'document')}, but {share.expected} in"
                " config/generation.yaml"
                f" expects none; add the key there, or correct {share.by}",
                ref=f"{share.collection} by {share.by}",
            )
            for key, number in sorted(found.items())
            if key not in listed
        ]

    def _by_key(self, context: Context, found: Mapping[str, float]) -> list[Row]:
        """Return one row, or two if a year is partial: its part may weigh as its days or as the whole year."""
        weights = self.configuration.table(self.share.expected)
        if self.share.per_year:
            days = days_by_year(context.settings.start_date, context.settings.end_date)
            whole = {year: days_of(year) for year in days}
            return [
                {
                    f"{year:04d}": Cell(
                        found.get(f"{year:04d}", 0.0),
                        expected=day_weight(weights, year) * number,
                        alternative=float(days[year]),
                    )
                    for year, number in counting.items()
                }
                for counting in ([days] if days == whole else [days, whole])
            ]
        listed = {str(key): weight for key, weight in weights.items() if weight > 0}
        return [{key: Cell(found.get(key, 0.0), weight, alternative=1.0) for key, weight in listed.items()}]

    def _by_month(self, context: Context) -> Table:
        """Rows by month. The alternative has no seasons: each group's average share in every month."""
        own, group, field = self._through()
        month = self._formula
        parent = {"from": own.target, "localField": "_id", "foreignField": own.target_field, "as": "of"}
        cell = {"month": "$months.month", "group": {"$first": f"$of.{group.field}"}}
        pipeline: list[dict[str, Any]] = [
            {"$match": {"$expr": {"$and": month.guards()}}},
            {"$group": {"_id": {"month": month.mongo(), "key": f"${own.field}"}, "n": {"$sum": 1}}},
            {"$group": {"_id": "$_id.key", "months": {"$push": {"month": "$_id.month", "n": "$n"}}}},
            {"$lookup": parent},
            {"$unwind": "$months"},
            {"$group": {"_id": cell, "n": {"$sum": "$months.n"}}},
        ]
        rows = context.collection(self.share.collection).aggregate(pipeline, allowDiskUse=True)
        found = {(str(row["_id"]["month"]), str(row["_id"].get("group"))): float(row["n"]) for row in rows}
        # A value that is not a plain key belongs to no group, and a regular expression would match by pattern.
        offered = [key for key in context.collection(own.target).distinct(group.field) if type(key) in _KEYS]
        flag = self.model[group.target].soft_delete
        live = {
            "$and": [field_query(self.model[group.target], group.target_field), {flag: {"$ne": True}} if flag else {}]
        }
        months = [child.name for child in self.model[group.target].field(field).children]
        # A group of which there is nothing has a share nevertheless, but for one that was given up.
        present = {"$or": [{group.target_field: {"$in": offered}}, live]}
        multipliers = {
            str(one[group.target_field]): values
            for one in context.collection(group.target).find(present)
            if type(one.get(group.target_field)) in _KEYS
            and (values := _by_position(one.get(field), months)) is not None
        }
        return _seasons(found, multipliers)


def _seasons(found: Mapping[tuple[str, str], float], multipliers: Mapping[str, list[float]]) -> Table:
    """Return a row per month, in which a group's weight is its part of the month's multipliers.

    For two groups with the multipliers 1 and 3 in January, and 1 and 1 in every other month: January expects 0.25 and
    0.75; the alternative has the average over the year, 0.48 and 0.52, in each month.
    """
    totals = [sum(values[month] for values in multipliers.values()) for month in range(_MONTHS)]
    parts = {
        key: [value / total for value, total in zip(values, totals, strict=True)] for key, values in multipliers.items()
    }
    average = {key: sum(months) / _MONTHS for key, months in parts.items()}
    names = [f"{month + 1:02d}" for month in range(_MONTHS)]
    return {
        name: {key: Cell(found.get((name, key), 0.0), months[month], average[key]) for key, months in parts.items()}
        for month, name in enumerate(names)
    }


def _too_few(examined: int, test: GTest) -> str:
    if test.degrees and math.isinf(test.needed):
        return "the expected distribution equals the alternative, so nothing can be compared"
    enough = f"about {examined * test.needed:,.0f}" if test.degrees else "many more"
    return f"too few documents: {examined:,} detect a deviation with power {test.power:.2f}; {enough} are needed"


def _by_position(multipliers: Any, months: Sequence[str]) -> list[float] | None:
    """Return the values in the order of the schema's keys; None if one cannot be used."""
    given = [multipliers.get(month) for month in months] if isinstance(multipliers, Mapping) else []
    values = [float(value) for value in given if isinstance(value, int | float) and 0 < value < math.inf]
    return values if len(values) == _MONTHS else None


def _expected(row: Row) -> dict[str, tuple[int, float]]:
    """Return how many documents each key of a row has, and how many were expected."""
    n, whole = sum(cell.found for cell in row.values()), sum(cell.expected for cell in row.values())
    return {key: (int(cell.found), round(n * cell.expected / whole, 1)) for key, cell in row.items()}


def _largest(table: Table) -> list[str]:
    """Return the cells furthest from what is expected, in standard deviations, furthest first."""
    cells = []
    for row_name, row in table.items():
        for key, (found, expected) in _expected(row).items():
            if expected:
                name = f"{row_name} {key}".strip()
                cells.append(
                    (abs(found - expected) / expected**0.5, f"{name}: {found:,.0f} found, {expected:,.0f} expected")
                )
    return [text for _, text in sorted(cells, reverse=True)[:5]]

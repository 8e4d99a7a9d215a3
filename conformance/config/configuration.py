"""The model's own configuration files, parsed strictly: config/generation.yaml, rules.yaml and queries.yaml."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, model_validator

from conformance.config.acceptance import SeverityOverride, Waiver
from conformance.config.configured_rule import ConfiguredRule, Subject
from conformance.config.forbidden import Forbidden
from conformance.errors import ConfigurationError
from conformance.files.strict_files import Strict
from conformance.text.suggestion import did_you_mean

#: A lookup table of numbers by key (store, year, value), or one number.
ParameterValue = float | dict[str | int | float, float]


class Equation(ConfiguredRule):
    """``field`` ("orders.total") equals a formula, give or take ``tolerance``; money and its tolerance are in cents."""

    field: str
    equals: str | float
    tolerance: float = Field(0, ge=0, allow_inf_nan=False)


class Assertion(ConfiguredRule):
    """A formula that holds for every document of ``collection``."""

    collection: str
    subject: Subject
    holds: str


class Bound(ConfiguredRule):
    """``field`` lies between formulas over the document and one that it refers to ("customer_id.created_at").

    ``since`` names a time stamp of the document referred to that moves when it changes ("product_id.updated_at").
    Documents of the past that are older (the reference's x-history) are not compared with what is said there now.
    """

    field: str
    at_least: str | None = None
    at_most: str | None = None
    since: str | None = None


class Count(ConfiguredRule):
    """The documents that have ``value`` in ``field`` ("stores.is_online"): which ones, or how many.

    ``only`` names them by a unique field ({store_id: [store_online]}): these documents have the value and no others.
    ``exactly`` is their number, whichever documents they are.
    """

    field: str
    value: bool | str
    exactly: int | None = Field(default=None, ge=0)
    only: Mapping[str, tuple[str | int, ...]] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Count:
        if (self.exactly is None) == (self.only is None):
            raise ValueError(
                "an entry of counts has either only (which documents) or exactly (how many); write one of them"
            )
        if self.only is not None and len(self.only) != 1:
            raise ValueError("only takes one field that identifies a document, and its values")
        return self


class Distribution(ConfiguredRule):
    """The documents of ``collection``, grouped by ``by``, are distributed as in ``expected``: a G-test.

    ``expected`` names a lookup table by value of ``by``. ``per_year`` weighs each year by its days in the range.
    ``within`` splits first (by month), and ``expected`` is then a MAP field, keyed by month, of the collection that
    ``by`` ends at. ``significance`` is the chance of a false alarm; ``against`` the deviation it must catch with
    power 0.99 ("uniform": all alike), which gives the number of documents below which the rule is skipped.
    """

    collection: str
    subject: Subject
    by: str
    expected: str
    per_year: bool = False
    within: str | None = None
    significance: float = 1e-6
    against: Literal["uniform"] = "uniform"


class RulesFile(Strict):
    """config/rules.yaml."""

    equations: tuple[Equation, ...] = ()
    assertions: tuple[Assertion, ...] = ()
    bounds: tuple[Bound, ...] = ()
    counts: tuple[Count, ...] = ()
    distributions: tuple[Distribution, ...] = ()
    forbidden: tuple[Forbidden, ...] = ()


class Plan(Strict):
    """The required plan: stages that must and must not occur, and the maximum of documents examined per result.

    Stages go by their plain names whatever engine ran them (server/query_plan.py); a COLLSCAN inside a $lookup counts.
    ``indexed`` is the part of the condition that the index answers: what matches it counts as returned, because
    filters beyond it (soft-deleted, cancelled) are not the index's to answer. So a bound of 1 holds by construction
    of the index, on one document and on a million. A forbidden SORT is forgiven where the plan reads fewer documents
    than match ``indexed``: where most are soft-deleted, the planner rightly fetches and sorts the few that are left.
    """

    require: tuple[str, ...] = ()
    forbid: tuple[str, ...] = ()
    examined_per_returned: float | None = Field(default=None, gt=0)
    indexed: Mapping[str, Any] | None = None

    @model_validator(mode="after")
    def _together(self) -> Plan:
        if (self.examined_per_returned is None) != (self.indexed is None):
            raise ValueError("examined_per_returned and indexed belong together; write both or neither")
        if not self.require and not self.forbid:
            raise ValueError("plan: set require or forbid")
        return self


class Parameter(Strict):
    """The source of a parameter's value: ``field`` ("orders.order_id") of a document, or a ``literal``.

    The document is the first by _id whose fields are fit to ask with; ``later`` moves on by so many documents (to
    the last where there are fewer). All parameters of one collection and one ``later`` come from one document.
    """

    field: str | None = Field(default=None, pattern=r"^[^.].*[.].*[^.]$")
    later: int = Field(default=0, ge=0)
    literal: str | int | float | bool | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"field": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_source(self) -> Parameter:
        if (self.field is None) == (self.literal is None):
            raise ValueError("a parameter is a field, <collection>.<field>, or a literal; write one of them")
        return self


class NamedQuery(Strict):
    """A query the applications run. ``find`` with ``sort``/``limit``, or a ``pipeline``.

    A string ``$$name`` in it is replaced by the value of the parameter of that name.
    """

    name: Subject
    collection: str
    title: str
    why: str = ""
    fix: str = ""
    parameters: Mapping[str, Parameter] = Field(default_factory=dict)
    find: Mapping[str, Any] | None = None
    sort: Mapping[str, Any] = Field(default_factory=dict)
    limit: int = Field(default=0, ge=0)
    pipeline: tuple[Mapping[str, Any], ...] | None = None
    plan: Plan

    @model_validator(mode="after")
    def _one_form(self) -> NamedQuery:
        if (self.find is None) == (self.pipeline is None):
            raise ValueError("a query is a find or a pipeline; write one of them")
        if self.pipeline is not None and (self.sort or self.limit):
            raise ValueError("sort and limit belong to find; write them as stages of the pipeline")
        if self.plan.indexed is not None and any("$lookup" in stage for stage in self.pipeline or ()):
            raise ValueError("a $lookup examines documents of two collections; leave out examined_per_returned")
        return self


def filled(part: Any, values: Mapping[str, Any]) -> Any:
    """Return the part of a query with every ``$$name`` replaced by the value of that name."""
    if isinstance(part, str):
        return values.get(part[2:], part) if part[:2] == "$$" else part
    if isinstance(part, Mapping):
        return {key: filled(value, values) for key, value in part.items()}
    if isinstance(part, list | tuple):
        return [filled(item, values) for item in part]
    return part


class GenerationFile(Strict):
    """config/generation.yaml: default sizes, and the parameters that recipes and formulas name."""

    defaults: Mapping[str, int] = Field(default_factory=dict)
    parameters: Mapping[str, float | str | Mapping[str | int | float, float]] = Field(default_factory=dict)
    locale: str = "en_US"
    pool_size: int = Field(default=2000, ge=1)


@dataclass(frozen=True, eq=False)
class Configuration:
    """Everything in config/ that rules and generator share.

    ``catalogue`` holds fixed rows by collection; ``constants`` are the settings that formulas may name.
    """

    generation: GenerationFile
    rules: RulesFile
    queries: tuple[NamedQuery, ...]
    catalogue: Mapping[str, tuple[Mapping[str, Any], ...]]
    constants: Mapping[str, str]
    severities: tuple[SeverityOverride, ...] = ()
    waivers: tuple[Waiver, ...] = ()

    def parameter(self, name: str) -> ParameterValue:
        """Return the parameter of that name; a product of tables ("a * b") is multiplied key by key.

        Raises ConfigurationError, one line, when there is none, or when the tables of a product differ in their keys.
        """
        declared = self.generation.parameters.get(name)
        if declared is None:
            remedy = did_you_mean(name, self.generation.parameters, otherwise="add it")
            raise ConfigurationError(f"config/generation.yaml: there is no {name!r} under parameters; {remedy}")
        if not isinstance(declared, str):
            return dict(declared) if isinstance(declared, Mapping) else declared
        parts = [part.strip() for part in declared.split("*")]
        if any(isinstance(self.generation.parameters.get(part), str) for part in parts):
            raise ConfigurationError(
                f"config/generation.yaml: the parameter {name!r} is a product of products; use tables instead"
            )
        product = self.table(parts[0])
        for part in parts[1:]:
            table = self.table(part)
            odd = next(iter(product.keys() ^ table.keys()), None)
            if odd is not None:
                raise ConfigurationError(
                    f"config/generation.yaml: the tables {declared!r} of the parameter {name!r} differ in the key"
                    f" {odd!r};"
                    " give all tables the same keys"
                )
            product = {key: value * table[key] for key, value in product.items()}
        return product

    def number(self, name: str) -> float:
        """Return the parameter of that name, which must be one number."""
        found = self.parameter(name)
        if isinstance(found, dict):
            raise ConfigurationError(f"config/generation.yaml: the parameter {name!r} is a table; expected one number")
        return found

    def table(self, name: str) -> dict[Any, float]:
        """Return the parameter of that name, which must be a table."""
        found = self.parameter(name)
        if not isinstance(found, dict):
            raise ConfigurationError(f"config/generation.yaml: the parameter {name!r} is one number; expected a table")
        return found

    def look_up(self, name: str, keys: Iterable[Any]) -> list[float]:
        """Return a table's values for the keys; ConfigurationError, one line, names the first that the table lacks."""
        table = self.table(name)
        wanted = list(keys)
        unknown = next((key for key in wanted if key not in table), None)
        if unknown is not None:
            raise ConfigurationError(
                f"config/generation.yaml: the parameter {name} has no value for {unknown!r}; add it"
            )
        return [table[key] for key in wanted]

"""Selections of subscriptions: the documents of one collection that satisfy a condition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from conformance.language.conditions.condition import Always, Computed, Condition, Parameter, bind
from conformance.language.conditions.from_dql import condition_of
from conformance.language.dql.fields import Named, field_of, named_fields, placeholders
from conformance.language.dql.parser import parse_statement, where_in
from conformance.language.dql.syntax import Constant, Statement
from conformance.language.dql.tokens import parameters_in


@dataclass(frozen=True)
class Selection:
    """The documents of one collection that meet a condition; ``statement`` is None where it is not read here.

    ``parameters`` are those that it names, each with whether it must be a list; None if that is not known.
    """

    collection: str
    condition: Condition
    statement: Statement | None = field(default=None, compare=False)
    parameters: Mapping[str, bool | None] = field(default_factory=dict, compare=False)

    @property
    def fields(self) -> Sequence[Named]:
        """The fields that the condition names, with what it compares them with."""
        return named_fields(self.statement) if self.statement else ()

    def bound(self, values: Mapping[str, Any]) -> Condition:
        """Return the condition with values for its parameters; one without a value selects nothing."""
        return bind(self.condition, {Parameter(name): value for name, value in values.items()})


@cache
def parse_subscription(text: str) -> Selection:
    """Return the selection of a subscription; raise ValueError, one line, if Ditto does not accept it.

    A condition that is not read here is left to the engine: it selects what only the engine can tell.
    """
    try:
        statement = parse_statement(text)
    except ValueError:
        before = text[: where_in(text)]
        if before == text:
            raise
        selection = parse_subscription(before)
        named = dict.fromkeys(parameters_in(text))
        return replace(selection, condition=Computed(Constant(text)), statement=None, parameters=named)
    if statement.verb != "SELECT" or statement.prefix:
        raise ValueError("a subscription is SELECT * FROM <collection> WHERE <condition>; write it so")
    if why := next((why for why, found in _refused(statement) if found), None):
        raise ValueError(why)
    condition: Condition = Always(True)
    if statement.where is not None:
        condition = condition_of(statement.where, lambda path: (field_of(statement, path) or (None, None))[1])
    return Selection(statement.sources[0].collection, condition, statement, placeholders(statement))


def _refused(statement: Statement) -> Iterator[tuple[str, bool]]:
    """Yield what a subscription must not have, and whether it has it."""
    whole = [one.star for one in statement.projected] == [""]
    yield (
        "a subscription selects whole documents: no DISTINCT, field or aggregate; write SELECT *",
        (not whole or statement.distinct),
    )
    yield (
        "a subscription is about one collection, without JOIN: leave the JOIN to a query on the device",
        (len(statement.sources) > 1),
    )
    yield (
        "a subscription has no GROUP BY, ORDER BY or LIMIT: leave it to a query on the device",
        bool(statement.group or statement.having or statement.order or statement.limit),
    )
    yield "Ditto takes OFFSET in a subscription and ignores it; remove it", statement.offset is not None
    yield "a subscription has no USE IDS; write WHERE _id IN :ids", "IDS" in statement.uses

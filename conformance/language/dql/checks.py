"""Checks of well-formed DQL statements for errors of Ditto's engine that are not about grammar."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from conformance.language.dql.functions import AGGREGATES, wrong_call
from conformance.language.dql.parser import parse_statement
from conformance.language.dql.syntax import Call, Expression, Path, Quantified, Source, Statement, children, walk


def refusals(text: str) -> list[str]:
    """Return why Ditto's engine refuses a statement, whatever the data and indexes are; nothing where it takes it."""
    try:
        statement = parse_statement(text)
    except ValueError as error:
        return [str(error)]
    return [*_projection(statement), *ambiguous(statement), *_aggregates(statement), *_functions(statement)]


def _functions(statement: Statement) -> Iterator[str]:
    calls = (one for each in statement.expressions for one in walk(each) if isinstance(one, Call))
    yield from dict.fromkeys(why for one in calls if (why := wrong_call(one.name, len(one.arguments))))


def _projection(statement: Statement) -> Iterator[str]:
    terms = Counter(one.term for one in statement.projected if one.term is not None)
    for term in (term for term, number in terms.items() if number > 1):
        yield f"two values are called {term!r} in the result; give one an alias (AS)"
    if len(statement.projected) > 1 and any(one.star == "" for one in statement.projected):
        yield "* stands beside other values; write <alias>.* or only *"
    aliases = Counter(source.alias for source in statement.sources if statement.verb == "SELECT")
    for alias in (alias for alias, number in aliases.items() if number > 1):
        yield f"two collections have the alias {alias!r}; give one another alias"


def ambiguous(statement: Statement) -> Iterator[str]:
    """Yield the fields of a JOIN that are not qualified."""
    if statement.verb != "SELECT" or len(statement.sources) < 2:
        return
    known = {source.alias for source in statement.sources}
    terms = {one.alias for one in statement.projected if one.alias} | {one.term for one in statement.projected}
    ordered = [id(one) for one in statement.order]
    found: dict[str, None] = {}
    for expression in statement.expressions:
        for path in paths(expression):
            sorted_by_term = id(expression) in ordered and path.parts[0] in terms
            if path.parts[0] not in known and not sorted_by_term:
                found[str(path)] = None
    for name in found:
        yield f"{name} stands in a JOIN without its collection; write <alias>.{name}"


def paths(expression: Expression, bound: frozenset[str] = frozenset()) -> Iterator[Path]:
    """Yield the paths in an expression that name fields; items of ANY … IN … are not fields."""
    if isinstance(expression, Path):
        if expression.parts[0] not in bound:
            yield expression
    elif isinstance(expression, Quantified):
        yield from paths(expression.items, bound)
        yield from paths(expression.condition, bound | {expression.name})
    else:
        for inner in children(expression):
            yield from paths(inner, bound)


def _aggregates(statement: Statement) -> Iterator[str]:
    if statement.verb != "SELECT":
        return
    conditions = [statement.where, *(source.condition for source in statement.sources), *statement.group]
    if any(_aggregated(one) for one in conditions if one is not None):
        yield "an aggregate stands in WHERE, ON or GROUP BY; write it in the projection, in HAVING or in ORDER BY"
    values = [one.expression for one in statement.projected if one.expression is not None]
    grouped = bool(statement.group) or statement.having is not None or any(map(_aggregated, values))
    if not grouped:
        if any(map(_aggregated, statement.order)):
            yield "ORDER BY has an aggregate, but there is no GROUP BY; add it"
        return
    terms = {one.term for one in statement.projected if one.term is not None}
    if any(one.star is not None for one in statement.projected):
        yield "* is selected by a statement with GROUP BY; select the group's keys and aggregates"
    for one in values:
        if not _grouped(one, statement, frozenset()):
            yield f"{_first(one)} is neither in GROUP BY nor in an aggregate; add it to GROUP BY or aggregate it"
    if statement.having is not None and not _grouped(statement.having, statement, frozenset()):
        yield f"HAVING names {_first(statement.having)}, which is neither in GROUP BY nor in an aggregate"
    for one in statement.order:
        if not _grouped(one, statement, frozenset(name for name in terms if name)):
            yield f"ORDER BY names {_first(one)}, which is neither in GROUP BY, nor selected, nor in an aggregate"


def _grouped(expression: Expression, statement: Statement, terms: frozenset[str]) -> bool:
    """Return whether an expression depends only on keys of groups, aggregates and the named terms."""
    keys = {_bare(one, statement.sources) for one in statement.group}
    if _bare(expression, statement.sources) in keys:
        return True
    if isinstance(expression, Call) and expression.name in AGGREGATES:
        return True
    if isinstance(expression, Path):
        return str(expression) in terms
    return all(_grouped(inner, statement, terms) for inner in children(expression))


def _bare(expression: Expression, sources: tuple[Source, ...]) -> Expression:
    """Return a path without the only collection's name before it."""
    if isinstance(expression, Path) and len(sources) == 1 and expression.parts[0] == sources[0].alias:
        return Path(expression.parts[1:]) if len(expression.parts) > 1 else expression
    return expression


def _aggregated(expression: Expression) -> bool:
    return any(isinstance(one, Call) and one.name in AGGREGATES for one in walk(expression))


def _first(expression: Expression) -> str:
    named = next(paths(expression), None)
    return str(named) if named is not None else "it"

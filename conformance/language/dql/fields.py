"""Fields that a DQL statement names, the values that it compares them with, and tests that find nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from conformance.language.dql.checks import paths
from conformance.language.dql.syntax import (
    Call,
    Constant,
    Expression,
    Operation,
    Path,
    Placeholder,
    Source,
    Statement,
    children,
    walk,
)

#: Tests for equality, and the other tests in which a value of another type is never met.
EQUALITY: Final = frozenset({"=", "!=", "IN"})
_COMPARING: Final = EQUALITY | {"<", "<=", ">", ">=", "BETWEEN", "LIKE", "ILIKE"}


@dataclass(frozen=True)
class Named:
    """A field that a statement names, and how: the operator and the values that it is compared with."""

    collection: str
    path: str
    operator: str = ""
    values: tuple[Any, ...] = ()


def named_fields(statement: Statement) -> list[Named]:
    """Return the fields that a statement names, each once for each comparison; Ditto's own _id is not among them."""
    found: dict[Named, None] = {}
    for expression in statement.expressions:
        for path, operator, values in _used(expression):
            if (field := field_of(statement, path)) is not None and not _is_term(statement, expression, path):
                found[Named(*field, operator, values)] = None
    compared = {(one.collection, one.path) for one in found if one.operator}
    return [one for one in found if one.operator or (one.collection, one.path) not in compared]


def field_of(statement: Statement, path: Path) -> tuple[str, str] | None:
    """Return collection and dotted path of a field; None for a whole document, its _id, or what is not known."""
    source = source_of(statement, path)
    if source is None:
        return None
    parts = path.parts[1:] if path.parts[0] == source.alias else path.parts
    return (source.collection, ".".join(parts)) if parts and parts[0] != "_id" else None


def source_of(statement: Statement, path: Path) -> Source | None:
    """Return the collection that a path is a field of; None if it is unqualified in a JOIN."""
    qualified = next((source for source in statement.sources if source.alias == path.parts[0]), None)
    return qualified or (statement.sources[0] if len(statement.sources) == 1 else None)


def _is_term(statement: Statement, expression: Expression, path: Path) -> bool:
    """Return whether ORDER BY names a value of the result rather than a field."""
    ordered = any(expression is one for one in statement.order)
    return ordered and path.parts[0] in {one.alias for one in statement.projected if one.alias}


def _used(expression: Expression) -> Iterator[tuple[Path, str, tuple[Any, ...]]]:
    """Yield each path of an expression with the operator and values that it is compared with, if it is."""
    named = {id(path): path for path in paths(expression)}
    for one in walk(expression):
        if isinstance(one, Operation) and one.operator in _COMPARING:
            sides = one.operands if isinstance(one.operands[0], Path) else one.operands[::-1]
            if (path := named.pop(id(sides[0]), None)) is not None:
                yield path, one.operator, tuple(_written(sides[1:]))
    yield from ((path, "", ()) for path in named.values())


def _written(expressions: Sequence[Expression]) -> Iterator[Any]:
    """Yield the values that are written out; those of a list one by one."""
    for one in expressions:
        if isinstance(one, Constant) and one.value is not None:
            yield one.value
        elif isinstance(one, Operation) and one.operator in ("()", "[]"):
            yield from _written(one.operands)


def placeholders(statement: Statement) -> Mapping[str, bool | None]:
    """Return the parameters that a statement names: whether each must be a list, None where it is not known."""
    found: dict[str, bool | None] = {}
    for expression in statement.expressions:
        for one in walk(expression):
            if isinstance(one, Operation):
                for position, operand in enumerate(one.operands):
                    if isinstance(operand, Placeholder):
                        kind = _must_be_list(one, position)
                        found[operand.name] = found.get(operand.name) if kind is None else kind
            for inner in (one, *children(one)):
                if isinstance(inner, Placeholder):
                    found.setdefault(inner.name, None)
    return found


def _must_be_list(operation: Operation, position: int) -> bool | None:
    if operation.operator == "IN":
        return position == 1
    return False if operation.operator in _COMPARING or operation.operator == "()" else None


def fruitless(statement: Statement) -> Iterator[str]:
    """Yield the tests that find nothing, whatever the data is."""
    for one in (inner for expression in statement.expressions for inner in walk(expression)):
        if isinstance(one, Operation) and one.operator == "IN":
            values = list(_written(one.operands[1:]))
            if len({_type(value) for value in values}) > 1:
                yield "IN with values of several types finds nothing; write values of one type"
        elif isinstance(one, Operation) and one.operator in _COMPARING and Constant(None) in one.operands:
            yield f"{one.operator} NULL finds nothing; write IS NULL, or IS MISSING for a field that is absent"


def surprising(statement: Statement) -> Iterator[str]:
    """Yield the calls that probably mean something else than they do."""
    for one in (inner for expression in statement.expressions for inner in walk(expression)):
        if isinstance(one, Call) and one.name in ("substr", "substring") and one.arguments[1:2] == (Constant(1),):
            yield f"{one.name} counts from 0: position 1 is the second character; write 0 for the first"


def _type(value: Any) -> str:
    return "boolean" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"


def unsupported_joins(statement: Statement, indexes: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the JOINs that the engine refuses when they run: it can find the inner side neither by _id nor by an index.

    ``indexes`` are the fields of each collection's indexes on devices: the engine takes any, not only the first.
    """
    for position, source in enumerate(statement.sources):
        inner = statement.sources[0] if source.join == "RIGHT" else source
        if position and source.condition is not None and not _found_by(source.condition, inner, indexes):
            yield (
                f"the JOIN finds documents of {inner.collection} neither by _id nor by an index, which the engine"
                f" refuses at run time; add the compared field to indexes.{inner.collection}"
            )


def _found_by(condition: Expression, inner: Source, indexes: Mapping[str, Sequence[str]]) -> bool:
    """Return whether a condition compares the inner side's _id for equality, or a field of an index in any way."""
    if isinstance(condition, Operation) and condition.operator == "AND":
        return any(_found_by(part, inner, indexes) for part in condition.operands)
    negated = isinstance(condition, Operation) and condition.operator == "NOT"
    condition = condition.operands[0] if isinstance(condition, Operation) and negated else condition
    if not isinstance(condition, Operation) or condition.operator not in _COMPARING - {"LIKE", "ILIKE"}:
        return False
    found = {".".join(one.parts[1:]) for one in condition.operands
             if isinstance(one, Path) and one.parts[0] == inner.alias}  # fmt: skip
    by_id = {"_id"} if condition.operator in ("=", "IN") and not negated else set()
    return bool(found & {*by_id, *indexes.get(inner.collection, ())})

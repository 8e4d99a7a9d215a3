"""Expressions of a caller's pipeline: known operators only, and a bounded amount of work on each document.

The server compares the elapsed time with the limit between documents, never within one, and killOp has no effect there
either. Therefore the work that an expression can cause on one document is bounded before the pipeline runs:

- an operator that is not listed here is refused;
- a loop ($map, $filter, $reduce) reads at most `LOOP_ELEMENTS` elements, which the server checks, and holds no loop;
- a loop's body builds nothing from data outside the loop, and $reduce adds to its value once at most;
- a stage that builds, copies or loops reads documents of at most `DOCUMENT_BYTES`, which the server checks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

#: Elements that a loop or a $range may have.
LOOP_ELEMENTS: Final = 1_000
#: Size of a document that a stage which builds values may read.
DOCUMENT_BYTES: Final = 256 * 1024
#: Loops in a pipeline; operators in a pipeline; references that one value may combine.
MAX_LOOPS: Final = 10
MAX_OPERATORS: Final = 500
MAX_COPIES: Final = 100
#: Starts the server's error text when a document or a list exceeds a limit.
LIMIT_MARK: Final = "over the limit: "


def operators(names: str) -> frozenset[str]:
    """Return the operators of the names, which are separated by blanks."""
    return frozenset(f"${name}" for name in names.split())


#: The result has a constant size, whatever the operands are.
SCALARS: Final = operators(
    "abs acos acosh add allElementsTrue and anyElementTrue asin asinh atan atan2 atanh avg binarySize bsonSize"
    " ceil cmp cos cosh dateAdd dateDiff dateFromParts dateFromString dateSubtract dateToParts dateTrunc"
    " dayOfMonth dayOfWeek dayOfYear degreesToRadians divide eq exp floor gt gte hour in indexOfArray indexOfBytes"
    " indexOfCP isArray isNumber isoDayOfWeek isoWeek isoWeekYear ln log log10 lt lte meta millisecond minute mod"
    " month multiply ne not or pow radiansToDegrees rand regexMatch round second setEquals setIsSubset sin sinh"
    " size sqrt stdDevPop stdDevSamp strLenBytes strLenCP strcasecmp subtract sum tan tanh toBool toDate toDecimal"
    " toDouble toInt toLong toObjectId trunc type week year"
)
#: The result is one of the operands, or a part of one, and is not copied.
CHOICES: Final = operators("arrayElemAt cond first getField ifNull last max min switch")
#: The result is a copy of an operand, at most as large.
COPIES: Final = operators(
    "arrayToObject convert dateToString firstN lastN ltrim maxN minN objectToArray regexFind regexFindAll reverseArray"
    " rtrim setDifference setIntersection slice sortArray split substr substrBytes substrCP toLower toString toUpper"
    " trim unsetField"
)
#: The result combines operands.
BUILDERS: Final = operators("concat concatArrays mergeObjects setField setUnion zip")
LOOPS: Final = operators("filter map reduce")
_SPECIAL: Final = operators("let literal range")
OPERATORS: Final = SCALARS | CHOICES | COPIES | BUILDERS | LOOPS | _SPECIAL
_VARIABLES: Final = frozenset({"ROOT", "CURRENT", "NOW", "REMOVE"})


class RefusedError(Exception):
    """A pipeline that is not run; the text says what is wrong with it and what to write instead."""


@dataclass(frozen=True)
class Value:
    """The data that an expression's result holds.

    ``copies`` counts references to data; ``outer`` is True if one of them leads out of the loop around the expression;
    ``carried`` counts those to the value that $reduce carries along.
    """

    copies: int = 0
    outer: bool = False
    carried: int = 0


@dataclass(frozen=True)
class Scope:
    """The variables that an expression may name, and the loop that it is in: none, "$reduce" or another."""

    variables: Mapping[str, Value] = field(default_factory=dict)
    loop: str | None = None

    def within(self, variables: Mapping[str, Value], loop: str | None = None) -> Scope:
        """Return the scope with more variables; those of a loop's surroundings count as outer."""
        known = self.variables
        if loop is not None:
            known = {name: replace(value, outer=True) for name, value in known.items()}
        return Scope({**known, **variables}, loop or self.loop)


@dataclass
class Budget:
    """The operators and loops of a whole pipeline so far.

    ``builds`` is set by an expression that copies or combines data, and reset at each stage.
    """

    operators: int = 0
    loops: int = 0
    builds: bool = False


class Expressions:
    """Check expressions, and add the server's own checks to their loops."""

    def __init__(self) -> None:
        self.budget = Budget()

    def checked(self, part: Any, scope: Scope) -> tuple[Any, Value]:
        """Return the expression as it may be run, and the data that its result holds. Raises RefusedError."""
        if isinstance(part, str):
            return part, _referenced(part, scope)
        if isinstance(part, list):
            return self._combined(part, scope)
        if not isinstance(part, Mapping):
            return part, Value()
        names = [name for name in part if name.startswith("$")]
        if not names:
            made, value = self._combined(list(part.values()), scope)
            return dict(zip(part, made, strict=True)), value
        if len(part) > 1:
            raise RefusedError(f"{names[0][:40]} occurs with other keys; an expression has exactly one operator")
        return self._operator(names[0], part[names[0]], scope)

    def _combined(self, parts: list[Any], scope: Scope) -> tuple[list[Any], Value]:
        made, value = self._each(parts, scope)
        self.budget.builds |= value.copies > 1
        if scope.loop and value.carried:
            raise RefusedError("$reduce cannot put its value into a list or an object; use $unwind and $group")
        return made, value

    def _each(self, parts: Iterable[Any], scope: Scope) -> tuple[list[Any], Value]:
        made, values = [], []
        for part in parts:
            one, value = self.checked(part, scope)
            made.append(one)
            values.append(value)
        return made, _sum(values)

    def _operator(self, name: str, body: Any, scope: Scope) -> tuple[Any, Value]:
        if name not in OPERATORS:
            raise RefusedError(f"the operator {name[:40]} is not allowed in an expression; write it without")
        self.budget.operators += 1
        if self.budget.operators > MAX_OPERATORS:
            raise RefusedError(f"the pipeline has more than {MAX_OPERATORS} operators; send a smaller query")
        if name in LOOPS:
            return self._loop(name, body, scope)
        if name == "$literal":
            return {name: body}, Value()
        if name == "$range":
            return {name: _range(body)}, Value(1)
        if name == "$let":
            return self._let(body, scope)
        made, value = self._operands(body, scope)
        if name in SCALARS:
            return {name: made}, Value()
        self._check_built(name, value, scope)
        return {name: made}, value

    def _operands(self, body: Any, scope: Scope) -> tuple[Any, Value]:
        """Check a list of operands, named operands, or the only one."""
        if isinstance(body, list):
            return self._each(body, scope)
        if isinstance(body, Mapping) and not any(name.startswith("$") for name in body):
            if isinstance(body.get("branches"), list):  # of $switch: each holds named operands again
                branches, first = self._branches(body["branches"], scope)
                rest, second = self._operands({key: value for key, value in body.items() if key != "branches"}, scope)
                return {"branches": branches, **rest}, _sum([first, second])
            made, value = self._each(body.values(), scope)
            return dict(zip(body, made, strict=True)), value
        return self.checked(body, scope)

    def _branches(self, branches: list[Any], scope: Scope) -> tuple[list[Any], Value]:
        found = [self._operands(branch, scope) for branch in branches]
        return [made for made, _ in found], _sum(value for _, value in found)

    def _check_built(self, name: str, value: Value, scope: Scope) -> None:
        if name in CHOICES:
            return
        self.budget.builds |= value.copies > 0
        if scope.loop is None:
            return
        if name in BUILDERS and name != "$concat":
            raise RefusedError(f"{name} is not allowed inside {scope.loop}; use $unwind and $group")
        if value.outer:
            raise RefusedError(f"{name} inside {scope.loop} may only use the loop's own variable; use $unwind instead")
        if value.carried > 1 or (value.carried and name != "$concat"):
            raise RefusedError(f"{name} may not repeat or rewrite the value of $reduce; use $unwind and $group")

    def _let(self, body: Any, scope: Scope) -> tuple[Any, Value]:
        if not isinstance(body, Mapping) or body.keys() != {"vars", "in"} or not isinstance(body["vars"], Mapping):
            raise RefusedError("$let needs vars and in")
        found = {name: self.checked(part, scope) for name, part in body["vars"].items()}
        made, value = self.checked(body["in"], scope.within({name: one for name, (_, one) in found.items()}))
        return {"$let": {"vars": {name: part for name, (part, _) in found.items()}, "in": made}}, value

    def _loop(self, name: str, body: Any, scope: Scope) -> tuple[Any, Value]:
        inner, needed, optional = _LOOP_KEYS[name]
        if not isinstance(body, Mapping) or not needed <= body.keys() <= needed | optional:
            raise RefusedError(f"{name} needs {', '.join(sorted(needed))}")
        if scope.loop is not None:
            raise RefusedError(f"{name} inside {scope.loop} is not allowed; use $unwind and $group")
        self.budget.loops += 1
        if self.budget.loops > MAX_LOOPS:
            raise RefusedError(f"the pipeline has more than {MAX_LOOPS} loops; use $unwind and $group")
        self.budget.builds = True
        made = dict(body)
        source, first = self.checked(body["input"], scope)
        made["input"] = _bounded(source)
        variables = {str(body.get("as", "this")): Value(1)}
        if name == "$reduce":
            made["initialValue"], _ = self.checked(body["initialValue"], scope)
            variables["value"] = Value(1, carried=1)
        made[inner], second = self.checked(body[inner], scope.within(variables, name))
        if "limit" in body:
            made["limit"], _ = self.checked(body["limit"], scope)
        return {name: made}, _limited(first.copies + second.copies, first)


_LOOP_KEYS: Final[Mapping[str, tuple[str, frozenset[str], frozenset[str]]]] = {
    "$map": ("in", frozenset({"input", "in"}), frozenset({"as"})),
    "$filter": ("cond", frozenset({"input", "cond"}), frozenset({"as", "limit"})),
    "$reduce": ("in", frozenset({"input", "initialValue", "in"}), frozenset()),
}


def _sum(values: Iterable[Value]) -> Value:
    every = list(values)
    total = Value(
        sum(value.copies for value in every),
        any(value.outer for value in every),
        sum(value.carried for value in every),
    )
    return _limited(total.copies, total)


def _limited(copies: int, value: Value) -> Value:
    if copies > MAX_COPIES:
        raise RefusedError(f"one value combines more than {MAX_COPIES} others; send a smaller query")
    return replace(value, copies=copies)


def _referenced(text: str, scope: Scope) -> Value:
    """Return the data behind a path ("$a.b") or a variable ("$$name.a"); other text is text."""
    if text.startswith("$$"):
        name = text[2:].split(".")[0]
        if name in scope.variables:
            return scope.variables[name]
        if name not in _VARIABLES:
            raise RefusedError(f"there is no variable {text[:40]}; define it with let")
        if name in ("NOW", "REMOVE"):
            return Value()
    elif not text.startswith("$"):
        return Value()
    return Value(1, outer=scope.loop is not None)


def _range(body: Any) -> Any:
    """Return the operands of $range, which must be numbers: the server would build a list of any length."""
    if not isinstance(body, list) or not 2 <= len(body) <= 3 or any(type(number) is not int for number in body):
        raise RefusedError("$range needs two or three whole numbers")
    step = body[2] if len(body) == 3 else 1
    if step == 0 or len(range(body[0], body[1], step)) > LOOP_ELEMENTS:
        raise RefusedError(f"$range may give at most {LOOP_ELEMENTS} numbers; write others")
    return body


def _bounded(source: Any) -> Any:
    """Return the input of a loop, with an error of the server's if it has too many elements."""
    count = {"$cond": [{"$isArray": "$$zava_input"}, {"$size": "$$zava_input"}, 0]}
    fail = _failing([{"$toString": {"$size": "$$zava_input"}}, f" elements in a loop; at most {LOOP_ELEMENTS} go"])
    bounded = {"$cond": [{"$gt": [count, LOOP_ELEMENTS]}, fail, "$$zava_input"]}
    return {"$let": {"vars": {"zava_input": source}, "in": bounded}}


def size_check() -> dict[str, Any]:
    """Return the stage before one that builds values: an error of the server's if a document is too large."""
    fail = _failing(
        [{"$toString": {"$bsonSize": "$$ROOT"}}, f" bytes in a document; at most {DOCUMENT_BYTES} go into such a stage"]
    )
    return {"$match": {"$expr": {"$cond": [{"$gt": [{"$bsonSize": "$$ROOT"}, DOCUMENT_BYTES]}, fail, True]}}}


def _failing(text: list[Any]) -> dict[str, Any]:
    """Return an expression that fails with the text; it depends on data, so the server cannot evaluate it early."""
    return {"$toInt": {"$concat": [LIMIT_MARK, *text]}}

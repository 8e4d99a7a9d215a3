"""Reading an expression of DQL: precedence climbing over its tokens.

A word is a field wherever a value is expected, even a keyword: the engine takes ``WHERE order = 1``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from conformance.language.dql.syntax import Call, Constant, Expression, Operation, Path, Placeholder, Quantified
from conformance.language.dql.tokens import Token, tokens, unquoted

T = TypeVar("T")

#: Precedence of the binary operators.
_BINDING: Final[Mapping[str, int]] = {
    "OR": 1,
    "AND": 2,
    **dict.fromkeys(("=", "==", "!=", "<>", "<", "<=", ">", ">=", "IN", "BETWEEN", "LIKE", "ILIKE", "IS"), 4),
    **dict.fromkeys(("+", "-", "||"), 5),
    **dict.fromkeys(("*", "/", "%"), 6),
}
_NOT, _COMPARED, _SIGNED = 3, 4, 7
_SAME: Final = {"==": "=", "<>": "!="}
_CONSTANTS: Final = {"TRUE": True, "FALSE": False, "NULL": None}
#: Tokens that follow an operand: before them, CASE and similar words are the name of a field.
_AFTER_NAME: Final = frozenset(
    {*_BINDING, "NOT", ")", ",", ".", "]", "}", "AS", "FROM", "ASC", "DESC", "THEN", "WHERE", "GROUP", "ORDER", "LIMIT"}
)


class Reader:
    """Reads tokens from left to right."""

    def __init__(self, text: str) -> None:
        self._tokens = list(tokens(text))
        self._position = 0

    @property
    def next(self) -> Token:
        """The next token."""
        return self._tokens[self._position]

    def ahead(self, distance: int = 1) -> Token:
        """Return the token after the next, or further on."""
        return self._tokens[min(self._position + distance, len(self._tokens) - 1)]

    def take(self) -> Token:
        """Return the next token and go on to the one after it."""
        token = self.next
        self._position += token.kind != "end"
        return token

    def word(self, *words: str) -> str | None:
        """Take the next token if it is one of the words or signs, and return it in upper case."""
        return self.take().text.upper() if self.next.is_word(*words) else None

    def words(self, text: str) -> bool:
        """Take several words if all of them follow."""
        wanted = text.split()
        if not all(self.ahead(n).is_word(word) for n, word in enumerate(wanted)):
            return False
        self._position += len(wanted)
        return True

    def expect(self, word: str) -> None:
        """Take the word, or the words; ValueError where something else stands."""
        if not self.words(word):
            raise self.unexpected(word)

    def name(self, what: str = "a name") -> str:
        """Take a name."""
        if self.next.kind not in ("word", "name"):
            raise self.unexpected(what)
        return unquoted(self.take())

    def path(self) -> Path:
        """Take a name, or names joined by dots."""
        parts = [self.name("a field")]
        while self.word("."):
            parts.append(self.name("a field"))
        return Path(tuple(parts))

    def unexpected(self, wanted: str) -> ValueError:
        """Return the error for the next token."""
        return ValueError(f"found {self.next.text} where {wanted} should be; correct the query")

    # -- expressions ---------------------------------------------------------------------------------------------------

    def expression(self, binding: int = 1) -> Expression:
        """Take an expression whose operators bind at least so tightly."""
        left = self._prefix()
        while (operator := self._operator()) and _BINDING[operator[1]] >= binding:
            left = self._infix(left, *operator)
        return left

    def several(self, item: Callable[[], T] | None = None, *, end: str | None = None, least: int = 0) -> tuple[T, ...]:
        """Take items separated by commas, expressions by default; before ``end``, which is taken too, also none."""
        take: Callable[[], Any] = item or self.expression
        if end is not None and not least and self.word(end):
            return ()
        found = [take()]
        while self.word(","):
            found.append(take())
        if end is not None:
            self.expect(end)
        return tuple(found)

    def _operator(self) -> tuple[bool, str] | None:
        """Return whether NOT comes first, and the operator that follows; None where none does."""
        negated = self.next.is_word("NOT")
        token = self.ahead() if negated else self.next
        if negated and not token.is_word("IN", "BETWEEN", "LIKE", "ILIKE"):
            return None
        return (negated, token.text.upper()) if token.is_word(*_BINDING) else None

    def _infix(self, left: Expression, negated: bool, operator: str) -> Expression:
        for _ in range(1 + negated):
            self.take()
        if operator == "IS":
            return self._is(left)
        found: Expression
        if operator == "BETWEEN":
            low = self.expression(_COMPARED + 1)
            self.expect("AND")
            found = Operation("BETWEEN", (left, low, self.expression(_COMPARED + 1)))
        elif operator == "IN" and self.next.is_word("("):
            found = Operation("IN", (left, self._list()))
        else:
            found = Operation(_SAME.get(operator, operator), (left, self.expression(_BINDING[operator] + 1)))
            if operator in ("LIKE", "ILIKE") and self.word("ESCAPE"):
                self.take()
        return Operation("NOT", (found,)) if negated else found

    def _is(self, left: Expression) -> Expression:
        negated = bool(self.word("NOT"))
        kind = self.word("NULL", "MISSING", "UNKNOWN")
        if not kind:
            raise self.unexpected("[NOT] NULL or [NOT] MISSING")
        test = Operation(f"IS {kind}", (left,))
        return Operation("NOT", (test,)) if negated else test

    def _list(self) -> Expression:
        self.take()
        if self.next.is_word("SELECT"):
            self._refuse_subquery()
        return Operation("()", self.several(end=")", least=1))

    def _prefix(self) -> Expression:
        token = self.next
        if token.kind in ("text", "number", "parameter"):
            return self._postfix(self._value())
        if token.is_word("(", "[", "{"):
            return self._postfix(self._enclosed())
        if token.is_word("-") and self.ahead().kind == "number":
            self.take()
            value = self._value()
            return Constant(-value.value) if isinstance(value, Constant) else value
        if token.is_word("-", "+"):
            return Operation(self.take().text, (self.expression(_SIGNED),))
        special = token.is_word("NOT", "CASE", "CAST", "ANY", "EVERY", "EXISTS")
        if special and self.ahead().kind != "end" and not self.ahead().is_word(*_AFTER_NAME):
            return self._postfix(_SPECIAL[self.take().text.upper()](self))
        if token.is_word(*_CONSTANTS) and not self.ahead().is_word("."):
            return Constant(_CONSTANTS[self.take().text.upper()])
        if token.is_word("MISSING"):
            self.take()
            return Operation("MISSING", ())
        if self.ahead().is_word("(") and token.kind == "word":
            return self._postfix(self._call())
        return self._postfix(self.path())

    def _value(self) -> Expression:
        token = self.take()
        if token.kind == "parameter":
            return Placeholder(token.text[1:])
        if token.kind == "text":
            return Constant(unquoted(token))
        return Constant(float(token.text) if {*token.text} & {*".eE"} else int(token.text))

    def _enclosed(self) -> Expression:
        opened = self.take().text
        if opened == "(":
            if self.next.is_word("SELECT") and self.ahead().kind in ("word", "name", "sign"):
                self._refuse_subquery()
            inner: tuple[Expression, ...] = self.several(end=")", least=1)
            return inner[0] if len(inner) == 1 else Operation("()", inner)
        if opened == "[":
            return Operation("[]", self.several(end="]"))
        return Operation("{}", self.several(self._member, end="}"))

    def _refuse_subquery(self) -> None:
        if self.ahead().is_word("*") or not self.ahead().is_word(*_AFTER_NAME):
            raise ValueError(
                "DQL has no subquery (SELECT in parentheses); use a JOIN in a query, or keep the key in the document"
                " itself, or write IN :list and give the values as a parameter"
            )

    def _member(self) -> Expression:
        if self.next.kind not in ("text", "word", "name"):
            raise self.unexpected("a key")
        self.take()
        self.expect(":")
        return self.expression()

    def _call(self) -> Expression:
        name = self.take().text.lower()
        self.take()
        if name == "count" and self.words("* )"):
            return Call(name, ())
        self.word("DISTINCT", "ALL")
        found = Call(name, self.several(end=")"))
        if self.next.is_word("OVER"):
            raise ValueError("DQL has no window functions (OVER); use GROUP BY, or compute it in the app")
        return found

    def _postfix(self, left: Expression) -> Expression:
        while self.next.is_word("[", "."):
            if self.take().text == ".":
                left = Operation(".", (left, Constant(self.name("a field"))))
            else:
                left = Operation("index", (left, self.expression()))
                self.expect("]")
        return left

    def case(self) -> Expression:
        """Take what follows CASE."""
        parts = [] if self.next.is_word("WHEN") else [self.expression()]
        while self.word("WHEN"):
            parts.append(self.expression())
            self.expect("THEN")
            parts.append(self.expression())
        if self.word("ELSE"):
            parts.append(self.expression())
        self.expect("END")
        return Operation("CASE", tuple(parts))

    def cast(self) -> Expression:
        """Take what follows CAST."""
        self.expect("(")
        value = self.expression()
        self.expect("AS")
        kind = self.name("a type").upper()
        if kind not in _TYPES:
            raise ValueError(f"found {kind} where a type should be; write one of {', '.join(sorted(_TYPES))}")
        self.expect(")")
        return Operation("CAST", (value,))

    def quantified(self) -> Expression:
        """Take what follows ANY or EVERY."""
        name = self.name()
        self.expect("IN")
        items = self.expression()
        self.expect("SATISFIES")
        condition = self.expression()
        self.expect("END")
        return Quantified(name, items, condition)

    def negated(self) -> Expression:
        """Take what follows NOT."""
        return Operation("NOT", (self.expression(_NOT),))

    def refused(self) -> Expression:
        """Refuse EXISTS."""
        raise ValueError("DQL has no EXISTS; use a JOIN in a query, or IS NOT MISSING to test a field")


_TYPES: Final = frozenset({"ARRAY", "BINARY", "BOOLEAN", "FLOAT", "INT", "INTEGER", "OBJECT", "STRING"})
_SPECIAL: Final[Mapping[str, Callable[[Reader], Expression]]] = {
    "NOT": Reader.negated,
    "CASE": Reader.case,
    "CAST": Reader.cast,
    "ANY": Reader.quantified,
    "EVERY": Reader.quantified,
    "EXISTS": Reader.refused,
}

"""Reading a SELECT of DQL, and the parts that other statements have in common with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from conformance.language.dql.expressions import Reader
from conformance.language.dql.syntax import Constant, Expression, Placeholder, Projected, Source, Statement

#: Words that cannot be an alias: something begins with them.
_CLAUSES: Final = (
    *("AS", "APPLY", "CROSS", "DOCUMENTS", "EXCEPT", "FROM", "FULL", "GROUP", "HAVING", "INITIAL", "INNER"),
    *("INTERSECT", "JOIN", "LEFT", "LIMIT", "NATURAL", "OFFSET", "ON", "ORDER", "RETURNING", "RIGHT", "SELECT"),
    *("SET", "UNION", "UNNEST", "UNSET", "USE", "VALUES", "WHERE", "WINDOW"),
)
_NOT_DQL: Final[Mapping[str, str]] = {
    "UNION": "DQL has no UNION; run two queries",
    "FULL": "DQL has INNER, LEFT and RIGHT JOIN only; write one of them",
    "CROSS": "DQL has INNER, LEFT and RIGHT JOIN only; write one of them, with ON",
    ",": "DQL reads one collection after FROM; write JOIN … ON for another",
    "UNNEST": "DQL has no UNNEST; use ANY … IN … SATISFIES … END, or unfold the array in the app",
    "WITH": "DQL has no WITH; write one SELECT",
    "UPSERT": "DQL has no UPSERT; write INSERT INTO … ON ID CONFLICT DO UPDATE",
}
_SYSTEM: Final = frozenset({"indexes", "collections", "data_sync_info", "system_info", "active_requests"})


class SelectReader(Reader):
    """Reads a SELECT."""

    def unexpected(self, wanted: str) -> ValueError:
        """Return the error for the next token; it says what to write instead of what other dialects of SQL have."""
        known = _NOT_DQL.get(self.next.text.upper()) if self.next.kind in ("word", "sign") else None
        return ValueError(known) if known else super().unexpected(wanted)

    def select(self) -> Statement:
        """Take what follows SELECT."""
        distinct = self.word("DISTINCT", "ALL") == "DISTINCT"
        raw = self.name("a collection") if self.word("VALUE") else None
        projected = self.several(self.projected) if raw is None else (Projected(None, star=raw),)
        self.expect("FROM")
        first, uses = self.source()
        sources = [first]
        while joined := self._joined():
            sources.append(joined)
        if raw is not None and raw not in {source.alias for source in sources}:
            raise ValueError(f"SELECT VALUE takes a collection's alias, not {raw!r}; remove VALUE")
        where = self.where()
        group = self.several(self.expression) if self.words("GROUP BY") else ()
        having = self.expression() if self.word("HAVING") else None
        order, limit, offset = self.tail()
        return Statement(
            "SELECT", tuple(sources), where, distinct, projected, group, having, order, limit, offset, uses
        )

    def projected(self) -> Projected:
        """Take one item of what is selected or returned."""
        if self.word("*"):
            return Projected(None, star="")
        if self.next.is_word("FROM"):
            raise self.unexpected("* or what to select")
        parts = 0
        while self.ahead(parts).kind in ("word", "name") and self.ahead(parts + 1).is_word("."):
            parts += 2
        if parts and self.ahead(parts).is_word("*"):
            path = [self.name()]
            while self.word(".") and not self.word("*"):
                path.append(self.name())
            return Projected(None, star=".".join(path))
        return Projected(self.expression(), self._alias())

    def _alias(self) -> str | None:
        if self.word("AS"):
            if self.next.is_word(*_CLAUSES):
                raise self.unexpected("a name that is not a keyword, or is in back quotes,")
            return self.name()
        free = self.next.kind == "name" or (self.next.kind == "word" and not self.next.is_word(*_CLAUSES))
        return self.name() if free else None

    def collection(self) -> str:
        """Take a collection's name, which ``default:`` or ``COLLECTION`` may stand before."""
        typed = self.next.is_word("COLLECTION") and self.ahead().kind in ("word", "name")
        if typed:
            self.take()
        if self.next.is_word("("):
            raise ValueError("DQL has no subquery after FROM; name a collection")
        name = self.name("a collection")
        if self.next.kind == "parameter" or self.next.is_word(":"):  # default:orders, system:indexes
            token = self.take()
            inner = token.text[1:] if token.kind == "parameter" else self.name("a collection")
            name = inner if name == "default" else f"{name}:{inner}"
            if name.startswith("system:") and inner not in _SYSTEM:
                raise ValueError(f"there is no {name}; write one of {', '.join(sorted(_SYSTEM))}")
        if typed and self.word("("):
            self.several(self._typed, end=")")
        return name

    def _typed(self) -> None:
        self.path()
        self.name("MAP, REGISTER, COUNTER or ATTACHMENT")

    def source(self) -> tuple[Source, tuple[str, ...]]:
        """Take a collection with its alias, and how USE says to read it."""
        name = self.collection()
        alias = self._alias() or name
        return Source(name, alias), self._use()

    def _use(self) -> tuple[str, ...]:
        if not self.word("USE"):
            return ()
        kind = self.word("IDS", "INDEX", "DIRECTIVES")
        if kind is None:
            raise self.unexpected("IDS, INDEX or DIRECTIVES")
        if kind == "IDS":
            if self.next.is_word("("):
                raise ValueError("USE IDS takes ids without parentheses; write USE IDS 'a', 'b'")
            self.several(self.expression)
        elif self.next.kind not in ("word", "name", "text"):
            raise self.unexpected("a name")
        else:
            self.take()
        return (kind,)

    def _joined(self) -> Source | None:
        kind: Literal["INNER", "LEFT", "RIGHT"]
        if self.words("JOIN") or self.words("INNER JOIN"):
            kind = "INNER"
        elif self.words("LEFT JOIN") or self.words("LEFT OUTER JOIN"):
            kind = "LEFT"
        elif self.words("RIGHT JOIN") or self.words("RIGHT OUTER JOIN"):
            kind = "RIGHT"
        else:
            return None
        name = self.collection()
        alias = self._alias() or name
        self._use()
        self.expect("ON")
        return Source(name, alias, kind, self.expression())

    def where(self) -> Expression | None:
        """Take WHERE and its condition, if it is there."""
        return self.expression() if self.word("WHERE") else None

    def tail(self) -> tuple[tuple[Expression, ...], Expression | None, Expression | None]:
        """Take ORDER BY, LIMIT and OFFSET; the engine takes the last two in either order."""
        order = self.several(self._ordered) if self.words("ORDER BY") else ()
        bounds: dict[str, Expression] = {}
        while (word := self.next.text.upper()) in ("LIMIT", "OFFSET") and word not in bounds:
            self.take()
            if not (self.next.kind == "parameter" or (self.next.kind == "number" and self.next.text.isdigit())):
                raise self.unexpected("a whole number or a parameter")
            text = self.take().text
            bounds[word] = Placeholder(text[1:]) if text[0] == ":" else Constant(int(text))
        return order, bounds.get("LIMIT"), bounds.get("OFFSET")

    def _ordered(self) -> Expression:
        found = self.expression()
        self.word("ASC", "DESC")
        return found

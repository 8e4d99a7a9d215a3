"""Reading a statement of DQL.

Ditto's engine decides which statements are valid. This parser takes what the engine of SDK 5.2.0.dev0 takes
(tests/conformance/language/dql/test_statements.py runs both on the same statements), so that rules can say which
collections, fields and values a statement names. No SQL library fits: those that can be installed have no dialect for
DQL (IS MISSING, USE IDS, APPLY, EVICT, ON ID CONFLICT), and they read subqueries, UNION and CTEs, which DQL lacks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Final

from conformance.language.dql.select import SelectReader
from conformance.language.dql.syntax import Expression, Projected, Source, Statement
from conformance.language.dql.tokens import tokens


@cache
def parse_statement(text: str) -> Statement:
    """Return what a statement says; ValueError, one line with what to write instead, where DQL does not allow it."""
    try:
        reader = StatementReader(text)
    except ValueError:
        if text.rstrip().endswith(";"):
            raise ValueError("a statement ends without a semicolon; remove it") from None
        raise
    found = reader.statement()
    if reader.next.kind != "end":
        raise reader.unexpected("the end")
    return found


def where_in(text: str) -> int:
    """Return where a statement's first WHERE begins, or its end."""
    try:
        return next(token.position for token in tokens(text) if token.is_word("WHERE") or token.kind == "end")
    except ValueError:
        return len(text)


class StatementReader(SelectReader):
    """Reads one statement."""

    def statement(self) -> Statement:
        """Take a statement."""
        if prefix := self.word("EXPLAIN", "PROFILE", "ADVISE"):
            inner = self.statement()
            if prefix == "ADVISE" and inner.verb not in ("SELECT", "UPDATE", "DELETE", "EVICT"):
                raise ValueError(f"ADVISE is about SELECT, UPDATE, DELETE or EVICT, not {inner.verb}; remove it")
            return replace(inner, prefix=prefix)
        verb = self.next.text.upper()
        read = _VERBS.get(verb) if self.next.kind == "word" else None
        if read is None:
            raise self.unexpected("SELECT or another statement")
        self.take()
        return read(self)

    # -- statements that change something ------------------------------------------------------------------------------

    def delete(self, verb: str) -> Statement:
        """Take what follows DELETE or EVICT."""
        self.expect("FROM")
        source, uses = self.source()
        where = self.where()
        order, limit, offset = self.tail()
        returned = self._returning()
        return Statement(verb, (source,), where, False, returned, (), None, order, limit, offset, uses)

    def update(self) -> Statement:
        """Take what follows UPDATE."""
        source, uses = self.source()
        assigned: list[Expression] = []
        while word := self.word("SET", "UNSET", "APPLY"):
            step = {"SET": self._set, "UNSET": self._unset, "APPLY": self._apply}[word]
            for pair in self.several(step):
                assigned += pair
        if not assigned:
            raise self.unexpected("SET, UNSET or APPLY")
        where = self.where()
        order, limit, offset = self.tail()
        returned = self._returning()
        return Statement(
            "UPDATE", (source,), where, False, returned, (), None, order, limit, offset, uses, tuple(assigned)
        )

    def _set(self) -> tuple[Expression, ...]:
        path = self.path()
        self.expect("=")
        return path, self.expression()

    def _unset(self) -> tuple[Expression, ...]:
        return (self.path(),)

    def _apply(self) -> tuple[Expression, ...]:
        path = self.path()
        if not self.word("INCREMENT", "PN_INCREMENT"):
            raise self.unexpected("INCREMENT BY or PN_INCREMENT BY")
        self.expect("BY")
        return path, self.expression()

    def _returning(self) -> tuple[Projected, ...]:
        return self.several(self.projected) if self.word("RETURNING") else ()

    def insert(self) -> Statement:
        """Take what follows INSERT."""
        self.expect("INTO")
        source = Source(name := self.collection(), name)
        sources: tuple[Source, ...] = (source,)
        where: Expression | None = None
        assigned: tuple[Expression, ...] = ()
        if self.word("SELECT"):
            chosen = self.select()
            sources, where = (source, *chosen.sources), chosen.where
        else:
            assigned = self._documents()
        if self.words("ON ID CONFLICT") and not (self.word("FAIL") or self.words("DO NOTHING")):
            self.expect("DO")
            if not self.word("UPDATE", "UPDATE_LOCAL_DIFF", "MERGE"):
                raise self.unexpected("NOTHING, UPDATE or UPDATE_LOCAL_DIFF")
        return Statement("INSERT", sources, where, assigned=assigned)

    def _documents(self) -> tuple[Expression, ...]:
        self.word("INITIAL")
        if not self.word("DOCUMENTS", "VALUES"):
            raise self.unexpected("DOCUMENTS or SELECT")
        self.expect("(")
        found: tuple[Expression, ...] = self.several(end=")", least=1)
        while self.word(","):
            self.expect("(")
            found += self.several(end=")", least=1)
        return found

    def create(self) -> Statement:
        """Take what follows CREATE."""
        if self.next.is_word("UNIQUE", "TEXT"):
            raise ValueError(f"DQL has no {self.next.text.upper()} INDEX; write CREATE INDEX")
        self.expect("INDEX")
        self.words("IF NOT EXISTS")
        self.name("the index's name")
        self.expect("ON")
        source = Source(name := self.collection(), name)
        self.expect("(")
        return Statement("CREATE INDEX", (source,), assigned=self.several(self._key, end=")", least=1))

    def _key(self) -> Expression:
        path = self.path()
        self.word("ASC", "DESC")
        self.words("INCLUDE MISSING")
        return path

    def drop(self) -> Statement:
        """Take what follows DROP."""
        self.expect("INDEX")
        self.words("IF EXISTS")
        name = self.name("the index's name")
        if self.word("."):
            self.name("the index's name")
        else:
            self.expect("ON")
            name = self.collection()
        return Statement("DROP INDEX", (Source(name, name),))

    def system(self, verb: str) -> Statement:
        """Take what follows SHOW or ALTER."""
        if verb == "SHOW":
            self.name("ALL or a parameter of the system")
            return Statement(verb)
        self.expect("SYSTEM")
        if self.word("SET"):
            self.path()
            self.expect("=")
            self.expression()
        elif self.word("RESET"):
            self.path()
        else:
            raise self.unexpected("SET or RESET")
        return Statement("ALTER SYSTEM")


_VERBS: Final[Mapping[str, Callable[[StatementReader], Statement]]] = {
    "SELECT": StatementReader.select,
    "INSERT": StatementReader.insert,
    "UPDATE": StatementReader.update,
    "DELETE": lambda reader: reader.delete("DELETE"),
    "EVICT": lambda reader: reader.delete("EVICT"),
    "CREATE": StatementReader.create,
    "DROP": StatementReader.drop,
    "SHOW": lambda reader: reader.system("SHOW"),
    "ALTER": lambda reader: reader.system("ALTER"),
}

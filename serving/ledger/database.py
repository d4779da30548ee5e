"""One way to reach SQLite and PostgreSQL: short transactions that can be made again."""

import json
import random
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event as listen
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from auction.errors import InputError
from serving.ledger.error import LedgerError, LedgerMismatch, LedgerUnavailable
from serving.ledger.tables import VERSION, ledger_version, metadata

Result = TypeVar("Result")
Insert = sqlite.Insert | postgresql.Insert

ATTEMPTS = 6
_OPENING = 0x1ED6E2  # Advisory lock: one process at a time creates the tables.

_PRAGMAS = (
    "synchronous=FULL",
    "temp_store=MEMORY",
    "cache_size=-65536",
    "wal_autocheckpoint=8000",  # Pages: about 32 MB, so that a batch of random keys is no checkpoint each.
)


class Conflict(Exception):
    """Another transaction was faster; this one is rolled back and made again."""


class Database:
    """The ledger's connection pool and its two verbs, `write` and `read`.

    Args:
        url: ``sqlite:///path`` or ``postgresql://user@host/name``.
        schema: PostgreSQL schema that holds the tables; created when missing.
        patience_s: how long to wait for a lock or a connection before the ledger counts as unavailable.

    Raises:
        InputError: a URL that names no file or server.
        LedgerUnavailable: the database does not answer.
        LedgerMismatch: it holds a ledger of another version.
    """

    def __init__(self, url: str, schema: str | None = None, patience_s: float = 5.0) -> None:
        self._patience_s = patience_s
        self._engine = self._open(url, schema)
        self.write(self._create if schema is None else lambda link: self._create(link, schema))

    @property
    def is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"

    def _open(self, url: str, schema: str | None) -> Engine:
        try:
            address = make_url(url)
        except ArgumentError:
            raise InputError("url", url, "give sqlite:///path or postgresql://user@host/name") from None
        kind = address.get_backend_name()
        if kind == "sqlite":
            if not address.database or address.database == ":memory:":
                raise InputError("url", url, "name a file, sqlite:///path: replicas must share it")
            if schema is not None:
                raise InputError("schema", schema, "only PostgreSQL has schemas")
            engine = sa.create_engine(address, connect_args={"timeout": self._patience_s})
            listen.listen(engine, "connect", lambda link, _: _set_up_sqlite(link, self._patience_s))
            listen.listen(engine, "begin", _begin_sqlite)
            return engine
        if kind == "postgresql":
            wait_ms = max(1, int(self._patience_s * 1000))
            engine = sa.create_engine(
                address.set(drivername="postgresql+psycopg"),
                pool_pre_ping=True,
                connect_args={
                    "connect_timeout": max(2, int(self._patience_s)),
                    "options": f"-c lock_timeout={wait_ms} -c statement_timeout={4 * wait_ms}",
                },
            )
            engine = engine.execution_options(preserve_rowcount=True)
            return engine if schema is None else engine.execution_options(schema_translate_map={None: schema})
        raise InputError("url", kind, "give sqlite:///path or postgresql://user@host/name")

    def _create(self, link: Connection, schema: str | None = None) -> None:
        if not self.is_sqlite:
            link.execute(sa.select(sa.func.pg_advisory_xact_lock(_OPENING)))
        if schema is not None:
            link.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
        metadata.create_all(link)
        found = link.execute(sa.select(ledger_version.c.version)).scalars().all()
        if not found:
            link.execute(ledger_version.insert(), {"version": VERSION})
        elif found != [VERSION]:
            raise LedgerMismatch(f"the database holds ledger version {found}; this code is of {VERSION}")

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in one durable transaction, again after a conflict with another writer.

        `work` must be safe to run again from the start.

        Raises:
            LedgerUnavailable: locked for too long, read-only, full, or not answering.
        """
        for attempt in range(ATTEMPTS):
            try:
                with self._engine.begin() as link:
                    return work(link)
            except (DBAPIError, Conflict) as error:
                if attempt == ATTEMPTS - 1 or not _worth_another(error):
                    raise _typed(error) from error
            except SQLAlchemyError as error:  # The pool's own time-out.
                raise LedgerUnavailable(_told(error)) from error
            # Unseeded on purpose: two writers that collide must not wait for the same time.
            time.sleep(random.SystemRandom().uniform(0, 0.005 * 2**attempt))
        raise AssertionError("unreachable")

    def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` on one consistent snapshot; writes are not held up.

        Raises:
            LedgerUnavailable: the database does not answer.
        """
        options: dict[str, Any] = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        try:
            with self._engine.connect().execution_options(reading=True, **options) as link, link.begin():
                return work(link)
        except SQLAlchemyError as error:
            raise _typed(error) from error

    def upsert(self, table: sa.Table, key: Sequence[str], changed: Sequence[str]) -> Insert:
        """Insert a row, or set the `changed` columns of the row that has its `key`."""
        insert = sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)
        return insert.on_conflict_do_update(
            index_elements=key, set_={name: insert.excluded[name] for name in changed}
        )

    def add(self, link: Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert `rows` (all columns of `table`, in its order), none of which may be there already.

        Raises:
            Conflict: one is, because another writer was faster.
        """
        if not rows:
            return
        if self.is_sqlite:
            done = link.exec_driver_sql(self._plain_insert(table), list(rows)).rowcount
        else:
            # One statement for all rows: a round trip for each is what PostgreSQL spends its time on.
            columns = zip(table.columns, zip(*rows, strict=True), strict=True)
            bound = {f"all_{column.name}": list(values) for column, values in columns}
            done = link.execute(self._array_insert(table), bound).rowcount
        if done != len(rows):
            raise Conflict(f"{len(rows) - done} of {len(rows)} rows were in {table.name} already")

    @lru_cache(maxsize=16)  # noqa: B019 (a database lives as long as its process)
    def _plain_insert(self, table: sa.Table) -> str:
        statement = sqlite.insert(table).on_conflict_do_nothing()
        return str(statement.compile(dialect=self._engine.dialect))

    @lru_cache(maxsize=16)  # noqa: B019
    def _array_insert(self, table: sa.Table) -> Insert:
        names = [column.name for column in table.columns]
        arrays = [
            sa.bindparam(f"all_{column.name}", type_=postgresql.ARRAY(column.type))
            for column in table.columns
        ]
        each = (
            sa.func.unnest(*arrays)
            .table_valued(*(sa.column(c.name, c.type) for c in table.columns))
            .render_derived()
        )
        return postgresql.insert(table).from_select(names, sa.select(each)).on_conflict_do_nothing()

    def among(self, column: sa.Column[Any], name: str) -> sa.ColumnElement[bool]:
        """``column IN (the list bound to name)`` as one parameter: no statement is ever compiled twice.

        Bind the list with `listed`.
        """
        if self.is_sqlite:
            each = sa.func.json_each(sa.bindparam(name, type_=sa.Text)).table_valued(
                sa.column("value", column.type)
            )
            return column.in_(sa.select(each.c.value))
        return column == sa.any_(sa.bindparam(name, type_=postgresql.ARRAY(column.type)))

    def listed(self, values: Iterable[Any]) -> Any:
        """A list as `among` binds it."""
        return json.dumps(list(values)) if self.is_sqlite else list(values)

    def close(self) -> None:
        """Give back the connections; the object can be used no more."""
        self._engine.dispose()


def change(link: Connection, statement: sa.Update, rows: Sequence[dict[str, Any]]) -> None:
    """Run `statement` once for each of `rows`, which must each change exactly one row.

    Raises:
        Conflict: one did not, so the condition in the statement no longer held.
    """
    if rows:
        done = link.execute(statement, rows).rowcount
        if done != len(rows):
            raise Conflict(f"{done} of {len(rows)} rows of {statement.table} could be changed")


def _set_up_sqlite(connection: Any, patience_s: float) -> None:
    connection.isolation_level = None  # The "begin" below is ours, not the driver's.
    end = time.monotonic() + patience_s
    while True:
        try:
            # Turning to WAL needs the file alone and, unlike all else, does not wait for it by itself.
            connection.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(link: Connection) -> None:
    reading = link.get_execution_options().get("reading", False)
    link.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _worth_another(error: DBAPIError | Conflict) -> bool:
    if isinstance(error, (Conflict, sa.exc.IntegrityError)):
        return True
    if error.connection_invalidated:
        return True
    return getattr(error.orig, "sqlstate", None) in {"40001", "40P01"}  # Serialization, deadlock.


def _typed(error: BaseException) -> LedgerError:
    """A fault of this code is not "come again later"."""
    lasting = isinstance(error, (sa.exc.ProgrammingError, sa.exc.DataError, sa.exc.NotSupportedError))
    return LedgerError(_told(error)) if lasting else LedgerUnavailable(_told(error))


def _told(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else 'no detail'}"

"""The catalog in a database: SQLite by default, PostgreSQL where its URL is given."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, create_engine, event, func, inspect, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from adsrank.catalog import tables
from adsrank.catalog.catalog import Catalog
from adsrank.catalog.entities import KINDS, PARENTS, Entity
from adsrank.catalog.problem import CatalogFileError, problems_of
from adsrank.catalog.relations import Known, check_relations
from adsrank.errors import AdsrankError, InputError

CHUNK = 1000
_CREATION_LOCK = 0x6361_7461_6C6F_6721
"""Any constant will do: two processes that start at once create the tables one after the other."""


class StoreError(AdsrankError):
    """The database did not answer, or refused; nothing was changed."""


class Store:
    """Entities and their versions. Every `apply` is one transaction and one version.

    Args:
        url: ``sqlite:///path`` (or ``sqlite://`` in memory) or ``postgresql://user@host/database``.
        schema: PostgreSQL schema to use instead of the connection's own; made where it is absent.
    """

    def __init__(self, url: str, schema: str | None = None) -> None:
        parsed = _parse(url)
        self.url = parsed.render_as_string(hide_password=True)
        self.schema = schema
        if schema is not None and not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", schema):
            raise InputError("schema", schema, "small letters, digits and _")
        if parsed.get_backend_name() == "sqlite":
            if schema is not None:
                raise InputError("schema", schema, "SQLite has none; give another file")
            engine = create_engine(parsed, connect_args={"timeout": 30})
            event.listen(engine, "connect", _tune_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
        else:
            engine = create_engine(parsed, pool_pre_ping=True)
        self._engine: Engine = engine.execution_options(schema_translate_map={None: schema})
        try:
            self._create()
        except SQLAlchemyError as error:
            self.close()
            raise StoreError(f"{self.url}: {_cause(error)}") from None

    def apply(self, entities: Iterable[Entity], now: datetime | None = None) -> int:
        """Insert or update `entities` and return the new version number.

        `now` (default: the clock) is the creation time of new ads that give none.

        Raises:
            CatalogFileError: a duplicate, a missing or changed parent, another currency or dimension.
            StoreError: the database failed. In both cases nothing was changed.
        """
        catalog = Catalog.of(given := list(entities))
        moment = int((now or datetime.now(UTC)).timestamp())
        try:
            with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
                if connection.dialect.name == "postgresql":
                    # Versions are numbered one after the other: writers queue, readers do not.
                    connection.execute(text(f"LOCK TABLE {self._name('catalog_version')} IN EXCLUSIVE MODE"))
                problems = check_relations([(None, entity) for entity in given], _known(connection))
                if problems:
                    raise CatalogFileError("catalog", problems)
                for kind in KINDS:
                    _upsert(
                        connection, kind, [entity for entity in catalog if tables.kind_of(entity) == kind]
                    )
                undated = update(tables.ad).where(tables.ad.c.created_at.is_(None))
                connection.execute(undated.values(created_at=moment))
                number = _version(connection) + 1
                connection.execute(
                    tables.version.insert().values(number=number, applied_at=moment, entities=len(catalog))
                )
                return number
        except SQLAlchemyError as error:
            raise StoreError(f"{self.url}: {_cause(error)}") from None

    def load(self) -> Catalog:
        """Every stored entity, all of one version (`Catalog.sequence`).

        Raises:
            CatalogFileError: a stored row that another hand made invalid.
            StoreError: the database failed.
        """
        entities: list[Entity] = []
        try:
            with self._engine.connect() as connection:
                if connection.dialect.name == "postgresql":
                    connection = connection.execution_options(isolation_level="REPEATABLE READ")
                with connection.begin():
                    sequence = _version(connection)
                    for kind, table in tables.TABLES.items():
                        for row in connection.execute(select(table).order_by(table.c.id)).mappings():
                            entities.append(_entity(kind, dict(row), self.url))
        except SQLAlchemyError as error:
            raise StoreError(f"{self.url}: {_cause(error)}") from None
        return Catalog.of(entities, sequence)

    def known(self) -> Known:
        """What a file is checked against: `read_catalog(path, store.known())`."""
        try:
            with self._engine.connect() as connection, connection.begin():
                return _known(connection)
        except SQLAlchemyError as error:
            raise StoreError(f"{self.url}: {_cause(error)}") from None

    def version(self) -> int:
        """Number of the last `apply`; 0 of an empty store."""
        try:
            with self._engine.connect() as connection, connection.begin():
                return _version(connection)
        except SQLAlchemyError as error:
            raise StoreError(f"{self.url}: {_cause(error)}") from None

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _name(self, table: str) -> str:
        return f'"{self.schema}".{table}' if self.schema else table

    def _create(self) -> None:
        with self._engine.connect().execution_options(writes=True) as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_CREATION_LOCK})"))
                if self.schema:
                    connection.execute(text(f'CREATE SCHEMA IF NOT EXISTS "{self.schema}"'))
            tables.metadata.create_all(connection)
            self._add_columns(connection)

    def _add_columns(self, connection: Connection) -> None:
        """Bring tables that an earlier version made up to date: columns that may be null are added."""
        inspector = inspect(connection)
        for name, table in tables.TABLES.items():
            here = {column["name"] for column in inspector.get_columns(name, self.schema)}
            for column in table.columns:
                if column.nullable and column.name not in here:
                    kind = column.type.compile(connection.dialect)
                    connection.execute(
                        text(f"ALTER TABLE {self._name(name)} ADD COLUMN {column.name} {kind}")
                    )


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise InputError("url", "(not shown)", "sqlite:///path or postgresql://user@host/database") from None
    if parsed.drivername in {"postgres", "postgresql"}:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in {"sqlite", "sqlite+pysqlite", "postgresql+psycopg"}:
        return parsed
    raise InputError("url", parsed.drivername, "sqlite:///path or postgresql://user@host/database")


def _tune_sqlite(connection: Any, _: object) -> None:
    # The driver's own transactions begin too late for a consistent read: `_begin_sqlite` begins them.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _known(connection: Connection) -> Known:
    known = Known()
    for kind, table in tables.TABLES.items():
        if kind in PARENTS:
            pairs = connection.execute(select(table.c.id, table.c[PARENTS[kind][1]]))
            known.parents[kind] = {int(id): int(parent) for id, parent in pairs}
        else:
            known.parents[kind] = {int(id): 0 for (id,) in connection.execute(select(table.c.id))}
    known.currency = connection.execute(select(tables.account.c.currency).limit(1)).scalar()
    ad = tables.ad.c
    length = select(ad.embedding_space, func.max(func.length(ad.embedding))).group_by(ad.embedding_space)
    for space, size in connection.execute(length.where(ad.embedding_space.is_not(None))):
        known.dimensions[space] = int(size) // 4
    return known


def _version(connection: Connection) -> int:
    return int(connection.execute(select(func.coalesce(func.max(tables.version.c.number), 0))).scalar_one())


def _upsert(connection: Connection, kind: str, entities: list[Entity]) -> None:
    table = tables.TABLES[kind]
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement: Any = insert(table)
    changed = {
        column.name: statement.excluded[column.name] for column in table.columns if column.name != "id"
    }
    if kind == "ad":
        changed["created_at"] = func.coalesce(statement.excluded.created_at, table.c.created_at)
    statement = statement.on_conflict_do_update(index_elements=["id"], set_=changed)
    for start in range(0, len(entities), CHUNK):
        connection.execute(statement, [tables.to_row(entity) for entity in entities[start : start + CHUNK]])


def _entity(kind: str, row: dict[str, Any], source: str) -> Entity:
    id = int(row["id"])
    try:
        return tables.from_row(kind, row)
    except ValidationError as error:
        raise CatalogFileError(source, list(problems_of(error, KINDS[kind], None, kind, id))) from None
    except ValueError as error:  # JSON, bytes of half a float
        raise InputError(f"{source}: {kind} {id}", "a stored value", str(error)) from None


def _cause(error: SQLAlchemyError) -> str:
    return str(getattr(error, "orig", None) or error).split("\n")[0]

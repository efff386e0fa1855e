"""A table or a query of a PostgreSQL server.

Takes    a `Place` with a URL and `table` or `query`. A password comes from the URL, PGPASSWORD, PGPASSFILE or PGSERVICE, as for every client.
Gives    a `Scanned`: all cells as PostgreSQL writes them, which the cell rules read as those of a CSV export; yes/no keeps its type.
Why      COPY is the fastest way out and makes no Python object for a cell. All is read in one read-only transaction, from one state of the
         database. What the server answers is told by its code, never by its words: these may hold values, or the password.
Source   https://www.postgresql.org/docs/current/sql-copy.html and errcodes-appendix.html; psycopg 3.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from trainwright.credentials import secrets_for
from trainwright.data.sources.opened import Opened
from trainwright.data.sources.place import Place
from trainwright.data.sources.scanned import in_memory
from trainwright.data.sources.sql import by_content, check_columns, checked_query, details_of, no_rows, no_table, order_note
from trainwright.errors import SourceError, need

if TYPE_CHECKING:
    import polars as pl

WAIT: Final = 10  # seconds for a connection, unless the URL says otherwise
_PIECE: Final = 64 << 20  # bytes of text that are made columns of at once
_BOOL: Final = "bool"
_MORE: Final = "\0"  # a column of zeros at the end, so that a row of one empty cell is no empty line; PostgreSQL has no such name
_NO_CATEGORIES: Final = {"A": "arrays", "C": "structures", "R": "ranges", "G": "shapes"}  # pg_type.typcategory
_NO_TYPES: Final = ("json", "jsonb", "bytea", "xml", "jsonpath", "tsvector", "tsquery", "hstore")
_ACCESS: Final = {
    "28P01": ("the password is wrong", "the server refused it", "set PGPASSWORD, or write it into ~/.pgpass"),
    "28000": ("the server lets this user not in", "it refused the user, or this machine", "look at the user's name and at the server's pg_hba.conf"),
    "3D000": ("there is no such database", "the server is there, the database is not", "look at the last part of the URL"),
    "53300": ("the server has no connection left", "too many are open", "try again"),
    "57P03": ("the server is starting or stopping", "it takes no connections now", "try again"),
}
_QUERY: Final = {
    "42601": "the query is not valid SQL",
    "42P01": "the query names a table that is not there",
    "42703": "the query names a column that is not there",
    "42702": "the query names a column that is in several tables",
    "42883": "the query calls a function that is not there, or with other types",
    "42501": "the database's user may not read this",
    "25006": "the statement would write",
    "57014": "the query was cancelled",
    "42803": "a column of the query is neither grouped nor aggregated",
    "0A000": "the query does what only a whole statement may, such as changing rows inside WITH",
    "42804": "the query compares or joins different types",
}


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    type: str  # pg_type.typname
    category: str  # pg_type.typcategory
    collated: bool

    @property
    def is_plain(self) -> bool:
        return self.type not in _NO_TYPES and self.category not in _NO_CATEGORIES


def open_postgres(place: Place) -> Opened:
    """Read the whole result. Raises SourceError TW062 (table), TW064 (server, access), TW065 (query), TW024, TW028, TW029; MissingExtra TW060."""
    psycopg = need("psycopg", extra="postgres", to=f"read {place.path}")
    with _connected(psycopg, place) as connection:
        if place.query is not None:
            table, key = None, []
            query, ordered = checked_query(place)
        else:
            schema, name = _table(connection, place)
            table, ordered = f"{schema}.{name}", False
            quoted = f"{_quoted(schema)}.{_quoted(name)}"
            query = f"SELECT * FROM {quoted}"
            key = _key(connection, quoted)
        with _errors(psycopg, place, connection):
            columns = _described(connection, query)
        check_columns([column.name for column in columns], place.path)
        plain = [column for column in columns if column.is_plain]
        with _errors(psycopg, place, connection):
            frame = _copied(connection, _statement(query, plain, key), plain)
    if not frame.height:
        raise no_rows(place.path)
    order = "key" if key else "query" if ordered else "content"
    frame = by_content(frame) if order == "content" else frame
    aside = {column.name: _NO_CATEGORIES.get(column.category, column.type) for column in columns if not column.is_plain}
    return Opened(in_memory(_with(frame, columns)), place.path, "postgresql", None, details_of(place, table), (order_note(order),), aside)


@contextmanager
def _connected(psycopg: Any, place: Place) -> Iterator[Any]:
    """A connection in a read-only transaction. Raises SourceError TW064 without what the client says, which may hold the password."""
    given: dict[str, Any] = dict(secrets_for(place.path))
    if "connect_timeout" not in place.path:
        given["connect_timeout"] = WAIT
    try:
        connection = psycopg.connect(place.path, application_name="trainwright", **given)
    except psycopg.ProgrammingError:
        raise SourceError(
            "TW064", "this URL is not one of PostgreSQL", where=place.path, why="the client cannot read it",
            fix="write postgresql://user@host:5432/database, with odd characters escaped as %40 and the like",
        ) from None  # fmt: skip
    except (psycopg.Error, OSError) as error:
        raise _no_access(error, place, "password" in given) from None
    try:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        connection.execute("SET TRANSACTION READ ONLY")
        connection.execute("SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL TimeZone = 'UTC'; SET LOCAL extra_float_digits = 1")
        yield connection
    except psycopg.Error as error:
        raise _query_error(error, place) from None
    finally:
        connection.close()


def _no_access(error: Any, place: Place, given: bool) -> SourceError:
    """Why there is no connection, by the code, or by the client's words where it has no code."""
    text = str(error).lower()
    found = _ACCESS.get(error.sqlstate) if getattr(error, "sqlstate", None) else None
    if found is None:
        for words, code in (("password authentication failed", "28P01"), ("no password supplied", "28P01"), ("does not exist", "3D000")):
            if words in text and not ("role" in text and code == "3D000"):
                found = _ACCESS[code]
                break
        else:
            found = _ACCESS["28000"] if "role" in text or "pg_hba" in text or "authentication" in text else None
    if found == _ACCESS["28P01"] and not given:
        found = ("the server wants a password", "none was given, or the one in the environment is wrong", _ACCESS["28P01"][2])
    what, why, fix = found or ("the server cannot be reached", "nobody answers there", "is it running, and are host and port right?")
    return SourceError("TW064", what, where=place.path, why=why, fix=fix)


def _table(connection: Any, place: Place) -> tuple[str, str]:
    """The schema and the name of the table. Raises SourceError TW062."""
    rows = connection.execute(
        "SELECT n.nspname, c.relname, pg_table_is_visible(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%' "
        "ORDER BY n.nspname, c.relname"
    ).fetchall()
    if place.table is None:
        if len(rows) == 1:
            return str(rows[0][0]), str(rows[0][1])
        raise no_table(None, [_shown(*row) for row in rows], place.path)
    for schema, name, visible in rows:
        if place.table == f"{schema}.{name}" or (place.table == name and visible):
            return str(schema), str(name)
    raise no_table(place.table, [_shown(*row) for row in rows], place.path)


def _shown(schema: str, name: str, visible: bool) -> str:
    return name if visible else f"{schema}.{name}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _key(connection: Any, table: str) -> list[str]:
    """The columns of the primary key, as terms of an ORDER BY that no locale changes."""
    rows = connection.execute(
        "SELECT a.attname, a.attcollation <> 0 FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(number, place) "
        "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number WHERE i.indrelid = %s::regclass AND i.indisprimary ORDER BY k.place",
        (table,),
    ).fetchall()
    return [_quoted(name) + (' COLLATE "C"' if collated else "") for name, collated in rows]


def _described(connection: Any, query: str) -> list[_Column]:
    """The columns of a query, without running it. Prepared, so that the server itself refuses a second statement."""
    result = connection.execute(f'SELECT * FROM (\n{query}\n) AS "trainwright" LIMIT 0', prepare=True).description
    assert result is not None  # a SELECT has columns
    types = {
        oid: (name, category, collated)
        for oid, name, category, collated in connection.execute(
            "SELECT oid, typname, typcategory::text, typcollation <> 0 FROM pg_type WHERE oid = ANY(%s::oid[])",
            ([column.type_code for column in result],),
        )
    }
    return [_Column(column.name, *types[column.type_code]) for column in result]


def _statement(query: str, columns: Sequence[_Column], key: Sequence[str]) -> str:
    terms = [f"{_quoted(column.name)}::numeric" if column.type == "money" else _quoted(column.name) for column in columns]
    order = f" ORDER BY {', '.join(key)}" if key else ""
    return f'SELECT {", ".join([*terms, "0"])} FROM (\n{query}\n) AS "trainwright"{order}'


def _copied(connection: Any, statement: str, columns: Sequence[_Column]) -> pl.DataFrame:
    """All rows as columns of text, a piece of the stream at a time."""
    import polars as pl

    frames: list[pl.DataFrame] = []
    names = [column.name for column in columns]
    if not names:
        return pl.DataFrame()

    def done(piece: io.BytesIO) -> None:
        if piece.tell():
            schema = dict.fromkeys(names, pl.String)
            frame = pl.read_csv(piece.getvalue(), has_header=False, schema={**schema, _MORE: pl.String}).drop(_MORE)
            frames.append(frame.with_columns(pl.col(column.name) == "t" for column in columns if column.type == _BOOL))

    with connection.cursor().copy(f"COPY ({statement}) TO STDOUT (FORMAT csv)") as copy:
        piece = io.BytesIO()
        for block in copy:
            piece.write(block)
            if piece.tell() >= _PIECE:
                done(piece)
                piece = io.BytesIO()
        done(piece)
    return pl.concat(frames) if frames else pl.DataFrame(schema=dict.fromkeys(names, pl.String))


def _with(frame: pl.DataFrame, columns: Sequence[_Column]) -> pl.DataFrame:
    """The frame with an empty column where one was set aside, so that the order of the source is kept."""
    import polars as pl

    return frame.select(pl.col(column.name) if column.is_plain else pl.lit(None).alias(column.name) for column in columns)


@contextmanager
def _errors(psycopg: Any, place: Place, connection: Any) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise _query_error(error, place) from None


def _query_error(error: Any, place: Place) -> SourceError:
    """By the server's code and place; its words may hold values, so only those are told that are names from the query."""
    code = error.sqlstate or ""
    what = _QUERY.get(code) or ("a value cannot be computed or converted" if code.startswith("22") else "the query cannot be run")
    if code == "42501" and place.table is not None:
        what = f"the database's user may not read {place.table!r}"
    if code in ("42P01", "42703") and error.diag.message_primary:
        what = f"{what}: {str(error.diag.message_primary).removesuffix(' does not exist')}"
    at = ""
    if error.diag.statement_position and place.query is not None:
        at = f", at character {max(1, int(error.diag.statement_position) - len('SELECT * FROM (' + chr(10)))}"
    if code.startswith(("08", "57P")) or not code:
        return SourceError("TW064", "the connection was lost", where=place.path, why="the server went away", fix="try again")
    fix = {"42501": "ask for SELECT on it", "25006": "give a SELECT"}.get(code, "try it in psql; names with capitals stand in double quotes")
    hint = str(error.diag.message_hint or "")
    if code == "42703" and hint.startswith("Perhaps you meant"):
        fix = f"p{hint[1:]}"
    return SourceError("TW065", what, where=f"--query{at}" if place.query is not None else place.path, why=f"PostgreSQL refuses it ({code})", fix=fix)

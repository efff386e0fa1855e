"""A table or a query of an SQLite file, by the standard library.

Takes    the file and a `Place` with `table` or `query`; a file with one table needs neither.
Gives    a `Scanned`. The file is opened read-only; BLOBs are set aside.
Source   https://www.sqlite.org/uri.html (mode=ro), https://www.sqlite.org/datatype3.html: a cell has a type, a column has only a preference.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

from trainwright.data.sources.gather import BATCH, Gathering, NotWritable
from trainwright.data.sources.jsonlines import said_of
from trainwright.data.sources.opened import Opened
from trainwright.data.sources.place import Place
from trainwright.data.sources.scanned import in_memory
from trainwright.data.sources.sql import by_content, check_columns, checked_query, details_of, no_rows, no_table, order_note
from trainwright.errors import SourceError, nearest

MAGIC = b"SQLite format 3\0"


def path_in(url: str) -> Path:
    """The file of an sqlite:/// URL: three slashes for a relative path, four for an absolute one. Raises SourceError TW064."""
    rest = url.partition("://")[2].partition("?")[0]
    if not rest.startswith("/") or len(rest) < 2:
        raise SourceError(
            "TW064", "this URL names no file", where=url, why="SQLite has no server: its URL holds a path",
            fix="write sqlite:///file.db, or sqlite:////folder/file.db for an absolute path",
        )  # fmt: skip
    path = Path(rest[1:])
    return path if path.exists() else Path(unquote(rest[1:]))


def open_sqlite(file: Path, place: Place) -> Opened:
    """Read the whole result. Raises SourceError TW062 (table), TW064 (no database), TW065 (query), TW024, TW028, TW029."""
    with _connected(file, place.path) as connection:
        if place.query is not None:
            table = None
            query, ordered = checked_query(place)
            order = "query" if ordered else "content"
        else:
            table = _table(connection, place)
            query, order = _of_table(connection, table)
        gathering, names = Gathering(), []
        with _errors(place, query, connection):
            cursor = connection.execute(query)
            names = [column[0] for column in cursor.description]
            check_columns(names, place.path)
            while rows := cursor.fetchmany(BATCH):
                gathering.add(dict(zip(names, zip(*rows, strict=True), strict=True)), len(rows))
    if not gathering.height:
        raise no_rows(place.path)
    frame = gathering.frame()
    frame = by_content(frame) if order == "content" else frame
    aside = dict.fromkeys(gathering.nested, "bytes")
    notes = (order_note(order), *said_of(gathering))
    return Opened(in_memory(frame), place.path, "sqlite", None, details_of(place, table), notes, aside)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextlib.contextmanager
def _connected(file: Path, path: str) -> Iterator[sqlite3.Connection]:
    with file.open("rb") as opened:
        head = opened.read(len(MAGIC))
    if head and head != MAGIC:
        raise SourceError("TW064", "this is not an SQLite database", where=path, why="its first bytes say so", fix="give the database's own file")
    connection = sqlite3.connect(f"file:{quote(str(file.resolve()))}?mode=ro", uri=True, isolation_level=None)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("BEGIN")  # one state of the database for all that is read
        yield connection
    except sqlite3.DatabaseError as error:
        raise _refused(error, path) from None
    finally:
        connection.close()


def _names(connection: sqlite3.Connection) -> list[str]:
    """The tables and views, less SQLite's own."""
    return [
        str(row[0])
        for row in connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
        )
    ]


def _table(connection: sqlite3.Connection, place: Place) -> str:
    names = _names(connection)
    if place.table is None:
        if len(names) == 1:
            return names[0]
        raise no_table(None, names, place.path)
    folded = {name.casefold(): name for name in names}  # as SQLite compares them
    found = folded.get(place.table.removeprefix("main.").casefold())
    if found is None:
        raise no_table(place.table, names, place.path)
    return found


def _of_table(connection: sqlite3.Connection, table: str) -> tuple[str, str]:
    """The query for a whole table, by its primary key, else by its rowid; and the name of that order."""
    columns = connection.execute(f"PRAGMA table_info({_quoted(table)})").fetchall()
    key = [column[1] for column in sorted(columns, key=lambda column: column[5]) if column[5]]
    query = f"SELECT * FROM {_quoted(table)}"
    if key:
        return f"{query} ORDER BY {', '.join(map(_quoted, key))}", "key"
    is_table = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ? AND type = 'table'", (table,)).fetchone()
    shadowed = {column[1].casefold() for column in columns} & {"rowid"}
    return (f"{query} ORDER BY rowid", "rowid") if is_table and not shadowed else (query, "content")


@contextlib.contextmanager
def _errors(place: Place, query: str, connection: sqlite3.Connection) -> Iterator[None]:
    """SQLite's refusals without its words where these could hold values."""
    try:
        yield
    except NotWritable as error:
        raise SourceError(
            "TW035", "a text is not UTF-8", where=f"{place.path}, row {error.row}", why="it stands for no characters", fix="mend that cell"
        ) from None
    except sqlite3.OperationalError as error:
        text = str(error)
        if text.startswith("no such table: "):
            name = text.removeprefix("no such table: ")
            raise no_table(name, _names(connection), place.path) from None
        if text.startswith("no such column: "):
            raise SourceError(
                "TW065", f"the query names a column that is not there: {text.removeprefix('no such column: ')!r}", where="--query",
                why="it cannot be run", fix=_near_column(connection, text.removeprefix("no such column: ")),
            ) from None  # fmt: skip
        if "Could not decode" in text:
            raise SourceError(
                "TW035", "a text is not UTF-8", where=place.path, why="it stands for no characters", fix="mend it in the database"
            ) from None
        if error.sqlite_errorname == "SQLITE_ERROR":
            raise SourceError(
                "TW065", "the query is not valid SQL" if place.query else "the table cannot be read", where="--query" if place.query else place.path,
                why="SQLite refuses it" + _place_in(query, text), fix="try it in the sqlite3 shell; names with odd characters stand in double quotes",
            ) from None  # fmt: skip
        raise _refused(error, place.path) from None
    except sqlite3.DatabaseError as error:
        raise _refused(error, place.path) from None


def _place_in(query: str, message: str) -> str:
    """The line of a syntax error, found by the word that SQLite complains of; the word itself is not told."""
    word = message.removeprefix('near "').partition('": syntax error')[0] if message.startswith('near "') else ""
    at = query.find(word) if word and query.count(word) == 1 else -1
    return f", at character {at + 1}" if at >= 0 else ", at its end" if message == "incomplete input" else ""


def _near_column(connection: sqlite3.Connection, name: str) -> str:
    columns = [row[1] for table in _names(connection) for row in connection.execute(f"PRAGMA table_info({_quoted(table)})")]
    near = nearest(name.rpartition(".")[2], columns)
    return f"did you mean {near!r}?" if near else "look at the table's columns"


def _refused(error: sqlite3.DatabaseError, path: str) -> SourceError:
    name = "_".join(str(getattr(error, "sqlite_errorname", "")).split("_")[:2])  # SQLITE_READONLY_ROLLBACK is SQLITE_READONLY as well
    what, why, fix = {
        "SQLITE_BUSY": ("the database is locked", "another program writes to it", "wait until it has ended"),
        "SQLITE_READONLY": ("the statement would write", "a source is only ever read", "give a SELECT"),
        "SQLITE_CORRUPT": ("the database is damaged", "its pages do not fit together", "restore it from a copy, or try `sqlite3 FILE .recover`"),
        "SQLITE_NOTADB": ("this is not an SQLite database, or it is encrypted", "its first page cannot be read", "give the database's own file"),
        "SQLITE_CANTOPEN": ("the database cannot be opened", "its folder or file refuses it", "look at the permissions"),
    }.get(name, ("the database cannot be read", "SQLite refuses it", "try it in the sqlite3 shell"))
    return SourceError("TW064", what, where=path, why=why, fix=fix)

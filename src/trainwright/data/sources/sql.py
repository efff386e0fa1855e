"""What all databases share: which statement may be read, how its rows are ordered, and what is said of it.

Takes    the text of a query; a frame of rows without an order of their own.
Gives    the checked query, whether it orders its rows, the rows in an order that is theirs.
Why      SQL tables have no order, but a run that is made again must see the same rows in the same order. So rows stand by the primary key,
         by the query's own ORDER BY, or by their content; and what a database answers is never written into an error, for it may hold values.
Source   ISO/IEC 9075-2 (SQL/Foundation) for comments, quotes and ORDER BY; PostgreSQL's dollar quotes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from trainwright.data.sources.place import Place
from trainwright.errors import SourceError, nearest

if TYPE_CHECKING:
    import polars as pl

_OPAQUE: Final = re.compile(
    r"""--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\$(\w*)\$.*?\$\1\$""", re.DOTALL
)  # comments and quoted text: no words of SQL
_MEANS: Final = {
    "content": "the rows stand in the order of their content: a table or query without one has none of its own",
    "key": "the rows stand in the order of the primary key",
    "rowid": "the rows stand in the order of their rowid",
    "query": "the rows stand in the order of the query; where its ORDER BY leaves ties, name more columns, or they may come in another order again",
}


def checked_query(place: Place) -> tuple[str, bool]:
    """The query without a final semicolon, and whether it orders its rows. Raises SourceError TW065 for anything but one SELECT."""
    query = str(place.query).strip().rstrip(";").strip()
    words = _OPAQUE.sub(lambda found: " " if found[0].startswith(("--", "/*")) else " '' ", query)
    if not re.match(r"\s*(select|with|values|table)\b", words, re.IGNORECASE):
        what = "a query begins with SELECT or WITH"
    elif ";" in words:
        what = "there is more than one statement"
    else:
        return query, _orders(words)
    raise SourceError("TW065", what, where="--query", why="a source is only ever read, by one statement", fix="give one SELECT")


def _orders(words: str) -> bool:
    """Whether ORDER BY stands outside all parentheses."""
    depth, outside = 0, []
    for part in re.split(r"([()])", words):
        depth += (part == "(") - (part == ")")
        if depth == 0:
            outside.append(part)
    return re.search(r"\border\s+by\b", " ".join(outside), re.IGNORECASE) is not None


def by_content(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows sorted by all columns, from the first to the last; the same rows give the same frame, in whatever order they came."""
    import polars as pl

    return frame.sort([pl.col(name) for name in frame.columns], nulls_last=True, maintain_order=True) if frame.width else frame


def order_note(how: str) -> str:
    """How rows are ordered, in words."""
    return _MEANS[how]


def details_of(place: Place, table: str | None) -> dict[str, Any]:
    """What is told of the part of a database that was read."""
    return {"table": table} if place.query is None else {"query": place.query.strip()}


def no_table(name: str | None, names: list[str], path: str) -> SourceError:
    """The error for a table that is not there, or that was not named."""
    listed = f"there are: {', '.join(map(repr, names[:20]))}" + (" …" if names[20:] else "") if names else "there is no table in it"
    if name is None:
        return SourceError(
            "TW062", "which table of the database is meant?", where=path, why=f"it has {len(names):,}",
            fix=f'--table NAME, or --query "SELECT …"; {listed}',
        )  # fmt: skip
    near = nearest(name, names)
    return SourceError(
        "TW062",
        f"there is no table {name!r}",
        where=path,
        why="it was named with --table",
        fix=f"did you mean {near!r}? {listed}" if near else listed,
    )


def no_rows(path: str) -> SourceError:
    return SourceError("TW024", "the table or query has no rows", where=path, why="without rows there is nothing to learn", fix="look at the query")


def check_columns(names: list[str], path: str) -> None:
    """Raises SourceError TW028 for repeated names, TW029 for empty ones; expressions without a name among them."""
    from trainwright.data.sources.delimited import check_names

    check_names(list(names), path, [])

"""Sources: from a file or a frame to a `Table`, whose columns are typed and described. The one door through which rows come in.

Takes    a file (CSV, JSON, Excel, Parquet, SQLite), a folder of such, the URL of a database, or a table in memory.
Gives    `Table`: typed columns, what each was taken for and why, and how the file had to be read.
Why      whatever is odd about a user's file is either mended and said, or refused with its line; nothing passes silently.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainwright.data.cells import type_series
from trainwright.data.dataset import Described, Role, Source, Table, listing
from trainwright.data.describe import Asked, describe, describe_one, has_no_typed_form, unfit
from trainwright.data.infer import Inferred
from trainwright.data.room import Room
from trainwright.data.sources.lines import line_of, place_of_row
from trainwright.data.sources.opened import Opened
from trainwright.data.sources.opening import open_frame, open_place
from trainwright.data.sources.place import Place, place_of
from trainwright.data.sources.scanned import Scanned
from trainwright.data.stream import describe_streamed, type_streamed
from trainwright.errors import SourceError, nearest
from trainwright.record.digests import canonical
from trainwright.runtime.columns import Coded, Column
from trainwright.runtime.schema import ColumnSchema


def read_table(
    source: str | Path | Place | Opened | object,
    *,
    kinds: Mapping[str, Any] | None = None,
    roles: Mapping[str, Role] | None = None,
    like: Sequence[ColumnSchema] = (),
    room: Room | None = None,
) -> Table:
    """Read a source and type its columns, a few at a time.

    Takes   a path, a URL or a `Place`, what `open_source` gives, or a table in memory (Polars, pandas, Arrow, anything with
            `__arrow_c_stream__`, a list of dicts, a dict of columns);
            `kinds` by column name (also "ordered:low<medium<high"); `roles` by column name (all others are features);
            `like`, the schemas of an earlier table: its columns are then read by those rules and nothing is inferred;
            other columns are not read (`Source.columns` counts them all the same);
            `room`: where columns go that are too large to be held, and from which size on a file is read in chunks.
    Raises  SourceError TW020 to TW039 and TW061 to TW066 for what cannot be read or is not what was asked; MachineError TW091.
    """
    room = room or Room()
    opened = open_source(source, room)
    kinds, roles = kinds or {}, roles or {}
    for name in (*kinds, *roles):
        if name not in opened.scanned.dtypes:
            raise no_column(name, opened, why=_NAMED.get(roles.get(name), f"it was named as {roles.get(name)}"))
    lines = _Lines(opened)
    asked = Asked({name: str(kind) for name, kind in kinds.items()}, roles, opened.path, lines.place, opened.details.get("delimiter") == ";")
    notes = list(opened.notes)
    if like:
        described, columns = _as_before(opened.scanned, like, asked, room)
        width = len(opened.scanned.dtypes)
    else:
        scanned = _without_nested(opened, roles, kinds, notes)
        described, columns = describe_streamed(scanned, asked, room) if scanned.chunks is not None else describe(scanned, asked)
        width = len(columns)
    digest = opened.digest or digest_columns(columns)
    return Table(Source(opened.path, opened.format, digest, opened.scanned.height, width, opened.details, tuple(notes)), described, columns)


def open_source(source: str | Path | Place | Opened | object, room: Room | None = None) -> Opened:
    """A source whose structure is known; it may be read several times, and is the same rows each time.

    A large file comes with `Scanned.chunks`. Raises as `read_table`, for what concerns no single column.
    """
    if isinstance(source, Opened):
        return source
    return open_place(place_of(source), room or Room()) if isinstance(source, (str, Path, Place)) else open_frame(source)


_NAMED: Mapping[str | None, str] = {"target": "it is the target: without it there is nothing to learn", None: "a kind was given for it"}


def no_column(name: str, opened: Opened, *, why: str, where: str = "") -> SourceError:
    """The error for a column that is not there, with the nearest name."""
    names = opened.scanned.names
    near = nearest(name, names)
    return SourceError(
        "TW021",
        f"there is no column {name!r}",
        where=f"{where and where + '; '}{opened.path}, {len(names)} columns",
        why=why,
        fix=" ".join([f"did you mean {near!r}?" if near else "", listing(opened.path, opened.details)]).strip(),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    opened: Opened

    def place(self, row: int) -> str:
        opened = self.opened
        scanned = opened.scanned
        return place_of_row(Source(opened.path, opened.format, opened.digest or "", scanned.height, len(scanned.dtypes), opened.details), row)


# ── columns ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _without_nested(opened: Opened, roles: Mapping[str, Role], kinds: Mapping[str, Any], notes: list[str]) -> Scanned:
    """Columns of lists, structures or bytes are left out at once, where they were set aside or the source has them so: they have no typed form.

    Raises  SourceError TW036 where such a column was given a role or a kind.
    """
    scanned = opened.scanned
    wanted = [name for name in opened.aside if name in kinds or roles.get(name, "set aside") != "set aside"]
    if wanted:
        raise SourceError(
            "TW036", f"column {wanted[0]!r} holds no plain values ({opened.aside[wanted[0]]})", where=f"{opened.path}, column {wanted[0]!r}",
            why="a table has one plain value in each cell", fix="turn it into numbers or text in the source, or name another column",
        )  # fmt: skip
    nested = [name for name, dtype in scanned.dtypes.items() if roles.get(name) == "set aside" and has_no_typed_form(dtype)]
    told = [
        f"{name!r}{f' ({opened.aside[name]})' if name in opened.aside else ''}" for name in scanned.dtypes if name in nested or name in opened.aside
    ]
    if told:
        notes.append(f"left out, since they hold no plain values: {', '.join(told)}")
    return scanned.without([*nested, *opened.aside]) if told else scanned


def _as_before(scanned: Scanned, like: Sequence[ColumnSchema], asked: Asked, room: Room) -> tuple[tuple[Described, ...], dict[str, Column]]:
    """The columns of an earlier table, read by its rules; no others.

    Raises  SourceError TW039 for one that is missing, TW032 for cells that do not fit.
    """
    described: list[Described] = []
    columns: dict[str, Column] = {}
    all_there(scanned, like, asked.path)
    if scanned.chunks is not None:
        return type_streamed(scanned, like, asked, room)
    wanted = {schema.name: schema for schema in like}
    for batch in scanned.batches(list(wanted)):
        for series in batch:
            schema = wanted[series.name]
            cells = type_series(series, schema)
            if len(cells.bad):
                raise unfit(schema, len(cells.bad), int(cells.bad[0]), asked)
            columns[schema.name] = cells.column
            described.append(describe_one(Inferred(schema, "as in the earlier table"), asked.role(schema.name), cells))
        del batch, series  # before the next one is read
    return tuple(described), columns


def all_there(scanned: Scanned, like: Sequence[ColumnSchema], path: str) -> None:
    """Raises SourceError TW039 when a column of an earlier table is missing."""
    lacking = [schema.name for schema in like if schema.name not in scanned.dtypes]
    wanted = {schema.name: schema for schema in like}
    if lacking:
        near = nearest(lacking[0], [name for name in scanned.names if name not in wanted])
        raise SourceError(
            "TW039", f"there is no column {lacking[0]!r}" + (f", nor {len(lacking) - 1} others" if len(lacking) > 1 else ""),
            where=f"{path}, {len(scanned.dtypes)} columns",
            why="the earlier table has it, and the two must have the same columns",
            fix=f"did you mean {near!r}? rename it" if near else "add it; leave its cells empty where the value is not known",
        )  # fmt: skip


def typed_chunks(
    opened: Opened, like: Sequence[ColumnSchema], identifier: str | None = None
) -> Iterator[tuple[dict[str, Column], list[str | None] | None]]:
    """The columns of an earlier table, read by its rules, a chunk of rows at a time, of a source that has chunks; and the cells of `identifier`.

    Raises  as `read_table` with `like`; where cells do not fit, all of that column's are counted first.
    """
    scanned = opened.scanned
    named = () if identifier is None else (ColumnSchema(name=identifier, kind="identifier"),)
    all_there(scanned, like, opened.path)
    all_there(scanned, named, opened.path)
    assert scanned.chunks is not None  # the caller asked
    wanted = {schema.name: schema for schema in like}
    names = list(wanted)
    wrong: ColumnSchema | None = None
    start = count = first = 0
    for frame in scanned.chunks(list(dict.fromkeys([*names, *(schema.name for schema in named)]))):
        typed: dict[str, Column] = {}
        for name in [wrong.name] if wrong is not None else names:
            cells = type_series(frame[name], wanted[name])
            if len(cells.bad):
                first = first if wrong is not None else start + int(cells.bad[0])
                wrong, count = wanted[name], count + len(cells.bad)
                break
            typed[name] = cells.column
        start += frame.height
        if wrong is None:
            words = [type_series(frame[schema.name], schema).column for schema in named]
            yield typed, words[0].words() if words and isinstance(words[0], Coded) else None
    if wrong is not None:
        raise unfit(wrong, count, first, Asked(path=opened.path, lines=_Lines(opened).place))


def digest_columns(columns: Mapping[str, Column]) -> str:
    """SHA-256 over the typed columns: names, kinds of storage, numbers bit by bit, words."""
    digest = hashlib.sha256()
    for name, column in columns.items():
        coded = isinstance(column, Coded)
        digest.update(canonical([name, "words" if coded else "numbers", len(column)]))
        if isinstance(column, Coded):
            digest.update(canonical(list(column.vocabulary)))
            digest.update(np.ascontiguousarray(column.codes).tobytes())
        else:
            digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()


__all__ = ["Opened", "Place", "all_there", "digest_columns", "line_of", "no_column", "open_source", "place_of_row", "read_table", "typed_chunks"]

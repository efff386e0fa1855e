"""A source that is read in chunks becomes typed columns in files: the same columns, kinds and words as `describe`, in bounded memory.

Takes    a `Scanned` with `chunks`, what was asked of its columns, the room where columns go.
Gives    `Described` and the typed column of every column, in order; numbers and codes are mapped from files without a name.
Why      a table may be several times as large as memory. Each question to the cells is one pass over the source with all columns that have it:
         1 which columns are plain numbers (they are written at once), and a sample of the others' cells, by which kinds are inferred; 2 typing;
         then again, for columns whose sample was contradicted or whose numbers turn out to be words. Mostly there are two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from trainwright.data.cells import type_series
from trainwright.data.dataset import Described, Role
from trainwright.data.describe import (
    MANY,
    SAMPLE,
    Asked,
    all_grouped,
    as_asked,
    check_role,
    contradicted,
    counts_of,
    described_as,
    has_comma,
    has_points_to_lose,
    infer_native,
    look_of,
    unfit,
    without_points,
)
from trainwright.data.digest import words_used
from trainwright.data.infer import Inferred, Look, infer_number, infer_text
from trainwright.data.room import Room, blocks, in_threads
from trainwright.data.words import Gathered
from trainwright.runtime.cells import BLANKS
from trainwright.runtime.columns import Coded, Column
from trainwright.runtime.schema import WORDS, ColumnSchema

if TYPE_CHECKING:
    import polars as pl

    from trainwright.data.sources.scanned import Scanned

MOST: Final = (
    2_000_000  # distinct cells of a column that are counted where a sample was contradicted; beyond, only those that contradict it are added
)


@dataclass(slots=True, eq=False)
class Typing:
    """One column while its chunks are typed by a schema."""

    schema: ColumnSchema
    values: NDArray[Any]  # (rows,) float64, or the number of a word among all that were brought
    words: Gathered | None
    missing: int = 0
    endless: int = 0
    bad: int = 0  # cells that do not fit
    first_bad: int = -1
    points: bool = False  # whether a whole number was written with a point

    def add(self, series: pl.Series, start: int) -> None:
        cells = type_series(series, self.schema)
        rows = slice(start, start + len(series))
        self.endless += cells.endless
        if len(cells.bad):
            self.first_bad = self.first_bad if self.bad else start + int(cells.bad[0])
            self.bad += len(cells.bad)
        if isinstance(cells.column, Coded):
            assert self.words is not None  # of this kind
            first = self.words.add(cells.column.vocabulary)
            gap = cells.column.codes < 0
            self.values[rows] = np.where(gap, -1, cells.column.codes + first)
            self.missing += int(gap.sum())
            if series.dtype == _string():
                self.points = self.points or has_points_to_lose(self.schema, series)
        else:
            self.values[rows] = cells.column
            self.missing += int(np.isnan(cells.column).sum())

    def column(self) -> Column:
        """The whole column, once all chunks are in."""
        if self.words is None:
            return self.values
        vocabulary, codes = self.words.unified()
        if len(codes):
            for rows in blocks(len(self.values)):
                brought = self.values[rows]
                self.values[rows] = np.where(brought < 0, -1, codes[brought])
        self.words = None
        return Coded(self.values, vocabulary)


@dataclass(slots=True, eq=False)
class Attempt:
    """How a column is read next, and what may follow."""

    inferred: Inferred
    look: Look | None  # None: the schema stands, whatever the cells are
    asked: bool = False
    endless: int = 0  # of an earlier attempt, which is told
    numbers: bool = False  # of a type that has numbers already
    done: Typing | None = None
    column: Column | None = None
    distinct: int | None = None


def describe_streamed(scanned: Scanned, asked: Asked, room: Room) -> tuple[tuple[Described, ...], dict[str, Column]]:
    """Infer the kind of every column and type it, chunk by chunk. Raises as `describe.describe`."""
    import polars as pl

    texts = [name for name, dtype in scanned.dtypes.items() if _is_text(dtype)]
    sample = range(0, scanned.height, scanned.height // SAMPLE if scanned.height > MANY else 1)
    plain, pointed, others = _plain_numbers(scanned, [name for name in texts if scanned.dtypes[name] == pl.String], asked, room, sample)
    looks = {name: _look_of(others.pop(name), scanned, name, asked) for name in list(others)}
    looked = [name for name in texts if (name not in plain and name not in looks) or name in asked.kinds]
    looks |= _looks(scanned, looked, asked, sample)
    comma = has_comma({name: look for name, look in looks.items() if scanned.dtypes[name] == pl.String}, asked, pointed)
    grouped = _grouped(scanned, [name for name in plain if name in pointed and name not in asked.kinds], asked) if comma else set()
    again = [name for name in grouped if name not in looks]
    looks |= _looks(scanned, again, asked, sample)
    attempts: dict[str, Attempt] = {}
    done = [name for name in plain if name not in asked.kinds and name not in grouped]
    counted = in_threads(lambda name: _numbers(name, asked.role(name), plain[name], room), done, rows=scanned.height, threads=room.threads)
    numbers = dict(zip(done, counted, strict=True))
    plain.clear()
    for name, dtype in scanned.dtypes.items():
        role = asked.role(name)
        if name in asked.kinds:
            attempts[name] = _asked(scanned, name, asked, looks.get(name), comma)
        elif name in numbers:
            attempts[name] = numbers.pop(name)
        elif name in looks and dtype in (pl.String, pl.Categorical, pl.Enum) and not _ordered_source(dtype, role):
            look = replace(looks[name], comma=comma if dtype == pl.String else False)
            attempts[name] = Attempt(infer_text(look), look)
        else:
            attempts[name] = Attempt(Inferred(ColumnSchema(name=name, kind="number"), ""), None, numbers=True)
    natives = [name for name, attempt in attempts.items() if attempt.numbers]
    if natives:
        attempts |= _natives(scanned, natives, asked, room)
    _settle(scanned, attempts, asked, room)
    described: list[Described] = []
    columns: dict[str, Column] = {}
    for name in scanned.names:
        attempt = attempts.pop(name)
        assert attempt.done is not None  # settled
        assert attempt.column is not None
        inferred, role = attempt.inferred, asked.role(name)
        check_role(inferred, role, asked)
        columns[name] = attempt.column
        distinct = attempt.distinct
        if distinct is None:
            distinct = distinct_of(attempt.column, room)
        described.append(described_as(inferred, role, attempt.done.missing, distinct, max(attempt.endless, attempt.done.endless)))
    return tuple(described), columns


def type_streamed(scanned: Scanned, schemas: Sequence[ColumnSchema], asked: Asked, room: Room) -> tuple[tuple[Described, ...], dict[str, Column]]:
    """The columns of an earlier table, read by its rules. Raises SourceError TW032 for cells that do not fit."""
    typings = _typed(scanned, {schema.name: schema for schema in schemas}, room)
    described: list[Described] = []
    columns: dict[str, Column] = {}
    for schema in schemas:
        typing = typings.pop(schema.name)
        if typing.bad:
            raise unfit(schema, typing.bad, typing.first_bad, asked)
        column = columns[schema.name] = typing.column()
        distinct = distinct_of(column, room)
        described.append(described_as(Inferred(schema, "as in the earlier table"), asked.role(schema.name), typing.missing, distinct, typing.endless))
    return tuple(described), columns


# ── passes over the source ───────────────────────────────────────────────────────────────────────────────────────────────


def _chunks(scanned: Scanned, names: Sequence[str]) -> Iterator[tuple[int, pl.DataFrame]]:
    """The number of each chunk's first row, and the chunk; nothing at all when no column is wanted."""
    assert scanned.chunks is not None  # else the table is read at once
    start = 0
    if names:
        for frame in scanned.chunks(names):
            yield start, frame
            start += frame.height


def _plain_numbers(
    scanned: Scanned, names: list[str], asked: Asked, room: Room, sample: range
) -> tuple[dict[str, NDArray[np.float64]], set[str], dict[str, list[pl.Series]]]:
    """The columns of text in which every cell that is not empty is a finite number in C notation; those of them that may have a point; and the
    sample's cells, piece by piece, of those that are no such column from the first chunk on, so that they need not be read again for it."""
    import polars as pl

    values: dict[str, NDArray[np.float64]] = {}
    some: set[str] = set()
    points: set[str] = set()
    others: dict[str, list[pl.Series]] = {}
    for start, whole in _chunks(scanned, names):
        if start == 0:
            first = whole.select(pl.all().cast(pl.Float64, strict=False).null_count() == pl.all().null_count()).row(0)
            others = {name: [] for name, all_read in zip(names, first, strict=True) if not all_read}
            values = {name: room.empty(scanned.height, np.float64) for name in names if name not in others}
        _add_sample(others, whole, start, sample)
        left = list(values)
        if not left:
            continue
        frame = whole.select(left)
        numbers = frame.select(pl.all().cast(pl.Float64, strict=False))
        before, after = frame.null_count().row(0), numbers.null_count().row(0)
        finite = numbers.select(pl.all().is_finite().all(ignore_nulls=True)).row(0)
        for name, was, now, fine in zip(left, before, after, finite, strict=True):
            if was != now or not fine:
                del values[name]
                continue
            values[name][start : start + frame.height] = numbers[name].to_numpy()
            if now < frame.height:
                some.add(name)
            if not asked.semicolons or (name not in points and frame[name].str.contains(".", literal=True).any()):
                points.add(name)
    plain = {name: column for name, column in values.items() if name in some}
    return plain, points & plain.keys(), others


def _add_sample(parts: dict[str, list[pl.Series]], frame: pl.DataFrame, start: int, sample: range) -> None:
    """Add to each column's part the sample's cells of a chunk, of which the first row is row `start`."""
    import polars as pl

    offset = -start % sample.step
    if offset < frame.height:
        for name, part in parts.items():
            part.append(frame[name].gather_every(sample.step, offset).cast(pl.String))


def _look_of(part: list[pl.Series], scanned: Scanned, name: str, asked: Asked) -> Look:
    import polars as pl

    return look_of(pl.concat(part), asked.role(name), sampled=scanned.height > MANY)


def _looks(scanned: Scanned, names: Sequence[str], asked: Asked, rows: range) -> dict[str, Look]:
    """A look at the cells of these rows, for each column."""
    parts: dict[str, list[pl.Series]] = {name: [] for name in names}
    for start, frame in _chunks(scanned, names):
        _add_sample(parts, frame, start, rows)
    return {name: _look_of(part, scanned, name, asked) for name, part in parts.items()}


def _whole_looks(scanned: Scanned, attempts: Mapping[str, Attempt], asked: Asked) -> dict[str, Look]:
    """A look at all cells of each column; of more than MOST distinct ones, at the first MOST and at those that the earlier schema does not read."""
    import polars as pl

    counts: dict[str, dict[str, int]] = {name: {} for name in attempts}
    firsts: dict[str, list[str]] = {}
    for start, frame in _chunks(scanned, list(attempts)):
        for name, attempt in attempts.items():
            series = frame[name].cast(pl.String)
            if start == 0:
                firsts[name] = [text.strip(BLANKS) for text in series.head(500).drop_nulls().to_list()]
            found, known = counts_of(series), counts[name]
            odd: set[str] = set()
            if len(known) + len(found) > MOST:
                bad = type_series(series, attempt.inferred.schema).bad
                odd = {text.strip(BLANKS) for text in series.gather(bad).to_list() if text is not None}
            for text, count in found.items():
                if text in known or len(known) < MOST or text in odd:
                    known[text] = known.get(text, 0) + count
    return {name: Look(name, asked.role(name), dict(sorted(counts[name].items())), scanned.height, False, firsts[name]) for name in attempts}


def _grouped(scanned: Scanned, names: Sequence[str], asked: Asked) -> set[str]:
    """The columns in which all points stand between groups of three digits, and there is one."""
    some: set[str] = set()
    left = set(names)
    for _, frame in _chunks(scanned, names):
        for name in sorted(left):
            points = frame[name].drop_nulls().filter(frame[name].drop_nulls().str.contains(".", literal=True))
            if len(points) and not all_grouped(points):
                left.discard(name)
            elif len(points):
                some.add(name)
    return some & left


def _add(typings: Mapping[str, Typing], frame: pl.DataFrame, start: int, name: str) -> None:
    typings[name].add(frame[name], start)


def _typed(scanned: Scanned, schemas: Mapping[str, ColumnSchema], room: Room) -> dict[str, Typing]:
    """Type some columns, each by its schema, in one pass."""
    typings = {
        name: Typing(schema, room.empty(scanned.height, np.int32), Gathered(room))
        if schema.kind in WORDS
        else Typing(schema, room.empty(scanned.height, np.float64), None)
        for name, schema in schemas.items()
    }
    for start, frame in _chunks(scanned, list(schemas)):
        in_threads(partial(_add, typings, frame, start), typings, rows=scanned.height, threads=room.threads)
    return typings


# ── deciding ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _settle(scanned: Scanned, attempts: dict[str, Attempt], asked: Asked, room: Room) -> None:
    """Type every column, again where its cells ask for it, until each is done. Follows `describe.text` and `describe.as_asked` step by step."""
    while left := {name: attempt for name, attempt in attempts.items() if attempt.column is None}:
        typings = _typed(scanned, {name: attempt.inferred.schema for name, attempt in left.items()}, room)
        whole: dict[str, Attempt] = {}
        for name, attempt in left.items():
            typing = typings.pop(name)
            schema = attempt.inferred.schema
            column = typing.column()
            if attempt.asked and typing.bad:
                raise unfit(schema, typing.bad, typing.first_bad, asked)
            if attempt.look is not None and not attempt.asked:
                if attempt.look.sampled and contradicted(schema, column, typing.bad, typing.missing):
                    whole[name] = attempt
                    continue
                if typing.bad:  # by the rules it cannot be; words lose nothing
                    attempts[name] = Attempt(Inferred(ColumnSchema(name=name, kind="category"), "cells of several kinds"), None)
                    continue
                if schema.kind == "number":
                    assert not isinstance(column, Coded)
                    distinct = count_distinct_of(column, room)
                    finer = infer_number(name, attempt.look.role, column, distinct=distinct, written=schema, why=attempt.inferred.why)
                    if finer.schema.kind not in ("number", "yesno"):
                        attempts[name] = Attempt(finer, None, endless=typing.endless)
                        continue
                    attempt.inferred, attempt.distinct = finer, distinct
            elif typing.points and not attempt.asked:
                attempt.inferred = without_points(attempt.inferred)
            attempt.done, attempt.column = typing, column
        for name, look in _whole_looks(scanned, whole, asked).items():
            before = attempts[name].look
            look = replace(look, comma=before is not None and before.comma)
            attempts[name] = Attempt(infer_text(look), look)


def _numbers(name: str, role: Role, values: NDArray[np.float64], room: Room) -> Attempt:
    """A column of plain numbers: done, unless they are words of some kind."""
    distinct = count_distinct_of(values, room)
    schema = ColumnSchema(name=name, kind="number")
    inferred = infer_number(name, role, values, distinct=distinct, written=schema)
    if inferred.schema.kind not in ("number", "yesno"):
        return Attempt(inferred, None)
    missing = sum(int(np.isnan(values[rows]).sum()) for rows in blocks(len(values)))
    return Attempt(inferred, None, done=Typing(schema, values, None, missing=missing), column=values, distinct=distinct)


def _asked(scanned: Scanned, name: str, asked: Asked, look: Look | None, comma: bool) -> Attempt:
    """A column whose kind the user gives: inferred from all of its cells."""
    import polars as pl

    if look is None or look.sampled:
        before = Attempt(Inferred(ColumnSchema(name=name, kind="category"), ""), look)
        look = _whole_looks(scanned, {name: before}, asked)[name]
    look = replace(look, comma=comma)
    return Attempt(as_asked(scanned.dtypes[name] == pl.String, asked.kinds[name], look, asked), look, asked=True)


def _natives(scanned: Scanned, names: list[str], asked: Asked, room: Room) -> dict[str, Attempt]:
    """Columns that have a type of their own: typed as numbers first, where that is what they may be, then as what the numbers say."""
    import polars as pl

    first = {name: _first_schema(name, scanned.dtypes[name]) for name in names}
    typings = _typed(scanned, first, room)
    made: dict[str, Attempt] = {}
    for name in names:
        typing, dtype, role = typings.pop(name), scanned.dtypes[name], asked.role(name)
        column = typing.column()
        distinct = distinct_of(column, room)
        values = None if isinstance(column, Coded) else column
        inferred = infer_native(name, dtype, role, distinct, values)
        if inferred.schema == first[name] or (inferred.schema.kind == "yesno" and values is not None and dtype != pl.Boolean):
            made[name] = Attempt(inferred, None, done=typing, column=column, distinct=distinct if values is not None else None)
        else:
            made[name] = Attempt(inferred, None, endless=typing.endless)
    return made


def _first_schema(name: str, dtype: Any) -> ColumnSchema:
    import polars as pl

    if dtype == pl.Boolean:
        return ColumnSchema(name=name, kind="category")
    if dtype in (pl.Date, pl.Datetime):
        return ColumnSchema(name=name, kind="datetime", formats=("iso",))
    if dtype == pl.Enum:
        return ColumnSchema(name=name, kind="category")
    return ColumnSchema(name=name, kind="number")


def _is_text(dtype: Any) -> bool:
    import polars as pl

    return bool(dtype == pl.String or dtype in (pl.Categorical, pl.Enum))


def _ordered_source(dtype: Any, role: Role) -> bool:
    """Whether the source gives the words an order, which is kept."""
    import polars as pl

    return bool(dtype == pl.Enum and role in ("feature", "protected", "set aside") and len(dtype.categories) > 2)


def _string() -> Any:
    import polars as pl

    return pl.String


def distinct_of(column: Column, room: Room) -> int:
    """Distinct values of a column that was just made."""
    return len(column.vocabulary) if isinstance(column, Coded) else count_distinct_of(column, room)


def counted(column: Column, room: Room) -> tuple[int, int]:
    """Cells without a value, and distinct values among the others."""
    if not isinstance(column, Coded):
        return sum(int(np.isnan(column[rows]).sum()) for rows in blocks(len(column))), count_distinct_of(column, room)
    used = words_used(column)
    return len(column) - int(used.sum()), int(np.count_nonzero(used))


def count_distinct_of(values: NDArray[np.float64], room: Room) -> int:
    """Distinct numbers, NaN not counted; by parts of numbers of about the same hash, where they are many."""
    from trainwright.data.describe import count_distinct
    from trainwright.data.findings.measures import mixed

    parts = room.parts(len(values) * 24)
    if parts == 1:
        return count_distinct(values)
    total = 0
    for part in range(parts):
        chosen = []
        for rows in blocks(len(values)):
            known = values[rows][~np.isnan(values[rows])] + 0.0  # -0.0 becomes 0.0
            chosen.append(known[mixed(known.view(np.uint64)) % np.uint64(parts) == part])
        total += count_distinct(np.concatenate(chosen))
    return total


__all__ = ["count_distinct_of", "counted", "describe_streamed", "type_streamed"]

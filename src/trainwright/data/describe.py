"""A scanned source becomes typed columns, each described: kind, why, what was done to odd cells, and the flag that overrides it.

Takes    a `Scanned` of text cells (a CSV file) or of its own types (Parquet, a frame), what was asked of its columns, and where it came from.
Gives    `Described` and the typed column of every column, in order.
Why      inference may look at a sample of rows; typing runs over all of them, and cells that contradict the sample send the column back to
         inference with all its rows. So a cell is never lost unsaid.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from trainwright.data.cells import FEW, Cells, type_series
from trainwright.data.dataset import Described, Role
from trainwright.data.infer import Inferred, Look, as_kind, infer_number, infer_text, marks_in, notation_of
from trainwright.errors import SourceError
from trainwright.runtime.cells import BLANKS, WHOLE_WITH_ZEROS
from trainwright.runtime.columns import Coded, Column
from trainwright.runtime.schema import KINDS, ColumnSchema, Kind

if TYPE_CHECKING:
    import polars as pl

    from trainwright.data.sources.scanned import Scanned

MANY: Final = 50_000  # beyond so many rows, kinds are first inferred from a sample …
SAMPLE: Final = 20_000  # … of about so many, evenly spaced


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user says of the columns, and how the file writes decimals."""

    kinds: Mapping[str, str] = field(default_factory=dict)  # a kind, or "ordered:low<medium<high"
    roles: Mapping[str, Role] = field(default_factory=dict)
    path: str = "frame"
    lines: Any = None  # row -> "file:line", for errors
    semicolons: bool = False  # the delimiter is a semicolon, as where decimals have a comma

    def role(self, name: str) -> Role:
        return self.roles.get(name, "feature")

    def place(self, name: str, row: int) -> str:
        return self.lines(row) if self.lines is not None else f"{self.path}, column {name!r}, row {row}"


def describe(scanned: Scanned, asked: Asked) -> tuple[tuple[Described, ...], dict[str, Column]]:
    """Infer the kind of every column and type it.

    Of a large table, text that is no plain number is read twice: how a file writes its decimals is known only when all columns were seen.

    Raises  SourceError TW032 for a kind that a column's cells contradict, TW033 for images and sounds, TW034 for a role that a column cannot play.
    """
    scanned = scanned.held()
    numbers, looks, pointed = _first_look(scanned, asked)
    comma = has_comma(looks, asked, pointed)
    distinct = _count_all(numbers) if numbers else {}
    typed: dict[str, tuple[Inferred, Cells]] = {}
    left = []  # columns of which the cells are needed
    for name in scanned.names:
        if name in numbers and name not in asked.kinds and not (comma and name in pointed):
            inferred = infer_number(name, asked.role(name), numbers[name], distinct=distinct[name], written=ColumnSchema(name=name, kind="number"))
            if inferred.schema.kind in ("number", "yesno"):
                typed[name] = inferred, Cells(numbers[name], _none())
                continue
        left.append(name)
    for batch in scanned.batches(left):
        for series in batch:
            typed[series.name] = _one(series, asked, numbers.get(series.name), looks.get(series.name), distinct.get(series.name), comma=comma)
        del batch, series  # before the next one is read
    described: list[Described] = []
    columns: dict[str, Column] = {}
    for name in scanned.names:
        inferred, cells = typed.pop(name)
        role = asked.role(name)
        check_role(inferred, role, asked)
        columns[name] = cells.column
        described.append(describe_one(inferred, role, cells, distinct.get(name) if inferred.schema.kind in ("number", "yesno") else None))
    return tuple(described), columns


def _first_look(scanned: Scanned, asked: Asked) -> tuple[dict[str, NDArray[np.float64]], dict[str, Look], set[str]]:
    """Of the columns of text: the plain numbers, a look at each of the others, and the names of number columns in which a cell may have a point."""
    import polars as pl

    numbers: dict[str, NDArray[np.float64]] = {}
    looks: dict[str, Look] = {}
    pointed: set[str] = set()
    for batch in scanned.batches([name for name, dtype in scanned.dtypes.items() if dtype == pl.String]):
        plain = _clean_numbers(batch)
        numbers |= plain
        for name in batch.columns:
            if name not in plain or name in asked.kinds:
                looks[name] = look_at(batch[name], asked.role(name))
        if plain and not asked.semicolons:
            pointed |= plain.keys()  # not looked for: it matters only where another column shows decimals with a comma
        elif plain:
            points = batch.select(pl.col(list(plain)).str.contains(".", literal=True).any()).row(0)
            pointed |= {name for name, has in zip(plain, points, strict=True) if has}
        del batch  # before the next one is read
    return numbers, looks, pointed


def _one(
    series: pl.Series, asked: Asked, numbers: NDArray[np.float64] | None, look: Look | None, distinct: int | None, *, comma: bool
) -> tuple[Inferred, Cells]:
    """Infer and type one column of which the cells are needed."""
    import polars as pl

    name, role = series.name, asked.role(series.name)
    if name in asked.kinds:
        return _as_asked(series, asked.kinds[name], replace(look or look_at(series, role), comma=comma), asked)
    if numbers is not None and distinct is not None and not (comma and all_grouped(series)):
        inferred = infer_number(name, role, numbers, distinct=distinct, written=ColumnSchema(name=name, kind="number"))
        cells = Cells(numbers, _none()) if inferred.schema.kind in ("number", "yesno") else type_series(series, inferred.schema)
        return _without_points(inferred, series), cells
    if series.dtype == pl.String:
        return _text(series, replace(look or look_at(series, role), comma=comma))
    return _native(series, role)


def describe_one(inferred: Inferred, role: Role, cells: Cells, distinct: int | None = None) -> Described:
    """The line that a person reads about one column; `distinct` values where they were counted already."""
    column = cells.column
    if isinstance(column, Coded):
        missing, distinct = int((column.codes < 0).sum()), len(column.vocabulary)  # a vocabulary just made has no unused word
    else:
        missing = int(np.isnan(column).sum())
        distinct = count_distinct(column) if distinct is None else distinct
    return described_as(inferred, role, missing, distinct, cells.endless)


def described_as(inferred: Inferred, role: Role, missing: int, distinct: int, endless: int) -> Described:
    """The same line, from what was counted."""
    notes = [inferred.note] if inferred.note else []
    if endless:
        notes.append(f"{endless:,} infinities read as missing" if endless > 1 else "1 infinity read as missing")
    return Described(inferred.schema, role, inferred.why, flag_of(inferred.schema, distinct), missing, distinct, "; ".join(notes))


def _without_points(inferred: Inferred, series: pl.Series) -> Inferred:
    """Say it when words that are whole numbers lost their ".0"."""
    return without_points(inferred) if has_points_to_lose(inferred.schema, series) else inferred


def has_points_to_lose(schema: ColumnSchema, series: pl.Series) -> bool:
    """Whether a cell is a whole number with a point, of a kind that has no points."""
    if schema.kind not in ("category", "ordered", "identifier", "constant"):
        return False
    return bool(series.str.contains(rf"^\s*{WHOLE_WITH_ZEROS}\s*$").any())


def without_points(inferred: Inferred) -> Inferred:
    return replace(inferred, note="whole numbers are written without a point: 3.0 is the word 3")


def count_distinct(values: NDArray[np.float64]) -> int:
    """Distinct numbers, NaN not counted."""
    import polars as pl

    return int(pl.Series(values).n_unique()) - bool(np.isnan(values).any())


def _count_all(numbers: Mapping[str, NDArray[np.float64]]) -> dict[str, int]:
    """`count_distinct` of many columns, in one call of Polars."""
    import polars as pl

    counted = pl.DataFrame([pl.Series(name, values) for name, values in numbers.items()]).select(pl.all().n_unique()).row(0)
    return {name: count - bool(np.isnan(numbers[name]).any()) for name, count in zip(numbers, counted, strict=True)}


def flag_of(schema: ColumnSchema, distinct: int) -> str:
    """The flag that would read the column as the next likely kind."""
    other: dict[str, str] = {
        "number": "category", "category": "text", "ordered": "category", "yesno": "category", "datetime": "category", "text": "category",
        "identifier": "category", "constant": "category", "image": "text", "audio": "text",
    }  # fmt: skip
    return f"--kind {shlex.quote(f'{schema.name}={other[schema.kind]}')}"


def _none() -> NDArray[np.int64]:
    return np.empty(0, dtype=np.int64)


def _clean_numbers(frame: pl.DataFrame) -> dict[str, NDArray[np.float64]]:
    """The columns of text in which every cell that is not empty is a finite number in C notation: almost all columns of almost all files."""
    import polars as pl

    numbers = frame.select(pl.all().cast(pl.Float64, strict=False))
    before, after = frame.null_count().row(0), numbers.null_count().row(0)
    finite = numbers.select(pl.all().is_finite().all(ignore_nulls=True)).row(0)
    clean = [name for name, was, now, fine in zip(frame.columns, before, after, finite, strict=True) if was == now < frame.height and fine]
    return {name: np.array(numbers[name].to_numpy(), dtype=np.float64) for name in clean}


def look_at(series: pl.Series, role: Role, *, whole: bool = False) -> Look:
    """The distinct cells of a series and how often each occurs, on a sample of rows where they are many."""
    sampled = not whole and len(series) > MANY
    return look_of(series.gather_every(len(series) // SAMPLE) if sampled else series, role, sampled=sampled)


def look_of(part: pl.Series, role: Role, *, sampled: bool) -> Look:
    """The look that these cells give."""
    import polars as pl

    if part.dtype != pl.String:
        part = part.cast(pl.String)
    ordered = dict(sorted(counts_of(part).items()))  # value_counts has no order of its own
    return Look(part.name, role, ordered, len(part), sampled, [text.strip(BLANKS) for text in part.head(500).drop_nulls().to_list()])


def counts_of(part: pl.Series) -> Counter[str]:
    """How often each cell of text occurs, without blanks at its ends; empty ones are left out."""
    if len(part) <= FEW:
        counts = Counter(text.strip(BLANKS) for text in part.to_list() if text is not None)
    else:
        counted = part.value_counts(name="\0n")
        counts = Counter()
        for text, count in zip(counted[part.name].to_list(), counted["\0n"].to_list(), strict=True):
            counts[(text or "").strip(BLANKS)] += count
    del counts[""]
    return counts


def has_comma(looks: Mapping[str, Look], asked: Asked, pointed: Set[str]) -> bool:
    """Whether the file writes decimals with a comma: a column can only be read so, or cells are separated by semicolons and no number has a point."""
    for look in looks.values():
        marks = set(marks_in(look.counts, loose=True))
        values = {text: count for text, count in look.counts.items() if text not in marks}
        if values and (notation_of(values) or (".",))[0] == ",":
            return True
    return asked.semicolons and not pointed


def all_grouped(series: pl.Series) -> bool:
    """Whether all points stand between groups of three digits, and there is one."""
    points = series.drop_nulls().filter(series.drop_nulls().str.contains(".", literal=True))
    return len(points) > 0 and bool(points.str.contains(r"^\s*[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+\s*$").all())


def _text(series: pl.Series, look: Look) -> tuple[Inferred, Cells]:
    """Infer and type a column of text cells; a second time from all rows, where the sample was contradicted."""
    inferred = infer_text(look)
    cells = type_series(series, inferred.schema)
    if look.sampled and contradicted(inferred.schema, cells.column, len(cells.bad), _gaps(cells.column)):
        return _text(series, replace(look_at(series, look.role, whole=True), comma=look.comma))
    if len(cells.bad):  # by the rules it cannot be; words lose nothing
        inferred = Inferred(ColumnSchema(name=look.name, kind="category"), "cells of several kinds")
        cells = type_series(series, inferred.schema)
    if inferred.schema.kind != "number":
        return inferred, cells
    values = cast("NDArray[np.float64]", cells.column)
    finer = infer_number(look.name, look.role, values, distinct=count_distinct(values), written=inferred.schema, why=inferred.why)
    if finer.schema.kind == "number":
        return finer, cells
    if finer.schema.kind == "yesno":
        return finer, cells  # 1 and 0 are the numbers already
    return _without_points(finer, series), replace(type_series(series, finer.schema), endless=cells.endless)


def _gaps(column: Column) -> int:
    return int((column.codes < 0).sum()) if isinstance(column, Coded) else 0


def contradicted(schema: ColumnSchema, column: Column, bad: int, missing: int) -> bool:
    """Whether the typed rows, of which `bad` did not fit, do not bear out what a sample said."""
    if bad:
        return True
    if not isinstance(column, Coded):
        return False
    words = len(column.vocabulary)
    if schema.kind == "constant":
        return words > 1
    if schema.kind == "ordered":
        return not set(column.vocabulary) <= set(schema.order)
    return schema.kind == "identifier" and words < 0.9 * (len(column) - missing)


def has_no_typed_form(dtype: Any) -> bool:
    """Whether a Polars type is none that a table's cell may have: lists, structures, bytes, durations, times of day."""
    return (
        bool(dtype.is_nested())
        or type(dtype).__name__ in ("Binary", "Object", "Time", "Duration")
        or getattr(dtype, "__name__", "") in ("Binary", "Object", "Time")
    )


def _native(series: pl.Series, role: Role) -> tuple[Inferred, Cells]:
    """A column that has a type of its own: from Parquet or a frame."""
    import polars as pl

    name, dtype = series.name, series.dtype
    schema = ColumnSchema(name=name, kind="number")
    if dtype.is_numeric() or dtype.is_decimal() or dtype == pl.Null:
        cells = type_series(series, schema)
        values = cast("NDArray[np.float64]", cells.column)
        inferred = infer_native(name, dtype, role, count_distinct(values), values)
        if inferred.schema.kind not in ("number", "yesno"):
            cells = replace(type_series(series, inferred.schema), endless=cells.endless)
        return inferred, cells
    ordered = dtype == pl.Enum and role in ("feature", "protected", "set aside") and len(dtype.categories) > 2
    distinct = series.drop_nulls().n_unique()
    if dtype in (pl.Categorical, pl.Enum) and not (ordered and distinct > 1):
        return _text(series.cast(pl.String), look_at(series.cast(pl.String), role))
    inferred = infer_native(name, dtype, role, distinct, None)
    return inferred, type_series(series, inferred.schema)


def infer_native(name: str, dtype: Any, role: Role, distinct: int, values: NDArray[np.float64] | None) -> Inferred:
    """The kind of a column that has a type of its own, by how many distinct values it has, and by the values where they are numbers.

    Raises SourceError TW036 for a type that no cell of a table may have.
    """
    import polars as pl

    schema = ColumnSchema(name=name, kind="number")
    if dtype.is_numeric() or dtype.is_decimal() or dtype == pl.Null:
        assert values is not None  # such a column was typed as numbers
        return infer_number(name, role, values, distinct=distinct, written=schema)
    if dtype == pl.Boolean:
        kind: Kind = "category" if role in ("target", "group") else "yesno" if distinct == 2 else "constant"
        schema = replace(schema, kind=kind, yes=("true",) if kind == "yesno" else (), no=("false",) if kind == "yesno" else ())
        return Inferred(schema, "true and false" if distinct == 2 else "one value, or none")
    if dtype in (pl.Date, pl.Datetime):
        if role == "group":
            return Inferred(replace(schema, kind="identifier"), f"the group: {distinct:,} distinct values")
        if distinct < 2 and role != "time":
            return Inferred(replace(schema, kind="constant"), "one value, or none")
        return Inferred(replace(schema, kind="datetime", formats=("iso",)), "a date-time in the source")
    if dtype == pl.Enum:
        order = tuple(dict.fromkeys(word.strip(BLANKS) for word in dtype.categories.to_list()))
        return Inferred(replace(schema, kind="ordered", order=order), f"{len(order)} words in an order that the source gives")
    raise no_cells(name, dtype)


def no_cells(name: str, dtype: Any) -> SourceError:
    """The error for a column whose type no cell of a table may have."""
    return SourceError(
        "TW036", f"column {name!r} holds {str(dtype).split('(')[0].lower()} values", where=f"column {name!r}",
        why="a table has one plain value in each cell",
        fix=f"turn it into numbers or text, or leave it out: --drop {shlex.quote(name)}",
    )  # fmt: skip


def _as_asked(series: pl.Series, kind: str, look: Look, asked: Asked) -> tuple[Inferred, Cells]:
    """Read a column as the kind that the user gives. Raises SourceError TW032 when its cells contradict it."""
    import polars as pl

    if look.sampled:
        look = replace(look_at(series, look.role, whole=True), comma=look.comma)
    inferred = as_asked(series.dtype == pl.String, kind, look, asked)
    cells = type_series(series, inferred.schema)
    if len(cells.bad):
        raise unfit(inferred.schema, len(cells.bad), int(cells.bad[0]), asked)
    return inferred, cells


def as_asked(text: bool, kind: str, look: Look, asked: Asked) -> Inferred:
    """How a column (of text, or of a type of its own) is read as the kind that the user gives, by a look at all its cells.

    Raises SourceError TW032.
    """
    kind, _, order = kind.partition(":")
    if kind not in KINDS:
        raise SourceError(
            "TW032",
            f"there is no kind {kind!r}",
            where=f"column {look.name!r}",
            why="a kind decides how cells are read",
            fix=f"one of {', '.join(KINDS)}",
        )
    if not text and kind in ("number", "datetime"):
        written = ColumnSchema(name=look.name, kind=kind, formats=("iso",) if kind == "datetime" else ())  # type: ignore[arg-type]  # checked above
        return Inferred(written, "as asked")
    inferred = as_kind(kind, look, tuple(word.strip() for word in order.split("<")) if order else ())  # type: ignore[arg-type]  # checked above
    if inferred is not None:
        return inferred
    fix = (
        f"write the order: --kind {shlex.quote(f'{look.name}=ordered:low<medium<high')}"
        if kind == "ordered"
        else f"leave out --kind {look.name}={kind}, or mend the cells"
    )
    raise SourceError(
        "TW032",
        f"the cells of column {look.name!r} cannot be read as {kind}",
        where=f"{asked.path}, column {look.name!r}",
        why="too many of them are something else",
        fix=fix,
    )


def unfit(schema: ColumnSchema, bad: int, first: int, asked: Asked) -> SourceError:
    """The error for so many cells that are not what a fixed schema asks for; `first` is the row of the first."""
    return SourceError(
        "TW032", f"{bad:,} cells of column {schema.name!r} cannot be read as {schema.kind}", where=asked.place(schema.name, first),
        why="read otherwise than before, they would mean something else", fix="mend these cells, or leave them empty",
    )  # fmt: skip


def check_role(inferred: Inferred, role: Role, asked: Asked) -> None:
    schema = inferred.schema
    if schema.kind in ("image", "audio") and role not in ("set aside", "group"):
        raise SourceError(
            "TW033", f"column {schema.name!r} holds paths of {'images' if schema.kind == 'image' else 'sounds'}",
            where=f"{asked.path}, column {schema.name!r}",
            why="learning from them is not there yet; the extra 'deep' will bring it: pip install 'trainwright[deep]'",
            fix=f"--drop {shlex.quote(schema.name)}, or read the paths as words: --kind {shlex.quote(schema.name + '=category')}",
        )  # fmt: skip
    wanted = {"weight": ("number", "yesno", "constant"), "time": ("datetime", "number", "yesno", "constant")}.get(role)
    if wanted and schema.kind not in wanted:
        raise SourceError(
            "TW034", f"column {schema.name!r} cannot be the {role}: it is read as {schema.kind}", where=f"{asked.path}, column {schema.name!r}",
            why="a weight is a number" if role == "weight" else "time is a date-time or a number, so that rows can be put in order",
            fix=f"name another column, or say how it is read: --kind {shlex.quote(schema.name + ('=number' if role == 'weight' else '=datetime'))}",
        )  # fmt: skip

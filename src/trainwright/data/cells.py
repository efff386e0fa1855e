"""Whole columns typed by Polars, cell by cell equal to `runtime/cells.py` (which the tests compare).

Takes    a Polars series (text, or any type of a frame) and its `ColumnSchema`.
Gives    the typed column, the rows that do not fit, and how many infinities were read as missing.
Why      a million cells in a tenth of a second. Each regular expression is the runtime's own, so there is one notation and two engines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from trainwright.runtime.cells import BLANKS, ENDLESS, MONTHS, WHOLE_WITH_ZEROS, NotTyped, all_within, date_pattern, number_of, number_pattern
from trainwright.runtime.columns import Coded, Column
from trainwright.runtime.frames import Encoded, column_of
from trainwright.runtime.schema import WORDS, ColumnSchema
from trainwright.runtime.typed import try_values

if TYPE_CHECKING:
    import polars as pl

FEW: Final = 500  # so few cells, or distinct ones, are typed by the runtime's own functions


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A typed column, and what was odd about it."""

    column: Column
    bad: NDArray[np.int64]  # rows whose cell is not what the kind asks for; missing in the column
    endless: int = 0  # infinities, read as missing


def type_series(series: pl.Series, schema: ColumnSchema) -> Cells:
    """Type a series by the rules of `schema`."""
    import polars as pl

    if series.dtype in (pl.Categorical, pl.Enum):
        series = series.cast(pl.String)
    if series.dtype != pl.String:
        return _native(series, schema)
    if schema.kind == "number":
        return _numbers(series, schema)
    if schema.kind == "datetime":
        return _instants(series, schema)
    if len(series) <= FEW:  # Polars' fixed cost for each operation would be larger than the work
        return Cells(*try_values(series.to_list(), schema))
    if schema.kind in WORDS:
        return Cells(_words(series, schema), np.empty(0, dtype=np.int64))
    distinct = series.unique(maintain_order=True).drop_nulls()
    column, bad = try_values(Encoded(codes_of(series, distinct), distinct.to_list()), schema)
    return Cells(column, bad)


def _native(series: pl.Series, schema: ColumnSchema) -> Cells:
    import polars as pl

    endless = 0
    if series.dtype.is_float():
        endless = int(series.is_infinite().sum() or 0)
    if series.dtype == pl.Null:
        series = series.cast(pl.Float64)
    if series.dtype == pl.Boolean and schema.kind in WORDS:
        series = series.cast(pl.String)  # "true" and "false"
        return type_series(series, schema)
    column, bad = try_values(column_of(None, series), schema)
    return Cells(column, bad, endless)


def codes_of(series: pl.Series, distinct: pl.Series) -> NDArray[np.int32]:
    """The position in `distinct` of each cell, -1 for null."""
    import polars as pl

    if len(distinct) == len(series) and distinct.equals(series):  # each cell is another one
        return np.arange(len(series), dtype=np.int32)
    return np.asarray(series.cast(pl.Enum(distinct)).to_physical().cast(pl.Int32).fill_null(-1).to_numpy(), dtype=np.int32)


def stripped(series: pl.Series, schema: ColumnSchema) -> pl.Series:
    """Text without blanks at its ends; null where empty or a missing mark."""
    import polars as pl

    text = series.str.strip_chars(BLANKS)
    gone = text == ""
    if schema.missing:
        gone = gone | text.is_in(pl.Series(schema.missing, dtype=pl.String).implode())
    return pl.select(pl.when(gone).then(None).otherwise(text)).to_series() if gone.any() else text


def _numbers(series: pl.Series, schema: ColumnSchema) -> Cells:
    """Polars' cast reads what is in C notation; only the cells that it refuses are looked at further."""
    import polars as pl

    plain = schema.decimal == "." and not schema.thousands and not any(_is_plain_number(mark) for mark in schema.missing)
    if plain:
        numbers = series.cast(pl.Float64, strict=False)
        left = numbers.is_null() & series.is_not_null()
    else:
        numbers, left = pl.Series([None], dtype=pl.Float64).new_from_index(0, len(series)), series.is_not_null()
    values = np.array(numbers.to_numpy(), dtype=np.float64)
    bad = np.empty(0, dtype=np.int64)
    rows = np.flatnonzero(left.to_numpy())
    if len(rows):
        text = stripped(series.gather(rows), schema)
        special = text.str.contains(f"(?i)^(?:{ENDLESS})$").fill_null(False)
        fits = text.str.contains(f"^(?:{number_pattern(schema.decimal, schema.thousands)})$").fill_null(False)
        if schema.thousands:
            text = (
                text.str.replace_all("[ \u00a0\u2009\u202f]", "")
                if schema.thousands == " "
                else text.str.replace_all(schema.thousands, "", literal=True)
            )
        if schema.decimal != ".":
            text = text.str.replace(schema.decimal, ".", literal=True)
        values[rows] = pl.select(pl.when(fits | special).then(text.cast(pl.Float64, strict=False))).to_series().to_numpy()
        bad = rows[(text.is_not_null() & ~fits & ~special).to_numpy()].astype(np.int64)
    infinite = np.isinf(values)
    values[infinite] = np.nan
    return Cells(all_within(values, schema), bad, int(infinite.sum()))


def _is_plain_number(mark: str) -> bool:
    try:
        return number_of(mark, ColumnSchema(name="", kind="number")) is not None
    except NotTyped:
        return False


def _instants(series: pl.Series, schema: ColumnSchema) -> Cells:
    """Each distinct text is parsed once, by the runtime's expressions; the first format that reads it counts."""
    import polars as pl

    text = stripped(series, schema)
    if (schema.formats or ("iso",))[0] == "iso" and (plain := _plain_dates(text)) is not None:
        return Cells(plain, np.empty(0, dtype=np.int64))
    distinct = text.unique(maintain_order=True).drop_nulls()
    seconds = np.full(len(distinct), np.nan)
    todo = np.arange(len(distinct))
    for form in schema.formats or ("iso",):
        if not len(todo):
            break
        part = distinct.gather(todo)
        if form == "seconds":
            fits = part.str.contains(f"^(?:{number_pattern('.', '')})$")
            found = np.where(fits.to_numpy(), np.array(part.cast(pl.Float64, strict=False).to_numpy()), np.nan)
            found[np.isinf(found)] = np.nan
        else:
            found = parse_dates(part, form)
        seconds[todo] = found
        todo = todo[np.isnan(found)]
    codes = codes_of(text, distinct)
    bad = np.flatnonzero(np.isin(codes, todo)).astype(np.int64) if len(todo) else np.empty(0, dtype=np.int64)
    return Cells(np.append(seconds, np.nan)[codes], bad)


def parse_dates(text: pl.Series, form: str) -> NDArray[np.float64]:
    """Seconds since 1970 UTC of each text that is written in `form`, NaN for the others. The same arithmetic as `cells.parsed`."""
    import polars as pl

    if form == "iso" and (plain := _plain_dates(text)) is not None:
        return plain
    parts = text.str.extract_groups(f"^(?:{date_pattern(form)})$").struct.unnest()
    have = set(parts.columns)
    names = pl.DataFrame({"b": list(MONTHS), "n": list(MONTHS.values())}, schema={"b": pl.String, "n": pl.Int64})

    def number(name: str, default: int) -> Any:
        return pl.col(name).cast(pl.Int64).fill_null(default) if name in have else pl.lit(default, dtype=pl.Int64)

    short = number("y", 0)
    year = pl.col("Y").cast(pl.Int64) if "Y" in have else short + pl.when(short < 69).then(2000).otherwise(1900)
    month = pl.col("b").str.to_lowercase().replace_strict(names["b"], names["n"], default=0, return_dtype=pl.Int64) if "b" in have else number("m", 1)
    hour = number("H", 0)
    sound = pl.col("Y" if "Y" in have else "y").is_not_null()
    if "I" in have:
        half = number("I", 0)
        sound = sound & half.is_between(1, 12)
        hour = half % 12 + pl.when(pl.col("p").str.to_lowercase() == "p").then(12).otherwise(0) if "p" in have else half % 12
    frame = parts.select(year=year, month=month, day=number("d", 1), hour=hour, minute=number("M", 0), second=number("S", 0), sound=sound,
                         part=("0." + pl.col("f")).cast(pl.Float64).fill_null(0.0) if "f" in have else pl.lit(0.0),
                         zone=_zone() if "z" in have else pl.lit(0))  # fmt: skip
    named = ("year", "month", "day", "hour", "minute", "second")
    whole, valid = _whole_seconds(*(np.array(frame[name].fill_null(0).to_numpy()) for name in named))
    valid &= frame["sound"].fill_null(False).to_numpy()
    return np.where(valid, whole.astype(np.float64) - frame["zone"].to_numpy() + frame["part"].fill_null(0.0).to_numpy(), np.nan)


def _whole_seconds(
    year: NDArray[Any], month: NDArray[Any], day: NDArray[Any], hour: NDArray[Any], minute: NDArray[Any], second: NDArray[Any]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Seconds since 1970 of whole numbers (rows,) each, and whether there is such a time."""
    leap = ((year % 4 == 0) & (year % 100 != 0)) | (year % 400 == 0)
    length = np.array([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])[np.clip(month, 0, 12)] + (leap & (month == 2))
    valid = (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= length) & (hour <= 23) & (minute <= 59) & (second <= 59)
    months = (np.where(valid, year, 1970) - 1970) * 12 + np.where(valid, month, 1) - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + np.where(valid, day, 1) - 1
    return days * 86400 + hour * 3600 + minute * 60 + second, valid


def _plain_dates(text: pl.Series) -> NDArray[np.float64] | None:
    """Seconds of texts that are all written "2020-01-31", or all "2020-01-31 12:00:00" (or with a T), NaN where null.

    None when one is not, or is no date: then an expression has to look. Most files write so, and digits at fixed places are read many times faster.
    """
    known = text.drop_nulls()
    length = known.str.len_bytes()
    width = length.min()
    if width not in (10, 19) or width != length.max():
        return None
    letters = np.frombuffer(known.str.join("").item().encode(), np.uint8).reshape(len(known), width)
    digits = letters - np.uint8(ord("0"))  # beyond 9 for whatever is no digit
    marks = [(4, b"-"), (7, b"-")] if width == 10 else [(4, b"-"), (7, b"-"), (10, b" T"), (13, b":"), (16, b":")]
    if not all(np.isin(letters[:, at], np.frombuffer(some, np.uint8)).all() for at, some in marks):
        return None
    if (np.delete(digits, [at for at, _ in marks], axis=1) > 9).any():
        return None

    def number(start: int, stop: int) -> NDArray[np.int64]:
        total = np.zeros(len(digits), np.int64)
        for at in range(start, stop):
            total = total * 10 + digits[:, at]
        return total

    none = np.zeros(len(digits), np.int64)
    clock = (number(11, 13), number(14, 16), number(17, 19)) if width == 19 else (none, none, none)
    seconds, valid = _whole_seconds(number(0, 4), number(5, 7), number(8, 10), *clock)
    if not valid.all():
        return None
    result = np.full(len(text), np.nan)
    result[text.is_not_null().to_numpy()] = seconds
    return result


def _zone() -> Any:
    """Seconds east of Greenwich, as `cells.zone_seconds`."""
    import polars as pl

    digits = pl.col("z").str.slice(1).str.replace(":", "", literal=True)
    hours, minutes = digits.str.slice(0, 2).cast(pl.Int64, strict=False), digits.str.slice(2).cast(pl.Int64, strict=False).fill_null(0)
    sign = pl.when(pl.col("z").str.starts_with("-")).then(-1).otherwise(1)
    return (sign * (hours * 3600 + minutes * 60)).fill_null(0)


def _words(series: pl.Series, schema: ColumnSchema) -> Coded:
    """Words and their codes; the vocabulary stands in the order of first appearance."""
    distinct = series.unique(maintain_order=True).drop_nulls()
    if len(distinct) <= FEW or schema.spelling or schema.aliases:
        few, _ = try_values(Encoded(codes_of(series, distinct), distinct.to_list()), schema)
        assert isinstance(few, Coded)
        return few
    text = stripped(distinct, schema)
    if schema.kind != "text":
        text = stripped(text.str.replace(f"^{WHOLE_WITH_ZEROS}$", "$1"), schema)
    if text.equals(distinct):  # as most words are: they are told apart already
        return Coded(codes_of(series, distinct), distinct.to_list())
    vocabulary = text.unique(maintain_order=True).drop_nulls()
    known = np.append(codes_of(text, vocabulary), np.int32(-1))  # the last one is for null
    return Coded(known[codes_of(series, distinct)].astype(np.int32), vocabulary.to_list())

"""Frames of other libraries, without importing them: each column as numpy, or as codes into its distinct values.

Takes    a Polars, pandas or Arrow frame, or any object with the Arrow stream interface when Polars or pyarrow is there to open it.
Gives    by column name: a numpy array (numbers, booleans, date-times), `Encoded` (anything of which distinct values are few), or a list.
Why      each library's own export is one to two orders faster than Python values; a server that uses none of them pays for none.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainwright.errors import BadInput
from trainwright.runtime.columns import Coded


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Raw values as codes: `distinct[codes[row]]`, and -1 where missing. The distinct values are raw and may type alike."""

    codes: NDArray[np.integer[Any]]
    distinct: Sequence[Any]

    def __len__(self) -> int:
        return len(self.codes)


Raw = Sequence[Any] | NDArray[Any] | Encoded | Coded


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A frame, with the library that made it and its column names."""

    library: str  # "pandas", "polars" or "pyarrow"
    frame: Any
    names: tuple[str, ...]


def frame_of(rows: Any) -> Frame | None:
    """The frame that `rows` is, or None when it is none. A lazy Polars frame is collected; a series is no frame.

    Raises BadInput TW042 for repeated column names.
    """
    library = type(rows).__module__.partition(".")[0]
    if library == "polars" and type(rows).__name__ == "LazyFrame":
        rows = rows.collect()
    if library == "pandas" and hasattr(rows, "columns"):
        names = [str(name) for name in rows.columns]
    elif library == "polars" and hasattr(rows, "columns"):
        names = list(rows.columns)
    elif library == "pyarrow" and hasattr(rows, "column_names"):
        names = list(rows.column_names)
    elif hasattr(rows, "__arrow_c_stream__") and library not in ("polars", "pandas"):
        opened = _open(rows)
        if opened is None:
            return None
        library, rows = "pyarrow" if hasattr(opened, "column_names") else "polars", opened
        names = list(getattr(rows, "column_names", None) or rows.columns)
    else:
        return None
    if len(set(names)) != len(names):
        repeated = next(name for name in names if names.count(name) > 1)
        raise BadInput(
            "TW042", f"the frame has more than one column {repeated!r}", why="which of them is meant cannot be known", fix="rename or drop one"
        )
    return Frame(library, rows, tuple(names))


def _open(rows: Any) -> Any:
    """Any Arrow stream, by whichever of Polars and pyarrow is installed; None when neither is, or when it is no table."""
    try:
        import polars

        opened = polars.DataFrame(rows)
    except ImportError:
        try:
            import pyarrow
        except ImportError:
            return None
        return pyarrow.table(rows)
    except Exception:  # a stream of something else than a struct: not a table
        return None
    return opened


def column_of(frame: Frame | None, column: Any) -> Raw:
    """One column as raw values. `column` is its name in `frame`; without a frame, a series, array, sequence or typed column."""
    if frame is None:
        library = type(column).__module__.partition(".")[0]
        if isinstance(column, (np.ndarray, list, tuple, Coded, Encoded)):
            return column
        if isinstance(column, (str, bytes)) or not hasattr(column, "__len__"):
            raise BadInput(
                "TW042",
                "a column is a single value",
                why="a dict of columns has one sequence for each column",
                fix="give lists of equal length, or a list of dicts",
            )
        series = column
    else:
        library = frame.library
        series = _pick(frame, column)
    if library == "pandas":
        return _pandas(series)
    if library == "polars":
        return _polars(series)
    if library == "pyarrow":
        return _arrow(series)
    return list(series)


def _pick(frame: Frame, name: str) -> Any:
    if frame.library == "pandas":
        return frame.frame.iloc[:, frame.names.index(name)]
    return frame.frame[name]


def _pandas(series: Any) -> Raw:
    dtype = series.dtype
    kind = getattr(dtype, "kind", "O")
    if isinstance(dtype, np.dtype):
        if kind in "fiubMm":
            return np.asarray(series)
    elif hasattr(dtype, "categories"):
        return Encoded(np.asarray(series.cat.codes), list(series.cat.categories))
    elif kind == "M":  # with a time zone: numpy's are UTC
        return np.asarray(series.to_numpy(dtype="datetime64[us]"))
    elif kind in "fiub":  # the extension types with their own missing value
        return np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))
    codes, distinct = series.factorize()
    values = list(distinct)
    if all(isinstance(value, str) for value in values):
        return Encoded(np.asarray(codes), values)
    return list(series)  # 1, 1.0 and True are one key of a hash table, but not one value


def _polars(series: Any) -> Raw:
    polars = sys.modules["polars"]
    dtype = series.dtype
    if dtype.is_decimal() or dtype == polars.Boolean:
        series = series.cast(polars.Float64)
        return np.asarray(series.to_numpy())
    if dtype.is_numeric():
        return np.asarray(series.to_numpy())
    if dtype in (polars.Date, polars.Datetime):
        return (
            np.asarray(series.cast(polars.Datetime("us", getattr(dtype, "time_zone", None))).to_physical().to_numpy()).astype("datetime64[us]")
            if not series.null_count()
            else _gaps(series, polars)
        )
    if dtype in (polars.String, polars.Categorical, polars.Enum):
        texts = series.cast(polars.String)
        distinct = texts.unique().drop_nulls()
        codes = texts.cast(polars.Enum(distinct)).to_physical().cast(polars.Int32).fill_null(-1)
        return Encoded(codes.to_numpy(), distinct.to_list())
    return list(series.to_list())


def _gaps(series: Any, polars: Any) -> NDArray[Any]:
    """Date-times with nulls: NaT where null."""
    zone = getattr(series.dtype, "time_zone", None)
    micros = series.cast(polars.Datetime("us", zone)).to_physical()
    times = micros.fill_null(0).to_numpy().astype("datetime64[us]")
    times[series.is_null().to_numpy()] = np.datetime64("NaT")
    return np.asarray(times)


def _arrow(column: Any) -> Raw:
    pyarrow = sys.modules["pyarrow"]
    whole = column.combine_chunks() if hasattr(column, "combine_chunks") else column
    kind, types = whole.type, pyarrow.types
    if types.is_boolean(kind) or types.is_decimal(kind):
        whole = whole.cast(pyarrow.float64())
    elif types.is_timestamp(kind) or types.is_date(kind):
        zone = getattr(kind, "tz", None)
        return np.asarray(whole.cast(pyarrow.timestamp("us", zone), safe=False).to_numpy(zero_copy_only=False)).astype("datetime64[us]")
    if types.is_integer(whole.type) or types.is_floating(whole.type):
        return np.asarray(whole.to_numpy(zero_copy_only=False))
    if not types.is_dictionary(kind):
        if not (types.is_string(kind) or types.is_large_string(kind)):
            return list(whole.to_pylist())
        whole = whole.dictionary_encode()
    codes = np.asarray(whole.indices.fill_null(-1).to_numpy(zero_copy_only=False))
    return Encoded(codes, whole.dictionary.to_pylist())

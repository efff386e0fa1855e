"""Tables in memory as a Polars frame, with their own types.

Takes    a Polars, pandas or Arrow frame, any object with the Arrow stream interface, a list of dicts, a dict of columns.
Gives    a Polars frame. Neither pandas nor pyarrow is needed to read theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from trainwright.errors import BadInput, SourceError
from trainwright.runtime.cells import word_of
from trainwright.runtime.frames import Encoded, column_of, frame_of
from trainwright.runtime.schema import ColumnSchema

if TYPE_CHECKING:
    import polars as pl


def frame_from(source: object) -> pl.DataFrame:
    """A Polars frame with the values of an object in memory. Raises SourceError TW036 for what is no table, TW028 for repeated names."""
    import polars as pl

    if isinstance(source, pl.LazyFrame):
        return source.collect()
    if isinstance(source, pl.DataFrame):
        return source
    if isinstance(source, Mapping):
        return pl.DataFrame([_series(str(name), column_of(None, values)) for name, values in source.items()])
    if isinstance(source, Sequence) and not isinstance(source, (str, bytes)):
        return _from_dicts(source)
    try:
        frame = frame_of(source)
    except BadInput as error:
        raise SourceError("TW028", error.what, where="the frame", why=error.why, fix=error.fix) from None
    if frame is None:
        raise SourceError(
            "TW036", f"an object of type {type(source).__name__!r} is not a table", where="the source", why="rows with named columns are needed",
            fix="give a path, a pandas, Polars or Arrow frame, a list of dicts, or a dict of columns",
        )  # fmt: skip
    if frame.library == "polars":
        return frame_from(frame.frame)
    if frame.library == "pyarrow":
        found = pl.from_arrow(frame.frame)
        assert isinstance(found, pl.DataFrame)
        return found
    return pl.DataFrame([_pandas(name, frame.frame.iloc[:, at], column_of(frame, name)) for at, name in enumerate(frame.names)])


def _pandas(name: str, column: Any, raw: Any) -> pl.Series:
    """A pandas column; an ordered categorical of words becomes an Enum, whole numbers with gaps stay floats."""
    import polars as pl

    categories = getattr(column.dtype, "categories", None)
    if categories is not None and getattr(column.dtype, "ordered", False) and all(isinstance(word, str) for word in categories):
        return _series(name, raw).cast(pl.Enum(list(categories)))
    return _series(name, raw)


def _series(name: str, raw: Any) -> pl.Series:
    """Raw values as a Polars series: numbers, booleans and date-times keep their type, all else becomes text by the runtime's rules."""
    import polars as pl

    if isinstance(raw, np.ndarray) and raw.dtype.kind in "fiub":
        return pl.Series(name, np.ascontiguousarray(raw), nan_to_null=True)
    if isinstance(raw, np.ndarray) and raw.dtype.kind == "m":
        return pl.Series(name, raw.astype("timedelta64[us]"))  # refused later, with its column
    if isinstance(raw, np.ndarray) and raw.dtype.kind == "M":
        return pl.Series(name, raw.astype("datetime64[us]"))
    if isinstance(raw, Encoded) or hasattr(raw, "vocabulary"):
        distinct = list(raw.distinct if isinstance(raw, Encoded) else raw.vocabulary)
        words = _series(name, distinct)
        codes = pl.Series(np.where(np.asarray(raw.codes) < 0, len(distinct), raw.codes).astype(np.uint32))
        return words.extend(pl.Series(name, [None], dtype=words.dtype)).gather(codes)
    values = raw.tolist() if isinstance(raw, np.ndarray) else list(raw)
    types = set(map(type, values)) - {type(None)}
    if types <= {str}:
        return pl.Series(name, values, dtype=pl.String)
    if types <= {int, float} or types <= {bool}:
        return pl.Series(name, values, strict=False, nan_to_null=True)
    if all(hasattr(value, "isoformat") for value in values if value is not None):
        return pl.Series(name, [None if value is None else _iso(value) for value in values], dtype=pl.String)
    plain = ColumnSchema(name=name, kind="text")
    try:
        return pl.Series(name, [word_of(value, plain) for value in values], dtype=pl.String)
    except ValueError:
        raise SourceError(
            "TW036", f"column {name!r} holds lists or other things that are no single value", where=f"column {name!r}",
            why="a table has one plain value in each cell",
            fix="turn it into numbers or text, or leave it out",
        ) from None  # fmt: skip


def _iso(value: Any) -> str | None:
    text = str(value.isoformat())
    return None if text == "NaT" else text


def _from_dicts(rows: Sequence[Any]) -> pl.DataFrame:
    import polars as pl

    for at, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise SourceError(
                "TW036", f"item {at} of the list is no dict", where="the source", why="each row needs its columns' names", fix="give a list of dicts"
            )
    names = dict.fromkeys(name for row in rows for name in row)
    return pl.DataFrame([_series(str(name), [row.get(name) for row in rows]) for name in names])

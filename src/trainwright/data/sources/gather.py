"""Values that come row by row (JSON, SQLite) as typed columns, a batch at a time.

Takes    batches of Python values by column: None, bool, int, float, str; lists, dicts and bytes are no plain values.
Gives    a Polars frame: a column of one type keeps it, one of several becomes text, which the cell rules then read like that of a CSV file.
Why      only one batch is held as Python objects; whole numbers that float64 cannot hold stay as they are written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import polars as pl

EXACT: Final = 2**53  # up to here every whole number is a float64
BATCH: Final = 20_000  # rows


class NotWritable(ValueError):
    """A text that has no UTF-8 (half of a surrogate pair); `row` counts from 0 over all rows."""

    def __init__(self, row: int) -> None:
        super().__init__(row)
        self.row = row


@dataclass(slots=True, eq=False)
class Gathering:
    """What was gathered so far; grows with each batch."""

    height: int = 0
    nested: dict[str, int] = field(default_factory=dict)  # column -> the first row whose value is no plain one
    huge: set[str] = field(default_factory=set)  # columns with whole numbers beyond 2^53
    mixed: set[str] = field(default_factory=set)  # columns with numbers and words
    _pieces: dict[str, list[pl.Series]] = field(default_factory=dict)

    def add(self, columns: Mapping[str, Sequence[Any]], rows: int) -> None:
        """A batch of `rows` rows. A column that is not in it has no values there. Raises NotWritable."""
        import polars as pl

        for name in columns:
            if name not in self._pieces:
                self._pieces[name] = [pl.Series(name, [], dtype=pl.Null).extend_constant(None, self.height)]
        for name, pieces in self._pieces.items():
            values = columns.get(name)
            pieces.append(pl.Series(name, [], dtype=pl.Null).extend_constant(None, rows) if values is None else self._series(name, values))
        self.height += rows

    def frame(self) -> pl.DataFrame:
        """All rows. A column with nested values is all null."""
        import polars as pl

        columns: dict[str, pl.Series] = {}  # by name: a list would give a column without one a name of Polars' own
        for name, pieces in self._pieces.items():
            if name in self.nested:
                columns[name] = pl.Series(name, [], dtype=pl.Null).extend_constant(None, self.height)
                continue
            kinds = {piece.dtype for piece in pieces}
            wanted = common(kinds)
            if wanted is None:
                self.mixed.add(name)
            columns[name] = pl.concat([piece.cast(wanted or pl.String) for piece in pieces])
        return pl.DataFrame(columns)

    def _series(self, name: str, values: Sequence[Any]) -> pl.Series:
        import polars as pl

        kinds = set(map(type, values)) - {type(None)}
        if not kinds <= {bool, int, float, str}:
            self.nested.setdefault(name, self.height + next(at for at, value in enumerate(values) if isinstance(value, list | dict | bytes)))
            return pl.Series(name, [], dtype=pl.Null).extend_constant(None, len(values))
        huge = int in kinds and any(type(value) is int and abs(value) > EXACT for value in values)
        if huge:
            self.huge.add(name)
        if not kinds:
            return pl.Series(name, [], dtype=pl.Null).extend_constant(None, len(values))
        if kinds == {bool}:
            return pl.Series(name, values, dtype=pl.Boolean)
        if kinds == {int} and not huge:
            return pl.Series(name, values, dtype=pl.Int64)
        if kinds <= {int, float} and not huge:
            return pl.Series(name, values, dtype=pl.Float64, strict=False)
        if len(kinds) > 1 and not kinds <= {int, float}:
            self.mixed.add(name)
        try:
            return pl.Series(name, values if kinds == {str} else [word(value) for value in values], dtype=pl.String)
        except UnicodeEncodeError:
            raise NotWritable(self.height + next(at for at, value in enumerate(values) if isinstance(value, str) and not _has_utf8(value))) from None


def word(value: Any) -> str | None:
    """A plain value as a text file would have it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


def common(kinds: set[Any]) -> Any:
    """The Polars type that columns of these types have together without a loss, or None.

    Numbers widen, dates become date-times, all words are text; a column without values goes with any other.
    """
    import polars as pl

    kinds = {kind for kind in kinds if kind != pl.Null}
    if not kinds:
        return pl.Null
    if len(kinds) == 1:
        return next(iter(kinds))
    if all(kind.is_numeric() for kind in kinds):
        return pl.Int64 if all(kind.is_integer() and kind not in (pl.UInt64, pl.Int128, pl.UInt128) for kind in kinds) else pl.Float64
    if all(kind in (pl.Date, pl.Datetime) for kind in kinds) and len({getattr(kind, "time_zone", None) for kind in kinds}) == 1:
        return pl.Datetime("us")
    if all(kind in (pl.String, pl.Categorical, pl.Enum) for kind in kinds):
        return pl.String
    return None


def _has_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

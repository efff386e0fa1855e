"""A source whose columns are read when they are asked for: what stands between a file, or a frame, and its typed columns.

Takes    how to read columns by name; their types and the number of rows, which are known without reading them.
Gives    one column or a few at a time, as Polars' own types; nothing is kept here, so a column that was typed is released.
Why      the typed columns are all that is needed of a table; text cells take several times their room, and a column that nobody needs, none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import polars as pl

CELLS: Final = 4_000_000  # of a batch: about 100 MB as text


@dataclass(frozen=True, slots=True, eq=False)
class Scanned:
    """A table that is not read yet."""

    dtypes: Mapping[str, Any]  # name -> Polars type, in source order
    height: int  # rows
    read: Callable[[Sequence[str]], pl.DataFrame]  # the columns of these names, in this order
    batch: int  # how many columns to read at a time: few where rows are many, more where each reading goes through the whole file
    chunks: Callable[[Sequence[str]], Iterator[pl.DataFrame]] | None = None  # the same rows in pieces, where they are too many to be held

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.dtypes)

    def column(self, name: str) -> pl.Series:
        """One column, read now. (rows,)"""
        return self.read([name])[name]

    def columns(self, names: Sequence[str]) -> pl.DataFrame:
        """Some columns, read now. (rows, names)"""
        return self.read(names)

    def batches(self, names: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The columns of these names, in this order, a batch at a time; all at once where they are few or short."""
        for start in range(0, len(names), self.batch):
            yield self.read(names[start : start + self.batch])

    def without(self, names: Sequence[str]) -> Scanned:
        """The same table, less some columns."""
        return replace(self, dtypes={name: dtype for name, dtype in self.dtypes.items() if name not in names})

    def held(self) -> Scanned:
        """The same table; in memory, if it is no more than one batch, so that it is not read twice."""
        return in_memory(self.read(self.names)) if len(self.dtypes) <= self.batch else self


def in_memory(frame: pl.DataFrame) -> Scanned:
    """A frame that is there already."""
    return Scanned(dict(frame.schema), frame.height, frame.select, batch_of(frame.width, frame.height))


def batch_of(width: int, height: int, *, readings: int | None = None) -> int:
    """How many columns a batch has, so that it is of about `CELLS` cells and there are no more than `readings` batches."""
    return max(1, CELLS // max(1, height), 0 if readings is None else -(-width // readings))

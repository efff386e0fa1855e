"""Typed columns: what stands between raw values and float32 features, the same at training and at serving.

A column of numbers, yes/no or date-times is float64 (rows,), NaN where missing; yes/no is 1 and 0, a date-time is seconds
since 1970-01-01 UTC. A column of words (category, ordered category, text, identifier) is `Coded`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Matrix = NDArray[np.float32]  # (rows, features)
Codes = NDArray[np.int32]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """Words as numbers: `vocabulary[codes[row]]`, and -1 where missing. The vocabulary has no repeats; its order carries no meaning."""

    codes: Codes
    vocabulary: Sequence[str]

    def __len__(self) -> int:
        return len(self.codes)

    def words(self) -> list[str | None]:
        """The words themselves, None where missing."""
        return [self.vocabulary[code] if code >= 0 else None for code in self.codes.tolist()]


Column = Floats | Coded
Columns = Mapping[str, Column]  # by name, all with the same number of rows


def rows_of(columns: Columns) -> int:
    """How many rows the columns have. Raises ValueError when there is no column."""
    for column in columns.values():
        return len(column)
    raise ValueError("no columns")


def take(column: Column, rows: Rows) -> Column:
    """Some rows of a column, in the order asked; a vocabulary is shared, not copied."""
    return Coded(column.codes[rows], column.vocabulary) if isinstance(column, Coded) else column[rows]


def take_all(columns: Columns, rows: Rows) -> dict[str, Column]:
    return {name: take(column, rows) for name, column in columns.items()}

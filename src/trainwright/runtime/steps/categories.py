"""Words into a matrix: `onehot` (a feature for each word), `codes` (a category number, split by equality), `ranks` (an order).

Vocabularies are those of training; the rows served bring their own, in any order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, cast

import numpy as np

from trainwright.runtime.columns import Coded, Columns, Floats, Matrix, rows_of
from trainwright.runtime.step import FromParts
from trainwright.runtime.steps import checks
from trainwright.runtime.steps.stacking import indexed, positions

Index = tuple[dict[str, int], ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Onehot(FromParts):
    """Columns → float32 (rows, features): for each column its words, then "other" where asked, then "missing" where asked.

    A word without a feature of its own counts as other; where a column has no such feature, the row gets zeros.
    """

    kind: ClassVar[str] = "onehot"
    columns: tuple[str, ...]
    vocabularies: tuple[tuple[str, ...], ...]
    other: tuple[bool, ...]
    missing: tuple[bool, ...]
    _index: Index = field(init=False, repr=False)
    _starts: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        checks.names(self.kind, "columns", self.columns)
        checks.vocabularies(self.kind, self.vocabularies, self.columns)
        checks.flags(self.kind, "other", self.other, self.columns)
        checks.flags(self.kind, "missing", self.missing, self.columns)
        widths = [len(v) + o + m for v, o, m in zip(self.vocabularies, self.other, self.missing, strict=True)]
        starts = tuple(int(start) for start in np.cumsum([0, *widths]))
        if starts[-1] > checks.MOST_FIELDS:
            raise checks.refuse(self.kind, f"{starts[-1]:,} features")
        object.__setattr__(self, "_index", indexed(self.vocabularies))
        object.__setattr__(self, "_starts", starts)

    @property
    def cells(self) -> int:
        return self._starts[-1]

    def apply(self, columns: Columns) -> Matrix:
        rows = len(cast(Coded, columns[self.columns[0]])) if self.columns else rows_of(columns)
        out = np.zeros((rows, self._starts[-1]), np.float32)
        row = np.arange(rows)
        for name, index, other, missing, start in zip(self.columns, self._index, self.other, self.missing, self._starts, strict=False):
            none = -start - 1
            where = positions(
                cast(Coded, columns[name]), index, unseen=len(index) if other else none, missing=len(index) + other if missing else none
            )
            where += start
            if other and missing:
                out[row, where] = 1.0
            else:
                known = where >= 0
                out[row[known], where[known]] = 1.0
        return out


@dataclass(frozen=True, eq=False, kw_only=True)
class Codes(FromParts):
    """Columns → float32 (rows, columns): the word's number in the vocabulary; `len(vocabulary)` for any other word.

    Missing is `len(vocabulary) + 1` where it has a code of its own, else NaN.
    """

    kind: ClassVar[str] = "codes"
    columns: tuple[str, ...]
    vocabularies: tuple[tuple[str, ...], ...]
    missing: tuple[bool, ...]
    _index: Index = field(init=False, repr=False)

    def __post_init__(self) -> None:
        checks.names(self.kind, "columns", self.columns)
        checks.vocabularies(self.kind, self.vocabularies, self.columns)
        checks.flags(self.kind, "missing", self.missing, self.columns)
        object.__setattr__(self, "_index", indexed(self.vocabularies))

    @property
    def cells(self) -> int:
        return len(self.columns)

    def apply(self, columns: Columns) -> Matrix:
        out = np.empty((rows_of(columns), len(self.columns)), np.float32)
        for number, (name, index, own) in enumerate(zip(self.columns, self._index, self.missing, strict=True)):
            code = positions(cast(Coded, columns[name]), index, unseen=len(index), missing=len(index) + 1 if own else -1)
            out[:, number] = code if own else np.where(code < 0, np.nan, code)
        return out


@dataclass(frozen=True, eq=False, kw_only=True)
class Ranks(FromParts):
    """Columns → float32 (rows, columns + flagged): the word's place in the vocabulary, then a 1 where a flagged column was missing."""

    kind: ClassVar[str] = "ranks"
    columns: tuple[str, ...]
    vocabularies: tuple[tuple[str, ...], ...]  # lowest first, or most frequent first
    unseen: Floats  # (columns,) the rank of a word that is not in the vocabulary; NaN: as if missing and kept so
    missing: Floats  # (columns,) the rank where there is no word; may be NaN
    flagged: tuple[str, ...] = ()
    _index: Index = field(init=False, repr=False)
    _tables: tuple[Matrix, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        checks.names(self.kind, "columns", self.columns)
        checks.vocabularies(self.kind, self.vocabularies, self.columns)
        checks.array(self.kind, "unseen", self.unseen, dtype=np.float64, shape=(len(self.columns),), finite=False)
        checks.array(self.kind, "missing", self.missing, dtype=np.float64, shape=(len(self.columns),), finite=False)
        checks.names(self.kind, "flagged", self.flagged)
        sizes = [len(vocabulary) for vocabulary in self.vocabularies]
        tables = tuple(np.array([*range(n), u, m], np.float32) for n, u, m in zip(sizes, self.unseen, self.missing, strict=True))
        object.__setattr__(self, "_index", indexed(self.vocabularies))
        object.__setattr__(self, "_tables", tables)

    @property
    def cells(self) -> int:
        return len(self.columns) + len(self.flagged)

    def apply(self, columns: Columns) -> Matrix:
        kept = len(self.columns)
        out = np.empty((rows_of(columns), kept + len(self.flagged)), np.float32)
        for number, (name, index, table) in enumerate(zip(self.columns, self._index, self._tables, strict=True)):
            size = len(index)
            out[:, number] = table[positions(cast(Coded, columns[name]), index, unseen=size, missing=size + 1)]
        for number, name in enumerate(self.flagged, kept):
            out[:, number] = cast(Coded, columns[name]).codes < 0
        return out

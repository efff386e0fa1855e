"""Words into what the target was on average among the training rows with that word: `encode`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, cast

import numpy as np

from trainwright.runtime.columns import Coded, Columns, Matrix, rows_of
from trainwright.runtime.step import FromParts
from trainwright.runtime.steps import checks
from trainwright.runtime.steps.stacking import indexed, positions


@dataclass(frozen=True, eq=False, kw_only=True)
class Encode(FromParts):
    """Columns → float32 (rows, columns · outputs): the values of the row's word; those of "other" for an unseen word, and of "missing"."""

    kind: ClassVar[str] = "encode"
    columns: tuple[str, ...]
    vocabularies: tuple[tuple[str, ...], ...]
    values: Matrix  # (words of all columns and, after those of each column, other and missing; outputs)
    _index: tuple[dict[str, int], ...] = field(init=False, repr=False)
    _starts: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        checks.names(self.kind, "columns", self.columns, least=1)
        checks.vocabularies(self.kind, self.vocabularies, self.columns)
        starts = [int(start) for start in np.cumsum([0, *(len(words) + 2 for words in self.vocabularies)])]
        checks.array(self.kind, "values", self.values, dtype=np.float32, shape=(starts[-1], None))
        if len(self.columns) * self.values.shape[1] > checks.MOST_FIELDS:
            raise checks.refuse(self.kind, f"{len(self.columns) * self.values.shape[1]:,} features")
        object.__setattr__(self, "_index", indexed(self.vocabularies))
        object.__setattr__(self, "_starts", tuple(starts))

    @property
    def cells(self) -> int:
        return len(self.columns) * int(self.values.shape[1])

    def apply(self, columns: Columns) -> Matrix:
        outputs = self.values.shape[1]
        out = np.empty((rows_of(columns), len(self.columns) * outputs), np.float32)
        for number, (name, index, start) in enumerate(zip(self.columns, self._index, self._starts, strict=False)):
            where = positions(cast(Coded, columns[name]), index, unseen=len(index), missing=len(index) + 1)
            out[:, number * outputs : (number + 1) * outputs] = self.values[start + where]
        return out

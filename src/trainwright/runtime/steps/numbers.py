"""Number columns into a matrix: `numbers` keeps gaps as NaN, `fill` closes them and flags where they were, `scale` is affine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from trainwright.runtime.columns import Columns, Floats, Matrix
from trainwright.runtime.step import FromParts
from trainwright.runtime.steps import checks
from trainwright.runtime.steps.stacking import LARGEST, stacked


@dataclass(frozen=True, eq=False, kw_only=True)
class Numbers(FromParts):
    """Columns → float32 (rows, columns), NaN where missing."""

    kind: ClassVar[str] = "numbers"
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        checks.names(self.kind, "columns", self.columns)

    def apply(self, columns: Columns) -> Matrix:
        return np.ascontiguousarray(stacked(columns, self.columns).T)


@dataclass(frozen=True, eq=False, kw_only=True)
class Fill(FromParts):
    """Columns → float32 (rows, columns + flagged): each column with gaps replaced by its value, then a 1 where a flagged one was missing."""

    kind: ClassVar[str] = "fill"
    columns: tuple[str, ...]
    values: Floats  # (columns,) what stands in for a missing cell
    flagged: tuple[str, ...] = ()  # columns whose gaps are shown in a feature of their own; need not be among `columns`
    _names: tuple[str, ...] = field(init=False, repr=False)
    _values: Matrix = field(init=False, repr=False)
    _flagged: np.ndarray[tuple[int], np.dtype[np.intp]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        checks.names(self.kind, "columns", self.columns)
        checks.names(self.kind, "flagged", self.flagged)
        checks.array(self.kind, "values", self.values, dtype=np.float64, shape=(len(self.columns),))
        if np.abs(self.values).max(initial=0.0) > LARGEST:
            raise checks.refuse(self.kind, "a value is beyond float32")
        place = {name: number for number, name in enumerate(self.columns)}
        for name in self.flagged:
            place.setdefault(name, len(place))
        object.__setattr__(self, "_names", tuple(place))
        object.__setattr__(self, "_values", self.values.astype(np.float32)[:, None])
        object.__setattr__(self, "_flagged", np.array([place[name] for name in self.flagged], np.intp))

    def apply(self, columns: Columns) -> Matrix:
        block = stacked(columns, self._names)
        gaps = np.isnan(block)
        kept = len(self.columns)
        out = np.empty((block.shape[1], kept + len(self.flagged)), np.float32)
        out[:, :kept] = np.where(gaps[:kept], self._values, block[:kept]).T
        if self.flagged:
            out[:, kept:] = gaps[self._flagged].T
        return out


@dataclass(frozen=True, eq=False, kw_only=True)
class Scale(FromParts):
    """float32 (rows, features) → (x − shift) · factor, in float32."""

    kind: ClassVar[str] = "scale"
    shift: Matrix  # (features,)
    factor: Matrix  # (features,)

    def __post_init__(self) -> None:
        checks.array(self.kind, "shift", self.shift, dtype=np.float32, shape=(None,))
        checks.array(self.kind, "factor", self.factor, dtype=np.float32, shape=self.shift.shape)

    def apply(self, matrix: Matrix) -> Matrix:
        out = matrix - self.shift
        out *= self.factor
        return out

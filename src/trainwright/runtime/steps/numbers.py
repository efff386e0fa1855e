"""Number columns into a matrix: `numbers` keeps gaps as NaN, `fill` closes them and flags where they were, `scale` is affine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from trainwright.runtime.columns import Columns, Floats, Matrix
from trainwright.runtime.step import FromParts
from trainwright.runtime.steps import checks
from trainwright.runtime.steps.stacking import LARGEST, stacked


def _nothing() -> Floats:
    return np.empty(0)


def _within(kind: str, field: str, value: Floats, count: int) -> None:
    checks.array(kind, field, value, dtype=np.float64, shape=(count,))
    if np.abs(value).max(initial=0.0) > LARGEST:
        raise checks.refuse(kind, f"{field} has a number beyond float32")


@dataclass(frozen=True, eq=False, kw_only=True)
class Numbers(FromParts):
    """Columns → float32 (rows, columns): x − shift, NaN where missing."""

    kind: ClassVar[str] = "numbers"
    columns: tuple[str, ...]
    shift: Floats = field(
        default_factory=_nothing
    )  # (columns,) taken off in float64, so that float32 can tell 1,000,000,001 from its neighbour; () for 0

    def __post_init__(self) -> None:
        checks.names(self.kind, "columns", self.columns)
        _within(self.kind, "shift", self.shift, 0 if np.shape(self.shift) == (0,) else len(self.columns))

    @property
    def cells(self) -> int:
        return 3 * len(self.columns)  # in float64 first

    def apply(self, columns: Columns) -> Matrix:
        block = stacked(columns, self.columns)
        if len(self.shift):
            block -= self.shift[:, None]
        return np.ascontiguousarray(block.T, np.float32)


@dataclass(frozen=True, eq=False, kw_only=True)
class Fill(FromParts):
    """Columns → float32 (rows, columns + flagged): each column with gaps replaced by its value, minus its shift; then flags, 1 where missing."""

    kind: ClassVar[str] = "fill"
    columns: tuple[str, ...]
    values: Floats  # (columns,) what stands in for a missing cell
    shift: Floats = field(default_factory=_nothing)  # (columns,) taken off in float64, as in `numbers`; () for 0
    flagged: tuple[str, ...] = ()  # columns whose gaps are shown in a feature of their own; need not be among `columns`
    _names: tuple[str, ...] = field(init=False, repr=False)
    _values: Floats = field(init=False, repr=False)
    _flagged: np.ndarray[tuple[int], np.dtype[np.intp]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        checks.names(self.kind, "columns", self.columns)
        checks.names(self.kind, "flagged", self.flagged)
        _within(self.kind, "values", self.values, len(self.columns))
        _within(self.kind, "shift", self.shift, 0 if np.shape(self.shift) == (0,) else len(self.columns))
        place = {name: number for number, name in enumerate(self.columns)}
        for name in self.flagged:
            place.setdefault(name, len(place))
        object.__setattr__(self, "_names", tuple(place))
        object.__setattr__(self, "_values", self.values[:, None])
        object.__setattr__(self, "_flagged", np.array([place[name] for name in self.flagged], np.intp))

    @property
    def cells(self) -> int:
        return 6 * len(self._names)  # in float64 first, with gaps and without

    def apply(self, columns: Columns) -> Matrix:
        block = stacked(columns, self._names)
        gaps = np.isnan(block)
        kept = len(self.columns)
        out = np.empty((block.shape[1], kept + len(self.flagged)), np.float32)
        filled = np.where(gaps[:kept], self._values, block[:kept])
        out[:, :kept] = (filled - self.shift[:, None] if len(self.shift) else filled).T
        if self.flagged:
            out[:, kept:] = gaps[self._flagged].T
        return out


@dataclass(frozen=True, eq=False, kw_only=True)
class Scale(FromParts):
    """float32 (rows, features) → (x − shift) · factor, in float32; finite."""

    kind: ClassVar[str] = "scale"
    shift: Matrix  # (features,)
    factor: Matrix  # (features,)

    def __post_init__(self) -> None:
        checks.array(self.kind, "shift", self.shift, dtype=np.float32, shape=(None,))
        checks.array(self.kind, "factor", self.factor, dtype=np.float32, shape=self.shift.shape)

    @property
    def cells(self) -> int:
        return len(self.shift)

    def apply(self, matrix: Matrix) -> Matrix:
        with np.errstate(over="ignore"):
            out = matrix - self.shift
            out *= self.factor
        np.maximum(out, -LARGEST, out=out)
        np.minimum(out, LARGEST, out=out)
        return out

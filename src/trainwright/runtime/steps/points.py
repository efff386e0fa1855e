"""Models that compare a row with kept points: `kernel` (sums of bumps around them), `nearest` (the answers of the closest).

Both reckon squared distances as |x|² + |p|² − 2 x·p in float64, block by block, so that nearly all work is one matrix product.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from trainwright.runtime.columns import Floats, Matrix
from trainwright.runtime.step import FromParts
from trainwright.runtime.steps import checks

CELLS = 2**21  # distances that are held at once
SAME = 1e-9  # of the squared lengths: distances nearer to each other than this are equal; rounding moves them by 1e-15


def squares(matrix: Any) -> Floats:
    """(rows,) squared lengths."""
    return np.asarray(np.einsum("ij,ij->i", matrix, matrix))


def distances(matrix: Any, points: Floats, lengths: Floats) -> Iterator[tuple[int, Floats, Floats]]:
    """Blocks of rows in order: (first row, squared lengths of the rows, squared distances (rows, points)).

    Takes   matrix (rows, features); points (points, features) float64 and their squared lengths.
    """
    size = max(1, CELLS // max(1, len(points)))
    for first in range(0, len(matrix), size):
        block = np.asarray(matrix[first : first + size], np.float64)
        own = squares(block)
        apart = block @ points.T
        apart *= -2.0
        apart += own[:, None]
        apart += lengths
        yield first, own, np.maximum(apart, 0.0, out=apart)


@dataclass(frozen=True, eq=False, kw_only=True)
class Kernel(FromParts):
    """float32 (rows, features) → float64 (rows, outputs): Σ over points of weight · exp(−gamma · squared distance), plus offset."""

    kind: ClassVar[str] = "kernel"
    points: Matrix  # (points, features)
    weights: Floats  # (points, outputs)
    offset: Floats  # (outputs,)
    gamma: float  # one over a squared distance

    def __post_init__(self) -> None:
        checks.array(self.kind, "points", self.points, dtype=np.float32, shape=(None, None))
        checks.array(self.kind, "offset", self.offset, dtype=np.float64, shape=(None,))
        checks.array(self.kind, "weights", self.weights, dtype=np.float64, shape=(len(self.points), len(self.offset)))
        checks.positive(self.kind, "gamma", self.gamma, high=1e100)
        if not len(self.offset):
            raise checks.refuse(self.kind, "it has no output")

    @cached_property  # made at the first use, in the precision of the reckoning
    def _points(self) -> tuple[Floats, Floats]:
        points = self.points.astype(np.float64)
        return points, squares(points)

    @property
    def cells(self) -> int:
        return 2 * len(self.offset)

    def apply(self, matrix: Matrix) -> Floats:
        if matrix.shape[1] != self.points.shape[1]:
            raise ValueError("the input has another number of features than in training")
        out = np.empty((len(matrix), len(self.offset)))
        for first, _, apart in distances(matrix, *self._points):
            apart *= -self.gamma
            out[first : first + len(apart)] = np.exp(apart, out=apart) @ self.weights
        out += self.offset
        return out


WEIGHINGS = ("uniform", "distance")


@dataclass(frozen=True, eq=False, kw_only=True)
class Nearest(FromParts):
    """float32 (rows, features) → float64 (rows, classes), or (rows, 1): what the `count` nearest points say, on (weighted) average.

    Points that are equally far as the last one share the places that are left, so no answer hangs on the order of the points, nor on rounding.
    "distance" weighs by one over the distance; where points lie on the row itself, they alone count. Shares of classes are drawn towards
    `prior` by `pull` more points of that opinion.
    """

    kind: ClassVar[str] = "nearest"
    points: Matrix  # (points, features)
    values: Floats  # (points,) class numbers, or the value
    weight: Floats  # (points,) positive
    prior: Floats  # (classes,) shares that sum to 1; (0,) where a number is predicted
    count: int
    weighing: str
    pull: float

    def __post_init__(self) -> None:
        checks.array(self.kind, "points", self.points, dtype=np.float32, shape=(None, None))
        checks.array(self.kind, "values", self.values, dtype=np.float64, shape=(len(self.points),))
        checks.array(self.kind, "weight", self.weight, dtype=np.float64, shape=(len(self.points),))
        checks.array(self.kind, "prior", self.prior, dtype=np.float64, shape=(None,))
        checks.whole(self.kind, "count", self.count, low=1, high=len(self.points))
        checks.choice(self.kind, "weighing", self.weighing, WEIGHINGS)
        checks.positive(self.kind, "pull", self.pull, high=1e12, zero=True)
        if not (self.weight > 0).all() or (self.weight > 1e100).any():
            raise checks.refuse(self.kind, "a weight is not positive, or too large")
        classes = len(self.prior)
        if classes and ((self.prior < 0).any() or abs(float(self.prior.sum()) - 1) > 1e-6):
            raise checks.refuse(self.kind, "its prior is no shares of classes")
        if classes and ((self.values < 0).any() or (self.values >= classes).any() or (self.values % 1 != 0).any()):
            raise checks.refuse(self.kind, "a value is no class number")

    @cached_property
    def _points(self) -> tuple[Floats, Floats]:
        points = self.points.astype(np.float64)
        return points, squares(points)

    @property
    def cells(self) -> int:
        return 4 * max(1, len(self.prior))

    def apply(self, matrix: Matrix) -> Floats:
        if matrix.shape[1] != self.points.shape[1]:
            raise ValueError("the input has another number of features than in training")
        out = np.empty((len(matrix), max(1, len(self.prior))))
        for first, own, apart in distances(matrix, *self._points):
            out[first : first + len(apart)] = self._answers(apart, own)
        return out

    def _answers(self, apart: Floats, own: Floats) -> Floats:
        """(rows, outputs) from squared distances (rows, points) and squared lengths of the rows."""
        last = np.partition(apart, self.count - 1, axis=1)[:, self.count - 1]
        blur = SAME * (own + last)
        row, point = np.nonzero(apart <= (last + blur)[:, None])
        distance = apart[row, point]
        tied = distance >= (last - blur)[row]
        ties = np.bincount(row[tied], minlength=len(apart))
        left = self.count - (np.bincount(row, minlength=len(apart)) - ties)
        vote = self.weight[point] * np.where(tied, (left / ties)[row], 1.0)
        if self.weighing == "distance":
            on = distance <= blur[row]
            vote = np.where(on, vote, np.where(np.bincount(row[on], minlength=len(apart))[row] > 0, 0.0, vote / np.sqrt(np.where(on, 1.0, distance))))
        total = np.bincount(row, vote, len(apart))
        if not len(self.prior):
            return (np.bincount(row, vote * self.values[point], len(apart)) / total)[:, None]
        classes = len(self.prior)
        votes = np.bincount(row * classes + self.values[point].astype(np.intp), vote, len(apart) * classes).reshape(-1, classes)
        return np.asarray((votes / total[:, None] * self.count + self.pull * self.prior) / (self.count + self.pull))

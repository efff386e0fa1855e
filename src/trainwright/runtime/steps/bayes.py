"""`bayes`: each feature speaks for itself, and what they say is added up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from trainwright.runtime.columns import Floats, Matrix
from trainwright.runtime.step import FromParts
from trainwright.runtime.steps import checks

CELLS = 2**22  # cells of numbers that are compared with a class at once
Whole = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Bayes(FromParts):
    """float32 (rows, features) → float64 (rows, classes): log prior + Σ log density of the numbers + Σ log share of the codes.

    A missing number, and a code that the table does not have, says nothing.
    """

    kind: ClassVar[str] = "bayes"
    features: int
    prior: Floats  # (classes,) logarithms
    numbers: Whole  # (numbers,) places of the features that are numbers
    means: Floats  # (classes, numbers)
    variances: Floats  # (classes, numbers)
    codes: Whole  # (codes,) places of the features that are codes
    sizes: Whole  # (codes,) how many codes each has in the table
    table: Floats  # (sum of sizes, classes) logarithms of shares, feature after feature

    def __post_init__(self) -> None:
        checks.whole(self.kind, "features", self.features, low=0, high=checks.MOST_FIELDS)
        checks.array(self.kind, "prior", self.prior, dtype=np.float64, shape=(None,))
        for field in ("numbers", "codes"):
            value = getattr(self, field)
            checks.array(self.kind, field, value, dtype=np.int64, shape=(None,))
            if len(value) and not (value.min() >= 0 and value.max() < self.features):
                raise checks.refuse(self.kind, f"{field} names a feature that is not there")
        classes = len(self.prior)
        checks.array(self.kind, "means", self.means, dtype=np.float64, shape=(classes, len(self.numbers)))
        checks.array(self.kind, "variances", self.variances, dtype=np.float64, shape=(classes, len(self.numbers)))
        checks.array(self.kind, "sizes", self.sizes, dtype=np.int64, shape=(len(self.codes),))
        if not classes or not (self.variances > 1e-200).all():
            raise checks.refuse(self.kind, "it has no class, or a variance that is not positive")
        if len(self.sizes) and not (self.sizes.min() >= 0 and self.sizes.max() <= checks.MOST_CELLS):
            raise checks.refuse(self.kind, "a size is out of range")
        checks.array(self.kind, "table", self.table, dtype=np.float64, shape=(int(self.sizes.sum()), classes))

    @property
    def cells(self) -> int:
        return 2 * len(self.prior)

    def apply(self, matrix: Matrix) -> Floats:
        if matrix.shape[1] != self.features:
            raise ValueError("the input has another number of features than in training")
        out = np.tile(self.prior, (len(matrix), 1))
        size = max(1, CELLS // max(1, len(self.numbers)))
        for first in range(0, len(matrix) if len(self.numbers) else 0, size):
            block = matrix[first : first + size, self.numbers].astype(np.float64)
            gap = np.isnan(block)
            for label, (mean, variance) in enumerate(zip(self.means, self.variances, strict=True)):
                density = (block - mean) ** 2
                density /= variance
                density += np.log(2 * np.pi * variance)
                density[gap] = 0.0
                out[first : first + len(block), label] -= 0.5 * density.sum(axis=1)
        start = 0
        for feature, count in zip(self.codes.tolist(), self.sizes.tolist(), strict=True):
            given = matrix[:, feature]
            known = np.flatnonzero((given >= 0) & (given < count))  # a NaN is neither
            out[known] += self.table[start + given[known].astype(np.int64)]
            start += count
        return out

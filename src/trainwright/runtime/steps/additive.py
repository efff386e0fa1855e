"""A sum of tables: `additive` looks each feature, or pair of features, up in a table of scores and adds them up: an explainable boosting machine.

Each binning turns one feature into a bin number: 0 where it is missing, then 1, 2, … along its cuts or for its codes, and one bin more for a code
that is not listed. A term is one binning, or two; its table has a row for each bin, or for each pair of bins.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trainwright.runtime.columns import Floats, Matrix, Rows
from trainwright.runtime.step import FromParts
from trainwright.runtime.steps import checks

CUTS, CODES = 0, 1
ALONE = -1  # in the place of a term's second binning
WIDEST = 20_000  # bins of one binning
CELLS = 2**21  # bin numbers that are held at once


@dataclass(frozen=True, eq=False, kw_only=True)
class Additive(FromParts):
    """float32 (rows, features) → float64 (rows, outputs): the offset and every term's score."""

    kind: ClassVar[str] = "additive"
    binned: NDArray[np.int64]  # (binnings, 3): the feature, whether by CUTS or CODES, how many of `edges` are its own (they follow one another)
    edges: Floats  # (cuts and codes,) ascending within a binning: x is in bin k + 1 when k cuts are not above it; or codes, whole numbers
    terms: NDArray[np.int64]  # (terms, 2): one binning, and a second or ALONE
    scores: Floats  # (bins of all terms, outputs): of a pair the second binning's bins stand together
    offset: Floats  # (outputs,)
    _edges: tuple[Floats, ...] = field(init=False, repr=False)
    _widths: tuple[int, ...] = field(init=False, repr=False)
    _starts: tuple[int, ...] = field(init=False, repr=False)
    _features: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        checks.array(self.kind, "binned", self.binned, dtype=np.int64, shape=(None, 3))
        checks.array(self.kind, "edges", self.edges, dtype=np.float64, shape=(None,))
        checks.array(self.kind, "terms", self.terms, dtype=np.int64, shape=(None, 2))
        checks.array(self.kind, "offset", self.offset, dtype=np.float64, shape=(None,))
        checks.array(self.kind, "scores", self.scores, dtype=np.float64, shape=(None, len(self.offset)))
        feature, how, own = self.binned.T
        if not len(self.offset) or len(self.binned) > checks.MOST_MADE or len(self.terms) > checks.MOST_MADE:
            raise checks.refuse(self.kind, "it has no output, or too many terms")
        if (feature < 0).any() or (feature >= checks.MOST_FIELDS).any() or not np.isin(how, (CUTS, CODES)).all():
            raise checks.refuse(self.kind, "a binning names no feature, or is of no kind that there is")
        if (own < 0).any() or (own > WIDEST).any() or own.sum() != len(self.edges):
            raise checks.refuse(self.kind, "the edges are not those of the binnings")
        parts = tuple(np.split(self.edges, np.cumsum(own)[:-1])) if len(own) else ()
        if any((np.diff(part) <= 0).any() for part in parts):
            raise checks.refuse(self.kind, "edges must ascend")
        first, second = self.terms.T
        if (first < 0).any() or (second < ALONE).any() or (self.terms >= len(self.binned)).any():
            raise checks.refuse(self.kind, "a term names a binning that is not there")
        widths = [int(count) + 2 for count in own]  # missing before, and what is above the last cut or not listed after
        sizes = [widths[i] * (1 if j == ALONE else widths[j]) for i, j in self.terms.tolist()]
        if sum(sizes) != len(self.scores):
            raise checks.refuse(self.kind, f"its terms need {sum(sizes):,} scores, there are {len(self.scores):,}")
        object.__setattr__(self, "_edges", parts)
        object.__setattr__(self, "_widths", tuple(widths))
        object.__setattr__(self, "_starts", tuple(int(start) for start in np.cumsum([0, *sizes])[:-1]))
        object.__setattr__(self, "_features", int(feature.max(initial=-1)) + 1)

    @property
    def cells(self) -> int:
        return 4 * len(self.offset)  # bins are reckoned in blocks of rows

    def apply(self, matrix: Matrix) -> Floats:
        if matrix.shape[1] < self._features:
            raise ValueError("there are fewer features than the terms read")
        out = np.tile(self.offset, (len(matrix), 1))
        size = max(1, CELLS // max(1, len(self.binned)))
        for first in range(0, len(matrix), size):
            block = matrix[first : first + size]
            bins = [self._bins(block[:, int(self.binned[index, 0])], index) for index in range(len(self.binned))]
            for (one, two), start in zip(self.terms.tolist(), self._starts, strict=True):
                out[first : first + size] += self.scores[start + (bins[one] if two == ALONE else bins[one] * self._widths[two] + bins[two])]
        return out

    def _bins(self, values: NDArray[np.float32], index: int) -> Rows:
        """(rows,) the bin of each value in one binning."""
        edges, wide = self._edges[index], values.astype(np.float64)
        if self.binned[index, 1] == CUTS:
            bins = np.searchsorted(edges, wide, side="right") + 1
        else:
            place = np.minimum(np.searchsorted(edges, wide), max(0, len(edges) - 1))
            listed = edges[place] == wide if len(edges) else np.zeros(len(wide), np.bool_)
            bins = np.where(listed, place + 1, len(edges) + 1)
        return np.where(np.isnan(wide), 0, bins)

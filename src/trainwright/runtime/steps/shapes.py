"""Numbers in another shape: `clip` (limits), `bins` (which of some ranges), `interact` (products of numbers and crosses of words)."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar, cast

import numpy as np

from trainwright.runtime.columns import Coded, Column, Columns, Floats, Matrix, rows_of
from trainwright.runtime.step import FromParts
from trainwright.runtime.steps import checks
from trainwright.runtime.steps.stacking import LARGEST

Pairs = tuple[tuple[str, str], ...]
SIGN = "×"
LONGEST = 10_000  # characters of a column's name: pairs of pairs of … have words that grow as fast as their names do


@dataclass(frozen=True, eq=False, kw_only=True)
class Clip(FromParts):
    """Columns → Columns: numbers below `low` or above `high` become that; gaps stay. All other columns pass."""

    kind: ClassVar[str] = "clip"
    columns: tuple[str, ...]
    low: Floats  # (columns,)
    high: Floats  # (columns,)

    def __post_init__(self) -> None:
        checks.names(self.kind, "columns", self.columns, least=1)
        checks.array(self.kind, "low", self.low, dtype=np.float64, shape=(len(self.columns),))
        checks.array(self.kind, "high", self.high, dtype=np.float64, shape=(len(self.columns),))
        if (self.low > self.high).any():
            raise checks.refuse(self.kind, "a lower limit lies above the upper one")

    @property
    def cells(self) -> int:
        return 2 * len(self.columns)

    def apply(self, columns: Columns) -> Columns:
        out: dict[str, Column] = dict(columns)
        for name, low, high in zip(self.columns, self.low.tolist(), self.high.tolist(), strict=True):
            out[name] = np.minimum(np.maximum(cast(Floats, columns[name]), low), high)  # both keep NaN
        return out


@dataclass(frozen=True, eq=False, kw_only=True)
class Bins(FromParts):
    """Columns → float32: for each column the number of its bin, or an indicator for each bin; a value on an edge belongs to the bin above.

    A gap is −1, or the indicator of its own where `missing` says so (else zeros).
    """

    kind: ClassVar[str] = "bins"
    columns: tuple[str, ...]
    counts: tuple[int, ...]  # edges of each column
    edges: Floats  # of all columns in turn, ascending in each
    indicators: bool
    missing: tuple[bool, ...]
    _edges: tuple[Floats, ...] = field(init=False, repr=False)
    _starts: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        checks.names(self.kind, "columns", self.columns, least=1)
        checks.flags(self.kind, "missing", self.missing, self.columns)
        if not isinstance(self.counts, tuple) or len(self.counts) != len(self.columns) or not isinstance(self.indicators, bool):
            raise checks.refuse(self.kind, "there must be edges for each column")
        for count in self.counts:
            checks.whole(self.kind, "counts", count, low=1, high=10_000)
        checks.array(self.kind, "edges", self.edges, dtype=np.float64, shape=(sum(self.counts),))
        parted = tuple(np.split(self.edges, np.cumsum(self.counts)[:-1]))
        if any((np.diff(edges) <= 0).any() for edges in parted):
            raise checks.refuse(self.kind, "edges do not rise")
        widths = [count + 1 + gap if self.indicators else 1 for count, gap in zip(self.counts, self.missing, strict=True)]
        if sum(widths) > checks.MOST_FIELDS:
            raise checks.refuse(self.kind, f"{sum(widths):,} features")
        object.__setattr__(self, "_edges", parted)
        object.__setattr__(self, "_starts", tuple(int(start) for start in np.cumsum([0, *widths])))

    @property
    def cells(self) -> int:
        return self._starts[-1]

    def apply(self, columns: Columns) -> Matrix:
        rows = rows_of(columns)
        out = np.zeros((rows, self._starts[-1]), np.float32)
        row = np.arange(rows)
        for name, edges, own, (start, end) in zip(self.columns, self._edges, self.missing, pairwise(self._starts), strict=True):
            values = cast(Floats, columns[name])
            gap = np.isnan(values)
            place = np.searchsorted(edges, values, side="right")
            if not self.indicators:
                out[:, start] = np.where(gap, -1.0, place)
            else:
                there = row[~gap]
                out[there, start + place[there]] = 1.0
                if own:
                    out[row[gap], end - 1] = 1.0
        return out


@dataclass(frozen=True, eq=False, kw_only=True)
class Interact(FromParts):
    """Columns → Columns with more beside them: (a − centre of a) · (b − centre of b) of two numbers, and for two words their pair as one word.

    A gap in either is a gap in both.
    """

    kind: ClassVar[str] = "interact"
    products: Pairs
    centres: Floats  # (products, 2)
    crosses: Pairs

    def __post_init__(self) -> None:
        for pairs in (self.products, self.crosses):
            if not isinstance(pairs, tuple) or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
                raise checks.refuse(self.kind, "there must be two columns in a pair")
            if not all(isinstance(name, str) for pair in pairs for name in pair):
                raise checks.refuse(self.kind, "a pair names no column")
            if len(pairs) > checks.MOST_MADE or any(len(name) > LONGEST for pair in pairs for name in pair):
                raise checks.refuse(self.kind, "there are too many pairs, or a name is too long")
            checks.names(self.kind, "pairs", tuple(joined(*pair) for pair in pairs))
        checks.array(self.kind, "centres", self.centres, dtype=np.float64, shape=(len(self.products), 2))

    @property
    def cells(self) -> int:
        return 2 * len(self.products) + 6 * len(self.crosses)  # a pair of words is a number before it is a code

    def apply(self, columns: Columns) -> Columns:
        out: dict[str, Column] = dict(columns)
        for (a, b), (centre_a, centre_b) in zip(self.products, self.centres.tolist(), strict=True):
            with np.errstate(over="ignore"):
                product = (cast(Floats, columns[a]) - centre_a) * (cast(Floats, columns[b]) - centre_b)
            out[joined(a, b)] = np.minimum(np.maximum(product, -LARGEST), LARGEST)
        for a, b in self.crosses:
            out[joined(a, b)] = crossed(cast(Coded, columns[a]), cast(Coded, columns[b]))
        return out


def joined(a: str, b: str) -> str:
    """The name of a pair; different pairs have different names."""
    return f"{a.replace(SIGN, 2 * SIGN)} {SIGN} {b.replace(SIGN, 2 * SIGN)}"


def crossed(a: Coded, b: Coded) -> Coded:
    """The pairs of words that occur, as words of their own."""
    both = (a.codes >= 0) & (b.codes >= 0)
    number = a.codes[both].astype(np.int64) * len(b.vocabulary) + b.codes[both]
    found, inverse = np.unique(number, return_inverse=True)
    words = [joined(a.vocabulary[int(n) // len(b.vocabulary)], b.vocabulary[int(n) % len(b.vocabulary)]) for n in found.tolist()]
    codes = np.full(len(a.codes), -1, np.int32)
    codes[both] = inverse
    return Coded(codes, words)

"""What fitting a transform gives: the very step that the runtime will apply, the matrix that it makes of the training rows, the features' names.

Each transform is one file with `fit(columns, schemas, y, rng) -> Fit | None`; None when none of its columns can tell rows apart.
All are fitted on the rows given, which are training rows, and emit float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from trainwright.features.feature import Feature
from trainwright.runtime.columns import Coded, Columns, Floats, Matrix
from trainwright.runtime.step import Step
from trainwright.runtime.steps.stacking import LARGEST, stacked

BLOCK = 4_000_000  # cells that statistics look at together
FAR = 4096.0  # a median so many spreads away from 0 uses up half of the digits of float32
RARE = 10  # a category in fewer training rows than this is "other": too few to learn from, and nobody's row ships


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    step: Step
    matrix: Matrix
    features: tuple[Feature, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Summary:
    """Of each number column: how many rows have a value, the middle one, the mean, the smallest and the largest (NaN when there is none)."""

    known: NDArray[np.int64]
    median: NDArray[np.float64]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    shift: NDArray[np.float64]  # what must be taken off before float32, lest its digits do not reach to where values differ; mostly 0


def summarise(columns: Columns, names: Sequence[str]) -> Summary:
    """Summaries of all named number columns, in blocks so that 10,000 columns cost neither a Python loop over rows nor a second copy of all."""
    parts = [_summary(block) for block in _blocks(columns, names)]
    if not parts:
        return Summary(np.empty(0, np.int64), *(np.empty(0) for _ in range(5)))
    return Summary(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("known", "median", "mean", "low", "high", "shift")))


def _blocks(columns: Columns, names: Sequence[str]) -> Iterator[Floats]:
    if not names:
        return
    size = max(1, BLOCK // max(1, len(columns[names[0]])))
    for start in range(0, len(names), size):
        yield stacked(columns, names[start : start + size])


def _summary(block: Floats) -> Summary:
    known = np.count_nonzero(~np.isnan(block), axis=1)
    ordered = np.sort(block, axis=1)  # NaN sorts to the end
    row, last = np.arange(len(block)), np.maximum(known - 1, 0)
    if block.shape[1] == 0:
        empty = np.full(len(block), np.nan)
        return Summary(known, empty, empty, empty, empty, np.zeros(len(block)))
    median = 0.5 * ordered[row, last // 2] + 0.5 * ordered[row, (last + 1) // 2]
    mean = np.where(known > 0, np.nansum(ordered, axis=1) / np.maximum(known, 1), np.nan)
    low, high = ordered[:, 0], ordered[row, last]
    middle_half = ordered[row, 3 * last // 4] - ordered[row, last // 4]
    spread = np.where(middle_half > 0, middle_half, high - low)
    return Summary(known, median, mean, low, high, np.where(np.abs(median) > FAR * spread, median, 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """A column of words as training saw it: the words of at least RARE rows, most frequent first (ties by the word), and the rest."""

    words: tuple[str, ...]
    rows: tuple[int, ...]  # of each word
    rare: int  # rows whose word is rarer
    missing: int


def count(column: Coded, *, least: int = RARE) -> Counted:
    codes = column.codes
    missing = int(np.count_nonzero(codes < 0))
    counts = np.bincount(codes[codes >= 0] if missing else codes, minlength=len(column.vocabulary))
    kept = [(-int(counts[code]), column.vocabulary[code]) for code in np.flatnonzero(counts >= max(1, least)).tolist()]
    kept.sort()
    rare = len(codes) - missing + sum(number for number, _ in kept)
    return Counted(tuple(str(word) for _, word in kept), tuple(-number for number, _ in kept), rare, missing)


def words(columns: Columns, name: str) -> Coded:
    return cast(Coded, columns[name])


def known_numbers(columns: Columns, name: str) -> Floats:
    """The values that there are, within the range of float32."""
    values = cast(Floats, columns[name])
    return np.clip(values[~np.isnan(values)], -LARGEST, LARGEST)

"""Measures that the checks share: intervals for shares, association, distance between two samples, fingerprints of rows.

In arrays, out numbers; nothing here knows of datasets. Each is compared with another library's value in the tests.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainwright.runtime.columns import Coded, Codes, Column, Floats, Rows

Z95 = 1.959963984540054
U64 = NDArray[np.uint64]


def wilson(events: float, n: float, z: float = Z95) -> tuple[float, float]:
    """The score interval of a share, `events` of `n` > 0. Source: Wilson (1927), JASA 22, 209-212."""
    p = events / n
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return (max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale))


def newcombe(events: float, n: float, events_rest: float, n_rest: float, z: float = Z95) -> tuple[float, float, float]:
    """The difference of two independent shares and its interval. Source: Newcombe (1998), Stat. in Medicine 17, 873-890: method 10."""
    p, q = events / n, events_rest / n_rest
    (low, high), (low_rest, high_rest) = wilson(events, n, z), wilson(events_rest, n_rest, z)
    difference = p - q
    return (
        difference,
        difference - math.sqrt((p - low) ** 2 + (high_rest - q) ** 2),
        difference + math.sqrt((high - p) ** 2 + (q - low_rest) ** 2),
    )


def normal_tail(z: float) -> float:
    """P(|Z| > z) for a standard normal Z."""
    return math.erfc(abs(z) / math.sqrt(2.0))


def normal_quantile(p_two_sided: float) -> float:
    """The z with P(|Z| > z) = p, by bisection: for intervals corrected for many comparisons."""
    low, high = 0.0, 40.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if normal_tail(middle) > p_two_sided else (low, middle)
    return (low + high) / 2


def contingency(a: Codes, b: Codes, size_a: int, size_b: int) -> NDArray[np.int64]:
    """(size_a, size_b) how many rows have each pair of codes; codes are not negative."""
    return np.bincount(a.astype(np.int64) * size_b + b, minlength=size_a * size_b).reshape(size_a, size_b)


def cramers_v(table: NDArray[Any]) -> float:
    """Association of two categories, 0 to 1, corrected for the bias of small counts. NaN when one side has a single value.

    Source: Bergsma (2013), J. Korean Statistical Society 42, 323-328.
    """
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0].astype(np.float64)
    n, (rows, columns) = table.sum(), table.shape
    if rows < 2 or columns < 2 or n < 2:
        return math.nan
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    phi2 = max(0.0, float(((table - expected) ** 2 / expected).sum() / n) - (rows - 1) * (columns - 1) / (n - 1))
    r, c = rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)
    smaller = min(r, c) - 1
    return min(1.0, math.sqrt(phi2 / smaller)) if smaller > 0 else math.nan


def correlations(matrix: Floats) -> tuple[Floats, Floats]:
    """Pearson's r of every pair of columns over the rows where both have a value, and the number of those rows.

    Takes (rows, columns) with NaN for missing; gives two (columns, columns) arrays, r NaN where a side does not vary.
    """
    with np.errstate(all="ignore"):
        present = np.isfinite(matrix)
        count = np.maximum(present.sum(axis=0), 1)
        filled = np.where(present, matrix, 0.0)
        filled = np.where(present, filled - filled.sum(axis=0) / count, 0.0)
        scale = np.sqrt((filled**2).sum(axis=0) / count)
        filled /= np.where(scale > 0, scale, 1.0)
        if present.all():
            n = np.full((matrix.shape[1],) * 2, float(len(matrix)))
            r = filled.T @ filled / n
            r[scale == 0] = np.nan
            r[:, scale == 0] = np.nan
            return r, n
        mask = present.astype(np.float64)
        n = mask.T @ mask
        sums, squares = filled.T @ mask, (filled**2).T @ mask  # [i, j]: of column i over the rows where j is present
        cover = filled.T @ filled - sums * sums.T / n
        spread = squares - sums**2 / n
        spread[spread <= 1e-12 * np.maximum(n, 1)] = np.nan
        return cover / np.sqrt(spread * spread.T), n


def kolmogorov(a: Floats, b: Floats) -> tuple[float, float]:
    """The largest distance between two empirical distributions, and its asymptotic two-sided p-value. Both finite and not empty.

    Source: Smirnov (1948), Annals of Mathematical Statistics 19(2), 279-281; Stephens' correction for smaller samples.
    """
    a, b = np.sort(a), np.sort(b)
    everything = np.concatenate([a, b])
    distance = float(np.abs(np.searchsorted(a, everything, side="right") / len(a) - np.searchsorted(b, everything, side="right") / len(b)).max())
    root = math.sqrt(len(a) * len(b) / (len(a) + len(b)))
    scaled = (root + 0.12 + 0.11 / root) * distance
    terms = [2 * (-1) ** (k - 1) * math.exp(-2 * k * k * scaled * scaled) for k in range(1, 101)] if scaled > 0.2 else [1.0]
    return distance, min(1.0, max(0.0, sum(terms)))


def chi_squared_tail(value: float, freedom: int) -> float:
    """P(chi-squared > value), by Wilson and Hilferty's cube root (1931), PNAS 17, 684-688: good to a few per cent of p."""
    if freedom < 1 or value <= 0:
        return 1.0
    z = ((value / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))
    return 0.5 * math.erfc(z / math.sqrt(2.0))


def skewness(values: Floats) -> float:
    """The third standardised moment; 0 when nothing varies."""
    spread = values.std()
    return float((((values - values.mean()) / spread) ** 3).mean()) if spread > 0 else 0.0


def mixed(bits: U64) -> U64:
    """Every bit of the input moves every bit of the output. Source: Steele, Lea & Flood (2014), OOPSLA: splitmix64."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


def all_differ(prints: U64) -> bool:
    """Whether no number stands twice. By hashing: sorting a million numbers takes several times as long."""
    import polars as pl

    return int(pl.Series(prints).n_unique()) == len(prints)


def fingerprints(columns: Iterable[Column], rows: Rows, before: U64 | None = None) -> U64:
    """(rows,) one number of 64 bits for each row: equal for equal rows, else different but for one chance in 10^19 a pair.

    With `before`, the fingerprints of these rows' other columns, these columns are added to them.
    """
    total: U64 = np.full(len(rows), 0x9E3779B97F4A7C15, dtype=np.uint64) if before is None else before
    for column in columns:
        if isinstance(column, Coded):
            bits = column.codes[rows].astype(np.int64).view(np.uint64)
        else:
            values = column[rows] + 0.0  # -0.0 becomes 0.0
            values[np.isnan(values)] = np.nan  # all NaN get the same bits
            bits = values.view(np.uint64)
        total = mixed(total * np.uint64(0x9E3779B97F4A7C15) + mixed(bits + np.uint64(0x9E3779B97F4A7C15)))
    return total

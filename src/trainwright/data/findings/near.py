"""Rows that are nearly copies: equal up to small changes of numbers, or to a few cells (TW180). Warns. Such pairs on
both sides of a given split are looked for by the same search, in `across.py`.

In       the features of open rows; exact copies are left to TW120.
Out      how many pairs, the rows, and how many of the pairs stand in different folds.
How      candidates come from bands of columns (two rows that differ in few cells are equal in some band), with numbers cut into coarse cells
         of two offsets, and neighbours in each sorted band are compared (Hernandez & Stolfo 1995, SIGMOD: sorted neighbourhoods). The
         distance of two rows is the mean difference of their cells, the few most different ones left aside.
Chance   in a coarse table near rows are the rule. A pair counts only if it is nearer than chance allows at this very place: with the
         distance r to the nearest of a sample of M other rows, one expects n/M (d/r)^m of n rows within d, where m is the table's intrinsic
         dimension (from ratios of distances to the nearest rows, after Facco et al. 2017, Scientific Reports 7:12140).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainwright.data.findings.interface import Check, Found, Subject, count, share
from trainwright.data.findings.measures import fingerprints
from trainwright.record.seeds import rng_for
from trainwright.runtime.columns import Coded, Column, Floats, Rows

BANDS = 4
CELL = 0.25  # of a number's 25-75 % range: the width of the cells in which numbers count as equal for the search
COLUMNS = 200  # that take part, drawn by the seed
WITHIN = 3  # neighbours in a sorted band that are compared
MOST_PAIRS = 200_000  # that are measured
JUDGED = 600  # pairs that are judged against chance; the rest by the same bound
AROUND = 500  # other rows that say how near rows are by chance
NEAR = 0.05  # the largest distance of a pair that is told, in 25-75 % ranges (or different cells) for each column
EXPECTED = 0.01  # pairs by chance, in all
GAPS = 0.3  # the share of gaps of a row that is compared: rows of gaps are alike, but no copies
LONG = 200_000  # rows beyond which one offset of the coarse cells must do
STEP = 20_000  # pairs that are measured at a time
LEAST_ROWS = 100
LEAST_COLUMNS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """Rows in one unit: numbers divided by their spread, words as numbers of their own. (rows, columns)"""

    values: NDArray[np.float32]  # NaN where missing
    words: NDArray[np.bool_]  # (columns,) whether a column holds words (or numbers of few values): equal or not, nothing between
    aside: int  # cells of a pair that are left aside
    floor: float  # differences below this mean nothing: half of the least step between cells, and what is left aside of words

    def apart(self, a: Rows, b: Rows) -> NDArray[np.float32]:
        """(pairs, columns) how different the cells of two rows are, 0 to 1."""
        x, y = self.values[a], self.values[b]
        gone_x, gone_y = np.isnan(x), np.isnan(y)
        apart = np.minimum(np.abs(x - y), 1.0)
        apart[:, self.words] = (x != y)[:, self.words]
        apart[gone_x & gone_y] = 0.0
        apart[gone_x ^ gone_y] = 1.0
        return np.asarray(apart, dtype=np.float32)

    def distance(self, a: Rows, b: Rows) -> Floats:
        """(pairs,) the mean difference of two rows over all columns but the `aside` most different ones."""
        apart = self.apart(a, b)
        kept = apart.shape[1] - self.aside
        return np.asarray(np.partition(apart, kept - 1, axis=1)[:, :kept].mean(axis=1), dtype=np.float64)


def cells_of(subject: Subject, chosen: list[str], rows: Rows) -> Cells:
    values = np.empty((len(rows), len(chosen)), dtype=np.float32, order="F")  # filled, and cut into cells, column by column
    words = np.zeros(len(chosen), dtype=bool)
    steps = np.zeros(len(chosen))  # the least difference of two cells
    for place, name in enumerate(chosen):
        column = subject.column(name, rows)
        if isinstance(column, Coded):
            values[:, place] = np.where(column.codes < 0, np.nan, column.codes)
            words[place], steps[place] = True, 1.0
            continue
        finite = np.isfinite(column)
        some = column if finite.all() else column[finite]
        (middle, spread), different = _middle_and_spread(some), _different(some[:2_000])
        words[place] = spread == 0 or len(np.unique(some[:2_000])) <= 2
        steps[place] = 1.0 if words[place] else min(1.0, float(np.median(np.diff(different))) / spread)
        scaled = column if words[place] else (column - middle) / spread
        values[:, place] = scaled if some is column else np.where(finite, scaled, np.nan)
    aside = max(1, len(chosen) // 8)
    kept = len(chosen) - aside
    floor = 0.5 * float(steps.mean()) + aside * float(words.mean()) / kept + 1e-4  # a cell of words left aside is a difference unseen
    return Cells(values, words, aside, floor)


def _different(values: Floats) -> Floats:
    """The distinct values; where most rows share theirs with others, those that repeat: a few finer ones do not make a coarse column fine."""
    different, times = np.unique(values, return_counts=True)
    repeat = times > 1
    return different[repeat] if 2 * times[repeat].sum() > len(values) and repeat.sum() > 1 else different


def _middle_and_spread(values: Floats) -> tuple[float, float]:
    """Median and 25-75 % range of about 20,000 of the values; the standard deviation where that range is 0."""
    low, middle, high = np.quantile(values[:: max(1, len(values) // 20_000)], [0.25, 0.5, 0.75]) if len(values) else (0.0, 0.0, 0.0)
    return float(middle), float(high - low) or float(values.std() if len(values) else 0.0)


def candidates(cells: Cells, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Pairs of positions that are equal in some band of columns, each pair once; at most MOST_PAIRS, those of most bands."""
    n, columns = cells.values.shape
    order, ties = rng.permutation(columns), rng.permutation(n)
    found: list[Rows] = []
    for offset in (0.0, 0.5) if n <= LONG else (0.0,):
        keys = []
        for band in np.array_split(order, min(BANDS, columns)):
            total = np.zeros(n, dtype=np.uint64)
            for place in band.tolist():
                x = cells.values[:, place]
                cell = x if cells.words[place] else np.floor(x / CELL + offset)
                bits = np.nan_to_num(cell, nan=-1e9, posinf=1e9, neginf=-1e9).astype(np.int64).view(np.uint64)
                total = (total ^ bits) * np.uint64(0x9E3779B97F4A7C15)
                total ^= total >> np.uint64(29)
            keys.append(total)
        for place, key in enumerate(keys):
            by = _repeated(key)  # a row whose key nobody else has is in no pair
            following = [keys[(place + step) % len(keys)][by] for step in range(len(keys))]  # equal but for the last: next to each other
            by = by[np.lexsort((ties[by], *reversed(following)))]
            for step in range(1, WITHIN + 1):
                a, b = by[:-step], by[step:]
                same = key[a] == key[b]
                found.append(np.minimum(a, b)[same] * n + np.maximum(a, b)[same])
    pairs, times = np.unique(np.concatenate(found), return_counts=True) if found else (np.empty(0, np.int64), np.empty(0, np.int64))
    if len(pairs) > MOST_PAIRS:  # those that are equal in most bands; among equals by chance
        mixed = rng.permutation(len(pairs))
        pairs = np.sort(pairs[mixed[np.argsort(-times[mixed], kind="stable")[:MOST_PAIRS]]])
    return pairs // n, pairs % n


def _repeated(keys: NDArray[np.uint64]) -> Rows:
    """The places, ascending, of keys that stand more than once. By hashing: sorting a million keys takes many times as long."""
    import polars as pl

    return np.flatnonzero(pl.Series(keys).is_duplicated().to_numpy())


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Near copies: row numbers of the source, the nearest first; and whether the search had to leave candidates out."""

    first: Rows
    second: Rows
    cut: bool


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """Rows of which no two are equal, and the pairs of them that the search brought together, as positions."""

    kinds: Rows  # row numbers of the source
    cells: Cells
    a: Rows
    b: Rows
    rng: np.random.Generator


def measured(subject: Subject, rows: Rows, purpose: str) -> Measured | None:
    """The candidates among `rows`, one row of each kind; None where there is nothing to compare."""
    chosen = [name for name in subject.features if subject.kinds[name] != "constant"]
    rng = rng_for(subject.seed, "findings", "near copies", purpose)
    if len(chosen) > COLUMNS:
        chosen = sorted(rng.choice(chosen, COLUMNS, replace=False).tolist())
    columns: list[Column] = [subject.dataset.table.columns[name] for name in subject.features]
    if len(chosen) < LEAST_COLUMNS or len(rows) < LEAST_ROWS:
        return None
    kinds = rows
    if rows is not subject.open or not subject.all_differ:
        prints = subject.prints if rows is subject.open else fingerprints(columns, rows)
        _, first = np.unique(prints, return_index=True)
        kinds = rows[np.sort(first)]  # one row of each kind
    if len(kinds) < LEAST_ROWS:
        return None
    cells = cells_of(subject, chosen, kinds)
    filled = np.isnan(cells.values).mean(axis=1) <= GAPS
    if filled.sum() < LEAST_ROWS:
        return None
    if not filled.all():
        kinds, cells = kinds[filled], replace(cells, values=np.asfortranarray(cells.values[filled]))
    a, b = candidates(cells, rng)
    return Measured(kinds, cells, a, b, rng) if len(a) else None


def near_pairs(seen: Measured | None) -> Pairs:
    """Pairs that are nearer than chance allows."""
    if seen is None:
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64), False)
    cells, a, b = seen.cells, seen.a, seen.b
    distance = np.concatenate([cells.distance(a[start : start + STEP], b[start : start + STEP]) for start in range(0, len(a), STEP)])
    close = np.flatnonzero(distance <= NEAR)
    close = close[np.argsort(distance[close], kind="stable")]
    close = close[_clear(cells, a[close], b[close], distance[close], seen.rng)]
    return Pairs(seen.kinds[a[close]], seen.kinds[b[close]], len(a) >= MOST_PAIRS)


def _clear(cells: Cells, a: Rows, b: Rows, distance: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(pairs,) which pairs, the nearest first, are nearer than chance allows. Beyond JUDGED, as the share of a sample of them."""
    n = len(cells.values)
    around = rng.choice(n, min(AROUND, n), replace=False)
    m = dimension(cells, around)
    judged = np.arange(len(a)) if len(a) <= JUDGED else np.sort(rng.choice(len(a), JUDGED, replace=False))
    clear = np.zeros(len(a), dtype=bool)
    usual = np.empty(len(judged))
    for place, pair in enumerate(judged.tolist()):
        others = around[(around != a[pair]) & (around != b[pair])]
        usual[place] = cells.distance(np.full(len(others), a[pair]), others).min()
    expected = n / len(around) * ((distance[judged] + cells.floor) / (usual + cells.floor)) ** m
    clear[judged] = expected * n < EXPECTED
    if len(judged) < len(a) and clear[judged].mean() > 0.9:  # nearly all of the sample: then the others as well, each as near as these
        clear[:] = True
        clear[judged] = expected * n < EXPECTED
    return clear


def dimension(cells: Cells, places: Rows) -> float:
    """The intrinsic dimension around some rows: how fast the number of rows grows with distance. At least 2."""
    ratios = []
    for row in places[:300].tolist():
        others = places[places != row]
        near = np.sort(np.partition(cells.distance(np.full(len(others), row), others), 2)[:3]) + cells.floor
        ratios.append(np.log(near[2] / near[1]))  # exponential with the rate 2 m; the nearest may be a copy, and is left out
    kept = int(0.9 * len(ratios))
    ordered = np.sort(ratios)
    total = float(ordered[:kept].sum() + (len(ratios) - kept) * ordered[kept - 1])  # the largest tenth counted as "at least so large"
    return float(np.clip(kept / (2 * total) if total > 0 else 50.0, 2.0, 50.0))


def near_copies(subject: Subject) -> Iterable[Found]:
    """TW180: near copies among the open rows, and how many of the pairs the folds part."""
    pairs = near_pairs(measured(subject, subject.open, "open"))
    if len(pairs.first) == 0:
        return
    parted = parted_by_folds(subject, pairs)
    later = np.unique(np.maximum(pairs.first, pairs.second))
    yield Found(
        where=f"rows {_said(pairs)}",
        what=f"{count(len(later), 'row is/rows are')} nearly a copy of another ({share(len(later), len(subject.open))}), in "
        f"{count(len(pairs.first), 'pair')}: equal but for small differences or a few cells, and nearer than chance allows"
        + (f"; {count(parted, 'pair')} {'is' if parted == 1 else 'are'} parted by the folds" if parted else "")
        + (f"; the search was cut at {MOST_PAIRS:,} pairs" if pairs.cut else ""),
        fix="if they are records of one case, keep one of them (accept this finding's proposal) or name what they share: --split group:COL",
        figures={
            "pairs": len(pairs.first),
            "rows": len(later),
            "parted": parted,
            "examples": [[int(a), int(b)] for a, b in zip(pairs.first[:100], pairs.second[:100], strict=True)],
        },
        proposes=({"do": "drop rows", "rows": later.tolist(), "of": subject.dataset.table.source.digest},),
    )


def _said(pairs: Pairs) -> str:
    both = [f"{a} and {b}" for a, b in zip(pairs.first[:5].tolist(), pairs.second[:5].tolist(), strict=True)]
    return ", ".join(both) + (", …" if len(pairs.first) > 5 else "")


def parted_by_folds(subject: Subject, pairs: Pairs) -> int:
    """How many pairs have one row in a fold's test and the other in its training rows, in the first repetition."""
    splits = subject.dataset.splits
    folds = splits.folds[: max(1, len(splits.folds) // max(1, splits.repeats))]
    tests = np.full(subject.dataset.table.rows, -1, dtype=np.int64)
    for number, fold in enumerate(folds):
        tests[fold.test] = number
    if not folds or splits.how.startswith("time"):
        return 0
    return int((tests[pairs.first] != tests[pairs.second]).sum())


CHECKS = (
    Check(
        "TW180",
        "Rows that are nearly copies",
        False,
        "a model is asked about a row of which it has learned the copy, and the score is flattered; copies also count twice",
        False,
        near_copies,
    ),
)

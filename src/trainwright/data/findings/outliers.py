"""Values and rows far out: numbers beyond even a heavy tail (TW189), rows unlike all others (TW190), numbers that stand for "missing" (TW191).

In       the number features of open rows. All warn.
Out      how many, in which rows, and a cap for TW189 (its ends are rounded outwards; no cell value is told).
How      a value is far out when a gap parts it from the others that no tail explains. Let d1 >= d2 >= ... be the distances from the
         median on one side. If the tail is like a power, or lighter, j * (log dj - log dj+1) has at most the mean of the spacings further
         in (Renyi's representation; the mean is Hill's estimate, Hill 1975, Annals of Statistics 3(5), 1163-1174), and its chance is
         known. So incomes and waiting times, however long their tails, are no outliers; 9999 in a column of ages is.
         A row is judged by the same test, on its distance from the middle in all numbers at once: Mahalanobis, with the covariance
         shrunk after Ledoit & Wolf (2004), J. Multivariate Analysis 88, 365-411, each number taken in at its own ends before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainwright.data.findings.interface import SAMPLE, Check, Found, Subject, count, figure, names, sampled, share
from trainwright.runtime.columns import Coded, Floats, Rows

CHANCE = 1e-3  # of one false alarm about rows in a whole table
CHANCE_VALUES = 0.01  # the same about values, for all columns together
FAR_PART = 0.01  # the share of rows that may be far out; more are a group of their own
FAR_LEAST = 5  # but so many at least may be
TIMES = 1.5  # as far from the median as the next: in columns of few digits every gap is wide for chance, and few matter
TAIL_PART = 0.02  # of the rows, by which the tail is judged: further in the spacings are wider where a tail is lighter than a power …
TAIL_LEAST, TAIL_MOST = 20, 2_000  # … within these bounds
DISTINCT = 20  # numbers of fewer distinct values are codes or counts, not measures
ROW_COLUMNS = 200  # numbers that take part in the distance of a row
SENTINELS = frozenset([0.0, *(sign * (10.0**n - 1) for n in range(1, 10) for sign in (1, -1)), -1.0])


@dataclass(frozen=True, slots=True)
class Tail:
    """What lies far out on one side of a column: `far` values, `times` as far from the median as the next one, by `chance`."""

    far: int
    chance: float
    times: float
    nearest: float  # distance from the median of the outermost value that is not far out


NO_TAIL = Tail(0, 1.0, 1.0, math.nan)


def far_out(distances: Floats, rows: int) -> Tail:
    """Where in the largest `distances` (any order, > 0 counts) a gap is too wide to be a tail's.

    Takes  distances from the middle, of which only the largest TAIL_MOST + FAR_PART * rows matter; `rows` of the column.
    """
    positive = np.sort(distances[distances > 0])[::-1]
    most_far = min(max(FAR_LEAST, int(FAR_PART * rows)), len(positive) // 4)
    k = int(min(max(TAIL_LEAST, TAIL_PART * rows), TAIL_MOST, len(positive) // 2))
    if k < TAIL_LEAST or most_far < 1 or len(positive) <= most_far + k:
        return NO_TAIL
    logs = np.log(positive[: most_far + k + 1])
    spacings = np.arange(1, len(logs)) * (logs[:-1] - logs[1:])  # of rank 1, 2, …: alike in the mean if the tail is a power
    total = np.concatenate([[0.0], np.cumsum(spacings)])
    inside = (total[1 + k : 1 + k + most_far] - total[1 : 1 + most_far]) / k  # mean of the k spacings further in than each
    z = spacings[:most_far] / np.maximum(inside, 1e-12)
    rank = np.arange(1, most_far + 1)
    chance = np.exp(-k * np.log1p(z / k)) * rank * (rank + 1)  # F with 2 and 2k degrees of freedom; all gaps together: 1/2 + 1/6 + … = 1
    chance[logs[:most_far] - logs[1 : most_far + 1] < np.log(TIMES)] = 1.0
    best = int(chance.argmin())
    if chance[best] >= 1.0:
        return NO_TAIL
    return Tail(best + 1, float(chance[best]), float(positive[best] / positive[best + 1]), float(positive[best + 1]))


def _outermost(column: Floats) -> tuple[float, Floats, Floats, int]:
    """Median, the largest distances below it, the largest above it, and the finite rows. Without sorting the whole column."""
    values = column[np.isfinite(column)]
    n = len(values)
    reach = min(
        n // 2,
        FAR_LEAST + int(FAR_PART * n) + TAIL_MOST + 2 + int(TAIL_LEAST + TAIL_PART * n)
        if n < 50_000
        else FAR_LEAST + int(FAR_PART * n) + TAIL_MOST + 2,
    )
    if n < 2 * TAIL_LEAST or reach < 1:
        return math.nan, np.empty(0), np.empty(0), n
    parted = np.partition(values, [reach, n // 2, n - reach])
    middle = float(parted[n // 2])
    return middle, middle - parted[:reach], parted[n - reach :] - middle, n


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """The two tails of one number feature, and the number that seems to stand for "missing" (None when none)."""

    middle: float
    low: Tail
    high: Tail
    stands_for_missing: float | None
    rows: int


def columns(subject: Subject) -> dict[str, Column]:
    """Each number feature that is measured rather than counted out in a few values; worked out once."""
    return subject.once("tails", lambda: _columns(subject))


def _columns(subject: Subject) -> dict[str, Column]:
    result = {}
    for name in subject.numbers:
        if subject.kinds[name] != "number" or subject.described[name].distinct < DISTINCT:
            continue
        column = subject.column(name, subject.open)
        assert not isinstance(column, Coded)
        middle, below, above, n = _outermost(column)
        if len(below) == 0:
            continue
        code = sentinel(middle, below, above)
        if code is not None:  # set aside, then the rest is judged
            below, above = below[middle - below != code], above[middle + above != code]
        result[name] = Column(middle, far_out(below, n), far_out(above, n), code, n)
    return result


def sentinel(middle: float, below: Floats, above: Floats) -> float | None:
    """The outermost number, if it is one by which people write "unknown" (0, -1, 9, 99, 999 …), repeats, and stands apart from all others.

    Apart: by half the width of all others; for -1, by being the only negative among at least 20 different numbers.
    """
    for side, code in ((below, middle - below.max()), (above, middle + above.max())):
        if code not in SENTINELS or code == middle:
            continue
        pile = int((side == side.max()).sum())
        others = np.unique(side[side < side.max()])
        opposite = float((above if side is below else below).max())
        if pile < 5 or len(others) < DISTINCT // 2:
            continue
        gap, width = float(side.max() - others[-1]), float(others[-1]) + opposite
        if gap >= 0.5 * width or (code == -1.0 and side is below and middle - others[-1] >= 0 and len(others) >= DISTINCT and gap > 0):
            return float(code)
    return None


def _place(subject: Subject, name: str, column: Column) -> NDArray[np.bool_]:
    """(open,) which rows are far out in a column."""
    values = subject.column(name, subject.open)
    assert not isinstance(values, Coded)
    outside = np.zeros(len(values), dtype=bool)
    if column.low.chance < _chance(subject):
        outside |= values < column.middle - column.low.nearest * (1 + 1e-12)
    if column.high.chance < _chance(subject):
        outside |= values > column.middle + column.high.nearest * (1 + 1e-12)
    if column.stands_for_missing is not None:
        outside &= values != column.stands_for_missing
    return outside


def _chance(subject: Subject) -> float:
    """The chance below which a tail is told: there are two of each column."""
    return CHANCE_VALUES / (2 * max(1, len(columns(subject))))


def values_far_out(subject: Subject) -> Iterable[Found]:
    """TW189: numbers beyond even a heavy tail. One finding, with a cap for each column."""
    told: dict[str, tuple[Rows, Tail, Tail]] = {}
    caps = []
    for name, column in columns(subject).items():
        low, high = (tail if tail.chance < _chance(subject) else NO_TAIL for tail in (column.low, column.high))
        if not low.far and not high.far:
            continue
        rows = subject.open[_place(subject, name, column)]
        told[name] = (rows, low, high)
        caps.append({"do": "cap", "column": name} | _cap(column.middle, low, high))
    if not told:
        return
    ranked = sorted(told, key=lambda name: (-max(told[name][1].times, told[name][2].times), name))
    everything = np.unique(np.concatenate([rows for rows, _, _ in told.values()]))
    yield Found(
        where=names(ranked),
        what=f"{count(len(everything), 'row has/rows have')} numbers that no tail explains, in {count(len(ranked), 'column')}: "
        + ", ".join(
            f"{name} {count(len(told[name][0]), 'row')}, {max(told[name][1].times, told[name][2].times):.2g} times as far from the median as the next"
            for name in ranked[:5]
        ),
        fix="look at these rows: a wrong unit or a slipped decimal point is mended in the file; else accept the caps that this finding proposes",
        columns=tuple(ranked),
        figures={
            name: {"rows": told[name][0][:100].tolist(), "count": len(told[name][0]), "below": told[name][1].far, "above": told[name][2].far}
            for name in ranked
        },
        proposes=tuple(sorted(caps, key=lambda cap: ranked.index(cap["column"]))),
    )


def _cap(middle: float, low: Tail, high: Tail) -> dict[str, float]:
    """The ends, rounded outwards to two digits of the distance from the median: they lie in the gap, or where the gap is narrow at its edge."""
    ends = {}
    for key, tail, sign in (("low", low, -1.0), ("high", high, 1.0)):
        if tail.far:
            step = 10.0 ** (math.floor(math.log10(tail.nearest)) - 1)
            end = (math.floor if sign < 0 else math.ceil)((middle + sign * tail.nearest) / step) * step
            ends[key] = float(f"{end:.12g}")
    return ends


def missing_written_as_number(subject: Subject) -> Iterable[Found]:
    """TW191: an outermost, repeated 0, -1, 99, 999 … apart from all other numbers of its column."""
    told = {}
    for name, column in columns(subject).items():
        if column.stands_for_missing is not None:
            values = subject.column(name, subject.open)
            assert not isinstance(values, Coded)
            told[name] = subject.open[values == column.stands_for_missing]
    if told:
        ranked = sorted(told, key=lambda name: (-len(told[name]), name))
        yield Found(
            where=names(ranked),
            what="a number at the end of the column, apart from all others, of a kind that stands for 'unknown' (0, -1, 99, 999 …), repeats in "
            + ", ".join(f"{name} ({count(len(told[name]), 'row')}, {share(len(told[name]), len(subject.open))})" for name in ranked[:5]),
            fix="if it means that nothing is known, leave these cells empty in the file; gaps are filled and marked",
            columns=tuple(ranked),
            figures={name: {"count": len(told[name]), "rows": told[name][:100].tolist()} for name in ranked},
        )


def unusual_rows(subject: Subject) -> Iterable[Found]:
    """TW190: rows whose numbers do not go together, though each may be usual by itself."""
    rows = subject.sample(subject.open, SAMPLE, "unusual rows")
    chosen = list(columns(subject))[:ROW_COLUMNS]
    if len(chosen) < 2 or len(rows) < max(200, 10 * len(chosen)):
        return
    distance = row_distances(np.column_stack([np.asarray(subject.column(name, rows)) for name in chosen]))
    tail = far_out(distance, len(rows))
    if tail.chance >= CHANCE:
        return
    order = np.argsort(-distance, kind="stable")[: tail.far]
    found, times = rows[order], float(distance.max()) / tail.nearest
    yield Found(
        where=f"rows {names([str(row) for row in found[:100].tolist()], 5)}",
        what=f"{count(tail.far, 'row')} of {len(rows):,} {'stands' if tail.far == 1 else 'stand'} apart from all others when "
        f"{len(chosen)} numbers are looked at together, the furthest {times:.2g} times as far from the middle as the next"
        + sampled(len(rows), len(subject.open)),
        fix="look at these rows: numbers that do not go together are often exchanged columns, a wrong unit, or another kind of case",
        figures={"rows": found[:100].tolist(), "count": tail.far, "columns": len(chosen), "chance": figure(tail.chance)},
    )


def row_distances(matrix: Floats) -> Floats:
    """(rows,) Mahalanobis distance of each row from the middle; gaps count as the median.

    Each number is first brought to the median 0 and its 5-95 % range 1, and taken in at 0.5 and 99.5 %, so that one far number (TW189)
    does not make a row unusual and does not stretch the covariance.
    """
    low, quarter, middle, three, high = np.nanquantile(matrix, [0.005, 0.05, 0.5, 0.95, 0.995], axis=0)
    width = three - quarter
    used = width > 0
    matrix = np.where(np.isfinite(matrix), matrix, middle)[:, used]
    matrix = (np.clip(matrix, low[used], high[used]) - middle[used]) / width[used]
    if matrix.shape[1] < 2:
        return np.zeros(len(matrix))
    from sklearn.covariance import LedoitWolf  # late: only here

    fitted = LedoitWolf().fit(matrix)
    return np.asarray(np.sqrt(np.maximum(fitted.mahalanobis(matrix), 0.0)))


CHECKS = (
    Check(
        "TW189",
        "Numbers far out of their column",
        False,
        "one wrong number of that size decides a mean, a scale and a straight line",
        False,
        values_far_out,
    ),
    Check(
        "TW190",
        "Rows unlike all others",
        False,
        "such a row is a mistake or another kind of case; either way it is learned wrongly",
        False,
        unusual_rows,
    ),
    Check(
        "TW191",
        "A number that seems to stand for 'unknown'",
        False,
        "the model takes it for a measure: -1 for smaller than all others, 999 for larger",
        False,
        missing_written_as_number,
    ),
)

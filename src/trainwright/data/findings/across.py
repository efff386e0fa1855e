"""Near copies with one row open and one sealed, where the split was given (TW181). Warns.

In       the features of open and sealed rows; exact copies are TW103.
Out      the sealed rows, and how many of them chance would put there.
How      in two ways. (1) A pair is nearer than chance allows, as in `near.py`. (2) In coarse tables honest rows are as near as copies, so no
         single pair can be told; but if the split were at random, near pairs would fall across it no oftener than any two rows do. Of pairs
         without a common row (each row in its nearest pair only, found without looking at the split) and not both sealed, a part of
         2s / (1 + s) goes across where a share s of the rows is sealed, each pair by itself: so their number is binomial. It is judged for
         pairs whose cells are all nearly equal, at a few distances, and for pairs that differ in one cell only: in any one, and in this
         column or that. Told where the surplus is too large for chance, and at least half of the pairs across are surplus.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from trainwright.data.findings.given import is_given
from trainwright.data.findings.interface import Check, Found, Subject, count, figure, names, share
from trainwright.data.findings.near import NEAR, STEP, Measured, measured, near_pairs
from trainwright.runtime.columns import Floats, Rows

CHANCE = 0.01  # of a false alarm by a surplus in a whole table: a third for each of the three ways in which a pair can be near
LEVELS = tuple(NEAR / 4**step for step in range(4))  # mean differences over all cells, up to which pairs are counted
SAME = 1e-6  # in 25-75 % ranges: cells that are equal


@dataclass(frozen=True, slots=True, eq=False)
class Surplus:
    """Pairs of one kind that fall across the split oftener than at random."""

    sealed: Rows  # positions of the sealed rows of the pairs
    expected: float  # pairs across that chance would put there, beside those that are not across


def near_copies_across(subject: Subject) -> Iterable[Found]:
    """TW181: near copies with one row open and one sealed, where the split was given."""
    if not is_given(subject):
        return
    seen = measured(subject, np.sort(np.concatenate([subject.open, subject.sealed])), "both sides")
    if seen is None:
        return
    pairs = near_pairs(seen)
    sealed = np.isin(pairs.first, subject.sealed)
    across = sealed != np.isin(pairs.second, subject.sealed)
    clear = np.where(sealed, pairs.first, pairs.second)[across]
    more = surpluses(seen, np.isin(seen.kinds, subject.sealed))
    rows = np.unique(np.concatenate([clear, *[seen.kinds[surplus.sealed] for surplus in more]]))
    if len(rows) == 0:
        return
    chance = max((surplus.expected for surplus in more), default=0.0)  # the ways are nested or overlap
    yield Found(
        where=f"rows {names([str(row) for row in rows[:100].tolist()], 5)}",
        what=f"{count(len(rows), 'sealed row')} ({share(len(rows), len(subject.sealed))}) {'is' if len(rows) == 1 else 'are'} nearly a copy of an "
        "open row: equal but for small differences or a few cells, and "
        + (f"more than chance would put there ({chance:.2g})" if more else "nearer than chance allows"),
        fix="take them out of one of the two sides, or let us draw the split by what they share: --split group:COL (and no --test)",
        figures={
            "rows": rows[:100].tolist(),
            "count": len(rows),
            "share": figure(len(rows) / len(subject.sealed)),
            "by_chance": figure(chance),
        },
    )


def surpluses(seen: Measured, sealed: np.ndarray) -> list[Surplus]:
    """Ways to be near in which more pairs go across than at random. `sealed` (kinds,) says which rows are."""
    part = float(sealed.mean())
    if not 0 < part < 1:
        return []
    across = 2 * part / (1 + part)  # of two rows that are not both sealed: 2s(1 - s) / (1 - s^2)
    found = []
    for pairs, distance, chance in _ways(seen):
        chosen = disjoint(seen.a[pairs], seen.b[pairs], distance, len(seen.kinds))
        a, b = seen.a[pairs][chosen], seen.b[pairs][chosen]
        judged = ~(sealed[a] & sealed[b])
        hits = np.flatnonzero(sealed[a] ^ sealed[b])
        n = int(judged.sum())
        honest = (n - len(hits)) * across / (1 - across)  # across, to go with the pairs that are not
        if len(hits) >= 2 * honest and at_least(len(hits), n, across) < chance:
            found.append(Surplus(np.where(sealed[a], a, b)[hits], honest))
    return found


def _ways(seen: Measured) -> Iterator[tuple[Rows, Floats, float]]:
    """The candidates of each way to be near: their places, their distances, and the chance of a false alarm that it may have."""
    total, place = differences(seen)
    for level in LEVELS:
        near = np.flatnonzero(total <= level)
        yield near, total[near], CHANCE / 3 / len(LEVELS)
    one = np.flatnonzero(place >= 0)
    yield one, np.zeros(len(one)), CHANCE / 3
    columns = seen.cells.values.shape[1]
    for column in np.unique(place[one]).tolist():
        these = np.flatnonzero(place == column)
        yield these, np.zeros(len(these)), CHANCE / 3 / columns


def differences(seen: Measured) -> tuple[Floats, Rows]:
    """(pairs,) the mean difference over all cells; and the column in which alone the two rows differ, -1 where it is not one."""
    total, place = np.empty(len(seen.a)), np.full(len(seen.a), -1, dtype=np.int64)
    for start in range(0, len(seen.a), STEP):
        part = slice(start, start + STEP)
        apart = seen.cells.apart(seen.a[part], seen.b[part])
        total[part] = apart.mean(axis=1)
        differ = apart > SAME
        place[part] = np.where(differ.sum(axis=1) == 1, differ.argmax(axis=1), -1)
    return total, place


def disjoint(a: Rows, b: Rows, distance: Floats, rows: int) -> Rows:
    """Places of pairs no two of which share a row, the nearest first, as many as come that way."""
    taken, chosen = np.zeros(rows, dtype=bool), []
    for pair in np.argsort(distance, kind="stable").tolist():
        first, second = a[pair], b[pair]
        if not taken[first] and not taken[second]:
            taken[first] = taken[second] = True
            chosen.append(pair)
    return np.array(chosen, dtype=np.int64)


def at_least(hits: int, n: int, part: float) -> float:
    """P(X >= hits) of n independent events of probability `part`."""
    from scipy.stats import binom  # late: only here

    return float(binom.sf(hits - 1, n, part))


CHECKS = (
    Check(
        "TW181",
        "Near copies on both sides of the given split",
        False,
        "the test asks about rows of which the model has learned the copy: the score is flattered",
        False,
        near_copies_across,
    ),
)

"""Columns that say the same: correlated numbers, associated categories, a number that a category decides. TW122 warns.

In: a sample of open rows; of a wide table the first columns only (TW170 says so). Out: sets of columns, one of which would do.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from trainwright.data.findings.interface import PAIR_COLUMNS, SAMPLE, Check, Found, Subject, codes_of, drop, figure, names, sampled
from trainwright.data.findings.measures import contingency, correlations, cramers_v
from trainwright.runtime.columns import Coded, Codes, Floats

SAME = 0.98
WORD_COLUMNS = 100
MOST_WORDS = 50  # categories of a column that takes part
LEAST_ROWS = 50
Pair = tuple[str, str, float, str]  # two columns, how strongly, by which measure


def collinear(subject: Subject) -> Iterable[Found]:
    """TW122: sets of columns, each linked to another of its set by a measure above SAME."""
    rows = subject.sample(subject.open, SAMPLE, "pairs")
    if len(rows) < LEAST_ROWS:
        return
    numbers = list(subject.numbers[:PAIR_COLUMNS])
    if len(numbers) > 200:
        rows = subject.sample(rows, max(500, 4_000_000 // len(numbers)), "pairs of many")
    matrix = np.column_stack([np.asarray(subject.column(name, rows)) for name in numbers]) if numbers else np.empty((len(rows), 0))
    coded: dict[str, Codes] = {}
    for name in subject.words:
        column = subject.column(name, rows)
        assert isinstance(column, Coded)
        present, values = np.unique(column.codes, return_inverse=True)
        if subject.kinds[name] in ("category", "ordered") and 2 <= len(present) <= MOST_WORDS and len(coded) < WORD_COLUMNS:
            coded[name] = values.astype(np.int32)
    found = [*numbers_alike(numbers, matrix), *words_alike(coded), *numbers_by_words(numbers, matrix, coded)]
    looked = sampled(len(rows), len(subject.open))
    for members in _sets(found, subject.features):
        inside = sorted((pair for pair in found if pair[0] in members), key=lambda pair: -pair[2])
        first, second, strength, measure = inside[0]
        kept = max(members, key=lambda name: (codes_of(subject.column(name, rows))[1], -members.index(name)))  # the finest loses nothing
        others = [name for name in members if name != kept]
        yield Found(
            where=names(members),
            what=f"{len(members)} columns say nearly the same: {names(members)}; {measure} of {first} and {second} is {strength:.3f}{looked}",
            fix=f"keep one of them: {drop(others)} leaves {kept}, which has the most distinct values",
            columns=tuple(members),
            figures={"pairs": [[a, b, figure(value), how] for a, b, value, how in inside[:50]], "keep": kept, "rows": len(rows)},
        )


def numbers_alike(columns: list[str], matrix: Floats) -> list[Pair]:
    """Pairs of numbers with |r| above SAME over the rows that have both, in 30 rows at least."""
    if len(columns) < 2:
        return []
    r, n = correlations(matrix)
    hits = np.argwhere(np.triu((np.abs(np.nan_to_num(r)) > SAME) & (n >= 30), 1))
    return [(columns[i], columns[j], min(1.0, abs(float(r[i, j]))), "the correlation") for i, j in hits.tolist()]


def words_alike(coded: dict[str, Codes]) -> list[Pair]:
    """Pairs of categories with Cramér's V (corrected) above SAME. It is 1 as well where one is a coarser form of the other."""
    items = [(name, codes, int(codes.max()) + 1) for name, codes in coded.items()]
    found: list[Pair] = []
    for place, (a, codes_a, size_a) in enumerate(items):
        for b, codes_b, size_b in items[place + 1 :]:
            v = cramers_v(contingency(codes_a, codes_b, size_a, size_b))
            if v > SAME:
                found.append((a, b, v, "Cramér's V"))
    return found


def numbers_by_words(columns: list[str], matrix: Floats, coded: dict[str, Codes]) -> list[Pair]:
    """Pairs of a number and a category that decides it: correlation ratio above SAME, and hardly more numbers than categories."""
    if not columns:
        return []
    whole = [bool(np.isfinite(matrix[:, j]).all()) for j in range(len(columns))]
    few = np.array([whole[j] and len(np.unique(matrix[:2000, j])) <= MOST_WORDS for j in range(len(columns))])
    chosen = np.flatnonzero(few)
    centred = matrix[:, chosen] - matrix[:, chosen].mean(axis=0)
    total = (centred**2).sum(axis=0)
    found: list[Pair] = []
    for name, codes in coded.items():
        counts = np.bincount(codes).astype(np.float64)
        if len(counts) > len(codes) / 10:
            continue
        for place, column in enumerate(chosen.tolist()):
            between = float((np.bincount(codes, weights=centred[:, place]) ** 2 / counts).sum())
            if total[place] > 0 and between / total[place] > SAME**2:
                found.append((name, columns[column], min(1.0, float(np.sqrt(between / total[place]))), "the correlation ratio"))
    return found


def _sets(found: list[Pair], order: tuple[str, ...]) -> list[list[str]]:
    """Connected sets of columns, each in source order."""
    leader: dict[str, str] = {}

    def top(name: str) -> str:
        while leader.setdefault(name, name) != name:
            name = leader[name]
        return name

    for a, b, _, _ in found:
        leader[top(a)] = top(b)
    sets: dict[str, list[str]] = {}
    for name in order:
        if name in leader:
            sets.setdefault(top(name), []).append(name)
    return list(sets.values())


CHECKS = (
    Check(
        "TW122",
        "Columns that say the same",
        False,
        "weights of linear models become arbitrary, and importance is divided between them",
        False,
        collinear,
    ),
)

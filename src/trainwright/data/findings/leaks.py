"""Leaks of the target: a column, or two together, from which the target can be read off.

TW101 blocks, TW102 blocks, TW105 warns. In: the labelled open rows. Out: which columns, by which rule, on how many rows.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from trainwright.data.findings.interface import LEAK_SAMPLE, Check, Found, Subject, drop, figure, sampled, share
from trainwright.data.findings.strength import RIGHT, SKILL, STRONG, STRONG_R2, strengths
from trainwright.record.seeds import rng_for
from trainwright.runtime.columns import Coded, Floats, Rows

PROBES = 48  # sets of rows on which the fingerprints of columns are compared
PROBE_ROWS = 8
MOST_CANDIDATES = 2_000  # pairs that are verified for one probe
LEAST_PAIR_ROWS = 50


def gives_away(subject: Subject) -> Iterable[Found]:
    """TW101: a single column from which the target can be read off."""
    looked = sampled(LEAK_SAMPLE, len(subject.labelled))
    for name, strength in strengths(subject).items():
        if strength.blocks:
            right = f"right for {share(strength.right)} of {strength.rows:,} rows, out of fold"
            yield Found(
                where=name,
                what=f"'{name}' gives the target away: {strength.rule}; {right}{looked}",
                fix=f"{drop([name])} if it is known only together with the target",
                columns=(name,),
                figures={"right": figure(strength.right), "skill": figure(strength.skill), "rows": strength.rows, "rule": strength.rule},
            )


def strong(subject: Subject) -> Iterable[Found]:
    """TW105: a single column that nearly decides the target; legitimate in some fields, a leak in others."""
    least = STRONG if subject.is_classes else STRONG_R2
    near = sorted(((name, s) for name, s in strengths(subject).items() if s.skill >= least and not s.blocks), key=lambda item: -item[1].skill)
    for name, strength in near[:10]:
        worth = (
            f"right for {share(strength.right)} of {strength.rows:,} rows, out of fold; it removes {share(strength.skill)} of the errors of a guess"
            if subject.is_classes
            else f"it explains {share(strength.skill)} of the target's variance out of fold, in {strength.rows:,} rows"
        )
        yield Found(
            where=name,
            what=f"'{name}' alone nearly decides the target: {worth}{sampled(LEAK_SAMPLE, len(subject.labelled))}",
            fix=f"make sure that its value is known before the target is; if not: {drop([name])}",
            columns=(name,),
            figures={"right": figure(strength.right), "skill": figure(strength.skill), "rows": strength.rows, "rule": strength.rule},
        )


def sums(subject: Subject) -> Iterable[Found]:
    """TW102: two columns whose sum or difference is the target. All pairs are looked at, however many columns there are."""
    target = target_numbers(subject)
    if target is None or len(target) < LEAST_PAIR_ROWS:
        return
    single = {name for name, strength in strengths(subject).items() if strength.blocks}
    columns = [name for name in subject.numbers if name not in single and subject.kinds[name] != "datetime"]
    for i, j, sign in pairs(subject, columns, target):
        a, b = (subject.dataset.table.columns[columns[k]] for k in (i, j))
        assert not isinstance(a, Coded)
        assert not isinstance(b, Coded)
        right, rows = verified(a[subject.labelled], b[subject.labelled], sign, target)
        if right < RIGHT:
            continue
        formula = f"{columns[i]} {'+' if sign > 0 else '−'} {columns[j]}"
        yield Found(
            where=f"{columns[i]}, {columns[j]}",
            what=f"{formula} is the target, in {share(right)} of {rows:,} rows",
            fix=f"{drop([columns[i], columns[j]])} if they are known only together with the target",
            columns=(columns[i], columns[j]),
            figures={"formula": formula, "right": figure(right), "rows": rows},
        )


def target_numbers(subject: Subject) -> Floats | None:
    """The target as numbers: its values, or the numbers that its classes are written as; None where classes are words."""
    if not subject.is_classes:
        return subject.target
    try:
        values = np.array([float(name) for name in subject.dataset.classes])
    except ValueError:
        return None
    return values[subject.class_numbers]


def pairs(subject: Subject, columns: list[str], target: Floats) -> list[tuple[int, int, int]]:
    """Pairs (i, j, sign) with column i + sign * column j = target on some probe: candidates, to be verified on all rows.

    A column's fingerprint on a few rows is its sum with random weights; the fingerprint of a sum is the sum of the fingerprints, so all
    pairs are compared by looking each column's complement up in a sorted list: columns * log(columns) steps for a probe. Several
    probes, so that missing cells and few odd rows do not hide a pair. Rows are drawn evenly over the distinct targets, since on rows
    where all is zero every pair agrees.
    """
    if len(columns) < 2:
        return []
    rng = rng_for(subject.seed, "findings", "pair probes")
    matrix_rows, found = _even_rows(target, rng), set()
    matrix = np.column_stack([np.asarray(subject.column(name, subject.labelled[matrix_rows])) for name in columns])  # (probe rows, columns)
    probed = target[matrix_rows]
    for probe in range(PROBES):
        rows = slice(probe * PROBE_ROWS, (probe + 1) * PROBE_ROWS)
        weights = rng.uniform(0.5, 1.5, PROBE_ROWS) * rng.choice([-1.0, 1.0], PROBE_ROWS)
        x, y = weights @ matrix[rows], float(weights @ probed[rows])
        tolerance = 1e-9 * max(float(np.abs(weights) @ np.abs(probed[rows])), 1e-300)
        whole = np.flatnonzero(np.isfinite(x))
        order = whole[np.argsort(x[whole], kind="stable")]
        for sign in (1, -1):  # x[i] + sign * x[j] = y
            candidates = _joined(x[order], sign * (y - x[whole]), tolerance + 1e-9 * np.abs(x[whole]))
            for i, j in ((int(whole[p]), int(order[q])) for p, q in candidates):
                if i != j:
                    found.add((min(i, j), max(i, j), 1) if sign > 0 else (i, j, -1))
    return sorted(found)


def _even_rows(target: Floats, rng: np.random.Generator) -> Rows:
    """Rows for all probes, drawn evenly over the distinct values of the target (with repeats where there are few rows)."""
    order = rng.permutation(len(target))
    _, inverse, counts = np.unique(target[order], return_inverse=True, return_counts=True)
    weight = 1.0 / counts[inverse]
    return order[rng.choice(len(target), size=PROBES * PROBE_ROWS, p=weight / weight.sum())]


def _joined(sorted_x: Floats, wanted: Floats, tolerance: Floats) -> Iterable[tuple[int, int]]:
    """(position in wanted, position in sorted_x) of values that agree within the tolerance, at most MOST_CANDIDATES."""
    low, high = np.searchsorted(sorted_x, wanted - tolerance), np.searchsorted(sorted_x, wanted + tolerance, side="right")
    result: list[tuple[int, int]] = []
    for position in np.flatnonzero(high > low).tolist():
        result += [(position, other) for other in range(int(low[position]), int(high[position]))]
        if len(result) >= MOST_CANDIDATES:
            break
    return result


def verified(a: Floats, b: Floats, sign: int, target: Floats) -> tuple[float, int]:
    """The share of rows with a + sign * b = target among those where both are there, and their number.

    0 when one part moves away from its commonest value in fewer than 10 rows, or when the formula holds only where the target has its
    commonest value: where nearly all is zero, nearly all agrees.
    """
    both = np.isfinite(a) & np.isfinite(b)
    rows = int(both.sum())
    if rows < LEAST_PAIR_ROWS or rows < 0.2 * len(target):
        return 0.0, rows
    a, b, y = a[both], b[both], target[both]
    unusual = _moves(y)
    if min(int(part.sum()) for part in (_moves(a), _moves(b), unusual)) < 10:
        return 0.0, rows
    scale = np.maximum(np.maximum(np.abs(a), np.abs(b)), np.abs(y))
    hit = np.abs(a + sign * b - y) <= 1e-8 * scale
    return (float(hit.mean()) if hit[unusual].mean() >= SKILL else 0.0), rows


def _moves(values: Floats) -> NDArray[np.bool_]:
    """(rows,) where a column is not at its commonest value."""
    present, counts = np.unique(values, return_counts=True)
    moves: NDArray[np.bool_] = values != present[counts.argmax()]
    return moves


CHECKS = (
    Check(
        "TW101",
        "A column gives the target away",
        True,
        "at the time of prediction such a column is not there or not yet known: the score would be near perfect and worth nothing",
        True,
        gives_away,
    ),
    Check(
        "TW102",
        "Two columns together are the target",
        True,
        "their sum or difference is the answer itself: whoever has both needs no model, and in use they will not be there",
        True,
        sums,
    ),
    Check(
        "TW105",
        "A column nearly decides the target",
        False,
        "it is either the best feature there is or a trace that the target left behind; only who knows the data can tell",
        True,
        strong,
    ),
)

"""Gaps that depend on the target (TW184). Warns; a gap that gives the target away altogether blocks as TW101.

In       the labelled open rows (at most LEAK_SAMPLE of them).
Out      for each feature, how its share of gaps differs between the classes, or the target's mean between rows with and without a gap.
Source   chi-squared test of independence and Cramér's V; Welch (1947) for means; corrected for the number of columns (Bonferroni).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainwright.data.findings.interface import LEAK_SAMPLE, Check, Found, Subject, drop, figure, missing_of, names, sampled, share
from trainwright.data.findings.measures import chi_squared_tail, contingency, cramers_v, normal_tail
from trainwright.data.findings.strength import strengths
from trainwright.runtime.columns import Floats

FEWEST = 20  # gaps, and cells that are there
SURE = 0.01  # the chance of so much without any dependence, for all columns together
DEPENDS = 0.1  # Cramér's V from which it is told
DEPENDS_NUMBERS = 0.2  # of the target's standard deviation
LEAKY = 0.5  # V (or 1.5 standard deviations) from which the gap seems to come after the target
LEAKY_NUMBERS = 1.5


@dataclass(frozen=True, slots=True)
class Dependence:
    """How a column's gaps go with the target: `size` is V or a difference in standard deviations, `said` a clause with the figures."""

    gaps: int
    size: float
    chance: float
    leaky: bool
    said: str


def gaps_by_target(subject: Subject) -> Iterable[Found]:
    """TW184: whether a cell is missing tells something about the target."""
    rows = subject.sample(subject.labelled, LEAK_SAMPLE, "gaps by target")
    assert subject.dataset.target is not None
    target = subject.dataset.target[rows]
    asked: dict[str, Dependence] = {}
    for name in subject.features:
        gaps = missing_of(subject.column(name, rows))
        if min(int(gaps.sum()), int((~gaps).sum())) >= FEWEST:
            asked[name] = by_classes(subject, gaps, target) if subject.is_classes else by_numbers(gaps, target)
    least = DEPENDS if subject.is_classes else DEPENDS_NUMBERS
    told = {name: d for name, d in asked.items() if d.size >= least and d.chance * len(asked) < SURE and not strengths(subject)[name].blocks}
    if not told:
        return
    ranked = sorted(told, key=lambda name: (-told[name].size, name))
    leaky = [name for name in ranked if told[name].leaky]
    yield Found(
        where=names(ranked),
        what=f"whether a cell is missing depends on the target in {len(ranked):,} of {len(asked):,} columns with gaps: "
        + "; ".join(f"{name}: {told[name].said}" for name in ranked[:3])
        + (f"; so much that it seems to be filled in (or left out) because of the outcome: {names(leaky)}" if leaky else "")
        + sampled(len(rows), len(subject.labelled)),
        fix="gaps are marked, so the model can use them: make sure that the cell is empty in use for the same reason, before the target is known"
        + (f"; if not: {drop(leaky)}" if leaky else ""),
        columns=tuple(ranked),
        figures={
            name: {"gaps": told[name].gaps, "size": figure(told[name].size), "chance": figure(told[name].chance), "leaky": told[name].leaky}
            for name in ranked
        },
    )


def by_classes(subject: Subject, gaps: NDArray[np.bool_], target: Floats) -> Dependence:
    """Gaps against classes: the shares of the two classes (of 20 rows or more) that differ most."""
    classes = target.astype(np.int32)
    size = int(classes.max()) + 1
    table = contingency(gaps.astype(np.int32), classes, 2, size)
    rows = table.sum(axis=0)
    large = np.flatnonzero(rows >= FEWEST)
    v = cramers_v(table)
    if len(large) < 2 or not math.isfinite(v):
        return Dependence(int(gaps.sum()), 0.0, 1.0, False, "")
    used = rows > 0
    expected = np.outer(table.sum(axis=1), rows[used]) / len(target)
    chance = chi_squared_tail(float(((table[:, used] - expected) ** 2 / expected).sum()), int(used.sum()) - 1)
    shares = table[1] / np.maximum(rows, 1)
    low, high = large[int(shares[large].argmin())], large[int(shares[large].argmax())]
    said = (
        f"missing in {share(shares[high])} of {subject.class_name(int(high), int(rows[high]))} "
        f"and {share(shares[low])} of {subject.class_name(int(low), int(rows[low]))}"
    )
    return Dependence(int(gaps.sum()), v, chance, v >= LEAKY, said)


def by_numbers(gaps: NDArray[np.bool_], target: Floats) -> Dependence:
    """The target's mean with and without a gap, in standard deviations of the target."""
    with_gap, without = target[gaps], target[~gaps]
    spread, difference = float(target.std()), float(with_gap.mean() - without.mean())
    error = math.hypot(float(with_gap.std(ddof=1)) / math.sqrt(len(with_gap)), float(without.std(ddof=1)) / math.sqrt(len(without)))
    size = abs(difference) / spread if spread > 0 else 0.0
    chance = normal_tail(difference / error) if error > 0 else float(size == 0.0)
    said = f"where it is missing, the target's mean is {difference / spread if spread > 0 else 0.0:+.2f} standard deviations against the other rows"
    return Dependence(int(gaps.sum()), size, chance, size >= LEAKY_NUMBERS, said)


CHECKS = (
    Check(
        "TW184",
        "Gaps depend on the target",
        False,
        "a gap that comes about because of the outcome is not there yet when the model is asked; one that carries meaning must keep it in use",
        True,
        gaps_by_target,
    ),
)

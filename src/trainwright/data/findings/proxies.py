"""Proxies of protected attributes (TW188): how well the other features tell the group, each alone and all together. Warns.

In       the protected columns, their groups (`bias.groups_of`), and at most MOST_ROWS labelled open rows.
Out      for each attribute the area under the ROC curve, out of fold, of the best single features and of all together, with 95 % intervals.
         0.5 tells nothing, 1 tells each group; with several groups it is the mean of each group against the others, by rows.
Source   Hanley & McNeil (1982), Radiology 143, 29-36, for area and standard error; a proxy lets a model treat groups differently though the
         attribute itself was dropped: Dwork et al. (2012), ITCS: "redundant encodings".
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from trainwright.data.findings.bias import groups_of, protected
from trainwright.data.findings.interface import SMALL_GROUP, Check, Found, Subject, codes_of, drop, figure, names, sampled
from trainwright.data.findings.measures import Z95
from trainwright.data.findings.quick import MOST_COLUMNS, matrix_of, probabilities, sample_for
from trainwright.record.seeds import rng_for
from trainwright.runtime.columns import Coded, Codes, Column, Floats, Rows

TELLS = 0.75  # area under the curve, from which a single feature is a proxy
TELLS_TOGETHER = 0.8
BINS = 20  # of a number, equally filled
LEAST_ROWS = 200
TREES = 60  # of a fold, all groups together: enough to tell a proxy


@dataclass(frozen=True, slots=True)
class Area:
    """Area under the curve with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"

    def as_list(self) -> list[float | None]:
        return [figure(self.value), figure(self.low), figure(self.high)]


def area_of(scores: Floats, groups: Codes, count: int) -> Area:
    """From scores (rows, groups), each higher where the group is likelier, and group numbers (rows,)."""
    n = len(groups)
    value = variance = 0.0
    for number in range(count):
        inside = groups == number
        ranks = _ranks(scores[:, number])
        m, rest = int(inside.sum()), int((~inside).sum())
        area = (float(ranks[inside].sum()) - m * (m + 1) / 2) / (m * rest)
        q1, q2 = area / (2 - area), 2 * area * area / (1 + area)
        each = (area * (1 - area) + (m - 1) * (q1 - area * area) + (rest - 1) * (q2 - area * area)) / (m * rest)
        value += m / n * area
        variance += m / n * max(0.0, each)  # not less than that of the mean of dependent areas
    half = Z95 * math.sqrt(variance)
    return Area(value, max(0.0, value - half), min(1.0, value + half))


def _ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle: Floats = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return middle


def alone(column: Column, groups: Codes, count: int, half: np.ndarray) -> Area:
    """How well one column tells the group: the groups' shares at each value (or interval), from the other half of the rows."""
    if isinstance(column, Coded):
        places, size = codes_of(column)
    else:
        edges = np.unique(np.nanquantile(column, np.arange(1, BINS) / BINS)) if np.isfinite(column).any() else np.empty(0)
        places, size = codes_of(np.where(np.isnan(column), -1.0, np.searchsorted(edges, column, side="right").astype(np.float64)))
    scores = np.empty((len(groups), count))
    for side in (False, True):
        other = half != side
        table = np.bincount(places[other].astype(np.int64) * count + groups[other], minlength=size * count).reshape(size, count).astype(np.float64)
        prior = table.sum(axis=0) / max(1.0, table.sum())
        shares = (table + 5 * prior) / (table.sum(axis=1, keepdims=True) + 5)  # few rows of a value lean on all rows
        scores[half == side] = shares[places[half == side]]
    return area_of(scores, groups, count)


def proxies(subject: Subject) -> Iterable[Found]:
    """TW188: features that stand for a protected attribute."""
    for attribute in protected(subject):
        groups = groups_of(subject, attribute)
        others = [name for name in subject.features if name != attribute]
        places = np.flatnonzero(groups.codes >= 0)
        if len(groups.names) < 2 or len(places) < LEAST_ROWS or not others:
            continue
        looked = sample_for(subject, places, min(len(others), MOST_COLUMNS), f"proxies of {attribute}")
        rows, codes = subject.labelled[looked], groups.codes[looked]
        sizes = np.bincount(codes, minlength=len(groups.names))
        kept = sizes >= SMALL_GROUP
        use = kept[codes]
        rows, codes = rows[use], (np.cumsum(kept) - 1)[codes[use]].astype(np.int32)
        if int(kept.sum()) >= 2:
            yield from _judged(subject, attribute, others, rows, codes, int(kept.sum()), len(places))


def _judged(subject: Subject, attribute: str, others: list[str], rows: Rows, codes: Codes, groups: int, of: int) -> Iterable[Found]:
    half = rng_for(subject.seed, "findings", "proxy halves", attribute).permutation(len(rows)) % 2 == 0
    single = {name: alone(subject.column(name, rows), codes, groups, half) for name in others}
    ranked = sorted(others, key=lambda name: (-single[name].value, name))
    chosen = ranked[:MOST_COLUMNS]
    matrix = matrix_of({name: subject.column(name, rows) for name in chosen})
    together = area_of(probabilities(matrix, codes.astype(np.int64), groups, subject.seed, rounds=max(10, TREES // groups)), codes, groups)
    strong = [name for name in ranked if single[name].value >= TELLS and single[name].low > 0.5]
    if not strong and not (together.value >= TELLS_TOGETHER and together.low > 0.5):
        return
    best = ", ".join(f"{name} {single[name]}" for name in (strong or ranked)[:4])
    yield Found(
        where=f"{attribute}: {names(strong or ranked[:3])}",
        what=f"the other features tell the group of '{attribute}': all together with an area under the curve of {together}, "
        f"{'alone' if strong else 'none alone, the best'} {best}" + sampled(len(rows), of),
        fix=f"dropping '{attribute}' does not remove it from the model; compare the groups in the evidence, and "
        + (f"try {drop(strong[:3])}" if strong else "drop what is not needed"),
        columns=tuple(strong or ranked[:3]),
        figures={
            "attribute": attribute,
            "together": together.as_list(),
            "alone": {name: single[name].as_list() for name in ranked[:20]},
            "proxies": strong,
            "rows": len(rows),
        },
    )


CHECKS = (
    Check(
        "TW188",
        "Other features stand for a protected attribute",
        False,
        "a model can treat groups differently by them, though the attribute itself was left out",
        False,
        proxies,
    ),
)

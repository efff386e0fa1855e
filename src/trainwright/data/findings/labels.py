"""Targets that look wrong: labels that the rest of the row contradicts (TW182), numbers far from what the row suggests (TW183). Both warn.

In       the labelled open rows, at most those that a quick learner looks at (`quick.py`).
Out      how many labels seem wrong (with a 95 % interval), the rows by rank, and a relabelling of those that are surest.
How      out-of-fold probabilities, and pruning by noise rate as in confident learning: of the rows of which another class is likelier than
         their own, about as many as there are wrong labels, the widest margins first, and no more than of which most are wrong. How many
         there are is the floor under the learner's own mistakes (`contradicted.py`). Nothing is told where the classes are not told apart
         but for that floor: they overlap there at the surest rows too, and no learner could tell a wrong label from a rare case.
Source   Northcutt, Jiang & Chuang (2021), Journal of Artificial Intelligence Research 70, 1373-1411: confident learning.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from trainwright.data.findings.contradicted import floor_of, ranks
from trainwright.data.findings.interface import Check, Found, Subject, count, figure, names, sampled, share
from trainwright.data.findings.outliers import far_out
from trainwright.data.findings.quick import FOLDS, MOST_BOOSTED, bagged, matrix_of, probabilities, sample_for, values
from trainwright.data.findings.strength import strengths
from trainwright.runtime.columns import Floats, Rows

LEAST_ROWS = 100
LEAST_CLASS = 10  # rows of a class that takes part
NOISE = 0.006  # of the labels: the lower end of the interval, from which it is told
LEARNED = 0.4  # how much oftener than by chance the learner is right where it says a class, as a mean over classes: 0 by chance, 1 always
APART = 0.75  # the same, with the rows that wrong labels explain counted as right: else classes overlap
SUREST = 4  # a class's own rate is that of one row of so many, the surest …
SUREST_LEAST = 1_000  # … but of so many rows in all at least, or half of them
MARGIN = 0.1  # by which another class is likelier than the row's own
MORE = 1.25  # suspects for each wrong label that is expected: few are missed, and most that are told are wrong
MOSTLY = 0.6  # of those that are told, the share that must be expected to be wrong
SURE = 0.9  # probability of another class, from which relabelling is proposed
CHANCE = 1e-3  # of a false alarm about numbers


@dataclass(frozen=True, slots=True, eq=False)
class Suspects:
    """What confident learning says of some rows: suspects as positions, surest first; the class each seems to be; the noise rate with interval."""

    places: Rows
    seems: Rows
    margin: Floats
    noise: float
    low: float
    high: float
    expected: float  # the share of the suspects that is expected to be wrong


def suspects_of(chances: Floats, labels: Rows) -> Suspects:
    """From out-of-fold probabilities (rows, classes) and labels (rows,)."""
    n, classes = chances.shape
    seems = chances.argmax(axis=1)
    top = chances[np.arange(n), seems]
    margin, other = top - chances[np.arange(n), labels], seems != labels
    floor = floor_of(top, seems, other)
    sure = ranks(top, seems) <= max(1 / SUREST, min(0.5, SUREST_LEAST / n))
    chosen = []
    for number in range(classes):
        mine = seems == number
        rows = np.flatnonzero(mine & other & (margin >= MARGIN))
        astray, asked = int((other & sure & mine).sum()), int((sure & mine).sum())
        rate = (astray + 5 * floor.noise) / (asked + 5)  # a class of few rows leans on the others
        rate += math.sqrt(rate * (1 - rate) / (asked + 5))  # one standard error: where it is not well known, rather too many
        chosen.append(rows[np.argsort(-margin[rows], kind="stable")[: int(np.ceil(MORE * rate * mine.sum()))]])
    places = np.concatenate(chosen)
    places = places[np.argsort(-margin[places], kind="stable")]
    expected = np.cumsum(floor.wrong[places]) / np.arange(1, len(places) + 1)  # of the first 1, 2, … suspects
    mostly = np.flatnonzero(expected >= MOSTLY)
    places = places[: mostly[-1] + 1] if len(mostly) else places[:0]
    share_wrong = float(expected[len(places) - 1]) if len(places) else 0.0
    return Suspects(places, seems[places], margin[places], floor.noise, floor.low, floor.high, share_wrong)


def apart(chances: Floats, labels: Rows, noise: float) -> float:
    """How much oftener than by chance the learner is right where it says a class, `noise` of those rows forgiven: a mean over classes."""
    seems, classes = chances.argmax(axis=1), chances.shape[1]
    base = np.bincount(labels, minlength=classes) / len(labels)
    right = np.bincount(labels[seems == labels], minlength=classes) / np.maximum(1, np.bincount(seems, minlength=classes))
    return float(((np.minimum(1.0, right + noise) - base) / (1 - base)).mean())


def told(seen: Suspects, chances: Floats, labels: Rows) -> bool:
    """Whether the suspects are worth a word: the classes are learned, and told apart but for the wrong labels."""
    return len(seen.places) > 0 and apart(chances, labels, 0.0) >= LEARNED and apart(chances, labels, seen.noise) >= APART


def labels_suspect(subject: Subject) -> Iterable[Found]:
    """TW182: labels that the rest of the row contradicts."""
    if not subject.is_classes or not subject.features or any(strength.blocks for strength in strengths(subject).values()):
        return  # a column that gives the target away repeats the wrong labels too
    rows = sample_for(subject, subject.labelled, len(subject.features), "label noise")
    assert subject.dataset.target is not None
    labels = subject.dataset.target[rows].astype(np.int64)
    present, numbers, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    kept = sizes >= max(LEAST_CLASS, FOLDS)
    rows, numbers = rows[kept[numbers]], (np.cumsum(kept) - 1)[numbers[kept[numbers]]]
    present = present[kept]
    if len(present) < 2 or len(rows) < LEAST_ROWS:
        return
    matrix = matrix_of({name: subject.column(name, rows) for name in subject.features})
    chances = probabilities(matrix, numbers, len(present), subject.seed)
    seen = suspects_of(chances, numbers)
    if seen.noise < NOISE or not told(seen, chances, numbers):  # most tables end here, after the quicker learner
        return
    if len(present) <= MOST_BOOSTED:
        chances = (chances + bagged(matrix, numbers, len(present), subject.seed)) / 2
        seen = suspects_of(chances, numbers)
    if seen.low < NOISE or not told(seen, chances, numbers):
        return
    agreed = float((chances.argmax(axis=1) == numbers).mean())
    found = rows[seen.places]
    surest = chances[seen.places, seen.seems] >= SURE
    yield Found(
        where=f"rows {names([str(row) for row in found[:100].tolist()], 5)}",
        what=f"{count(len(found), 'label')} of {len(rows):,} {'is' if len(found) == 1 else 'are'} contradicted by the rest of the row; "
        f"about {share(seen.noise)} ({share(seen.low)} to {share(seen.high)}) of all labels seem to be wrong"
        + sampled(len(rows), len(subject.labelled)),
        fix="look at these rows, the first ones first; where the label is wrong, mend it in the file or accept the relabelling of the "
        f"{count(int(surest.sum()), 'surest row')}"
        if surest.any()
        else "look at these rows, the first ones first, and mend what is wrong in the file",
        figures={
            "suspects": len(found),
            "noise": [figure(seen.noise), figure(seen.low), figure(seen.high)],
            "expected_wrong": figure(seen.expected),
            "agreement": figure(agreed),
            "rows": found[:1000].tolist(),
            "margin": [figure(float(m)) for m in seen.margin[:1000]],
        },
        proposes=_relabel(subject, found[surest], present[seen.seems[surest]]),
    )


def _relabel(subject: Subject, rows: Rows, classes: Rows) -> tuple[dict[str, object], ...]:
    if len(rows) == 0:
        return ()
    to = [subject.dataset.classes[number] for number in classes.tolist()]
    return ({"do": "relabel", "rows": rows.tolist(), "to": to, "of": subject.dataset.table.source.digest},)


def numbers_suspect(subject: Subject) -> Iterable[Found]:
    """TW183: numbers as target that lie further from what their row suggests than any tail of such misses explains."""
    if subject.is_classes or not subject.features or any(strength.blocks for strength in strengths(subject).values()):
        return
    rows = sample_for(subject, subject.labelled, len(subject.features), "label noise")
    if len(rows) < LEAST_ROWS:
        return
    assert subject.dataset.target is not None
    target = subject.dataset.target[rows]
    matrix = matrix_of({name: subject.column(name, rows) for name in subject.features})
    guess = values(matrix, target, subject.seed)
    miss = (target - guess) / spread_at(guess, np.abs(target - guess))
    tails = [far_out(side, len(rows)) for side in (miss, -miss)]
    clear = [tail if tail.chance < CHANCE / 2 else None for tail in tails]
    far = np.zeros(len(rows), dtype=bool)
    for tail, side in zip(clear, (miss, -miss), strict=True):
        if tail is not None:
            far |= side > tail.nearest * (1 + 1e-12)
    if not far.any():
        return
    places = np.flatnonzero(far)
    found = rows[places[np.argsort(-np.abs(miss[places]), kind="stable")]]
    times = max(tail.times for tail in clear if tail is not None)
    yield Found(
        where=f"rows {names([str(row) for row in found[:100].tolist()], 5)}",
        what=f"{count(len(found), 'target')} of {len(rows):,} {'lies' if len(found) == 1 else 'lie'} far from what the rest of the row suggests: "
        f"up to {times:.2g} times as far as the next row, which no tail explains" + sampled(len(rows), len(subject.labelled)),
        fix="look at these rows: a wrong unit, a slipped decimal point, or another kind of case; mend the file, or accept to leave them out",
        figures={"rows": found[:1000].tolist(), "count": len(found)},
        proposes=({"do": "drop rows", "rows": np.sort(found).tolist(), "of": subject.dataset.table.source.digest},),
    )


def spread_at(guess: Floats, miss: Floats) -> Floats:
    """(rows,) how far rows with about this guess usually miss: the median over 20 equally filled bins of the guess, half from all rows."""
    order = np.argsort(guess, kind="stable")
    spread = np.empty(len(guess))
    for part in np.array_split(order, 20):
        spread[part] = np.median(miss[part])
    usual = float(np.median(miss)) or float(miss.mean()) or 1.0
    return (spread + usual) / 2


CHECKS = (
    Check(
        "TW182",
        "Labels that look wrong",
        False,
        "the model learns wrong labels as if they were right, and where they stand in the test, a right answer counts as an error",
        True,
        labels_suspect,
    ),
    Check(
        "TW183",
        "Targets that look wrong",
        False,
        "a few wrong numbers decide the squared error, and the fit bends towards them",
        True,
        numbers_suspect,
    ),
)

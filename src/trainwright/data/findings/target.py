"""The target itself: classes of very different size, tiny classes, skew, values far out, a cap. TW131 to TW134 warn. In: labelled open rows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from trainwright.data.findings.interface import Check, Found, Subject, figure, share
from trainwright.data.findings.measures import skewness

RARE_CLASS = 0.1  # of two classes, the share of the smaller
RATIO = 20.0  # of several, the largest over the smallest
TINY = 20  # rows of a class: four in each of five folds
SKEWED = 2.0
FAR = 10.0  # interquartile ranges beyond the quartiles
PILE = 0.01  # the share of rows on one outermost value
PILE_RATIO = 10.0  # as many times the rows of the other values around


def imbalance(subject: Subject) -> Iterable[Found]:
    """TW131: one class is far larger than another."""
    if not subject.is_classes or len(subject.labelled) == 0:
        return
    counts = np.bincount(subject.class_numbers, minlength=len(subject.dataset.classes))
    used = counts[counts > 0]
    least, most = int(used.min()), int(used.max())
    if not (least / used.sum() < RARE_CLASS if len(used) == 2 else most / least >= RATIO):
        return
    small, large = int(np.where(counts > 0, counts, most + 1).argmin()), int(counts.argmax())
    yield Found(
        where=subject.dataset.target_name or "target",
        what=f"{subject.class_name(large, most)} has {most:,} rows ({share(most, used.sum())}), "
        f"{subject.class_name(small, least)} has {least:,} ({share(least, used.sum())})",
        fix="judge by a metric that the large class does not hide: --metric average_precision"
        if len(used) == 2
        else "judge by a metric in which each class counts the same: --metric balanced_accuracy",
        figures={
            "counts": {subject.class_name(n, int(c)).strip("'"): int(c) for n, c in enumerate(counts) if c >= 10},
            "ratio": figure(most / least),
        },
    )


def tiny_classes(subject: Subject) -> Iterable[Found]:
    """TW132: classes too small for folds and intervals."""
    if not subject.is_classes or len(subject.labelled) == 0:
        return
    counts = np.bincount(subject.class_numbers, minlength=len(subject.dataset.classes))
    tiny = np.flatnonzero(counts < TINY)
    if len(tiny) == 0 or len(subject.labelled) < TINY * len(counts) / 2:
        return
    named = [f"{subject.class_name(int(n), int(counts[n]))} {counts[n]}" for n in tiny if counts[n] >= 10]
    unnamed = len(tiny) - len(named)
    parts = named[:6] + ([f"{unnamed} with fewer than 10"] if unnamed else [])
    yield Found(
        where=subject.dataset.target_name or "target",
        what=f"{len(tiny)} of {len(counts)} classes {'has' if len(tiny) == 1 else 'have'} fewer than {TINY} rows: " + ", ".join(parts),
        fix="collect more rows of them, merge them with a class of near meaning, or set their rows aside; their figures will be wide",
        figures={"tiny": len(tiny), "classes": len(counts), "rows": int(counts[tiny].sum())},
    )


def skew(subject: Subject) -> Iterable[Found]:
    """TW133: a few rows far out decide the squared error."""
    if subject.is_classes or len(subject.labelled) < 50:
        return
    y = subject.target
    lower, upper = np.quantile(y, [0.25, 0.75])
    reach = FAR * (upper - lower)
    far = (y < lower - reach) | (y > upper + reach) if reach > 0 else np.zeros(len(y), dtype=bool)
    lopsided = skewness(y)
    if abs(lopsided) < SKEWED and not far.any():
        return
    squares = (y - y.mean()) ** 2
    top = float(np.sort(squares)[-max(1, len(y) // 100) :].sum() / squares.sum())
    yield Found(
        where=subject.dataset.target_name or "target",
        what=f"the target's skewness is {lopsided:.1f}; {int(far.sum()):,} rows lie more than {FAR:g} interquartile ranges out; "
        f"1 % of the rows make up {share(top)} of its variance",
        fix="look at those rows; judge by --metric mae if a large error is not worth several small ones, or give the target as its logarithm",
        figures={"skewness": figure(lopsided), "far": int(far.sum()), "rows": subject.labelled[far][:100].tolist(), "top_share": figure(top)},
    )


def capped(subject: Subject) -> Iterable[Found]:
    """TW134: many rows have exactly the largest or the smallest target, unlike the values next to it."""
    if subject.is_classes or len(subject.labelled) < 100:
        return
    values, counts = np.unique(subject.target, return_counts=True)
    if len(values) < 50:
        return
    for end, neighbours, side in ((-1, counts[-21:-1], "largest"), (0, counts[1:21], "smallest")):
        pile = int(counts[end])
        if pile < max(10, PILE * len(subject.labelled)) or pile < PILE_RATIO * float(neighbours.mean()) or pile < 5 * float(np.median(counts)):
            continue
        yield Found(
            where=subject.dataset.target_name or "target",
            what=f"{pile:,} of {len(subject.labelled):,} rows ({share(pile, len(subject.labelled))}) have exactly the {side} target; "
            f"the values next to it have {neighbours.mean():.1f} rows each",
            fix="a cap or a floor: set those rows aside if they mean 'this or beyond', or predict first whether a row is on it",
            figures={"rows": pile, "share": figure(pile / len(subject.labelled)), "side": side},
        )


CHECKS = (
    Check(
        "TW131",
        "Classes of very different size",
        False,
        "guessing the large class already scores well, and the small one is the one that matters",
        True,
        imbalance,
    ),
    Check("TW132", "Tiny classes", False, "a class of a few rows is hardly learned and cannot be measured", True, tiny_classes),
    Check("TW133", "A skewed target, or values far out", False, "the squared error is decided by a few rows", True, skew),
    Check("TW134", "A target with a cap or a floor", False, "the true values beyond it are not known, and the model learns the cap", True, capped),
)

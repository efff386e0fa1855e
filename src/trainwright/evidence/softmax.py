"""Scores to probabilities by the least log loss: softmax(slope · score + offset), by Newton's method.

Takes    scores (rows, classes) of rows that the model behind them has not seen, what should be said of each row, weights.
Gives    slopes, one for all classes or one for each, never below a floor; an offset for each class.
Why      both what calibrates a learner's margins and what puts a candidate's probabilities right are this one convex problem.
Source   Platt (1999), Advances in Large Margin Classifiers, 61-74; Lin, Lin & Weng (2007), Machine Learning 68(3): Newton's method for it; several
         classes: Guo, Pleiss, Sun & Weinberger (2017), ICML.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainwright.runtime.columns import Floats

STEPS = 100  # at most: about ten are usual
STILL = 1e-10  # of the sum of weights: a gradient below this is none


def least_log_loss(scores: Floats, targets: Floats, weight: Floats, *, tie: Floats, least: float, pull: float = 0.0) -> tuple[Floats, Floats]:
    """The slopes (slopes,) and offsets (classes,) of least log loss.

    Takes   targets (rows, classes), rows summing to 1; `tie` (classes, slopes): which slope a class has, ones and zeros. `pull` towards slopes of 1,
            beside the sum of the losses: what keeps them finite where classes are apart.
    Gives   slopes of at least `least`: one that would lie below is held there, and all others are fitted anew beside it.
    """
    held = np.zeros(tie.shape[1], bool)
    while True:
        slopes, offsets = _newton(scores, targets, weight, tie, np.where(held, least, 1.0), ~held, pull)
        if not (slopes < least).any():
            return slopes, offsets
        held |= slopes < least


def _newton(
    scores: Floats, targets: Floats, weight: Floats, tie: Floats, slopes: Floats, free: NDArray[np.bool_], pull: float
) -> tuple[Floats, Floats]:
    """From these slopes on; those that are not free stay."""
    count, classes = len(slopes), scores.shape[1]
    at = np.concatenate([slopes, np.zeros(classes)])
    moved = np.concatenate([free, np.ones(classes, bool)])
    ridge = STILL * weight.sum()  # adding one number to all offsets changes nothing
    loss, shares = _loss(scores, targets, weight, tie, at, pull)
    for _ in range(STEPS):
        error = weight[:, None] * (shares - targets)
        gradient = np.concatenate([(error * scores).sum(axis=0) @ tie + pull * (at[:count] - 1.0), error.sum(axis=0)])[moved]
        if np.abs(gradient).max(initial=0.0) <= ridge:
            break
        hessian = _hessian(scores, shares, weight, tie)
        hessian[np.arange(count), np.arange(count)] += pull
        hessian = hessian[np.ix_(moved, moved)]
        hessian[np.diag_indices(len(hessian))] += ridge
        step = np.zeros(len(at))
        step[moved] = np.linalg.solve(hessian, -gradient)
        fall, size = float(step[moved] @ gradient), 1.0
        while size > 1e-10:
            reached, there = _loss(scores, targets, weight, tie, at + size * step, pull)
            if reached <= loss + 1e-4 * size * fall:
                break
            size /= 2
        else:
            break  # as near as float64 comes
        at, loss, shares = at + size * step, reached, there
    return at[:count], at[count:]


def _loss(scores: Floats, targets: Floats, weight: Floats, tie: Floats, at: Floats, pull: float) -> tuple[float, Floats]:
    """The loss, and what is said: (rows, classes)."""
    slopes, offsets = at[: tie.shape[1]], at[tie.shape[1] :]
    lines = scores * (tie @ slopes) + offsets
    lines -= lines.max(axis=1, keepdims=True)
    grown = np.exp(lines)
    total = grown.sum(axis=1, keepdims=True)
    beside = 0.5 * pull * float(((slopes - 1.0) ** 2).sum())
    return float(-(weight[:, None] * targets * (lines - np.log(total))).sum()) + beside, grown / total


def _hessian(scores: Floats, shares: Floats, weight: Floats, tie: Floats) -> Floats:
    """(slopes + classes, slopes + classes), of the losses alone."""
    both = np.concatenate([shares * scores, shares], axis=1)
    weighted = weight[:, None] * both
    outer = -(weighted.T @ both)
    classes = scores.shape[1]
    at = np.arange(classes)
    outer[at, at] += (weighted[:, :classes] * scores).sum(axis=0)
    cross = weighted[:, :classes].sum(axis=0)
    outer[at, at + classes] += cross
    outer[at + classes, at] += cross
    outer[at + classes, at + classes] += weighted[:, classes:].sum(axis=0)
    count = tie.shape[1]
    spread = np.zeros((2 * classes, count + classes))  # of each class's own line, by slopes and offsets
    spread[:classes, :count], spread[classes:, count:] = tie, np.eye(classes)
    return np.asarray(spread.T @ outer @ spread)

"""From margins to probabilities: a margin tells a side and a distance, and only rows that the model has not seen tell how often such a side is right.

    margins of rows left out of the fit ──calibrate──► scale, offset ──► softmax(scale · margin + offset)

Takes    margins (rows, lines) that were made across `folds`: each row's by a model fitted without it; class places; weights.
Gives    the folds; one scale and one offset a line. Two classes are one line, for the second.
Why      margins of the very rows that were fitted stand too far apart, so probabilities made of them are too sure.
Source   Platt (1999), Advances in Large Margin Classifiers, 61-74: the sigmoid, its smoothed targets and the cross-fitting; Lin, Lin & Weng
         (2007), Machine Learning 68(3): Newton's method for it. More classes: Guo, Pleiss, Sun & Weinberger (2017), ICML: "vector scaling".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.evidence.softmax import least_log_loss
from trainwright.runtime.columns import Floats, Matrix

FOLDS = 5
BLOCK = 2**22  # cells that are hashed at once

Places = np.ndarray[Any, np.dtype[np.int64]]


def folds(matrix: Matrix, labels: Places, rng: np.random.Generator, count: int = FOLDS) -> Places:
    """(rows,) the fold of each row, dealt out evenly within each class, in an order drawn by `rng`.

    Equal rows of a class share a fold: else a row would be judged by a model that has seen it, and a row given twice would not be what a
    weight of two is.
    """
    key = _hashed(matrix, rng)
    place = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        _, rank = np.unique(key[own], return_inverse=True)
        place[own] = (rank + label) % count  # small classes begin in different folds
    return place


def _hashed(matrix: Matrix, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """(rows,) the same number for the same row, whatever stands around it."""
    factors = rng.integers(0, 2**64, matrix.shape[1], np.uint64) | np.uint64(1)
    bits = np.ascontiguousarray(matrix, np.float32).view(np.uint32)
    key = np.empty(len(matrix), np.uint64)
    size = max(1, BLOCK // max(1, matrix.shape[1]))
    for start in range(0, len(matrix), size):
        block = bits[start : start + size].astype(np.uint64)
        block ^= block >> np.uint64(15)  # the bits of round numbers lie high: a product alone would keep them there
        key[start : start + size] = (block * factors).sum(axis=1, dtype=np.uint64)
    key ^= key >> np.uint64(31)
    key *= np.uint64(0x9E3779B97F4A7C15)
    return key


def calibrate(margins: Floats, labels: Places, weight: Floats) -> tuple[Floats, Floats]:
    """The scales and offsets that make the cross-fitted margins' probabilities likeliest.

    Takes   margins (rows, lines); labels (rows,) places 0..classes−1, where classes is lines, or 2 for one line.
    Gives   scale (lines,), never negative (a margin that points the wrong way out of fold gets no say), and offset (lines,).
    """
    two = margins.shape[1] == 1
    scores = np.concatenate([np.zeros_like(margins), margins], axis=1) if two else margins
    unit = np.sqrt(np.average(scores**2, axis=0, weights=weight))
    unit = np.where(unit > 0, unit, 1.0)
    targets = _targets(labels, weight, scores.shape[1])
    scale, offset = least_log_loss(scores / unit, targets, weight, tie=np.eye(scores.shape[1]), least=0.0)
    scale = scale / unit
    return (scale[1:], offset[1:] - offset[:1]) if two else (scale, offset - offset.mean())


def _targets(labels: Places, weight: Floats, classes: int) -> Floats:
    """Not quite 1 and 0: what Laplace's rule of succession says of a class after as many rows. With two classes these are Platt's targets."""
    rows = np.bincount(labels, weights=weight, minlength=classes)
    targets = np.repeat((1.0 / (rows + classes))[labels, None], classes, axis=1)
    targets[np.arange(len(labels)), labels] = ((rows + 1.0) / (rows + classes))[labels]
    return targets

"""Scaling: each number to mean 0 and standard deviation 1 over the training rows; indicators stay 0 and 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainwright.features.feature import Feature
from trainwright.features.transform import BLOCK, Fit
from trainwright.runtime.columns import Floats, Matrix
from trainwright.runtime.steps import Scale


def fit(matrix: Matrix, features: Sequence[Feature], y: Floats | None, rng: np.random.Generator) -> Fit:
    """Takes a float32 matrix without gaps. A column that does not vary in float32 is only shifted."""
    shift, spread = np.empty(matrix.shape[1]), np.empty(matrix.shape[1])
    size = max(1, BLOCK // max(1, len(matrix)))
    for start in range(0, matrix.shape[1], size):  # in float64, which the whole matrix may be too large for
        block = matrix[:, start : start + size].astype(np.float64)
        shift[start : start + size], spread[start : start + size] = block.mean(axis=0), block.std(axis=0)
    plain = np.array([feature.kind != "number" for feature in features], bool)
    still = plain | ~(spread > 1e-7 * np.abs(shift)) | ~(spread > 1e-30) | ~np.isfinite(spread)
    shift[plain | ~np.isfinite(shift)] = 0.0
    factor = np.where(still, 1.0, 1.0 / np.where(still, 1.0, spread))
    step = Scale(shift=shift.astype(np.float32), factor=factor.astype(np.float32))
    return Fit(step, step.apply(matrix), tuple(features))

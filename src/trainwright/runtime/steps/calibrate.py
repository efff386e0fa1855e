"""Probabilities put right: `calibrate` stretches and shifts their logarithms, so that what is said is what comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trainwright.runtime.columns import Floats
from trainwright.runtime.step import FromParts
from trainwright.runtime.steps import checks

SMALLEST = 1e-6  # a probability below this counts as this: a forest says 0 of what it has not seen, and 0 cannot be stretched


@dataclass(frozen=True, eq=False, kw_only=True)
class Calibrate(FromParts):
    """Probabilities float64 (rows, classes) → softmax(slope · log p + bias), the same shape.

    Of two classes this is Platt scaling of the log odds; with a slope above 0 the order of the rows stays as it was.
    Source  Platt (1999), Advances in Large Margin Classifiers, 61-74; several classes: Guo et al. (2017), ICML, §4.2 (one temperature, a bias each).
    """

    kind: ClassVar[str] = "calibrate"
    slope: float
    bias: Floats  # (classes,)

    def __post_init__(self) -> None:
        checks.array(self.kind, "bias", self.bias, dtype=np.float64, shape=(None,))
        if len(self.bias) < 2 or (np.abs(self.bias) > 1e6).any():
            raise checks.refuse(self.kind, "there must be a bias for each class, of a sensible size")
        if isinstance(self.slope, bool) or not isinstance(self.slope, int | float) or not 0 < self.slope <= 1e6:
            raise checks.refuse(self.kind, "the slope must be a number above 0")

    @property
    def cells(self) -> int:
        return 8 * len(self.bias)

    def apply(self, probabilities: Floats) -> Floats:
        if probabilities.shape[1] != len(self.bias):
            raise ValueError("there must be one probability for each class")
        scores = self.slope * np.log(np.maximum(probabilities, SMALLEST)) + self.bias
        grown = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(grown / grown.sum(axis=1, keepdims=True))

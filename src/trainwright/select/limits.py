"""Limits as promises: how much time is left, what must be kept back for the end, and what a candidate is expected to take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from trainwright.data.dataset import Dataset
from trainwright.learners.interface import Card

STARTUP = 0.3  # seconds of a job beyond its fits: fork, mapping columns, writing results
GUESS = 3.0  # how far a card's guess may be off before anything was measured


@dataclass(frozen=True, slots=True)
class Timer:
    """Wall time against the limit; `started` is when the process started, on the same clock."""

    started: float
    limit: float | None
    clock: Callable[[], float] = time.monotonic

    def spent(self) -> float:
        return self.clock() - self.started

    def left(self) -> float:
        return float("inf") if self.limit is None else self.limit - self.spent()


@dataclass(slots=True)
class Forecast:
    """Seconds and bytes that a candidate will take: the card's guess, scaled by what was measured so far in this run."""

    dataset: Dataset
    measured: dict[str, list[float]] = field(default_factory=dict)  # learner -> measured seconds of one fit / card's guess

    def fits(self) -> int:
        """How many fits one candidate consists of."""
        splits = self.dataset.splits
        return len(splits.folds) + sum(len(folds) for folds in splits.inner)

    def fit_seconds(self, learner: str, card: Card) -> float:
        ratios = self.measured.get(learner) or [ratio for others in self.measured.values() for ratio in others]
        return self._guess(card) * (median(ratios) if ratios else GUESS)

    def candidate_seconds(self, learner: str, card: Card) -> float:
        return STARTUP + self.fits() * self.fit_seconds(learner, card)

    def memory_bytes(self, card: Card) -> float:
        return card.memory(len(self.dataset.splits.open), self._features(), self._outputs())

    def learn(self, learner: str, card: Card, fit_seconds: float) -> None:
        self.measured.setdefault(learner, []).append(fit_seconds / self._guess(card))

    def _guess(self, card: Card) -> float:
        return max(1e-3, card.seconds(len(self.dataset.splits.open), self._features(), self._outputs()))

    def _features(self) -> int:
        return max(1, len(self.dataset.features))

    def _outputs(self) -> int:
        return max(1, len(self.dataset.classes))


def end_reserve(limit: float | None, refit_seconds: float) -> float:
    """Seconds to keep back for refit, export, evidence and report: a share of the limit, and what the refit is expected to take."""
    return 0.0 if limit is None else 1.2 + 0.06 * limit + 1.3 * refit_seconds

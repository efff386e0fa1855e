"""Limits as promises: how much time is left, what must be kept back for the end, and what a candidate is expected to take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from trainwright.data.dataset import Dataset
from trainwright.learners import learner_class, make
from trainwright.plan.model import LearnerChoice

STARTUP = 0.3  # seconds of a job beyond its fits: fork, mapping columns, writing results
UNMEASURED = 0.25  # of a card's guess, for a learner that was not yet measured in this run: rather a try that is ended than none


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
    measured: dict[str, list[float]] = field(default_factory=dict)  # learner -> measured seconds of one fit / the guess

    def candidate_seconds(self, choice: LearnerChoice) -> float:
        """Seconds of all fits of one candidate."""
        ratios = self.measured.get(choice.name)
        return STARTUP + self._fits() * self._guess(choice) * (median(ratios) if ratios else UNMEASURED)

    def memory_bytes(self, choice: LearnerChoice) -> float:
        return learner_class(choice.name).card.memory(*self._size())

    def learn(self, choice: LearnerChoice, fit_seconds: float) -> None:
        self.measured.setdefault(choice.name, []).append(fit_seconds / self._guess(choice))

    def _fits(self) -> int:
        splits = self.dataset.splits
        return len(splits.folds) + sum(len(folds) for folds in splits.inner)

    def _guess(self, choice: LearnerChoice) -> float:
        card = learner_class(choice.name).card
        return max(1e-3, card.seconds(*self._size()) * card.effort(make(choice.name, choice.settings or {})))

    def _size(self) -> tuple[int, int, int]:
        return len(self.dataset.splits.open), max(1, len(self.dataset.features)), max(1, len(self.dataset.classes))


def keep_back(limit: float | None) -> float:
    """Seconds to keep back for what comes after the bundle: evidence, report, exit."""
    return 0.0 if limit is None else 0.8 + 0.04 * limit


def refit_seconds(fit_seconds: float | None, dataset: Dataset) -> float:
    """Seconds of a fit on all open rows, from those of the longest fit in a fold."""
    most = max((len(fold.train) for fold in dataset.splits.folds), default=1)
    return (fit_seconds or 0.0) * len(dataset.splits.open) / max(1, most)


def ship_seconds(refit_seconds: float) -> float:
    """Seconds that refitting and exporting one candidate may take before it is given up for the next best."""
    return 1.2 + 2.0 * refit_seconds


def end_reserve(limit: float | None, refit_seconds: float) -> float:
    """Seconds to keep back for all that comes after the search: refit and export of the winner, then as `keep_back`."""
    return 0.0 if limit is None else keep_back(limit) + ship_seconds(refit_seconds)

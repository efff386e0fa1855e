"""What a learner is. One file, one algorithm: frozen settings that `fit`, giving back what predicts now and what would ship.

    settings (frozen) --fit(training, budget, rng)--> Fitted --ship()--> steps of the runtime, data only

A learner never reads files, never splits, and never computes the metric by which it is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from trainwright.features.feature import Feature as Feature  # learners and select know both from here
from trainwright.features.feature import Reads as Reads
from trainwright.runtime.columns import Columns, Floats, Matrix
from trainwright.runtime.step import Step


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """What a learner learns from. For learners on rows, all arrays have the same number of rows."""

    task: str  # a name in tasks/: "binary", "multiclass", "regression", ...
    numbers: Matrix | None = None  # (rows, features) float32, made by the recipe that the card's `reads` names
    features: tuple[Feature, ...] = ()
    columns: Columns = field(default_factory=dict)  # the typed columns, for learners that read them themselves
    target: Floats | None = None  # class numbers 0..classes-1, or the value itself; NaN where unknown (semi-supervised)
    classes: int = 0
    weight: Floats | None = None
    monotone: tuple[int, ...] = ()  # for each feature 1 (what is predicted may not fall along it), -1 (may not rise) or 0; () for all 0
    watch: Training | None = None  # rows set aside out of these very rows, for early stopping
    start: Any = None  # a bundle to start from (fine-tuning)
    environment: Any = None  # for reinforcement


@dataclass(frozen=True, slots=True)
class Budget:
    """What one fit may use. `iterations`, when given, replaces early stopping: the refit at the folds' median."""

    threads: int = 1
    iterations: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What came of a fit. `predict` is fast and serves the search; `ship` is called for the winner alone."""

    predict: Callable[[Any], Floats]  # (rows, features) float32 -> (rows, outputs) float64: class probabilities, or one number
    ship: Callable[[], tuple[Step, ...]]  # steps to apply one after another to the same features, giving the same outputs
    iterations: int | None = None  # where early stopping ended, for learners that have iterations
    notes: Mapping[str, Any] = field(default_factory=dict)  # what the report may tell, e.g. {"trees": 120}
    holds_rows: bool = False  # the steps hold rows of training as they were: the bundle is marked `contains_training_rows`


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What select/ and people must know of a learner without importing its library."""

    title: str
    tasks: tuple[str, ...]
    reads: Reads
    explains: Literal["glass-box", "explainable", "opaque"]
    how: str  # in what form a person can read it: "one weight per feature"
    losses: tuple[str, ...] = ()  # what its fit makes small, for each kind of task or setting: "log loss, for classes"
    limits: tuple[str, ...] = ()  # what it does not do, or not beyond some size: "at most 2,048 leaves in a tree"
    extra: str = "tables"
    package: str = ""  # what an extra other than "tables" must have brought, by the name under which it is imported
    stops_early: bool = False  # asks for watch rows
    monotone: bool = False  # keeps `Training.monotone`, for numbers and for two classes (the probability of the second)
    # Seconds and bytes of one fit and its answers for a fold, as a function of (rows, features, outputs): rough, to plan with; what was
    # measured replaces it.
    seconds: Callable[[int, int, int], float] = lambda rows, features, outputs: 1e-6 * rows * features
    memory: Callable[[int, int, int], float] = lambda rows, features, outputs: 16.0 * rows * features
    effort: Callable[[Any], float] = lambda settings: 1.0  # seconds with these settings (the learner), as a multiple of the defaults'


@dataclass(frozen=True, slots=True)
class LogUniform:
    low: float
    high: float
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Uniform:
    low: float
    high: float
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    options: tuple[Any, ...]


Space = Mapping[str, LogUniform | Uniform | Choice]  # where the search may move each setting


class Learner(Protocol):
    """A frozen, slotted, keyword-only dataclass of settings. `__post_init__` raises RequestError (TW010) for a wrong one."""

    card: ClassVar[Card]
    space: ClassVar[Space]

    def fit(self, training: Training, budget: Budget, rng: np.random.Generator) -> Fitted:
        """Learn. Deterministic for the same training, budget and rng state. Raises LearnerError when it cannot."""
        ...

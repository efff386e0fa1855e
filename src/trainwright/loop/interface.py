"""What the loop trains: an objective, which is a network with its loss and with what counts as better.

    objective --fit(rows, settings, seed)--> Trained: weights, where it ended, how it went

Weights are a dict of arrays; the loop asks no more of them than arithmetic, so another backend may bring its own arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from trainwright.errors import RequestError
from trainwright.runtime.columns import Rows

Weights = Mapping[str, NDArray[Any]]  # by name; never changed in place


class Objective(Protocol):
    """A network, its loss, and what is better. It holds the data; the loop hands it row numbers."""

    better: Literal["lower", "higher"]  # which way `judge` improves

    def start(self, rng: np.random.Generator) -> Weights:
        """The weights before the first step."""
        ...

    def loss_and_gradients(self, weights: Weights, rows: Rows, rng: np.random.Generator) -> tuple[float, Weights]:
        """The mean loss over `rows`, and its gradient for each weight. `rng` serves dropout and the like, and differs in each step."""
        ...

    def judge(self, weights: Weights, rows: Rows) -> float:
        """What is watched for early stopping, over `rows` that are not trained on; no randomness."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """How to train. Raises RequestError TW010 for a value that makes no sense."""

    epochs: int = 20
    batch: int = 32  # rows a step; the last step of an epoch may have fewer
    optimiser: Literal["adam", "sgd"] = "adam"
    rate: float = 1e-3  # learning rate at its highest
    momentum: float = 0.9  # of sgd: how much of the last step goes on; of adam: beta 1
    second: float = 0.999  # of adam: beta 2
    epsilon: float = 1e-8  # of adam
    schedule: Literal["cosine", "constant"] = "cosine"  # after the warm-up: down to zero at the end, or level
    warm_up: int = 0  # steps over which the rate grows linearly
    clip: float | None = None  # the longest gradient, over all weights together
    patience: int | None = None  # epochs without improvement on the watched rows before it stops
    checkpoint_every: int = 100  # steps

    def __post_init__(self) -> None:
        limits = {
            "epochs": self.epochs >= 1,
            "batch": self.batch >= 1,
            "rate": 0 < self.rate < float("inf"),
            "momentum": 0 <= self.momentum < 1,
            "second": 0 <= self.second < 1,
            "epsilon": self.epsilon > 0,
            "warm_up": self.warm_up >= 0,
            "clip": self.clip is None or self.clip > 0,
            "patience": self.patience is None or self.patience >= 1,
            "checkpoint_every": self.checkpoint_every >= 1,
            "optimiser": self.optimiser in ("adam", "sgd"),
            "schedule": self.schedule in ("cosine", "constant"),
        }
        for name, good in limits.items():
            if not good:
                what = f"{name} = {getattr(self, name)!r} makes no sense"
                fix = "counts and rates are above 0, momentum from 0 to below 1"
                raise RequestError("TW010", what, where="settings of the training loop", why="no training could follow it", fix=fix)


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """What came of it: the best weights by the watched rows, or the last ones where none were watched."""

    weights: Weights
    epochs: int  # of the best weights: what a refit without watched rows should take
    steps: int  # taken in all
    losses: tuple[float, ...]  # mean training loss of each epoch
    watched: tuple[float, ...]  # what `judge` said after each epoch; () without watched rows
    lowered: bool  # whether the rate was lowered after a loss that was no number

"""One step of an optimiser, and the learning rate of each step: pure functions of what they are given.

Takes    weights, gradients and moments, each a dict of arrays; the step's number, counted from 0.
Gives    new weights and moments; nothing is changed in place, so that an earlier state stays whole.
Source   Adam: Kingma & Ba (2015), arXiv 1412.6980, algorithm 1. Momentum as in PyTorch: Sutskever et al. (2013), ICML.
         Cosine: Loshchilov & Hutter (2017), arXiv 1608.03983, without restarts. Clipping: Pascanu et al. (2013), ICML.
"""

from __future__ import annotations

import math

import numpy as np

from trainwright.loop.interface import LoopSettings, Weights


def no_moments(weights: Weights, settings: LoopSettings) -> dict[str, Weights]:
    """The moments before the first step: all zero."""
    names = ("first", "second") if settings.optimiser == "adam" else ("first",)
    return {name: {key: np.zeros_like(value) for key, value in weights.items()} for name in names}


def update(
    weights: Weights, gradients: Weights, moments: dict[str, Weights], step: int, rate: float, settings: LoopSettings
) -> tuple[Weights, dict[str, Weights]]:
    beta = settings.momentum
    if settings.optimiser == "sgd":
        first = {key: beta * moments["first"][key] + gradients[key] for key in weights}
        return {key: weights[key] - rate * first[key] for key in weights}, {"first": first}
    first = {key: beta * moments["first"][key] + (1 - beta) * gradients[key] for key in weights}
    second = {key: settings.second * moments["second"][key] + (1 - settings.second) * gradients[key] ** 2 for key in weights}
    even, odd = 1 - beta ** (step + 1), 1 - settings.second ** (step + 1)  # both moments start at zero: this undoes it
    moved = {key: weights[key] - rate * (first[key] / even) / (np.sqrt(second[key] / odd) + settings.epsilon) for key in weights}
    return moved, {"first": first, "second": second}


def rate_at(step: int, steps: int, settings: LoopSettings) -> float:
    """The learning rate of step 0 ≤ `step` < `steps`."""
    warm = min(settings.warm_up, steps)
    if step < warm:
        return settings.rate * (step + 1) / warm
    if settings.schedule == "constant":
        return settings.rate
    return settings.rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def length(gradients: Weights) -> float:
    """The Euclidean norm over all weights together; not finite when any of them is not."""
    return math.sqrt(sum(float(np.sum(np.square(value, dtype=np.float64))) for value in gradients.values()))


def clipped(gradients: Weights, norm: float, longest: float | None) -> Weights:
    if longest is None or norm <= longest:
        return gradients
    return {key: value * (longest / norm) for key, value in gradients.items()}

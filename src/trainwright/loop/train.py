"""The loop itself. All randomness is a function of counters, so training goes on from any step to the very same weights.

Takes    an objective, row numbers to train on and to watch, settings, a seed.
Gives    the weights that are best by the watched rows.
Why      the order of an epoch is a function of (seed, epoch, item) and a step's noise of (seed, step): neither is a state that a
         checkpoint could lose, and any number of workers would see the same.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainwright.errors import LearnerError
from trainwright.loop import checkpoint as checkpoints
from trainwright.loop.interface import LoopSettings, Objective, Trained, Weights
from trainwright.loop.optimisers import clipped, length, no_moments, rate_at, update
from trainwright.record.digests import digest_bytes, digest_json
from trainwright.record.seeds import rng_for
from trainwright.runtime.columns import Rows

LOWERED = 0.1  # of the rate, after a loss that was no number


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """All that the next step depends on. A value: an earlier state stays whole, so going back is to take it again."""

    step: int
    weights: Weights
    moments: dict[str, Weights]
    best: Weights
    best_epoch: int = 0
    lowered: bool = False
    sum_of_losses: float = 0.0  # over the steps of this epoch, weighted by rows
    losses: tuple[float, ...] = ()
    watched: tuple[float, ...] = ()


def fit(objective: Objective, rows: Rows, settings: LoopSettings, *, seed: int, watch: Rows | None = None, checkpoint: Path | None = None) -> Trained:
    """Train until the epochs are over, or until the watched rows show no improvement for `patience` epochs.

    Takes    `checkpoint`, a folder: training goes on from what is there, and leaves its own state there.
    Raises   LearnerError TW011 when the loss is no number even at the lowered rate; CheckFailed TW086 when the folder holds
             another training; MachineError when a checkpoint cannot be written.
    """
    if len(rows) == 0:
        raise LearnerError("TW011", "there are no rows to train on", where="the training loop", fix="give rows")
    per_epoch = math.ceil(len(rows) / settings.batch)
    start = objective.start(rng_for(seed, "start"))
    belongs = _name(start, rows, watch, settings, seed)
    good = (checkpoint and _load(checkpoint, belongs)) or State(0, start, no_moments(start, settings), start)  # the state to go back to
    state = good
    order, ordered = np.empty(0, np.int64), -1  # the rows in the order of epoch `ordered`
    while not _over(state, settings, per_epoch):
        epoch, place = divmod(state.step, per_epoch)
        if ordered != epoch:
            order, ordered = epoch_order(rows, seed, epoch), epoch
        batch = order[place * settings.batch : (place + 1) * settings.batch]
        after = _step(objective, state, batch, settings, seed, settings.epochs * per_epoch)
        if after is not None and place == per_epoch - 1:
            after = _end_epoch(objective, after, len(rows), watch)
        keep = after is not None and _due(after, settings, per_epoch)
        if after is None or (keep and not _finite(after.weights)):
            good = state = _go_back(good, state)
            continue
        state = after
        if keep:
            good = state
            if checkpoint is not None:
                _save(checkpoint, state, belongs)
    epochs = state.best_epoch if watch is not None else len(state.losses)
    return Trained(state.best if watch is not None else state.weights, epochs, state.step, state.losses, state.watched, state.lowered)


def epoch_order(rows: Rows, seed: int, epoch: int) -> Rows:
    """The rows in the order of one epoch: sorted by a number that each item gets from (seed, epoch, item) alone.

    Source   splitmix64: Steele, Lea & Flood (2014), OOPSLA, 453-472; equal numbers (one chance in 2^64) keep the order of the rows.
    """
    key = rng_for(seed, "order", epoch).integers(2**64, dtype=np.uint64)
    mixed = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + key
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(rows[np.argsort(mixed ^ (mixed >> np.uint64(31)), kind="stable")])


def _step(objective: Objective, state: State, batch: Rows, settings: LoopSettings, seed: int, steps: int) -> State | None:
    """The state after one step; None when loss or gradient is no number."""
    with np.errstate(all="ignore"):  # what overflows is looked for, and named, here
        loss, gradients = objective.loss_and_gradients(state.weights, batch, rng_for(seed, "step", state.step))
        norm = length(gradients)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            return None
        rate = rate_at(state.step, steps, settings) * (LOWERED if state.lowered else 1.0)
        weights, moments = update(state.weights, clipped(gradients, norm, settings.clip), state.moments, state.step, rate, settings)
    total = state.sum_of_losses + float(loss) * len(batch)
    return dataclasses.replace(state, step=state.step + 1, weights=weights, moments=moments, sum_of_losses=total)


def _end_epoch(objective: Objective, state: State, rows: int, watch: Rows | None) -> State | None:
    """Note the epoch's loss, and look at the watched rows; None when what they show is no number."""
    state = dataclasses.replace(state, losses=(*state.losses, state.sum_of_losses / rows), sum_of_losses=0.0)
    if watch is None:
        return state
    with np.errstate(all="ignore"):
        score = float(objective.judge(state.weights, watch))
    if not math.isfinite(score):
        return None
    sign = 1 if objective.better == "higher" else -1
    improved = not state.watched or sign * score > sign * state.watched[state.best_epoch - 1]
    state = dataclasses.replace(state, watched=(*state.watched, score))
    return dataclasses.replace(state, best=state.weights, best_epoch=len(state.losses)) if improved else state


def _over(state: State, settings: LoopSettings, per_epoch: int) -> bool:
    waited = len(state.watched) - state.best_epoch
    return state.step >= settings.epochs * per_epoch or (settings.patience is not None and bool(state.watched) and waited >= settings.patience)


def _due(state: State, settings: LoopSettings, per_epoch: int) -> bool:
    """Whether this state is kept to come back to: every so many steps, and the last one."""
    return state.step % settings.checkpoint_every == 0 or _over(state, settings, per_epoch)


def _go_back(good: State, failed: State) -> State:
    """The last good state with the rate lowered; only once."""
    if failed.lowered:
        raise LearnerError(
            "TW011",
            "the loss is no longer a number",
            where=f"step {failed.step + 1}",
            why="the weights grew without bounds, and did so again from the last good checkpoint at a tenth of the learning rate",
            fix="lower the learning rate, clip the gradient, or look for extreme values in the columns",
        )
    return dataclasses.replace(good, lowered=True)


def _finite(weights: Weights) -> bool:
    return all(bool(np.isfinite(value).all()) for value in weights.values())


def _name(start: Weights, rows: Rows, watch: Rows | None, settings: LoopSettings, seed: int) -> str:
    """What tells one training from another, so that a checkpoint is not taken for that of another one."""
    digests = [digest_bytes(numbers.astype("<i8").tobytes()) for numbers in (rows, *(() if watch is None else (watch,)))]
    shapes = [[key, list(value.shape), str(value.dtype)] for key, value in start.items()]
    return digest_json([dataclasses.asdict(settings), seed, digests, shapes])


def _save(folder: Path, state: State, belongs: str) -> None:
    arrays: dict[str, NDArray[Any]] = {}
    for part, values in {"weights": state.weights, "best": state.best, **{f"moment {name}": value for name, value in state.moments.items()}}.items():
        arrays |= {f"{part}/{key}": value for key, value in values.items()}
    names = ("step", "best_epoch", "lowered", "sum_of_losses", "losses", "watched")
    plain = {name: getattr(state, name) for name in names} | {"belongs": belongs, "moments": list(state.moments)}
    checkpoints.save(folder, state.step, arrays, plain)


def _load(folder: Path, belongs: str) -> State | None:
    found = checkpoints.last(folder, belongs=belongs)
    if found is None:
        return None
    arrays, plain = found

    def part(name: str) -> Weights:
        return {key.removeprefix(f"{name}/"): value for key, value in arrays.items() if key.startswith(f"{name}/")}

    return State(
        step=plain["step"],
        weights=part("weights"),
        moments={name: part(f"moment {name}") for name in plain["moments"]},
        best=part("best"),
        best_epoch=plain["best_epoch"],
        lowered=plain["lowered"],
        sum_of_losses=plain["sum_of_losses"],
        losses=tuple(plain["losses"]),
        watched=tuple(plain["watched"]),
    )

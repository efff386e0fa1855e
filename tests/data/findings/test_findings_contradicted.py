"""The share of wrong labels under a learner's own mistakes: planted shares, their intervals, and the likelihood by another road."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from trainwright.data.findings.contradicted import Floor, floor_of, ranks


def drawn(rng: np.random.Generator, n: int, noise: float, own: float, power: float) -> tuple[Floor, np.ndarray, np.ndarray, np.ndarray]:
    """Rows said to be of two classes; contradicted by wrong labels at random, and by mistakes that die out towards the surest rows."""
    seems, sure = rng.integers(0, 2, n), rng.uniform(size=n)
    rank = ranks(sure, seems)
    wrong = rng.uniform(size=n) < noise
    other = wrong | (rng.uniform(size=n) < own * rank**power)
    return floor_of(sure, seems, other), wrong, other, rank


def test_the_rank_is_within_the_class() -> None:
    assert ranks(np.array([0.9, 0.5, 0.7, 0.6]), np.array([0, 1, 0, 1])).tolist() == [0.25, 0.75, 0.75, 0.25]


@pytest.mark.parametrize(("noise", "own", "power"), [(0.02, 0.3, 6.0), (0.05, 0.6, 3.0), (0.1, 0.2, 9.0)])
def test_planted_noise_lies_in_the_interval(rng: np.random.Generator, noise: float, own: float, power: float) -> None:
    inside, estimates, claimed, true = 0, [], 0.0, 0
    for _ in range(40):
        floor, wrong, other, _ = drawn(rng, 2000, noise, own, power)
        inside += floor.low <= noise <= floor.high
        estimates.append(floor.noise)
        claimed, true = claimed + float(floor.wrong[other].sum()), true + int(wrong.sum())
    assert inside >= 34  # of 40 at 95 %: fewer than 34 has a chance of 1 in 1,000
    assert np.mean(estimates) == pytest.approx(noise, rel=0.1)
    assert claimed == pytest.approx(true, rel=0.1)  # the chances add up to the wrong labels


def test_mistakes_alone_are_no_noise(rng: np.random.Generator) -> None:
    lows = [drawn(rng, 2000, 0.0, 0.7, power)[0].low for power in (2.0, 3.0, 6.0) for _ in range(20)]
    assert np.mean(np.array(lows) < 0.003) >= 0.95


def test_the_likelihood_is_at_its_top(rng: np.random.Generator) -> None:
    """The same model without bins and grids, by another optimizer."""
    floor, _, other, rank = drawn(rng, 3000, 0.04, 0.5, 4.0)

    def loss(z: np.ndarray) -> float:
        p = np.clip(z[0] + z[1] * rank ** z[2], 1e-9, 1 - 1e-9)
        return -float(np.where(other, np.log(p), np.log1p(-p)).sum())

    starts = [minimize(loss, [0.03, 0.4, k], method="L-BFGS-B", bounds=[(0, 0.5), (0, 1), (2, 20)]) for k in (3.0, 5.0, 9.0)]
    best = min(starts, key=lambda found: found.fun)
    assert floor.noise == pytest.approx(best.x[0], rel=0.1)  # the grids are 4 % and half a power apart

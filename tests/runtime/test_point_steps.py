"""The steps `kernel`, `nearest` and `bayes`: their formulas written out, blocks, and fields that cannot be."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from trainwright.errors import BundleError
from trainwright.runtime.step import parts
from trainwright.runtime.steps import KINDS, Bayes, Kernel, Nearest, points


def kernel(rng) -> Kernel:
    return Kernel(points=rng.normal(size=(7, 3)).astype(np.float32), weights=rng.normal(size=(7, 2)), offset=rng.normal(size=2), gamma=0.4)


def nearest() -> Nearest:
    grid = np.arange(8, dtype=np.float32).reshape(4, 2)
    return Nearest(points=grid, values=np.array([0.0, 1, 1, 0]), weight=np.ones(4), prior=np.array([0.5, 0.5]), count=2, weighing="uniform", pull=1.0)


def bayes() -> Bayes:
    return Bayes(
        features=3,
        prior=np.log([0.25, 0.75]),
        numbers=np.array([1]),
        means=np.array([[0.0], [2.0]]),
        variances=np.array([[1.0], [4.0]]),
        codes=np.array([0, 2]),
        sizes=np.array([2, 1]),
        table=np.log(np.array([[0.5, 0.1], [0.5, 0.9], [1.0, 1.0]])),
    )


def test_kernel_is_its_sum_of_bumps(rng, monkeypatch):
    step, X = kernel(rng), rng.normal(size=(50, 3)).astype(np.float32)
    wanted = [
        [
            sum(
                step.weights[p, k] * math.exp(-0.4 * sum((float(a) - float(b)) ** 2 for a, b in zip(x, step.points[p], strict=True)))
                for p in range(7)
            )
            + step.offset[k]
            for k in range(2)
        ]
        for x in X
    ]
    np.testing.assert_allclose(step.apply(X), wanted, rtol=1e-12, atol=1e-13)
    monkeypatch.setattr(points, "CELLS", 20)
    np.testing.assert_allclose(step.apply(X), wanted, rtol=1e-12, atol=1e-13)
    assert step.apply(X[:0]).shape == (0, 2)
    np.testing.assert_array_equal(step.apply(np.full((1, 3), 1.7e38, np.float32)), [step.offset])
    empty = Kernel(points=np.empty((0, 3), np.float32), weights=np.empty((0, 2)), offset=step.offset, gamma=1.0)
    np.testing.assert_array_equal(empty.apply(X), np.tile(step.offset, (50, 1)))


def test_nearest_shares_the_last_place():
    """From (1, 1) the first point is nearest; (2, 3) next. From the middle of two, both."""
    said = nearest().apply(np.array([[1, 1], [3, 4], [5, 6]], np.float32))
    np.testing.assert_allclose(said, [[0.5, 0.5], [0.5 / 3, 2.5 / 3], [0.5, 0.5]])
    number = dataclasses.replace(nearest(), prior=np.empty(0), values=np.array([10.0, 20, 30, 40]), count=1)
    np.testing.assert_allclose(number.apply(np.array([[1, 2], [0, 1]], np.float32)), [[15], [10]])  # (1, 2) is between the first two


def test_bayes_adds_logarithms():
    step = bayes()
    rows = np.array([[0, 1.5, 0], [1, np.nan, 3], [np.nan, np.nan, np.nan], [-1, 1.7e38, 0]], np.float32)
    said = step.apply(rows)

    def normal(x: float, mean: float, variance: float) -> float:
        return -0.5 * ((x - mean) ** 2 / variance + math.log(2 * math.pi * variance))

    np.testing.assert_allclose(said[0], [math.log(0.25 * 0.5) + normal(1.5, 0, 1), math.log(0.75 * 0.1) + normal(1.5, 2, 4)])
    np.testing.assert_allclose(said[1], [math.log(0.25 * 0.5), math.log(0.75 * 0.9)])
    np.testing.assert_allclose(said[2], np.log([0.25, 0.75]))
    assert np.isfinite(said).all()


@pytest.mark.parametrize("kind", ["kernel", "nearest", "bayes"])
def test_made_again_from_its_parts(rng, kind):
    step = {"kernel": kernel(rng), "nearest": nearest(), "bayes": bayes()}[kind]
    settings, arrays, graphs = parts(step)
    again = KINDS[kind].from_parts(json.loads(json.dumps(settings)), arrays, graphs)
    X = rng.normal(size=(5, {"kernel": 3, "nearest": 2, "bayes": 3}[kind])).astype(np.float32)
    np.testing.assert_array_equal(again.apply(X), step.apply(X))
    with pytest.raises(ValueError, match="features"):
        step.apply(X[:, :-1])


IMPOSSIBLE = [
    ("kernel", {"gamma": 0}),
    ("kernel", {"gamma": -1.0}),
    ("kernel", {"gamma": "wide"}),
    ("kernel", {"gamma": float("inf")}),
    ("kernel", {"gamma": True}),
    ("kernel", {"points": np.zeros((6, 3), np.float32)}),
    ("kernel", {"points": np.zeros((7, 3))}),
    ("kernel", {"points": np.full((7, 3), np.nan, np.float32)}),
    ("kernel", {"weights": np.zeros((7, 0)), "offset": np.zeros(0)}),
    ("nearest", {"count": 5}),
    ("nearest", {"count": 0}),
    ("nearest", {"count": 1.5}),
    ("nearest", {"weighing": "by moon"}),
    ("nearest", {"pull": -1.0}),
    ("nearest", {"pull": float("nan")}),
    ("nearest", {"weight": np.zeros(4)}),
    ("nearest", {"weight": np.full(4, 1e200)}),
    ("nearest", {"values": np.array([0.0, 1, 2, 0])}),
    ("nearest", {"values": np.array([0.0, 1, 0.5, 0])}),
    ("nearest", {"values": np.array([0.0, 1, -1, 0])}),
    ("nearest", {"prior": np.array([0.5, 0.6])}),
    ("nearest", {"prior": np.array([1.5, -0.5])}),
    ("bayes", {"features": 2}),
    ("bayes", {"features": -1}),
    ("bayes", {"numbers": np.array([-1])}),
    ("bayes", {"codes": np.array([0, 3])}),
    ("bayes", {"sizes": np.array([2, 2])}),
    ("bayes", {"sizes": np.array([4, -1])}),
    ("bayes", {"sizes": np.array([2**62, 2**62])}),
    ("bayes", {"variances": np.array([[1.0], [0.0]])}),
    ("bayes", {"means": np.zeros((1, 1))}),
    ("bayes", {"prior": np.empty(0), "means": np.empty((0, 1)), "variances": np.empty((0, 1)), "table": np.empty((3, 0))}),
    ("bayes", {"table": np.full((3, 2), -np.inf)}),
]


@pytest.mark.parametrize(("kind", "change"), IMPOSSIBLE)
def test_impossible_fields_are_refused(rng, kind, change):
    step = {"kernel": kernel(rng), "nearest": nearest(), "bayes": bayes()}[kind]
    with pytest.raises(BundleError) as error:
        dataclasses.replace(step, **change)
    assert error.value.code == "TW054"

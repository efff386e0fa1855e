"""Least squares against exact answers, reckoned in fractions from the very float32 numbers that are given: every road, on tables that are hard."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from trainwright.learners import least_squares
from trainwright.learners.interface import Budget, Training
from trainwright.learners.tabular.linear import Linear


def exact(matrix: Any, right: Any) -> list[Fraction]:
    """The answer of a square system of fractions, by elimination."""
    rows = [[*row, last] for row, last in zip(matrix, right, strict=True)]
    for at in range(len(rows)):
        pivot = next(place for place in range(at, len(rows)) if rows[place][at] != 0)
        rows[at], rows[pivot] = rows[pivot], rows[at]
        rows[at] = [cell / rows[at][at] for cell in rows[at]]
        for other in range(len(rows)):
            if other != at and rows[other][at] != 0:
                rows[other] = [cell - rows[other][at] * over for cell, over in zip(rows[other], rows[at], strict=True)]
    return [row[-1] for row in rows]


def fractions(values: Any) -> list[Any]:
    return [[Fraction(float(cell)) for cell in row] if np.ndim(row) else Fraction(float(row)) for row in values]


def truth(X: Any, y: Any, weight: Any = None, ridge: float = 0.0) -> np.ndarray:
    """Weights and then the intercept, by the normal equations with a column of ones, in fractions."""
    rows = [[*row, Fraction(1)] for row in fractions(X)]
    each = fractions(np.ones(len(X)) if weight is None else weight)
    target, size = fractions(y), len(rows[0])
    products = [[sum(w * row[i] * row[j] for w, row in zip(each, rows, strict=True)) for j in range(size)] for i in range(size)]
    for i in range(size - 1):
        products[i][i] += Fraction(ridge)
    answers = [sum(w * row[i] * t for w, row, t in zip(each, rows, target, strict=True)) for i in range(size)]
    return np.array([float(value) for value in exact(products, answers)])


def error(line: least_squares.Line, X: Any, right: np.ndarray) -> float:
    """How far the weights are off, each in units of its column's deviation, as a share of them all."""
    scale = X.astype(float).std(axis=0)
    return float(np.linalg.norm((line.weights - right[:-1]) * scale) / np.linalg.norm(right[:-1] * scale))


def made(rng: np.random.Generator, near: float, shift: float, scales: Any = 1.0) -> tuple[Any, Any]:
    """Four columns, the last of which is the first and `near` of something else; a target with a small residual."""
    X = rng.normal(size=(60, 4))
    X[:, 3] = X[:, 0] + near * X[:, 3]
    X = (X * scales + shift).astype(np.float32)
    y = (X.astype(float) - X.astype(float).mean(axis=0)) / np.abs(scales) @ [1.0, -2.0, 0.5, 1.0] + 0.01 * rng.normal(size=60)
    return X, y


SCALES = np.array([1e-6, 1e6, 1.0, 1e3])


@pytest.mark.parametrize(
    ("near", "shift", "scales", "way", "most"),
    [
        (1.0, 0.0, 1.0, "products", 1e-14),
        (1.0, 0.0, SCALES, "products", 1e-14),
        (1.0, 1e6, 1.0, "products", 1e-12),
        (1e-2, 0.0, 1.0, "products, refined", 1e-13),
        (1e-4, 0.0, SCALES, "products, refined", 1e-11),
        (1e-4, 3e3, 1.0, "products, refined", 1e-11),
        (1e-5, 0.0, 1.0, "products, refined", 1e-9),
        (1e-6, 0.0, 1.0, "QR", 1e-8),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_hard_tables(rng, near, shift, scales, way, most, weighted):
    """An error of about condition² · residual's share · 1e-16 is what the best methods have; LAPACK's own, with a column of ones, has no less."""
    X, y = made(rng, near, shift, scales)
    weight = rng.uniform(0.1, 5, 60) if weighted else None
    line, right = least_squares.solve(X, y, weight), truth(X, y, weight)
    root = np.ones(60) if weight is None else np.sqrt(weight)
    lapack = np.linalg.lstsq(np.c_[X, np.ones(60)].astype(float) * root[:, None], y * root, rcond=None)[0]
    theirs = error(least_squares.Line(lapack[:-1], lapack[-1], "gelsd"), X, right)
    assert line.way == way
    assert error(line, X, right) < min(most, 20 * theirs + 1e-14)
    assert line.intercept == pytest.approx(right[-1], rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("near", "ridge", "way"), [(1.0, 3.0, "products"), (1e-4, 1e-7, "products, refined"), (1e-6, 1e-12, "QR")])
def test_ridge(rng, near, ridge, way, weighted):
    X, y = made(rng, near, 0.0)
    weight = rng.uniform(0.1, 5, 60) if weighted else None
    line, right = least_squares.solve(X, y, weight, ridge=ridge), truth(X, y, weight, ridge)
    assert line.way == way
    assert error(line, X, right) < {"products": 1e-14, "products, refined": 1e-10, "QR": 1e-8}[way]
    assert line.intercept == pytest.approx(right[-1], rel=1e-9)


def smallest(X: Any, y: Any) -> np.ndarray:
    """More columns than rows: of the lines through all rows the smallest, each weight counted in units of one over its column's deviation."""
    rows, target = fractions(X), fractions(y)
    means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
    squares = [sum((cell - mean) ** 2 for cell in column) for column, mean in zip(zip(*rows, strict=True), means, strict=True)]
    apart = [[cell - first for cell, first in zip(row, rows[0], strict=True)] for row in rows[1:]]
    products = [[sum(a * b / s for a, b, s in zip(one, two, squares, strict=True)) for two in apart] for one in apart]
    shares = exact(products, [value - target[0] for value in target[1:]])
    weights = [sum(share * row[i] for share, row in zip(shares, apart, strict=True)) / s for i, s in enumerate(squares)]
    return np.array([float(w) for w in [*weights, target[0] - sum(w * cell for w, cell in zip(weights, rows[0], strict=True))]])


@pytest.mark.parametrize(("near", "way", "most"), [(1.0, "products", 1e-13), (1e-4, "products, refined", 1e-10), (1e-7, "singular values", 1e-7)])
@pytest.mark.parametrize("weighted", [False, True])
def test_more_columns_than_rows(rng, near, way, most, weighted):
    """(Weights that are all alike change nothing; others would move the means, and so the units.)"""
    X = rng.normal(size=(8, 15))
    X[1] = X[0] + near * X[1]
    X = ((X + 100 * (near == 1)) * np.logspace(-6, 6, 15)).astype(np.float32)
    y = rng.normal(size=8)
    y[1] = y[0] + near * y[1]
    line, right = least_squares.solve(X, y, np.full(8, 2.5) if weighted else None), smallest(X, y)
    assert line.way == way
    assert error(line, X, right) < most
    assert line.intercept == pytest.approx(right[-1], rel=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("near", "ridge", "way"), [(1.0, 0.5, "products"), (1e-4, 1e-6, "products, refined"), (1e-7, 1e-12, "singular values")])
def test_ridge_of_more_columns_than_rows(rng, near, ridge, way, weighted):
    X = rng.normal(size=(6, 9))
    X[1] = X[0] + near * X[1]
    X, y = X.astype(np.float32), rng.normal(size=6)
    weight = rng.uniform(0.5, 2, 6) if weighted else None
    line, right = least_squares.solve(X, y, weight, ridge=ridge), truth(X, y, weight, ridge)
    assert line.way == way
    assert error(line, X, right) < {"products": 1e-13, "products, refined": 1e-9, "singular values": 1e-5}[way]


def test_columns_that_repeat_share_their_weight_whatever_their_units(rng):
    X = rng.normal(size=(50, 2)).astype(np.float32)
    y = X.astype(float) @ [3.0, -1.0] + 0.1 * rng.normal(size=50)
    right = truth(X, y)
    line = least_squares.solve(np.c_[X, 1024 * X[:, 0], np.full(50, 1e6)].astype(np.float32), y)
    assert line.way == "singular values"
    np.testing.assert_allclose(line.weights, [right[0] / 2, right[1], right[0] / 2048, 0], rtol=1e-10)
    assert line.intercept == pytest.approx(right[2], rel=1e-10)


@pytest.mark.parametrize("ridge", [0.0, 2.0])
@pytest.mark.parametrize("value", [0.0, 0.1, 123456.7, 1e30])
def test_a_column_that_does_not_vary_gets_nothing(rng, value, ridge):
    X, y = made(rng, 1.0, 0.0)
    line = least_squares.solve(np.insert(X, 2, value, axis=1), y, ridge=ridge)
    assert line.weights[2] == 0
    assert line.way == "products"
    np.testing.assert_allclose(np.delete(line.weights, 2), truth(X, y, None, ridge)[:-1], rtol=1e-11)
    wide = least_squares.solve(np.insert(X[:4], 2, value, axis=1), y[:4], ridge=ridge)
    assert abs(wide.weights[2] * value) < 1e-9
    tiny = np.insert(X, 2, np.float32(value), axis=1)
    tiny[7, 2] = np.nextafter(np.float32(value), np.float32(np.inf))  # the least that float32 knows is a column that varies
    if value > 0.0 and not ridge:
        assert error(least_squares.solve(tiny, y), tiny, truth(tiny, y)) < 1e-9


def test_blocks_and_the_first_centre_change_nothing(rng, monkeypatch):
    """Rows in an order in which every sampled one lies far out; blocks of 512 rows instead of all."""
    X = rng.normal(size=(2600, 3)).astype(np.float32)
    X[::2] += np.float32(1000)
    y, weight = X.astype(float) @ [1.0, 2.0, -1.0] + rng.normal(size=2600), rng.uniform(0.5, 2, 2600)
    root = np.sqrt(weight)
    A = np.c_[X, np.ones(2600)].astype(float) * root[:, None]
    right = np.linalg.lstsq(A / np.linalg.norm(A, axis=0), y * root, rcond=None)[0] / np.linalg.norm(A, axis=0)
    for cells in (2**18, 1):
        monkeypatch.setattr(least_squares, "CELLS", cells)
        for least in (0.0, 2.0):  # 2: no condition is good enough, so QR
            monkeypatch.setattr(least_squares, "LEAST", least)
            line = least_squares.solve(X, y, weight)
            assert line.way == ("QR" if least else "products, refined")
            np.testing.assert_allclose([*line.weights, line.intercept], right, rtol=1e-9)


def test_few_rows_and_targets_that_do_not_vary(rng):
    X = rng.normal(size=(60, 4)).astype(np.float32)
    assert not least_squares.solve(X, np.full(60, 3.5)).weights.any()
    one = least_squares.solve(X[:1], np.array([2.0]))
    assert one.weights.tolist() == [0] * 4
    assert one.intercept == 2.0
    flat = least_squares.solve(np.ones((5, 2), np.float32), np.arange(5.0))
    assert flat.weights.tolist() == [0, 0]
    assert flat.intercept == 2.0
    torn = least_squares.solve(np.repeat(X[:2], 2, axis=0), np.array([1.0, 3.0, 5.0, 5.0]))  # equal rows, other targets: their mean
    np.testing.assert_allclose(X[:2].astype(float) @ torn.weights + torn.intercept, [2.0, 5.0], rtol=1e-10)


@pytest.mark.parametrize("penalty", ["none", "l2"])
@pytest.mark.parametrize("shape", [(60, 4), (6, 9)])
def test_the_learner_tells_the_road_and_takes_weights(rng, penalty, shape):
    """A weight of two is the row twice, and one of nothing is no row."""
    X, y = rng.normal(size=shape).astype(np.float32), 1e5 + 1e3 * rng.normal(size=shape[0])
    weight = np.arange(shape[0]) % 3 * 1.0

    def fitted(*rows: Any, weight: Any = None) -> Any:
        training = Training(task="regression", numbers=rows[0], target=rows[1], classes=0, weight=weight)
        return Linear(penalty=penalty, strength=0.1).fit(training, Budget(), rng)

    again = np.repeat(np.arange(shape[0]), weight.astype(int))
    one, other = fitted(X, y, weight=weight), fitted(X[again], y[again])
    np.testing.assert_allclose(one.predict(X), other.predict(X), rtol=1e-9)
    assert one.notes["way"] == "products"

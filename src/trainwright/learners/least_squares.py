"""Least squares with an intercept, plain or with a ridge: fast where the columns allow it, by orthogonal steps where they do not.

Takes    X (rows, columns) float32 without gaps; y (rows,); weights; a ridge.
Gives    the weights and intercept of the least  Σ weight·(y − x·v − b)² + ridge·|v|². Where that leaves weights open, those that are smallest
         in units of one over their columns' standard deviations; a column that does not vary gets 0.
Roads    1. rows outnumber columns: products of all columns in one pass, centred and scaled to length 1, Cholesky, and rounds of refinement from
            residuals of the rows themselves, which bring the error down to that of orthogonal methods while the products' condition allows it;
         2. columns outnumber rows: the same with the products of all rows;
         3. a condition beyond that: Householder's QR block by block, and singular values where the triangle is singular.
Cost     road 1: rows·columns² time (half of a QR), 16·columns² bytes and a block; road 2: rows²·columns, 16·rows·columns bytes.
         All is reckoned in float64, and no float64 copy of a tall X is made.
Source   Björck (1996), Numerical Methods for Least Squares Problems, SIAM: 2.9 on refinement, 6.6 on seminormal equations; van der Sluis
         (1969), Numerische Mathematik 14: scaling of columns; Demmel et al. (2012), SIAM J. Sci. Comput. 34(1): QR by blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from trainwright.runtime.columns import Floats, Matrix

FOLDED = 1024  # rows that are folded into the triangle at a time: with few columns they stay in the cache that is nearest
CELLS = 2**18  # of one block of rows: it stays in a processor's cache
SAMPLE = 1000  # rows whose mean is taken off first
SURE = 1e-4  # reciprocal condition of the products from which on the first answer has eleven digits or more
LEAST = 1e-11  # below it refinement may fail to converge
ROUNDS = 5  # of refinement at most: two are the rule
SETTLED = 1e-13  # share of the answer that a last round moves
EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    weights: Floats  # (columns,)
    intercept: float
    way: str  # "products", "products, refined", "QR" or "singular values"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The rows as the roads see them: centred, each times the root of its weight, one block at a time."""

    matrix: Matrix  # (rows, columns) float32
    target: Floats  # (rows,) centred, times the root of the weight
    root: Floats  # (rows,) roots of the weights
    plain: bool  # all weights are 1
    centre: Floats  # (columns,)
    ridge: float

    def blocks(self, size: int = 0) -> Iterator[tuple[Floats, slice]]:
        """(rows of the block, columns) and the place of its rows: `size` rows, or as many as a processor's cache holds."""
        size = size or max(512, CELLS // max(1, self.matrix.shape[1]))
        for first in range(0, len(self.matrix), size):
            place = slice(first, first + size)
            block = self.matrix[place] - self.centre  # float64
            if not self.plain:
                block *= self.root[place, None]
            yield block, place


def solve(matrix: Matrix, target: Floats, weight: Floats | None = None, *, ridge: float = 0.0) -> Line:
    """The line of least squares. `ridge` is that of the sum over rows, not of their mean; 0 for none."""
    root = np.ones(len(target)) if weight is None else np.sqrt(weight)
    middle = float(target.mean()) if weight is None else float(weight @ target / weight.sum())
    near = matrix[:: max(1, len(matrix) // SAMPLE)].mean(axis=0, dtype=np.float64)
    rows = Rows(matrix, (target - middle) * root, root, weight is None, near, ridge)
    weights, centre, way = _tall(rows) if len(matrix) > matrix.shape[1] else _wide(rows)
    return Line(weights, middle - float(centre @ weights), way)


def _tall(rows: Rows) -> tuple[Floats, Floats, str]:
    """Weights, the centre of the rows, and the road that was gone."""
    columns = rows.matrix.shape[1]
    products, answers, sums = np.zeros((columns, columns)), np.zeros(columns), np.zeros(columns)
    for block, place in rows.blocks():
        products += block.T @ block
        answers += rows.target[place] @ block
        sums += rows.root[place] @ block
    total = float(rows.root @ rows.root)
    off = sums / total  # what the first centre missed by: little, so that next to no digits go here
    products -= total * np.outer(off, off)
    rows = replace(rows, centre=rows.centre + off)  # the targets sum to 0: `answers` stay as they are
    scale = _scale(np.diagonal(products), rows.ridge)
    products.flat[:: columns + 1] += rows.ridge
    products *= np.outer(scale, scale)
    products.flat[:: columns + 1] += scale == 0  # a column that does not vary stands for itself, and gets 0

    def lacking(weights: Floats) -> Floats:
        slope = -rows.ridge * weights
        for block, place in rows.blocks():
            slope += (rows.target[place] - block @ weights) @ block
        return slope

    solver, condition = _cholesky(products)
    weights, way = _refined(lambda slope: scale * solver(scale * slope), condition, answers, lacking)
    if weights is None:
        weights, way = _by_qr(rows, scale)
    return weights, rows.centre, way


def _wide(rows: Rows) -> tuple[Floats, Floats, str]:
    """Weights, the centre of the rows, and the road that was gone: the weights are a sum of rows."""
    total = float(rows.root @ rows.root)
    off = rows.root**2 @ (rows.matrix - rows.centre) / total
    rows = replace(rows, centre=rows.centre + off)
    whole = np.concatenate([block for block, _ in rows.blocks()])
    scale = np.ones(whole.shape[1]) if rows.ridge else _scale(np.einsum("ij,ij->j", whole, whole), rows.ridge)
    whole *= scale
    products = whole @ whole.T
    if rows.ridge:
        products.flat[:: len(products) + 1] += rows.ridge
    else:  # centred rows add up to nothing; neither do the targets, so that direction may be filled
        products += np.trace(products) / len(products) / total * np.outer(rows.root, rows.root)

    def lacking(shares: Floats) -> Floats:
        return rows.target - whole @ (shares @ whole) - rows.ridge * shares

    shares, way = _refined(*_cholesky(products), rows.target, lacking)
    weights = _by_singular_values(whole, rows.target, rows.ridge) if shares is None else shares @ whole
    return scale * weights, rows.centre, way or "singular values"


def _scale(squares: Floats, ridge: float) -> Floats:
    """(columns,) one over the length of each column, its ridge included; 0 where it does not vary."""
    varies = squares > 0  # the mean of SAMPLE equal float32 numbers is exact in float64, and so their differences from it are 0
    return np.where(varies, 1.0 / np.sqrt(np.where(varies, squares + ridge, 1.0)), 0.0)


def _cholesky(products: Floats) -> tuple[Callable[[Floats], Floats], float]:
    """What solves with these products, and their reciprocal condition in the 1-norm: 0 where they are not positive definite."""
    from scipy.linalg import lapack

    size = float(np.abs(products).sum(axis=0).max())
    factor, failed = lapack.dpotrf(products, lower=1, clean=0)
    condition = 0.0 if failed or not size > 0 else float(lapack.dpocon(factor, size, uplo="L")[0])
    return lambda right: np.asarray(lapack.dpotrs(factor, right, lower=1)[0]), condition


def _refined(solver: Callable[[Floats], Floats], condition: float, right: Floats, lacking: Callable[[Floats], Floats]) -> tuple[Floats | None, str]:
    """The answer, bettered by what is lacking until rounding is all that moves it; None where the condition does not allow that."""
    if condition < LEAST:
        return None, ""
    answer = solver(right)
    if condition >= SURE:
        return answer, "products"
    before = np.inf
    for count in range(ROUNDS):
        step = solver(lacking(answer))
        moved = float(np.linalg.norm(step))
        if count == 0 and moved > 0.1 * np.linalg.norm(answer):
            return None, ""  # worse than its condition says
        if moved > before / 2:
            break  # nothing but rounding is left
        answer, before = answer + step, moved
        if moved <= SETTLED * np.linalg.norm(answer):
            break
    return answer, "products, refined"


def _by_qr(rows: Rows, scale: Floats) -> tuple[Floats, str]:
    """The triangle of all rows, each block folded into that of the rows before it."""
    from scipy.linalg import lapack, solve_triangular

    kept = np.flatnonzero(scale)
    count, size = len(kept), max(FOLDED, 2 * len(kept))
    triangle = np.zeros((count + 1, count + 1))
    triangle[:count, :count] = np.diag(np.sqrt(rows.ridge) * scale[kept])
    whole = np.empty((count + 1 + size, count + 1), order="F")  # as LAPACK reads it
    for block, place in rows.blocks(size):
        stacked = whole[: count + 1 + len(block)]
        stacked[: count + 1] = triangle
        stacked[count + 1 :, :count] = block[:, kept] * scale[kept]
        stacked[count + 1 :, count] = rows.target[place]
        triangle = np.triu(lapack.dgeqrf(stacked, overwrite_a=len(block) == size)[0][: count + 1])
    square, right = triangle[:count, :count], triangle[:count, count]
    weights = np.zeros(len(scale))
    if count and lapack.dtrcon(square)[0] > EPS * len(rows.matrix):
        weights[kept] = scale[kept] * solve_triangular(square, right)
        return weights, "QR"
    weights[kept] = scale[kept] * _by_singular_values(square, right, 0.0, len(rows.matrix))
    return weights, "singular values"


def _by_singular_values(matrix: Floats, right: Floats, ridge: float, rows: int = 0) -> Floats:
    """The smallest least-squares answer; directions of no size but rounding's say nothing."""
    left, size, axes = np.linalg.svd(matrix, full_matrices=False)
    kept = size > EPS * max(rows, *matrix.shape) * size.max(initial=0.0)
    return np.asarray((right @ left[:, kept] * (size[kept] / (size[kept] ** 2 + ridge))) @ axes[kept])

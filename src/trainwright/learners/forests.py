"""What the learners on scikit-learn's trees share: from a fitted tree or forest to `Fitted`, and its ONNX graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trainwright.learners.graphs import Nodes, sklearn_nodes, tree_graph
from trainwright.learners.interface import Fitted
from trainwright.learners.rows import Labelled, spread
from trainwright.runtime.columns import Floats, Matrix
from trainwright.runtime.step import Step
from trainwright.runtime.steps import Linear, Link, Onnx


def deepest(limit: int) -> int | None:
    """Our 0, "no limit", in scikit-learn's word for it."""
    return limit or None


def fitted(model: Any, trees: Sequence[Any], rows: Labelled) -> Fitted:
    """A fitted scikit-learn model whose answer is the mean of `trees` (fitted tree estimators)."""
    ship = (lambda: _ship_classes(trees, rows)) if rows.classes else (lambda: _ship_number(trees, rows))
    notes = {
        "trees": len(trees),
        "leaves": int(sum(tree.tree_.n_leaves for tree in trees)),
        "depth": int(max(tree.tree_.max_depth for tree in trees)),
    }
    return Fitted(predict=_predictor(model, rows), ship=ship, notes=notes)


def _predictor(model: Any, rows: Labelled) -> Callable[[Any], Floats]:
    outputs, placed = rows.classes or 1, spread(rows.present, rows.classes) if rows.classes else ()

    def predict(matrix: Matrix) -> Floats:
        if not len(matrix):
            return np.empty((0, outputs))
        if not rows.classes:
            return np.asarray(model.predict(matrix), np.float64)[:, None]
        shares = np.asarray(model.predict_proba(matrix), np.float64)
        return placed[0].apply(shares) if placed else shares

    return predict


def _ship_classes(trees: Sequence[Any], rows: Labelled) -> tuple[Step, ...]:
    two = rows.classes == 2

    def nodes(tree: Any) -> Nodes:
        counts = tree.tree_.value[:, 0, :]
        shares = counts / counts.sum(axis=1, keepdims=True) / len(trees)
        return sklearn_nodes(tree.tree_, shares[:, 1:], [0]) if two else sklearn_nodes(tree.tree_, shares, rows.present)

    features, outputs = rows.matrix.shape[1], 1 if two else rows.classes
    graph = tree_graph(map(nodes, trees), features=features, outputs=outputs)
    return Onnx(graph=graph, features=features, outputs=outputs), Link(name="complement" if two else "normalise")


def _ship_number(trees: Sequence[Any], rows: Labelled) -> tuple[Step, ...]:
    """The trees add what differs from the mean, in standard deviations: sums of float32 keep their digits for that alone."""
    mean = float(np.average(rows.target, weights=rows.weight))
    unit = float(rows.target.std()) or 1.0

    def nodes(tree: Any) -> Nodes:
        return sklearn_nodes(tree.tree_, (tree.tree_.value[:, 0, :1] - mean) / unit / len(trees), [0])

    features = rows.matrix.shape[1]
    graph = tree_graph(map(nodes, trees), features=features, outputs=1)
    return Onnx(graph=graph, features=features, outputs=1), Linear(weights=np.array([[unit]]), offset=np.array([mean]))

"""The trees of XGBoost and CatBoost as `Nodes`, read from the libraries' own JSON; and the steps in which boosted trees ship.

Takes    a parsed model file.
Gives    trees that decide as the library does for every float32 x (categories: for every whole number), NaN included.
Source   XGBoost's `doc/model.schema` and `common::Decision`; CatBoost's `catboost/libs/model/model_export/json_model_helpers.cpp`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from trainwright.learners.graphs import EQ, GT, LEAF, LT, Grown, Nodes, tree_graph
from trainwright.learners.interface import Budget, Training
from trainwright.learners.rows import Labelled, centre, spread, watched
from trainwright.runtime.columns import Floats, Matrix
from trainwright.runtime.step import Step
from trainwright.runtime.steps import Linear, Link, Onnx


@dataclass(frozen=True, slots=True, eq=False)
class Boosted:
    """What the trees of one fit are grown towards: places among the classes seen, or a number less its mean, in standard deviations."""

    rows: Labelled
    mean: float
    unit: float

    @classmethod
    def of(cls, rows: Labelled) -> Self:
        return cls(rows, *centre(rows))

    @property
    def constant(self) -> bool:
        """Whether there is nothing to grow towards."""
        return self.rows.constant or self.unit == 0

    @property
    def target(self) -> Any:
        """(rows,) whole numbers or float64."""
        return self.rows.labels if self.rows.classes else self._scaled(self.rows.target)

    def watched(self, training: Training, budget: Budget) -> tuple[Matrix, Floats, Floats | None] | None:
        """Features, target as the trees see it, and weights of the rows to stop by; None where there are none, or the rounds are given."""
        seen = watched(training, self.rows) if budget.iterations is None else None
        return seen and (seen[0], seen[1] if self.rows.classes else self._scaled(seen[1]), seen[2])

    def predictions(self, of: Callable[[Matrix], Any], matrix: Matrix) -> Floats:
        """(rows, outputs) from what the library says: probabilities of the classes seen, or scores. It is not asked about no rows."""
        if not len(matrix):
            return np.empty((0, self.rows.classes or 1))
        given = np.asarray(of(matrix), np.float64).reshape(len(matrix), -1)
        return self.rows.in_place(given) if self.rows.classes else given * self.unit + self.mean

    def steps(self, trees: Iterable[Nodes], start: Floats) -> tuple[Step, ...]:
        """The trees' scores, the scores (outputs,) that they start from, then what turns them into probabilities or into the target's unit."""
        rows, features, outputs = self.rows, self.rows.matrix.shape[1], self.rows.outputs
        scores = Onnx(graph=tree_graph(trees, features=features, outputs=outputs), features=features, outputs=outputs)
        if not rows.classes:
            return scores, Linear(weights=np.array([[self.unit]]), offset=start * self.unit + self.mean)
        added = Linear(weights=np.eye(outputs), offset=start)
        return scores, added, Link(name="logistic" if outputs == 1 else "softmax"), *spread(rows.present, rows.classes)

    def _scaled(self, target: Floats) -> Floats:
        return np.asarray((target - self.mean) / self.unit)


def xgboost_nodes(model: dict[str, Any]) -> Iterator[Nodes]:
    """The trees of an XGBoost model (`Booster.save_raw("json")`, parsed), each for the output that it adds to.

    A split on a number is `x < t` with t float32; one on a category sends its set to the right. NaN goes to the split's default side; a category in
    no set goes left. Raises ValueError for boosters that are no trees, or whose leaves are vectors.
    """
    booster = model["learner"]["gradient_booster"]
    if booster["name"] != "gbtree":
        raise ValueError(f"a {booster['name']} booster")
    for tree, output in zip(booster["model"]["trees"], booster["model"]["tree_info"], strict=True):
        if tree["tree_param"]["size_leaf_vector"] not in ("0", "1"):
            raise ValueError("leaves that are vectors")
        yield _xgboost_tree(tree, int(output))


def xgboost_start(model: dict[str, Any], outputs: int) -> Floats:
    """(outputs,) the scores before the first tree: the base score, which is kept as a probability where the objective is logistic."""
    learner = model["learner"]
    text = learner["learner_model_param"]["base_score"]
    given = np.array(text.strip("[]").split(","), np.float64)
    if learner["objective"]["name"] == "binary:logistic":
        given = np.log(given / (1.0 - given))
    return np.broadcast_to(given, outputs).copy()


def _xgboost_tree(tree: dict[str, Any], output: int) -> Nodes:
    left, right = np.array(tree["left_children"], np.int64), np.array(tree["right_children"], np.int64)
    reached = _reached(left, right)  # pruned nodes stay in the file
    place = np.full(len(left), 0, np.int64)
    place[reached] = np.arange(len(reached))
    left, right = left[reached], right[reached]
    leaf = left < 0
    by_set = np.array(tree["split_type"], np.int64)[reached] > 0
    by_set &= ~leaf
    value = np.array(tree["split_conditions"], np.float64)[reached]
    default = np.array(tree["default_left"], bool)[reached] & ~leaf
    grown = Grown(
        mode=np.where(leaf, LEAF, np.where(by_set, EQ, LT)).tolist(),
        feature=np.where(leaf, 0, np.array(tree["split_indices"], np.int64)[reached]).tolist(),
        threshold=np.where(leaf | by_set, 0, value).tolist(),
        yes=np.where(leaf, 0, place[left]).tolist(),
        no=np.where(leaf, 0, place[right]).tolist(),
        gap=default.tolist(),
    )
    sets = {
        int(node): tree["categories"][start : start + size]
        for node, start, size in zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
    }
    for node in np.flatnonzero(by_set).tolist():
        _to_the_right(grown, node, sets[int(reached[node])], bool(default[node]))
    leaves = np.flatnonzero(leaf)
    return grown.nodes(leaves, np.full(len(leaves), output, np.int64), value[leaves])


def _to_the_right(grown: Grown, node: int, members: Sequence[int], default_left: bool) -> None:
    """`node` sends these categories to the right, all else to the left. Where fewer categories are left than in the set, those are asked for."""
    left, right, feature = grown.yes[node], grown.no[node], grown.feature[node]
    top = max(members, default=-1)
    others = sorted(set(range(top + 1)) - set(members))
    if len(others) + 2 >= len(members):
        grown.yes[node], grown.no[node] = right, left
        grown.member(node, list(members), gap=not default_left)
        return
    inside = right
    if others:
        inside = grown.add(EQ, feature, 0.0, left, right, False)
        grown.member(inside, others)
    low = grown.add(LT, feature, 0.0, left, inside, False)  # a code below 0 is in no set; NaN that comes here ends on the right
    grown.mode[node], grown.threshold[node], grown.yes[node], grown.no[node], grown.gap[node] = GT, float(top), left, low, default_left


def _reached(left: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The nodes that a row can come to, ascending; the root is 0."""
    seen, waiting = [], [0]
    while waiting:
        node = waiting.pop()
        seen.append(node)
        if left[node] >= 0:
            waiting += [int(left[node]), int(right[node])]
    return np.array(sorted(seen), np.int64)


def catboost_nodes(model: dict[str, Any]) -> Iterator[Nodes]:
    """The trees of a CatBoost model (`save_model(format="json")`, parsed): all leaves of a tree hang on the same comparisons, level by level.

    A split is `x > border` with the border float32. NaN fails every one, unless the feature's gaps are read as above all ("AsTrue").
    Raises ValueError where a split is not one of numbers, or a tree is not symmetric.
    """
    if "oblivious_trees" not in model:
        raise ValueError("trees that are not symmetric")
    above = {entry["feature_index"]: entry["nan_value_treatment"] == "AsTrue" for entry in model["features_info"].get("float_features", [])}
    place = {entry["feature_index"]: entry["flat_feature_index"] for entry in model["features_info"].get("float_features", [])}
    outputs = len(catboost_start(model))
    for tree in model["oblivious_trees"]:
        yield _catboost_tree(tree, outputs, place, above)


def catboost_start(model: dict[str, Any]) -> Floats:
    """(outputs,) the scores before the first tree. Raises ValueError for a scale other than 1."""
    scale, bias = model["scale_and_bias"]
    if scale != 1:
        raise ValueError("a model that is scaled")
    return np.array(bias, np.float64).reshape(-1)


def _catboost_tree(tree: dict[str, Any], outputs: int, place: dict[int, int], above: dict[int, bool]) -> Nodes:
    splits = tree.get("splits") or []
    if any(split["split_type"] != "FloatFeature" for split in splits):
        raise ValueError("a split that is not one of numbers")
    depth = len(splits)
    inner, leaves = 2**depth - 1, 2**depth
    level = np.floor(np.log2(np.arange(1, inner + 1))).astype(np.int64)  # nodes are numbered as in a heap: the children of n are 2n + 1 and 2n + 2
    asked = [splits[depth - 1 - at] for at in level]  # the root asks for the leaf number's highest bit
    number = np.arange(inner)
    weights = np.array(tree["leaf_values"], np.float64).reshape(leaves, outputs)
    grown = Grown(
        mode=[GT] * inner + [LEAF] * leaves,
        feature=[place[split["float_feature_index"]] for split in asked] + [0] * leaves,
        threshold=[split["border"] for split in asked] + [0.0] * leaves,
        yes=(2 * number + 2).tolist() + [0] * leaves,
        no=(2 * number + 1).tolist() + [0] * leaves,
        gap=[above[split["float_feature_index"]] for split in asked] + [False] * leaves,
    )
    return grown.nodes(np.repeat(inner + np.arange(leaves), outputs), np.tile(np.arange(outputs), leaves), weights.reshape(-1))

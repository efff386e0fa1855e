"""Trees → ONNX, by our own writer: `TreeEnsembleRegressor` nodes from plain arrays.

Takes    the trees of scikit-learn or LightGBM; `boosted.py` reads those of XGBoost and CatBoost.
Gives    the bytes of a graph: float32 (rows, features) → float32 (rows, outputs), the sum over trees of the weights at the leaf reached.
Why      a converter must decide as the library does. Both compare `x <= t` with t float64 and x, here, float32; the largest float32 that is
         not above t gives the same answer for every float32 x, whereas rounding to the nearest does not.
         Equal models give equal bytes: no doc strings, no date, fields in one order.
Source   ONNX operators, domain ai.onnx.ml version 3, TreeEnsembleRegressor; LightGBM's Tree::NumericalDecision and CategoricalDecision.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_EQ", "LEAF")
LEQ, LT, GT, EQ, LEAF = range(5)
TOGETHER = 50_000  # nodes of one ensemble: about what a processor's cache holds; a forest of 500,000 in one was 2 to 3 times slower on 32,000 rows
ADDED = 100  # trees whose float32 scores one ensemble adds up: partial sums keep digits that one long sum loses
ZERO = float(np.float32(1e-35))  # what LightGBM takes for zero


@dataclass(frozen=True, slots=True, eq=False)
class Nodes:
    """One tree; node 0 is the root. Fields of a leaf's node other than `mode` are 0."""

    mode: NDArray[np.int8]  # (nodes,) a place in MODES
    feature: Ints
    threshold: NDArray[np.float32]
    yes: Ints  # the node where the comparison holds
    no: Ints
    gap: NDArray[np.bool_]  # whether NaN goes to `yes`
    leaf: Ints  # (weights,) the leaf's node …
    output: Ints  # … the output that it adds to …
    weight: NDArray[np.float64]  # … and how much


def floor32(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest float32 that is not above each threshold: x <= t decides the same for every float32 x."""
    with np.errstate(over="ignore"):
        near = threshold.astype(np.float32)
    return np.where(near > threshold, np.nextafter(near, np.float32(-np.inf)), near)


def tree_graph(trees: Iterable[Nodes], *, features: int, outputs: int) -> bytes:
    """The trees as an ONNX model: one ensemble or, where they are large, several and their sum (see TOGETHER).

    Raises ValueError when there is no tree, or when the model would pass the 2 GiB of protobuf.
    """
    from onnx import ModelProto, TensorProto

    trees = list(trees)
    if not trees:
        raise ValueError("no trees")
    model = ModelProto(ir_version=8, producer_name="trainwright")
    for domain, version in (("", 17), ("ai.onnx.ml", 3)):
        model.opset_import.add(domain=domain, version=version)
    graph = model.graph
    graph.name = "trees"
    for value, name, width in ((graph.input.add(), "x", features), (graph.output.add(), "y", outputs)):
        value.name = name
        value.type.tensor_type.elem_type = TensorProto.FLOAT
        value.type.tensor_type.shape.dim.add(dim_param="rows")
        value.type.tensor_type.shape.dim.add(dim_value=width)
    groups = _groups(trees, outputs)
    names = [f"y{number}" for number in range(len(groups))] if len(groups) > 1 else ["y"]
    for name, group in zip(names, groups, strict=True):
        _ensemble(graph.node.add(op_type="TreeEnsembleRegressor", domain="ai.onnx.ml", input=["x"], output=[name]), group, outputs)
    if len(groups) > 1:
        graph.node.add(op_type="Sum", input=names, output=["y"])
    return model.SerializeToString(deterministic=True)


def _groups(trees: list[Nodes], outputs: int) -> list[list[Nodes]]:
    """Neighbouring trees, with about TOGETHER nodes and no more than ADDED trees an output in each group."""
    group = np.cumsum([len(tree.mode) for tree in trees]) // TOGETHER + np.arange(len(trees)) // (ADDED * outputs)
    ends = [*np.flatnonzero(np.diff(group)) + 1, len(trees)]
    return [trees[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def _ensemble(node: Any, trees: list[Nodes], outputs: int) -> None:
    """Write the trees into the attributes of a TreeEnsembleRegressor node."""
    from onnx import AttributeProto

    def add(name: str, values: Any, kind: int = AttributeProto.INTS) -> None:
        attribute = node.attribute.add(name=name, type=kind)
        field = {AttributeProto.INTS: attribute.ints, AttributeProto.FLOATS: attribute.floats, AttributeProto.STRINGS: attribute.strings}[kind]
        field.extend(values.tolist() if isinstance(values, np.ndarray) else values)

    def joined(field: str) -> Any:
        return np.concatenate([getattr(tree, field) for tree in trees])

    sizes = [len(tree.mode) for tree in trees]
    words = [mode.encode() for mode in MODES]
    node.attribute.add(name="n_targets", type=AttributeProto.INT, i=outputs)
    add("nodes_treeids", np.repeat(np.arange(len(trees)), sizes))
    add("nodes_nodeids", np.concatenate([np.arange(size) for size in sizes]))
    add("nodes_featureids", joined("feature"))
    add("nodes_modes", [words[mode] for mode in joined("mode").tolist()], AttributeProto.STRINGS)
    add("nodes_values", joined("threshold"), AttributeProto.FLOATS)
    add("nodes_truenodeids", joined("yes"))
    add("nodes_falsenodeids", joined("no"))
    if (gaps := joined("gap")).any():
        add("nodes_missing_value_tracks_true", gaps.astype(np.int64))
    add("target_treeids", np.repeat(np.arange(len(trees)), [len(tree.leaf) for tree in trees]))
    add("target_nodeids", joined("leaf"))
    add("target_ids", joined("output"))
    add("target_weights", joined("weight").astype(np.float32), AttributeProto.FLOATS)


def sklearn_nodes(tree: Any, values: NDArray[np.float64], outputs: Sequence[int] | Ints) -> Nodes:
    """One tree of scikit-learn (an estimator's `tree_`).

    Takes   values (nodes, len(outputs)): what each node, if it is a leaf, adds to these outputs. Zeros are not written.
    """
    left, right = np.asarray(tree.children_left, np.int64), np.asarray(tree.children_right, np.int64)
    is_leaf = left < 0
    inner = ~is_leaf
    leaves = np.flatnonzero(is_leaf)
    place, column = np.nonzero(values[leaves])
    if not len(place):  # a tree of zeros: one weight must stand
        place, column = np.zeros(1, np.int64), np.zeros(1, np.int64)
    gap = np.asarray(getattr(tree, "missing_go_to_left", np.zeros(len(left))), bool)
    return Nodes(
        mode=np.where(is_leaf, LEAF, LEQ).astype(np.int8),
        feature=np.where(inner, tree.feature, 0).astype(np.int64),
        threshold=np.where(inner, floor32(np.asarray(tree.threshold, np.float64)), np.float32(0)).astype(np.float32),
        yes=np.where(inner, left, 0),
        no=np.where(inner, right, 0),
        gap=gap & inner,
        leaf=leaves[place],
        output=np.asarray(outputs, np.int64)[column],
        weight=values[leaves[place], column],
    )


def lightgbm_nodes(text: str, outputs: int) -> Iterator[Nodes]:
    """The trees of a LightGBM model, from its own text format (`Booster.model_to_string`).

    Decides as LightGBM does for every float32 x; for categorical splits, for every whole number, NaN included.
    Tree i adds to output i modulo `outputs`. Raises ValueError for linear trees and averaged ("rf") boosters, which this does not write.
    """
    head, *sections = text.split("\nTree=")
    if "\naverage_output" in head:
        raise ValueError("an averaged booster")
    for number, section in enumerate(sections):
        fields = dict(line.split("=", 1) for line in section.split("\n\n", 1)[0].split("\n")[1:] if "=" in line)
        if fields.get("is_linear", "0") != "0":
            raise ValueError("a linear tree")
        yield _lightgbm_tree(fields, number % outputs)


def _numbers(fields: dict[str, str], name: str, kind: type[np.generic] = np.int64) -> Any:
    return np.array(fields.get(name, "").split(), dtype=kind)


def _lightgbm_tree(fields: dict[str, str], output: int) -> Nodes:
    values = _numbers(fields, "leaf_value", np.float64)
    leaves, inner = len(values), len(values) - 1
    decision, feature = _numbers(fields, "decision_type"), _numbers(fields, "split_feature")
    threshold = _numbers(fields, "threshold", np.float64)
    left, right = _numbers(fields, "left_child"), _numbers(fields, "right_child")
    if inner == 0:
        decision = feature = left = right = np.empty(0, np.int64)
        threshold = np.empty(0)
    yes, no = np.where(left < 0, inner + ~left, left), np.where(right < 0, inner + ~right, right)
    by_set, by_default, missing = decision & 1 > 0, decision & 2 > 0, decision >> 2 & 3
    # Missing type none (0) and zero (1): NaN counts as 0. Type NaN (2): it goes to the default side.
    gap = np.where(missing == 2, by_default, np.where(missing == 1, by_default, threshold >= 0)) & ~by_set
    grown = Grown(
        mode=np.r_[np.where(by_set, EQ, LEQ), np.full(leaves, LEAF)].tolist(),
        feature=np.r_[feature, np.zeros(leaves, np.int64)].tolist(),
        threshold=np.r_[_without_zeros(threshold), np.zeros(leaves, np.float32)].tolist(),
        yes=np.r_[yes, np.zeros(leaves, np.int64)].tolist(),
        no=np.r_[no, np.zeros(leaves, np.int64)].tolist(),
        gap=np.r_[gap, np.zeros(leaves, bool)].tolist(),
    )
    if by_set.any():
        bounds, words = _numbers(fields, "cat_boundaries"), _numbers(fields, "cat_threshold", np.uint32)
        for node in np.flatnonzero(by_set).tolist():
            place = int(threshold[node])
            bits = np.unpackbits(words[bounds[place] : bounds[place + 1]].astype("<u4").view(np.uint8), bitorder="little")
            grown.member(node, np.flatnonzero(bits).tolist())
    for node in np.flatnonzero((missing == 1) & ~by_set).tolist():
        grown.zero(node, bool(by_default[node]))
    return grown.nodes(np.arange(inner, inner + leaves), np.full(leaves, output, np.int64), values)


def _without_zeros(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """`floor32`, for a reader to whom whatever is within ±ZERO is 0, as LightGBM is when it takes in a row."""
    low = floor32(threshold)
    below = np.nextafter(np.float32(-ZERO), np.float32(-np.inf))
    return np.where(np.abs(threshold) <= ZERO, np.where(threshold < 0, below, np.float32(ZERO)), low).astype(np.float32)


@dataclass(slots=True)
class Grown:
    """A tree while nodes that ONNX needs beyond the library's are added to it. Several may share a child, if all but one lead to it when true:
    onnxruntime lays the false child right behind its parent."""

    mode: list[int]
    feature: list[int]
    threshold: list[float]
    yes: list[int]
    no: list[int]
    gap: list[bool]

    def add(self, mode: int, feature: int, threshold: float, yes: int, no: int, gap: bool) -> int:
        for field, value in zip(
            (self.mode, self.feature, self.threshold, self.yes, self.no, self.gap), (mode, feature, threshold, yes, no, gap), strict=True
        ):
            field.append(value)  # type: ignore[attr-defined]  # lists of different types, zipped
        return len(self.mode) - 1

    def nodes(self, leaf: Ints, output: Ints, weight: NDArray[np.float64]) -> Nodes:
        """The tree, with what its leaves add."""
        return Nodes(
            mode=np.array(self.mode, np.int8),
            feature=np.array(self.feature, np.int64),
            threshold=np.array(self.threshold, np.float32),
            yes=np.array(self.yes, np.int64),
            no=np.array(self.no, np.int64),
            gap=np.array(self.gap, bool),
            leaf=leaf,
            output=output,
            weight=weight,
        )

    def member(self, node: int, members: list[int], *, gap: bool = False) -> None:
        """`node` asks for a set: a chain of equalities that share the true child. What is in no set goes to `no`, and so does NaN without `gap`."""
        yes, no, feature = self.yes[node], self.no[node], self.feature[node]
        if not members:  # nothing goes left: a comparison that never holds
            members = [-1]
        for member in reversed(members[1:]):
            no = self.add(EQ, feature, float(member), yes, no, False)
        self.threshold[node], self.no[node], self.gap[node] = float(members[0]), no, gap

    def zero(self, node: int, default: bool) -> None:
        """`node` sends zeros, and NaN as one of them, to its default side. In words, for the left side as default:
        x ≤ t or NaN: left; else x < −ZERO: right; else x ≤ ZERO: left; else right. For the right side, the same with the sides changed.
        """
        feature, threshold = self.feature[node], self.threshold[node]
        side, other = (self.yes[node], self.no[node]) if default else (self.no[node], self.yes[node])
        small = self.add(LEQ, feature, ZERO, side, other, False)
        below = self.add(LT, feature, -ZERO, other, small, False)
        self.mode[node], self.threshold[node] = LEQ if default else GT, threshold
        self.yes[node], self.no[node], self.gap[node] = side, below, True


def hist_nodes(predictors: Iterable[Any], outputs: int, *, columns: Sequence[int], categories: Sequence[NDArray[np.float64]]) -> Iterator[Nodes]:
    """The trees of scikit-learn's histogram boosting (the `TreePredictor`s of an estimator, output by output in turn).

    Takes   `columns`: for each column of the library's own matrix (categories come first there) the feature that it is; `categories`: of those first
            columns, the values that stand for its codes 0, 1, ….
    Decides as the library does for every float32 x; a category that it did not see goes where missing values go.
    """
    for number, predictor in enumerate(predictors):
        yield _hist_tree(predictor, number % outputs, columns, categories)


def _hist_tree(predictor: Any, output: int, columns: Sequence[int], categories: Sequence[NDArray[np.float64]]) -> Nodes:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    by_set = nodes["is_categorical"].astype(bool) & ~leaf
    inner = ~leaf
    grown = Grown(
        mode=np.where(leaf, LEAF, np.where(by_set, EQ, LEQ)).tolist(),
        feature=np.where(inner, np.asarray(columns, np.int64)[nodes["feature_idx"]], 0).tolist(),
        threshold=np.where(inner & ~by_set, floor32(nodes["num_threshold"].astype(np.float64)), np.float32(0)).tolist(),
        yes=np.where(inner, nodes["left"], 0).tolist(),
        no=np.where(inner, nodes["right"], 0).tolist(),
        gap=(nodes["missing_go_to_left"].astype(bool) & inner).tolist(),
    )
    for node in np.flatnonzero(by_set).tolist():
        known = categories[int(nodes["feature_idx"][node])]
        words = predictor.raw_left_cat_bitsets[int(nodes["bitset_idx"][node])].astype("<u4")
        left = np.unpackbits(words.view(np.uint8), bitorder="little")[: len(known)].astype(bool)
        if grown.gap[node]:  # whatever is unknown goes left: ask for those that go right
            grown.yes[node], grown.no[node] = grown.no[node], grown.yes[node]
            left = ~left
        grown.member(node, [int(value) for value in known[left]])
    leaves = np.flatnonzero(leaf)
    return grown.nodes(leaves, np.full(len(leaves), output, np.int64), nodes["value"][leaves].astype(np.float64))

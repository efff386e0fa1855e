"""The ONNX operators that a bundle's graph may use: for each, what it does to types and shapes, and what must hold so that it is safe.

Takes    the shapes of a node's inputs and its attributes.
Gives    the shapes of its outputs; `Unknown` when they do not fit. So the memory that a graph needs is known before it runs.
Why      short on purpose: what trees, linear models and small networks need. No operator makes an array whose size is data (Range, Expand,
         Tile, Resize …), reads a file, or holds another graph. The list grows with the format's minor version.
Source   https://onnx.ai/onnx/operators/; the bounds that onnxruntime itself does not check were found by trying.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_TREE_NODES = 50_000_000
MAX_TREE_DEPTH = 1_000  # onnxruntime builds a tree by calling itself: a deep one would end the process
MAX_OUTPUTS = 100_000


class Unknown(Exception):
    """A node does not fit what it is given; the message is ours and holds no data."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """What is known of a value: its type, its shape for the largest batch, and its content where it is a few constant whole numbers."""

    dtype: str
    shape: tuple[int, ...]
    content: Any = None
    is_input: bool = False  # comes from outside just as it is, so its width is enforced by onnxruntime


Given = list[Tensor | None]
Rule = Callable[[Given, dict[str, Any]], list[Tensor]]


def _first(given: Given) -> Tensor:
    if not given or given[0] is None:
        raise Unknown("its first input is missing")
    return given[0]


def _same(given: Given, attributes: dict[str, Any]) -> list[Tensor]:
    value = _first(given)
    return [Tensor(value.dtype, value.shape)]


def _broadcast(given: Given, attributes: dict[str, Any]) -> list[Tensor]:
    present = [value for value in given if value is not None]
    if len(present) != len(given) or not present:
        raise Unknown("an input is missing")
    return [Tensor(present[-1].dtype, np.broadcast_shapes(*(value.shape for value in present)))]


def _logical(given: Given, attributes: dict[str, Any]) -> list[Tensor]:
    return [Tensor("bool", _broadcast(given, attributes)[0].shape)]


def _cast(given: Given, attributes: dict[str, Any]) -> list[Tensor]:
    types = {1: "float32", 6: "int32", 7: "int64", 9: "bool", 11: "float64"}
    return [Tensor(types[attributes["to"]], _first(given).shape)]


def _matmul(given: Given, attributes: dict[str, Any]) -> list[Tensor]:
    left, right = _pair(given)
    if len(left.shape) < 2 or len(right.shape) < 2 or left.shape[-1] != right.shape[-2]:
        raise Unknown("the inner sizes of a product differ")
    return [Tensor(left.dtype, (*np.broadcast_shapes(left.shape[:-2], right.shape[:-2]), left.shape[-2], right.shape[-1]))]


def _gemm(given: Given, attributes: dict[str, Any]) -> list[Tensor]:
    left, right = _pair(given)
    a = left.shape[::-1] if attributes.get("transA", 0) else left.shape
    b = right.shape[::-1] if attributes.get("transB", 0) else right.shape
    if len(a) != 2 or len(b) != 2 or a[1] != b[0]:
        raise Unknown("the inner sizes of a product differ")
    shape = (a[0], b[1])
    if len(given) > 2 and given[2] is not None and np.broadcast_shapes(shape, given[2].shape) != shape:
        raise Unknown("the offset does not fit the product")
    return [Tensor(left.dtype, shape)]


def _pair(given: Given) -> tuple[Tensor, Tensor]:
    if len(given) < 2 or given[0] is None or given[1] is None:
        raise Unknown("an input is missing")
    return given[0], given[1]


def _axis(axis: int, rank: int) -> int:
    if not -rank <= axis < rank:
        raise Unknown("an axis is out of range")
    return axis % rank


def _concat(given: Given, attributes: dict[str, Any]) -> list[Tensor]:
    present = [value for value in given if value is not None]
    first = _first(given)
    axis = _axis(attributes["axis"], len(first.shape))
    rest = {value.shape[:axis] + value.shape[axis + 1 :] for value in present}
    if len(present) != len(given) or len(rest) != 1 or len({len(value.shape) for value in present}) != 1:
        raise Unknown("the sizes of what is put together differ")
    return [Tensor(first.dtype, (*first.shape[:axis], sum(value.shape[axis] for value in present), *first.shape[axis + 1 :]))]


def _reshape(given: Given, attributes: dict[str, Any]) -> list[Tensor]:
    """To a constant shape: 0 keeps an axis, −1 takes what is left."""
    value, target = _pair(given)
    wanted = [] if target.content is None else [int(size) for size in np.asarray(target.content).ravel()]
    if not wanted or wanted.count(-1) > 1 or min(wanted) < -1 or attributes.get("allowzero", 0):
        raise Unknown("a shape must be constant, with one free axis at most")
    sizes = [value.shape[index] if size == 0 else size for index, size in enumerate(wanted)]
    known = math.prod(size for size in sizes if size != -1)
    total = math.prod(value.shape)
    if -1 in sizes:
        if not known or total % known:
            raise Unknown("a shape does not hold the values")
        sizes[sizes.index(-1)] = total // known
    if math.prod(sizes) != total:
        raise Unknown("a shape does not hold the values")
    return [Tensor(value.dtype, tuple(sizes))]


def _flatten(given: Given, attributes: dict[str, Any]) -> list[Tensor]:
    value = _first(given)
    axis = attributes.get("axis", 1)
    axis = axis if axis == len(value.shape) else _axis(axis, len(value.shape))
    return [Tensor(value.dtype, (math.prod(value.shape[:axis]), math.prod(value.shape[axis:])))]


def _transpose(given: Given, attributes: dict[str, Any]) -> list[Tensor]:
    value = _first(given)
    order = [int(axis) for axis in attributes.get("perm", range(len(value.shape))[::-1])]
    if sorted(order) != list(range(len(value.shape))):
        raise Unknown("an order of axes is none")
    return [Tensor(value.dtype, tuple(value.shape[axis] for axis in order))]


def _reduce(dtype: str | None = None, several: bool = True) -> Rule:
    def rule(given: Given, attributes: dict[str, Any]) -> list[Tensor]:
        value = _first(given)
        rank = len(value.shape)
        axes = attributes.get("axes", range(rank)) if several else [attributes.get("axis", 0)]
        if len(given) > 1 and given[1] is not None:
            if given[1].content is None:
                raise Unknown("axes must be constant")
            axes = np.asarray(given[1].content).ravel()
        gone = {_axis(int(axis), rank) for axis in axes}
        keep = attributes.get("keepdims", 1)
        shape = tuple(1 if index in gone else size for index, size in enumerate(value.shape) if keep or index not in gone)
        return [Tensor(dtype or value.dtype, shape)]

    return rule


def _constant(given: Given, attributes: dict[str, Any]) -> list[Tensor]:
    if given or set(attributes) != {"value"} or not isinstance(attributes["value"], Tensor):
        raise Unknown("a constant must be one tensor")
    return [attributes["value"]]


def _gather(given: Given, attributes: dict[str, Any]) -> list[Tensor]:
    value, picked = _pair(given)
    axis = _axis(attributes.get("axis", 0), len(value.shape))
    return [Tensor(value.dtype, value.shape[:axis] + picked.shape + value.shape[axis + 1 :])]


def _width(given: Given) -> tuple[int, int]:
    """Rows and width of what an ai.onnx.ml operator reads: it must be the graph's own input, whose width onnxruntime enforces."""
    value = _first(given)
    if not value.is_input or value.dtype != "float32" or len(value.shape) != 2:
        raise Unknown("it must read a float32 input (rows, features) of the graph itself")
    return value.shape[0], value.shape[1]


def _linear(given: Given, attributes: dict[str, Any]) -> list[Tensor]:
    rows, width = _width(given)
    outputs = attributes.get("targets", 1)
    _known(attributes, {"coefficients", "intercepts", "targets", "post_transform"})
    if not 1 <= outputs <= MAX_OUTPUTS or len(attributes["coefficients"]) != outputs * width:
        raise Unknown("the coefficients are not as many as features times outputs")
    if len(attributes.get("intercepts", ())) not in (0, outputs):
        raise Unknown("the intercepts are not as many as the outputs")
    return [Tensor("float32", (rows, outputs))]


NODES = {
    "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_modes", "nodes_values", "nodes_hitrates",
    "nodes_truenodeids", "nodes_falsenodeids", "nodes_missing_value_tracks_true",
}  # fmt: skip
MODES = (b"BRANCH_LEQ", b"BRANCH_LT", b"BRANCH_GTE", b"BRANCH_GT", b"BRANCH_EQ", b"BRANCH_NEQ", b"LEAF")


def _known(attributes: dict[str, Any], names: set[str]) -> None:
    if not set(attributes) <= names:
        raise Unknown("it has an attribute that is not allowed")


def _tree_regressor(given: Given, attributes: dict[str, Any]) -> list[Tensor]:
    rows, width = _width(given)
    targets = {"target_treeids", "target_nodeids", "target_ids", "target_weights"}
    _known(attributes, NODES | targets | {"n_targets", "base_values", "aggregate_function", "post_transform"})
    outputs = attributes["n_targets"]
    if not 1 <= outputs <= MAX_OUTPUTS:
        raise Unknown("it has no output, or too many")
    _trees(attributes, width, outputs, "target")
    return [Tensor("float32", (rows, outputs))]


def _tree_classifier(given: Given, attributes: dict[str, Any]) -> list[Tensor]:
    rows, width = _width(given)
    leaves = {"class_treeids", "class_nodeids", "class_ids", "class_weights"}
    _known(attributes, NODES | leaves | {"classlabels_int64s", "base_values", "post_transform"})  # words as labels: our decide step has them
    classes = len(attributes["classlabels_int64s"])
    if not 2 <= classes <= MAX_OUTPUTS:
        raise Unknown("it has fewer than two classes, or too many")
    _trees(attributes, width, classes, "class")
    return [Tensor("int64", (rows,)), Tensor("float32", (rows, classes))]


def _trees(attributes: dict[str, Any], width: int, outputs: int, prefix: str) -> None:
    """Each tree starts at one root, ends in leaves, never comes back to a node, and looks at features that there are."""
    trees, nodes = attributes["nodes_treeids"], attributes["nodes_nodeids"]
    count = len(trees)
    lists = [
        attributes[name] for name in ("nodes_nodeids", "nodes_featureids", "nodes_modes", "nodes_values", "nodes_truenodeids", "nodes_falsenodeids")
    ]
    lists += [attributes[name] for name in ("nodes_hitrates", "nodes_missing_value_tracks_true") if len(attributes.get(name, ()))]
    if not 1 <= count <= MAX_TREE_NODES or any(len(values) != count for values in lists):
        raise Unknown("the lists that describe the nodes are empty or of different lengths")
    numbered = {mode: number for number, mode in enumerate(MODES)}
    leaf = np.array([numbered.get(mode, -1) for mode in attributes["nodes_modes"]], np.int8)
    if (leaf < 0).any():
        raise Unknown("a node is of an unknown mode")
    is_leaf = leaf == len(MODES) - 1
    features = np.asarray(attributes["nodes_featureids"])[~is_leaf]
    if len(features) and not (features.min() >= 0 and features.max() < width):
        raise Unknown("a node looks at a feature that the input does not have")
    finite = [attributes["nodes_values"][~is_leaf], attributes[f"{prefix}_weights"], attributes.get("base_values", np.empty(0))]
    if np.isnan(finite[0]).any() or not all(np.isfinite(values).all() for values in finite[1:]):
        raise Unknown("a threshold or weight is not a number")
    if len(attributes.get("base_values", ())) not in (0, outputs):
        raise Unknown("the base values are not as many as the outputs")
    keys = _keys(trees, nodes)
    order = np.argsort(keys, kind="stable")
    if (np.diff(keys[order]) == 0).any():
        raise Unknown("a node is there twice")
    branches = np.flatnonzero(~is_leaf)
    children = [_find(keys, order, _keys(trees[branches], attributes[f"nodes_{side}nodeids"][branches])) for side in ("true", "false")]
    _acyclic(count, np.concatenate([branches, branches]), np.concatenate(children), trees)
    _leaves(attributes, prefix, outputs, keys, order, is_leaf)


def _keys(trees: Any, nodes: Any) -> Any:
    """One number for each (tree, node)."""
    if len(trees) and not (trees.min() >= 0 and trees.max() < 2**31 and nodes.min() >= 0 and nodes.max() < 2**31):
        raise Unknown("a tree or node number is out of range")
    return (np.asarray(trees, np.int64) << 31) | np.asarray(nodes, np.int64)


def _find(keys: Any, order: Any, wanted: Any) -> Any:
    """The positions of `wanted` among the nodes."""
    at = np.searchsorted(keys[order], wanted)
    if len(wanted) and not ((at < len(keys)).all() and (keys[order][at] == wanted).all()):
        raise Unknown("a tree leads to a node that is not there")
    return order[at]


def _acyclic(count: int, parents: Any, children: Any, trees: Any) -> None:
    """Take away nodes that nothing leads to, level by level; what is left over goes in circles (Kahn 1962, CACM 5(11))."""
    degree = np.bincount(children, minlength=count)
    frontier = np.flatnonzero(degree == 0)
    if len(frontier) != len(np.unique(trees)):  # each node leads within its tree, so more roots than trees are nodes that nobody reaches
        raise Unknown("a tree must have exactly one root")
    by_parent = np.argsort(parents, kind="stable")
    starts, ends = np.searchsorted(parents[by_parent], np.arange(count)), np.searchsorted(parents[by_parent], np.arange(count), side="right")
    seen = 0
    for _ in range(MAX_TREE_DEPTH):
        seen += len(frontier)
        sizes = ends[frontier] - starts[frontier]
        offsets = np.repeat(starts[frontier] - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes) + np.arange(sizes.sum())
        reached, times = np.unique(children[by_parent[offsets]], return_counts=True)
        degree[reached] -= times
        frontier = reached[degree[reached] == 0]
        if not len(frontier):
            break
    if seen != count:
        raise Unknown("a tree goes in circles or is too deep")


def _leaves(attributes: dict[str, Any], prefix: str, outputs: int, keys: Any, order: Any, is_leaf: Any) -> None:
    trees, nodes = attributes[f"{prefix}_treeids"], attributes[f"{prefix}_nodeids"]
    ids, weights = attributes[f"{prefix}_ids"], attributes[f"{prefix}_weights"]
    if not len(trees) == len(nodes) == len(ids) == len(weights) or not len(ids):
        raise Unknown("the lists that describe the leaves are empty or of different lengths")
    if ids.min() < 0 or ids.max() >= outputs:
        raise Unknown("a leaf speaks of an output that is not there")
    if not is_leaf[_find(keys, order, _keys(trees, nodes))].all():
        raise Unknown("a weight hangs on a node that is no leaf")


UNARY = (
    "Abs Neg Exp Log Sqrt Reciprocal Floor Ceil Round Sign Erf Identity Sigmoid HardSigmoid Relu LeakyRelu Elu Selu Gelu Tanh Softplus Softsign "
    "Softmax LogSoftmax Not Clip BatchNormalization LayerNormalization"
)
BROADCAST = "Add Sub Mul Div Pow Max Min Mean Sum Where"
LOGICAL = "Equal Greater Less GreaterOrEqual LessOrEqual And Or"
OPERATORS: dict[tuple[str, str], Rule] = {
    **dict.fromkeys([("", name) for name in UNARY.split()], _same),
    **dict.fromkeys([("", name) for name in BROADCAST.split()], _broadcast),
    **dict.fromkeys([("", name) for name in LOGICAL.split()], _logical),
    **dict.fromkeys([("", name) for name in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin")], _reduce()),
    **dict.fromkeys([("", name) for name in ("ArgMax", "ArgMin")], _reduce("int64", several=False)),
    ("", "Cast"): _cast,
    ("", "Concat"): _concat,
    ("", "Constant"): _constant,
    ("", "Flatten"): _flatten,
    ("", "Gather"): _gather,
    ("", "Gemm"): _gemm,
    ("", "MatMul"): _matmul,
    ("", "Reshape"): _reshape,
    ("", "Transpose"): _transpose,
    ("ai.onnx.ml", "LinearRegressor"): _linear,
    ("ai.onnx.ml", "TreeEnsembleClassifier"): _tree_classifier,
    ("ai.onnx.ml", "TreeEnsembleRegressor"): _tree_regressor,
}

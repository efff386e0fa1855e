"""Small bundles for tests: three tasks, linear and trees, made by our own steps from rows drawn under a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from trainwright.bundle.write import write_bundle
from trainwright.runtime.bundle import Bundle
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import Concat, Decide, Fill, Linear, Link, Onehot, Onnx
from trainwright.runtime.typed import Typed

FEATURES = (
    ColumnSchema(name="age", kind="number"),
    ColumnSchema(name="height", kind="number", missing=("?",)),
    ColumnSchema(name="job", kind="category"),
)
CLASSES = {"binary": ("no", "yes"), "multiclass": ("low", "mid", "high"), "regression": ()}
SKETCHES = {"rows": 0, "features": {}, "predictions": {}}


def rows(count: int, seed: int = 5) -> list[dict[str, Any]]:
    """Raw rows, some with gaps and with a word that training has not seen."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        height = float(rng.normal(170, 10))
        made.append(
            {"age": float(rng.integers(18, 90)), "height": height if rng.random() > 0.2 else "?", "job": str(rng.choice(["clerk", "smith", "pilot"]))}
        )
    return made


def front() -> list[tuple[str, Any, tuple[str, ...]]]:
    """The steps from rows to five float32 features."""
    return [
        ("typed", Typed(schema=FEATURES), ("rows",)),
        ("fill", Fill(columns=("age", "height"), values=np.array([40.0, 171.5]), shift=np.array([50.0, 170.0]), flagged=("height",)), ("typed",)),
        ("onehot", Onehot(columns=("job",), vocabularies=(("clerk", "smith"),), other=(False,), missing=(False,)), ("typed",)),
        ("concat", Concat(widths=(3, 2)), ("fill", "onehot")),
    ]


def tree_bytes(outputs: int = 1, features: int = 5, **changes: Any) -> bytes:
    """Two trees in ONNX, written by the onnx package. `changes` replace attributes or drop them (None)."""
    from onnx import helper

    attributes: dict[str, Any] = {
        "n_targets": outputs,
        "nodes_treeids": [0, 0, 0, 0, 0, 1, 1, 1],
        "nodes_nodeids": [0, 1, 2, 3, 4, 0, 1, 2],
        "nodes_featureids": [0, 1, 0, 0, 0, 3, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "BRANCH_LEQ", "LEAF", "LEAF", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_values": [-10.0, 2.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0],
        "nodes_truenodeids": [1, 3, 0, 0, 0, 1, 0, 0],
        "nodes_falsenodeids": [2, 4, 0, 0, 0, 2, 0, 0],
        "nodes_missing_value_tracks_true": [0] * 8,
        "target_treeids": [0, 0, 0, 1, 1],
        "target_nodeids": [2, 3, 4, 1, 2],
        "target_ids": [0, outputs - 1, 0, 0, outputs - 1],
        "target_weights": [1.0, -0.5, 0.25, 0.125, -1.0],
    } | changes
    node = helper.make_node("TreeEnsembleRegressor", ["x"], ["y"], domain="ai.onnx.ml", **{k: v for k, v in attributes.items() if v is not None})
    return model_bytes([node], features=features, outputs=outputs)


def model_bytes(nodes: list[Any], *, features: int = 5, outputs: int = 1, initializers: tuple[Any, ...] = ()) -> bytes:
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", features])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", outputs])],
        initializer=list(initializers),
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="someone", doc_string="said something")
    return bytes(model.SerializeToString())


def steps(task: str, model: str) -> list[tuple[str, Any, tuple[str, ...]]]:
    """All steps of a small bundle; `model` is "linear" or "trees"."""
    outputs = {"binary": 1, "multiclass": 3, "regression": 1}[task]
    rng = np.random.default_rng(9)
    made: Any = Linear(weights=rng.normal(size=(5, outputs)) * 0.02, offset=np.linspace(-0.5, 0.5, outputs))
    if model == "trees":
        made = Onnx(graph=tree_bytes(outputs), features=5, outputs=outputs)
    link = Link(name={"binary": "logistic", "multiclass": "softmax", "regression": "identity"}[task])
    placed = [*front(), ("model", made, ("concat",)), ("link", link, ("model",))]
    return placed if task == "regression" else [*placed, ("decide", Decide(classes=CLASSES[task]), ("link",))]


def make(folder: Path, task: str = "binary", model: str = "linear") -> Bundle:
    """A small bundle, written to `folder`."""
    output = {"kind": "number"} if task == "regression" else {"kind": "classes", "classes": CLASSES[task]}
    return write_bundle(folder, task=task, output=output, steps=steps(task, model), features=FEATURES, sketches=SKETCHES)

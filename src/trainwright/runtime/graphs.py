"""ONNX graphs: looked through before onnxruntime sees them, and stripped of what is no mathematics.

Takes    the bytes of an ONNX file.
Gives    `Checked` (its inputs, outputs, stripped bytes), or BundleError TW054.
Why      a stranger's graph must not read a file, run code, loop, read outside its input or fill the memory. onnxruntime checks much of
         this, but trusts feature numbers and sizes that a converter would not get wrong.
Source   https://onnx.ai/onnx/operators/ for what each operator does to shapes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainwright.runtime.limits import MAX_GRAPH, MAX_RANK, bad
from trainwright.runtime.operators import OPERATORS, Tensor, Unknown
from trainwright.runtime.protobuf import Message, read_model, write_model

IR_VERSIONS = range(3, 14)
OPSETS = {"": range(7, 27), "ai.onnx.ml": range(1, 6)}
MAX_NODES = 10_000
MAX_ELEMENTS = 1 << 27  # of one value inside a graph, for one batch …
MAX_GROWTH = 16  # … or this many times the elements of the graph's inputs, when that is more
MAX_TOGETHER = 16  # all values that nodes make may have this many times as much together: which are alive at once is up to onnxruntime
BATCH = 16_384  # rows that a graph is given at a time (`bundle.py`); sizes are reckoned for these

# TensorProto.DataType: name, numpy type, and the field that holds values when raw_data does not
TYPES: dict[int, tuple[str, str, str]] = {
    1: ("float32", "<f4", "float_data"),
    2: ("uint8", "|u1", "int32_data"),
    3: ("int8", "|i1", "int32_data"),
    6: ("int32", "<i4", "int32_data"),
    7: ("int64", "<i8", "int64_data"),
    9: ("bool", "|b1", "int32_data"),
    11: ("float64", "<f8", "double_data"),
}
ATTRIBUTES = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints", 8: "strings"}  # AttributeProto.type: the field it speaks of


@dataclass(frozen=True, slots=True)
class Checked:
    """A graph that may be run."""

    inputs: Mapping[str, tuple[str, tuple[int, ...]]]  # name: (type, shape without the rows)
    outputs: tuple[str, ...]
    stripped: bytes  # the same graph without doc strings, metadata and producer: what the model digest is made of


def check(data: bytes) -> Checked:
    """Look through a graph as far as needed to run it without fear.

    Raises BundleError (TW054) naming the node: an operator, attribute or type that is not allowed, sizes that do not agree or are too
    large, a value that is used before it is made, a tree that leads nowhere, in circles or outside its input.
    """
    if len(data) > MAX_GRAPH:
        raise bad("TW054", "a graph is larger than allowed", where=f"{len(data)} bytes")
    model = read_model(data)
    _versions(model)
    graph: Message = model.get("graph", {})
    if not graph or len(graph["node"]) > MAX_NODES:
        raise bad("TW054", "a graph has no nodes, or more than allowed")
    values: dict[str, Tensor] = {}
    for tensor in graph["initializer"]:
        _make(values, tensor.get("name", ""), _constant(tensor), "initializer")
    inputs: dict[str, tuple[str, tuple[int, ...]]] = {}
    for value in graph["input"]:
        name, given = _input(value)
        inputs[name] = (given.dtype, given.shape[1:])
        _make(values, name, given, "input", math.prod(given.shape))
    most = max(MAX_ELEMENTS, MAX_GROWTH * sum(BATCH * math.prod(shape) for _, shape in inputs.values()))
    together = 0
    for index, node in enumerate(graph["node"]):
        together += _node(values, node, f"node {index}, {node.get('op_type', '')}", most)
        if together > MAX_TOGETHER * most:
            raise bad("TW054", f"the values in a graph have more than {MAX_TOGETHER * most} elements together", where=f"node {index}")
    outputs = tuple(value.get("name", "") for value in graph["output"])
    if not inputs or not outputs or not set(outputs) <= set(values):
        raise bad("TW054", "a graph has no input, or an output that no node makes")
    return Checked(inputs, outputs, write_model(model))


def _versions(model: Message) -> None:
    if model.get("ir_version", 0) not in IR_VERSIONS:
        raise bad("TW054", "a graph is of an unknown ONNX IR version", where=str(model.get("ir_version", 0)))
    seen: set[str] = set()
    for opset in model["opset_import"]:
        domain = opset.get("domain", "")
        if domain not in OPSETS or opset.get("version", 0) not in OPSETS[domain] or domain in seen:
            raise bad("TW054", "a graph asks for operators that are not allowed", where=f"domain {domain!r}, version {opset.get('version', 0)}")
        seen.add(domain)


def _make(values: dict[str, Tensor], name: str, value: Tensor, where: str, most: int = MAX_ELEMENTS) -> None:
    if not name or name in values:
        raise bad("TW054", "a value in a graph has no name, or one that is taken", where=where)
    if math.prod(value.shape) > most or len(value.shape) > MAX_RANK:
        raise bad("TW054", f"a value in a graph has more than {most} elements or {MAX_RANK} axes", where=where)
    values[name] = value


def _constant(tensor: Message) -> Tensor:
    """An initializer or the value of a Constant; its bytes must be as many as its shape says."""
    where = f"tensor {tensor.get('name', '')!r}"
    if tensor.get("data_location", 0) or tensor.get("data_type") not in TYPES:
        raise bad("TW054", "a tensor in a graph is of a type or in a place that is not allowed", where=where)
    name, dtype, field = TYPES[tensor["data_type"]]
    shape = tuple(tensor["dims"].tolist())
    if len(shape) > MAX_RANK or any(size < 0 for size in shape):
        raise bad("TW054", "a tensor in a graph has an impossible shape", where=where)
    filled = [f for f in ("float_data", "int32_data", "int64_data", "double_data") if len(tensor[f])] + ["raw_data"] * ("raw_data" in tensor)
    if math.prod(shape) and filled not in (["raw_data"], [field]):
        raise bad("TW054", "a tensor in a graph holds no values, or values of another type", where=where)
    raw = tensor.get("raw_data", b"")
    if "raw_data" in tensor and len(raw) != math.prod(shape) * np.dtype(dtype).itemsize:
        raise bad("TW054", "a tensor in a graph has another size than its shape says", where=where)
    content = np.frombuffer(raw, dtype) if "raw_data" in tensor else tensor[field]
    if len(content) != math.prod(shape):
        raise bad("TW054", "a tensor in a graph has another size than its shape says", where=where)
    if content.dtype.kind == "f" and np.isnan(content).any():
        raise bad("TW054", "a tensor in a graph holds NaN", where=where)
    return Tensor(name, shape, content.reshape(shape) if content.dtype.kind == "i" and content.size <= 64 else None)


def _input(value: Message) -> tuple[str, Tensor]:
    """A graph's input: rows first (any number), the other axes fixed."""
    name = value.get("name", "")
    tensor = value.get("type", {}).get("tensor_type", {})
    dims = tensor.get("shape", {}).get("dim", [])
    sizes = [dim.get("dim_value", 0) for dim in dims]
    if tensor.get("elem_type") not in TYPES or not 1 <= len(dims) <= MAX_RANK or any(size < 1 for size in sizes[1:]):
        raise bad("TW054", "an input of a graph must be (rows, fixed sizes …) of a plain type", where=f"input {name!r}")
    if sizes[0]:
        raise bad("TW054", "the first axis of a graph's input must be free: it is the rows", where=f"input {name!r}")
    return name, Tensor(TYPES[tensor["elem_type"]][0], (BATCH, *sizes[1:]), None, is_input=True)


def _node(values: dict[str, Tensor], node: Message, where: str, most: int) -> int:
    """Add what a node makes to `values`; gives how many elements that is."""
    key = (node.get("domain", "").replace("ai.onnx", "", 1) if node.get("domain") == "ai.onnx" else node.get("domain", ""), node.get("op_type", ""))
    if key not in OPERATORS:
        raise bad(
            "TW054", f"the operator {key[1]!r} of domain {key[0]!r} is not allowed", where=where, why="only listed operators are run: docs/bundle.md"
        )
    if any(name and name not in values for name in node["input"]):
        raise bad("TW054", "a node uses a value that no node before it makes", where=where)
    given = [values[name] if name else None for name in node["input"]]
    try:
        made = OPERATORS[key](given, _attributes(node, where))
    except (Unknown, IndexError, KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        why = str(error) if isinstance(error, Unknown) else "its inputs or attributes are not those of the operator"
        raise bad("TW054", "a node does not fit what it is given", where=where, why=why) from error
    if not 1 <= len(node["output"]) <= len(made):
        raise bad("TW054", "a node has a wrong number of outputs", where=where)
    named = [(name, value) for name, value in zip(node["output"], made, strict=False) if name]
    for name, value in named:
        _make(values, name, value, where, most)
    return sum(math.prod(value.shape) for _, value in named)


def _attributes(node: Message, where: str) -> dict[str, Any]:
    """Attributes by name. Each must hold what its type says, and nothing else."""
    found: dict[str, Any] = {}
    for attribute in node["attribute"]:
        name, kind = attribute.get("name", ""), ATTRIBUTES.get(attribute.get("type", 0))
        held = {
            field
            for field in ATTRIBUTES.values()
            if field in attribute and (not isinstance(attribute[field], list | np.ndarray) or len(attribute[field]))
        }
        if kind is None or not name or name in found or not held <= {kind}:
            raise bad("TW054", f"the attribute {name!r} is given twice or is of a type that is not allowed", where=where)
        value = attribute.get(kind, {"f": 0.0, "i": 0, "s": b""}.get(kind))
        found[name] = _constant(value) if kind == "t" else value
    return found

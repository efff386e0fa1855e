"""Our readers and writers of safetensors and protobuf against the packages that define them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import AttributeProto, ModelProto, TensorProto, helper, numpy_helper

import small_bundles as small
from trainwright.errors import BundleError
from trainwright.runtime.arrays import DTYPES, read_arrays, write_arrays
from trainwright.runtime.graphs import check
from trainwright.runtime.protobuf import read_model, write_model

ARRAYS = st.dictionaries(
    st.text("abcxyz._0", min_size=1, max_size=8),
    st.sampled_from(sorted(DTYPES.values())).flatmap(
        lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    ),
    max_size=5,
)


def same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> None:
    assert set(left) == set(right)
    for name, array in left.items():
        assert (array.dtype, array.shape) == (right[name].dtype, right[name].shape)
        assert array.tobytes() == right[name].tobytes()


@given(ARRAYS)
@settings(max_examples=60, deadline=None)
def test_safetensors_as_the_package(arrays: dict[str, np.ndarray]):
    ours, theirs = write_arrays(arrays), safetensors.numpy.save(arrays)
    same(safetensors.numpy.load(ours), arrays)
    same(read_arrays(theirs), arrays)
    same(read_arrays(ours), arrays)
    assert ours == write_arrays(dict(reversed(arrays.items())))


def test_arrays_are_read_only_and_aligned():
    arrays = read_arrays(write_arrays({"a": np.ones(3, "i1"), "b": np.ones(5), "c": np.ones((2, 2), ">f4")}))
    assert all(not array.flags.writeable and array.flags.aligned for array in arrays.values())
    np.testing.assert_array_equal(arrays["c"], np.ones((2, 2)))
    with pytest.raises(BundleError, match="TW057"):
        write_arrays({"a": np.array(["text"])})


MODELS: dict[str, bytes] = {
    "trees": small.tree_bytes(3),
    "negative numbers": small.model_bytes([helper.make_node("ReduceMax", ["x"], ["y"], axes=[-1], keepdims=1)]),
    "weights, typed data": small.model_bytes(
        [helper.make_node("Gemm", ["x", "w", "b"], ["y"], transB=1, alpha=0.5)],
        outputs=3,
        initializers=(
            helper.make_tensor("w", TensorProto.FLOAT, [3, 5], np.linspace(-1, 1, 15).tolist()),
            numpy_helper.from_array(np.arange(3, dtype=np.float32), "b"),
        ),
    ),
    "a constant": small.model_bytes(
        [
            helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(np.array([2**40, -1], np.int64))),
            helper.make_node("Cast", ["c"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMax", ["f"], ["m"], keepdims=0),
            helper.make_node("Mul", ["x", "m"], ["y"]),
        ],
        outputs=5,
    ),
}


def plain(message: Any) -> Any:
    """A protobuf message of the onnx package as nested dicts, without what we strip."""
    skipped = {"doc_string", "producer_name", "producer_version", "metadata_props", "value_info", "denotation"}
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.name in skipped or (message.DESCRIPTOR.name == "ModelProto" and field.name in ("domain", "model_version")):
            continue
        several = field.label == field.LABEL_REPEATED if hasattr(field, "label") else field.is_repeated
        items = [plain(item) if hasattr(item, "ListFields") else item for item in (value if several else [value])]
        found[field.name] = items if several else items[0]
    return found


def ours(message: Any) -> Any:
    """The same form, of what our reader gives."""
    if isinstance(message, dict):
        return {key: ours(value) for key, value in message.items() if not (isinstance(value, list | np.ndarray) and not len(value))}
    return message.tolist() if isinstance(message, np.ndarray) else [ours(item) for item in message] if isinstance(message, list) else message


@pytest.mark.parametrize("name", MODELS)
def test_the_wire_reader_as_the_onnx_package(name: str):
    data = MODELS[name]
    theirs = plain(ModelProto.FromString(data))
    assert ours(read_model(data)) == theirs
    again = write_model(read_model(data))
    assert plain(ModelProto.FromString(again)) == theirs  # what we write, the package reads the same
    assert write_model(read_model(again)) == again
    assert len(again) < len(data)


@given(st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-300, 300), max_size=40), st.booleans())
@settings(max_examples=150, deadline=None)
def test_whole_numbers_packed_and_not(values: list[int], packed: bool):
    model = ModelProto.FromString(MODELS["negative numbers"])
    del model.graph.node[0].attribute[:]
    model.graph.node[0].attribute.add(name="n", type=AttributeProto.INTS).ints.extend(values)
    data = model.SerializeToString()
    if packed:
        data = write_model(read_model(data))
        assert list(ModelProto.FromString(data).graph.node[0].attribute[0].ints) == values
    assert read_model(data)["graph"]["node"][0]["attribute"][0]["ints"].tolist() == values


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=30), st.booleans())
@settings(max_examples=60, deadline=None)
def test_floats_packed_and_not(values: list[float], packed: bool):
    model = ModelProto.FromString(MODELS["negative numbers"])
    model.graph.node[0].attribute.add(name="f", type=AttributeProto.FLOATS).floats.extend(values)
    model.graph.node[0].attribute.add(name="n", type=AttributeProto.INT, i=7)
    data = model.SerializeToString()
    data = write_model(read_model(data)) if packed else data
    found = read_model(data)["graph"]["node"][0]["attribute"]
    assert found[-2]["floats"].tolist() == values
    assert found[-1]["i"] == 7


@given(st.binary(max_size=60))
@settings(max_examples=300, deadline=None)
def test_noise_is_refused_by_our_error_alone(data: bytes):
    with pytest.raises(BundleError):
        check(data)


@pytest.mark.parametrize("name", MODELS)
def test_a_stripped_graph_computes_the_same(name: str, rng: np.random.Generator):
    features = rng.normal(size=(20, 5)).astype(np.float32)
    one, two = (
        onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": features})[0]
        for data in (MODELS[name], check(MODELS[name]).stripped)
    )
    np.testing.assert_array_equal(one, two)


SHAPES: dict[str, tuple[list[Any], int]] = {
    "concat": ([helper.make_node("Concat", ["x", "x"], ["y"], axis=1)], 10),
    "transpose": ([helper.make_node("Transpose", ["x"], ["t"]), helper.make_node("MatMul", ["x", "w"], ["y"])], 3),
    "reduce": ([helper.make_node("ReduceMean", ["x"], ["y"], axes=[1], keepdims=1)], 1),
    "argmax": ([helper.make_node("ArgMax", ["x"], ["a"], axis=1, keepdims=1), helper.make_node("Cast", ["a"], ["y"], to=1)], 1),
    "flatten": ([helper.make_node("Flatten", ["x"], ["y"], axis=1)], 5),
    "reshape": ([helper.make_node("Reshape", ["x", "shape"], ["r"]), helper.make_node("Reshape", ["r", "back"], ["y"])], 5),
    "gather": ([helper.make_node("Gather", ["x", "some"], ["y"], axis=1)], 3),
    "compare": ([helper.make_node("Greater", ["x", "zero"], ["g"]), helper.make_node("Where", ["g", "x", "zero"], ["y"])], 5),
    "softmax": ([helper.make_node("Softmax", ["x"], ["y"])], 5),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_are_reckoned_as_onnxruntime_makes_them(name: str, rng: np.random.Generator):
    """Every value of the graph is made an output, and has the shape that the walk reckoned."""
    from trainwright.runtime import graphs

    nodes, width = SHAPES[name]
    constants = {
        "w": np.ones((5, 3), np.float32),
        "shape": np.array([0, 1, -1]),
        "back": np.array([-1, 5]),
        "some": np.array([0, 4, 2]),
        "zero": np.zeros(1, np.float32),
    }
    used = {value for node in nodes for value in node.input}
    tensors = tuple(numpy_helper.from_array(array, key) for key, array in constants.items() if key in used)
    data = small.model_bytes(nodes, outputs=width, initializers=tensors)
    check(data)
    model = ModelProto.FromString(data)
    del model.graph.output[:]
    model.graph.output.extend(helper.make_empty_tensor_value_info(value) for node in nodes for value in node.output)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    made = session.run(None, {"x": rng.normal(size=(graphs.BATCH, 5)).astype(np.float32)})
    values: dict[str, Any] = {"x": graphs.Tensor("float32", (graphs.BATCH, 5), is_input=True)}
    read = read_model(data)["graph"]
    for tensor in read["initializer"]:
        values[tensor["name"]] = graphs._constant(tensor)
    for node in read["node"]:
        graphs._node(values, node, "", graphs.MAX_ELEMENTS)
    names = [value for node in nodes for value in node.output]
    assert {key: values[key].shape for key in names} == {key: array.shape for key, array in zip(names, made, strict=True)}

"""Bundles that nobody should open: each is refused with BundleError, and with nothing else.

Most are hashed again after the change, by the rules of docs/bundle.md written out anew here, so that every digest is right and only the
structure can give them away.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

import small_bundles as small
from trainwright import runtime
from trainwright.bundle import add_evidence, write_zip
from trainwright.bundle.write import write_bundle
from trainwright.errors import BundleError
from trainwright.runtime import bundle as bundle_module
from trainwright.runtime import graphs
from trainwright.runtime.steps import Additive, Bins, Concat, Encode, Interact, Linear, Link, Text, Windows, additive, checks, shapes
from trainwright.runtime.steps import text as text_step
from trainwright.runtime.steps import windows as windows_step

Change = Callable[[dict[str, Any], dict[str, bytes]], None]


def digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def seal(manifest: dict[str, Any], files: dict[str, bytes]) -> bytes:
    """A manifest with right digests for these files, whatever they are."""
    manifest = {**manifest, "files": {name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}}
    named = {}
    for name, data in files.items():
        try:
            named[name] = digest(json.loads(data)) if name.endswith(".json") else hashlib.sha256(data).hexdigest()
        except (ValueError, RecursionError):
            named[name] = "0" * 64
    about = ("evidence.json", "card.md", "bom.cdx.json")
    model = {key: value for key, value in manifest.items() if key not in ("files", "model_digest", "bundle_digest")}
    manifest["model_digest"] = digest({**model, "files": {name: found for name, found in named.items() if name not in about}})
    manifest["bundle_digest"] = digest({"model": manifest["model_digest"], "files": {name: found for name, found in named.items() if name in about}})
    return json.dumps(manifest).encode()


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound") / "bundle"
    small.make(folder, "multiclass", "trees")
    add_evidence(folder, {"value": 0.5}, "# card\n")
    return folder


def changed(sound: Path, folder: Path, change: Change) -> Path:
    """A copy of the bundle after `change`, hashed again."""
    files = {path.name: path.read_bytes() for path in sound.iterdir()}
    manifest = json.loads(files.pop("manifest.json"))
    change(manifest, files)
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    (folder / "manifest.json").write_bytes(seal(manifest, files))
    return folder


def refused(path: Path, code: str = "TW05", **options: Any) -> BundleError:
    with pytest.raises(BundleError) as caught:
        runtime.load(path, **options)
    assert caught.value.code.startswith(code), caught.value
    assert str(path) in caught.value.where
    return caught.value


def test_hashing_again_by_the_document_gives_what_we_write(sound: Path, tmp_path: Path):
    bundle = runtime.load(changed(sound, tmp_path / "b", lambda manifest, files: None))
    assert (bundle.model_digest, bundle.bundle_digest) == (runtime.load(sound).model_digest, runtime.load(sound).bundle_digest)


def step(manifest: dict[str, Any], name: str) -> dict[str, Any]:
    return next(entry for entry in manifest["steps"] if entry["name"] == name)


def put(path: str, value: Any) -> Change:
    """Set one entry of the manifest: "steps.model.settings.features"; DELETE takes it away."""

    def change(manifest: dict[str, Any], files: dict[str, bytes]) -> None:
        *parents, last = path.split(".")
        place: Any = manifest
        for key in parents:
            place = step(manifest, key) if isinstance(place, list) else place[key]
        if value is DELETE:
            del place[last]
        else:
            place[last] = value

    return change


DELETE = object()
DEEP: Any = []
for _ in range(40):
    DEEP = [DEEP]

MANIFESTS: dict[str, tuple[str, Change]] = {
    "no version": ("TW051", put("format", DELETE)),
    "a version that is a number": ("TW051", put("format", 1.0)),
    "a newer minor version": ("TW051", put("format", "1.7")),
    "a newer major version": ("TW051", put("format", "2.0")),
    "version zero": ("TW051", put("format", "0.1")),
    "an unknown field": ("TW053", put("code", "import os")),
    "no steps": ("TW053", put("steps", [])),
    "steps that are an object": ("TW053", put("steps", {})),
    "an unknown kind": ("TW054", put("steps.model.kind", "pickle")),
    "a kind that is a module": ("TW054", put("steps.model.kind", "os.system")),
    "a kind that is a list": ("TW054", put("steps.model.kind", ["onnx"])),
    "a cycle": ("TW053", put("steps.fill.inputs", ["link"])),
    "a step that reads itself": ("TW053", put("steps.fill.inputs", ["fill"])),
    "a step that reads nothing": ("TW053", put("steps.fill.inputs", [])),
    "inputs of other types": ("TW053", put("steps.fill.inputs", [["rows"]])),
    "a name taken": ("TW053", put("steps.onehot.name", "fill")),
    "a step called rows": ("TW053", put("steps.fill.name", "rows")),
    "a step called ..": ("TW053", put("steps.fill.name", "../fill")),
    "a setting too many": ("TW054", put("steps.model.settings.path", "/etc/passwd")),
    "a setting too few": ("TW054", put("steps.model.settings.features", DELETE)),
    "a setting of another type": ("TW054", put("steps.model.settings.features", "5")),
    "a setting out of range": ("TW054", put("steps.model.settings.features", 10**15)),
    "settings that are a list": ("TW053", put("steps.model.settings", [])),
    "a setting named as an array": ("TW054", put("steps.fill.settings.values", [1.0, 2.0])),
    "a private field": ("TW054", put("steps.decide.settings._words", ["a", "b", "c"])),
    "an array that is not there": ("TW053", put("steps.fill.arrays.values", "nothing")),
    "an array of another step": ("TW053", put("steps.fill.arrays.values", "fill.shift")),
    "a graph that is not there": ("TW053", put("steps.model.graphs.graph", "other.onnx")),
    "a graph that is no graph": ("TW053", put("steps.model.graphs.graph", "card.md")),
    "a graph outside": ("TW053", put("steps.model.graphs.graph", "../model.onnx")),
    "graphs as a list": ("TW053", put("steps.model.graphs", ["model.graph.onnx"])),
    "deep settings": ("TW053", put("steps.model.settings.features", DEEP)),
    "one class": ("TW053", put("output.classes", ["low"])),
    "classes twice": ("TW053", put("output.classes", ["low", "low", "high"])),
    "other classes than decide": ("TW053", put("output.classes", ["low", "mid", "tall"])),
    "classes of a number": ("TW053", put("output.kind", "number")),
    "an unknown output": ("TW053", put("output.kind", "anything")),
    "output from nowhere": ("TW053", put("output.from", "nowhere")),
    "output from raw rows": ("TW053", put("output.from", "typed")),
    "decide that reads something else": ("TW053", put("output.from", "model")),
    "a task that is a path": ("TW053", put("task", "../binary")),
    "features that are an object": ("TW053", put("features", {})),
    "a feature of an unknown kind": ("TW053", put("features", [{"name": "age", "kind": "code"}])),
    "a feature with an unknown field": ("TW053", put("features", [{"name": "age", "kind": "number", "eval": "x"}])),
    "a feature with a number for a name": ("TW053", put("features", [{"name": 3, "kind": "number"}])),
    "a feature whose list is a word": ("TW053", put("features", [{"name": "age", "kind": "number", "missing": "abc"}])),
    "other features than the first step": ("TW053", put("features", [{"name": "age", "kind": "number"}])),
    "marks that are a list": ("TW053", put("marks", [])),
    "a whole number beyond 64 bits": ("TW053", put("notes", {"n": 2**70})),
}


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_hostile_manifest(name: str, sound: Path, tmp_path: Path):
    code, change = MANIFESTS[name]
    refused(changed(sound, tmp_path / "b", change), code)


@pytest.mark.parametrize(("needed", "other"), [("1.7", "1.1"), ("2.0", "1.1")])
def test_a_newer_format_is_named(needed: str, other: str, sound: Path, tmp_path: Path):
    error = refused(changed(sound, tmp_path / "b", put("format", needed)), "TW051")
    assert needed in error.what
    assert other in error.what


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "1", '"x"', '{"a": NaN}', '{"a": Infinity}', '{"a": 1e999}', '{"a":1,"a":2}', "[" * 5000, "\ud800"]
)
@pytest.mark.parametrize("file", ["manifest.json", "sketches.json", "evidence.json"])
def test_a_hostile_json_file(text: str, file: str, sound: Path, tmp_path: Path):
    data = text.encode("utf-8", "surrogatepass")

    def change(manifest: dict[str, Any], files: dict[str, bytes]) -> None:
        files[file] = data

    if file == "manifest.json":
        folder = changed(sound, tmp_path / "b", lambda manifest, files: None)
        (folder / file).write_bytes(data)
    else:
        folder = changed(sound, tmp_path / "b", change)
    refused(folder)


@pytest.mark.parametrize("file", ["manifest.json", "arrays.safetensors", "model.graph.onnx", "sketches.json", "evidence.json", "card.md"])
@pytest.mark.parametrize("again", [False, True], ids=["wrong digest", "hashed again"])
def test_a_file_cut_off_anywhere(file: str, again: bool, sound: Path, tmp_path: Path):
    whole = (sound / file).read_bytes()
    cuts = {0, 1, 6, 7, 8, 9, len(whole) // 2, len(whole) - 1}
    for index, cut in enumerate(sorted(cut for cut in cuts if cut < len(whole))):
        folder = tmp_path / str(index)

        def change(manifest: dict[str, Any], files: dict[str, bytes], cut: int = cut) -> None:
            if again and file != "manifest.json":
                files[file] = whole[:cut]

        changed(sound, folder, change)
        if not again or file == "manifest.json":
            (folder / file).write_bytes(whole[:cut])
        only_the_end = file.endswith(".json") and whole[cut:].strip() == b""
        if (again and file == "card.md") or (only_the_end and (again or file == "manifest.json")):
            runtime.load(folder)  # text may end anywhere, and JSON without its last line feed is the same
        else:
            refused(folder, "TW05" if again or file == "manifest.json" else "TW052")


def add(name: str, data: bytes = b"x") -> Change:
    def change(manifest: dict[str, Any], files: dict[str, bytes]) -> None:
        files[name] = data

    return change


@pytest.mark.parametrize(
    "name", ["setup.py", "model.pkl", "arrays.npz", "Model.graph.onnx", "a b.onnx", "é.onnx", "x.onnx.so", "-.onnx", "manifest.json.onnx"]
)
def test_a_file_that_is_not_of_the_format(name: str, sound: Path, tmp_path: Path):
    refused(changed(sound, tmp_path / "b", add(name)), "TW05")


def test_a_file_that_nobody_lists(sound: Path, tmp_path: Path):
    folder = changed(sound, tmp_path / "b", lambda manifest, files: None)
    (folder / "other.onnx").write_bytes((folder / "model.graph.onnx").read_bytes())
    assert "other.onnx" in refused(folder, "TW052").where


def test_links_folders_and_pipes(sound: Path, tmp_path: Path):
    def made(name: str) -> Path:
        return changed(sound, tmp_path / name, lambda manifest, files: None)

    linked = made("link")
    (linked / "card.md").unlink()
    (linked / "card.md").symlink_to(sound / "card.md")
    refused(linked, "TW053")
    piped = made("pipe")
    (piped / "sketches.json").unlink()
    os.mkfifo(piped / "sketches.json")  # opening it would wait for ever
    refused(piped, "TW053")
    folder = made("folder")
    (folder / "more").mkdir()
    refused(folder, "TW053")
    (tmp_path / "current").symlink_to(sound)
    assert runtime.load(tmp_path / "current").task == "multiclass"  # the path itself is the caller's own


def test_sizes_are_added_up_before_a_byte_is_read(sound: Path, tmp_path: Path):
    folder = changed(sound, tmp_path / "b", lambda manifest, files: None)
    with (folder / "arrays.safetensors").open("r+b") as file:
        file.truncate(1 << 40)  # a hole of a terabyte
    refused(folder, "TW053")
    with (folder / "sketches.json").open("r+b") as file:
        file.truncate(1 << 27)
    (folder / "arrays.safetensors").write_bytes(b"")
    refused(folder, "TW053")
    refused(sound, "TW053", limit=100)


def test_paths_where_there_is_no_bundle(tmp_path: Path):
    refused(tmp_path / "nowhere", "TW050")
    refused(tmp_path, "TW050")
    refused(Path("/dev/null"), "TW050")
    (tmp_path / "text").write_text("no zip")
    refused(tmp_path / "text", "TW050")


def zipped(path: Path, entries: list[tuple[Any, bytes]], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_zips(sound: Path, tmp_path: Path):
    write_zip(sound, tmp_path / "sound.zip")
    whole = (tmp_path / "sound.zip").read_bytes()
    entries: list[tuple[Any, bytes]] = [(path.name, path.read_bytes()) for path in sorted(sound.iterdir())]
    assert runtime.load(zipped(tmp_path / "again.zip", entries)).bundle_digest == runtime.load(sound).bundle_digest
    refused(zipped(tmp_path / "deflated.zip", entries, zipfile.ZIP_DEFLATED), "TW053")
    refused(zipped(tmp_path / "bomb.zip", [*entries, ("bomb.onnx", b"\0" * (1 << 24))], zipfile.ZIP_DEFLATED), "TW053")
    refused(zipped(tmp_path / "twice.zip", [*entries, entries[0]]), "TW053")
    link = zipfile.ZipInfo("card.md")
    link.external_attr = 0o120777 << 16
    refused(zipped(tmp_path / "link.zip", [entry for entry in entries if entry[0] != "card.md"] + [(link, b"/etc/passwd")]), "TW053")
    for index, name in enumerate(["../evil.onnx", "/etc/evil.onnx", "a/b.onnx", "a\\b.onnx", "..", ".hidden.onnx", "bundle/"]):
        refused(zipped(tmp_path / f"name{index}.zip", [*entries, (name, b"x")]), "TW053")
    for index, cut in enumerate(range(0, len(whole), 97)):
        (tmp_path / f"cut{index}.zip").write_bytes(whole[:cut])
        refused(tmp_path / f"cut{index}.zip")
    directory = whole.index(b"PK\x01\x02")
    for index, (at, value) in enumerate([(20, 2**31), (24, 2**31), (42, 0), (20, 0xFFFFFFFF)]):  # sizes and place in the directory
        data = bytearray(whole)
        struct.pack_into("<I", data, directory + at, value)
        (tmp_path / f"size{index}.zip").write_bytes(data)
        if at != 42:
            refused(tmp_path / f"size{index}.zip")


def arrays_file(header: Any, body: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


SHIFT = {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]}
VALUES = {"dtype": "F64", "shape": [2], "data_offsets": [16, 32]}
NUMBERS = struct.pack("<4d", 50.0, 170.0, 40.0, 171.5)
ARRAYS: dict[str, bytes] = {
    "empty": b"",
    "a header beyond the file": struct.pack("<Q", 2**60) + b"{}",
    "a header that is a list": arrays_file([], b""),
    "an unknown type": arrays_file({"fill.shift": SHIFT, "fill.values": {**VALUES, "dtype": "O"}}, NUMBERS),
    "another type": arrays_file({"fill.shift": SHIFT, "fill.values": {**VALUES, "dtype": "I64"}}, NUMBERS),
    "a huge shape": arrays_file({"fill.shift": SHIFT, "fill.values": {**VALUES, "shape": [2**40, 2**40]}}, NUMBERS),
    "a negative shape": arrays_file({"fill.shift": SHIFT, "fill.values": {**VALUES, "shape": [-2]}}, NUMBERS),
    "a shape of yes": arrays_file({"fill.shift": SHIFT, "fill.values": {**VALUES, "shape": [True, 2]}}, NUMBERS),
    "many axes": arrays_file({"fill.shift": SHIFT, "fill.values": {**VALUES, "shape": [2] + [1] * 40}}, NUMBERS),
    "overlap": arrays_file({"fill.shift": SHIFT, "fill.values": {**VALUES, "data_offsets": [0, 16]}}, NUMBERS[:16]),
    "a hole": arrays_file({"fill.shift": SHIFT, "fill.values": {**VALUES, "data_offsets": [24, 40]}}, NUMBERS + b"\0" * 8),
    "more behind": arrays_file({"fill.shift": SHIFT, "fill.values": VALUES}, NUMBERS + b"\0"),
    "less": arrays_file({"fill.shift": SHIFT, "fill.values": VALUES}, NUMBERS[:-1]),
    "an array that nobody reads": arrays_file(
        {"fill.shift": SHIFT, "fill.values": VALUES, "x": {**VALUES, "data_offsets": [32, 48]}}, NUMBERS + NUMBERS[:16]
    ),
    "a field too many": arrays_file({"fill.shift": SHIFT, "fill.values": {**VALUES, "file": "/etc/passwd"}}, NUMBERS),
    "NaN": arrays_file({"fill.shift": SHIFT, "fill.values": VALUES}, NUMBERS[:24] + struct.pack("<d", float("nan"))),
    "infinity": arrays_file({"fill.shift": SHIFT, "fill.values": VALUES}, NUMBERS[:24] + struct.pack("<d", float("inf"))),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_hostile_arrays(name: str, sound: Path, tmp_path: Path):
    refused(changed(sound, tmp_path / "b", add("arrays.safetensors", ARRAYS[name])))


def test_arrays_as_the_hostile_ones_but_sound(sound: Path, tmp_path: Path):
    runtime.load(changed(sound, tmp_path / "b", add("arrays.safetensors", arrays_file({"fill.shift": SHIFT, "fill.values": VALUES}, NUMBERS))))


def tree(**changes: Any) -> bytes:
    return small.tree_bytes(3, **changes)


def edited(change: Callable[[Any], Any], data: bytes | None = None) -> bytes:
    """A model after an edit through the onnx package."""
    model = ModelProto.FromString(data or tree())
    change(model)
    return model.SerializeToString()


def node(operator: str, **attributes: Any) -> bytes:
    domain = attributes.pop("domain", "")
    return small.model_bytes([helper.make_node(operator, ["x"], ["y"], domain=domain, **attributes)], outputs=5)


def outside(model: Any) -> None:
    tensor = model.graph.initializer.add(name="w", data_type=TensorProto.FLOAT, dims=[3], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/passwd")


def constant(array: Any, *, dims: list[int] | None = None, data_type: int | None = None) -> bytes:
    tensor = numpy_helper.from_array(np.asarray(array), "w")
    if dims is not None:
        del tensor.dims[:]
        tensor.dims.extend(dims)
    if data_type is not None:
        tensor.data_type = data_type
    return small.model_bytes([helper.make_node("MatMul", ["x", "w"], ["y"])], outputs=3, initializers=(tensor,))


def doubling(times: int) -> bytes:
    nodes = [helper.make_node("Concat", [f"v{i}" if i else "x"] * 2, [f"v{i + 1}"], axis=1) for i in range(times)]
    return small.model_bytes([*nodes, helper.make_node("ReduceSum", [f"v{times}"], ["y"])])


def branch() -> bytes:
    body = helper.make_graph([helper.make_node("Identity", ["x"], ["z"])], "b", [], [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)])
    return small.model_bytes([helper.make_node("If", ["x"], ["y"], then_branch=body, else_branch=body)])


def function(model: Any) -> None:
    model.functions.add(name="f", domain="own")


def behind(model: Any) -> None:
    model.graph.node[0].input[0] = "z"
    model.graph.node.insert(0, helper.make_node("Relu", ["x"], ["z"]))


GRAPHS: dict[str, bytes] = {
    "nothing": b"",
    "noise": bytes(range(256)),
    "no nodes": edited(lambda model: model.graph.ClearField("node")),
    "an operator that is not listed": node("Resize"),
    "a loop": branch(),
    "a random operator": node("RandomNormalLike"),
    "a string operator": node("StringNormalizer"),
    "another domain": node("Inverse", domain="com.microsoft"),
    "a domain of its own": edited(lambda model: model.opset_import.add(domain="own", version=1)),
    "a newer opset": edited(lambda model: setattr(model.opset_import[0], "version", 99)),
    "a newer IR": edited(lambda model: setattr(model, "ir_version", 99)),
    "a function": edited(function),
    "training information": edited(lambda model: model.training_info.add()),
    "a sparse initializer": edited(lambda model: model.graph.sparse_initializer.add()),
    "data outside": edited(outside),
    "a cycle": small.model_bytes([helper.make_node("Add", ["x", "y"], ["z"]), helper.make_node("Relu", ["z"], ["y"])], outputs=5),
    "a value made twice": small.model_bytes([helper.make_node("Relu", ["x"], ["y"]), helper.make_node("Tanh", ["x"], ["y"])], outputs=5),
    "an output that nobody makes": edited(lambda model: setattr(model.graph.output[0], "name", "z")),
    "an input that is text": edited(lambda model: setattr(model.graph.input[0].type.tensor_type, "elem_type", TensorProto.STRING)),
    "a free width": edited(lambda model: model.graph.input[0].type.tensor_type.shape.dim[1].ClearField("dim_value")),
    "a fixed number of rows": edited(lambda model: setattr(model.graph.input[0].type.tensor_type.shape.dim[0], "dim_value", 4)),
    "sixty doublings": doubling(60),
    "an attribute of two types": edited(lambda model: setattr(model.graph.node[0].attribute[0], "f", 1.0)),
    "a feature that is not there": tree(nodes_featureids=[0, 1, 0, 0, 0, 5, 0, 0]),
    "a negative feature": tree(nodes_featureids=[0, -1, 0, 0, 0, 3, 0, 0]),
    "a child that is not there": tree(nodes_truenodeids=[1, 9, 0, 0, 0, 1, 0, 0]),
    "a child in another tree": tree(nodes_treeids=[0, 0, 0, 0, 2, 1, 1, 1]),
    "a tree in circles": tree(nodes_truenodeids=[1, 0, 0, 0, 0, 1, 0, 0]),
    "a node that leads to itself": tree(nodes_truenodeids=[1, 1, 0, 0, 0, 1, 0, 0]),
    "circles apart from the root": tree(
        nodes_modes=["LEAF", "BRANCH_LEQ", "BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_truenodeids=[0, 2, 1, 0, 0, 1, 0, 0],
        nodes_falsenodeids=[0, 3, 4, 0, 0, 2, 0, 0],
    ),
    "a node twice": tree(nodes_nodeids=[0, 1, 2, 3, 3, 0, 1, 2]),
    "an unknown mode": tree(nodes_modes=["BRANCH_RANDOM", *["LEAF"] * 7]),
    "lists of other lengths": tree(nodes_values=[40.0]),
    "no thresholds": tree(nodes_values=None),
    "a weight on a branch": tree(target_nodeids=[0, 3, 4, 1, 2]),
    "a weight on nothing": tree(target_nodeids=[2, 3, 4, 1, 77]),
    "an output too far": tree(target_ids=[0, 3, 0, 0, 1]),
    "a negative output": tree(target_ids=[0, -1, 0, 0, 1]),
    "a billion outputs": tree(n_targets=10**9),
    "no outputs": tree(n_targets=0),
    "an infinite weight": tree(target_weights=[1.0, float("inf"), 0.0, 0.0, 0.0]),
    "base values of another length": tree(base_values=[1.0]),
    "labels as words": node("TreeEnsembleClassifier", domain="ai.onnx.ml", classlabels_strings=["a", "b"]),
    "a tree behind another node": edited(behind),
    "weights smaller than their shape": constant(np.ones(4, np.float32), dims=[5, 3]),
    "weights larger than their shape": constant(np.ones(40, np.float32), dims=[5, 3]),
    "a negative size": constant(np.ones((5, 3), np.float32), dims=[-5, -3]),
    "weights that do not fit": constant(np.ones((4, 3), np.float32)),
    "weights of text": constant(np.ones((5, 3), np.float32), data_type=TensorProto.STRING),
    "weights of another type": constant(np.ones((5, 3), np.float32), data_type=TensorProto.DOUBLE),
    "weights of NaN": constant(np.full((5, 3), np.nan, np.float32)),
    "an outer product": small.model_bytes([helper.make_node("Transpose", ["x"], ["t"]), helper.make_node("MatMul", ["x", "t"], ["y"])]),
    "no coefficients": node("LinearRegressor", domain="ai.onnx.ml"),
    "too few coefficients": node("LinearRegressor", domain="ai.onnx.ml", coefficients=[1.0] * 9, targets=5),
    "a field twice": tree() + edited(lambda model: None)[-40:],
    "a graph twice": tree() + tree(),
    "a group": b"\x0b\x0c" + tree(),
    "an unknown field": b"\xf8\x07\x01" + tree(),
}  # fmt: skip


def two(operator: str, second: Any, **attributes: Any) -> bytes:
    """A node on the input (rows, 5) and a constant."""
    tensor = numpy_helper.from_array(np.asarray(second), "w")
    return small.model_bytes([helper.make_node(operator, ["x", "w"], ["y"], **attributes)], outputs=5, initializers=(tensor,))


def offset(shape: tuple[int, ...]) -> bytes:
    tensors = [numpy_helper.from_array(np.ones((5, 3), np.float32), "w"), numpy_helper.from_array(np.ones(shape, np.float32), "b")]
    return small.model_bytes([helper.make_node("Gemm", ["x", "w", "b"], ["y"])], outputs=3, initializers=tuple(tensors))


SHAPELESS: dict[str, bytes] = {
    "a product of other sizes": two("Gemm", np.ones((4, 3), np.float32)),
    "a product turned over": two("Gemm", np.ones((5, 3), np.float32), transB=1),
    "an offset that does not fit": offset((2, 3)),
    "an offset that would make it larger": offset((7, 1, 3)),
    "a broadcast that does not fit": two("Add", np.ones(4, np.float32)),
    "an axis out of range": small.model_bytes([helper.make_node("ArgMax", ["x"], ["y"], axis=2)]),
    "parts of other sizes": two("Concat", np.ones((4, 3), np.float32), axis=1),
    "parts of another rank": two("Concat", np.ones(5, np.float32), axis=0),
    "a shape that does not hold the values": two("Reshape", np.array([-1, 7])),
    "a shape with two free axes": two("Reshape", np.array([-1, -1])),
    "a shape of other values": two("Reshape", np.array([3, 5])),
    "a shape that is no constant": small.model_bytes([helper.make_node("Cast", ["x"], ["i"], to=7), helper.make_node("Reshape", ["x", "i"], ["y"])]),
    "an order of axes twice": small.model_bytes([helper.make_node("Transpose", ["x"], ["y"], perm=[0, 0])]),
    "a cast to text": small.model_bytes([helper.make_node("Cast", ["x"], ["y"], to=TensorProto.STRING)]),
    "no first input": small.model_bytes([helper.make_node("Relu", [""], ["y"])]),
    "no second input": small.model_bytes([helper.make_node("MatMul", ["x"], ["y"])]),
    "an input left out": small.model_bytes([helper.make_node("Add", ["x", ""], ["y"])]),
    "too many outputs": small.model_bytes([helper.make_node("Relu", ["x"], ["y", "z"])]),
    "a constant that is a file": small.model_bytes([helper.make_node("Constant", [], ["y"], value_string=b"/etc/passwd")]),
}


@pytest.mark.parametrize("name", SHAPELESS)
def test_a_node_that_does_not_fit_is_refused_by_the_walk(name: str):
    from trainwright.runtime.graphs import check

    with pytest.raises(BundleError, match=r"does not fit|wrong number of outputs"):
        check(SHAPELESS[name])


@pytest.mark.parametrize("name", GRAPHS)
def test_a_hostile_graph(name: str, sound: Path, tmp_path: Path):
    refused(changed(sound, tmp_path / "b", add("model.graph.onnx", GRAPHS[name])), "TW054")


def test_the_graphs_that_the_hostile_ones_were_made_of_are_sound():
    from trainwright.runtime.graphs import check

    for data in (tree(), tree(base_values=[1.0, 2.0, 3.0]), node("Relu"), doubling(3), constant(np.ones((5, 3), np.float32))):
        assert check(data).inputs == {"x": ("float32", (5,))}
    check(node("LinearRegressor", domain="ai.onnx.ml", coefficients=[1.0] * 25, targets=5))
    lists = ("treeids", "nodeids", "featureids", "values", "truenodeids", "falsenodeids", "missing_value_tracks_true")
    leaf = {f"nodes_{name}": [0.0 if name == "values" else 0] for name in lists} | {"nodes_modes": ["LEAF"]}
    check(tree(**leaf, target_treeids=[0], target_nodeids=[0], target_ids=[2], target_weights=[0.5]))
    shared = tree(nodes_modes=["BRANCH_EQ", "BRANCH_EQ", *["LEAF"] * 3, "BRANCH_LEQ", "LEAF", "LEAF"], nodes_truenodeids=[3, 3, 0, 0, 0, 1, 0, 0],
                  nodes_falsenodeids=[1, 4, 0, 0, 0, 2, 0, 0], nodes_treeids=[0, 0, 2, 0, 0, 1, 1, 1], target_treeids=[2, 0, 0, 1, 1])  # fmt: skip
    check(shared)  # a set of categories: a chain of comparisons whose yes is one node


def test_a_deep_tree_is_refused():
    from trainwright.runtime.graphs import check

    def chain(depth: int) -> bytes:
        count = 2 * depth + 1
        ids = list(range(count))
        modes = [*["BRANCH_LEQ", "LEAF"] * depth, "LEAF"]
        true = [i + 1 if mode != "LEAF" else 0 for i, mode in zip(ids, modes, strict=True)]
        false = [i + 2 if mode != "LEAF" else 0 for i, mode in zip(ids, modes, strict=True)]
        zeros = [0] * count
        return small.tree_bytes(
            nodes_treeids=zeros, nodes_nodeids=ids, nodes_featureids=zeros, nodes_modes=modes, nodes_values=[float(i) for i in ids],
            nodes_truenodeids=true, nodes_falsenodeids=false, nodes_missing_value_tracks_true=zeros,
            target_treeids=[0], target_nodeids=[1], target_ids=[0], target_weights=[1.0],
        )  # fmt: skip

    check(chain(900))
    with pytest.raises(BundleError, match="too deep"):
        check(chain(1100))


def test_each_byte_of_a_graph_turned_over_is_refused_or_still_computes(sound: Path, tmp_path: Path, rng: np.random.Generator):
    """Whatever passes the walk, onnxruntime can open and run without an end to the process, or refuses itself."""
    from trainwright.runtime.graphs import check
    from trainwright.runtime.steps import Onnx

    whole = tree()
    features = rng.normal(size=(3, 5)).astype(np.float32)
    passed = 0
    for at in range(len(whole)):
        data = bytearray(whole)
        data[at] ^= 1 << int(rng.integers(8))
        try:
            check(bytes(data))
            Onnx(graph=bytes(data), features=5, outputs=3).apply(features)
        except (BundleError, ValueError, RuntimeError, NotImplementedError):
            continue
        passed += 1
    assert 0 < passed < len(whole)


def test_the_document_lists_the_operators_and_limits():
    from trainwright.runtime import limits
    from trainwright.runtime.operators import MAX_TREE_DEPTH, OPERATORS

    text = (Path(__file__).resolve().parents[2] / "docs" / "bundle.md").read_text()
    listed = text.split("Main domain:")[1].split("- Inputs are")[0].replace("`ai.onnx.ml`:", "").replace(".", " ").replace(",", " ").split()
    assert sorted(listed) == sorted(name for _, name in OPERATORS)
    assert f"{MAX_TREE_DEPTH:,}" in text
    assert limits.NAME.pattern in text


def wide(values: int) -> bytes:
    """Many values that are all alive until the last node adds them up: each is allowed, and together they would fill any memory."""
    made = [helper.make_node("Add", ["x", "c"], [f"v{index}"]) for index in range(values)]
    nodes = [*made, helper.make_node("Sum", [f"v{index}" for index in range(values)], ["s"]), helper.make_node("ReduceSum", ["s"], ["y"])]
    return small.model_bytes(nodes, initializers=(numpy_helper.from_array(np.zeros((1600, 1, 5), np.float32), "c"),))


def test_values_that_are_too_large_together(sound: Path, tmp_path: Path):
    assert "together" in refused(changed(sound, tmp_path / "b", add("model.graph.onnx", wide(40))), "TW054").what
    graphs.check(wide(2))


def test_a_step_that_is_wider_than_all_that_reads_it_makes_batches_smaller(tmp_path: Path):
    """Linear regression with 20,000 outputs and a manifest of one number: 16,384 rows at once would be 5 GB before anybody looks at the shape."""
    wide_model = Linear(weights=np.zeros((5, 20_000)), offset=np.zeros(20_000))
    steps = [*small.front(), ("model", wide_model, ("concat",)), ("link", Link(name="identity"), ("model",))]
    bundle = write_bundle(tmp_path / "b", task="regression", output={"kind": "number"}, steps=steps, features=small.FEATURES, sketches=small.SKETCHES)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BundleError, match="TW056"):
        bundle.predict(small.rows(20_000))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2 << 20  # KiB


def windows(count: int) -> Windows:
    names = tuple(f"w{number}" for number in range(count))
    return Windows(key="job", time="age", of="", over=np.arange(1.0, count + 1), what=("count",), names=names)


HELD: dict[str, Callable[[], list[Any]]] = {
    "additive binnings": lambda: [tables(binnings=20_001)],
    "additive terms": lambda: [tables(terms=20_001)],
    "interact": lambda: [Interact(products=(), centres=np.empty((0, 2)), crosses=tuple((f"a{n}", "b") for n in range(20_001)))],
    "interact names": lambda: [Interact(products=(("a" * 10_001, "b"),), centres=np.zeros((1, 2)), crosses=())],
    "encode": lambda: [Encode(columns=("job",), vocabularies=((),), values=np.zeros((2, 1_000_001), np.float32))],
    "bins": lambda: [
        Bins(
            columns=tuple(f"c{n}" for n in range(101)),
            counts=(10_000,) * 101,
            edges=np.tile(np.arange(10_000.0), 101),
            indicators=True,
            missing=(False,) * 101,
        )
    ],
    "text": lambda: [
        Text(
            column="job",
            unit="words",
            longest=1,
            terms=("x",),
            buckets=0,
            idf=np.ones(1, np.float32),
            directions=np.zeros((1, 257), np.float32),
        )
    ],
    "windows": lambda: [windows(1_001)],
    "many windows": lambda: [windows(1_000)] * 11,
    "wide steps": lambda: [Concat(widths=(1_000_000,) * 40)] * 2,
}


def tables(binnings: int = 1, terms: int = 1) -> Additive:
    return Additive(
        binned=np.zeros((binnings, 3), np.int64),
        edges=np.empty(0),
        terms=np.tile(np.array([[0, -1]]), (terms, 1)),
        scores=np.zeros((2 * terms, 1)),
        offset=np.zeros(1),
    )


@pytest.mark.parametrize("what", HELD)
def test_a_step_that_would_make_more_than_any_training_writes(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Written where nothing is bounded, and refused where the loader's own bounds stand."""
    bounds = [(checks, "MOST_MADE"), (checks, "MOST_FIELDS"), (shapes, "LONGEST"), (text_step, "MOST_DIRECTIONS"), (windows_step, "MOST_NAMES")]
    for module, name in [*bounds, (bundle_module, "CELLS"), (bundle_module, "AT_ONCE")]:
        monkeypatch.setattr(module, name, 10**12)
    extra = [(f"extra{number}", step, ("typed" if not number else f"extra{number - 1}",)) for number, step in enumerate(HELD[what]())]
    steps = [*small.front(), ("model", Linear(weights=np.zeros((5, 1)), offset=np.zeros(1)), ("concat",))]
    write_bundle(
        tmp_path / "b",
        task="regression",
        output={"kind": "number", "from": "model"},
        steps=[steps[0], *extra, *steps[1:]],
        features=small.FEATURES,
        sketches=small.SKETCHES,
    )
    monkeypatch.undo()
    refused(tmp_path / "b", "TW054")


def test_a_sum_of_many_tables_is_reckoned_in_blocks_of_rows(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch):
    step = Additive(
        binned=np.array([[0, 0, 2], [1, 0, 1]]),
        edges=np.array([-0.5, 0.5, 0.0]),
        terms=np.array([[0, -1], [0, 1]]),
        scores=rng.normal(size=(4 + 12, 2)),
        offset=rng.normal(size=2),
    )
    rows = rng.normal(size=(1000, 2)).astype(np.float32)
    whole = step.apply(rows)
    monkeypatch.setattr(additive, "CELLS", 14)
    held: list[int] = []
    bins = Additive._bins
    monkeypatch.setattr(Additive, "_bins", lambda self, values, index: held.append(len(values)) or bins(self, values, index))
    np.testing.assert_array_equal(step.apply(rows), whole)
    assert max(held) == 7


OPENED = """
import json, sys
from pathlib import Path
import opening
from hostile import read_seed
place = Path(sys.argv[1])
opening.preload()
golden = sorted(Path(sys.argv[2]).glob("*/*/manifest.json"))
found = opening.chunk([read_seed(path.parent) for path in golden], 7, 0, int(sys.argv[3]), place)
print(json.dumps(found))
"""


@pytest.mark.slow
def test_hundreds_of_hostile_bundles_made_from_sound_ones(tmp_path: Path):
    """Each in a process of its own; `benchmarks/hostile_bundles.py` opens 100,000. The parent is a process without threads."""
    tests, count = Path(__file__).resolve().parent.parent, 330
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), *sys.path]), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    words = [sys.executable, "-c", OPENED, str(tmp_path), str(tests / "golden"), str(count)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["failures"] == []
    assert not found["reached"]
    came = found["came"]
    assert sum(came.values()) == count
    assert sum(number for what, number in came.items() if "hashed again" in what) == count // 2
    assert any("hashed again" in what and "answered" in what for what in came)  # some are sound after all, and are used
    assert {what.split(" refused ")[1] for what in came if " refused " in what} >= {"TW050", "TW052", "TW053", "TW054"}

"""Writing: what is returned was read back; equal models give equal bytes; evidence moves the bundle digest alone."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto

import small_bundles as small
from trainwright import runtime
from trainwright.bundle import add_evidence, verify, write_bundle, write_zip
from trainwright.errors import BadInput, BundleError, CheckFailed
from trainwright.record import files as durable
from trainwright.runtime.graph import run_steps
from trainwright.runtime.graphs import BATCH


@pytest.mark.parametrize("task", small.CLASSES)
@pytest.mark.parametrize("model", ["linear", "trees"])
def test_the_bundle_answers_as_its_steps_do(tmp_path: Path, task: str, model: str):
    bundle = small.make(tmp_path / "b", task, model)
    rows = small.rows(50)
    truth = run_steps(small.steps(task, model), {"rows": rows})
    np.testing.assert_array_equal(bundle.outputs(rows), truth["link"])
    expected = truth["decide"].tolist() if task != "regression" else truth["link"][:, 0].tolist()
    assert bundle.predict(rows).tolist() == expected
    assert bundle.classes == small.CLASSES[task]
    assert bundle.features == small.FEATURES
    assert bundle.task in repr(bundle)


def test_typed_columns_pass_the_first_step(tmp_path: Path):
    bundle = small.make(tmp_path / "b")
    rows = small.rows(30)
    np.testing.assert_array_equal(bundle.outputs_of(bundle.steps[0][1].apply(rows)), bundle.outputs(rows))


def test_many_rows_go_through_in_batches(tmp_path: Path):
    bundle = small.make(tmp_path / "b", "multiclass", "trees")
    rows = small.rows(300)
    times = 2 * BATCH // 300 + 2
    np.testing.assert_array_equal(bundle.outputs(rows * times), np.tile(bundle.outputs(rows), (times, 1)))
    assert bundle.outputs([]).shape == (0, 3)


def test_probabilities_of_a_number_are_refused(tmp_path: Path):
    bundle = small.make(tmp_path / "b", "regression")
    with pytest.raises(BadInput, match="TW049"):
        bundle.predict_proba(small.rows(1))
    binary = small.make(tmp_path / "c")
    np.testing.assert_allclose(binary.predict_proba(small.rows(9)).sum(axis=1), 1.0, atol=1e-12)


def test_equal_models_give_equal_bytes(tmp_path: Path):
    for name in ("a", "b"):
        small.make(tmp_path / name, "multiclass", "trees")
        add_evidence(tmp_path / name, {"b": 1, "a": 2}, "# card\n")
        write_zip(tmp_path / name, tmp_path / f"{name}.zip")
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == {
        path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()
    }
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_doc_strings_and_producers_do_not_ship(tmp_path: Path):
    small.make(tmp_path / "b", "regression", "trees")
    model = ModelProto.FromString((tmp_path / "b" / "model.graph.onnx").read_bytes())
    assert (model.producer_name, model.doc_string, len(model.metadata_props)) == ("", "", 0)


def test_evidence_moves_the_bundle_digest_alone(tmp_path: Path):
    folder = tmp_path / "b"
    bare = small.make(folder)
    first = add_evidence(folder, {"value": 0.8}, "# card")
    again = add_evidence(folder, {"value": 0.8}, "# card")
    other = add_evidence(folder, {"value": 0.9}, "# card")
    assert bare.model_digest == first.model_digest == other.model_digest
    assert first.bundle_digest == again.bundle_digest
    assert len({bare.bundle_digest, first.bundle_digest, other.bundle_digest}) == 3
    assert (bare.evidence, other.evidence, other.card) == ({}, {"value": 0.9}, "# card")
    assert write_zip(folder, tmp_path / "b.zip").bundle_digest == other.bundle_digest == runtime.load(folder).bundle_digest


def test_each_weight_moves_the_model_digest(tmp_path: Path):
    one = small.make(tmp_path / "a")
    steps = small.steps("binary", "linear")
    steps[4][1].weights[2, 0] += 1e-9
    output = {"kind": "classes", "classes": small.CLASSES["binary"]}
    two = write_bundle(tmp_path / "b", task="binary", output=output, steps=steps, features=small.FEATURES, sketches=small.SKETCHES)
    assert one.model_digest != two.model_digest


class Killed(BaseException):
    pass


@pytest.mark.parametrize("measured", [False, True])
def test_a_kill_at_any_moment_leaves_a_whole_bundle(tmp_path: Path, measured: bool):
    """Every durable operation of `add_evidence` in turn is the last one that happens."""
    folder = tmp_path / "b"
    bare = small.make(folder)
    if measured:
        add_evidence(folder, {"value": 0.1}, "old")
    for last in range(100):
        count = 0

        def kill(operation: str, path: Path, last: int = last) -> None:
            nonlocal count
            count += 1
            if count > last:
                raise Killed

        try:
            with durable.faults(kill):
                add_evidence(folder, {"value": 0.5}, "new")
        except Killed:
            found = runtime.load(folder)
            assert found.model_digest == bare.model_digest
            assert (found.evidence, found.card) in [({}, ""), ({"value": 0.1}, "old"), ({"value": 0.5}, "new")]
        else:
            assert last > 8
            return
    raise AssertionError("never came to the end")


def test_a_kill_while_writing_leaves_nothing_and_can_be_repeated(tmp_path: Path):
    for last in range(100):
        count = 0

        def kill(operation: str, path: Path, last: int = last) -> None:
            nonlocal count
            count += 1
            if count > last:
                raise Killed

        folder = tmp_path / "b"
        try:
            with durable.faults(kill):
                small.make(folder)
        except Killed:
            assert not folder.exists() or runtime.load(folder)
        else:
            assert last > 8
            return
    raise AssertionError("never came to the end")


def test_a_folder_of_something_else_is_not_overwritten(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(BundleError, match="TW057"):
        small.make(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_verify_names_the_file_that_differs(tmp_path: Path):
    folder = tmp_path / "b"
    bundle = small.make(folder, "binary", "trees")
    assert verify(folder)["model_digest"] == bundle.model_digest == bundle.verify()["model_digest"]
    for name in ("arrays.safetensors", "model.graph.onnx", "sketches.json"):
        sound = (folder / name).read_bytes()
        (folder / name).write_bytes(sound[:-2] + bytes([sound[-2] ^ 1]) + sound[-1:])
        with pytest.raises(CheckFailed, match=name) as caught:
            verify(folder)
        assert caught.value.code == "TW083"
        (folder / name).write_bytes(sound)
    (folder / "manifest.json").write_bytes((folder / "manifest.json").read_bytes().replace(b'"yes"', b'"yea"'))
    with pytest.raises(CheckFailed, match=r"manifest\.json"):
        verify(folder)


def test_a_bundle_says_the_least_version_that_it_needs(tmp_path: Path):
    assert small.make(tmp_path / "plain").manifest["format"] == "1.0"
    capped = tuple(dataclasses.replace(feature, high=9.0) if feature.kind == "number" else feature for feature in small.FEATURES)
    first, *rest = small.steps("binary", "linear")
    steps = [(first[0], dataclasses.replace(first[1], schema=capped), first[2]), *rest]
    output = {"kind": "classes", "classes": list(small.CLASSES["binary"])}
    bundle = write_bundle(tmp_path / "capped", task="binary", output=output, steps=steps, features=capped, sketches={})
    assert bundle.manifest["format"] == "1.1"

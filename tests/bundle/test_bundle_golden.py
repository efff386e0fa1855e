"""Bundles of every released format version load and answer as they did when they were made."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from trainwright import runtime
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import KINDS, SINCE

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
BUNDLES = sorted(path.parent / path.name.removesuffix(".expected.json") for path in GOLDEN.glob("*/*.expected.json"))
ZIPS = sorted(GOLDEN.glob("*/*.zip"))


def test_there_are_golden_bundles_of_each_task_and_a_zip():
    assert {path.name for path in BUNDLES} >= {f"{task}-{model}" for task in ("binary", "multiclass", "regression") for model in ("linear", "trees")}
    assert ZIPS


def test_every_step_kind_and_every_field_of_a_column_is_in_some_golden_bundle():
    manifests = [json.loads((path / "manifest.json").read_text()) for path in BUNDLES]
    kinds = {
        step["kind"]: {m["format"] for m in manifests if step["kind"] in {s["kind"] for s in m["steps"]}} for m in manifests for step in m["steps"]
    }
    assert set(kinds) == set(KINDS)
    for kind, since in SINCE.items():
        assert "{}.{}".format(*since) in kinds[kind]  # in the version that brought it
    fields = {name for manifest in manifests for feature in manifest["features"] for name in feature}
    assert fields == {field.name for field in dataclasses.fields(ColumnSchema)}


def test_golden_bundles_of_a_version_are_those_that_it_needs():
    for path in BUNDLES:
        assert json.loads((path / "manifest.json").read_text())["format"] == path.parent.name


@pytest.mark.parametrize("path", [*BUNDLES, *ZIPS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_golden_bundle_answers_as_ever(path: Path):
    expected = json.loads((path.parent / f"{path.name.removesuffix('.zip')}.expected.json").read_text())
    bundle = runtime.load(path)
    np.testing.assert_allclose(bundle.outputs(expected["rows"]), expected["outputs"], rtol=0, atol=1e-12)
    answers = bundle.predict(expected["rows"]).tolist()
    assert answers == (expected["answers"] if bundle.classes else pytest.approx(expected["answers"], abs=1e-12))
    if "earlier" in expected:
        after = bundle.outputs(expected["rows"], earlier=expected["earlier"])
        np.testing.assert_allclose(after, expected["outputs_after"], rtol=0, atol=1e-12)
        assert not np.allclose(after, expected["outputs"])
    assert (bundle.model_digest, bundle.bundle_digest) == (expected["model_digest"], expected["bundle_digest"])
    assert bundle.evidence["value"] == 0.5

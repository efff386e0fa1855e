"""Bundles of every released format version load and answer as they did when they were made."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from trainwright import runtime

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
BUNDLES = sorted(path.parent / path.name.removesuffix(".expected.json") for path in GOLDEN.glob("*/*.expected.json"))
ZIPS = sorted(GOLDEN.glob("*/*.zip"))


def test_there_are_golden_bundles_of_each_task_and_a_zip():
    assert {path.name for path in BUNDLES} >= {f"{task}-{model}" for task in ("binary", "multiclass", "regression") for model in ("linear", "trees")}
    assert ZIPS


@pytest.mark.parametrize("path", [*BUNDLES, *ZIPS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_golden_bundle_answers_as_ever(path: Path):
    expected = json.loads((path.parent / f"{path.name.removesuffix('.zip')}.expected.json").read_text())
    bundle = runtime.load(path)
    np.testing.assert_allclose(bundle.outputs(expected["rows"]), expected["outputs"], rtol=0, atol=1e-12)
    answers = bundle.predict(expected["rows"]).tolist()
    assert answers == (expected["answers"] if bundle.classes else pytest.approx(expected["answers"], abs=1e-12))
    assert (bundle.model_digest, bundle.bundle_digest) == (expected["model_digest"], expected["bundle_digest"])
    assert bundle.evidence["value"] == 0.5

"""Kills, power cuts, refusing disks and edited logs at durable operations of a whole run: nothing is lost, the same digests, one clear error.

A sample of the operations, evenly over the run; `benchmarks/faults.py` takes each one, of every learner. The cases are forked from a process of
their own, since this one may have threads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

TESTS = Path(__file__).resolve().parent.parent
WORK = """
import json, sys
from pathlib import Path
import fault_runs as runs
from power_cut import CUTS
place, every = Path(sys.argv[1]), 41
runs.preload()
family = runs.undisturbed("tabular/tree", place / "tree")
found = {
    "calm": [family.calm],
    "kill": runs.states_table(family, ("kill",), processes=2, every=every),
    "power cut": runs.states_table(family, CUTS, processes=2, every=every),
    "refused": runs.refusals_table(family, processes=2, every=every),
    "log": runs.log_table(family, processes=2, every=every),
    "kill in a worker": runs.states_table(family, ("kill",), processes=2, engine="local", every=every),
    "writes": [{"case": case, "ok": tuple(case.split(" ", 1)) in runs.EXCEPTIONS} for case in runs.in_a_child(lambda: runs.writes_elsewhere(family))],
}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    words = [sys.executable, "-c", WORK, str(tmp_path_factory.mktemp("faults"))]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    cases: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return cases


@pytest.mark.parametrize(
    ("kind", "least"), [("calm", 1), ("kill", 12), ("power cut", 18), ("refused", 24), ("log", 30), ("kill in a worker", 4), ("writes", 5)]
)
def test_nothing_breaks_a_run(found: dict[str, list[dict[str, Any]]], kind: str, least: int) -> None:
    assert [case for case in found[kind] if not case["ok"]] == []
    assert len(found[kind]) >= least


def test_the_learner_tried_is_the_one_that_ships(found: dict[str, list[dict[str, Any]]]) -> None:
    assert found["calm"][0]["learner"] == "tabular/tree"
    assert found["calm"][0]["operations"] > 200

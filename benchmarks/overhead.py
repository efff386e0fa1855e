"""What a run costs beside the bare fits that it contains. Run: `python benchmarks/overhead.py`.

The run: the command line from start to exit, one worker, six candidates. The bare fits: the same folds, learners, settings and seeds
fitted and predicted in one process that has everything imported, with nothing recorded, capped, shipped, measured or reported.
Both alternately; what is beyond the bare fits is start-up, reading, checks, shipping, evidence, report and the record.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import Rows, need_data, table
from tables import CASES, find

TABLES = ("german_credit", "adult", "california_housing")
TIMES = 3

BARE = """
import json, sys, time
from pathlib import Path
import sklearn.ensemble, sklearn.linear_model, lightgbm
from trainwright.data import store
from trainwright.learners import make
from trainwright.learners.interface import Budget
from trainwright.run import Run
from trainwright.select.candidate import fit_pipeline
run = Run(sys.argv[1])
dataset = store.load(run.folder / "data")
done = [entry for entry in run.leaderboard if entry["outcome"] == "done"]
started = time.perf_counter()
for entry in done:
    learner = make(entry["learner"], entry["settings"])
    for index, fold in enumerate(dataset.splits.folds):
        fit_pipeline(dataset, fold.train, learner, Budget(), run.plan.seed, ("fit", entry["candidate"], index)).predict(dataset, fold.test)
        for number, inner in enumerate(dataset.splits.inner[index] if dataset.splits.inner else ()):
            key = ("inner", entry["candidate"], index, number)
            fit_pipeline(dataset, inner.train, learner, Budget(), run.plan.seed, key).predict(dataset, inner.test)
print(time.perf_counter() - started)
"""


def main() -> None:
    need_data()
    rows = Rows("overhead")
    cases = {case.name: case for case in CASES}
    for name in TABLES:
        if rows.has(table=name):
            continue
        case = cases[name]
        walls, bares = [], []
        with tempfile.TemporaryDirectory() as place:
            for index in range(TIMES):
                out = Path(place) / str(index)
                command = [sys.executable, "-m", "trainwright", "train", str(find(case.file)), "--target", case.target, "--candidates", "4"]
                command += ["--workers", "1", "--out", str(out), "--json"]
                started = time.perf_counter()
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                walls.append(time.perf_counter() - started)
                run = json.loads(done.stdout)["run"]
                bares.append(float(subprocess.run([sys.executable, "-c", BARE, run], check=True, capture_output=True, text=True).stdout))
        ratio = statistics.median(wall / bare for wall, bare in zip(walls, bares, strict=True))
        rows.add({"table": name, "wall": statistics.median(walls), "bare": statistics.median(bares), "ratio": ratio})
        print(rows.rows[-1], flush=True)
    lines = [[row["table"], row["wall"], row["bare"], row["wall"] - row["bare"], row["ratio"]] for row in rows.rows]
    text = table(["table", "run, s", "bare fits, s", "beyond, s", "run / bare"], lines)
    rows.finish({row["table"]: row["ratio"] for row in rows.rows}, text)


if __name__ == "__main__":
    main()

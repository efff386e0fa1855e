"""The work of one point of `learners.py` and `growth.py`, done in a child of the local engine: one fit and what becomes of it, `check`, `predict`.

Takes    a dataset's folder (`trainwright.data.store`) and a learner's name, or a file.
Gives    JSON: seconds, processor seconds and memory of the fit; then, of the bundle, the largest difference, bytes, latency and the test score.
Why      the engine forks the child from a server that has the libraries loaded, caps it, and can end it: a fit that hangs costs that fit.
         What is known after the fit is left in a file, so that a fit whose export takes too long still has its figures.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import statistics
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

PAUSE = 0.005  # seconds between two looks at memory
WARM_ROWS = 90
SKETCHED = 1000


class Peak:
    """The most anonymous + shared memory of this process while it is entered, in bytes beyond what it had at the start."""

    def __enter__(self) -> Peak:
        from trainwright.engine import memory

        self._used = lambda: memory.used(os.getpid())
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):  # glibc: give back what was freed, else the fit would have it for nothing
            ctypes.CDLL(None).malloc_trim(0)
        self.start = self.most = self._used()
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()
        return self

    def _watch(self) -> None:
        while not self._over.wait(PAUSE):
            self.most = max(self.most, self._used())

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._watcher.join()
        self.most = max(self.most, self._used())

    @property
    def bytes(self) -> int:
        return self.most - self.start


def measured(work: Callable[[], Any], again: float = 0.0) -> tuple[Any, dict[str, Any]]:
    """What `work` gives; its seconds, processor seconds and peak of memory. Quick work is repeated for `again` seconds: the median time counts."""
    walls, cpus = [], []
    with Peak() as peak:
        while not walls or sum(walls) + walls[0] < again:
            started, cpu = time.perf_counter(), time.process_time()
            made = work()
            walls.append(time.perf_counter() - started)
            cpus.append(time.process_time() - cpu)
    return made, {"seconds": statistics.median(walls), "cpu_seconds": statistics.median(cpus), "memory_bytes": peak.bytes}


def check(*, file: str, target: str, again: float = 0.0) -> dict[str, Any]:
    """`check` of a file, in this process: read, typed, and looked through for findings."""
    import polars  # noqa: F401 - so that its import is not measured

    from trainwright import api

    found, figures = measured(lambda: api.check(file, target=target), again)
    return figures | {"rows": found["source"]["rows"], "findings": len(found["findings"])}


def predict(*, data: str, file: str, folder: str, learner: str, seed: int, again: float = 0.0) -> dict[str, Any]:
    """Prediction of a file with a bundle that is made first, of the dataset in `data`: read, typed, predicted, and written as CSV."""
    from trainwright.data import store
    from trainwright.learners import make
    from trainwright.learners.interface import Budget
    from trainwright.predict import predict_file
    from trainwright.select.candidate import fit_pipeline

    dataset = store.load(Path(data))
    pipeline = fit_pipeline(dataset, dataset.splits.open, make(learner, {}), Budget(), seed, ("benchmark",))
    bundle = Path(folder) / "bundle"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    _lay_down(pipeline, dataset, bundle, seed)
    out = Path(folder) / "out.csv"
    done, figures = measured(lambda: predict_file(bundle, file, out), again)
    return figures | {"rows": done["rows"]}


def fit(*, data: str, folder: str, learner: str, seed: int, ship: bool, again: float = 0.0) -> dict[str, Any]:
    """Fit the learner with its default settings on the open rows, transforms included; with `ship`, write the bundle, compare and score it.

    A fit that takes less than `again` seconds is repeated until they are used up, and its median time counts. The figures of the fit are in
    `folder/fit.json` as soon as they are known.
    """
    from trainwright.data import store
    from trainwright.learners import make
    from trainwright.learners.interface import Budget
    from trainwright.select.candidate import fit_pipeline

    dataset, one = store.load(Path(data)), make(learner, {})
    _warm(one, dataset.task or "", len(dataset.classes))
    rows = dataset.splits.open
    pipeline, found = measured(lambda: fit_pipeline(dataset, rows, one, Budget(), seed, ("benchmark",)), again)
    features = len(pipeline.prepared.features)
    found |= {"rows": len(rows), "features": features, "task": dataset.task}
    found["guess_seconds"] = one.card.seconds(len(rows), max(1, features), max(1, len(dataset.classes))) * one.card.effort(one)
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / "fit.json").write_text(json.dumps(found))
    return found | (_shipped(pipeline, dataset, Path(folder) / "bundle", seed) if ship else {})


def _warm(learner: Any, task: str, classes: int) -> None:
    """Import what the learner imports when it is first used, so that no import is measured: fit and ship it on a few made rows."""
    from trainwright.features.feature import Feature
    from trainwright.learners.interface import Budget, Training

    rng = np.random.default_rng(0)
    target = np.arange(WARM_ROWS) % max(2, classes) * 1.0
    names = tuple(Feature(name=name, origin=name, kind="number") for name in "ab")
    numbers = rng.normal(size=(WARM_ROWS, 2)).astype(np.float32)
    watch = Training(task=task, numbers=numbers, features=names, target=target, classes=classes) if learner.card.stops_early else None
    training = Training(task=task, numbers=numbers, features=names, target=target, classes=classes, watch=watch)
    with contextlib.suppress(Exception):  # what goes wrong here goes wrong again where it is measured, and is told there
        learner.fit(training, Budget(), rng).ship()


def _shipped(pipeline: Any, dataset: Any, folder: Path, seed: int) -> dict[str, Any]:
    """What a run does with a winner, and the score of the bundle on the test rows. Raises BundleError (TW055) when the bundle differs."""
    from trainwright import evidence, runtime
    from trainwright.runtime.columns import take_all
    from trainwright.tasks import TASKS

    sealed, metric = dataset.splits.sealed, TASKS[dataset.task].metric
    started = time.perf_counter()
    laid = _lay_down(pipeline, dataset, folder, seed)
    exported = time.perf_counter() - started
    outputs = runtime.load(folder).outputs_of(take_all(dataset.columns, sealed))
    scale = 1.0 if dataset.classes else laid["parity"]["rows"]["scale"]
    return {
        "metric": metric,
        "score": evidence.score(metric, dataset.target[sealed], outputs),
        "parity": laid["parity"]["rows"]["largest"] / scale,
        "export_seconds": exported,
        "bundle_bytes": laid["bytes"],
        "latency_us": laid["latency_us"],
    }


def _lay_down(pipeline: Any, dataset: Any, folder: Path, seed: int) -> dict[str, Any]:
    """As a run ships its winner; what is sketched are predictions of some rows, where a run takes those out of fold."""
    from trainwright.bundle.ship import lay_down

    return lay_down(pipeline, dataset, folder, reference=pipeline.predict(dataset, dataset.splits.measured[:SKETCHED]), seed=seed)

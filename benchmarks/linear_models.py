"""Linear regression beside LAPACK, linear SVM beside liblinear, kernel SVM beside libsvm. Run: `python benchmarks/linear_models.py [--part NAME]`.

regression  "LAPACK" is what a user gets from numpy.linalg.lstsq and from scikit-learn's LinearRegression: the driver gelsd; the faster of the
            two is the reference. Beside them gelsy (QR) and, for what it could be at best, Cholesky of the normal equations (float64, with a column
            of ones). Peers get their float64 matrix ready-made; ours starts from float32, as the product does, and includes every check.
svm         the objective is liblinear's own, which penalises the intercept: solver beside solver, each row with the objective that both reached.
            liblinear's tolerance is the largest at which it comes within 1e-6 of the lower objective; of its primal and dual methods the faster
            counts. Then what a user waits for: our learner, probabilities included, beside LinearSVC and CalibratedClassifierCV around it.
kernel      10,000 training rows, both with C = 1 and gamma = "scale": seconds to fit and shares of 10,000 fresh rows that are right (or R²).

Peers take turns (A-B-A-B); a ratio is the median over turns of reference / ours in one turn, so above 1 we are faster. Wall and processor seconds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from scipy.linalg import cho_factor, cho_solve, lstsq
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LinearRegression
from sklearn.svm import SVC, SVR, LinearSVC
from threadpoolctl import threadpool_limits

from common import Rows, alternately, table
from trainwright.learners import piecewise
from trainwright.learners.interface import Budget, Training
from trainwright.learners.tabular.kernel_svm import KernelSVM
from trainwright.learners.tabular.linear import Linear
from trainwright.learners.tabular.linear_svm import LinearSVM

REGRESSION = (
    (1_000, 5),
    (1_000, 50),
    (1_000, 3_000),
    (10_000, 5),
    (10_000, 20),
    (10_000, 200),
    (100_000, 5),
    (100_000, 20),
    (100_000, 100),
    (1_000_000, 10),
)
SVM = ((1_000, 20), (10_000, 20), (10_000, 200), (100_000, 20), (2_000, 1_000))
COLLINEAR = ((10_000, 20), (10_000, 200))
KERNEL, TARGETS = 10_000, ("two classes", "five classes", "number")
TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)
NEAR = 1e-6  # share of the objective that counts as the same


def timed(call: Callable[[], Any]) -> Callable[[], Any]:
    def run() -> tuple[float, float]:
        wall, processor = time.perf_counter(), time.process_time()
        call()
        return time.perf_counter() - wall, time.process_time() - processor

    return run


def measured(peers: dict[str, Callable[[], Any]], turns: int) -> dict[str, Any]:
    """Medians of wall and processor seconds, ratios of turns against ours, and the load meanwhile."""
    took: dict[str, list[Any]] = {name: [] for name in peers}
    load = [os.getloadavg()[0]]
    for name, seconds in alternately({name: timed(call) for name, call in peers.items()}, turns):
        took[name].append(seconds)
    load.append(os.getloadavg()[0])
    ratios = {
        name: [statistics.median(their[k] / mine[k] for mine, their in zip(took["ours"], times, strict=True)) for k in (0, 1)]
        for name, times in took.items()
        if name != "ours"
    }
    return {
        "wall": {name: statistics.median(wall for wall, _ in times) for name, times in took.items()},
        "processor": {name: statistics.median(processor for _, processor in times) for name, times in took.items()},
        "ratio_wall": {name: wall for name, (wall, _) in ratios.items()},
        "ratio_processor": {name: processor for name, (_, processor) in ratios.items()},
        "turns": turns,
        "load": [round(value, 2) for value in load],
    }


def regression(rows: int, columns: int, design: str) -> dict[str, Any]:
    rng = np.random.default_rng([rows, columns])
    X = rng.normal(size=(rows, columns)).astype(np.float32)
    if design == "collinear":  # a condition at which products do not do
        X[:, 1] = X[:, 0] + np.float32(1e-6) * X[:, 1]
    y = X[:, :3].sum(axis=1) + rng.normal(size=rows)
    wide = X.astype(np.float64)
    ones = np.column_stack([wide, np.ones(rows)])
    training = Training(task="regression", numbers=X, target=y, classes=0)

    def learner(penalty: str) -> Any:
        return Linear(penalty=penalty).fit(training, Budget(), rng)

    peers = {
        "ours": lambda: learner("none"),
        "ours, l2": lambda: learner("l2"),
        "numpy lstsq (gelsd)": lambda: np.linalg.lstsq(ones, y, rcond=None),
        "LinearRegression (gelsd)": lambda: LinearRegression().fit(wide, y),
        "gelsy": lambda: lstsq(ones, y, lapack_driver="gelsy"),
    }
    if columns < rows and design == "plain":
        peers["normal equations"] = lambda: cho_solve(cho_factor(ones.T @ ones), ones.T @ y)
    answer = ones @ np.linalg.lstsq(ones, y, rcond=None)[0]  # LinearRegression cuts directions off that this does not
    return {
        **measured(peers, 5 if rows * columns * min(rows, columns) > 5e8 else 15),
        "way": learner("none").notes["way"],
        "apart": float(np.abs(learner("none").predict(X)[:, 0] - answer).max() / y.std()),
    }


def margins_of(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Two classes with a tenth of the labels turned round."""
    rng = np.random.default_rng([rows, columns, 1])
    X = rng.normal(size=(rows, columns)).astype(np.float32)
    side = np.sign(X @ rng.normal(size=columns) / np.sqrt(columns) + 0.5 * rng.normal(size=rows) + 0.3)
    return X, np.where(rng.random(rows) < 0.1, -side, side)


def svm(rows: int, columns: int) -> dict[str, Any]:
    X, side = margins_of(rows, columns)
    matrix = piecewise.with_ones(X)
    wide = matrix[:, :-1].copy()
    problem = piecewise.Problem(matrix, side, np.ones(rows), np.ones(columns + 1))

    def ours() -> piecewise.Solution:
        return piecewise.solve(problem, tolerance=LinearSVM().tolerance)

    def theirs(dual: bool, tolerance: float) -> LinearSVC:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return LinearSVC(dual=dual, C=1.0, tol=tolerance, max_iter=3000, random_state=0).fit(wide, side)

    def value(model: LinearSVC) -> float:
        return problem.value(np.append(model.coef_[0], model.intercept_))

    mine = problem.value(ours().weights)
    peers: dict[str, Callable[[], Any]] = {"ours": ours}
    objectives = {"ours": mine}
    for dual in (False, True):
        name = "liblinear, dual" if dual else "liblinear, primal"
        for tolerance in TOLERANCES:
            reached = value(theirs(dual, tolerance))
            if reached <= mine * (1 + NEAR):
                break
        objectives[name] = reached
        if reached <= mine * (1 + NEAR):
            peers[name] = lambda dual=dual, tolerance=tolerance: theirs(dual, tolerance)
            objectives[f"{name}: tolerance"] = tolerance
    solver = measured(peers, 5)
    training = Training(task="binary", numbers=X, target=(side > 0) * 1.0, classes=2)
    plain = objectives.get("liblinear, primal: tolerance", 1e-4)
    whole = measured(
        {
            "ours": lambda: LinearSVM().fit(training, Budget(), np.random.default_rng(0)),
            "LinearSVC": lambda: theirs(False, plain),
            "CalibratedClassifierCV": lambda: CalibratedClassifierCV(LinearSVC(dual=False, tol=plain), cv=5, ensemble=False).fit(wide, side),
        },
        5,
    )
    return {"solver": solver, "whole": whole, "objectives": objectives}


def bent(rows: int, columns: int, target: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What no straight line parts."""
    X = rng.normal(size=(rows, columns)).astype(np.float32)
    score = X[:, 0] * X[:, 1] + X[:, 2] ** 2 - 1 + np.sin(2 * X[:, 3]) + 0.3 * rng.normal(size=rows)
    return X, {"two classes": (score > 0) * 1.0, "five classes": np.digitize(score, [-1.5, -0.5, 0.5, 1.5]) * 1.0, "number": score}[target]


def kernel(rows: int, columns: int, target: str) -> dict[str, Any]:
    rng = np.random.default_rng([rows, columns, 2])
    X, y = bent(rows, columns, target, rng)
    fresh, truth = bent(10_000, columns, target, rng)
    classes = {"two classes": 2, "five classes": 5, "number": 0}[target]
    unit = y.std()
    training = Training(task="x", numbers=X, target=y, classes=classes)
    models: dict[str, Any] = {}

    def ours() -> None:
        models["ours"] = KernelSVM().fit(training, Budget(), np.random.default_rng(0))

    def theirs() -> None:
        wide = X.astype(np.float64)
        models["libsvm"] = SVC().fit(wide, y) if classes else SVR().fit(wide, (y - y.mean()) / unit)

    found = measured({"ours": ours, "libsvm": theirs}, 2)
    said = models["ours"].predict(fresh)
    other = models["libsvm"].predict(fresh.astype(np.float64))
    if classes:
        right = {"ours": float(np.mean(said.argmax(axis=1) == truth)), "libsvm": float(np.mean(other == truth))}
    else:
        right = {
            name: float(1 - np.mean((value - truth) ** 2) / truth.var())
            for name, value in (("ours", said[:, 0]), ("libsvm", other * unit + y.mean()))
        }
    return {**found, "right": right, "way": models["ours"].notes["way"]}


def gelsd(row: dict[str, Any], kind: str) -> float:
    return min(row[f"ratio_{kind}"][name] for name in ("numpy lstsq (gelsd)", "LinearRegression (gelsd)"))


def least(found: dict[str, Any], kind: str) -> float:
    return min(found[f"ratio_{kind}"].values())


def told(rows: Rows) -> tuple[dict[str, Any], str]:
    parts = {part: [row for row in rows.rows if row["part"] == part] for part in ("regression", "svm", "kernel")}
    lines = [
        [r["rows"], r["columns"], r["design"], r["threads"], r["way"], r["processor"]["ours"] * 1e3, r["processor"]["numpy lstsq (gelsd)"] * 1e3,
         r["processor"]["LinearRegression (gelsd)"] * 1e3, r["processor"]["gelsy"] * 1e3, r["processor"].get("normal equations", float("nan")) * 1e3,
         r["processor"]["ours, l2"] * 1e3, gelsd(r, "processor"), gelsd(r, "wall"), r["apart"], r["load"][-1]]
        for r in parts["regression"]
    ]  # fmt: skip
    first = table(
        ["rows", "columns", "design", "threads", "way", "ours, ms", "numpy lstsq", "LinearRegression", "gelsy", "normal equations", "ours, l2",
         "gelsd / ours", "the same by wall", "apart, deviations", "load"], lines
    )  # fmt: skip
    lines = [
        [r["rows"], r["columns"], r["threads"], r["solver"]["processor"]["ours"] * 1e3,
         r["solver"]["processor"].get("liblinear, primal", float("nan")) * 1e3,
         r["solver"]["processor"].get("liblinear, dual", float("nan")) * 1e3, least(r["solver"], "processor"), least(r["solver"], "wall"),
         f"{r['objectives']['ours']:.9g}", f"{r['objectives']['liblinear, primal']:.9g}", f"{r['objectives']['liblinear, dual']:.9g}",
         r["whole"]["processor"]["ours"] * 1e3, r["whole"]["processor"]["LinearSVC"] * 1e3, r["whole"]["processor"]["CalibratedClassifierCV"] * 1e3,
         r["whole"]["ratio_processor"]["LinearSVC"], r["whole"]["ratio_processor"]["CalibratedClassifierCV"], r["solver"]["load"][-1]]
        for r in parts["svm"]
    ]  # fmt: skip
    second = table(
        ["rows", "columns", "threads", "ours, ms", "primal", "dual", "the faster / ours", "the same by wall", "objective: ours", "primal", "dual",
         "learner, ms", "LinearSVC", "calibrated", "LinearSVC / learner", "calibrated / learner", "load"], lines
    )  # fmt: skip
    lines = [
        [r["rows"], r["columns"], r["target"], r["threads"], r["processor"]["ours"], r["processor"]["libsvm"], r["ratio_processor"]["libsvm"],
         r["ratio_wall"]["libsvm"], r["right"]["ours"], r["right"]["libsvm"], r["load"][-1]]
        for r in parts["kernel"]
    ]  # fmt: skip
    third = table(
        ["rows", "columns", "target", "threads", "ours, s", "libsvm, s", "libsvm / ours", "the same by wall", "right: ours", "right: libsvm", "load"],
        lines,
    )
    summary = {
        "regression": {"least gelsd / ours": min(gelsd(r, "processor") for r in parts["regression"]), "asked": 1 / 1.2}
        if parts["regression"]
        else {},
        "svm": {"least liblinear / ours, same objective": min(least(r["solver"], "processor") for r in parts["svm"]), "asked": 1.0}
        if parts["svm"]
        else {},
        "kernel": {"least libsvm / ours": min(r["ratio_processor"]["libsvm"] for r in parts["kernel"]), "asked": 1.0} if parts["kernel"] else {},
    }
    return summary, "\n\n".join(
        [
            "# Linear models and kernel machine beside LAPACK, liblinear and libsvm",
            "Processor milliseconds or seconds (medians) where nothing else is said; ratios are medians over turns, above 1 we are faster.",
            f"## Linear regression\n\n{first}",
            f"## Linear SVM\n\n{second}",
            f"## Kernel SVM\n\n{third}",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("regression", "svm", "kernel"))
    asked = parser.parse_args()
    rows = Rows("linear_models")
    cores = len(os.sched_getaffinity(0))
    for threads in dict.fromkeys((1, cores)):
        jobs: list[tuple[dict[str, Any], Callable[[], dict[str, Any]]]] = [
            *(
                ({"part": "regression", "rows": n, "columns": p, "design": design}, partial(regression, n, p, design))
                for design, shapes in (("plain", REGRESSION), ("collinear", COLLINEAR))
                for n, p in shapes
            ),
            *(({"part": "svm", "rows": n, "columns": p}, partial(svm, n, p)) for n, p in SVM),
            *(
                ({"part": "kernel", "rows": KERNEL, "columns": p, "target": target}, partial(kernel, KERNEL, p, target))
                for target in TARGETS
                for p in (5, 20)
            ),
        ]
        for key, job in jobs:
            key = {**key, "threads": threads}
            if asked.part in (None, key["part"]) and not rows.has(**key):
                with threadpool_limits(threads):
                    rows.add({**key, **job()})
    rows.finish(*told(rows))


if __name__ == "__main__":
    main()

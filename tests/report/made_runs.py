"""Run folders made by hand, as the other parts write them: two classes (sealed), many classes (sealed), a number (nested)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from trainwright import evidence as ev
from trainwright.tasks import TASKS

Json = dict[str, Any]
DIGEST = "9f2c4e" + "0a1b" * 14 + "ff"


def column(name: str, kind: str, role: str, *, missing: int = 0, distinct: int = 12, note: str = "") -> Json:
    return {
        "name": name,
        "kind": kind,
        "role": role,
        "why": f"{distinct:,} distinct values",
        "flag": f"--kind {name}=category",
        "missing": missing,
        "distinct": distinct,
        "note": note,
    }


def finding(code: str, title: str, *, blocking: bool = False, where: str = "age", what: str = "3 of 48 rows are equal.") -> Json:
    return {
        "code": code,
        "title": title,
        "blocking": blocking,
        "where": where,
        "what": what,
        "why": "the score would be too good",
        "fix": "--drop age",
        "columns": [where],
        "figures": {},
    }


def dataset(
    task: str,
    classes: list[str],
    *,
    columns: list[Json],
    rows: int,
    design: str = "sealed",
    findings: tuple[Json, ...] = (),
    dropped: Json | None = None,
) -> Json:
    used = rows - sum((dropped or {}).values())
    sealed = used // 5 if design == "sealed" else 0
    return {
        "source": {
            "path": "data/adult.csv",
            "format": "csv",
            "digest": DIGEST,
            "rows": rows,
            "columns": len(columns),
            "details": {"delimiter": ",", "encoding": "utf-8"},
            "notes": ["2 blank lines at the end were left out"],
        },
        "described": columns,
        "task": task,
        "why_task": f"{len(classes)} distinct values" if classes else "many distinct numbers",
        "target": columns[-1]["name"],
        "classes": classes,
        "splits": {
            "design": design,
            "how": "random",
            "why": "enough rows to seal a fifth of them" if sealed else "a fifth would hold fewer than 100 events",
            "open": used - sealed,
            "sealed": sealed,
            "folds": 5,
            "repeats": 1 if sealed else 3,
        },
        "dropped": dropped or {},
        "findings": list(findings),
        "digest": DIGEST[::-1],
    }


def entry(
    number: int,
    learner: str,
    score: float | None,
    *,
    width: float = 0.01,
    chosen: bool = False,
    outcome: str = "done",
    why: str = "",
    settings: Json | None = None,
) -> Json:
    known = score is not None
    made = {
        "candidate": number,
        "learner": learner,
        "settings": settings or {},
        "baseline": learner in ("tabular/dummy", "tabular/logistic", "tabular/linear"),
        "chosen": chosen,
        "outcome": outcome,
        "why": why,
        "score": score,
        "low": score - width if known else None,
        "high": score + width if known else None,
        "folds": [score] * 5 if known else [],
        "seconds": 1.5 + 0.731 * number if known else None,
        "memory_bytes": 90_000_000 + 1_234_567 * number if known else None,
        "iterations": 120 if "lightgbm" in learner else None,
    }
    return made | ({"latency_us": 41.25, "bundle_bytes": 446_321} if chosen else {})


def plan(target: str, metric: str, task: str, **more: Any) -> Json:
    return {
        "source": "data/adult.csv",
        "target": target,
        "task": task,
        "metric": metric,
        "folds": 5,
        "time": "60s",
        "memory": 4_000_000_000,
        "seed": 0,
    } | more


def write(folder: Path, *, plan: Json, dataset: Json, leaderboard: list[Json], evidence: Json, seconds: float = 41.7) -> Path:
    """The run folder's files; gives the folder."""
    (folder / "bundle").mkdir(parents=True, exist_ok=True)
    for name, value in (
        ("dataset", dataset),
        ("leaderboard", leaderboard),
        ("evidence", evidence),
        ("summary", {"seconds": seconds, "model_digest": "ab" * 32, "bundle_digest": "cd" * 32, "trainwright": "0.1.0"}),
    ):
        (folder / f"{name}.json").write_text(json.dumps(value, allow_nan=False))
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan, sort_keys=False))
    (folder / "asked.yaml").write_text(yaml.safe_dump({"source": plan["source"], "time": "60s"}))
    (folder / "lock.txt").write_text("python==3.11.9\nnumpy==2.4.0\n")
    return folder


def binary(folder: Path, *, rows: int = 3000) -> Path:
    """A good model on sealed rows; one allowed blocking finding, two warnings, a failed candidate."""
    rng = np.random.default_rng(1)
    y = (rng.random(rows) < 0.24).astype(float)
    chance = _squash(np.where(y, 1.2, -2.0) + rng.normal(0, 1.5, rows))
    simple = _squash(np.where(y, 0.6, -1.8) + rng.normal(0, 1.8, rows))
    classes = ["<=50K", ">50K"]
    both = {"tabular/dummy": _two(np.full(rows, y.mean())), "tabular/logistic": _two(simple)}
    evidence = ev.measure(TASKS["binary"], y, _two(chance), baselines=both, metric="roc_auc", classes=tuple(classes), seed=0, draws=200)
    columns = [
        column("age", "number", "feature"),
        column("workclass", "category", "feature", missing=1836, distinct=8),
        column("sex", "category", "protected", distinct=2),
        column("income", "category", "target", distinct=2),
    ]
    found = (
        finding("TW110", "near-constant column"),
        finding("TW101", "column equals the target", blocking=True, where="education-num", what="It agrees with the target in 99.95 % of rows."),
        finding("TW130", "outcome gap by group", where="sex"),
    )
    return write(
        folder,
        plan=plan("income", "roc_auc", "binary", allow=[{"code": "TW101", "because": "it is known before the decision"}], protected=["sex"]),
        dataset=dataset("binary", classes, columns=columns, rows=15_010, findings=found, dropped={"the target is missing": 10}),
        leaderboard=[
            entry(5, "tabular/lightgbm", 0.9283, width=0.004, chosen=True, settings={"leaves": 31, "rate": 0.05}),
            entry(4, "tabular/random_forest", 0.9172, width=0.0042),
            entry(3, "tabular/extra_trees", 0.9088, width=0.0045),
            entry(1, "tabular/logistic", 0.9051, width=0.0047),
            entry(2, "tabular/tree", 0.8604, width=0.006),
            entry(0, "tabular/dummy", 0.5, width=0.0),
            entry(6, "tabular/lightgbm", None, outcome="out of memory", why="it passed 4.0 GB after 12 s"),
            entry(7, "tabular/lightgbm", None, outcome="not started", why="no time was left"),
        ],
        evidence=evidence,
    )


def multiclass(folder: Path, *, classes: int = 26, rows: int = 2000, columns: int = 17, candidates: int = 8, names: list[str] | None = None) -> Path:
    rng = np.random.default_rng(2)
    y = rng.integers(0, classes, rows).astype(float)
    labels = names or [chr(65 + i) if i < 26 else f"class {i}" for i in range(classes)]
    evidence = ev.measure(
        TASKS["multiclass"], y, _many(rng, y, classes, 3.6),
        baselines={"tabular/dummy": np.full((rows, classes), 1 / classes), "tabular/logistic": _many(rng, y, classes, 2.4)},
        metric="log_loss", classes=tuple(labels), seed=0, draws=50,
    )  # fmt: skip
    described = [column(f"x{i}", "number", "feature", missing=i % 3) for i in range(columns - 1)] + [
        column("letter", "category", "target", distinct=classes)
    ]
    board = [
        entry(i, "tabular/lightgbm" if i else "tabular/random_forest", 0.5 + 0.02 * i, chosen=i == 0, settings={"leaves": 15 + i})
        for i in range(candidates - 2)
    ]
    board += [entry(candidates - 2, "tabular/logistic", 1.2), entry(candidates - 1, "tabular/dummy", 3.26)]
    return write(
        folder,
        plan=plan("letter", "log_loss", "multiclass"),
        dataset=dataset("multiclass", labels, columns=described, rows=rows * 5),
        leaderboard=board,
        evidence=evidence,
    )


def regression(folder: Path, *, rows: int = 240) -> Path:
    """Few rows, nested; not clearly better than the straight line."""
    rng = np.random.default_rng(3)
    y = rng.gamma(4.0, 50.0, rows)
    guess, line = y + rng.normal(0, 30, rows), y + rng.normal(0, 30.5, rows)
    evidence = ev.measure(
        TASKS["regression"], y, guess[:, None], baselines={"tabular/dummy": np.full((rows, 1), y.mean()), "tabular/linear": line[:, None]},
        metric="rmse", seed=0, draws=200, design="nested", notes=("the procedure chose the candidate that ships in 11 of 15 outer folds",),
    )  # fmt: skip
    columns = [
        column("rooms", "number", "feature"),
        column("sold", "datetime", "feature", note="two date formats were read"),
        column("price", "number", "target", distinct=231),
    ]
    board = [
        entry(2, "tabular/random_forest", 31.2, width=2.1, chosen=True),
        entry(1, "tabular/linear", 31.9, width=2.2),
        entry(0, "tabular/dummy", 98.0, width=6),
    ]
    return write(
        folder,
        plan=plan("price", "rmse", "regression"),
        dataset=dataset("regression", [], columns=columns, rows=rows, design="nested"),
        leaderboard=board,
        evidence=evidence,
    )


def _squash(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _two(p: np.ndarray) -> np.ndarray:
    return np.column_stack([1 - p, p])


def _many(rng: np.random.Generator, y: np.ndarray, classes: int, strength: float) -> np.ndarray:
    raw = rng.normal(size=(len(y), classes))
    raw[np.arange(len(y)), y.astype(int)] += strength
    raw = np.exp(raw)
    return raw / raw.sum(axis=1, keepdims=True)


__all__ = ["binary", "multiclass", "regression"]

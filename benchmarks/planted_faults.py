"""Planted faults on clean tables: how often each is found, and how often the same check speaks on the table as it was.

Ten tables are those on which the thresholds of the checks were set; ten fresh ones nobody had looked at (`planted_tables.py`). Each group has
its own figures.

Each fault is planted at two strengths with three seeds. Run: `python benchmarks/planted_faults.py [--seeds 3]`. A stopped run goes on where
it ended. Every table has at most 2,500 rows and three columns more (a random category, a random protected attribute, a random given split),
so that each check has something to judge when nothing is wrong.

Flipped labels (2, 5 and 10 % of the open rows) are looked for by our check, by cleanlab's `find_label_issues` with the very same
out-of-fold probabilities, and by cleanlab's `CleanLearning` as it comes (logistic regression); cleanlab lives in an environment that is made here.
`possible` is the most that could be found at a precision of 0.5 by a learner that knows the true label of all other rows: on two
harder tables (adult, telco churn) it says what nobody can find.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from common import Rows, need_data, table
from planted_tables import APART, CANDIDATES, FRESH, HARD, MOST, Tables, told_apart, tuned_tables
from trainwright.data.dataset import Dataset, Finding
from trainwright.data.findings import CHECKS, finding
from trainwright.data.findings.interface import Subject
from trainwright.data.findings.quick import MOST_BOOSTED, bagged, matrix_of, probabilities
from trainwright.data.prepare import prepare
from trainwright.data.read import read_rows
from trainwright.plan.model import Plan
from trainwright.runtime.columns import take

CITIES = ("Northampton", "Springfield", "Riverside", "Georgetown", "Fairview", "Kingston")
PEER = """
import json, sys, warnings
warnings.filterwarnings("ignore")
import numpy as np
from cleanlab.filter import find_label_issues
from cleanlab.classification import CleanLearning
data = np.load(sys.argv[1])
chances, labels, matrix = data["chances"], data["labels"], data["matrix"]
same = find_label_issues(labels, chances, n_jobs=1)
matrix = np.where(np.isfinite(matrix), matrix, np.nanmedian(matrix, axis=0))
own = CleanLearning(seed=0).find_label_issues(matrix, labels)["is_label_issue"].to_numpy()
print(json.dumps({"same": np.flatnonzero(same).tolist(), "own": np.flatnonzero(own).tolist()}))
"""


def base(frame: pl.DataFrame, target: str, rng: np.random.Generator) -> pl.DataFrame:
    """At most MOST rows in random order, with the three random columns."""
    frame = frame.filter(pl.col(target).is_not_null())
    frame = frame[rng.permutation(len(frame))[:MOST]]
    return frame.with_columns(
        pl.Series("city", rng.choice(CITIES, len(frame))),
        pl.Series("attribute", rng.choice(["f", "m"], len(frame))),
        pl.Series("part", np.where(rng.permutation(len(frame)) % 5 == 0, "test", "train")),
    )


def dataset_of(frame: pl.DataFrame, target: str) -> Dataset:
    plan = Plan(target=target, split="given:part", protected=("attribute",))
    return prepare(plan, read_rows(plan, frame))


def findings_of(dataset: Dataset, codes: tuple[str, ...]) -> list[Finding]:
    subject = Subject(dataset, ("attribute",), 0)
    with np.errstate(all="ignore"):
        return [finding(check, seen, frozenset()) for check in CHECKS if check.code in codes for seen in check.function(subject)]


# --- the faults: a frame in, a frame out and what should be named -------------------------------------------------------------------


def noisy_copy(frame: pl.DataFrame, target: str, rng: np.random.Generator, part: float) -> tuple[pl.DataFrame, str]:
    words = frame[target].cast(pl.String).to_numpy()
    wrong = rng.uniform(size=len(frame)) < part
    words = np.where(wrong, rng.permutation(words), words)
    return frame.with_columns(pl.Series("planted", [f"code {word}" for word in words])), "planted"


def telling_gap(frame: pl.DataFrame, target: str, rng: np.random.Generator, part: float) -> tuple[pl.DataFrame, str]:
    words = frame[target].cast(pl.String)
    common = words.value_counts(sort=True)[words.name][0]
    gone = (words == common).to_numpy() ^ (rng.uniform(size=len(frame)) < part)
    return frame.with_columns(pl.Series("planted", np.where(gone, None, rng.normal(size=len(frame))).tolist(), dtype=pl.Float64)), "planted"


def copies(frame: pl.DataFrame, target: str, rng: np.random.Generator, part: float, how: str) -> tuple[pl.DataFrame, str]:
    """Copies of training rows in the test part (`part` of its rows): exact, with numbers jittered by 0.1 % of their spread, or one cell changed."""
    train, test = frame.filter(pl.col("part") == "train"), frame.filter(pl.col("part") == "test")
    copied = train[rng.choice(len(train), max(3, round(part * len(test))), replace=False)].with_columns(pl.lit("test").alias("part"))
    names = [c for c in frame.columns if c not in (target, "part", "city", "attribute") and frame[c].n_unique() > 1]
    if how == "jitter":
        copied = copied.with_columns(
            (pl.col(c).cast(pl.Float64) + pl.Series(0.001 * float(frame[c].cast(pl.Float64).std() or 0) * rng.normal(size=len(copied)))).alias(c)
            for c in names
            if frame[c].dtype.is_numeric()
        )
    elif how == "cell":
        name = str(rng.choice(names))
        values, own = frame[name].to_list(), copied[name].to_list()
        other = [rng.choice(np.array([place for place, value in enumerate(values) if value != mine])) for mine in own]
        copied = copied.with_columns(frame[name][np.array(other)].alias(name))
    numbers = [c for c in names if frame[c].dtype.is_numeric()]
    return pl.concat([f.with_columns(pl.col(numbers).cast(pl.Float64)) for f in (frame, copied)]), ""


def proxy(frame: pl.DataFrame, target: str, rng: np.random.Generator, distance: float) -> tuple[pl.DataFrame, str]:
    inside = (frame["attribute"] == "m").to_numpy()
    return frame.with_columns(pl.Series("planted", distance * inside + rng.normal(size=len(frame)))), "planted"


def _number(frame: pl.DataFrame, target: str, rng: np.random.Generator) -> str:
    """A number column of many values, or a made one where there is none."""
    names = [c for c in frame.columns if c != target and frame[c].dtype.is_numeric() and frame[c].n_unique() > 50]
    return str(rng.choice(names)) if names else "made"


def with_number(frame: pl.DataFrame, target: str, rng: np.random.Generator) -> tuple[pl.DataFrame, str]:
    name = _number(frame, target, rng)
    if name == "made":
        frame = frame.with_columns(pl.Series("made", rng.gamma(4, 2, len(frame))))
    return frame.with_columns(pl.col(name).cast(pl.Float64)), name


def shift(frame: pl.DataFrame, target: str, rng: np.random.Generator, size: float) -> tuple[pl.DataFrame, str]:
    frame, name = with_number(frame, target, rng)
    moved = pl.col(name) + size * float(frame[name].std() or 1.0)
    return frame.with_columns(pl.when(pl.col("part") == "test").then(moved).otherwise(pl.col(name)).alias(name)), name


def slipped(frame: pl.DataFrame, target: str, rng: np.random.Generator, times: float) -> tuple[pl.DataFrame, str]:
    """Three cells of training rows further from the median than the furthest, `times` over."""
    frame, name = with_number(frame, target, rng)
    rows = rng.choice(np.flatnonzero((frame["part"] == "train").to_numpy()), 3, replace=False)
    values = frame[name].to_numpy(writable=True)
    middle = float(np.nanmedian(values))
    values[rows] = middle + times * float(np.nanmax(np.abs(values - middle))) * rng.uniform(1.0, 1.5, 3)
    return frame.with_columns(pl.Series(name, values)), name


def unknown_as_number(frame: pl.DataFrame, target: str, rng: np.random.Generator, part: float) -> tuple[pl.DataFrame, str]:
    values = rng.gamma(4, 5, len(frame))
    values[rng.uniform(size=len(frame)) < part] = -999.0
    return frame.with_columns(pl.Series("planted", values)), "planted"


def spellings(frame: pl.DataFrame, target: str, rng: np.random.Generator, part: float) -> tuple[pl.DataFrame, str]:
    hit = pl.Series(rng.uniform(size=len(frame)) < part)
    return frame.with_columns(pl.when(hit).then(pl.col("city").str.to_uppercase()).otherwise(pl.col("city")).alias("city")), "city"


def misspellings(frame: pl.DataFrame, target: str, rng: np.random.Generator, cells: float) -> tuple[pl.DataFrame, str]:
    words = frame["city"].to_list()
    for row in rng.choice(np.flatnonzero((frame["part"] == "train").to_numpy()), int(cells), replace=False).tolist():
        place = int(rng.integers(1, len(words[row]) - 1))
        words[row] = words[row][:place] + words[row][place + 1 :]
    return frame.with_columns(pl.Series("city", words)), "city"


def next_target(frame: pl.DataFrame, target: str, rng: np.random.Generator, part: float) -> tuple[pl.DataFrame, str]:
    """The class of the next row of the training part, wrong in `part` of the rows."""
    train, test = frame.filter(pl.col("part") == "train"), frame.filter(pl.col("part") == "test")
    words = np.roll(train[target].cast(pl.String).to_numpy(), -1)
    words = np.where(rng.uniform(size=len(words)) < part, rng.permutation(words), words)
    return pl.concat([train.with_columns(pl.Series("planted", words)), test.with_columns(test[target].cast(pl.String).alias("planted"))]), "planted"


def sorted_id(frame: pl.DataFrame, target: str, rng: np.random.Generator, mixed: float) -> tuple[pl.DataFrame, str]:
    _, place = np.unique(frame[target].cast(pl.String).to_numpy(), return_inverse=True)
    order = np.argsort(place / max(1, place.max()) + mixed * rng.normal(size=len(frame)), kind="stable")
    return frame[order].with_columns(pl.Series("sequence", np.arange(len(frame)) + 1)), "sequence"


@dataclass(frozen=True)
class Fault:
    name: str
    codes: tuple[str, ...]
    strengths: tuple[float, ...]
    plant: Callable[[pl.DataFrame, str, np.random.Generator, float], tuple[pl.DataFrame, str]]
    told: str = ""  # what the strength is


FAULTS = (
    Fault("a copy of the target", ("TW101", "TW105"), (0.0, 0.02), noisy_copy, "share wrong"),
    Fault("a gap that tells the target", ("TW101", "TW184"), (0.0, 0.1, 0.3), telling_gap, "share wrong"),
    Fault("exact copies across the split", ("TW103",), (0.02, 0.05), lambda f, t, r, s: copies(f, t, r, s, "exact"), "share of test rows"),
    Fault("near copies across: jitter", ("TW181",), (0.02, 0.05), lambda f, t, r, s: copies(f, t, r, s, "jitter"), "share of test rows"),
    Fault("near copies across: one cell", ("TW181",), (0.02, 0.05), lambda f, t, r, s: copies(f, t, r, s, "cell"), "share of test rows"),
    Fault("a proxy", ("TW188",), (1.2, 2.5), proxy, "standard deviations apart"),
    Fault("shift", ("TW142",), (0.5, 1.0), shift, "standard deviations"),
    Fault("numbers far out", ("TW189", "TW191"), (3.0, 10.0), slipped, "times the furthest"),
    Fault("-999 for unknown", ("TW191",), (0.01, 0.05), unknown_as_number, "share of cells"),
    Fault("two spellings", ("TW192",), (0.01, 0.05), spellings, "share of cells"),
    Fault("misspelled words", ("TW193",), (2, 6), misspellings, "cells"),
    Fault("the next row's target", ("TW187",), (0.0, 0.01), next_target, "share wrong"),
    Fault("a row number of a sorted file", ("TW185",), (0.0, 0.5), sorted_id, "disorder"),
)
LABEL_CODE = "TW182"
CODES = tuple(sorted({code for fault in FAULTS for code in fault.codes} | {LABEL_CODE, "TW180", "TW190"}))


def names_it(found: list[Finding], what: str) -> bool:
    return any(not what or what in f.columns or what in f.where for f in found)


# --- labels ------------------------------------------------------------------------------------------------------------------------


def peer_python(folder: Path) -> Path:
    """cleanlab in an environment of its own."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", "cleanlab==2.*"], check=True)
    return python


def chances_of(matrix: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """The out-of-fold probabilities that our check rests on."""
    chances = probabilities(matrix, labels, classes, 0)
    return chances if classes > MOST_BOOSTED else (chances + bagged(matrix, labels, classes, 0)) / 2


def possible(matrix: np.ndarray, true: np.ndarray, labels: np.ndarray, flipped: np.ndarray, classes: int) -> float:
    """The largest recall at precision 0.5 when rows are ranked by probabilities that were learned from true labels."""
    chances = chances_of(matrix, true, classes)
    margin = chances.max(axis=1) - chances[np.arange(len(labels)), labels]
    hit = np.cumsum(flipped[np.argsort(-margin, kind="stable")])
    good = hit / np.arange(1, len(hit) + 1) >= 0.5
    return float(hit[good].max() / flipped.sum()) if good.any() else 0.0


def labels_row(frame: pl.DataFrame, target: str, part: float, rng: np.random.Generator, python: Path) -> dict[str, Any]:
    """Flip labels of open rows, and look for them in three ways."""
    dataset = dataset_of(frame, target)
    rows = dataset.splits.open
    assert dataset.target is not None
    true = dataset.target[rows].astype(np.int64)
    classes = len(dataset.classes)
    flipped = rng.uniform(size=len(rows)) < part
    labels = np.where(flipped, (true + rng.integers(1, classes, len(rows))) % classes, true)
    wrong = dataset.target.copy()
    wrong[rows] = labels
    planted = Dataset(**{**{f: getattr(dataset, f) for f in dataset.__dataclass_fields__}, "target": wrong})
    started = time.process_time()
    found = findings_of(planted, (LABEL_CODE,))
    seconds = time.process_time() - started
    place = {int(row): number for number, row in enumerate(rows.tolist())}
    told = {place[row] for f in found for row in f.figures["rows"]}
    matrix = matrix_of({f.name: take(dataset.table.columns[f.name], rows) for f in dataset.features})
    chances = chances_of(matrix, labels, classes)
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "labels.npz", chances=chances, labels=labels, matrix=matrix)
        answer = subprocess.run([str(python), "-c", PEER, str(Path(folder) / "labels.npz")], check=True, capture_output=True, text=True)
    peers = json.loads(answer.stdout.strip().splitlines()[-1])
    truth = set(np.flatnonzero(flipped).tolist())
    row: dict[str, Any] = {"rows": len(rows), "flipped": len(truth), "told": len(told), "seconds": round(seconds, 2)}
    for who, answer_rows in (("ours", told), ("cleanlab_same", set(peers["same"])), ("cleanlab_own", set(peers["own"]))):
        hits = len(truth & answer_rows)
        row[who] = {"recall": round(hits / max(1, len(truth)), 4), "precision": round(hits / len(answer_rows), 4) if answer_rows else None}
    row["possible"] = round(possible(matrix, true, labels, flipped, classes), 4)
    return row


def wilson(events: int, n: int) -> str:
    """A share with its 95 % interval (Wilson 1927)."""
    if n == 0:
        return "–"
    p, z = events / n, 1.96
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return f"{p:.2f} ({max(0.0, middle - half) / (1 + z * z / n):.2f}–{(middle + half) / (1 + z * z / n):.2f})"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seeds", type=int, default=3)
    asked.add_argument("--peer", type=Path, default=Path(tempfile.gettempdir()) / "trainwright-peer-cleanlab")
    options = asked.parse_args()
    need_data()
    python = peer_python(options.peer)
    rows = Rows("planted_faults")
    groups = {"tuned": tuned_tables(), "fresh": fresh_tables(rows)}
    for flips in ((0.05,), (), (0.02, 0.1)):  # what was promised first
        for seed in range(options.seeds):
            for group, tables in groups.items():
                for name, (frame, target) in tables.items():
                    start = base(frame, target, np.random.default_rng([seed, 1]))
                    one_table(rows, group, name, seed, start, target, flips, python)
    report(rows)


def fresh_tables(rows: Rows) -> Tables:
    """The first FRESH of the candidates whose classes can be told apart; what was measured is kept."""
    result: Tables = {}
    for name, load in CANDIDATES.items():
        if len(result) == FRESH:
            break
        frame, target = load()
        if not rows.has(table=name, fault="told apart"):
            rows.add({"table": name, "fault": "told apart", "accuracy": round(told_apart(frame, target), 4)})
        accuracy = next(row["accuracy"] for row in rows.rows if row["table"] == name and row["fault"] == "told apart")
        if accuracy >= APART:
            result[name] = frame, target
    return result


def one_table(rows: Rows, group: str, name: str, seed: int, start: pl.DataFrame, target: str, flips: tuple[float, ...], python: Path) -> None:
    """Flipped labels at these shares; without any, the table as it is and all other faults."""
    hard = name in HARD
    key = {"table": name, "group": group, "seed": seed}
    for part in flips:
        if not rows.has(table=name, seed=seed, fault="labels", strength=part):
            row = labels_row(start, target, part, np.random.default_rng([seed, 2]), python)
            rows.add(key | {"fault": "labels", "strength": part, "hard": hard} | row)
    if flips:
        return
    if not rows.has(table=name, seed=seed, fault="none"):
        told = findings_of(dataset_of(start, target), CODES)
        rows.add(key | {"fault": "none", "hard": hard, "codes": sorted({f.code for f in told})})
    for fault, strength in [(each, strength) for each in FAULTS for strength in each.strengths]:
        numberless = not any(start[c].dtype.is_numeric() for c in start.columns if c != target)
        if hard or rows.has(table=name, seed=seed, fault=fault.name, strength=strength) or (numberless and "jitter" in fault.name):
            continue
        planted, what = fault.plant(start, target, np.random.default_rng([seed, 3]), strength)
        found = findings_of(dataset_of(planted, target), fault.codes)
        by = sorted({f.code for f in found if names_it([f], what)})
        rows.add(key | {"fault": fault.name, "strength": strength, "found": bool(by), "by": by})


TITLES = {"tuned": "tables used to set thresholds", "fresh": "fresh tables"}


def report(rows: Rows) -> None:
    text = "# Planted faults on clean tables\n\nShares with 95 % intervals; false alarms are counted on the same tables before planting."
    summary: dict[str, Any] = {}
    for group, title in TITLES.items():
        mine = [row for row in rows.rows if row.get("group") == group]
        clean = [row for row in mine if row["fault"] == "none" and not row["hard"]]
        reached = [
            row["ours"]["recall"] >= 0.8 and (row["ours"]["precision"] or 0) >= 0.5
            for row in mine
            if row["fault"] == "labels" and row["strength"] == 0.05 and not row["hard"]
        ]
        text += f"\n\n## {title[0].upper()}{title[1:]}\n\n" + fault_table(mine, clean)
        text += "\n\nOther checks on the tables as they were: " + ", ".join(
            f"{code} {wilson(sum(code in row['codes'] for row in clean), len(clean))}" for code in (LABEL_CODE, "TW180", "TW190")
        )
        text += "\n\nFlipped labels, recall / precision, means over seeds:\n\n" + table(
            ["table", "flipped", "ours", "cleanlab, same probabilities", "cleanlab as it comes", "possible at precision 0.5"], label_lines(mine)
        )
        text += f"\n\nAt 5 %, 80 % found at precision 0.5: {wilson(sum(reached), len(reached))} of {len(reached)} trials."
        summary[group] = {"clean": len(clean), "reached": sum(reached), "trials": len(reached)}
    told = [f"{row['table']} {row['accuracy']:.3f}" for row in rows.rows if row["fault"] == "told apart"]
    text += (
        "\n\nThe fresh tables are the first ten of these with a balanced accuracy of 0.9 (LightGBM as it comes, five folds): " + ", ".join(told) + "."
    )
    rows.finish(summary, text)


def fault_table(mine: list[dict[str, Any]], clean: list[dict[str, Any]]) -> str:
    lines = []
    for fault in FAULTS:
        for strength in fault.strengths:
            tried = [row for row in mine if row["fault"] == fault.name and row["strength"] == strength]
            alarms = sum(bool(set(fault.codes) & set(row["codes"])) for row in clean)
            found = wilson(sum(row["found"] for row in tried), len(tried))
            lines.append([fault.name, f"{strength:g} ({fault.told})", ", ".join(fault.codes), found, wilson(alarms, len(clean))])
    return table(["fault", "strength", "codes", "found", "false alarms"], lines)


def label_lines(rows: list[dict[str, Any]]) -> list[list[Any]]:
    def both(mine: list[dict[str, Any]], who: str) -> str:
        precision = [row[who]["precision"] for row in mine if row[who]["precision"] is not None]
        return f"{np.mean([row[who]['recall'] for row in mine]):.2f} / {f'{np.mean(precision):.2f}' if precision else '–'}"

    lines = []
    labels = [row for row in rows if row["fault"] == "labels"]
    for strength in (0.02, 0.05, 0.1):
        for name in dict.fromkeys(row["table"] for row in labels):
            mine = [row for row in labels if row["table"] == name and row["strength"] == strength]
            if mine:
                most = float(np.mean([row["possible"] for row in mine]))
                lines.append([name, f"{strength:.0%}", *(both(mine, who) for who in ("ours", "cleanlab_same", "cleanlab_own")), f"{most:.2f}"])
        easy = [row for row in labels if row["strength"] == strength and not row["hard"]]
        if not easy:
            continue
        most = float(np.mean([row["possible"] for row in easy]))
        lines.append(
            ["**all but the hard**", f"{strength:.0%}", *(both(easy, who) for who in ("ours", "cleanlab_same", "cleanlab_own")), f"{most:.2f}"]
        )
    return lines


if __name__ == "__main__":
    main()

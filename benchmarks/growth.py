"""How time and memory grow: of one fit of every learner, of `check`, and of prediction of a file.

Run: `python benchmarks/growth.py [--seconds 40] [--workers 2] [--axis rows] [--learners tabular/tree,…] [--rows 1000000] [--columns 10000]`. A
stopped run goes on where it ended. Along rows: 10³ to 10⁶ in half decades, 20 columns; along columns: 10 to 10⁴, 1,000 rows. The table is
`large_table.py`'s, with columns of all kinds and two classes; a learner of numbers alone learns one of its number columns.

Each point is a child of the local engine with one thread (Polars, in `check` and `predict`, has its own). The figures are those of the work alone:
seconds (quick work is repeated for half a second, the median counts), and the most anonymous + shared memory beyond what there was before, looked
at every 5 ms. How time grows is told by processor seconds, which a busy machine changes little; beside it stand the seconds on the clock of the
largest. A fit includes its transforms. `predict` reads, types, predicts and writes the file with the bundle of a decision tree; `check` reads,
types and looks for findings. A child that takes longer than `--seconds` is ended and listed; larger sizes of the same curve are not run.

An exponent is the slope of the least-squares line through the logarithms, over the points above 10 ms or 1 MB, below which fixed costs and the
clock decide; in brackets the smallest and largest slope between neighbours, and the sizes from which to which it holds.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import growth_picture
import large_table
from common import ROOT, Rows, table

AXES = {"rows": (1000, 3162, 10_000, 31_623, 100_000, 316_228, 1_000_000), "columns": (10, 32, 100, 316, 1000, 3162, 10_000)}
FIXED = {"rows": {"columns": 20}, "columns": {"rows": 1000}}
VERBS = ("check", "predict")
TARGETS = {"binary": "label", "regression": "number_00"}
FIGURES = {"cpu_seconds": ("s", 1.0, 0.01), "memory_bytes": ("MB", 1e6, 1.0)}  # unit, what it is in it, below what a point says nothing of growth
TITLES = {"cpu_seconds": "Processor time", "memory_bytes": "Peak memory"}
AGAIN = 0.5  # seconds for repeating quick work
PREDICTS = "tabular/tree"  # quick to fit at any size: what is measured is the file's way through a bundle
SEED = 0


def prepared(file: Path, task: str, folder: Path) -> None:
    """The table's dataset for a task, as workers map it; nothing happens where it is there."""
    from trainwright.data import store
    from trainwright.data.prepare import prepare
    from trainwright.data.read import read_rows
    from trainwright.plan.read import make_plan

    if not folder.exists():
        plan = make_plan({"source": str(file), "target": TARGETS[task], "seed": SEED})
        store.save(prepare(plan, read_rows(plan, None)), folder)


def task_of(name: str) -> str:
    """The task on which a learner is measured: two classes where it can learn them."""
    from trainwright.learners import learner_class

    return "binary" if "binary" in learner_class(name).card.tasks else "regression"


def job_of(what: str, name: str, home: Path, first: Path, seconds: float) -> Any:
    """The engine's job for one point; `home` has the table and its datasets, `first` those of the smallest size of the axis, with as many columns."""
    from trainwright.engine.interface import Job

    call, file, folder = "fit", str(home / "table.csv"), str(home / name)
    if what == "check":
        call, arguments = "check", {"file": file, "target": TARGETS["binary"]}
    elif what == "predict":
        call, arguments = "predict", {"data": str(first / "binary"), "file": file, "folder": folder, "learner": PREDICTS, "seed": SEED}
    else:
        arguments = {"data": str(home / task_of(what)), "folder": folder, "learner": what, "seed": SEED, "ship": False}
    return Job(name=what, call=f"one_fit:{call}", arguments=arguments | {"again": AGAIN}, result=home / f"{name}.json", seconds=seconds)


def row_of(key: dict[str, Any], outcome: Any) -> dict[str, Any]:
    if outcome.status == "done":
        return key | {"outcome": "done"} | outcome.value
    error = outcome.error or {}
    said = {"out of time": f"beyond {outcome.job.seconds:g} s"}.get(outcome.status, outcome.status)
    said = "not installed" if error.get("code") == "TW060" else said
    return key | {"outcome": said, "why": f"{error.get('code', '')} {error.get('what', '')}".strip()}


def measure(rows: Rows, axis: str, sizes: list[int], whats: list[str], seconds: float, engine: Any, place: Path) -> None:
    """The points of one axis that are missing in the rows, from small to large."""
    over = {row["what"] for row in rows.rows if row["axis"] == axis and row["outcome"] != "done"}
    for size in sizes:
        missing = [what for what in whats if not rows.has(axis=axis, what=what, size=size)]
        for what in [what for what in missing if what in over]:
            rows.add({"axis": axis, "what": what, "size": size, "outcome": "not run"})
        waiting = [what for what in missing if what not in over]
        if not waiting:
            continue
        home = _table(place, axis, size)
        first = _table(place, axis, sizes[0]) if axis == "rows" else home
        tasks = {task_of(what) for what in waiting if what not in VERBS}
        for task in tasks:
            prepared(home / "table.csv", task, home / task)
        if "predict" in waiting:
            prepared(first / "table.csv", "binary", first / "binary")
        for number, what in enumerate(waiting):
            engine.submit(job_of(what, f"{number:03d}", home, first, seconds))
        for _ in waiting:
            outcome = engine.next()
            rows.add(row_of({"axis": axis, "what": outcome.job.name, "size": size}, outcome))
            last = rows.rows[-1]
            figures = (round(last.get("seconds", 0.0), 3), last.get("memory_bytes", 0) >> 20)
            print(axis, f"{size:,}", last["what"], last["outcome"], *figures, flush=True)
            over |= {last["what"]} if last["outcome"] != "done" else set()


def _table(place: Path, axis: str, size: int) -> Path:
    """The folder with the table of this size."""
    home = place / f"{axis}-{size}"
    shape = {axis: size} | FIXED[axis]
    large_table.write(home / "table.csv", shape["rows"], shape["columns"], SEED)
    return home


def curve(rows: list[dict[str, Any]], axis: str, what: str, figure: str) -> list[tuple[float, float]]:
    """(size, value) of the points that were done, from small to large. A value of nothing at all cannot stand on a logarithmic axis."""
    mine = [row for row in rows if (row["axis"], row["what"], row["outcome"]) == (axis, what, "done") and row[figure] > 0]
    return sorted((row["size"], row[figure] / FIGURES[figure][1]) for row in mine)


def exponent(points: list[tuple[float, float]], floor: float) -> dict[str, Any] | None:
    """The slope in logarithms over the points above the floor, the least and largest slope between neighbours, the sizes; None for two or one."""
    kept = [(size, value) for size, value in points if value >= floor]
    if len(kept) < 3:
        return None
    x, y = np.log([size for size, _ in kept]), np.log([value for _, value in kept])
    local = [float((y[b] - y[a]) / (x[b] - x[a])) for a, b in itertools.pairwise(range(len(kept)))]
    return {"slope": float(np.polyfit(x, y, 1)[0]), "low": min(local), "high": max(local), "from": kept[0][0], "to": kept[-1][0]}


def summarise(rows: list[dict[str, Any]], whats: list[str], seconds: float, pictures: dict[str, Path]) -> tuple[dict[str, Any], str]:
    found: dict[str, Any] = {what: {} for what in whats}
    lines = []
    for what in whats:
        cells: list[Any] = [what.removeprefix("tabular/")]
        for axis, (figure, (unit, _, floor)) in itertools.product(AXES, FIGURES.items()):
            points = curve(rows, axis, what, figure)
            fitted = exponent(points, floor)
            found[what][f"{axis} {figure}"] = fitted
            cells.append("–" if fitted is None else _said(fitted))
            cells.append(_largest(rows, axis, what, figure, unit))
        lines.append(cells)
    titles = ["", *(title for axis in AXES for figure in ("time", "memory") for title in (f"{figure} with {axis}", "largest done"))]
    text = ["Exponents; in brackets the slopes between neighbours and the sizes; “–” where fewer than three points lie above 10 ms or 1 MB.", ""]
    text.append(table(titles, lines))
    for figure, file in pictures.items():
        drawn = {w: {a: [(s / AXES[a][0], v) for s, v in curve(rows, a, w, figure)] for a in AXES} for w in whats}
        told = {w: [f"exponents: {', '.join(_short(a, found[w][f'{a} {figure}']) for a in AXES)}"] for w in whats}
        titled = f"{TITLES[figure]} of one fit, of check and of predict"
        shown = {w.removeprefix("tabular/"): drawn[w] for w in whats if any(drawn[w].values())}
        told = {w.removeprefix("tabular/"): lines for w, lines in told.items()}
        file.write_text(growth_picture.draw(file.stem, titled, shown, told, unit=FIGURES[figure][0]))
        text += ["", f"![{titled}]({file.name})"]
    beyond = [row for row in rows if row["outcome"] not in ("done", "not run", "not installed")]
    missing = sorted({row["what"] for row in rows if row["outcome"] == "not installed"})
    text += ["", f"Not run, since their library is not installed: {', '.join(missing)}."] if missing else []
    if beyond:
        said = "; ".join(f"{row['what']} at {row['size']:,} {row['axis']}: {row['outcome']}" for row in beyond)
        text += ["", f"Where a curve ends (a child has {seconds:g} s): {said}. Larger sizes of it were not run."]
    return {"seconds_cap": seconds, "exponents": found}, "\n".join(text)


def _largest(rows: list[dict[str, Any]], axis: str, what: str, figure: str, unit: str) -> str:
    """What the largest that was done took: seconds on the clock, or memory."""
    done = [row for row in rows if (row["axis"], row["what"], row["outcome"]) == (axis, what, "done")]
    if not done:
        return ""
    last = max(done, key=lambda row: row["size"])
    value = last["seconds"] if figure == "cpu_seconds" else last[figure] / FIGURES[figure][1]
    return f"{value:.3g} {unit} at {last['size']:,}"


def _said(fitted: dict[str, Any]) -> str:
    return f"{fitted['slope']:.2f} ({fitted['low']:.2f}…{fitted['high']:.2f}; {fitted['from']:,}–{fitted['to']:,})"


def _short(axis: str, fitted: dict[str, Any] | None) -> str:
    return f"{axis} {'–' if fitted is None else format(fitted['slope'], '.2f')}"


def main() -> None:
    from trainwright.engine.interface import open_engine
    from trainwright.learners import names
    from trainwright.select.resolve import default_memory
    from trainwright.stages import PRELOAD

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=40.0, help="of one child, from start to end")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--axis", choices=list(AXES), help="only this one")
    parser.add_argument("--learners", default="", help="learners (and check, predict), with commas between")
    for axis, sizes in AXES.items():
        parser.add_argument(f"--{axis}", type=int, default=sizes[-1], help="at most")
    asked = parser.parse_args()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    rows = Rows("growth")
    wanted = [name for name in asked.learners.split(",") if name]
    whats = [what for what in (*VERBS, *names()) if not wanted or what in wanted]
    preload = (*PRELOAD, "sklearn.svm", "sklearn.neighbors", "sklearn.naive_bayes", "one_fit")
    with open_engine("local", asked.workers, preload=preload, memory=default_memory()) as engine, tempfile.TemporaryDirectory() as place:
        for axis in [asked.axis] if asked.axis else AXES:
            sizes = [size for size in AXES[axis] if size <= getattr(asked, axis)]
            measure(rows, axis, sizes, whats, asked.seconds, engine, Path(place))
    pictures = {
        figure: rows.path.with_name(f"{rows.path.stem}-{short}.svg") for figure, short in (("cpu_seconds", "time"), ("memory_bytes", "memory"))
    }
    rows.finish(*summarise(rows.rows, whats, asked.seconds, pictures))


if __name__ == "__main__":
    main()

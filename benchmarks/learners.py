"""Every learner of the catalogue on every shared table that it fits: time, memory, parity, size, latency, score. One fit each, with defaults.

Run: `python benchmarks/learners.py [--seconds 20] [--workers 2] [--only adult,letter] [--learners tabular/tree,…]`. A stopped run goes on where it
ended. The split is that of `tables.py` with seed 0: official test rows, whole groups, the latest rows, else a stratified fifth. Columns that leak
and identifiers are left out, as the README of the data says. Texts, images and sounds are no tables of columns and take no part; anomaly tables
are learned as two classes, since they are labelled.

Measured in a child of the local engine, with one thread: `seconds` of the fit, transforms included, and those of the processor, which a busy
machine changes less; `memory`, the most anonymous + shared memory during the fit beyond what there was before, looked at every 5 ms (each learner
was fitted on a few made rows first, so neither its import counts nor what its library keeps for itself from its first use on); `parity`, the
largest difference between the bundle and the training object on at most 20,000 open rows (of a number: in standard deviations of the target);
`size` of the bundle; `latency`, the median of one row through the runtime. The score is that of the bundle on the test rows. A child that takes
longer than `--seconds` from start to end is ended, and listed: with its fit, if that was done. `place` is where a score stands between the dummy's
(0) and the best learner's on that table (1).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

from common import ROOT, Rows, need_data, table
from tables import CASES, Case, parts

MORE = (
    Case("compas", "compas", "two_year_recid", drop=("id", "is_recid", "decile_score", "score_text")),
    Case("credit_default", "credit_default", "default_next_month", drop=("ID",)),
    Case("mushrooms", "mushrooms", "type"),
    Case("titanic", "titanic", "survived", drop=("alive", "class", "who", "adult_male", "embark_town")),
    Case("penguins", "penguins", "species"),
    Case("spambase", "spambase", "is_spam"),
    Case("creditcard_fraud_sample", "creditcard_fraud_sample", "Class"),
    Case("card_fraud_simulated", "card_fraud_simulated", "TX_FRAUD", drop=("TX_FRAUD_SCENARIO", "TRANSACTION_ID"), time="TX_DATETIME"),
    Case("elec2", "elec2", "class", time="t"),
    Case("cardio", "cardio", "is_anomaly"),
    Case("thyroid", "thyroid", "is_anomaly"),
    Case("shuttle", "shuttle", "is_anomaly"),
    Case("insurance", "insurance", "charges"),
    Case("diamonds", "diamonds", "price"),
    Case("hotel_rates", "hotel_rates", "avg_price_per_room", time="arrival_date"),
    Case("nlswork_groups", "nlswork_groups", "ln_wage", group="idcode"),
)
SEED = 0
NOT_INSTALLED = "TW060"
PRELOAD = ("sklearn.svm", "sklearn.neighbors", "sklearn.naive_bayes", "one_fit")  # beside what a run preloads
FIGURES = {
    "seconds": "fit, s",
    "cpu_seconds": "processor, s",
    "memory_bytes": "memory, MB",
    "parity": "parity",
    "bundle_bytes": "size, KB",
    "latency_us": "one row, µs",
}
UNITS = {"memory_bytes": 1e6, "bundle_bytes": 1e3}


def prepared(case: Case, folder: Path) -> dict[str, Any]:
    """The dataset of a table, its test rows sealed, as workers map it. No findings are looked for: all learners read the same columns."""
    from trainwright.data import store
    from trainwright.data.prepare import prepare
    from trainwright.data.read import read_rows
    from trainwright.data.sources import read_table
    from trainwright.plan.read import make_plan

    train, test = parts(case, SEED)
    folder.mkdir()
    train.to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    asked = {"source": str(folder / "train.csv"), "target": case.target, "test": str(folder / "test.csv"), "drop": list(case.drop), "seed": SEED}
    asked |= {"split": f"group:{case.group}"} if case.group else {"split": f"time:{case.time}"} if case.time else {}
    plan = make_plan(asked)
    rows = read_rows(plan, None)
    dataset = prepare(plan, rows, read_table(plan.test, like=[described.schema for described in rows.described]))
    store.save(dataset, folder / "data")
    return {"task": dataset.task, "rows": len(dataset.splits.open), "test_rows": len(dataset.splits.sealed), "columns": len(dataset.features)}


def row_of(key: dict[str, Any], outcome: Any, folder: Path) -> dict[str, Any]:
    """What came of one fit: its figures, or the reason why there are none."""
    if outcome.status == "done":
        return key | {"outcome": "done"} | outcome.value
    code = (outcome.error or {}).get("code", "")
    if code == NOT_INSTALLED:
        return key | {"outcome": "not installed", "why": outcome.error["what"]}
    fitted = json.loads((folder / "fit.json").read_text()) if (folder / "fit.json").exists() else {}
    said = {"out of time": f"{'export' if fitted else 'fit'} beyond {outcome.job.seconds:g} s", "out of memory": "out of memory"}
    return key | fitted | {"outcome": said.get(outcome.status, outcome.status), "why": f"{code} {(outcome.error or {}).get('what', '')}".strip()}


def measure(rows: Rows, cases: list[Case], only: list[str], seconds: float, workers: int) -> None:
    """Fit what is missing in the rows, table by table."""
    from trainwright.engine.interface import Job, open_engine
    from trainwright.learners import learner_class, names
    from trainwright.select.resolve import default_memory
    from trainwright.stages import PRELOAD as OURS

    cards = {name: learner_class(name).card for name in names() if not only or name in only}
    with open_engine("local", workers, preload=(*OURS, *PRELOAD), memory=default_memory()) as engine, tempfile.TemporaryDirectory() as place:
        for case in cases:
            missing = [name for name in cards if not rows.has(table=case.name, learner=name)]
            if not missing:
                continue
            home = Path(place) / case.name
            shape = prepared(case, home)
            fitting = [name for name in missing if shape["task"] in cards[name].tasks]
            for number, name in enumerate(fitting):
                folder = home / str(number)
                arguments = {"data": str(home / "data"), "folder": str(folder), "learner": name, "seed": SEED, "ship": True}
                engine.submit(Job(name=name, call="one_fit:fit", arguments=arguments, result=home / f"{number}.json", seconds=seconds))
            for _ in fitting:
                outcome = engine.next()
                key = {"table": case.name, "learner": outcome.job.name, **shape}
                rows.add(row_of(key, outcome, Path(outcome.job.arguments["folder"])))
                last = rows.rows[-1]
                print(case.name, last["learner"], last["outcome"], round(last.get("seconds", 0.0), 2), last.get("score"), flush=True)


def place_scores(rows: list[dict[str, Any]]) -> None:
    """Give each row with a score its place between the dummy and the best of its table."""
    from trainwright.evidence import METRICS

    for name in {row["table"] for row in rows}:
        scored = [row for row in rows if row["table"] == name and row.get("score") is not None]
        dummy = next((row["score"] for row in scored if row["learner"] == "tabular/dummy"), None)
        if dummy is None:
            continue
        sign = METRICS[scored[0]["metric"]].sign
        best = max(sign * (row["score"] - dummy) for row in scored)
        for row in scored:
            row["place"] = max(0.0, sign * (row["score"] - dummy) / best) if best > 0 else 0.0


def by_learner(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Of each learner: how many fits were done and what became of the others; median and worst of each figure; the median place."""
    found: dict[str, dict[str, Any]] = {}
    for name in sorted({row["learner"] for row in rows}):
        mine = [row for row in rows if row["learner"] == name]
        others = [f"{row['table']}: {row['outcome']}" for row in mine if row["outcome"] != "done"]
        found[name] = {"fits": len(mine), "done": len(mine) - len(others), "others": others}
        for figure in FIGURES:
            values = [row[figure] for row in mine if row.get(figure) is not None]
            found[name][figure] = {"median": statistics.median(values), "worst": max(values)} if values else None
        places = [row["place"] for row in mine if "place" in row]
        found[name]["place"] = statistics.median(places) if places else None
        found[name]["best_on"] = sum(place == 1.0 for place in places)
    return found


def summarise(rows: list[dict[str, Any]], seconds: float) -> tuple[dict[str, Any], str]:
    place_scores(rows)
    found = by_learner(rows)
    lines = []
    for name, mine in found.items():
        cells: list[Any] = [name.removeprefix("tabular/"), f"{mine['done']} of {mine['fits']}"]
        for figure in FIGURES:
            unit = UNITS.get(figure, 1.0)
            cells.append("" if mine[figure] is None else f"{mine[figure]['median'] / unit:.3g} · {mine[figure]['worst'] / unit:.3g}")
        lines.append([*cells, "" if mine["place"] is None else f"{mine['place']:.2f}", mine["best_on"]])
    text = ["Each figure: median over tables · the worst of them.", ""]
    text.append(table(["learner", "done", *FIGURES.values(), "place (median)", "best on"], lines))
    missing = sorted({row["learner"] for row in rows if row["outcome"] == "not installed"})
    beyond = [(row["table"], row["learner"], row["outcome"]) for row in rows if row["outcome"] not in ("done", "not installed")]
    text += ["", f"Not run, since their library is not installed: {', '.join(missing)}."] if missing else []
    text += (
        ["", f"Not done (a child has {seconds:g} s): " + "; ".join(f"{name} on {where}: {what}" for where, name, what in beyond)] if beyond else []
    )
    text += ["", "Every fit:", "", table(["table", "rows × columns", "learner", "metric", "score", *FIGURES.values()], [_line(row) for row in rows])]
    return {"seconds_cap": seconds, "learners": found}, "\n".join(text)


def _line(row: dict[str, Any]) -> list[Any]:
    cells: list[Any] = [row["table"], f"{row['rows']:,} × {row['columns']}", row["learner"].removeprefix("tabular/")]
    cells += [row.get("metric", row["outcome"]), "" if row.get("score") is None else float(row["score"])]
    return cells + ["" if row.get(figure) is None else float(row[figure] / UNITS.get(figure, 1.0)) for figure in FIGURES]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of one child, from start to end")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", default="", help="tables, with commas between")
    parser.add_argument("--learners", default="", help="learners, with commas between")
    asked = parser.parse_args()
    need_data()
    tables, learners = ([name for name in text.split(",") if name] for text in (asked.only, asked.learners))
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    rows = Rows("learners")
    cases = [case for case in (*CASES, *MORE) if not tables or case.name in tables]
    measure(rows, cases, learners, asked.seconds, asked.workers)
    rows.finish(*summarise(rows.rows, asked.seconds))


if __name__ == "__main__":
    main()

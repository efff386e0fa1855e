"""What each transform is worth on tables where it should matter. Run: `python benchmarks/transforms.py`.

For each table the choice of transforms is made as a run makes it (quick learners of each recipe, the search's own folds), and the gain of each is
given with its interval: the share of the loss out of fold that is saved. For the payments also what it comes to on the sealed rows: one run with the
windows and one without, the same candidates.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trainwright
from common import DATA, Rows, need_data, table
from trainwright.data import store
from trainwright.data.read import look_at
from trainwright.engine.interface import open_engine
from trainwright.plan.read import make_plan
from trainwright.record.log import Log
from trainwright.select.ablation import Ablation, run_alone
from trainwright.select.limits import Timer
from trainwright.select.resolve import resolve

WINDOWS = ["TX_AMOUNT by CUSTOMER_ID over 1d,7d", "by TERMINAL_ID over 1d,7d", "TX_FRAUD by TERMINAL_ID over 1d,7d after 3d"]
DROPPED = ["TX_FRAUD_SCENARIO", "TRANSACTION_ID", "TX_TIME_DAYS"]  # the first tells the target, the others count time


@dataclass(frozen=True)
class Case:
    name: str
    file: str
    plan: dict[str, Any]


CASES = (
    Case(
        "hotel_rates", "hotel_rates/hotel_rates.csv.gz", {"target": "avg_price_per_room", "split": "time:arrival_date", "drop": ["arrival_date_num"]}
    ),
    Case("sms_spam", "sms_spam/sms_spam.csv", {"target": "label"}),
    Case("rt_polarity", "rt_polarity/rt_polarity.csv", {"target": "label"}),
    Case("adult", "adult/adult_train.csv.gz", {"target": "income", "transforms": ["auto", "clip", "bin"]}),
    Case("credit_default", "credit_default/credit_default.csv.gz", {"target": "default_next_month", "transforms": ["clip", "bin", "interact"]}),
    Case("california_housing", "california_housing/california_housing.csv.gz", {"target": "median_house_value", "transforms": ["clip", "bin"]}),
    Case("card_fraud", "card_fraud_simulated", {"target": "TX_FRAUD", "split": "time:TX_DATETIME", "drop": DROPPED, "transforms": WINDOWS}),
)


def choose(case: Case) -> list[dict[str, Any]]:
    """One row for each transform and recipe."""
    asked = make_plan({**case.plan, "source": str(DATA / case.file), "candidates": 30, "workers": 1})
    started = time.monotonic()
    dataset = look_at(asked, None)
    plan = resolve(asked, dataset)
    looked = time.monotonic() - started
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run"
        store.keep(dataset, folder, Path(place) / ".data")
        with Log(folder) as log, open_engine("inline") as engine:
            _, record = run_alone(Ablation(plan=plan, dataset=dataset, log=log, timer=Timer(0.0, None)), engine)
    seconds = round(time.monotonic() - started - looked, 1)
    return [
        {
            "table": case.name,
            "recipe": recipe,
            "transform": _named(record["tried"][entry["transform"]]),
            "probe": judged["probe"],
            "loss": judged["loss"],
            **{name: entry[name] for name in ("gain", "low", "high", "kept", "why")},
            "without": None if entry["gain"] is None else entry["loss"] + entry["gain"],
            "rows": dataset.table.rows,
            "design": dataset.splits.design,
            "seconds": seconds,
        }
        for recipe, judged in record["judged"].items()
        for entry in judged["transforms"]
    ]


def _named(entry: dict[str, Any]) -> str:
    return f"windows: {entry.get('of', 'rows')} by {entry['key']}" if entry["do"] == "windows" else entry["do"]


def sealed(transforms: Any) -> dict[str, Any]:
    """A whole run on the payments: what the sealed rows say."""
    with tempfile.TemporaryDirectory() as place:
        plan = {"target": "TX_FRAUD", "split": "time:TX_DATETIME", "drop": DROPPED, "metric": "average_precision", "transforms": transforms}
        run = trainwright.train(str(DATA / "card_fraud_simulated"), **plan, candidates=1, learners=["lightgbm"], out=place)
        entry = run.evidence["metrics"]
        return {
            "table": "card_fraud",
            "recipe": "sealed rows",
            "transform": "windows" if transforms != "none" else "none",
            "learner": run.summary["learner"],
            "seconds": run.summary["seconds"],
            **{f"{name} {end}": entry[name][end] for name in ("average_precision", "roc_auc") for end in ("value", "low", "high")},
        }


def main() -> None:
    need_data()
    rows = Rows("transforms")
    for case in CASES:
        if not rows.has(table=case.name):
            for row in choose(case):
                rows.add(row)
                print(row, flush=True)
    for transforms in ("none", WINDOWS):
        if not rows.has(recipe="sealed rows", transform="windows" if transforms != "none" else "none"):
            rows.add(sealed(transforms))
            print(rows.rows[-1], flush=True)
    measured = [row for row in rows.rows if row["recipe"] != "sealed rows"]
    lines = [
        [row["table"], row["transform"], row["recipe"], row["loss"], f"{row['without']:.4g}", *_shares(row), "kept" if row["kept"] else "taken out"]
        for row in measured
    ]
    text = table(["table", "transform", "recipe", "loss", "without it", "saved", "95 % interval", "outcome"], lines)
    ends = [
        [
            row["transform"],
            row["learner"],
            *(f"{row[f'{m} value']:.3f} ({row[f'{m} low']:.3f} to {row[f'{m} high']:.3f})" for m in ("average_precision", "roc_auc")),
        ]
        for row in rows.rows
        if row["recipe"] == "sealed rows"
    ]
    text += "\n\nSealed payments (the last fifth in time), the same candidates:\n\n"
    text += table(["windows", "what shipped", "average precision", "ROC AUC"], ends)
    kept = sum(row["kept"] for row in measured)
    rows.finish({"uses": len(measured), "kept": kept}, text)


def _shares(row: dict[str, Any]) -> tuple[str, str]:
    gain, low, high = (100 * row[name] / row["without"] for name in ("gain", "low", "high"))
    return f"{gain:+.1f} %", f"{low:.1f} to {high:.1f} %"


if __name__ == "__main__":
    main()

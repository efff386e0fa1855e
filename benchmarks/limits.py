"""Limits are promises: runs with limits of 10 to 60 s, timed by an outside clock.

Run: `python benchmarks/limits.py [--runs 20] [--shortest 10] [--longest 60]`.

Kept means: from the start of the process to its exit, at most limit × 1.05 + 2 s; a model must have shipped, too. Numbers alone, mixed columns,
texts alone, words by the hundred, a rare class, windows over earlier payments. The load of the machine (processes that want a core, over a minute)
stands beside each run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import DATA, Rows, need_data, table
from tables import CASES, find

DROPPED = "TX_FRAUD_SCENARIO,TRANSACTION_ID,TX_TIME_DAYS"
WINDOWS = (
    "--windows",
    "TX_AMOUNT by CUSTOMER_ID over 1d,7d",
    "--windows",
    "by TERMINAL_ID over 1d,7d",
    "--windows",
    "TX_FRAUD by TERMINAL_ID over 1d,7d after 3d",
)
NAMED = ("adult", "letter", "california_housing", "german_credit", "bike_sharing_hour", "telco_churn", "wine_quality", "concrete")
MORE = {
    "sms_spam": ("sms_spam/sms_spam.csv", "--target", "label"),
    "rt_polarity": ("rt_polarity/rt_polarity.csv", "--target", "label"),
    "hotel_rates": ("hotel_rates/hotel_rates.csv.gz", "--target", "avg_price_per_room", "--split", "time:arrival_date", "--drop", "arrival_date_num"),
    "creditcard_fraud": ("creditcard_fraud_sample/creditcard_fraud_sample.csv.gz", "--target", "Class"),
    "card_fraud": ("card_fraud_simulated", "--target", "TX_FRAUD", "--split", "time:TX_DATETIME", "--drop", DROPPED, *WINDOWS),
}


def words_of(name: str) -> list[str]:
    """What names a table and its target on the command line."""
    if name in MORE:
        file, *options = MORE[name]
        return [str(DATA / file), *options]
    case = next(case for case in CASES if case.name == name)
    return [str(find(case.file)), "--target", case.target, *(["--drop", ",".join(case.drop)] if case.drop else [])]


def timed(name: str, limit: int, seed: int) -> dict[str, Any]:
    """One run, from outside."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "trainwright", "train", *words_of(name), "--time", f"{limit}s", "--json"]
        command += ["--out", str(Path(place) / "runs"), "--seed", str(seed)]
        started = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wall = time.monotonic() - started
    try:
        result = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        result = {}
    return {
        "table": name,
        "limit": limit,
        "wall": round(wall, 2),
        "said": result.get("seconds"),
        "exit": done.returncode,
        "code": result.get("code"),
        "kept": wall <= limit * 1.05 + 2,
        "shipped": done.returncode == 0,
        "learner": result.get("learner"),
        "load": round(load, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--shortest", type=int, default=10)
    parser.add_argument("--longest", type=int, default=60)
    parser.add_argument("--seed", type=int, default=20261124)
    asked = parser.parse_args()
    need_data()
    rows = Rows("limits")
    draw = random.Random(asked.seed)
    for number in range(asked.runs):
        name, limit = draw.choice((*NAMED, *MORE)), draw.randint(asked.shortest, asked.longest)
        if rows.has(number=number):
            continue
        rows.add({"number": number, **timed(name, limit, number)})
        print(rows.rows[-1], flush=True)
    kept = sum(row["kept"] for row in rows.rows)
    lines = [
        [row["number"], row["table"], row["limit"], row["load"], row["wall"], "kept" if row["kept"] else "BROKEN", row["learner"] or row["code"]]
        for row in rows.rows
    ]
    shipped = sum(row["shipped"] for row in rows.rows)
    text = table(["run", "table", "limit, s", "load", "wall, s", "limit × 1.05 + 2 s", "what shipped"], lines)
    figures = {"runs": len(rows.rows), "kept": kept, "shipped": shipped, "cores": len(os.sched_getaffinity(0))}
    rows.finish(figures, f"{text}\n\n{kept} of {len(rows.rows)} kept, {shipped} shipped a model")


if __name__ == "__main__":
    main()

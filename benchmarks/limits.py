"""Limits are promises: runs with limits of 10 to 60 s, timed by an outside clock. Run: `python benchmarks/limits.py [--runs 20]`.

Kept means: from the start of the process to its exit, at most limit × 1.05 + 2 s.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import Rows, need_data, table
from tables import CASES, find

TABLES = ("adult", "letter", "california_housing", "german_credit", "bike_sharing_hour", "telco_churn", "wine_quality", "concrete")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=20)
    asked = parser.parse_args()
    need_data()
    rows = Rows("limits")
    draw = random.Random(20261124)
    cases = {case.name: case for case in CASES}
    for number in range(asked.runs):
        name, limit = draw.choice(TABLES), draw.randint(10, 60)
        if rows.has(number=number):
            continue
        case = cases[name]
        with tempfile.TemporaryDirectory() as place:
            command = [sys.executable, "-m", "trainwright", "train", str(find(case.file)), "--target", case.target, "--time", f"{limit}s", "--json"]
            command += ["--drop", ",".join(case.drop)] if case.drop else []
            command += ["--out", str(Path(place) / "runs"), "--seed", str(number)]
            started = time.monotonic()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            wall = time.monotonic() - started
        result = json.loads(done.stdout)
        allowed = limit * 1.05 + 2
        rows.add(
            {
                "number": number,
                "table": name,
                "limit": limit,
                "wall": round(wall, 2),
                "said": result.get("seconds"),
                "exit": done.returncode,
                "kept": wall <= allowed,
                "learner": result.get("learner"),
            }
        )
        print(rows.rows[-1], flush=True)
    kept = sum(row["kept"] for row in rows.rows)
    lines = [
        [row["number"], row["table"], row["limit"], row["wall"], row["said"], "kept" if row["kept"] else "BROKEN", row["learner"]]
        for row in rows.rows
    ]
    text = table(["run", "table", "limit, s", "wall, s", "said, s", "limit × 1.05 + 2 s", "learner"], lines)
    rows.finish({"runs": len(rows.rows), "kept": kept}, f"{text}\n\n{kept} of {len(rows.rows)} kept")


if __name__ == "__main__":
    main()

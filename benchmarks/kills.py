"""Kill a run at a random moment, resume it, and compare. Run: `python benchmarks/kills.py [--kills 30] [--budget candidates|seconds]`.

More than 30 kills are of a shorter run (two candidates), so that a hundred take a quarter of an hour; they stand in a file of their own.

Budgeted in candidates: after SIGKILL and `train --resume`, the run must end in the digest of the undisturbed run.
Budgeted in seconds: after SIGKILL and `train --resume`, `reproduce` must come to that run's own digest.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from common import Rows, need_data, table
from tables import find

TARGET = ("german_credit", "credit_risk")


def trainwright(*words: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run([sys.executable, "-m", "trainwright", *words, "--json"], capture_output=True, text=True, check=False)
    return done.returncode, json.loads(done.stdout)


def killed_after(words: list[str], seconds: float, out: Path) -> Path | None:
    """Start a run, kill it without warning, give its folder (None when it had none yet)."""
    process = subprocess.Popen([sys.executable, "-m", "trainwright", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    runs = [path.parent for path in out.glob("*/events.jsonl")]
    return runs[0] if runs else None


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--budget", choices=["candidates", "seconds"], default="candidates")
    asked = parser.parse_args()
    need_data()
    many = asked.kills > 30
    rows = Rows(f"kills-{asked.budget}-{asked.kills}" if many else f"kills-{asked.budget}")
    draw = random.Random(7)
    budget = ["--candidates", "2" if many else "6"] if asked.budget == "candidates" else ["--time", "12s"]
    words = ["train", str(find(TARGET[0])), "--target", TARGET[1], *budget]
    with tempfile.TemporaryDirectory() as place:
        started = time.monotonic()
        code, calm = trainwright(*words, "--out", f"{place}/calm")
        whole = time.monotonic() - started
        if code:
            raise SystemExit(f"the undisturbed run ended with {code}: {calm}")
        for number in range(asked.kills):
            at = draw.uniform(0.5, whole)
            if rows.has(number=number):
                continue
            out = Path(place) / str(number)
            run = killed_after([*words, "--out", str(out)], at, out)
            code, result = trainwright("train", "--resume", str(run)) if run else trainwright(*words, "--out", str(out))
            row = {"number": number, "at": round(at, 2), "resumed": run is not None, "exit": code, "digest": result.get("bundle_digest")}
            if asked.budget == "candidates":
                row["same"] = code == 0 and all(result[name] == calm[name] for name in ("model_digest", "bundle_digest"))
            else:
                again, reproduced = trainwright("reproduce", result["run"], "--out", f"{place}/again{number}") if code == 0 else (code, result)
                row |= {"same": again == 0, "reproduced": reproduced.get("bundle_digest")}
            rows.add(row)
            print(row, flush=True)
    same = sum(row["same"] for row in rows.rows)
    lines = [
        [row["number"], row["at"], "yes" if row["resumed"] else "had no folder yet", row["exit"], "same" if row["same"] else "DIFFERENT"]
        for row in rows.rows
    ]
    text = table(["kill", "at, s", "resumed", "exit", "digest"], lines)
    rows.finish({"kills": len(rows.rows), "same": same, "budget": asked.budget}, f"{text}\n\n{same} of {len(rows.rows)} the same")


if __name__ == "__main__":
    main()

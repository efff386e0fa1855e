"""How long a worker takes to start: from the server's fork to the first line of the job. Aim: at most 30 ms.

    python benchmarks/worker_start.py

Beside it, alternately (A-B-A-B), what the same job costs in a new interpreter that imports the same libraries.
Writes `results/worker_start-DATE.json`.
"""

from __future__ import annotations

import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from common import RESULTS, machine
from trainwright.engine import Job, open_engine

PRELOADS = {
    "nothing": (),
    "numpy": ("numpy",),
    "the table learners": ("numpy", "sklearn.linear_model", "sklearn.tree", "sklearn.ensemble", "lightgbm"),
}
ROUNDS, STARTS = 5, 40


def forked(preload: tuple[str, ...], folder: Path) -> tuple[list[float], float]:
    """Seconds from fork to the job's first line, once for each start; and from opening the engine to the first outcome."""
    opened = time.monotonic()
    delays: list[float] = []
    with open_engine("local", 1, preload=preload) as engine:
        for number in range(STARTS + 1):
            engine.submit(Job(name=str(number), call="time:monotonic", result=folder / "now.json"))
            outcome = engine.next()
            assert outcome is not None
            assert outcome.status == "done"
            if number == 0:
                first = time.monotonic() - opened
            else:
                delays.append(outcome.value - outcome.started_at)
    return delays, first


def fresh(preload: tuple[str, ...]) -> float:
    """Seconds until a new interpreter has imported the same and reaches its first line."""
    imports = "".join(f"import {module}\n" for module in preload)
    before = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", f"{imports}import time\nprint(time.monotonic())"], capture_output=True, text=True, check=True)
    return float(ran.stdout) - before


def main() -> None:
    load_before, rows = os.getloadavg(), []
    print(f"{'preloaded':<22}{'fork p50':>10}{'p95':>9}{'max':>9}{'ready after':>13}{'new interpreter':>17}{'ratio':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for name, preload in PRELOADS.items():
            delays: list[float] = []
            ready, anew = [], []
            for _ in range(ROUNDS):
                some, first = forked(preload, Path(folder))
                delays += some
                ready.append(first)
                anew.append(fresh(preload))
            half, high = statistics.median(delays), statistics.quantiles(delays, n=20)[-1]
            rows.append(
                {
                    "preloaded": list(preload),
                    "fork_seconds": {"p50": half, "p95": high, "max": max(delays), "n": len(delays)},
                    "ready_seconds": statistics.median(ready),
                    "new_interpreter_seconds": statistics.median(anew),
                }
            )
            print(
                f"{name:<22}{half * 1000:>7.1f} ms{high * 1000:>6.1f} ms{max(delays) * 1000:>6.1f} ms{statistics.median(ready):>11.2f} s"
                f"{statistics.median(anew) * 1000:>14.0f} ms{statistics.median(anew) / half:>7.0f}x"
            )
    result = {"machine": {**machine(), "load_before": load_before}, "threads": 1, "rows": rows}
    path = RESULTS / f"worker_start-{datetime.date.today().isoformat()}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"load {load_before[0]:.1f} before, {os.getloadavg()[0]:.1f} after; {path.relative_to(RESULTS.parent)}")


if __name__ == "__main__":
    main()

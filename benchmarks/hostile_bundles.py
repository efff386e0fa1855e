"""Hostile bundles, each opened in a process of its own. Run: `python benchmarks/hostile_bundles.py [--cases 100000] [--seed 1] [--case NUMBER]`.

A case is named by (seed, number), and is made again from that alone (`tests/hostile.py`); half of each class are hashed again, so that every
digest is right. A bundle that is let through is used: it predicts fitting and odd rows. A failure is anything but an answer of the right shape or
our error; a process that dies, hangs or takes too much; a pickle, an import or a file outside that was reached (`tests/opening.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before any numerical library is imported
    os.environ[variable] = "1"
TESTS = Path(__file__).resolve().parent.parent / "tests"
sys.path.insert(0, str(TESTS))

import hostile  # noqa: E402
import opening  # noqa: E402
from common import Rows, table  # noqa: E402
from forked import in_children  # noqa: E402

CHUNK = 500
SHIP = """
import shutil, sys
from pathlib import Path
import fault_runs as runs
from trainwright import learners
place = Path(sys.argv[1])
runs.preload()
for name in learners.names():
    family = runs.undisturbed(name, place / "runs" / name.replace("/", "-"))
    if family.calm["learner"] == name:
        (bundle,) = (family.place / f"calm-{family.table.stem}" / "runs").glob("*/bundle")
        shutil.copytree(bundle, place / "seeds" / name.replace("/", "-"))
"""


def seeds(place: Path) -> list[hostile.Made]:
    """The golden bundles, and one that each learner of the catalogue has just shipped, in another process, which takes its libraries with it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    subprocess.run([sys.executable, "-c", SHIP, str(place)], env=environment, check=True)
    golden = sorted(path.parent for path in (TESTS / "golden").glob("*/*/manifest.json"))
    return [hostile.read_seed(folder) for folder in (*golden, *sorted((place / "seeds").iterdir()))]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int, help="make and open this one case again, in this process, and keep its files")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    asked = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="hostile-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    sound = seeds(place)
    outside = place / "outside"
    outside.with_name("linked").write_text("a file outside, linked into a bundle")
    opening.preload()
    if asked.case is not None:
        print(json.dumps(opening.one(sound, asked.seed, asked.case, place / str(asked.case), outside), indent=1), f"\nin {place}")
        return
    rows = Rows(f"hostile_bundles-{asked.seed}")
    started = time.monotonic()
    missing = [first for first in range(0, asked.cases, CHUNK) if not rows.has(first=first)]

    def work(first: int) -> Callable[[], dict[str, Any]]:
        return lambda: opening.chunk(sound, asked.seed, first, min(first + CHUNK, asked.cases), place)

    group = 4 * asked.processes
    for at in range(0, len(missing), group):
        for found in in_children(map(work, missing[at : at + group]), processes=asked.processes, patience=opening.PATIENCE * CHUNK):
            if not found.pop("ok"):
                raise SystemExit(found["why"])
            rows.add(found)
            print(found["first"], f"{time.monotonic() - started:.0f} s", found["failures"][:3], flush=True)
    shutil.rmtree(place, ignore_errors=True)
    report(rows, len(sound))


def report(rows: Rows, count: int) -> None:
    """One line a class: what came of its cases."""
    came: Counter[str] = Counter()
    for row in rows.rows:
        came.update(row["came"])
    kinds = list(dict.fromkeys(key.split(":")[0] for key in sorted(came)))
    lines = []
    for kind in kinds:
        ends = {key.split(": ")[1]: number for key, number in came.items() if key.split(":")[0] == kind}
        refused = {end.split()[1]: number for end, number in ends.items() if end.startswith("refused")}
        told = ", ".join(f"{code} {number:,}" for code, number in sorted(refused.items()))
        after = sum(number for end, number in ends.items() if end.startswith("loaded, then"))
        lines.append([kind, f"{sum(ends.values()):,}", told, f"{ends.get('loaded and answered', 0):,}", f"{after:,}", ends.get("FAILED", 0)])
    failures = [failure for row in rows.rows for failure in row["failures"]]
    total = sum(came.values())
    slowest, largest = max(row["seconds"] for row in rows.rows), max(row["bytes"] for row in rows.rows)
    titles = ["class", "cases", "refused", "loaded and answered", "loaded, refused some rows", "failed"]
    text = f"{table(titles, lines)}\n\n{total:,} bundles made from {count} sound ones, each opened in a process of its own: {len(failures)} failed. "
    text += f"The slowest took {slowest:.2f} s, the largest {largest / 2**20:.0f} MiB more than the process had. "
    reached = sum(row.get("reached", False) for row in rows.rows)
    watched = sum(row["last"] - row["first"] for row in rows.rows if "reached" in row)
    text += f"The file outside, watched by the kernel for {watched:,} of them, was opened {reached} times."
    bounds = {"slowest_s": slowest, "largest_bytes": largest}
    rows.finish({"cases": total, "failed": len(failures), **bounds, "kernel_watched": watched, "outside_reached": reached}, text)


if __name__ == "__main__":
    main()

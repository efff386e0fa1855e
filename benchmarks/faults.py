"""Every fault at every durable operation of a short run of each learner. Run: `python benchmarks/faults.py [--families NAME …] [--kinds KIND …]`.

A family is a learner of the catalogue; what later versions or other packages add joins by itself. Families whose bundles are built of other
kinds of steps than those before come first. Each case runs in a process forked from one that has imported everything and started nothing;
how each fault is made is in `tests/fault_runs.py` and `tests/power_cut.py`. Random kills of whole processes are `benchmarks/kills.py`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before any numerical library is imported
    os.environ[name] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import fault_runs as runs  # noqa: E402
from common import Rows, table  # noqa: E402
from trainwright import learners  # noqa: E402

KINDS = ("writes elsewhere", "kill", "power cut", "torn or edited log", "kill in a worker", "refused")
LOCAL = ("tabular/tree", "tabular/linear")  # a run in workers records its states slowly; the operations there are the same for every learner
SHOWN = 5  # failures of one row that are told in full


def cases(kind: str, family: runs.Family, processes: int, every: int) -> list[dict[str, Any]]:
    """Every case of one kind in one family, with what came of it."""
    if kind == "writes elsewhere":
        seen = runs.in_a_child(lambda: runs.writes_elsewhere(family))
        return [{"kind": kind, "case": event, "ok": tuple(event.split(" ", 1)) in runs.EXCEPTIONS, "why": "not a known exception"} for event in seen]
    tables: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "kill": lambda: runs.states_table(family, ("kill",), processes=processes, every=every),
        "power cut": lambda: runs.states_table(family, runs.CUTS, processes=processes, every=every),
        "torn or edited log": lambda: runs.log_table(family, processes=processes, every=every),
        "refused": lambda: runs.refusals_table(family, processes=processes, every=every),
        "kill in a worker": lambda: runs.states_table(family, ("kill",), processes=processes, every=every, engine="local"),
    }
    found = tables[kind]()
    return [{**case, "kind": f"power cut, {case['kind']}"} for case in found] if kind == "power cut" else found


def rows_of(family: runs.Family, found: list[dict[str, Any]], seconds: float) -> list[dict[str, Any]]:
    """One row a kind of fault."""
    made = []
    for kind in dict.fromkeys(case["kind"] for case in found):
        these = [case for case in found if case["kind"] == kind]
        failed = [case for case in these if not case["ok"]]
        made.append(
            {
                "family": family.learner,
                "ships": family.calm["road"],
                "won": family.calm["learner"],
                "operations": family.calm["operations"],
                "fault": kind,
                "tried": len(these),
                "states": len({case["key"] for case in these}) if "key" in these[0] else len(these),
                "failed": len(failed),
                "failures": failed[:SHOWN],
                "seconds": round(seconds, 1),
            }
        )
    return made


def by_road(place: Path, names: list[str]) -> list[runs.Family]:
    """The families with their undisturbed runs; the first of each road first."""
    found = [runs.undisturbed(name, place / name.replace("/", "-")) for name in names]
    seen: set[str] = set()
    first = [family for family in found if not (family.calm["road"] in seen or seen.add(family.calm["road"]))]  # type: ignore[func-returns-value]
    return [*first, *(family for family in found if family not in first)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--families", nargs="+", default=list(learners.names()))
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--every", type=int, default=1, help="take each n-th operation only")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    asked = parser.parse_args()
    runs.preload()
    rows = Rows("faults" if asked.every == 1 else f"faults-every-{asked.every}")
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        families = by_road(Path(place), asked.families)
        for kinds in (
            [kind for kind in asked.kinds if kind != "refused"],
            [kind for kind in asked.kinds if kind == "refused"],
        ):  # the longest comes last
            for family, kind in ((family, kind) for family in families for kind in kinds):
                if rows.has(family=family.learner, group=kind) or (kind == "kill in a worker" and family.learner not in LOCAL):
                    continue
                started = time.monotonic()
                found = cases(kind, family, asked.processes, asked.every)
                for row in rows_of(family, found, time.monotonic() - started):
                    rows.add({"group": kind, **row})
                    print(row, flush=True)
                for left in ("states", "refused", "torn", "ended", "ending"):
                    shutil.rmtree(family.place / left, ignore_errors=True)
    titles = ["family", "what ships is built of", "fault", "operations", "cases", "resumed states", "failed"]
    lines = [[row["family"], row["ships"], row["fault"], row["operations"], row["tried"], row["states"], row["failed"]] for row in rows.rows]
    failed, tried = sum(row["failed"] for row in rows.rows), sum(row["tried"] for row in rows.rows)
    summary = {"tried": tried, "failed": failed, "families": len({row["family"] for row in rows.rows})}
    rows.finish(summary, f"{table(titles, lines)}\n\n{tried:,} cases, {failed} failed")


if __name__ == "__main__":
    main()

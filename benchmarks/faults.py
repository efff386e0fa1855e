"""Every fault at every durable operation of a short run of each learner family. Run: `python benchmarks/faults.py [--kinds KIND …]`.

A family is what ships by the same kinds of steps and does the same durable operations in the same turn (their kind, the depth and the ending
of the file): every learner of the catalogue is run once to find out, the quickest of each family is broken. What later versions or other packages
add joins by itself. Each case runs in a process forked from one that has imported everything and started nothing; how each fault is made is in
`tests/fault_runs.py` and `tests/power_cut.py`. Random kills of whole processes are `benchmarks/kills.py`.
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
from power_cut import CUTS  # noqa: E402
from trainwright import learners  # noqa: E402

KINDS = ("writes elsewhere", "kill", "power cut", "torn or edited log", "kill in a worker", "refused")
LOCAL = ("linear", "onnx+linear")  # a run in workers records its states slowly; the operations there are the same for every learner
SHOWN = 5  # failures of one row that are told in full


def cases(kind: str, family: runs.Family, processes: int, every: int) -> list[dict[str, Any]]:
    """Every case of one kind in one family, with what came of it."""
    if kind == "writes elsewhere":
        seen = runs.in_a_child(lambda: runs.writes_elsewhere(family))
        return [{"kind": kind, "case": event, "ok": tuple(event.split(" ", 1)) in runs.EXCEPTIONS, "why": "not a known exception"} for event in seen]
    tables: dict[str, Callable[[], list[dict[str, Any]]]] = {
        "kill": lambda: runs.states_table(family, ("kill",), processes=processes, every=every),
        "power cut": lambda: runs.states_table(family, CUTS, processes=processes, every=every),
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


def families_of(place: Path, names: list[str]) -> list[list[runs.Family]]:
    """The learners with their undisturbed runs, by family: the first is the quickest, which is broken."""
    found: dict[str, list[tuple[float, runs.Family]]] = {}
    for name in names:
        started = time.monotonic()
        family = runs.undisturbed(name, place / name.replace("/", "-"))
        found.setdefault(f"{family.calm['road']} {family.calm['in_turn']}", []).append((time.monotonic() - started, family))
    return [[family for _, family in sorted(each, key=lambda one: one[0])] for each in found.values()]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--learners", nargs="+", default=list(learners.names()))
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--every", type=int, default=1, help="take each n-th operation only")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    asked = parser.parse_args()
    runs.preload()
    rows = Rows("faults" if asked.every == 1 else f"faults-every-{asked.every}")
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        families = [(each[0], ", ".join(sorted(family.learner for family in each))) for each in families_of(Path(place), asked.learners)]
        for kinds in (
            [kind for kind in asked.kinds if kind != "refused"],
            [kind for kind in asked.kinds if kind == "refused"],
        ):  # the longest comes last
            for family, alike, kind in ((family, alike, kind) for family, alike in families for kind in kinds):
                if rows.has(alike=alike, group=kind) or (kind == "kill in a worker" and family.calm["road"] not in LOCAL):
                    continue
                started = time.monotonic()
                found = cases(kind, family, asked.processes, asked.every)
                for row in rows_of(family, found, time.monotonic() - started):
                    rows.add({"group": kind, "alike": alike, **row})
                    print(row, flush=True)
                for left in ("states", "refused", "torn", "ended", "ending"):
                    shutil.rmtree(family.place / left, ignore_errors=True)
    titles = ["broken", "the same operations", "what ships is built of", "fault", "operations", "cases", "resumed states", "failed"]
    shown = ("family", "alike", "ships", "fault", "operations", "tried", "states", "failed")
    lines = [[row[name] for name in shown] for row in rows.rows]
    failed, tried = sum(row["failed"] for row in rows.rows), sum(row["tried"] for row in rows.rows)
    summary = {"tried": tried, "failed": failed, "families": len({row["family"] for row in rows.rows})}
    rows.finish(summary, f"{table(titles, lines)}\n\n{tried:,} cases, {failed} failed")


if __name__ == "__main__":
    main()

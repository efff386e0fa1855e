"""What the benchmarks share: where data and results lie, how rows are recorded as they come, under which load they were measured."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
DATA = ROOT.parent.parent / "shared" / "data"
RESULTS = ROOT / "results"
DATE = "[0-9]" * 4 + "-[0-9][0-9]" * 2


def need_data() -> None:
    """End at once, with the reason, where the shared data sets are not beside the repository."""
    if not DATA.exists():
        raise SystemExit(f"this benchmark reads the shared data sets, expected in {DATA.name}/ of a folder `shared` beside the repository")


def today() -> str:
    return datetime.date.today().isoformat()


def machine() -> dict[str, Any]:
    """What a figure depends on: processor, cores, load, versions."""
    model = next(
        (line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "unknown"
    )
    names = ("trainwright", "numpy", "scikit-learn", "lightgbm", "onnxruntime", "polars", "catboost", "xgboost-cpu", "interpret-core")
    installed = {name for found in metadata.distributions() if (name := found.metadata["Name"])}
    return {
        "date": today(),
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "load": [round(value, 2) for value in os.getloadavg()],
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in names if name in installed},
    }


class Rows:
    """The rows of one benchmark, appended as they come: a benchmark that was stopped goes on where it ended, on another day as well.

    The file is the newest one of this benchmark that has no table (`.md`) yet, else today's. Each row has the date on which it was measured.
    """

    def __init__(self, name: str) -> None:
        RESULTS.mkdir(exist_ok=True)
        begun = sorted(path for path in RESULTS.glob(f"{name}-{DATE}.jsonl") if not path.with_suffix(".md").exists())
        self.path = begun[-1] if begun else RESULTS / f"{name}-{today()}.jsonl"
        day = self.path.stem.removeprefix(f"{name}-")  # of rows from before each had its own
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        self.rows: list[dict[str, Any]] = [{"date": day, **json.loads(line)} for line in lines]
        if begun and day != today():
            print(f"going on with {self.path.name}: {len(lines)} rows", flush=True)

    def has(self, **key: Any) -> bool:
        return any(all(row.get(name) == value for name, value in key.items()) for row in self.rows)

    def add(self, row: dict[str, Any]) -> None:
        row = {"date": today(), **row}
        self.rows.append(row)
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def finish(self, summary: dict[str, Any], text: str) -> None:
        """Write the JSON file and the table beside the rows, and print the table."""
        self.path.with_suffix(".json").write_text(json.dumps({"machine": machine(), "summary": summary, "rows": self.rows}, indent=1) + "\n")
        self.path.with_suffix(".md").write_text(text + "\n")
        print(text)


def table(titles: list[str], rows: list[list[Any]]) -> str:
    """A Markdown table."""

    def shown(value: Any) -> str:
        return f"{value:.4g}" if isinstance(value, float) else str(value)

    lines = [titles, ["--"] * len(titles), *[[shown(cell) for cell in row] for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def alternately(peers: dict[str, Callable[[], Any]], times: int) -> Iterator[tuple[str, Any]]:
    """Run the peers in turn, A-B-A-B, so that a change of load meets them alike."""
    for _ in range(times):
        for name, run in peers.items():
            yield name, run()

"""A file of five times the memory cap: checked, trained on, predicted; the memory of all processes together, measured from outside.

The cap is 800 MB by default, and the file is five times as large. Training tries the baselines and one configuration of boosting, without a
limit of time: what is asked here is whether the cap is kept, and what was said of the rows that did not fit.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

from common import Rows, table
from large_table import write
from watched import watched

ROW = 422.9  # bytes of a row of 50 columns


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "trainwright-large", help="where the table and the run go")
    parser.add_argument("--cap", type=int, default=800_000_000)
    asked = parser.parse_args()
    count = int(5 * asked.cap / ROW / 50_000 + 1) * 50_000
    path = asked.folder / f"larger-{count}.csv"
    write(path, count, 50)
    size = path.stat().st_size
    assert size >= 5 * asked.cap
    out, answers = asked.folder / "runs", asked.folder / "answers.csv"
    ours, memory = [sys.executable, "-m", "trainwright"], ["--memory", f"{asked.cap}B"]
    rows = Rows("larger_than_memory")

    def step(name: str, command: list[str | Path]) -> None:
        if not rows.has(step=name, cap=asked.cap):
            rows.add({"step": name, "cap": asked.cap, "file": size, "rows": count, **watched(command)})

    step("check", [*ours, "check", path, "--target", "label", *memory])
    step("train", [*ours, "train", path, "--target", "label", *memory, "--candidates", "1", "--out", out])
    run = max(out.iterdir(), key=lambda folder: folder.stat().st_mtime if (folder / "summary.json").exists() else 0.0)
    step("predict", [*ours, "predict", run, path, "-o", answers])
    dataset, evidence = (json.loads((run / name).read_text()) for name in ("dataset.json", "evidence.json"))
    said = [note for note in evidence["notes"] if "open rows" in note]
    mine = [row for row in rows.rows if row["cap"] == asked.cap]
    summary = {row["step"]: {key: row[key] for key in ("code", "seconds", "cpu", "peak")} for row in mine} | {
        "dropped": dataset["dropped"], "splits": {key: dataset["splits"][key] for key in ("open", "sealed")}, "said": said,
    }  # fmt: skip
    text = table(
        ["step", "exit", "seconds", "processor seconds", "peak MB", "cap MB"],
        [[row["step"], row["code"], row["seconds"], row["cpu"], row["peak"] / 1e6, asked.cap / 1e6] for row in mine],
    )
    loads = [value for row in mine for value in row["load"]]
    title = f"# {count:,} rows × 50 columns, {size / 1e9:.2f} GB as CSV, a cap of {asked.cap / 1e6:.0f} MB\n\n"
    note = f"\n\nThe machine's load was {min(loads):.1f} to {max(loads):.1f} on {os.cpu_count()} cores. Said in the evidence: {' '.join(said)}"
    rows.finish(summary, title + text + note)


if __name__ == "__main__":
    main()

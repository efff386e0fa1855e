"""`trainwright check` on a million rows of fifty columns, beside skrub's TableReport in an environment of its own, run in turn.

Both start from the CSV file in a new process. TableReport reads it by Polars, and is asked for its JSON, with its defaults (which leave out plots and
associations beyond 30 columns). Memory is that of all processes together, looked at every 20 ms.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from common import Rows, table
from large_table import write
from watched import watched

REPORT = "import sys, polars, skrub; skrub.TableReport(polars.read_csv(sys.argv[1]), verbose=0).json()"


def peer(place: Path) -> Path:
    """The python of an environment that has skrub; made when it is not there."""
    python = place / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        subprocess.run([str(place / "bin" / "pip"), "install", "-q", "skrub", "polars", "matplotlib"], check=True)
    return python


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--folder", type=Path, default=Path(tempfile.gettempdir()) / "trainwright-large", help="where the table and the environment go"
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3)
    asked = parser.parse_args()
    path = asked.folder / f"check-{asked.rows}.csv"
    write(path, asked.rows, 50)
    size = path.stat().st_size
    python = peer(asked.folder / "skrub")
    version = subprocess.run(
        [python, "-c", "from importlib.metadata import version; print(version('skrub'))"], check=True, capture_output=True, text=True
    ).stdout.strip()
    commands = {
        "check": [sys.executable, "-m", "trainwright", "check", path, "--target", "label", "--json"],
        "TableReport": [python, "-c", REPORT, path],
    }
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # the peer's environment is its own
    rows = Rows("check_large")
    for turn in range(asked.times):
        for name, command in commands.items():
            if not rows.has(name=name, turn=turn, rows=asked.rows):
                found = watched(command, environment=None if name == "check" else plain)
                rows.add({"name": name, "turn": turn, "rows": asked.rows, "file": size, "skrub": version, **found})
    mine = [row for row in rows.rows if row["rows"] == asked.rows]

    def middle(name: str, key: str) -> float:
        return float(statistics.median(row[key] for row in mine if row["name"] == name))

    loads = [value for row in mine for value in row["load"]]
    summary = {
        name: {
            "seconds": middle(name, "seconds"),
            "cpu": middle(name, "cpu"),
            "peak": middle(name, "peak"),
            "peak_by_file": middle(name, "peak") / size,
        }
        for name in commands
    }
    text = table(
        ["", "seconds", "processor seconds", "peak MB", "peak / file"],
        [[name, s["seconds"], s["cpu"], s["peak"] / 1e6, s["peak_by_file"]] for name, s in summary.items()],
    )
    title = f"# {asked.rows:,} rows × 50 columns, {size / 1e6:.0f} MB as CSV; skrub {version}; medians of {asked.times}\n\n"
    note = f"\n\nAim: 20 s and twice the file's size. The machine's load was {min(loads):.1f} to {max(loads):.1f} on {os.cpu_count()} cores."
    rows.finish(summary | {"file": size, "load": [min(loads), max(loads)]}, title + text + note)


if __name__ == "__main__":
    main()

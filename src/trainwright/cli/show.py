"""How things look in a terminal: errors, tables, plain results. Colour only where it is wanted (NO_COLOR, no terminal: none)."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from trainwright.errors import TrainwrightError


def started() -> float:
    """When this process started, on `time.monotonic`'s clock: limits count from there, imports and all."""
    try:
        with open("/proc/self/stat", "rb") as file:  # noqa: PTH123 - a kernel file
            ticks = int(file.read().rpartition(b")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, AttributeError, ValueError, IndexError):
        age = 0.0  # not Linux: the time since the verb began
    return time.monotonic() - age


def colour() -> bool:
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def error_text(error: TrainwrightError) -> str:
    """The error as people read it: what, then where, why and fix on lines of their own."""
    red, bold, plain = ("\033[31m", "\033[1m", "\033[0m") if colour() else ("", "", "")
    lines = [f"{red}{bold}{error.code}{plain} {bold}{error.what}{plain}"]
    lines += [f"  {name:<6} {text}" for name, text in (("where", error.where), ("why", error.why), ("fix", error.fix)) if text]
    return "\n".join(lines)


def emit(value: dict[str, Any]) -> None:
    """Exactly one JSON object on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")


def write(text: str) -> None:
    sys.stdout.write(text + "\n")


def table(titles: list[str], rows: list[list[str]], *, right: frozenset[int] = frozenset()) -> str:
    """Plain aligned columns, the last one free to be long; numbers in `right` are aligned on the right."""
    cells = [titles, *rows]
    widths = [max(len(row[index]) for row in cells) for index in range(len(titles))]
    lines = []
    for row in cells:
        parts = [cell.rjust(width) if index in right else cell.ljust(width) for index, (cell, width) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(parts).rstrip())
    lines.insert(1, "  ".join("─" * min(width, 60) for width in widths))
    return "\n".join(lines)


def schema_table(described: list[dict[str, Any]], *, most: int = 60) -> str:
    """What was inferred of each column, and the flag that overrides it."""
    rows = [
        [d["name"][:32], d["kind"], d["role"], str(d["missing"]), (d["why"] + (f"; {d['note']}" if d["note"] else ""))[:70], d["flag"]]
        for d in described[:most]
    ]
    text = table(["column", "kind", "role", "missing", "why", "override with"], rows, right=frozenset({3}))
    return text if len(described) <= most else f"{text}\n… and {len(described) - most} more columns (`--json` lists all)"


def findings_text(findings: list[dict[str, Any]]) -> str:
    """Each finding in three lines; those that block first."""
    if not findings:
        return "No findings."
    lines = []
    for f in sorted(findings, key=lambda finding: (not finding["blocking"], finding["code"])):
        lines += [
            f"{'✗ blocks' if f['blocking'] else '! warns '}  {f['code']}  {f['what']}",
            f"            where {f['where']}",
            f"            fix   {f['fix']}",
        ]
    return "\n".join(lines)

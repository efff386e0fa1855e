"""What was inferred of each column, as a plain table for terminals and logs: one line a column, with the flag that overrides it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MOST = 60  # columns that are listed; `check --json` and the report list more
TITLES = ("column", "kind", "role", "missing", "why", "override with")
NARROWEST = 24  # characters of the reason, however narrow the terminal is


def table(titles: Sequence[str], rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> list[str]:
    """Aligned columns under a rule; those in `right` are aligned on the right."""
    cells = [titles, *rows]
    widths = [max(len(row[index]) for row in cells) for index in range(len(titles))]
    lines = []
    for row in cells:
        parts = [cell.rjust(width) if index in right else cell.ljust(width) for index, (cell, width) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(parts).rstrip())
    return [lines[0], "  ".join("─" * width for width in widths), *lines[1:]]


def column_lines(described: Sequence[dict[str, Any]], *, width: int = 120) -> list[str]:
    """The table of columns, at most about `width` characters wide where that leaves room for the reasons."""
    shown = described[:MOST]
    rest = [[_short(d["name"], 28), d["kind"], d["role"], f"{d['missing']:,}", d["flag"]] for d in shown]
    kept = [title for title in TITLES if title != "why"]
    taken = sum(max(len(title), *(len(row[index]) for row in rest)) + 2 for index, title in enumerate(kept)) if rest else 0
    room = max(NARROWEST, width - taken)
    reasons = [_short(d["why"] + (f"; {d['note']}" if d["note"] else ""), room) for d in shown]
    rows = [[*row[:4], reason, row[4]] for row, reason in zip(rest, reasons, strict=True)]
    lines = table(TITLES, rows, right=frozenset({3}))
    more = len(described) - len(shown)
    return lines if more == 0 else [*lines, f"… and {more:,} more columns: the report and `trainwright check --json` list them"]


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"

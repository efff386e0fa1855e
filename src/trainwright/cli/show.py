"""How things look in a terminal: errors, tables, plain results. Colour only where it is wanted (NO_COLOR, no terminal: none)."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

from trainwright.errors import TrainwrightError

_called: float | None = None  # when `main` was called with arguments of its own, inside a longer process


def called() -> None:
    """Remember that the command began now, not with its process."""
    global _called
    _called = time.monotonic()


def started() -> float:
    """When this process started, on `time.monotonic`'s clock: limits count from there, imports and all."""
    if _called is not None:
        return _called
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

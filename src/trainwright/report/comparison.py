"""A comparison of runs for a terminal: the runs side by side, the differences of their scores, then only what differs.

Takes    what `compare` gives. Gives lines of plain text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any

from trainwright.report import glossary
from trainwright.report.columns import table
from trainwright.report.numbers import NOTHING, count, decimals, duration, finite, fixed, interval, score, settings, signed, size, visible

Json = dict[str, Any]
WIDEST = 44  # characters of one run's cell
MOST = 30  # lines of one table of differences; --json has them all


def lines(compared: Json) -> list[str]:
    names = _letters(len(compared["runs"]))
    metric = compared["metric"]
    out = [f"{name}  {visible(run['run'])}" for name, run in zip(names, compared["runs"], strict=True)]
    out += ["", *_side_by_side(compared["runs"], names, metric)]
    for name, entry in zip(names[1:], compared["scores"], strict=True):
        out += ["", *_scores(entry, name, names[0])]
    for title, rows in (
        ("The winners differ in", compared["winners"]),
        ("The plans differ in", compared["plan"]),
        ("The data differ in", compared["data"]),
        ("The versions differ in", compared["versions"]),
    ):
        if rows:
            out += ["", *_differences(title, rows, names)]
    if compared["candidates"]:
        out += ["", *_candidates(compared["candidates"], names, metric)]
    same = [word for word, key in (("plan", "plan"), ("data", "data"), ("versions", "versions")) if not compared[key]]
    if same:
        out += ["", f"The same in all: {', '.join(same)}."]
    return [*out, "", *(f"{note[0].upper()}{note[1:]}." for note in compared["notes"])]


def _letters(runs: int) -> list[str]:
    return [ascii_uppercase[index] if index < len(ascii_uppercase) else f"R{index + 1}" for index in range(runs)]


def _side_by_side(runs: Sequence[Json], names: Sequence[str], metric: str) -> list[str]:
    facts: list[tuple[str, list[str]]] = [
        ("learner", [run["learner"] for run in runs]),
        ("settings", [settings(run["settings"]) for run in runs]),
        (glossary.in_sentence(metric), [_score(run["metrics"].get(metric)) for run in runs]),
        ("measured on", [f"{count(run['measured_rows'])} rows, {run['design']}" for run in runs]),
        ("candidates that finished", [count(run["candidates"]) for run in runs]),
        ("time of the run", [duration(run["seconds"]) for run in runs]),
        ("one row", [duration(run["latency_us"] / 1e6) if run["latency_us"] else NOTHING for run in runs]),
        ("bundle", [size(run["bundle_bytes"]) if run["bundle_bytes"] else NOTHING for run in runs]),
        ("findings", [count(run["findings"]) for run in runs]),
    ]
    return table(("", *names), [[name, *(_short(value) for value in values)] for name, values in facts])


def _score(entry: Json | None) -> str:
    return f"{score(entry)} ({interval(entry)})" if entry else NOTHING


def _scores(entry: Json, name: str, first: str) -> list[str]:
    """The table of differences between one run and the first."""
    if not entry["metrics"]:
        return [f"{name} and {first} are {entry['why']}."]
    on = f"pair by pair on the {count(entry['rows'])} rows that both measured" if entry["paired"] else "NOT pair by pair"
    on += f": {entry['why']}" if entry["why"] else ""
    rows = []
    for metric, difference in entry["metrics"].items():
        places = decimals(finite(difference["low"]), finite(difference["high"]), finite(difference["value"]))
        low, high = finite(difference["low"]), finite(difference["high"])
        span = "no interval" if low is None or high is None else f"{signed(low, places)} to {signed(high, places)}"
        rows.append([glossary.in_sentence(metric), signed(difference["value"], places), span, _verdict(low, high, name, first)])
    titles = ("metric", f"{name} better by", "95 % interval", "so")
    return [f"{name} against {first}, {on}", *table(titles, rows, right=frozenset({1, 2}))]


def _verdict(low: float | None, high: float | None, name: str, first: str) -> str:
    if low is None or high is None:
        return "unknown"
    if low == high == 0:
        return "the same"
    return f"{name} is better" if low > 0 else f"{first} is better" if high < 0 else "level"


def _differences(title: str, rows: Sequence[Json], names: Sequence[str]) -> list[str]:
    cells = [[visible(row["what"], limit=40), *(_short(_said(value)) for value in row["values"])] for row in rows[:MOST]]
    return [*table((title, *names), cells), *_more(len(rows) - MOST)]


def _candidates(rows: Sequence[Json], names: Sequence[str], metric: str) -> list[str]:
    cells = [
        [f"{row['learner']} {_short(settings(row['settings']))}", *("—" if value is None else fixed(value, 4) for value in row["values"])]
        for row in rows[:MOST]
    ]
    title = f"Tried in some only (cross-validated {glossary.in_sentence(metric)})"
    return [*table((title, *names), cells, right=frozenset(range(1, len(names) + 1))), *_more(len(rows) - MOST)]


def _more(left: int) -> list[str]:
    return [f"… and {left:,} more: --json lists them"] if left > 0 else []


def _said(value: object) -> str:
    if value is None:
        return "—"
    return visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), limit=10_000)


def _short(text: str) -> str:
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"

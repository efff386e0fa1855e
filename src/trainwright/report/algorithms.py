"""The catalogue of learners for a terminal: one line each, or one learner in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trainwright.report.columns import table
from trainwright.report.numbers import count, duration, size

READS = {
    "scaled": "numbers filled and standardised, categories one-hot",
    "filled": "numbers filled, few categories one-hot, many as ranks",
    "coded": "numbers with gaps, categories as codes",
    "columns": "the typed columns themselves",
    "environment": "an environment",
    "nothing": "no column",
}
TITLES = ("learner", "what it is", "tasks", "interpretable", "a fit", "memory", "10× rows", "comes with")


def catalogue_lines(described: Sequence[dict[str, Any]], *, rows: int, columns: int) -> list[str]:
    """All learners as a table; costs for one fit on `rows` × `columns`."""
    lines = []
    for d in described:
        cost = d["cost"]
        grows = f"×{cost['ten_times_the_rows']:.3g}"
        lines.append(
            [
                d["name"],
                d["title"],
                ", ".join(d["tasks"]),
                d["interpretability"],
                duration(cost["seconds"]),
                size(cost["memory_bytes"]),
                grows,
                d["added_by"] or d["extra"],
            ]
        )
    told = table(TITLES, lines, right=frozenset({4, 5, 6}))
    return [
        *told,
        "",
        f"A fit of {count(rows)} rows × {count(columns)} features by its card's guess, with default settings; a run measures and plans anew.",
        "`trainwright algorithms NAME` shows a learner's settings, losses and limits.",
    ]


def learner_lines(d: dict[str, Any]) -> list[str]:
    """One learner in full."""
    cost = d["cost"]
    facts = [
        ("learns", [", ".join(d["tasks"])]),
        ("minimises", d["losses"]),
        ("limits", d["limits"]),
        ("interpretable", [f"{d['interpretability']}: {d['how']}"]),
        ("reads", [READS.get(d["reads"], d["reads"])]),
        ("stops early", ["yes, on rows that it sets aside" if d["stops_early"] else "no"]),
        ("monotone", ["keeps constraints, for numbers and two classes" if d["monotone"] else "keeps no constraint"]),
        (
            "a fit",
            [
                f"{duration(cost['seconds'])} and {size(cost['memory_bytes'])} for {count(cost['rows'])} rows × "
                f"{count(cost['columns'])} features (guess)",
                f"×{cost['ten_times_the_rows']:.3g} for ten times the rows, ×{cost['ten_times_the_columns']:.3g} for ten times the features",
            ],
        ),
        ("needs", [f"the package {d['added_by']}" if d["added_by"] else f"pip install 'trainwright[{d['extra']}]'"]),
    ]
    settings = [[s["name"], str(s["default"]), _moved(s["search"])] for s in d["settings"]]
    shown = ["", *table(("setting", "default", "a search moves it in"), settings)] if settings else ["", "It has no settings."]
    told = [f"{name if first else '':<14} {said}" for name, lines in facts for said, first in zip(lines, (True, *[False] * len(lines)), strict=False)]
    return [f"{d['name']}: {d['title']}", "", *told, *shown]


def _moved(search: dict[str, Any] | None) -> str:
    if search is None:
        return ""
    if "options" in search:
        return ", ".join(map(str, search["options"]))
    whole = ", whole" if search["whole"] else ""
    return f"{search['low']:g} to {search['high']:g} ({search['scale']}{whole})"

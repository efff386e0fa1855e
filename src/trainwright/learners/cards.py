"""The catalogue as plain values: what each learner is, what it can, what it costs. What `trainwright algorithms` shows.

Takes    the cards of all learners, our own and those of other packages; a size of table to tell the cost for.
Gives    one JSON value a learner. Times are the cards' own guesses, with which a run plans until it has measured.
"""

from __future__ import annotations

import dataclasses
from typing import Any, cast

from trainwright.learners import learner_class, names, package_of
from trainwright.learners.interface import Choice, Learner

OUTPUTS = {"binary": 2, "regression": 1}  # columns of a prediction; 5 stand for "several classes"
SEVERAL = 5
GROWTH = 10  # times as many rows or columns, for which growth is told


def describe_all(*, task: str | None = None, rows: int = 10_000, columns: int = 20) -> list[dict[str, Any]]:
    """Every learner, or those of one task, in the order of their names. Raises RequestError (TW012) where another package's cannot be loaded."""
    every = [(name, learner_class(name)) for name in names()]
    return [describe(name, kind, rows=rows, columns=columns, task=task) for name, kind in every if task is None or task in kind.card.tasks]


def describe(name: str, kind: type[Learner], *, rows: int, columns: int, task: str | None = None) -> dict[str, Any]:
    """One learner: its card, its settings with defaults and where a search may move them, and its cost for a table of `rows` × `columns`."""
    card = kind.card
    outputs = OUTPUTS.get(task or card.tasks[0], SEVERAL)
    base = card.seconds(rows, columns, outputs)
    return {
        "name": name,
        "title": card.title,
        "tasks": list(card.tasks),
        "reads": card.reads,
        "interpretability": card.explains,
        "how": card.how,
        "losses": list(card.losses),
        "limits": list(card.limits),
        "extra": card.extra,
        "added_by": package_of(name),
        "stops_early": card.stops_early,
        "monotone": card.monotone,
        "settings": _settings(kind),
        "cost": {
            "rows": rows,
            "columns": columns,
            "seconds": float(f"{base:.3g}"),
            "memory_bytes": round(card.memory(rows, columns, outputs)),
            "ten_times_the_rows": float(f"{card.seconds(GROWTH * rows, columns, outputs) / base:.3g}"),
            "ten_times_the_columns": float(f"{card.seconds(rows, GROWTH * columns, outputs) / base:.3g}"),
        },
    }


def _settings(kind: type[Learner]) -> list[dict[str, Any]]:
    """Each setting with its default, and where the search may move it (null: it keeps what it is)."""
    return [
        {"name": field.name, "default": field.default, "search": _range(kind, field.name)}
        for field in dataclasses.fields(cast(Any, kind))
        if field.init
    ]


def _range(kind: type[Learner], name: str) -> dict[str, Any] | None:
    place = kind.space.get(name)
    if place is None:
        return None
    if isinstance(place, Choice):
        return {"options": list(place.options)}
    return {"low": place.low, "high": place.high, "scale": "log" if type(place).__name__ == "LogUniform" else "linear", "whole": place.whole}

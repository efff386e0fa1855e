"""Small tables that every learner is tried on: numbers with gaps, yes/no, dates, an order, categories, few rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainwright.features.recipe import Prepared, fit_recipe
from trainwright.learners.interface import Training
from trainwright.runtime.columns import Coded, Column, take_all
from trainwright.runtime.schema import ColumnSchema

SCHEMA = (
    ColumnSchema(name="age", kind="number"),
    ColumnSchema(name="pay", kind="number"),
    ColumnSchema(name="member", kind="yesno"),
    ColumnSchema(name="when", kind="datetime"),
    ColumnSchema(name="size", kind="ordered", order=("small", "middle", "large")),
    ColumnSchema(name="colour", kind="category"),
    ColumnSchema(name="town", kind="category"),
)
CLASSES = {"binary": 2, "multiclass": 3, "regression": 0}


def table(rows: int, rng: np.random.Generator) -> tuple[dict[str, Column], dict[str, Any]]:
    """The columns, and a target for each task that depends on them."""
    age, pay = rng.normal(40, 10, rows), rng.lognormal(10, 1, rows)
    colour = rng.integers(0, 4, rows).astype(np.int32)
    town = rng.integers(0, 15, rows).astype(np.int32)
    size = rng.integers(0, 3, rows).astype(np.int32)
    score = (age - 40) / 10 + np.log(pay) - 10 + (colour == 1) - (town % 3 == 0) + rng.normal(0, 0.5, rows)
    age[rng.random(rows) < 0.1] = np.nan
    colour[rng.random(rows) < 0.1] = -1
    columns: dict[str, Column] = {
        "age": age,
        "pay": pay,
        "member": np.where(rng.random(rows) < 0.4, 1.0, 0.0),
        "when": 1.6e9 + rng.uniform(0, 6e7, rows),
        "size": Coded(size, ["large", "small", "middle"]),
        "colour": Coded(colour, ["red", "green", "blue", "grey"]),
        "town": Coded(town, [f"town {n}" for n in range(15)]),
    }
    return columns, {"binary": (score > 0) * 1.0, "multiclass": np.digitize(score, [-1, 1]) * 1.0, "regression": 200_000 + 1000 * score}


def edge_rows(columns: dict[str, Column]) -> dict[str, Column]:
    """All missing; unseen words and extreme numbers, high and low."""
    made: dict[str, Column] = {}
    for name, column in columns.items():
        made[name] = Coded(np.array([-1, 0, 0], np.int32), ["never seen"]) if isinstance(column, Coded) else np.array([np.nan, 1e300, -1e300])
    return made


def training(
    task: str, reads: Any, rows: int, rng: np.random.Generator, *, watch: int = 0, **more: Any
) -> tuple[Training, Prepared, dict[str, Column], Any]:
    """`rows` training rows prepared as `reads` asks, `watch` more to watch, and 200 further rows: their columns and their target."""
    columns, targets = table(rows + watch + 200, rng)
    at = np.split(np.arange(rows + watch + 200), [rows, rows + watch])
    target, classes = targets[task], CLASSES[task]
    prepared = fit_recipe(reads, SCHEMA, take_all(columns, np.concatenate(at[:2])), None, rng)

    def part(chosen: Any, **extra: Any) -> Training:
        return Training(task=task, numbers=prepared.matrix[chosen], features=prepared.features, target=target[chosen], classes=classes, **extra)

    return part(at[0], watch=part(at[1]) if watch else None, **more), prepared, take_all(columns, at[2]), target[at[2]]

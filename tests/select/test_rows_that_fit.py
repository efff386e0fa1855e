"""How many rows training may use under a memory cap, against what the cards say at that many rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainwright.data.dataset import Described
from trainwright.errors import Infeasible
from trainwright.learners import learner_class
from trainwright.plan.model import Plan
from trainwright.runtime.columns import Coded
from trainwright.runtime.schema import ColumnSchema
from trainwright.select.limits import means_of, rows_that_fit
from trainwright.select.resolve import default_memory, workers_of

LEARNERS = ("tabular/lightgbm", "tabular/logistic", "tabular/tree")


def described(numbers: int, words: int, distinct: int) -> tuple[list[Described], dict[str, Any]]:
    found = [Described(ColumnSchema(name=f"n{at}", kind="number"), "feature", "", "", missing=at % 2) for at in range(numbers)]
    found += [Described(ColumnSchema(name=f"w{at}", kind="category"), "feature", "", "", distinct=distinct) for at in range(words)]
    columns: dict[str, Any] = {f"n{at}": np.zeros(3) for at in range(numbers)}
    columns |= {f"w{at}": Coded(np.zeros(3, np.int32), ["a"]) for at in range(words)}
    return found, columns


def needs(name: str, rows: int, numbers: int, words: int, distinct: int) -> float:
    """Bytes of one fit, written down anew: typed columns, the matrix twice, and what the card says."""
    card = learner_class(name).card
    gaps = numbers // 2
    width = {
        "coded": numbers + words,
        "scaled": numbers + gaps + words * (min(distinct, 100) + 2),
        "filled": numbers + gaps + words * (distinct + 2 if distinct <= 10 else 1),
    }[card.reads]
    return rows * (8 * numbers + 4 * words) + 2 * 4 * rows * width + card.memory(rows, width, 2)


@pytest.mark.parametrize("shape", [(20, 0, 0), (10, 10, 5), (6, 4, 400)])
@pytest.mark.parametrize("room", [300e6, 2e9])
def test_half_of_the_learners_fit_and_no_more_rows_would(shape: tuple[int, int, int], room: float) -> None:
    found, columns = described(*shape)
    rows = rows_that_fit(room, LEARNERS, found, columns, 2, cap=10**9)
    fit = [needs(name, rows, *shape) <= room for name in LEARNERS]
    more = [needs(name, int(1.02 * rows), *shape) <= room for name in LEARNERS]
    assert sum(fit) >= 2 > sum(more)


def test_too_little_memory_is_refused_where_something_is_trained_and_not_where_it_is_looked_at(tmp_path: Path) -> None:
    asked = Plan(memory=200_000_000, workers=1)
    found, columns = described(5, 0, 0)
    trains, looks = means_of(asked, tmp_path), means_of(asked)
    assert trains.fits is not None
    assert looks.fits is not None
    with pytest.raises(Infeasible, match="TW073"):
        trains.fits(found, columns, "binary", 2)
    assert looks.fits(found, columns, "binary", 2) == looks.room.rows


def test_fewer_workers_where_the_cap_has_no_room_for_more() -> None:
    assert workers_of(Plan(memory=500_000_000)) == 1
    assert workers_of(Plan(memory=500_000_000, workers=3)) == 3
    assert workers_of(Plan(memory=64 * 10**9)) == workers_of(Plan(memory=max(default_memory(), 8 * 10**9)))

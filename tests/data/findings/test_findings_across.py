"""Near copies across a given split in tables where honest rows are as near: planted ones found, random splits quiet, the binomial by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_datasets import made, seen

from trainwright.data.dataset import Dataset, Finding
from trainwright.data.findings.across import at_least, disjoint, surpluses
from trainwright.data.findings.interface import Subject
from trainwright.data.findings.near import Cells, Measured, cells_of, measured, near_pairs

ROWS, SEALED = 2000, 400


def table(data: np.ndarray, sealed: np.ndarray) -> Dataset:
    columns = {f"n{i}": data[:, i].astype(float) for i in range(data.shape[1])}
    return made(columns, np.zeros(len(data)), how="given", sealed=np.sort(sealed))  # type: ignore[arg-type]


def coarse(rng: np.random.Generator) -> np.ndarray:
    """Whole numbers that go together, 0 to 15, as letters measured by pixels: rows that differ in one or two steps are the rule."""
    hidden = rng.normal(size=(ROWS, 7))
    return np.clip(np.round(7 + 2.2 * hidden @ rng.normal(size=(7, 10)) / math.sqrt(7) + 0.3 * rng.normal(size=(ROWS, 10))), 0, 15)


def with_copies(rng: np.random.Generator, data: np.ndarray, how: str) -> tuple[np.ndarray, np.ndarray]:
    copies = data[rng.choice(ROWS - SEALED, 25, replace=False)].copy()
    if how == "jitter":
        copies += 0.001 * data.std(axis=0) * rng.normal(size=copies.shape)
    else:
        copies[np.arange(25), rng.integers(0, 10, 25)] += rng.choice([-5, 5], 25)
    return np.vstack([data, copies]), np.arange(ROWS - SEALED, ROWS + 25)


@pytest.mark.parametrize("how", ["jitter", "one cell"])
def test_copies_in_a_coarse_table_are_found_by_their_surplus(rng: np.random.Generator, how: str) -> None:
    data, sealed = with_copies(rng, coarse(rng), how)
    dataset = table(data, sealed)
    subject = Subject(dataset)
    assert len(near_pairs(measured(subject, np.arange(len(data)), "both sides")).first) == 0  # no pair can be told by itself
    (finding,) = seen(dataset, "TW181")
    rows = np.array(finding.figures["rows"])
    assert np.mean(rows >= ROWS) >= 0.5
    assert np.isin(np.arange(ROWS, ROWS + 25), rows).mean() >= 0.8
    assert finding.figures["by_chance"] <= len(rows) / 2


def test_random_splits_of_a_coarse_table_are_quiet(rng: np.random.Generator) -> None:
    told: list[Finding] = []
    for _ in range(10):
        data = coarse(rng)
        twins = data[:200].copy()
        twins[:, 0] += 3  # many near copies, but on both sides of a random split as chance has it
        told += seen(table(np.vstack([data, twins]), rng.choice(ROWS + 200, SEALED, replace=False)), "TW181")
    assert len(told) <= 1  # at one in a hundred each, two have a chance of 1 in 200


def test_chance_of_pairs_across(rng: np.random.Generator) -> None:
    """Pairs without a common row under a random split: the share across of those that are not both sealed is 2s / (1 + s)."""
    sealed = rng.uniform(size=(200_000, 2)) < 0.2
    across, both = (sealed[:, 0] ^ sealed[:, 1]).sum(), sealed.all(axis=1).sum()
    assert across / (len(sealed) - both) == pytest.approx(2 * 0.2 / 1.2, abs=0.005)
    assert at_least(7, 9, 1 / 3) == pytest.approx(sum(math.comb(9, k) * (1 / 3) ** k * (2 / 3) ** (9 - k) for k in (7, 8, 9)))


def test_each_row_is_in_one_pair_its_nearest_first() -> None:
    a, b = np.array([0, 1, 0, 4]), np.array([1, 2, 2, 5])
    assert disjoint(a, b, np.array([0.2, 0.1, 0.3, 0.4]), 6).tolist() == [1, 3]


@pytest.mark.parametrize(("across", "told"), [(1110, False), (2200, True)])
def test_at_least_half_of_the_pairs_across_are_surplus(rng: np.random.Generator, across: int, told: bool) -> None:
    """3,000 pairs that differ in one cell. By chance 1,000 go across: 1,110 are too many for chance, but nearly all of them are honest."""
    rows = rng.normal(size=(3000, 4))
    twins = rows.copy()
    twins[:, 3] += 1.0
    values = np.vstack([rows, twins]).astype(np.float32)
    first = np.arange(3000)
    cells = Cells(values, np.zeros(4, dtype=bool), 1, 0.0)
    sealed = np.zeros(6000, dtype=bool)
    sealed[:across] = True  # the first of so many pairs, and others on both sides up to a fifth of all rows
    rest = max(0, (1200 - across) // 2)
    sealed[across : across + rest] = sealed[3000 + across : 3000 + across + rest] = True
    found = surpluses(Measured(np.arange(6000), cells, first, first + 3000, rng), sealed)
    assert bool(found) == told


def test_a_few_finer_numbers_do_not_make_a_column_fine(rng: np.random.Generator) -> None:
    whole = rng.integers(0, 12, (900, 5)).astype(float)
    finer = whole.copy()
    finer[:20] += 0.001 * rng.normal(size=(20, 5))
    floors = [cells_of(Subject(table(data, np.array([0]))), [f"n{i}" for i in range(5)], np.arange(900)).floor for data in (whole, finer)]
    assert floors[1] == pytest.approx(floors[0], rel=0.05)

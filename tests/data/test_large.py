"""Splits of tables that do not fit: what a sample must keep, against brute force on tables that do fit."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from trainwright.data import large
from trainwright.data.large import Rowset, chosen, draw_many, shortened
from trainwright.data.room import blocks
from trainwright.data.splits import Material, draw, events_of, strata
from trainwright.runtime.columns import Coded


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is done in many blocks, and judged by few rows."""
    monkeypatch.setattr(large, "blocks", lambda length: blocks(length, 700))
    monkeypatch.setattr(large, "LOOKED_AT", 2000)


def rowset(rng: np.random.Generator, n: int = 6000, **given: Any) -> Rowset:
    usable = np.sort(rng.choice(n, n * 9 // 10, replace=False)).astype(np.int64)
    plain: dict[str, Any] = {
        "rows": usable,
        "target": rng.choice([0.0, 1.0, 2.0], n, p=[0.7, 0.28, 0.02]),
        "classes": 3,
        "columns": [rng.normal(size=n), Coded(rng.integers(0, 9, n).astype(np.int32), [str(at) for at in range(9)])],
        "group": None,
        "time": None,
        "folds": 4,
        "seed": 5,
        "most": None,
    }
    return Rowset(**{**plain, **given})


def sound(rowset: Rowset, splits: Any) -> None:
    """No row is on two sides, none is made up, folds part the open rows."""
    opened, sealed = set(splits.open.tolist()), set(splits.sealed.tolist())
    assert not opened & sealed
    assert opened | sealed <= set(rowset.rows.tolist())
    assert (np.diff(splits.open) > 0).all()
    tested = [fold.test for fold in splits.folds]
    for fold in splits.folds:
        assert set(fold.train.tolist()) | set(fold.test.tolist()) <= opened
        assert not set(fold.train.tolist()) & set(fold.test.tolist())
    if rowset.time is None:
        assert sorted(np.concatenate(tested).tolist()) == splits.open.tolist()


def test_classes_keep_their_shares_and_rare_ones_are_whole(rng: np.random.Generator) -> None:
    drawn = rowset(rng)
    used = chosen(drawn, drawn.rows, 1500)
    assert len(used) == 1500
    assert (np.diff(used) > 0).all()
    assert set(used) <= set(drawn.rows)
    before = np.bincount(drawn.target[drawn.rows].astype(int))
    after = np.bincount(drawn.target[used].astype(int))
    assert after[2] == min(before[2], 100) > 0.25 * before[2]
    assert after[0] / after[1] == pytest.approx(before[0] / before[1], rel=0.01)
    np.testing.assert_array_equal(chosen(drawn, drawn.rows, 1500), used)
    assert not np.array_equal(chosen(dataclasses.replace(drawn, seed=6), drawn.rows, 1500), used)


def test_a_sample_of_numbers_is_drawn_evenly(rng: np.random.Generator) -> None:
    drawn = rowset(rng, classes=0, target=np.arange(6000.0))
    counts = np.zeros(6000)
    for seed in range(200):
        used = chosen(dataclasses.replace(drawn, seed=seed), drawn.rows, 1350)
        assert len(used) == 1350
        counts[used] += 1
    kept = counts[drawn.rows] / 200
    assert kept.mean() == pytest.approx(0.25)
    assert abs(kept - 0.25).max() < 6 * np.sqrt(0.25 * 0.75 / 200)  # no row is favoured


@pytest.mark.parametrize("ties", [False, True])
def test_the_latest_rows_stay_where_time_decides(rng: np.random.Generator, ties: bool) -> None:
    time = rng.integers(0, 40, 6000).astype(float) if ties else rng.permutation(6000).astype(float)
    drawn = rowset(rng, time=time)
    used = chosen(drawn, drawn.rows, 1234)
    brute = sorted(drawn.rows.tolist(), key=lambda row: (time[row], row))[-1234:]
    assert used.tolist() == sorted(brute)


def test_groups_stay_whole(rng: np.random.Generator) -> None:
    group = rng.integers(0, 300, 6000).astype(np.int32)
    drawn = rowset(rng, group=group)
    used = chosen(drawn, drawn.rows, 1500)
    assert 1500 - 60 < len(used) <= 1500
    assert not set(group[used]) & set(group[np.setdiff1d(drawn.rows, used)])


@pytest.mark.parametrize("what", ["classes", "numbers", "group", "time", "given"])
@pytest.mark.parametrize("most", [None, 1000])
def test_splits_of_many_rows_are_sound(rng: np.random.Generator, what: str, most: int | None) -> None:
    n = 6000
    given = {
        "classes": {"target": rng.choice([0.0, 1.0], n), "classes": 2},
        "numbers": {"target": rng.normal(size=n), "classes": 0},
        "group": {"group": rng.integers(0, 900, n).astype(np.int32), "target": rng.choice([0.0, 1.0], n), "classes": 2},
        "time": {"time": rng.normal(size=n)},
        "given": {},
    }[what]
    drawn = rowset(rng, n, most=most, **given)
    sealed = drawn.rows[::7] if what == "given" else None
    splits = draw_many(drawn, "random", given=sealed)
    sound(drawn, splits)
    assert splits.design == "sealed"
    share = len(splits.sealed) / len(drawn.rows)
    assert share == pytest.approx(1 / 7 if what == "given" else 0.2, abs=0.03)
    assert len(splits.open) == len(drawn.rows) - len(splits.sealed) if most is None else len(splits.open) <= most
    assert ("training uses" in splits.why) == (most is not None)
    if what == "group":
        assert drawn.group is not None
        assert not set(drawn.group[splits.sealed]) & set(drawn.group[np.setdiff1d(drawn.rows, splits.sealed)])
    if what == "time":
        assert drawn.time is not None
        assert drawn.time[splits.sealed].min() >= drawn.time[np.setdiff1d(drawn.rows, splits.sealed)].max()
        for fold in splits.folds:
            assert drawn.time[fold.train].max() < drawn.time[fold.test].min()
    if sealed is not None:
        np.testing.assert_array_equal(splits.sealed, sealed)


def test_equal_rows_are_sealed_together_unless_there_are_few_combinations(rng: np.random.Generator) -> None:
    n = 6000
    half = rng.normal(size=n // 2)
    drawn = rowset(rng, n, rows=np.arange(n), columns=[np.concatenate([half, half])], target=np.tile(rng.choice([0.0, 1.0], n // 2), 2), classes=2)
    is_sealed = np.zeros(n, bool)
    is_sealed[draw_many(drawn, "random").sealed] = True
    np.testing.assert_array_equal(is_sealed[: n // 2], is_sealed[n // 2 :])
    few = dataclasses.replace(drawn, columns=[rng.integers(0, 2, n).astype(float)])
    splits = draw_many(few, "random")
    assert len(splits.sealed) == pytest.approx(n / 5, rel=0.1)
    assert "few combinations" in splits.why


def test_a_class_of_few_rows_stays_open(rng: np.random.Generator) -> None:
    target = np.zeros(6000)
    target[rng.choice(6000, 2500, replace=False)] = 1.0
    target[[10, 4000]] = 2.0
    for seed in range(20):
        splits = draw_many(rowset(rng, rows=np.arange(6000), target=target, seed=seed), "random")
        assert (target[splits.sealed] == 2).sum() == 0


@pytest.mark.parametrize("most", [120, 1000, 1001, 4999])
def test_quotas_add_up(rng: np.random.Generator, most: int) -> None:
    for sizes in ([5000], [3000, 2000], [4000, 900, 99, 1], rng.integers(1, 3000, 17).tolist()):
        sizes = np.array(sizes)
        quotas = large._quotas(sizes, min(most, int(sizes.sum())))
        assert quotas.sum() == min(most, sizes.sum())
        assert (quotas <= sizes).all()
        assert (quotas >= np.minimum(sizes, min(100, most // len(sizes)))).all()


def test_few_events_among_many_rows_are_nested_in_a_sample(rng: np.random.Generator) -> None:
    target = np.zeros(6000)
    target[rng.choice(6000, 90, replace=False)] = 1.0
    drawn = rowset(rng, target=target, classes=2, most=2000)
    splits = draw_many(drawn, "random")
    assert splits.design == "nested"
    assert len(splits.open) <= 2000
    assert (target[splits.open] == 1).sum() == (target[drawn.rows] == 1).sum()


def test_splits_that_were_drawn_are_shortened_and_their_sealed_rows_stay(rng: np.random.Generator) -> None:
    drawn = rowset(rng)
    stratum = strata(drawn.target, classes=True)
    event = events_of(stratum, drawn.rows, classes=True)
    whole = draw(Material(drawn.rows, stratum, event, np.arange(6000), folds=4, seed=5), "random")
    short = shortened(whole, dataclasses.replace(drawn, most=1000))
    sound(drawn, short)
    np.testing.assert_array_equal(short.sealed, whole.sealed)
    assert set(short.open) <= set(whole.open)
    assert len(short.open) == 1000
    assert shortened(whole, dataclasses.replace(drawn, most=len(whole.open))) is whole

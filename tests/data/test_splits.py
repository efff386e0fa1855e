"""Splits against their promises (hypothesis) and against scikit-learn on the same rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tables import coded, table
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, TimeSeriesSplit

from trainwright.data.prepare import prepare
from trainwright.data.splits import ENOUGH_EVENTS, Material, clock, deal, draw, equal_rows, events_of, strata, watch_part
from trainwright.errors import SourceError
from trainwright.plan.model import Plan


def material(stratum, *, unit=None, time=None, folds=5, seed=0, classes=True, rows=None):
    stratum = np.asarray(stratum, np.int64)
    rows = np.arange(len(stratum)) if rows is None else rows
    return Material(
        rows=rows,
        stratum=stratum,
        event=events_of(stratum, rows, classes=classes),
        unit=np.arange(len(stratum)) if unit is None else np.asarray(unit, np.int64),
        folds=folds,
        seed=seed,
        classes=classes,
        grouped=unit is not None,
        time=time,
    )


def every_fold(splits):
    return [*splits.folds, *(fold for folds in splits.inner for fold in folds)]


def assert_sound(splits, rows):
    """Disjoint and complete: each usable row is open or sealed, each fold parts what it may part, ascending."""
    assert sorted([*splits.open, *splits.sealed]) == sorted(rows)
    assert not set(splits.open) & set(splits.sealed)
    for fold in every_fold(splits):
        assert not set(fold.train) & set(fold.test)
        assert set(fold.train) | set(fold.test) <= set(splits.open)
        for part in (fold.train, fold.test):
            assert part.dtype == np.int64
            assert len(part)
            assert (np.diff(part) > 0).all()


counts = st.lists(st.integers(2, 60), min_size=2, max_size=6)


@settings(max_examples=60, deadline=None)
@given(counts=counts, parts=st.integers(2, 9), seed=st.integers(0, 99))
def test_single_rows_are_dealt_within_one_row_of_equal(counts, parts, seed):
    rng = np.random.default_rng(seed)
    stratum = rng.permutation(np.repeat(np.arange(len(counts)), counts))
    part = deal(stratum, np.arange(len(stratum)), parts, rng.random(len(stratum)))
    for label in range(len(counts)):
        held = np.bincount(part[stratum == label], minlength=parts)
        assert held.max() - held.min() <= 1
    sizes = np.bincount(part, minlength=parts)
    assert sizes.max() - sizes.min() <= 1


@settings(max_examples=60, deadline=None)
@given(
    labels=st.lists(st.integers(0, 3), min_size=10, max_size=150),
    groups=st.integers(3, 40),
    parts=st.integers(2, 5),
    seed=st.integers(0, 99),
)
def test_units_are_never_parted(labels, groups, parts, seed):
    rng = np.random.default_rng(seed)
    unit = rng.integers(groups, size=len(labels))
    part = deal(np.array(labels), unit, parts, rng.random(len(unit)))
    assert ((part >= 0) & (part < parts)).all()
    for number in np.unique(unit):
        assert len(np.unique(part[unit == number])) == 1


@settings(max_examples=40, deadline=None)
@given(counts=st.lists(st.integers(5, 300), min_size=2, max_size=4), folds=st.integers(2, 7), seed=st.integers(0, 9))
def test_random_splits_are_sound_and_keep_shares(counts, folds, seed):
    stratum = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    m = material(stratum, folds=folds, seed=seed)
    splits = draw(m, "random")
    assert_sound(splits, m.rows)
    expected = m.events(m.rows) / 5
    assert splits.design == ("nested" if expected < ENOUGH_EVENTS else "sealed")
    if splits.design == "sealed":
        assert abs(len(splits.sealed) - len(stratum) / 5) <= 1
        assert sorted(np.concatenate([fold.test for fold in splits.folds])) == sorted(splits.open)
        for label, count in enumerate(counts):
            assert abs((stratum[splits.sealed] == label).sum() - count / 5) <= 1
    else:
        assert len(splits.folds) == splits.repeats * folds
        for start in range(0, len(splits.folds), folds):
            assert sorted(np.concatenate([fold.test for fold in splits.folds[start : start + folds]])) == sorted(m.rows)
        for outer, inner in zip(splits.folds, splits.inner, strict=True):
            assert sorted(np.concatenate([fold.test for fold in inner])) == sorted(outer.train)


def test_a_few_more_copies_move_a_few_rows_alone(rng):
    """Where a column is dropped some rows become copies; the rest stays where it was, so that runs with and without it can be compared."""
    stratum = (rng.random(4000) < 0.3).astype(np.int64)
    before = np.arange(4000)
    after = before.copy()
    for first, second in rng.permutation(4000)[:200].reshape(100, 2):
        after[second] = after[first]
    sealed = [set(draw(material(stratum, unit=unit, seed=5), "random").sealed.tolist()) for unit in (before, after)]
    assert len(sealed[0] ^ sealed[1]) < 200
    assert len(sealed[0] ^ set(draw(material(stratum, unit=before, seed=6), "random").sealed.tolist())) > 1000


def test_the_repeats_of_the_nested_design_differ_and_all_follows_from_the_seed():
    stratum = np.tile([0, 1], 50)
    one, same, other = (draw(material(stratum, seed=seed), "random") for seed in (3, 3, 4))
    assert not np.array_equal(one.folds[0].test, one.folds[5].test)
    assert all(np.array_equal(a.test, b.test) for a, b in zip(every_fold(one), every_fold(same), strict=True))
    assert not all(np.array_equal(a.test, b.test) for a, b in zip(one.folds, other.folds, strict=True))


@pytest.mark.parametrize(("events", "design"), [(499, "nested"), (500, "sealed")])
def test_fewer_than_a_hundred_test_events_are_not_sealed(events, design):
    splits = draw(material(np.repeat([0, 1], [2000, events])), "random")
    assert splits.design == design
    if design == "nested":
        assert len(splits.sealed) == 0
        assert "100" in splits.why


def test_events_are_counted_by_group():
    """600 rare rows in 60 groups are 60 events, of which a fifth is far below 100."""
    unit = np.repeat(np.arange(600), 10)
    stratum = np.repeat([1, 0], [600, 5400])
    m = material(stratum, unit=unit)
    assert m.events(m.rows) == 60
    assert draw(m, "group:g").design == "nested"


@settings(max_examples=30, deadline=None)
@given(groups=st.integers(6, 60), seed=st.integers(0, 99), regression=st.booleans())
def test_group_splits_are_sound_and_never_straddle(groups, seed, regression):
    rng = np.random.default_rng(seed)
    unit = np.concatenate([np.arange(groups), rng.integers(groups, size=groups * 6)])
    stratum = rng.integers(10 if regression else 2, size=len(unit))
    m = material(stratum, unit=unit, classes=not regression, seed=seed)
    for test in (None, np.flatnonzero(unit == 0)):  # nested, then with given test rows
        splits = draw(m, "group:g", given=test)
        assert_sound(splits, m.rows)
        assert splits.design == ("nested" if test is None else "sealed")
        for fold in every_fold(splits):
            assert not set(unit[fold.train]) & set(unit[fold.test])


def test_groups_are_sealed_whole_where_there_are_enough():
    rng = np.random.default_rng(5)
    unit = rng.integers(1500, size=6000)
    m = material(rng.integers(2, size=6000), unit=unit)
    splits = draw(m, "group:g")
    assert splits.design == "sealed"
    assert not set(unit[splits.sealed]) & set(unit[splits.open])
    assert abs(len(splits.sealed) / 6000 - 0.2) < 0.01
    assert_sound(splits, m.rows)


def spread(stratum, parts_of):
    """How far the classes' shares differ between test parts: the mean standard deviation, as StratifiedGroupKFold minimises it."""
    shares = [np.bincount(stratum[test], minlength=3) / np.bincount(stratum, minlength=3) for test in parts_of]
    return np.std(shares, axis=0).mean()


def test_group_folds_are_on_average_as_even_as_those_of_scikit_learn():
    ours, theirs = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        sizes = 1 + rng.geometric(0.15, size=150)
        unit = np.repeat(np.arange(150), sizes)
        favoured = rng.integers(3, size=150)[unit]
        stratum = np.where(rng.random(len(unit)) < 0.7, favoured, rng.integers(3, size=len(unit)))
        part = deal(stratum, unit, 5, rng.random(len(unit)))
        ours.append(spread(stratum, [np.flatnonzero(part == number) for number in range(5)]))
        theirs.append(spread(stratum, [test for _, test in StratifiedGroupKFold(5, shuffle=True, random_state=seed).split(unit, stratum, unit)]))
    assert np.mean(ours) <= np.mean(theirs)
    assert max(ours) < 0.004


@pytest.mark.parametrize("classes", [True, False])
def test_repeats_of_group_folds_differ_even_where_every_group_has_a_size_of_its_own(classes):
    unit = np.repeat(np.arange(40), np.arange(4, 44))
    splits = draw(material(np.arange(len(unit)) % (2 if classes else 10), unit=unit, classes=classes), "group:g")
    assert splits.design == "nested"
    first = {tuple(fold.test) for fold in splits.folds[:5]}
    assert not first & {tuple(fold.test) for fold in splits.folds[5:]}


def test_random_folds_hold_as_many_of_each_class_as_those_of_scikit_learn():
    stratum = np.random.default_rng(1).choice(4, size=3777, p=[0.6, 0.3, 0.09, 0.01])
    part = deal(stratum, np.arange(3777), 5, np.random.default_rng(2).random(3777))
    ours = np.array([np.bincount(stratum[part == number], minlength=4) for number in range(5)])
    theirs = np.array([np.bincount(stratum[test], minlength=4) for _, test in StratifiedKFold(5).split(stratum, stratum)])
    np.testing.assert_array_equal(np.sort(ours, axis=0), np.sort(theirs, axis=0))


@settings(max_examples=60, deadline=None)
@given(times=st.lists(st.integers(0, 30), min_size=40, max_size=200), folds=st.integers(2, 6))
def test_time_splits_train_on_strictly_earlier_rows(times, folds):
    time = np.array(times, np.float64)
    m = material(np.zeros(len(times)), time=time, folds=folds, classes=False)
    if len(np.unique(time)) < 3:
        return
    splits = draw(m, "time:t")
    assert_sound(splits, m.rows)
    assert splits.design == "sealed"
    assert time[splits.open].max() < time[splits.sealed].min()
    before = 0
    for fold in splits.folds:
        assert time[fold.train].max() < time[fold.test].min()
        assert len(fold.train) > before  # the window grows
        before = len(fold.train)
    assert sorted([*splits.folds[-1].train, *splits.folds[-1].test]) == sorted(splits.open)


def test_two_points_in_time_stay_open_where_there_are_three():
    time = np.repeat([1.0, 2.0, 3.0], [165, 20, 15])  # 160 of 200 rows: the nearest cut, before the 2, would leave one time to train and validate on
    splits = draw(material(np.zeros(200), time=time, classes=False), "time:t")
    np.testing.assert_array_equal(splits.sealed, np.arange(185, 200))
    assert [(len(fold.train), len(fold.test)) for fold in splits.folds] == [(165, 20)]


def test_time_folds_without_ties_are_those_of_scikit_learn():
    time = np.random.default_rng(0).permutation(600).astype(np.float64)
    splits = draw(material(np.zeros(600), time=time, classes=False), "time:t")
    order = np.argsort(time)
    assert set(splits.sealed) == set(order[480:])
    for fold, (train, test) in zip(splits.folds, TimeSeriesSplit(5, test_size=48).split(order[:480]), strict=True):
        assert set(fold.train) == set(order[train])
        assert set(fold.test) == set(order[test])


def test_equal_times_stay_together_and_the_cut_is_the_nearest():
    time = np.repeat([1.0, 2.0, 3.0, 4.0], [40, 30, 15, 15])  # 80 of 100 rows: after the 3 (85) is nearer than before it (70)
    splits = draw(material(np.zeros(100), time=time, classes=False), "time:t")
    np.testing.assert_array_equal(splits.sealed, np.arange(85, 100))
    assert len(splits.folds) == 2  # three times in the open rows allow two cuts
    assert "2 folds of 5" in splits.why


def test_early_folds_of_one_class_are_left_out_and_said():
    stratum = np.repeat([0, 1, 0], [500, 40, 460])
    splits = draw(material(stratum, time=np.arange(1000.0)), "time:t")
    assert all(len(np.unique(stratum[fold.train])) == 2 for fold in splits.folds)
    assert len(splits.folds) == 3  # cuts at 400, 480, 560, 640, 720: two of them see one class only
    assert "3 folds of 5" in splits.why


@pytest.mark.parametrize(
    "m",
    [
        material(np.tile([0, 1], 20), unit=np.repeat([0, 1], 20)),
        material(np.tile([0, 1], 20), time=np.ones(40)),
        material(np.tile([0, 1], 20), time=np.repeat([0.0, 1.0], 20)),
        material(np.repeat([0, 1], [30, 10]), unit=np.repeat([0, 1, 2, 3], 10)),
        material(np.repeat([0, 1], [30, 10]), time=np.arange(40.0)),
    ],
    ids=["two groups", "one time", "two times", "a class in one group", "one class in all earlier rows"],
)
def test_rows_that_cannot_be_split_are_refused(m):
    with pytest.raises(SourceError) as caught:
        draw(m, "…")
    assert caught.value.code == "TW019"


def test_a_rare_class_is_spread_and_trained_on_in_every_fold():
    for seed in range(10):
        stratum = np.repeat([0, 1, 2, 3], [1500, 1500, 2, 3])
        splits = draw(material(stratum, seed=seed), "random")
        assert (stratum[splits.open] == 2).sum() == 2
        for fold in splits.folds:
            assert set(stratum[fold.train]) == {0, 1, 2, 3}
            assert (stratum[fold.test] == 2).sum() <= 1
        assert "2 classes have fewer rows than there are folds" in splits.why


def test_given_rows_are_sealed_and_few_events_are_said():
    stratum = np.tile([0, 1], 300)
    sealed = np.arange(500, 600)
    splits = draw(material(stratum), "given", given=sealed)
    np.testing.assert_array_equal(splits.sealed, sealed)
    assert "only 50 test events" in splits.why
    assert_sound(splits, np.arange(600))


def test_strata_of_numbers_are_equally_filled_and_ties_share_a_bin(rng):
    values = rng.normal(size=1000)
    np.testing.assert_array_equal(np.bincount(strata(values, classes=False)), np.full(10, 100))
    tied = np.repeat([1.0, 2.0, 3.0], [700, 200, 100])
    bins = strata(tied, classes=False)
    assert all(len(np.unique(bins[tied == value])) == 1 for value in (1, 2, 3))
    assert strata(np.array([np.nan, 1.0]), classes=True).tolist() == [-1, 1]


def test_equal_rows_are_those_that_a_dictionary_finds(rng):
    numbers = rng.integers(0, 12, size=400).astype(np.float64)
    numbers[::37] = np.nan
    more, words, target = rng.integers(0, 15, size=400) / 7, coded([str(v) for v in rng.integers(0, 9, size=400)]), rng.integers(0, 2, 400) * 1.0
    unit, note = equal_rows({"a": numbers, "b": more, "c": words}, target)
    rows = list(zip(np.nan_to_num(numbers, nan=-1.0), more, words.codes, target, strict=True))
    first = {row: index for index, row in reversed(list(enumerate(rows)))}
    same = np.array([first[row] for row in rows])
    np.testing.assert_array_equal(unit[:, None] == unit, same[:, None] == same)
    assert note.startswith(f"{400 - len(first):,} rows repeat")


def test_tables_of_few_combinations_are_split_by_row(rng):
    unit, note = equal_rows({"a": rng.integers(0, 3, 500).astype(np.float64)}, rng.integers(0, 2, 500).astype(np.float64))
    np.testing.assert_array_equal(unit, np.arange(500))
    assert "few combinations" in note


def test_zeros_and_gaps_of_any_form_are_equal():
    odd = np.array([0x7FF8000000000001], np.uint64).view(np.float64)[0]
    unit, _ = equal_rows({"a": np.array([0.0, -0.0, np.nan, odd, *range(1, 9)])}, np.zeros(12))
    assert unit[0] == unit[1] != unit[2] == unit[3]


def test_the_clock_reads_numbers_and_ordered_words_and_refuses_others():
    words = coded(["May", None, "April", "June"])
    made = table({"n": np.arange(4.0), "o": words, "c": words}, kinds={"o": "ordered"}, o={"order": ("April", "May", "June")})
    assert clock(made, "n").tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(clock(made, "o"), [1, np.nan, 0, 2])
    with pytest.raises(SourceError, match="TW034"):
        clock(made, "c")


@pytest.mark.parametrize("split", ["random", "group:g", "time:t"])
def test_the_watched_part_keeps_to_the_rules_of_the_split(rng, split):
    n = 1400
    a = rng.normal(size=n)
    a[n // 2 :: 50] = a[: n // 2 : 50]  # copies, if all else is equal
    target = rng.integers(0, 2, size=n).astype(np.float64)
    target[n // 2 :: 50] = target[: n // 2 : 50]
    group, time = rng.integers(0, 90, size=n), rng.integers(0, 200, size=n)
    made = table({"a": a, "g": group.astype(np.float64), "t": time.astype(np.float64), "y": target})
    dataset = prepare(Plan(target="y", split=split, drop=("g", "t") if split == "random" else ()), made)
    rows = dataset.splits.folds[0].train
    learn, watch = watch_part(dataset, rows, seed=7)
    assert sorted([*learn, *watch]) == list(range(len(rows)))
    assert abs(len(watch) / len(rows) - 1 / 7) < 0.04
    learned, watched = rows[learn], rows[watch]
    if split == "random":
        keys = list(zip(a, target, strict=True))
        assert not {keys[row] for row in learned} & {keys[row] for row in watched}
    if split == "group:g":
        assert not set(group[learned]) & set(group[watched])
    if split == "time:t":
        assert time[learned].max() < time[watched].min()
    again = watch_part(dataset, rows, seed=7)
    np.testing.assert_array_equal(again[1], watch)


def test_a_class_is_never_watched_without_being_learned(rng):
    target = np.repeat([0.0, 1.0, 2.0], [40, 40, 2])
    dataset = prepare(Plan(target="y", task="multiclass"), table({"a": rng.normal(size=82), "y": target}))
    for seed in range(20):
        rows = np.array([*range(30), *range(40, 70), 80])
        learn, _ = watch_part(dataset, rows, seed=seed)
        assert set(target[rows[learn]]) == {0, 1, 2}

"""Windows as columns of a data set: what they may see, what a bundle's step makes of the sealed rows, what is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl
import pytest

from trainwright.data import store
from trainwright.data.dataset import Dataset
from trainwright.data.prepare import prepare
from trainwright.data.read import look_at, read_rows
from trainwright.data.windows import check_same, remembered, seen_beside, shipped, windows_of, with_windows
from trainwright.errors import BundleError, RequestError
from trainwright.plan.read import make_plan
from trainwright.plan.transforms import derived
from trainwright.runtime.columns import take_all


def table(rng: np.random.Generator, rows: int = 1200, keys: int = 12) -> pl.DataFrame:
    """Payments over sixty days; some without a known outcome."""
    start = np.datetime64("2024-01-01T00:00:00")
    when = (start + rng.integers(0, 60 * 24, rows).astype("timedelta64[h]")).astype("datetime64[ms]")
    outcome = rng.choice(["fraud", "fine"], rows, p=[0.3, 0.7]).astype(object)
    outcome[rng.random(rows) < 0.1] = None
    amount = np.round(rng.lognormal(size=rows), 2)
    return pl.DataFrame(
        {
            "when": when,
            "shop": [f"shop {n}" for n in rng.integers(0, keys, rows)],
            "amount": [None if gap else value for gap, value in zip(rng.random(rows) < 0.05, amount.tolist(), strict=True)],
            "outcome": outcome.tolist(),
        }
    )


SENTENCES = ["amount by shop over 2d,10d", "by shop over 1d", "outcome by shop over 5d,20d after 3d"]


def dataset(frame: pl.DataFrame, **fields: object) -> Dataset:
    return look_at(make_plan({"target": "outcome", "split": "time:when", "kinds": {"shop": "category"}, "transforms": SENTENCES} | fields), frame)


def test_columns_come_from_strictly_earlier_rows_and_from_open_targets_that_are_old_enough(rng: np.random.Generator) -> None:
    made = dataset(table(rng))
    columns, splits = made.table.columns, made.splits
    when, shop = columns["when"], columns["shop"].codes
    day = 86_400.0
    known = np.full(made.table.rows, np.nan)
    known[splits.open] = made.target[splits.open]
    for row in (*splits.sealed[::25].tolist(), *splits.open[::150].tolist()):
        same = shop == shop[row]
        earlier = same & (when < when[row]) & (when >= when[row] - 2 * day)
        assert columns["amount count over 2d by shop"][row] == np.count_nonzero(~np.isnan(columns["amount"][earlier]))
        assert columns["count over 1d by shop"][row] == np.count_nonzero(same & (when < when[row]) & (when >= when[row] - day))
        old = same & (when < when[row] - 3 * day) & (when >= when[row] - 8 * day) & ~np.isnan(known)
        assert columns["outcome count over 5d after 3d by shop"][row] == np.count_nonzero(old)
        if old.any():
            assert columns["outcome mean over 5d after 3d by shop"][row] == pytest.approx(known[old].mean())
    names = {name for entry in windows_of(make_plan({"transforms": SENTENCES}).transforms, made) for name in derived(entry)}
    assert names <= {feature.name for feature in made.features}


def test_sealed_targets_are_never_read(rng: np.random.Generator) -> None:
    frame = table(rng)
    first = dataset(frame)
    turned = frame["outcome"].to_list()
    for row in first.splits.sealed.tolist():
        turned[row] = "fine" if turned[row] == "fraud" else "fraud"
    second = dataset(frame.with_columns(pl.Series("outcome", turned)))
    for feature in first.features:
        if feature.kind == "number":
            np.testing.assert_array_equal(first.table.columns[feature.name], second.table.columns[feature.name])


def built(frame: pl.DataFrame, **fields: object) -> Dataset:
    """The same without a look for findings, which is what takes time."""
    asked = make_plan({"target": "outcome"} | fields)
    return with_windows(prepare(asked, read_rows(asked, frame)), asked.transforms)


def two_clocks(rng: np.random.Generator) -> pl.DataFrame:
    """Each payment is booked up to forty days after it was made: the two clocks order the rows in different ways."""
    frame = table(rng, 3000, 300)
    late = rng.integers(0, 40 * 24, 3000)
    split = pl.when(pl.col("when") >= pl.datetime(2024, 2, 15)).then(pl.lit("test")).otherwise(pl.lit("train"))
    tills = [f"till {n}" for n in rng.integers(0, 200, 3000)]
    return frame.with_columns(booked=pl.col("when") + pl.Series(late).cast(pl.Duration("ms")) * 3_600_000, part=split, till=pl.Series(tills))


SPLITS = ["time:when", "time:booked", "group:shop", "group:till", "given:part", "random"]
ACCEPTED = {
    (None, "when", "time:when"),
    (None, "booked", "time:booked"),
    (None, "when", "group:shop"),
    (None, "booked", "group:shop"),
    (None, "when", "given:part"),
    ("outcome", "when", "time:when"),
    ("outcome", "booked", "time:booked"),
}


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("clock", ["when", "booked"])
@pytest.mark.parametrize("of", [None, "outcome"])
def test_what_is_not_refused_sees_neither_sealed_rows_nor_targets_that_come_later(
    rng: np.random.Generator, of: str | None, clock: str, split: str
) -> None:
    """Every split with every clock: whatever is accepted keeps both promises, by brute force; and what is accepted is listed above."""
    frame = two_clocks(rng)
    entry = {"do": "windows", "key": "shop", "time": clock, "over": "20d"} | ({"of": of, "delay": "1d"} if of else {"of": "amount"})
    kinds = {"shop": "category", "till": "category"}
    if (of, clock, split) not in ACCEPTED:
        with pytest.raises(RequestError, match=r"TW04[35]"):
            built(frame, split=split, transforms=[entry], kinds=kinds)
        return
    made = built(frame, split=split, transforms=[entry], kinds=kinds)
    names = [d.schema.name for d in made.table.described if " over " in d.schema.name]
    assert any(np.isfinite(made.table.columns[name][made.splits.open]).any() for name in names)

    def after(rows: np.ndarray) -> Dataset:
        """The same table with other values and other targets in these rows."""
        amounts, outcomes = frame["amount"].to_list(), frame["outcome"].to_list()
        turn = {"fraud": "fine", "fine": "fraud", None: None}
        for row in rows.tolist():
            amounts[row] = None if amounts[row] is None else 1.5  # no larger than the largest open value: the unit in which sums are counted stays
            outcomes[row] = turn[outcomes[row]]
        changed = dataset(
            frame.with_columns(pl.Series("amount", amounts), pl.Series("outcome", outcomes)), split=split, transforms=[entry], kinds=kinds
        )
        np.testing.assert_array_equal(changed.splits.open, made.splits.open)
        return changed

    other = after(made.splits.sealed)
    for name in names:
        np.testing.assert_array_equal(other.table.columns[name][made.splits.open], made.table.columns[name][made.splits.open])
    if of is None:
        return
    time = made.table.columns[split.partition(":")[2]]
    for fold in made.splits.folds:
        rows = np.concatenate([fold.train, fold.test])
        other = after(made.splits.open[time[made.splits.open] > time[fold.test].max()])
        for name in names:
            np.testing.assert_array_equal(other.table.columns[name][rows], made.table.columns[name][rows])


def test_test_rows_that_are_given_must_be_later_whatever_else_splits_the_others(rng: np.random.Generator, tmp_path) -> None:
    frame = two_clocks(rng)
    early, late = (frame.filter(pl.col("part") == part).drop("part") for part in ("train", "test"))
    windows = [{"do": "windows", "key": "shop", "time": "when", "of": "amount", "over": "20d"}]
    targets = [windows[0] | {"of": "outcome", "delay": "1d"}]
    known = late["outcome"].is_not_null().sum()
    late.write_csv(tmp_path / "late.csv")
    early.write_csv(tmp_path / "early.csv")

    def asked(rows: pl.DataFrame, test: str, split: str, transforms: list[dict[str, object]]) -> Dataset:
        return dataset(rows, test=str(tmp_path / test), split=split, transforms=transforms, kinds={"shop": "category", "when": "datetime"})

    for split in ("given", "time:when", "time:booked", "group:shop"):
        assert len(asked(early, "late.csv", split, windows).splits.sealed) == known
        with pytest.raises(RequestError, match="TW043"):
            asked(late, "early.csv", split, windows)
    asked(early, "late.csv", "time:when", targets)
    for split in ("given", "time:booked", "group:shop"):
        with pytest.raises(RequestError, match="TW045"):
            asked(early, "late.csv", split, targets)


# --- the cleaning ledger ---------------------------------------------------------------------------------------------------


def same_features(one: Dataset, rows: np.ndarray, other: Dataset, others: np.ndarray) -> None:
    names = [d.schema.name for d in one.table.described if " over " in d.schema.name]
    assert names
    for name in names:
        np.testing.assert_array_equal(one.table.columns[name][rows], other.table.columns[name][others])


def same_history(one: Dataset, other: Dataset, sentences: list[object]) -> None:
    """What ships knows the same events, and a server is given the same beside."""
    for entry in windows_of(make_plan({"transforms": sentences}).transforms, one):
        step, again = shipped(entry, one), shipped(entry, other)
        assert [step.keys[code] for code in step.key_codes] == [again.keys[code] for code in again.key_codes]
        np.testing.assert_array_equal(step.times, again.times)
        np.testing.assert_array_equal(step.values, again.values)
        beside, too = seen_beside(one, entry, step), seen_beside(other, entry, again)
        for name in (step.key, step.time):
            assert sorted(map(str, values(beside[name]))) == sorted(map(str, values(too[name])))


def values(column) -> list[object]:
    return column.words() if hasattr(column, "words") else column.tolist()


@pytest.mark.parametrize("history", ["keep", "none"])
@pytest.mark.parametrize("key", ["shop", "number"])
def test_copies_that_were_dropped_are_no_events(rng: np.random.Generator, key: str, history: str) -> None:
    """With 200 copies set aside, every column, history and row beside is what the table without copies gives."""
    frame = table(rng).with_columns(number=pl.col("shop").str.slice(5).cast(pl.Int64), note=pl.int_range(1200))  # no row repeats another
    sentences: list[object] = [
        {"do": "windows", "key": key, "of": "amount", "over": ["2d", "10d"], "history": history},
        {"do": "windows", "key": key, "of": "outcome", "over": "5d", "delay": "3d", "history": history},
    ]
    fields = {"transforms": sentences, "kinds": {"shop": "category", "number": "number", "note": "number"}}
    known = frame["outcome"].is_not_null()
    rows = [row for row in rng.permutation(1200).tolist() if known[row]][:200]
    twice = pl.concat([frame, frame[rows]])
    clean = [{"do": "drop duplicates", "because": "sent twice"}]
    plain, cleaned = dataset(frame, **fields), dataset(twice, clean=clean, **fields)
    assert cleaned.dropped["repeats another row"] == 200
    assert cleaned.struck.tolist() == list(range(1200, 1400))
    np.testing.assert_array_equal(cleaned.splits.sealed, plain.splits.sealed)
    same_features(plain, np.arange(1200), cleaned, np.arange(1200))
    same_history(plain, cleaned, sentences)
    kept = dataset(twice, **fields)
    with pytest.raises(AssertionError):  # without the entry they count
        same_features(plain, np.arange(1200), kept, np.arange(1200))


def test_rows_dropped_by_number_and_cells_without_a_share_are_no_events_and_this_is_kept(rng: np.random.Generator, tmp_path) -> None:
    frame = table(rng).with_columns(land=pl.Series(rng.choice(["here", "abroad"], 1200, p=[0.8, 0.2]).tolist()))
    source = dataset(frame).table.source.digest
    made = dataset(frame)
    unknown = frame["outcome"].is_null().arg_true().to_list()
    named = [*made.splits.open[:50].tolist(), *unknown[:10], *made.splits.sealed[:5].tolist()]
    cleaned = dataset(frame, clean=[{"do": "drop rows", "because": "wrong", "rows": named, "of": source}])
    assert cleaned.struck.tolist() == sorted(named[:60])  # sealed ones stay, and go on being what happened
    left = np.setdiff1d(np.arange(1200), cleaned.struck)
    truth = dataset(frame[left.tolist()])
    for entry in ("amount count over 10d by shop", "count over 1d by shop"):
        np.testing.assert_array_equal(cleaned.table.columns[entry][left], truth.table.columns[entry])
    stated = {"land": {"here": 1.0, "abroad": 0.0}}
    weighed = dataset(frame, population=stated, clean=[{"do": "weight", "because": "as stated"}])
    abroad = (frame["land"] == "abroad").to_numpy()
    np.testing.assert_array_equal(weighed.struck, np.flatnonzero(abroad))
    truth = dataset(frame.filter(~pl.Series(abroad)))
    for entry in ("amount count over 10d by shop", "count over 1d by shop"):
        np.testing.assert_array_equal(weighed.table.columns[entry][~abroad], truth.table.columns[entry])
    store.save(weighed, tmp_path / "data")
    again = store.load(tmp_path / "data", check=True)
    np.testing.assert_array_equal(again.struck, weighed.struck)
    assert again.digest == store.digest_of(again) == weighed.digest
    assert store.digest_of(dataclasses.replace(again, struck=again.struck[1:])) != weighed.digest


@pytest.mark.parametrize("history", ["keep", "none"])
@pytest.mark.parametrize("split", ["time:when", "group:shop", "given"])
def test_the_shipped_step_makes_the_same_of_the_sealed_rows(rng: np.random.Generator, history: str, split: str) -> None:
    frame = table(rng, 6000, 1500) if split == "group:shop" else table(rng)
    fields: dict[str, object] = {"split": split}
    sentences = [
        {"do": "windows", "key": "shop", "time": "when", "of": of, "over": over, "history": history}
        for of, over in (("amount", ["2d", "10d"]), (None, ["1d"]))
    ]
    if split == "time:when":
        sentences.append({"do": "windows", "key": "shop", "of": "outcome", "over": ["5d", "20d"], "delay": "3d", "history": history})
    if split == "given":
        late = pl.col("when") >= pl.datetime(2024, 2, 15)
        frame = frame.with_columns(part=pl.when(late).then(pl.lit("test")).otherwise(pl.lit("train")))
        fields["split"] = "given:part"
    made = dataset(frame, transforms=sentences, **fields)
    assert len(made.splits.sealed) > 100
    entries = windows_of(make_plan({"transforms": sentences}).transforms, made)
    assert len(entries) == len(sentences)
    for entry in entries:
        step = shipped(entry, made)
        assert (len(step.times) > 0) == (history == "keep")
        raw = take_all({name: made.table.columns[name] for name in step.reads}, made.splits.sealed)
        columns = step.after(seen_beside(made, entry, step)).apply(raw)
        check_same(made, columns, step.names, made.splits.sealed)
        if history == "none":  # what was seen before makes the difference, and is noticed
            if split != "group:shop":
                with pytest.raises(BundleError, match="TW055"):
                    check_same(made, step.apply(raw), step.names, made.splits.sealed)
        elif split != "group:shop":
            longest = float(step.over.max() + step.delay)
            assert step.times.min() >= made.table.columns["when"][made.splits.open].max() - longest  # no more of the rows than needed


def test_open_rows_without_a_time_take_nothing_from_the_history(rng: np.random.Generator) -> None:
    frame = table(rng, 6000, 1500)
    sentence = "amount by shop at when over 2d,10d"
    whole = dataset(frame, split="group:shop", transforms=sentence)
    lost = np.zeros(frame.height, np.bool_)
    lost[rng.choice(whole.splits.open, 40, replace=False)] = True
    gaps = frame.with_columns(when=pl.when(pl.Series(lost)).then(None).otherwise(pl.col("when")))
    made = dataset(gaps, split="group:shop", transforms=sentence)
    np.testing.assert_array_equal(made.splits.open, whole.splits.open)
    (entry,) = windows_of(make_plan({"transforms": sentence}).transforms, made)
    step, before = shipped(entry, made), shipped(entry, whole)
    when = whole.table.columns["when"]
    kept = np.intersect1d(remembered(whole, before), np.flatnonzero(~lost & (when >= when[whole.splits.open].max() - 10 * 86_400)))
    np.testing.assert_array_equal(np.sort(step.times), np.sort(when[kept]))
    assert len(step.times) > 500


def test_a_dataset_with_windows_is_kept_and_read_back(rng: np.random.Generator, tmp_path) -> None:
    made = dataset(table(rng))
    store.save(made, tmp_path / "data")
    again = store.load(tmp_path / "data", check=True)
    assert again.digest == made.digest == store.digest_of(again)
    assert [feature.name for feature in again.features] == [feature.name for feature in made.features]
    plain = dataset(table(rng), transforms="none")
    assert plain.digest != made.digest
    assert dataclasses.replace(plain).features != made.features


@pytest.mark.parametrize(
    ("fields", "code", "says"),
    [
        ({"split": "random"}, "TW044", "at TIME"),
        ({"split": "random", "transforms": "amount by shop at when over 1d"}, "TW043", "--split time:when"),
        ({"split": "group:amount", "transforms": "by shop at when over 1d"}, "TW043", "--split group:shop"),
        ({"transforms": "amuont by shop over 1d"}, "TW044", "did you mean 'amount'?"),
        ({"transforms": "amount by shops over 1d"}, "TW044", "did you mean 'shop'?"),
        ({"transforms": "shop by shop over 1d"}, "TW044", "only numbers"),
        ({"transforms": "amount by shop over 7"}, "TW044", "7d"),
        ({"transforms": "amount by when over 7d"}, "TW044", "cannot be the key"),
        ({"transforms": "by shop at shop over 7d"}, "TW044", "cannot be the key"),
        ({"transforms": ["amount by shop over 7d", "amount by shop over 7d"]}, "TW044", "already"),
        ({"transforms": "outcome by shop over 7d"}, "TW045", "after 7d"),
        ({"split": "group:shop", "transforms": "outcome by shop at when over 7d after 7d"}, "TW045", "--split time:when"),
        ({"transforms": [{"do": "windows", "key": "shop", "over": "7d", "what": "mean"}]}, "TW044", "name it"),
    ],
)
def test_what_could_not_be_had_when_serving_is_refused(rng: np.random.Generator, fields: dict[str, object], code: str, says: str) -> None:
    with pytest.raises(RequestError) as caught:
        dataset(table(rng), **fields)
    assert caught.value.code == code
    assert says in str(caught.value)


def test_numbers_may_be_times(rng: np.random.Generator) -> None:
    frame = table(rng).with_columns(day=pl.Series(rng.integers(0, 90, 1200).astype(float)))
    made = dataset(frame, split="time:day", transforms="amount by shop over 3,30")
    day, shop = made.table.columns["day"], made.table.columns["shop"].codes
    for row in range(0, 1200, 100):
        seen = (shop == shop[row]) & (day < day[row]) & (day >= day[row] - 3)
        assert made.table.columns["amount count over 3 by shop"][row] == np.count_nonzero(~np.isnan(made.table.columns["amount"][seen]))

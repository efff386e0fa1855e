"""Windows as columns of a data set: what they may see, what a bundle's step makes of the sealed rows, what is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl
import pytest

from trainwright.data import store
from trainwright.data.dataset import Dataset
from trainwright.data.read import look_at
from trainwright.data.windows import check_same, seen_beside, shipped, windows_of
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
        columns = step.after(seen_beside(made, step)).apply(raw)
        check_same(made, columns, step.names, made.splits.sealed)
        if history == "none":  # what was seen before makes the difference, and is noticed
            if split != "group:shop":
                with pytest.raises(BundleError, match="TW055"):
                    check_same(made, step.apply(raw), step.names, made.splits.sealed)
        elif split != "group:shop":
            longest = float(step.over.max() + step.delay)
            assert step.times.min() >= made.table.columns["when"][made.splits.open].max() - longest  # no more of the rows than needed


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

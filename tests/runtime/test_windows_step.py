"""Windowed aggregates against a loop over all pairs of rows, and against Polars' rolling windows."""

from __future__ import annotations

import time as clock

import numpy as np
import polars as pl
import pytest

from trainwright.errors import BundleError
from trainwright.runtime.columns import Coded, take_all
from trainwright.runtime.step import parts
from trainwright.runtime.steps import Windows
from trainwright.runtime.steps.windows import unit_of

WHAT = ("count", "sum", "mean", "min", "max", "since_last")


def made(rng: np.random.Generator, rows: int, keys: int = 5) -> dict[str, object]:
    codes = rng.integers(0, keys, rows).astype(np.int32)
    codes[rng.random(rows) < 0.05] = -1
    when = np.round(rng.uniform(0, 60, rows))  # whole numbers: many rows of one instant
    when[rng.random(rows) < 0.05] = np.nan
    value = np.round(rng.normal(size=rows) * 100) / 4  # quarters: sums are exact
    value[rng.random(rows) < 0.1] = np.nan
    return {"who": Coded(codes, [f"key {n}" for n in range(keys)]), "when": when, "amount": value}


def step(columns: dict[str, object], *, delay: float = 0.0, over: tuple[float, ...] = (3.0, 10.0)) -> Windows:
    names = tuple(f"{what} {window}" for what in WHAT for window in (over if what != "since_last" else over[-1:]))
    return Windows(
        key="who", time="when", of="amount", over=np.array(over), what=WHAT, names=names, delay=delay, unit=unit_of(np.asarray(columns["amount"]))
    )


def by_hand(columns: dict[str, object], *, delay: float, over: tuple[float, ...]) -> dict[str, np.ndarray]:
    """For every row a look at every other row."""
    who, when, amount = columns["who"].codes, columns["when"], columns["amount"]
    out = {}
    for window in over:
        rows = []
        for row in range(len(who)):
            if who[row] < 0 or np.isnan(when[row]):
                rows.append([np.nan] * 6)
                continue
            seen = [o for o in range(len(who)) if who[o] == who[row] and when[row] - delay - window <= when[o] < when[row] - delay]
            known = [amount[o] for o in seen if not np.isnan(amount[o])]
            last = when[row] - max(when[o] for o in seen) if seen else np.nan
            rows.append([len(known), sum(known), *([np.mean(known), min(known), max(known)] if known else [np.nan] * 3), last])
        for what, column in zip(WHAT, np.array(rows).T, strict=True):
            out[f"{what} {window}"] = column
    return out


@pytest.mark.parametrize("delay", [0.0, 4.0])
def test_aggregates_equal_a_loop_over_all_pairs(rng: np.random.Generator, delay: float) -> None:
    columns = made(rng, 300)
    found = step(columns, delay=delay).apply(columns)
    truth = by_hand(columns, delay=delay, over=(3.0, 10.0))
    for name in step(columns).names:
        np.testing.assert_allclose(found[name], truth[name], rtol=1e-12, err_msg=name)
    assert found["amount"] is columns["amount"]  # what was there passes


def test_aggregates_equal_rolling_windows_of_polars(rng: np.random.Generator) -> None:
    rows = 2000
    when = np.sort(rng.choice(10 * rows, rows, replace=False)).astype(float)
    columns = {"who": Coded(rng.integers(0, 9, rows).astype(np.int32), list("abcdefghi")), "when": when, "amount": rng.normal(size=rows)}
    found = step(columns, over=(500.0,)).apply(columns)
    frame = pl.DataFrame({"who": columns["who"].words(), "when": when.astype(int), "amount": columns["amount"], "row": np.arange(rows)})
    rolled = frame.rolling("when", period="500i", closed="left", group_by="who").agg(
        pl.col("amount").count().alias("count"), pl.col("amount").sum().alias("sum"), pl.col("amount").max().alias("max")
    )
    truth = frame.join(rolled, on=["who", "when"], how="left").sort("row")
    np.testing.assert_array_equal(found["count 500.0"], truth["count"].to_numpy())
    np.testing.assert_allclose(found["sum 500.0"], truth["sum"].to_numpy(), atol=1e-9)
    np.testing.assert_allclose(found["max 500.0"], truth["max"].cast(pl.Float64).fill_null(np.nan).to_numpy(), atol=1e-9)


def test_later_rows_with_a_history_are_as_in_the_whole_table_to_the_last_bit(rng: np.random.Generator) -> None:
    columns = made(rng, 600) | {"amount": rng.normal(size=600) * 1e3}
    plain = step(columns)
    whole = plain.apply(columns)
    cut = 40.0
    with np.errstate(invalid="ignore"):
        before, after = np.flatnonzero(columns["when"] < cut), np.flatnonzero(columns["when"] >= cut)
    kept = before[columns["when"][before] >= cut - 10.0]  # the longest window before the cut is all that is needed
    told = plain.after(take_all(columns, kept))
    for history in (told, Windows.from_parts(*parts(told))):
        served = history.apply(take_all(columns, after))
        for name in plain.names:
            np.testing.assert_array_equal(served[name], whole[name][after])
    # Rows that a caller says came before, in any order and in several turns, are as good as a history.
    turned = rng.permutation(before)
    served = plain.after(take_all(columns, turned[:100])).after(take_all(columns, turned[100:])).apply(take_all(columns, after))
    for name in plain.names:
        np.testing.assert_array_equal(served[name], whole[name][after])
    # A row that is predicted although the history has it does not count twice.
    again = dataclasses_until(told).apply(take_all(columns, np.concatenate([kept, after])))
    for name in plain.names:
        np.testing.assert_array_equal(again[name][len(kept) :], whole[name][after])


def test_one_row_at_a_time_sees_the_same_past(rng: np.random.Generator) -> None:
    """With many keys a row looks at its own key's events alone."""
    columns = made(rng, 900, keys=100)
    with np.errstate(invalid="ignore"):
        before, after = np.flatnonzero(columns["when"] < 40), np.flatnonzero(~(columns["when"] < 40))
    told = step(columns).after(take_all(columns, before))
    for row in after[:60]:
        alone = told.apply(take_all(columns, np.array([row])))
        beside = told.after(take_all(columns, after)).apply(take_all(columns, np.array([row])))
        whole = told.apply(take_all(columns, after))
        for name in told.names:
            np.testing.assert_array_equal(beside[name][0], whole[name][np.searchsorted(after, row)])
            if not np.isnan(columns["when"][row]):
                seen = step(columns).apply(take_all(columns, np.append(before, row)))  # as if nothing had come between
                np.testing.assert_array_equal(alone[name][0], seen[name][-1])


def dataclasses_until(made_after: Windows) -> Windows:
    """The step as a bundle holds it: what it knows is its own history, up to each key's last event."""
    import dataclasses

    return dataclasses.replace(made_after, until=np.empty(0))


def test_keys_may_be_numbers_and_need_no_vocabulary_in_common(rng: np.random.Generator) -> None:
    columns = made(rng, 200)
    numbers = columns | {"who": np.where(columns["who"].codes < 0, np.nan, columns["who"].codes * 1.5)}
    first, second = step(columns).apply(columns), step(columns).apply(numbers)
    for name in step(columns).names:
        np.testing.assert_array_equal(first[name], second[name])
    order = rng.permutation(5)
    place = np.empty(6, np.int32)
    place[order], place[5] = np.arange(5), -1
    turned = columns | {"who": Coded(place[columns["who"].codes], [f"key {n}" for n in order])}
    history = step(columns).after(take_all(columns, np.arange(100)))
    for name in step(columns).names:
        np.testing.assert_array_equal(history.apply(columns)[name], history.apply(turned)[name])


def test_a_target_is_read_from_history_and_earlier_rows_alone(rng: np.random.Generator) -> None:
    settings = {"key": "who", "time": "when", "of": "y", "over": np.array([5.0]), "what": ("count", "mean"), "names": ("n", "m"), "delay": 2.0}
    plain = Windows(**settings, target=True, truth=("no", "yes"), values=np.empty(0))
    rows = {"who": Coded(np.zeros(4, np.int32), ["a"]), "when": np.array([1.0, 2, 3, 8]), "y": Coded(np.array([1, 0, 1, 1], np.int32), ["no", "yes"])}
    assert plain.apply(rows)["n"].tolist() == [0, 0, 0, 0]
    served = plain.after(take_all(rows, np.array([0, 1, 2]))).apply(take_all(rows, np.array([3])))
    assert (served["n"].tolist(), served["m"].tolist()) == ([3.0], [2 / 3])  # [8 − 2 − 5, 8 − 2): the rows at 1, 2 and 3
    assert "y" not in plain.reads


def test_extremes_are_finite_and_nothing_is_fine() -> None:
    empty = {"who": Coded(np.empty(0, np.int32), []), "when": np.empty(0), "amount": np.empty(0)}
    plain = step({"amount": np.array([1.0])})
    assert all(len(plain.apply(empty)[name]) == 0 for name in plain.names)
    far = {"who": Coded(np.zeros(3, np.int32), ["a"]), "when": np.array([-1e300, 0.0, 1e300]), "amount": np.array([1e300, -1e300, 1.0])}
    assert not any(np.isinf(plain.apply(far)[name]).any() for name in plain.names)


@pytest.mark.slow
def test_a_million_rows_take_seconds(rng: np.random.Generator) -> None:
    rows = 1_000_000
    columns = {
        "who": Coded(rng.integers(0, 20_000, rows).astype(np.int32), [str(n) for n in range(20_000)]),
        "when": rng.uniform(0, 1e6, rows),
        "amount": rng.normal(size=rows),
    }
    started = clock.process_time()
    step(columns, over=(1e3, 1e4, 1e5)).apply(columns)
    assert clock.process_time() - started < 10


@pytest.mark.parametrize(
    "wrong",
    [
        {"over": np.array([-1.0, 10.0])},
        {"names": ("a",)},
        {"what": ("median",)},
        {"unit": 0.0},
        {"of": ""},
        {"keys": ("a",), "key_codes": np.array([1], np.int32), "times": np.array([1.0]), "values": np.array([1.0])},
        {"keys": ("a",), "key_codes": np.array([0, 0], np.int32), "times": np.array([2.0, 1.0]), "values": np.array([1.0, 1.0])},
        {"delay": -1.0},
    ],
)
def test_impossible_fields_are_refused(rng: np.random.Generator, wrong: dict[str, object]) -> None:
    settings, arrays, _ = parts(step(made(rng, 10)))
    with pytest.raises(BundleError, match="TW054"):
        Windows(**({k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()} | arrays | wrong))

"""Leaks by time, gaps that depend on the target, proxies of protected attributes."""

from __future__ import annotations

import numpy as np
import pytest
from made_datasets import made, seen, words
from sklearn.metrics import roc_auc_score

from trainwright.data.findings import later
from trainwright.data.findings.proxies import area_of

DAY = 86_400.0


def noise_table(rng: np.random.Generator, n: int = 900) -> dict[str, object]:
    return {"a": rng.normal(size=n), "b": rng.normal(size=n), "c": words(rng.integers(0, 5, n))}


def test_a_row_number_of_a_sorted_file(rng: np.random.Generator) -> None:
    columns = noise_table(rng) | {"id": np.arange(900) + 1.0}
    y = (np.arange(900) + rng.normal(scale=200, size=900) > 450).astype(float)
    (finding,) = seen(made(columns, y, classes=("n", "y")), "TW185")  # type: ignore[arg-type]
    assert finding.columns == ("id",)
    assert not seen(made(columns, rng.permutation(y), classes=("n", "y")), "TW185")  # type: ignore[arg-type]
    assert seen(made(columns, np.arange(900) + rng.normal(scale=900, size=900)), "TW185")  # type: ignore[arg-type]


def test_dates_after_the_row(rng: np.random.Generator) -> None:
    start = DAY * rng.uniform(0, 1000, 900)
    y = rng.integers(0, 2, 900)
    closed = start + DAY * np.where(y == 1, rng.uniform(1, 30, 900), rng.uniform(-30, 2, 900))
    kinds = {"start": "datetime", "closed": "datetime"}
    columns = noise_table(rng) | {"start": start, "closed": closed}
    assert {f.columns for f in seen(made(columns, y, classes=("n", "y"), kinds=kinds), "TW186")}  # type: ignore[arg-type]
    timed = made(columns, y, classes=("n", "y"), kinds=kinds, roles={"start": "time"}, how="time:start")  # type: ignore[arg-type]
    assert {f.columns for f in seen(timed, "TW186")} == {("closed",)}
    columns["closed"] = start - DAY * rng.uniform(0, 30, 900)
    timed = made(columns, y, classes=("n", "y"), kinds=kinds, roles={"start": "time"}, how="time:start")  # type: ignore[arg-type]
    assert not seen(timed, "TW186")


def test_of_many_dates_the_first_are_clocks(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two late dates, each later than the first and than one another by class: with pairs for one clock alone, only the first is one."""
    start, y = DAY * rng.uniform(0, 1000, 900), rng.integers(0, 2, 900)
    late = {name: start + DAY * np.where(y == sign, 30, -30) for name, sign in (("up", 1), ("down", 0))}
    columns = noise_table(rng) | {"start": start, **late}
    data = made(columns, y, classes=("n", "y"), kinds=dict.fromkeys(("start", *late), "datetime"))  # type: ignore[arg-type]
    assert {f.figures["clock"] for f in seen(data, "TW186")} == {"start", "up", "down"}
    monkeypatch.setattr(later, "MOST_PAIRS", 3)
    assert {f.figures["clock"] for f in seen(data, "TW186")} == {"start"}


@pytest.mark.parametrize(("step", "timely", "told"), [(1, False, True), (-1, False, True), (1, True, True), (-1, True, False), (7, False, True)])
def test_the_target_of_another_row(rng: np.random.Generator, step: int, timely: bool, told: bool) -> None:
    y = np.cumsum(rng.normal(size=900))
    shifted = np.roll(y, -step)
    order = rng.permutation(900)  # the file is not in the order of time
    columns = noise_table(rng) | {"when": (DAY * np.arange(900))[order], "last": shifted[order]}
    how = "time:when" if timely else "random"
    dataset = made(columns, y[order], kinds={"when": "datetime"}, roles={"when": "time"} if timely else None, how=how)  # type: ignore[arg-type]
    found = seen(dataset, "TW187")
    assert bool(found) == told
    assert all(f.columns == ("last",) for f in found)


def test_classes_of_other_rows_and_long_runs(rng: np.random.Generator) -> None:
    y = rng.integers(0, 2, 900)
    columns = noise_table(rng) | {"next": words([("n", "y")[k] for k in np.roll(y, -1)])}
    assert seen(made(columns, y, classes=("n", "y")), "TW187")[0].figures["future"]  # type: ignore[arg-type]
    runs = np.repeat([0, 1, 0, 1, 0, 1], 150)
    slow = noise_table(rng) | {"x": runs.astype(float)}  # equals the next row's class nearly always, but never where it changes
    assert not seen(made(slow, runs, classes=("n", "y")), "TW187")  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["with", "around", "after", "before"])
def test_moving_means_of_the_target(rng: np.random.Generator, place: str) -> None:
    y = rng.normal(size=1200)
    shift = {"with": 0, "around": 3, "after": 7, "before": -1}[place]
    mean = np.convolve(y, np.ones(7) / 7)[: len(y)]  # of a row and the six before
    columns = noise_table(rng, 1200) | {"mean": np.roll(mean, -shift)}
    (finding,) = seen(made(columns, y), "TW187")  # type: ignore[arg-type]
    assert finding.columns == ("mean",)
    assert finding.figures["future"] == (place != "before")


def test_a_target_encoding_made_outside(rng: np.random.Generator) -> None:
    town = rng.integers(0, 60, 1500)
    y = rng.normal(size=60)[town] + rng.normal(size=1500)
    means = np.bincount(town, weights=y) / np.bincount(town)
    size = rng.normal(size=60)[town]  # a fact about the town
    columns = noise_table(rng, 1500) | {"town": words(town), "code": means[town], "size": size}
    assert {f.columns for f in seen(made(columns, y), "TW187")} == {("code",)}  # type: ignore[arg-type]


def test_gaps_that_depend_on_the_target(rng: np.random.Generator) -> None:
    y = rng.integers(0, 2, 1500)
    chance = rng.uniform(size=1500)
    columns = noise_table(rng, 1500)
    columns |= {"some": np.where(chance < 0.1 + 0.2 * y, np.nan, 1.0 + chance), "most": np.where(chance < 0.05 + 0.9 * y, np.nan, chance)}
    columns |= {"random": np.where(rng.uniform(size=1500) < 0.3, np.nan, chance)}
    (finding,) = seen(made(columns, y, classes=("n", "y")), "TW184")  # type: ignore[arg-type]
    assert finding.columns == ("most", "some")
    assert [finding.figures[name]["leaky"] for name in finding.columns] == [True, False]
    numbers = y + rng.normal(size=1500)
    assert seen(made(columns, numbers), "TW184")[0].columns == ("most", "some")  # type: ignore[arg-type]


def test_proxies_of_a_group(rng: np.random.Generator) -> None:
    sex = rng.integers(0, 2, 1500)
    height = 165 + 13 * sex + 6 * rng.normal(size=1500)
    columns = noise_table(rng, 1500) | {"sex": words(["f", "m"])}
    columns |= {"sex": words([("f", "m")[k] for k in sex]), "height": height}
    y = rng.integers(0, 2, 1500)
    (finding,) = seen(made(columns, y, classes=("n", "y")), "TW188", protected=("sex",))  # type: ignore[arg-type]
    assert finding.figures["proxies"] == ["height"]
    value, low, high = finding.figures["alone"]["height"]
    assert value == pytest.approx(roc_auc_score(sex, height), abs=0.02)
    assert low < value < high
    assert finding.figures["together"][0] >= 0.9
    columns["height"] = rng.permutation(height)
    assert not seen(made(columns, y, classes=("n", "y")), "TW188", protected=("sex",))  # type: ignore[arg-type]


def test_the_area_is_that_of_scikit_learn(rng: np.random.Generator) -> None:
    groups = rng.integers(0, 3, 400)
    scores = rng.normal(size=(400, 3)).round(1)
    scores[np.arange(400), groups] += 1
    truth = sum((groups == k).mean() * roc_auc_score(groups == k, scores[:, k]) for k in range(3))
    assert area_of(scores, groups.astype(np.int32), 3).value == pytest.approx(truth, abs=1e-12)

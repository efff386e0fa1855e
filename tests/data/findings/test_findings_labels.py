"""Wrong labels and wrong numbers as target: planted ones found, clean and hopeless tables quiet."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from made_datasets import made, seen, words
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

from conftest import package_file
from trainwright.data.dataset import Dataset, Finding
from trainwright.data.findings.labels import Suspects, apart, suspects_of, told


def table(data: np.ndarray, target: np.ndarray, classes: int) -> Dataset:
    return made({f"n{i}": data[:, i].astype(float) for i in range(data.shape[1])}, target, classes=tuple(f"k{i}" for i in range(classes)))


def flipped(rng: np.random.Generator, y: np.ndarray, classes: int, part: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    rows = rng.choice(len(y), round(part * len(y)), replace=False)
    y = y.copy()
    y[rows] = (y[rows] + rng.integers(1, classes, len(rows))) % classes
    return y, rows


def found(finding: Finding, rows: np.ndarray) -> tuple[float, float]:
    told = set(finding.figures["rows"])
    return len(told & set(rows.tolist())) / len(rows), len(told & set(rows.tolist())) / len(told)


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
def test_flips_are_found_and_clean_labels_are_not_accused(rng: np.random.Generator, load: object) -> None:
    data, y = load(return_X_y=True)  # type: ignore[operator]
    classes = int(y.max()) + 1
    assert not seen(table(data, y, classes), "TW182")
    wrong, rows = flipped(rng, y, classes, 0.08)
    (finding,) = seen(table(data, wrong, classes), "TW182")
    recall, precision = found(finding, rows)
    assert recall >= 0.8
    assert precision >= 0.5
    assert finding.figures["noise"][1] <= 0.08 <= finding.figures["noise"][2]
    for proposal in finding.proposes:
        assert proposal["do"] == "relabel"
        right = [f"k{y[row]}" == to for row, to in zip(proposal["rows"], proposal["to"], strict=True)]
        assert np.mean(right) >= 0.8


def test_many_classes_with_a_mistake_of_one_kind(rng: np.random.Generator) -> None:
    data, y = load_digits(return_X_y=True)
    assert not seen(table(data, y, 10), "TW182")
    rows = rng.permutation(np.flatnonzero(y == 3))[:45]
    wrong = y.copy()
    wrong[rows] = 8
    (finding,) = seen(table(data, wrong, 10), "TW182")
    recall, precision = found(finding, rows)
    assert recall >= 0.7  # a quarter of one class is called by another's name: harder than flips at random
    assert precision >= 0.5


@pytest.mark.parametrize("rare", [0.5, 0.08])
def test_noise_and_overlap_accuse_nobody(rng: np.random.Generator, rare: float) -> None:
    x = rng.normal(size=(1500, 6))
    noise = (rng.uniform(size=1500) < rare).astype(float)
    overlap = (rng.uniform(size=1500) < 1 / (1 + np.exp(-x[:, 0] - np.log(rare / (1 - rare))))).astype(float)
    for y in (noise, overlap):
        assert not seen(table(x, y, 2), "TW182")


def test_penguins_with_words_and_gaps(rng: np.random.Generator) -> None:
    frame = pl.read_csv(package_file("palmerpenguins", "data/penguins.csv"), null_values="NA")
    columns = {name: words(frame[name].to_list()) for name in ("island", "sex")}
    for name in ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"):
        columns[name] = frame[name].cast(pl.Float64).to_numpy(writable=True)  # type: ignore[assignment]
    y = frame["species"].cast(pl.Categorical).to_physical().to_numpy().astype(int)
    _, y = np.unique(y, return_inverse=True)
    assert not seen(made(columns, y, classes=("a", "b", "c")), "TW182")  # type: ignore[arg-type]
    wrong, rows = flipped(rng, y, 3)
    (finding,) = seen(made(columns, wrong, classes=("a", "b", "c")), "TW182")  # type: ignore[arg-type]
    assert found(finding, rows)[0] >= 0.8


def test_suspects_by_hand() -> None:
    """Of each class 100 rows, from sure to unsure; every twentieth is contradicted, and of the ten least sure nine. Widest margins come first."""
    sure = np.linspace(0.99, 0.55, 100)
    chances = np.vstack([np.column_stack([sure, 1 - sure]), np.column_stack([1 - sure, sure])])
    other = np.zeros(100, dtype=bool)
    other[::20] = True
    other[91:] = True
    labels = np.concatenate([other, ~other]).astype(int)
    seen_ = suspects_of(chances, labels)
    assert seen_.low <= 0.05 <= seen_.high
    assert {place % 100 for place in seen_.places[:10].tolist()} == set(range(0, 100, 20))
    assert len(seen_.places) <= 20
    assert seen_.seems.tolist() == (seen_.places >= 100).astype(int).tolist()
    np.testing.assert_allclose(seen_.margin, 2 * np.concatenate([sure, sure])[seen_.places] - 1)
    assert seen_.expected > 0.6


def test_how_far_apart_by_hand() -> None:
    """Two classes of 50 rows: right in 40 of 50 where 0 is said and in 40 of 50 where 1 is; by chance it would be half."""
    said = np.repeat([0, 1], 50)
    labels = np.concatenate([np.repeat([0, 1], [40, 10]), np.repeat([1, 0], [40, 10])])
    chances = np.eye(2)[said]
    assert apart(chances, labels, 0.0) == pytest.approx((0.8 - 0.5) / 0.5)
    assert apart(chances, labels, 0.1) == pytest.approx((0.9 - 0.5) / 0.5)
    for noise, said_so in ((0.05, False), (0.1, True)):  # 0.7 and 0.8 of the way: told from 0.75 on
        seen_ = Suspects(np.arange(40, 50), np.zeros(10, dtype=np.int64), np.ones(10), noise, noise, noise, 0.9)
        assert told(seen_, chances, labels) is said_so


def test_two_flips_in_a_hundred_are_found(rng: np.random.Generator) -> None:
    data, y = load_digits(return_X_y=True)
    wrong, rows = flipped(rng, y, 10, 0.02)
    (finding,) = seen(table(data, wrong, 10), "TW182")
    recall, precision = found(finding, rows)
    assert recall >= 0.8
    assert precision >= 0.5


def test_wrong_numbers_are_found(rng: np.random.Generator) -> None:
    x = rng.normal(size=(800, 4))
    y = 10 + x[:, 0] + 0.5 * x[:, 1] ** 2 + 0.2 * rng.normal(size=800)
    assert not seen(table(x, y, 0), "TW183")
    y[[5, 300]] *= 10  # a slipped decimal point
    (finding,) = seen(table(x, y, 0), "TW183")
    assert sorted(finding.figures["rows"]) == [5, 300]
    assert finding.proposes[0]["do"] == "drop rows"
    data, target = load_diabetes(return_X_y=True)
    assert not seen(table(data, target, 0), "TW183")

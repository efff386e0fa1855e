"""Near copies: planted ones found (small changes, a changed cell, changed words), coarse and dense tables quiet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_datasets import made, seen, words
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine

from trainwright.data.dataset import Fold
from trainwright.data.findings import near
from trainwright.data.findings.interface import Subject
from trainwright.data.findings.near import candidates, cells_of, dimension


def columns_of(data: np.ndarray) -> dict[str, np.ndarray]:
    return {f"n{i}": data[:, i].astype(float) for i in range(data.shape[1])}


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine, load_iris, load_digits])
def test_clean_tables_have_no_near_copies(load: object) -> None:
    assert not seen(made(columns_of(load().data)), "TW180")  # type: ignore[operator, arg-type]


@pytest.mark.parametrize("load", [load_breast_cancer, load_wine])
@pytest.mark.parametrize("how", ["jitter", "one cell"])
def test_planted_copies_are_found(rng: np.random.Generator, load: object, how: str) -> None:
    data = load().data  # type: ignore[operator]
    n = len(data)
    rows = rng.choice(n, 20, replace=False)
    copies = data[rows].copy()
    if how == "jitter":
        copies += 0.001 * data.std(axis=0) * rng.normal(size=copies.shape)
    else:
        copies[np.arange(20), rng.integers(0, data.shape[1], 20)] = rng.permutation(data[:, 0])[:20] + 0.123
    (finding,) = seen(made(columns_of(np.vstack([data, copies]))), "TW180")  # type: ignore[arg-type]
    told = {tuple(pair) for pair in finding.figures["examples"]}
    truth = {(int(row), n + place) for place, row in enumerate(rows)}
    assert len(told & truth) >= 18
    assert len(told - truth) <= 1
    assert finding.proposes[0]["rows"][-1] >= n


def test_words_of_few_values_agree_by_chance(rng: np.random.Generator) -> None:
    columns = {f"c{i}": words(rng.integers(0, 3, 1500)) for i in range(8)}
    assert not seen(made(columns), "TW180")  # type: ignore[arg-type]


def test_pairs_that_the_folds_part_are_counted(rng: np.random.Generator) -> None:
    x = rng.normal(size=(400, 8))
    x[200:210] = x[:10] + 1e-4
    dataset = made(columns_of(x))  # type: ignore[arg-type]
    test = np.arange(200)
    folds = (Fold(np.setdiff1d(np.arange(400), test), test), Fold(test, np.setdiff1d(np.arange(400), test)))
    (finding,) = seen(replace(dataset, splits=replace(dataset.splits, folds=folds)), "TW180")
    assert finding.figures["pairs"] == finding.figures["parted"] == 10


def test_near_copies_across_a_given_split(rng: np.random.Generator) -> None:
    x = rng.normal(size=(600, 8))
    x[500:512] = x[:12] + 1e-4
    sealed = np.arange(500, 600)
    (finding,) = seen(made(columns_of(x), rng.normal(size=600), how="given", sealed=sealed), "TW181")  # type: ignore[arg-type]
    assert finding.figures["rows"] == list(range(500, 512))
    x[500:512] = rng.normal(size=(12, 8))
    assert not seen(made(columns_of(x), rng.normal(size=600), how="given", sealed=sealed), "TW181")  # type: ignore[arg-type]


@pytest.mark.parametrize("flat", [2, 5])
def test_the_dimension_is_that_of_the_plane(rng: np.random.Generator, flat: int) -> None:
    x = rng.uniform(-1, 1, (500, flat)) @ rng.normal(size=(flat, 12))
    subject = Subject(made(columns_of(x)))  # type: ignore[arg-type]
    cells = replace(cells_of(subject, list(subject.features), np.arange(500)), aside=0)
    assert dimension(cells, np.arange(500)) == pytest.approx(flat, rel=0.35)


def test_where_candidates_are_too_many_those_equal_in_most_bands_stay(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    x = rng.normal(size=(4000, 8))
    x[3900:] = x[:100]
    x[np.arange(3900, 4000), rng.integers(0, 8, 100)] += 3.0  # one cell is another
    cells = cells_of(Subject(made(columns_of(x))), [f"n{i}" for i in range(8)], np.arange(4000))  # type: ignore[arg-type]
    assert len(candidates(cells, np.random.default_rng(1))[0]) > 4000
    monkeypatch.setattr(near, "MOST_PAIRS", 400)
    first, second = candidates(cells, np.random.default_rng(1))
    assert len(first) == 400
    assert len({(int(a), int(b)) for a, b in zip(first, second, strict=True)} & {(i, 3900 + i) for i in range(100)}) >= 90

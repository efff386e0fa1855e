"""Sketches say how rows were spread, and nothing about anybody."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from trainwright.bundle.sketches import LEAST, sketch, sketch_column
from trainwright.runtime.columns import Coded
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.steps import Decide

NUMBER = ColumnSchema(name="n", kind="number")
WORD = ColumnSchema(name="w", kind="category")


def coded(words: list[str | None]) -> Coded:
    vocabulary = sorted({word for word in words if word is not None})
    return Coded(np.array([-1 if word is None else vocabulary.index(word) for word in words], np.int32), vocabulary)


def test_the_grid_is_numpys_quantiles_and_the_bins_count_every_row(rng: np.random.Generator):
    column = rng.normal(100, 15, size=5000)
    column[:250] = np.nan
    found = sketch_column(column, NUMBER)
    known = column[250:]
    assert found["missing"] == 0.05
    np.testing.assert_allclose(found["grid"]["values"], np.quantile(known, found["grid"]["shares"]), atol=0.05)
    assert len(found["grid"]["shares"]) == 99
    edges, counts = found["bins"]["edges"], found["bins"]["counts"]
    assert counts == np.histogram(known, [-np.inf, *edges, np.inf])[0].tolist()
    assert 10 <= len(counts) <= 20
    assert min(counts) >= LEAST


@pytest.mark.parametrize("count", [0, 1, 9, 15, 19])
def test_too_few_rows_leave_no_grid(count: int, rng: np.random.Generator):
    found = sketch_column(rng.normal(size=count), NUMBER)
    assert found["grid"]["values"] == found["bins"]["edges"] == []
    assert found["rows"] == count


@pytest.mark.parametrize("count", [25, 60, 400])
def test_extremes_and_single_figures_do_not_ship(count: int, rng: np.random.Generator):
    column = np.exp(rng.normal(size=count)) * 1000
    column[3], column[5] = 9_876_543.21, -1_234_567.89
    found = sketch_column(column, NUMBER)
    values = np.array(found["grid"]["values"] + found["bins"]["edges"])
    assert (column < values.min()).sum() >= LEAST - 1
    assert (column > values.max()).sum() >= LEAST - 1
    assert not set(values.tolist()) & set(column.tolist())
    assert all(total >= LEAST for total in found["bins"]["counts"])


def test_whole_numbers_stay_whole():
    found = sketch_column(np.repeat(np.arange(5.0), 100), NUMBER)
    assert found["bins"]["edges"] == [1.0, 2.0, 3.0, 4.0]
    assert found["bins"]["counts"] == [100] * 5
    constant = sketch_column(np.full(50, 7.0), NUMBER)
    assert constant["bins"]["counts"] == [50]


def test_rare_words_are_merged():
    column = coded(["clerk"] * 40 + ["smith"] * 10 + ["pilot"] * 9 + ["king"] + [None] * 20)
    found = sketch_column(column, WORD)
    assert found["words"] == {"clerk": 40, "smith": 10}
    assert (found["other"], found["missing"], found["distinct"]) == (10, 0.25, 4)
    assert "king" not in json.dumps(found)


@pytest.mark.parametrize("kind", ["text", "identifier"])
def test_texts_and_identifiers_leave_no_word(kind: str):
    found = sketch_column(coded(["Mary Smith"] * 50), ColumnSchema(name="w", kind=kind))
    assert "Mary" not in json.dumps(found)
    assert found["other"] == 50


def test_the_sketch_of_a_dataset_reads_open_rows_alone(rng: np.random.Generator):
    columns = {"n": np.concatenate([rng.normal(size=100), np.full(50, 1e6)]), "w": coded(["a"] * 100 + ["sealed"] * 50)}
    dataset = SimpleNamespace(splits=SimpleNamespace(open=np.arange(100)), table=SimpleNamespace(columns=columns), features=(), classes=("no", "yes"))
    outputs = np.column_stack([np.linspace(0, 1, 100), np.linspace(1, 0, 100)])
    found = sketch(dataset, outputs, features=(NUMBER, WORD), decide=Decide(classes=("no", "yes")))
    assert "sealed" not in json.dumps(found)
    assert max(found["features"]["n"]["grid"]["values"]) < 10
    assert found["answers"] == {"no": 0.5, "yes": 0.5}
    assert [sum(column["bins"]["counts"]) for column in found["predictions"]] == [100, 100]
    json.dumps(found, allow_nan=False)
    late = sketch(dataset, outputs, features=(WORD,), decide=Decide(classes=("no", "yes"), threshold=0.9))
    assert late["answers"] == {"no": 0.9, "yes": 0.1}  # as the bundle would say
    assert list(late["features"]) == ["w"]
    assert sketch(dataset, outputs[:, :1], features=(), decide=None)["answers"] == {}

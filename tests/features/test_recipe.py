from __future__ import annotations

import time

import numpy as np
import pytest

from trainwright.features import numbers, scale
from trainwright.features.feature import Feature
from trainwright.features.recipe import apply, fit_recipe
from trainwright.features.transform import count, summarise
from trainwright.runtime.columns import Coded, take_all
from trainwright.runtime.schema import ColumnSchema


def alone(column, row: int):
    """One row, whose vocabulary is its own word."""
    if not isinstance(column, Coded):
        return column[row : row + 1]
    code = column.codes[row]
    return Coded(np.array([0 if code >= 0 else -1], np.int32), [column.vocabulary[code]] if code >= 0 else [])


READS = ("scaled", "filled", "coded")


def schema(name: str, kind: str, **more) -> ColumnSchema:
    return ColumnSchema(name=name, kind=kind, **more)


@pytest.fixture
def table(rng):
    rows = 300
    age = rng.normal(40, 9, rows)
    age[::7] = np.nan
    words = rng.integers(0, 4, rows).astype(np.int32)
    words[::11] = -1
    town = rng.choice(40, rows, p=np.r_[np.full(20, 0.04), np.full(20, 0.01)]).astype(np.int32)
    when = 1.6e9 + rng.uniform(0, 3e7, rows)
    when[::13] = np.nan
    columns = {
        "age": age,
        "same": np.full(rows, 3.0),
        "empty": np.full(rows, np.nan),
        "there": np.where(np.arange(rows) % 5 == 0, np.nan, 1.0),
        "member": np.where(rng.random(rows) < 0.3, 1.0, 0.0),
        "when": when,
        "size": Coded(rng.integers(-1, 3, rows).astype(np.int32), ["large", "small", "middle"]),
        "colour": Coded(words, ["red", "green", "blue", "grey"]),
        "town": Coded(town, [f"town {n}" for n in range(40)]),
        "only": Coded(np.zeros(rows, np.int32), ["x"]),
        "nothing": Coded(np.full(rows, -1, np.int32), []),
        "memo": Coded(np.arange(rows, dtype=np.int32), [f"memo {n}" for n in range(rows)]),
    }
    schemas = (
        schema("age", "number"), schema("same", "number"), schema("empty", "number"), schema("there", "number"), schema("member", "yesno"),
        schema("when", "datetime"), schema("size", "ordered", order=("small", "middle", "large")), schema("colour", "category"),
        schema("town", "category"), schema("only", "category"), schema("nothing", "category"), schema("memo", "text"),
    )  # fmt: skip
    return schemas, columns


@pytest.mark.parametrize("reads", READS)
def test_the_matrix_is_what_the_steps_make(table, rng, reads):
    schemas, columns = table
    made = fit_recipe(reads, schemas, columns, None, rng)
    assert made.matrix.dtype == np.float32
    assert made.matrix.flags.c_contiguous
    assert made.matrix.shape == (300, len(made.features))
    np.testing.assert_array_equal(apply(made.steps, columns), made.matrix)
    for row in (0, 7, 11, 13):  # one row, with a vocabulary of its own, gives the same numbers
        one = {name: alone(column, row) for name, column in columns.items()}
        np.testing.assert_array_equal(apply(made.steps, one)[0], made.matrix[row])
    assert {"same", "empty", "only", "nothing", "memo"} == set(made.left_out)
    if reads != "coded":
        assert np.isfinite(made.matrix).all()


@pytest.mark.parametrize("reads", READS)
def test_a_served_vocabulary_may_have_any_order(table, rng, reads):
    schemas, columns = table
    made = fit_recipe(reads, schemas, columns, None, rng)
    turned = {}
    for name, column in columns.items():
        if isinstance(column, Coded):
            order = rng.permutation(len(column.vocabulary) + 2)
            words = [*column.vocabulary, "never seen", "nor this"]
            place = np.empty(len(order) + 1, np.int32)
            place[order], place[-1] = np.arange(len(order)), -1
            turned[name] = Coded(place[column.codes], [words[n] for n in order])
        else:
            turned[name] = column
    np.testing.assert_array_equal(apply(made.steps, turned), made.matrix)


def test_scaled_numbers_against_numpy(table, rng):
    schemas, columns = table
    made = fit_recipe("scaled", schemas, columns, None, rng)
    by_name = {feature.name: made.matrix[:, number] for number, feature in enumerate(made.features)}
    filled = np.where(np.isnan(columns["age"]), np.nanmedian(columns["age"]), columns["age"])
    np.testing.assert_allclose(by_name["age"], (filled - filled.mean()) / filled.std(), atol=1e-5)
    np.testing.assert_array_equal(by_name["age is missing"], np.isnan(columns["age"]))
    np.testing.assert_array_equal(by_name["there is missing"], np.isnan(columns["there"]))
    assert "there" not in by_name  # constant beyond its gaps
    np.testing.assert_array_equal(by_name["colour = red"], columns["colour"].codes == 0)
    np.testing.assert_array_equal(by_name["colour is missing"], columns["colour"].codes < 0)
    rare = np.bincount(columns["town"].codes, minlength=40) < 10
    assert 0 < rare.sum() < 40
    np.testing.assert_array_equal(by_name["town is another"], rare[columns["town"].codes])
    assert not any(name == f"town = town {n}" for name in by_name for n in np.flatnonzero(rare))
    place = np.array([2, 0, 1, 1])[columns["size"].codes].astype(float)  # large, small, middle; a gap (−1 picks the last): the median rank
    assert np.median(place[columns["size"].codes >= 0]) == 1
    np.testing.assert_allclose(by_name["size"], (place - place.mean()) / place.std(), atol=1e-5)


def test_coded_and_filled_categories(table, rng):
    schemas, columns = table
    coded = fit_recipe("coded", schemas, columns, None, rng)
    kinds = {feature.name: feature.kind for feature in coded.features}
    assert kinds["colour"] == kinds["town"] == "code"
    assert kinds["size"] == "number"
    town = coded.matrix[:, [f.name for f in coded.features].index("town")]
    counts = np.bincount(columns["town"].codes, minlength=40)
    rare = counts < 10
    assert (town[rare[columns["town"].codes]] == (~rare).sum()).all()
    for code in np.flatnonzero(~rare):
        assert len(np.unique(town[columns["town"].codes == code])) == 1
    filled = fit_recipe("filled", schemas, columns, None, rng)
    rank = filled.matrix[:, [f.name for f in filled.features].index("rank of town")]
    order = sorted((n for n in range(40) if not rare[n]), key=lambda n: (-counts[n], f"town {n}"))
    np.testing.assert_array_equal(rank, [order.index(c) if not rare[c] else len(order) for c in columns["town"].codes.tolist()])


@pytest.mark.parametrize("reads", READS)
def test_only_the_rows_given_count(table, rng, reads):
    """What other rows hold, even words that stand in the shared vocabulary, changes nothing."""
    schemas, columns = table
    some = np.arange(0, 300, 2)
    part = take_all(columns, some)
    made = fit_recipe(reads, schemas, part, None, rng)
    other = {name: Coded(c.codes, [*c.vocabulary, "elsewhere"]) if isinstance(c, Coded) else c.copy() for name, c in part.items()}
    again = fit_recipe(reads, schemas, other, None, rng)
    np.testing.assert_array_equal(made.matrix, again.matrix)
    assert made.features == again.features
    served = apply(made.steps, {**part, "colour": Coded(np.zeros(150, np.int32), ["elsewhere"])})
    assert served.shape == made.matrix.shape


@pytest.mark.parametrize("reads", READS)
def test_edges_of_serving(table, rng, reads):
    schemas, columns = table
    made = fit_recipe(reads, schemas, columns, None, rng)
    rows = 3
    empty = {name: Coded(np.full(rows, -1, np.int32), []) if isinstance(c, Coded) else np.full(rows, np.nan) for name, c in columns.items()}
    unseen = {name: Coded(np.zeros(rows, np.int32), ["?"]) if isinstance(c, Coded) else np.full(rows, 1e305) for name, c in columns.items()}
    for given in (empty, unseen):
        served = apply(made.steps, given)
        assert served.shape == (rows, len(made.features))
        assert not np.isinf(served).any()
        if reads != "coded":
            assert np.isfinite(served).all()


@pytest.mark.parametrize("reads", READS)
def test_no_feature_left(rng, reads):
    columns = {"a": np.zeros(4), "b": Coded(np.zeros(4, np.int32), ["x"])}
    made = fit_recipe(reads, (schema("a", "number"), schema("b", "category")), columns, None, rng)
    assert made.matrix.shape == (4, 0)
    assert made.features == ()
    assert apply(made.steps, {"a": np.ones(2), "b": Coded(np.zeros(2, np.int32), ["y"])}).shape == (2, 0)


def test_readers_of_no_matrix(table, rng):
    schemas, columns = table
    assert fit_recipe("nothing", schemas, columns, None, rng).matrix.shape == (300, 0)
    made = fit_recipe("columns", schemas, columns, None, rng)
    assert made.matrix is None
    assert apply(made.steps, columns) is columns


def test_summaries_equal_numpy(rng):
    block = rng.normal(size=(5, 101))
    block[rng.random(block.shape) < 0.3] = np.nan
    block = block.astype(np.float32).astype(np.float64)
    seen = summarise({str(n): row for n, row in enumerate(block)}, [str(n) for n in range(5)])
    np.testing.assert_array_equal(seen.known, (~np.isnan(block)).sum(axis=1))
    np.testing.assert_allclose(seen.median, np.nanmedian(block, axis=1), rtol=1e-12)
    np.testing.assert_allclose(seen.mean, np.nanmean(block, axis=1), rtol=1e-12)
    np.testing.assert_array_equal(seen.low, np.nanmin(block, axis=1))
    np.testing.assert_array_equal(seen.high, np.nanmax(block, axis=1))


def test_count_orders_by_frequency_then_word():
    codes = np.repeat([0, 1, 2, 3, -1], [12, 30, 12, 9, 4]).astype(np.int32)
    seen = count(Coded(codes, ["b", "c", "a", "rare"]))
    assert (seen.words, seen.rows, seen.rare, seen.missing) == (("c", "a", "b"), (30, 12, 12), 9, 4)


def test_large_offsets_keep_their_digits(rng):
    """Numbers such as 1,000,000,000 + 1, 2, 3 differ in digits that float32 does not have; what is left of them after centring does."""
    base = np.array([1e9, -4e12, 1e15])
    small = rng.integers(0, 50, (3, 200)).astype(float)
    columns = {str(n): base[n] + small[n] for n in range(3)}
    schemas = tuple(schema(str(n), "number") for n in range(3))
    for reads in READS:
        made = fit_recipe(reads, schemas, columns, None, rng)
        for n in range(3):
            assert len(np.unique(made.matrix[:, n])) == len(np.unique(small[n]))
            assert abs(np.corrcoef(made.matrix[:, n], small[n])[0, 1]) > 0.999999


def test_scale_leaves_what_does_not_vary(rng):
    matrix = np.stack([np.full(9, 7.0), np.arange(9.0), np.arange(9) % 2], axis=1).astype(np.float32)
    made = scale.fit(matrix, (Feature("a", "a", "number"), Feature("b", "b", "number"), Feature("c", "c", "indicator")), None, rng)
    np.testing.assert_allclose(made.matrix[:, 0], 0)
    np.testing.assert_allclose(made.matrix[:, 1], (np.arange(9) - 4) / np.std(np.arange(9)), rtol=1e-6)
    np.testing.assert_array_equal(made.matrix[:, 2], matrix[:, 2])


def test_mean_imputation(rng):
    made = numbers.fit({"a": np.array([1, 2, 6, np.nan])}, (schema("a", "number"),), None, rng, by="mean")
    np.testing.assert_array_equal(made.matrix, np.array([[1, 0], [2, 0], [6, 0], [3, 1]], np.float32))


def test_ten_thousand_columns_take_seconds(rng):
    """Neither quadratic nor cell by cell: ten times the columns, about ten times the time, and little of it."""
    rows, wide = 200, 10_000
    block = rng.normal(size=(wide // 2, rows))
    block[rng.random(block.shape) < 0.05] = np.nan
    words = rng.integers(0, 5, (wide // 2, rows)).astype(np.int32)
    columns = {f"n{n}": block[n] for n in range(wide // 2)} | {f"w{n}": Coded(words[n], list("abcde")) for n in range(wide // 2)}
    schemas = tuple(schema(name, "number" if name[0] == "n" else "category") for name in columns)
    started = time.process_time()
    for reads in READS:
        made = fit_recipe(reads, schemas, columns, None, rng)
        apply(made.steps, {name: Coded(c.codes[:1], c.vocabulary) if isinstance(c, Coded) else c[:1] for name, c in columns.items()})
    assert time.process_time() - started < 8

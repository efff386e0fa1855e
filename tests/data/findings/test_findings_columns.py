"""Single columns, columns that say the same, and the target."""

from __future__ import annotations

import numpy as np
import pytest
from made_datasets import made, seen, words

from trainwright.data.dataset import Dataset
from trainwright.data.findings import Subject
from trainwright.data.findings.columns import limited
from trainwright.runtime.columns import Coded

AB = ("a", "b")


def table(rng: np.random.Generator, columns: dict, n: int = 1000, **options: object) -> Dataset:  # type: ignore[type-arg]
    return made({"x": rng.normal(size=n)} | columns, rng.integers(0, 2, n), classes=AB, **options)  # type: ignore[arg-type]


def holes(rng: np.random.Generator, part: float, n: int = 1000) -> np.ndarray:
    column = rng.normal(size=n)
    column[: round(part * n)] = np.nan
    return column


def test_missing_cells(rng: np.random.Generator) -> None:
    (finding,) = seen(table(rng, {"g": holes(rng, 0.25), "few": holes(rng, 0.05), "w": words([None] * 300 + ["k", "l"] * 350)}), "TW110")
    assert finding.columns == ("w", "g")
    assert finding.figures["shares"] == {"w": 0.3, "g": 0.25}
    assert finding.figures["all"] == pytest.approx((0.25 + 0.05 + 0.3) / 4)
    assert seen(table(rng, {"g": holes(rng, 0.19)}), "TW110") == []
    assert seen(table(rng, {f"g{i}": holes(rng, 0.15) for i in range(9)}), "TW110") != []  # no column, but the table


def test_constants(rng: np.random.Generator) -> None:
    columns = {"one": np.full(1000, 2.0), "k": words(["same"] * 1000), "gap": np.where(np.arange(1000) < 9, np.nan, 1.0)}
    (finding,) = seen(table(rng, columns, kinds={"k": "constant"}), "TW111")
    assert finding.columns == ("one", "k")  # a value or none is information
    assert seen(table(rng, {"nearly": np.append(np.full(999, 2.0), 3.0)}), "TW111") == []


def test_identifiers(rng: np.random.Generator) -> None:
    columns = {"row": np.arange(1000.0), "user": words(range(1000)), "age": rng.integers(0, 90, 1000).astype(float)}
    (finding,) = seen(table(rng, columns, kinds={"user": "identifier"}), "TW112")
    assert finding.figures == {"used": ["row"], "set_aside": ["user"]}
    assert "--drop row" in finding.fix
    shuffled = {"score": rng.permutation(1000).astype(float)}  # counts the rows, but in no order and by no such name
    assert seen(table(rng, shuffled), "TW112") == []


def test_text_set_aside(rng: np.random.Generator) -> None:
    note = words([f"note {i}" for i in range(1000)])
    (finding,) = seen(table(rng, {"note": note}, kinds={"note": "text"}), "TW113")
    assert finding.columns == ("note",)
    assert seen(table(rng, {"c": words(["k", "l"] * 500)}), "TW113") == []


def test_many_and_rare_categories(rng: np.random.Generator) -> None:
    many = words(np.arange(1000) % 120)  # 8 or 9 rows each
    dataset = table(rng, {"many": many, "fine": words(np.arange(1000) % 100)})
    (finding,) = seen(dataset, "TW114")
    assert finding.figures["categories"] == {"many": 120}
    (finding,) = seen(dataset, "TW115")
    assert finding.figures["many"] == {"rare": 120, "categories": 120, "rows": 1.0}
    assert seen(table(rng, {"c": words([0, 1, 2, 3, *(np.arange(996) % 9 + 10)])}), "TW115") == []  # four rare ones only


def test_unused_words_of_a_vocabulary_are_no_categories(rng: np.random.Generator) -> None:
    column = Coded(rng.integers(0, 3, 1000).astype(np.int32), [f"w{i}" for i in range(500)])
    assert seen(table(rng, {"c": column}), "TW114") == []
    assert seen(table(rng, {"c": column}), "TW115") == []


def test_wide_tables_say_what_was_not_compared(rng: np.random.Generator) -> None:
    for p, told in ((1001, 1), (1000, 0)):
        columns = {f"x{i}": column for i, column in enumerate(rng.normal(size=(p, 30)))}
        assert len(list(limited(Subject(made(columns))))) == told


# --- TW122


def test_numbers_that_say_the_same(rng: np.random.Generator) -> None:
    x = rng.normal(size=1000)
    columns = {"a": x, "b": -2 * x + rng.normal(0, 0.1, 1000), "c": x + rng.normal(0, 0.12, 1000), "d": x + rng.normal(0, 0.5, 1000)}
    (finding,) = seen(table(rng, columns), "TW122")
    assert set(finding.columns) == {"a", "b", "c"}
    pair = {tuple(p[:2]): p[2] for p in finding.figures["pairs"]}[("a", "b")]
    assert pair == pytest.approx(abs(np.corrcoef(columns["a"], columns["b"])[0, 1]), abs=1e-5)
    assert seen(table(rng, {"a": x, "d": x + rng.normal(0, 0.25, 1000)}), "TW122") == []  # r is 0.97


def test_gaps_do_not_hide_or_make_sameness(rng: np.random.Generator) -> None:
    x = rng.normal(size=1000)
    a, b = x.copy(), 3 * x + 1
    a[rng.random(1000) < 0.4] = np.nan
    b[rng.random(1000) < 0.4] = np.nan
    assert seen(table(rng, {"a": a, "b": b}), "TW122")[0].columns == ("a", "b")
    one, two = np.full(1000, np.nan), np.full(1000, np.nan)
    one[:503], two[500:] = rng.normal(size=503), rng.normal(size=500)  # three rows in common
    one[500:503], two[500:503] = [1, 2, 3], [1, 2, 3]
    assert seen(table(rng, {"one": one, "two": two}), "TW122") == []


def test_categories_that_say_the_same_and_the_finer_one_is_kept(rng: np.random.Generator) -> None:
    city = rng.integers(0, 12, 1000)
    (finding,) = seen(table(rng, {"region": words(city // 4), "city": words(city)}), "TW122")
    assert finding.figures["keep"] == "city"
    assert "--drop region" in finding.fix
    (finding,) = seen(table(rng, {"one": words(city), "two": words(city + 50)}), "TW122")
    assert finding.figures["keep"] == "one"  # equally fine: the first
    other = np.where(rng.random(1000) < 0.1, rng.integers(0, 12, 1000), city)
    assert seen(table(rng, {"one": words(city), "two": words(other)}), "TW122") == []


def test_a_category_that_decides_a_number(rng: np.random.Generator) -> None:
    level = rng.integers(0, 9, 1000)
    steps = np.array([3.0, 1, 4, 1.5, 9, 2, 6, 5, 3.5])
    (finding,) = seen(table(rng, {"level": words(level), "years": steps[level]}), "TW122")
    assert set(finding.columns) == {"level", "years"}
    assert seen(table(rng, {"level": words(level), "years": np.round(steps[level] + rng.normal(0, 0.5, 1000))}), "TW122") == []


# --- the target


def classes(counts: list[int], rng: np.random.Generator) -> Dataset:
    y = np.repeat(np.arange(len(counts)), counts)
    return made({"x": rng.normal(size=len(y))}, y, classes=tuple(f"class{i}" for i in range(len(counts))))


def test_imbalance(rng: np.random.Generator) -> None:
    (finding,) = seen(classes([950, 50], rng), "TW131")
    assert finding.figures == {"counts": {"class0": 950, "class1": 50}, "ratio": 19.0}
    assert seen(classes([890, 110], rng), "TW131") == []
    assert seen(classes([500, 400, 25], rng), "TW131") != []
    assert seen(classes([500, 400, 26], rng), "TW131") == []


def test_tiny_classes_are_counted_and_the_tiniest_not_named(rng: np.random.Generator) -> None:
    (finding,) = seen(classes([500, 400, 19, 4], rng), "TW132")
    assert "class2" in finding.what
    assert "class3" not in finding.what
    assert finding.figures == {"tiny": 2, "classes": 4, "rows": 23}
    assert seen(classes([500, 400, 20], rng), "TW132") == []


def test_skew_and_far_values(rng: np.random.Generator) -> None:
    x = rng.normal(size=1000)
    (finding,) = seen(made({"x": x}, rng.lognormal(0, 1.2, 1000)), "TW133")
    assert finding.figures["skewness"] > 2
    y = rng.normal(size=1000)
    y[[17, 503]] = [40, -40]  # far on both sides, so that the skewness stays small
    (finding,) = seen(made({"x": x}, y), "TW133")
    assert finding.figures["rows"] == [17, 503]
    assert seen(made({"x": x}, rng.gamma(4.0, size=1000)), "TW133") == []  # skewness 1


def test_a_cap_and_a_floor(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=2000), rng.normal(200, 60, 2000)
    (finding,) = seen(made({"x": x}, np.minimum(y, 300)), "TW134")
    assert finding.figures["rows"] == int((y >= 300).sum())
    assert finding.figures["side"] == "largest"
    assert "300" not in finding.what
    assert [f.figures["side"] for f in seen(made({"x": x}, np.maximum(y, 120)), "TW134")] == ["smallest"]
    assert seen(made({"x": x}, y), "TW134") == []
    assert seen(made({"x": x}, rng.poisson(60, 2000).astype(float)), "TW134") == []
    assert seen(made({"x": x}, rng.integers(0, 60, 2000).astype(float)), "TW134") == []  # each value as often
    assert seen(made({"x": rng.normal(size=5000)}, np.floor(rng.exponential(15, 5000))), "TW134") == []  # falls off from the smallest
    assert seen(made({"x": x}, rng.integers(1, 11, 2000).astype(float)), "TW134") == []  # ten values: a scale

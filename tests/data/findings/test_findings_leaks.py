"""TW101, TW102, TW105: what gives the target away blocks, and what only looks like it does not."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from made_datasets import made, seen, words

from trainwright.data.dataset import Dataset
from trainwright.data.findings import Subject, find
from trainwright.data.findings.leaks import pairs, sums, verified
from trainwright.data.findings.strength import by_intervals, line, medians, strengths

AB = ("a", "b")


def binary(columns: dict, y: np.ndarray, **options: object) -> Dataset:  # type: ignore[type-arg]
    return made(columns, y, classes=AB, **options)  # type: ignore[arg-type]


def noise(rng: np.random.Generator, n: int) -> dict[str, np.ndarray]:
    return {"n0": rng.normal(size=n), "n1": rng.normal(size=n)}


def leaking(dataset: Dataset, code: str = "TW101") -> set[str]:
    return {name for finding in seen(dataset, code) for name in finding.columns}


# --- classes


def test_a_renamed_target_blocks(rng: np.random.Generator) -> None:
    y = rng.integers(0, 2, 300)
    dataset = binary(noise(rng, 300) | {"alive": words(["yes" if v else "no" for v in y])}, y)
    (finding,) = seen(dataset, "TW101")
    assert finding.blocking
    assert finding.columns == ("alive",)
    assert "--drop alive" in finding.fix


def test_a_small_table_blocks_too_and_a_tiny_one_does_not(rng: np.random.Generator) -> None:
    for n, expected in ((40, {"x"}), (18, set())):
        y = np.arange(n) % 2
        assert leaking(binary(noise(rng, n) | {"x": y * 3.0}, y)) == expected


@pytest.mark.parametrize(("wrong", "blocks"), [(2, True), (30, False)])
def test_the_limit_is_one_row_in_a_thousand(rng: np.random.Generator, wrong: int, blocks: bool) -> None:
    y = rng.integers(0, 2, 4000)
    copy = y.astype(float)
    flipped = rng.choice(4000, wrong, replace=False)
    copy[flipped] = 1 - copy[flipped]
    dataset = binary(noise(rng, 4000) | {"copy": copy}, y)
    assert leaking(dataset) == ({"copy"} if blocks else set())
    assert leaking(dataset, "TW105") == (set() if blocks else {"copy"})


def test_many_values_that_map_to_the_class_block(rng: np.random.Generator) -> None:
    code = rng.integers(0, 40, 4000)
    y = rng.integers(0, 2, 40)[code]
    assert leaking(binary(noise(rng, 4000) | {"code": words(code)}, y)) == {"code"}
    assert leaking(binary(noise(rng, 4000) | {"code": code.astype(float)}, y)) == {"code"}


def test_an_identifier_of_small_groups_does_not_count(rng: np.random.Generator) -> None:
    person = np.repeat(np.arange(400), 5)  # each person has one outcome: groups, not a leak
    y = rng.integers(0, 2, 400)[person]
    age = rng.normal(50, 10, 400)[person]  # and so has whatever is constant for a person
    dataset = binary(noise(rng, 2000) | {"person": words(person), "age": age, "number": person.astype(float)}, y)
    assert leaking(dataset) == set()
    assert leaking(dataset, "TW105") == set()


def test_a_number_of_groups_of_any_size_is_no_interval_rule(rng: np.random.Generator) -> None:
    person = np.repeat(np.arange(200), 25)
    y = rng.integers(0, 2, 200)[person]
    assert leaking(binary(noise(rng, 5000) | {"number": rng.normal(size=200)[person]}, y)) == set()


def test_a_unique_identifier_does_not_count(rng: np.random.Generator) -> None:
    y = rng.integers(0, 2, 500)
    assert leaking(binary(noise(rng, 500) | {"code": words(range(500)), "row": np.arange(500.0)}, y)) == set()


@pytest.mark.parametrize(("classes", "n"), [(2, 3000), (3, 3000), (2, 600)])
def test_intervals_of_a_number_block(rng: np.random.Generator, classes: int, n: int) -> None:
    x = rng.normal(size=n)
    y = np.digitize(x, [0.3] if classes == 2 else [-0.5, 0.8])
    names = AB if classes == 2 else ("a", "b", "c")
    assert leaking(made(noise(rng, n) | {"score": x}, y, classes=names)) == {"score"}


def test_a_band_in_the_middle_blocks_and_a_noisy_one_does_not(rng: np.random.Generator) -> None:
    x = rng.normal(size=4000)
    y = (np.abs(x) < 0.6).astype(int)
    assert leaking(binary(noise(rng, 4000) | {"x": x}, y)) == {"x"}
    noisy = np.where(rng.random(4000) < 0.01, 1 - y, y)
    dataset = binary(noise(rng, 4000) | {"x": x}, noisy)
    assert leaking(dataset) == set()
    assert leaking(dataset, "TW105") == {"x"}


def test_a_rare_class_is_not_given_away_by_guessing_the_other(rng: np.random.Generator) -> None:
    y = (np.arange(40_000) % 1500 == 0).astype(int)  # 27 events: "never" is right in 99.93 %
    dataset = binary(noise(rng, 40_000) | {"c": words(rng.integers(0, 5, 40_000))}, y)
    assert leaking(dataset) == set()
    assert leaking(binary(noise(rng, 40_000) | {"c": y.astype(float)}, y)) == {"c"}


def test_missing_itself_may_give_the_target_away(rng: np.random.Generator) -> None:
    y = rng.integers(0, 2, 600)
    lot = rng.normal(size=600)
    lot[y == 0] = np.nan
    assert leaking(binary(noise(rng, 600) | {"lot": lot}, y)) == {"lot"}


def test_a_copy_with_gaps_is_judged_where_it_is(rng: np.random.Generator) -> None:
    y = rng.integers(0, 2, 1000)
    copy = y.astype(float)
    copy[rng.random(1000) < 0.4] = np.nan
    assert leaking(binary(noise(rng, 1000) | {"copy": copy}, y)) == {"copy"}


def test_a_strong_but_honest_category_does_not_block(rng: np.random.Generator) -> None:
    odor = rng.integers(0, 9, 6000)
    y = (odor < 4).astype(int)
    y[rng.random(6000) < 0.015] ^= 1
    dataset = binary(noise(rng, 6000) | {"odor": words(odor)}, y)
    assert leaking(dataset) == set()
    (warning,) = seen(dataset, "TW105")
    assert not warning.blocking
    assert warning.figures["right"] == pytest.approx(0.985, abs=0.004)


def test_out_of_fold_share_equals_a_plain_loop(rng: np.random.Generator) -> None:
    from trainwright.record.seeds import rng_for

    code, n = rng.integers(0, 12, 700), 700
    assert np.bincount(code).min() >= 30
    y = np.where(rng.random(n) < 0.55, code % 2, 1 - code % 2)  # so weak that both halves often disagree
    half = rng_for(0, "findings", "halves").permutation(n) % 2 == 0
    right = 0
    for side in (False, True):
        for row in np.flatnonzero(half == side):
            others = y[(half != side) & (code == code[row])]
            right += int(np.bincount(others, minlength=2).argmax() == y[row])
    got = strengths(Subject(binary({"c": words(code)}, y)))["c"]
    assert got.right == pytest.approx(right / n, abs=1e-12)
    assert got.rows == n


def test_sealed_targets_are_never_read(rng: np.random.Generator) -> None:
    y = rng.integers(0, 2, 800)
    sealed = np.arange(600, 800)
    columns = noise(rng, 800) | {"copy": y.astype(float), "sex": words(["m" if v else "f" for v in rng.integers(0, 2, 800)])}
    other = y.copy()
    other[sealed] = 1 - other[sealed]
    first = find(binary(columns, y, sealed=sealed), protected=("sex",))
    second = find(binary(columns, other, sealed=sealed), protected=("sex",))
    assert [f.as_dict() for f in first] == [f.as_dict() for f in second]
    assert {f.code for f in first} >= {"TW101"}


def test_intervals_are_few_or_none(rng: np.random.Generator) -> None:
    x = rng.normal(size=5000)
    half = rng.random(5000) < 0.5
    place = np.argsort(np.argsort(x))
    assert by_intervals(x, (place // 1000 % 2).astype(np.int32), 2, half) is not None
    assert by_intervals(x, (place // 200 % 2).astype(np.int32), 2, half) is None


# --- numbers


def test_a_line_is_not_bent_by_one_row_in_ten(rng: np.random.Generator) -> None:
    x = rng.normal(size=1000)
    y = 4 - 3 * x
    y[:100] += rng.normal(0, 50, 100)
    np.testing.assert_allclose(line(x, y), (-3, 4), atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda y: y,
        lambda y: 32 + 1.8 * y,
        lambda y: -y / 7,
        lambda y: np.exp(y / 3),
        lambda y: -(y**3),
        lambda y: np.round(y, 3),
    ],
    ids=["equal", "affine", "falling", "exponential", "cube", "rounded"],
)
def test_a_form_of_the_target_blocks(rng: np.random.Generator, make) -> None:  # type: ignore[no-untyped-def]
    y = rng.normal(10, 3, 1500)
    x = make(y)
    x[:1] = 1e5  # one odd row does not hide it
    assert leaking(made(noise(rng, 1500) | {"x": x}, y)) == {"x"}


@pytest.mark.parametrize("spread", [0.05, 0.3])
def test_a_noisy_form_of_the_target_does_not_block(rng: np.random.Generator, spread: float) -> None:
    y = rng.normal(10, 3, 1500)
    dataset = made(noise(rng, 1500) | {"x": 2 * y + rng.normal(0, spread, 1500)}, y)
    assert leaking(dataset) == set()
    assert leaking(dataset, "TW105") == {"x"}


def test_a_grade_that_fixes_the_number_blocks(rng: np.random.Generator) -> None:
    grade = rng.integers(0, 25, 3000)
    salary = rng.normal(3000, 500, 25)[grade]
    assert leaking(made(noise(rng, 3000) | {"grade": words(grade)}, salary)) == {"grade"}
    assert leaking(made(noise(rng, 3000) | {"grade": words(grade)}, salary + rng.normal(0, 300, 3000))) == set()


def test_small_groups_that_fix_the_number_do_not_count(rng: np.random.Generator) -> None:
    person = np.repeat(np.arange(500), 4)
    assert leaking(made(noise(rng, 2000) | {"person": words(person), "p": person.astype(float)}, rng.normal(size=500)[person])) == set()


def test_a_target_that_is_mostly_zero_is_not_given_away_by_noise(rng: np.random.Generator) -> None:
    y = np.where(rng.random(30_000) < 0.0009, rng.normal(100, 10, 30_000), 0.0)
    dataset = made(noise(rng, 30_000) | {"k": rng.integers(0, 4, 30_000).astype(float), "c": words(rng.integers(0, 4, 30_000))}, y)
    assert leaking(dataset) == set()
    assert leaking(dataset, "TW102") == set()


def test_knowing_where_a_number_is_not_zero_is_not_knowing_it(rng: np.random.Generator) -> None:
    paid = rng.random(40_000) < 0.0009
    y = np.where(paid, rng.normal(100, 5, 40_000), 0.0)
    dataset = made(noise(rng, 40_000) | {"paid": paid.astype(float)}, y)
    assert leaking(dataset) == set()
    assert leaking(dataset, "TW105") == {"paid"}


def test_medians_are_those_of_the_other_half(rng: np.random.Generator) -> None:
    values, y = rng.integers(0, 4, 401).astype(np.int32), rng.normal(size=401)
    values[:9] = 4  # too few to vote
    half = rng.random(401) < 0.5
    guess = medians(values, 5, y, half)
    for row in range(401):
        others = np.sort(y[(half != half[row]) & ((values == values[row]) | (values[row] == 4))])
        truth = np.median(others) if values[row] == 4 else others[len(others) // 2]
        assert guess[row] == truth


# --- two columns


def test_parts_of_a_sum_and_of_a_difference_block(rng: np.random.Generator) -> None:
    a, b = rng.poisson(30, 2000).astype(float), rng.poisson(80, 2000).astype(float)
    (finding,) = seen(made(noise(rng, 2000) | {"casual": a, "registered": b}, a + b), "TW102")
    assert finding.blocking
    assert set(finding.columns) == {"casual", "registered"}
    (finding,) = seen(made(noise(rng, 2000) | {"cost": a, "price": b}, b - a), "TW102")
    assert finding.figures["formula"] == "price − cost"


def test_a_sum_is_found_under_gaps_odd_rows_and_cents(rng: np.random.Generator) -> None:
    a, b = np.round(rng.gamma(2, 50, 4000), 2), np.round(rng.gamma(2, 90, 4000), 2)
    y = np.round(a + b, 2)
    a, b = a.copy(), b.copy()
    a[rng.random(4000) < 0.1] = np.nan
    b[rng.random(4000) < 0.1] = np.nan
    y[:3] += 1
    assert leaking(made(noise(rng, 4000) | {"a": a, "b": b}, y), "TW102") == {"a", "b"}


def test_a_sum_with_noise_or_with_a_third_part_does_not_block(rng: np.random.Generator) -> None:
    a, b, c = rng.normal(size=(3, 2000))
    assert seen(made({"a": a, "b": b, "c": c}, a + b + c), "TW102") == []
    assert seen(made({"a": a, "b": b}, a + b + rng.normal(0, 1e-3, 2000)), "TW102") == []


def test_a_sum_is_found_where_nearly_all_is_zero(rng: np.random.Generator) -> None:
    matrix = np.where(rng.random((3000, 120)) < 0.02, np.round(rng.gamma(2, 50, (3000, 120)), 2), 0.0)
    columns = {f"x{i}": matrix[:, i] for i in range(120)}
    assert leaking(made(columns, matrix[:, 110] + matrix[:, 119]), "TW102") == {"x110", "x119"}


def test_where_nearly_all_is_zero_nearly_all_agrees(rng: np.random.Generator) -> None:
    def rare() -> np.ndarray:
        return np.where(rng.permutation(60_000) < 12, rng.normal(size=60_000), 0.0)

    a, b, y = rare(), rare(), rare()
    assert np.isclose(a + b, y).mean() > 0.999
    assert verified(a, b, 1, y) == (0.0, 60_000)
    assert verified(a, b, 1, a + b) == (1.0, 60_000)
    assert verified(y, np.zeros(60_000), 1, y) == (0.0, 60_000)  # one part alone is the other check's matter
    assert seen(made({"a": a, "b": b}, y), "TW102") == []


def test_an_idle_column_is_no_part_of_a_sum(rng: np.random.Generator) -> None:
    y = rng.normal(size=1000)
    dataset = made({"y": y, "zero": np.zeros(1000), "n": rng.normal(size=1000)}, y)
    assert seen(dataset, "TW102") == []  # TW101 says it already
    assert leaking(dataset) == {"y"}


def test_pairs_equal_brute_force(rng: np.random.Generator) -> None:
    n, p = 400, 40
    matrix = rng.integers(0, 50, (n, p)).astype(float)
    y = rng.integers(0, 90, n).astype(float)
    matrix[:, 7] = y - matrix[:, 3]
    matrix[:, 21] = matrix[:, 11] - y
    matrix[:, 30] = y + matrix[:, 5]
    names = [f"x{i}" for i in range(p)]
    truth = set()
    for i, j in combinations(range(p), 2):
        if (matrix[:, i] + matrix[:, j] == y).mean() >= 0.999:
            truth.add((i, j, 1))
        for one, two in ((i, j), (j, i)):
            if (matrix[:, one] - matrix[:, two] == y).mean() >= 0.999:
                truth.add((one, two, -1))
    assert len(truth) == 3
    found = pairs(Subject(made(dict(zip(names, matrix.T, strict=True)), y)), names, y)
    assert truth <= set(found)
    got = {f.figures["formula"] for f in seen(made(dict(zip(names, matrix.T, strict=True)), y), "TW102")}
    assert got == {f"x{i} {'+' if s > 0 else '−'} x{j}" for i, j, s in truth}


def test_a_sum_is_found_among_thousands_of_columns(rng: np.random.Generator) -> None:
    matrix = np.round(rng.normal(0, 100, (300, 3000)), 1)
    columns = {f"x{i}": matrix[:, i] for i in range(3000)}
    y = matrix[:, 17] + matrix[:, 2900]
    assert (17, 2900, 1) in pairs(Subject(made(columns, y)), list(columns), y)
    assert [found.figures["formula"] for found in sums(Subject(made(columns, y)))] == ["x17 + x2900"]


def test_classes_written_as_numbers_are_added_too(rng: np.random.Generator) -> None:
    a, b = rng.integers(0, 3, 900).astype(float), rng.integers(0, 3, 900).astype(float)
    dataset = made(noise(rng, 900) | {"a": a, "b": b}, a + b, classes=("0", "1", "2", "3", "4"))
    assert leaking(dataset, "TW102") == {"a", "b"}
    assert seen(made({"a": a, "b": b}, a + b, classes=("k", "l", "m", "n", "o")), "TW102") == []

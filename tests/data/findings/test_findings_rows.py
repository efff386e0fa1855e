"""Rows: shared across a given split, duplicates, contradictions, groups, order in time, shift."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from made_datasets import made, seen, words

from trainwright.data.dataset import Dataset
from trainwright.data.findings.structure import alikeness

AB = ("a", "b")
DAY = 86_400.0


def wide(rng: np.random.Generator, n: int, p: int = 6) -> dict[str, np.ndarray]:
    return {f"x{i}": rng.normal(size=n) for i in range(p)}


# --- TW103: rows on both sides of a given split


def shared(rng: np.random.Generator, copies: int, how: str = "given") -> Dataset:
    columns, y = wide(rng, 1000), rng.integers(0, 2, 1000)
    for column in columns.values():
        column[800 : 800 + copies] = column[:copies]
    y[800 : 800 + copies] = y[:copies]
    return made(columns, y, classes=AB, how=how, sealed=np.arange(800, 1000))


def test_shared_rows_block_from_one_per_cent_on(rng: np.random.Generator) -> None:
    (finding,) = seen(shared(rng, 30), "TW103")
    assert finding.blocking
    assert finding.figures["shared"] == 30
    assert finding.figures["rows"] == list(range(800, 830))
    (finding,) = seen(shared(rng, 1), "TW103")
    assert not finding.blocking


def test_only_whole_rows_of_a_given_split_count(rng: np.random.Generator) -> None:
    assert seen(shared(rng, 0), "TW103") == []
    assert seen(shared(rng, 30, how="random"), "TW103") == []
    columns = {f"x{i}": column for i, column in enumerate(shared(rng, 30).columns.values())}
    columns["x3"] = columns["x3"] + np.arange(1000.0)
    assert seen(made(columns, rng.integers(0, 2, 1000), classes=AB, how="given", sealed=np.arange(800, 1000)), "TW103") == []


def test_rows_that_agree_by_chance_do_not_block(rng: np.random.Generator) -> None:
    p = 0.6 ** np.arange(1, 13)
    columns = {f"c{i}": words(rng.choice(12, 3000, p=p / p.sum())) for i in range(6)}  # few common values, many rare ones
    dataset = made(columns, rng.integers(0, 2, 3000), classes=AB, how="given", sealed=np.arange(2400, 3000))
    (finding,) = seen(dataset, "TW103")
    assert finding.figures["shared"] > 6
    assert finding.figures["by_chance"]
    assert finding.proposes == ()
    assert "--accept" not in finding.fix  # what is not proposed cannot be accepted
    assert not finding.blocking


def test_copied_rows_of_a_table_of_categories_do_block(rng: np.random.Generator) -> None:
    values = rng.integers(0, 12, (3000, 8))
    values[2400:2500] = values[:100]
    y = rng.integers(0, 2, 3000)
    y[2400:2500] = y[:100]
    dataset = made({f"c{i}": words(values[:, i]) for i in range(8)}, y, classes=AB, how="given", sealed=np.arange(2400, 3000))
    assert [finding.blocking for finding in seen(dataset, "TW103")] == [True]


def test_a_test_file_that_is_part_of_the_training_file_blocks(rng: np.random.Generator) -> None:
    columns, y = wide(rng, 800), rng.integers(0, 2, 800)
    columns = {name: np.concatenate([column, column[:200]]) for name, column in columns.items()}
    dataset = made(columns, np.concatenate([y, y[:200]]), classes=AB, how="given", sealed=np.arange(800, 1000))
    (finding,) = seen(dataset, "TW103")
    assert finding.blocking
    assert finding.figures["share"] == 1.0


def test_shared_rows_are_told_by_their_numbers_in_the_test_file(rng: np.random.Generator) -> None:
    """Rows 0 and 7 of the test file are copies; of the two tables as one they are rows 800 and 807, which stand in no file."""
    columns, y = wide(rng, 1000), rng.integers(0, 2, 1000)
    for values in (*columns.values(), y):
        values[[800, 807]] = values[[3, 5]]
    dataset = made(columns, y, classes=AB, how="given", sealed=np.arange(800, 1000))
    (whole,) = seen(dataset, "TW103")
    assert whole.where == "rows 800, 807"  # one file, in which a column says who is sealed
    test = {"path": "some/folder/test.csv", "digest": "1", "rows": 200}
    source = dataclasses.replace(dataset.table.source, details={"test": test})
    (finding,) = seen(dataclasses.replace(dataset, table=dataclasses.replace(dataset.table, source=source)), "TW103")
    assert finding.where == "rows 0, 7 of test.csv"
    assert finding.figures["rows"] == [800, 807]  # the dataset's own


# --- TW104: groups on both sides


def test_groups_on_both_sides_of_a_given_split_block(rng: np.random.Generator) -> None:
    person = np.repeat(np.arange(200), 5)
    y = rng.integers(0, 2, 200)[person]
    columns = wide(rng, 1000) | {"patient_id": words(person)}
    kinds = {"patient_id": "identifier"}
    mixed = made(columns, y, classes=AB, kinds=kinds, how="given", sealed=np.arange(4, 1000, 5))  # type: ignore[arg-type]
    (finding,) = seen(mixed, "TW104")
    assert finding.blocking
    assert finding.figures["groups"] == 200
    apart = made(columns, y, classes=AB, kinds=kinds, how="given", sealed=np.arange(800, 1000))  # type: ignore[arg-type]
    assert seen(apart, "TW104") == []


def test_a_told_group_needs_no_likeness(rng: np.random.Generator) -> None:
    group = words(np.repeat(np.arange(100), 10))
    y = rng.integers(0, 2, 1000)
    columns = wide(rng, 1000) | {"shop": group}
    dataset = made(columns, y, classes=AB, roles={"shop": "group"}, how="given", sealed=np.arange(795, 1000), group=group)
    (finding,) = seen(dataset, "TW104")
    assert finding.figures["groups"] == 1


# --- TW120, TW121


def test_duplicates_are_those_of_pandas(rng: np.random.Generator) -> None:
    frame = pd.DataFrame({"a": rng.integers(0, 60, 900), "b": rng.integers(0, 60, 900), "y": rng.integers(0, 2, 900)})
    columns = {"a": frame["a"].to_numpy(float), "b": frame["b"].to_numpy(float)}
    (finding,) = seen(made(columns, frame["y"], classes=AB), "TW120")
    again = frame.duplicated()
    assert finding.figures["extra"] == again.sum() > 0
    assert finding.figures["sets"] == frame[frame.duplicated(keep=False)].drop_duplicates().shape[0]
    assert finding.figures["rows"] == np.flatnonzero(again)[:100].tolist()


def test_no_duplicates_no_finding_and_few_possible_rows_neither(rng: np.random.Generator) -> None:
    assert seen(made(wide(rng, 500), rng.integers(0, 2, 500), classes=AB), "TW120") == []
    coarse = {"a": rng.integers(0, 3, 500).astype(float), "b": words(rng.integers(0, 3, 500))}
    assert seen(made(coarse, rng.integers(0, 2, 500), classes=AB), "TW120") == []


@pytest.mark.parametrize("copied", [30, 500])
def test_copies_in_a_table_of_numbers_are_no_chance(rng: np.random.Generator, copied: int) -> None:
    columns = {name: np.concatenate([column, column[:copied]]) for name, column in wide(rng, 500).items()}
    assert seen(made(columns, rng.normal(size=500 + copied)), "TW120") == []  # the targets differ
    y = rng.normal(size=500)
    (finding,) = seen(made(columns, np.concatenate([y, y[:copied]])), "TW120")
    assert finding.figures["extra"] == copied
    assert not finding.figures["by_chance"]


def test_contradictions_set_the_best_accuracy(rng: np.random.Generator) -> None:
    frame = pd.DataFrame({"a": rng.integers(0, 100, 2000), "y": rng.integers(0, 3, 2000)})
    (finding,) = seen(made({"a": frame["a"].to_numpy(float)}, frame["y"], classes=("a", "b", "c")), "TW121")
    truth = frame.groupby("a")["y"].agg(lambda y: y.value_counts().iloc[0]).sum() / 2000
    assert finding.figures["best_accuracy"] == pytest.approx(truth, abs=1e-6)
    assert finding.figures["rows"] == int((frame.groupby("a")["y"].transform("nunique") > 1).sum())


def test_equal_rows_with_equal_classes_do_not_contradict(rng: np.random.Generator) -> None:
    a = rng.integers(0, 100, 2000)
    assert seen(made({"a": a.astype(float), "b": rng.normal(size=2000)}, rng.integers(0, 2, 2000), classes=AB), "TW121") == []
    assert seen(made({"a": a.astype(float)}, a % 2, classes=AB), "TW121") == []
    assert seen(made({"a": a.astype(float)}, rng.normal(size=2000)), "TW121") == []  # numbers may differ


# --- TW140: groups


def test_alikeness_is_the_intraclass_correlation(rng: np.random.Generator) -> None:
    group = np.repeat(np.arange(80), 6)
    y = rng.normal(size=80)[group] + rng.normal(size=480)
    frame = pd.DataFrame({"g": group, "y": y})
    between = 6 * frame.groupby("g")["y"].mean().var()
    within = frame.groupby("g")["y"].var().mean()
    assert alikeness(group, 80, y, False)[0] == pytest.approx((between - within) / (between + 5 * within))


def test_units_with_several_rows_are_found(rng: np.random.Generator) -> None:
    person = np.repeat(np.arange(150), 4)
    for y, classes in ((rng.integers(0, 3, 150)[person], ("a", "b", "c")), (rng.normal(size=150)[person] + rng.normal(size=600), ())):
        dataset = made(wide(rng, 600) | {"patient_id": words(person)}, y, classes=classes, kinds={"patient_id": "identifier"})
        (finding,) = seen(dataset, "TW140")
        assert finding.columns == ("patient_id",)
        assert "--split group:patient_id" in finding.fix
        assert finding.figures["groups"] == 150


def test_few_rows_are_no_evidence_of_groups() -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        columns = wide(rng, 60) | {"patient_id": words(np.repeat(np.arange(30), 2))}
        assert seen(made(columns, rng.normal(size=60), kinds={"patient_id": "identifier"}), "TW140") == []


def test_units_without_likeness_a_strong_number_and_a_split_by_group_are_no_finding(rng: np.random.Generator) -> None:
    person = np.repeat(np.arange(150), 4)
    kinds = {"patient_id": "identifier"}
    columns = wide(rng, 600) | {"patient_id": words(person)}
    assert seen(made(columns, rng.integers(0, 2, 600), classes=AB, kinds=kinds), "TW140") == []  # type: ignore[arg-type]
    alike = rng.integers(0, 2, 150)[person]
    assert seen(made(columns, alike, classes=AB, kinds=kinds, how="group:patient_id"), "TW140") == []  # type: ignore[arg-type]
    count = rng.integers(0, 40, 600).astype(float)
    assert seen(made({"registered": count}, count * 2 + rng.normal(size=600)), "TW140") == []


# --- TW141: time


def walk(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.cumsum(rng.normal(size=n))


def test_a_date_with_a_moving_target_is_found_in_any_row_order(rng: np.random.Generator) -> None:
    order = rng.permutation(500)
    columns = wide(rng, 500) | {"day": DAY * order}
    (finding,) = seen(made(columns, walk(rng, 500)[order], kinds={"day": "datetime"}), "TW141")
    assert "--split time:day" in finding.fix
    truth = pd.Series(walk(np.random.default_rng(1), 500))
    days = DAY * (np.arange(500) // 25)  # rows of one day keep their order
    dataset = made({"x": wide(rng, 500)["x0"], "day": days}, truth, kinds={"day": "datetime"})
    assert seen(dataset, "TW141")[0].figures["autocorrelation"] == pytest.approx(truth.autocorr(), abs=0.02)


def test_rows_of_one_time_keep_their_order(rng: np.random.Generator) -> None:
    day = rng.integers(0, 8, 400)
    frame = pd.DataFrame({"day": day, "y": day + np.arange(400) / 400 + rng.normal(0, 0.1, 400)})
    dataset = made({"day": DAY * day, "x": rng.normal(size=400)}, frame["y"], kinds={"day": "datetime"})
    truth = frame.sort_values("day", kind="stable")["y"].to_numpy()
    truth = truth - truth.mean()
    assert seen(dataset, "TW141")[0].figures["autocorrelation"] == pytest.approx((truth[1:] @ truth[:-1]) / (truth @ truth), abs=1e-5)


def test_a_number_that_rises_with_a_moving_target_is_found(rng: np.random.Generator) -> None:
    y = (walk(rng, 800) > 0).astype(int)
    (finding,) = seen(made(wide(rng, 800) | {"tick": np.sort(rng.uniform(0, 100, 800))}, y, classes=AB), "TW141")
    assert finding.where == "tick"


def test_no_order_no_movement_or_a_split_by_time_is_no_finding(rng: np.random.Generator) -> None:
    columns, kinds = wide(rng, 500) | {"day": DAY * np.arange(500.0)}, {"day": "datetime"}
    assert seen(made(columns, rng.normal(size=500), kinds=kinds), "TW141") == []  # type: ignore[arg-type]
    assert seen(made(columns, walk(rng, 500), kinds=kinds, how="time:day", sealed=np.arange(400, 500)), "TW141") == []  # type: ignore[arg-type]
    assert seen(made(wide(rng, 500), walk(rng, 500)), "TW141") == []


# --- TW116, TW117, TW142: open against sealed


def parted(rng: np.random.Generator, columns: dict, how: str = "given") -> Dataset:  # type: ignore[type-arg]
    return made(wide(rng, 1000) | columns, rng.integers(0, 2, 1000), classes=AB, how=how, sealed=np.arange(700, 1000))


def test_moved_columns_are_named_and_others_not(rng: np.random.Generator) -> None:
    late = np.arange(1000) >= 700
    gaps = rng.normal(size=1000)
    gaps[late & (rng.random(1000) < 0.5)] = np.nan
    moved = {
        "number": rng.normal(size=1000) + late,
        "word": words(np.where(late & (rng.random(1000) < 0.5), "new", rng.choice(["p", "q"], 1000))),
        "gaps": gaps,
    }
    (finding,) = seen(parted(rng, moved), "TW142")
    assert set(finding.columns) == {"number", "word", "gaps"}
    assert finding.figures["distances"]["gaps"] == pytest.approx(0.5, abs=0.06)
    assert seen(parted(rng, moved, how="random"), "TW142") == []
    assert seen(parted(rng, {"word": words(rng.choice(list("pqrst"), 1000))}), "TW142") == []


def test_a_small_shift_is_not_told_though_it_is_sure(rng: np.random.Generator) -> None:
    n = 40_000
    late = np.arange(n) >= n // 2
    dataset = made({"x": rng.normal(size=n) + 0.1 * late}, rng.integers(0, 2, n), classes=AB, how="given", sealed=np.flatnonzero(late))
    assert seen(dataset, "TW142") == []  # about 0.04


def test_unseen_categories_and_columns_that_wake_up(rng: np.random.Generator) -> None:
    late = np.arange(1000) >= 700
    new = words(np.where(late & (rng.random(1000) < 0.05), "new", "old"))
    still = np.where(late, rng.normal(size=1000), 3.0)
    dataset = parted(rng, {"new": new, "still": still})
    (finding,) = seen(dataset, "TW117")
    assert finding.columns == ("new",)
    assert finding.figures["shares"]["new"] == pytest.approx(float((new.codes[700:] == new.codes[700:].min()).mean()), abs=1e-5)
    (finding,) = seen(dataset, "TW116")
    assert set(finding.columns) == {"still", "new"}
    gone = words([None if v else "p" for v in late & (rng.random(1000) < 0.3)])  # a gap is no category
    quiet = parted(rng, {"gone": gone, "old": words(rng.choice(["p", "q"], 1000)), "still": np.full(1000, 2.0)})
    assert seen(quiet, "TW117") == []
    assert [finding.columns for finding in seen(quiet, "TW116")] == [("gone",)]

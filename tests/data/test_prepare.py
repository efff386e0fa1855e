"""From table and plan to a dataset: tasks, classes, rows set aside, features, given test rows; and what is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tables import coded, table

from trainwright.data.append import append
from trainwright.data.prepare import prepare
from trainwright.data.read import roles_of
from trainwright.data.sources import read_table
from trainwright.data.targets import likely_targets
from trainwright.errors import RequestError, SourceError
from trainwright.plan.model import Plan

N = 60


def columns(**more):
    rng = np.random.default_rng(4)
    return {"a": rng.normal(size=N), "b": coded(rng.choice(["x", "y", "z"], size=N).tolist())} | more


def numbers(*values):
    return np.array([values[row % len(values)] for row in range(N)], np.float64)


def words(*values):
    return coded([values[row % len(values)] for row in range(N)])


# --- the task and its classes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "kind", "task", "classes"),
    [
        (words("good", "good", "bad"), "category", "binary", ("good", "bad")),
        (words("<=50K", "<=50K", ">50K"), "category", "binary", ("<=50K", ">50K")),  # the rarer one
        (words(">50K", "<=50K", "<=50K"), "category", "binary", ("<=50K", ">50K")),
        (words("<=50K", ">50K", ">50K"), "category", "binary", (">50K", "<=50K")),
        (words("m", "f"), "category", "binary", ("f", "m")),  # equal: by alphabet; "f" beside "m" is no word for no
        (words("t", "f", "t"), "category", "binary", ("f", "t")),
        (words("p", "e"), "category", "binary", ("e", "p")),  # equal: by alphabet
        (words("ham", "eggs", "eggs"), "category", "binary", ("ham", "eggs")),
        (numbers(0, 1), "number", "binary", ("0", "1")),
        (numbers(1, 2, 1), "number", "binary", ("1", "2")),  # the rarer one: "1" beside "2" is no word for yes
        (numbers(0, 1), "yesno", "binary", ("no", "yes")),
        (numbers(3, 1, 2), "number", "multiclass", ("1", "2", "3")),
        (numbers(0.5, 1.5), "number", "binary", ("0.5", "1.5")),
        (numbers(*np.arange(60) / 7), "number", "regression", ()),
        (numbers(*range(20)), "number", "regression", ()),
        (words("low", "high", "mid"), "ordered", "multiclass", ("low", "mid", "high")),
        (words("c", "b", "a"), "category", "multiclass", ("a", "b", "c")),
    ],
)
def test_the_task_follows_the_target(target, kind, task, classes):
    made = table(columns(y=target), kinds={"y": kind}, y={"order": ("low", "mid", "high")} if kind == "ordered" else {})
    dataset = prepare(Plan(target="y"), made)
    assert (dataset.task, dataset.classes) == (task, classes)
    assert "distinct" in dataset.why_task


def test_class_numbers_stand_for_the_words():
    target = words("good", None, "bad", "good")
    dataset = prepare(Plan(target="y"), table(columns(y=target)))
    decoded = [None if np.isnan(value) else dataset.classes[int(value)] for value in dataset.target]
    assert decoded == target.words()


def test_the_words_of_a_yesno_column_are_its_classes():
    made = table(columns(y=numbers(0, 1, 1)), kinds={"y": "yesno"}, y={"yes": ("left",), "no": ("stayed",)})
    dataset = prepare(Plan(target="y"), made)
    assert dataset.classes[0] == "left"  # the rarer one is positive where no word says otherwise
    assert dataset.target[:3].tolist() == [1, 0, 0]
    assert dataset.classes[1] == "stayed"


@pytest.mark.parametrize(("positive", "classes"), [("good", ("bad", "good")), ("BAD", ("good", "bad"))])
def test_the_positive_class_may_be_named(positive, classes):
    dataset = prepare(Plan(target="y", positive=positive), table(columns(y=words("good", "bad", "bad"))))
    assert dataset.classes == classes
    assert dataset.target[0] == classes.index("good")
    assert "asked for" in dataset.why_task


def test_a_task_that_was_asked_for_overrules():
    made = table(columns(y=numbers(0, 1, 2)))
    dataset = prepare(Plan(target="y", task="regression"), made)
    assert dataset.task == "regression"
    np.testing.assert_array_equal(dataset.target, numbers(0, 1, 2))
    wide = table(columns(y=numbers(*range(20))))
    assert len(prepare(Plan(target="y", task="multiclass"), wide).classes) == 20


def test_classes_that_are_numbers_stand_in_the_order_of_their_size_and_may_be_read_as_numbers():
    made = table(columns(y=words("10", "9", "2")))  # read as a category, as the reader does for few whole numbers
    dataset = prepare(Plan(target="y"), made)
    assert dataset.classes == ("2", "9", "10")
    assert "--task regression" in dataset.why_task
    as_numbers = prepare(Plan(target="y", task="regression"), made)
    np.testing.assert_array_equal(as_numbers.target, numbers(10, 9, 2))
    assert as_numbers.classes == ()


def test_infinite_targets_are_counted_row_by_row():
    target = np.arange(N) * 1.0
    target[[3, 5, 9]] = [np.inf, np.inf, -np.inf]
    with pytest.raises(SourceError, match="3 targets are infinite"):
        prepare(Plan(target="y"), table(columns(y=target)))


# --- rows and columns -----------------------------------------------------------------------------------------------------


def test_rows_that_cannot_be_used_are_set_aside_and_counted_once():
    target = numbers(0, 1)
    target[[0, 1, 2]] = np.nan
    weight = np.ones(N)
    weight[[2, 3, 4]] = [np.nan, np.nan, 0]
    group = numbers(*range(30))
    group[[4, 5]] = np.nan
    made = table(columns(y=target, w=weight, g=group))
    dataset = prepare(Plan(target="y", weight="w", split="group:g"), made)
    assert dataset.dropped == {"target missing": 3, "weight missing or zero": 2, "group missing": 1}
    used = np.union1d(dataset.splits.open, dataset.splits.sealed)
    np.testing.assert_array_equal(used, np.arange(6, N))
    assert len(used) + sum(dataset.dropped.values()) == made.rows == dataset.table.rows
    assert dataset.group is not None
    assert dataset.group.words()[6] == "6"


def test_a_missing_time_is_set_aside():
    when = np.arange(N) * 1.0
    when[7] = np.nan
    dataset = prepare(Plan(target="y", split="time:t"), table(columns(y=numbers(0, 1), t=when)))
    assert dataset.dropped == {"time missing": 1}
    assert dataset.splits.how == "time:t"


def test_roles_and_features():
    more = {"y": numbers(0, 1), "w": np.ones(N), "t": np.arange(N) * 1.0, "id": words(*map(str, range(N))), "one": words("k"), "sex": words("m", "f")}
    more |= {"race": words("q", "r", "s"), "gone": words("u", "v"), "void": np.full(N, np.nan)}
    made = table(columns(**more), kinds={"id": "identifier", "one": "constant"})
    dataset = prepare(Plan(target="y", weight="w", split="time:t", drop=("gone", "race"), protected=("sex", "race")), made)
    roles = {d.schema.name: d.role for d in dataset.table.described}
    assert roles == {
        "a": "feature",
        "b": "feature",
        "y": "target",
        "w": "weight",
        "t": "time",
        "id": "set aside",
        "one": "set aside",
        "sex": "protected",
        "race": "protected",
        "gone": "set aside",
        "void": "set aside",
    }
    assert [feature.name for feature in dataset.features] == ["a", "b", "sex"]
    assert list(dataset.columns) == ["a", "b", "sex"]
    why = {d.schema.name: d.why for d in dataset.table.described}
    assert "learned from" in why["sex"]
    assert "not learned from" in why["race"]


def test_copies_are_kept_on_one_side(rng):
    a, target = rng.normal(size=1200), rng.integers(0, 2, size=1200).astype(np.float64)
    a[600:800], target[600:800] = a[:200], target[:200]
    dataset = prepare(Plan(target="y"), table({"a": a, "y": target}))
    assert dataset.splits.design == "sealed"
    assert "200 rows repeat" in dataset.splits.why
    for one, other in [(dataset.splits.open, dataset.splits.sealed)] + [(fold.train, fold.test) for fold in dataset.splits.folds]:
        assert not set(a[one]) & set(a[other])


# --- given test rows ------------------------------------------------------------------------------------------------------


def test_a_test_table_becomes_the_sealed_rows():
    train = table(columns(y=words("no", "yes"), c=words("p", None)))
    other = table(
        {
            "y": coded(["yes", "no", "yes", "no"], ["yes", "no"]),
            "c": coded(["new", "p", None, "new"]),
            "b": coded(["z", "x", None, "?"]),
            "a": np.arange(4.0),
        }
    )
    dataset = prepare(Plan(target="y", test="test.csv"), train, other)
    np.testing.assert_array_equal(dataset.splits.sealed, np.arange(N, N + 4))
    assert dataset.splits.how == "given"
    assert [dataset.classes[int(value)] for value in dataset.target[-4:]] == ["yes", "no", "yes", "no"]
    for name in ("b", "c"):
        column = dataset.table.columns[name]
        assert column.words() == train.columns[name].words() + other.columns[name].words()
        assert len(set(column.vocabulary)) == len(column.vocabulary)
    assert dataset.table.columns["a"][-4:].tolist() == [0, 1, 2, 3]
    described = {d.schema.name: d for d in dataset.table.described}
    assert (described["c"].missing, described["c"].distinct) == (31, 2)


def test_given_test_rows_may_go_with_groups():
    train = table(columns(y=words("no", "yes"), g=numbers(*range(20))))
    dataset = prepare(Plan(target="y", split="group:g"), train, dataclasses.replace(train))
    np.testing.assert_array_equal(dataset.splits.sealed, np.arange(N, 2 * N))
    assert dataset.splits.how == "group:g"
    groups = dataset.group.codes
    assert all(not set(groups[fold.train]) & set(groups[fold.test]) for fold in dataset.splits.folds)


@pytest.mark.parametrize(
    "part",
    [words("Train", "train", " TEST "), numbers(0, 0, 1), words("learn", "validation", "holdout")],
    ids=["words", "numbers", "other words"],
)
def test_a_column_may_give_the_test_rows(part):
    dataset = prepare(Plan(target="y", split="given:part"), table(columns(y=numbers(0, 1, 1, 0), part=part)))
    np.testing.assert_array_equal(dataset.splits.sealed, np.arange(2, N, 3))
    assert dataset.splits.how == "given:part"
    assert "part" not in dataset.columns


def test_a_column_named_train_means_the_reverse():
    dataset = prepare(Plan(target="y", split="given:is_train"), table(columns(y=numbers(0, 1, 1, 0), is_train=numbers(1, 1, 0))))
    np.testing.assert_array_equal(dataset.splits.sealed, np.arange(2, N, 3))


# --- refusals -------------------------------------------------------------------------------------------------------------

SECRET = "a-cell-value"


def refusal(plan, made, test=None):
    with pytest.raises((SourceError, RequestError)) as caught:
        prepare(Plan(**plan), made, test)
    assert SECRET not in str(caught.value)
    assert caught.value.where
    assert caught.value.why
    assert caught.value.fix
    return caught.value


Y = {"y": numbers(0, 1)}
FEW = {"a": np.arange(12.0), "y": np.arange(12.0) % 2}
RARE = np.array([*[0.0, 1.0] * 29, 2.0, 1.0])


@pytest.mark.parametrize(
    ("code", "plan", "more"),
    [
        ("TW031", {}, Y),
        ("TW021", {"target": "Y1"}, Y),
        ("TW021", {"target": "y", "drop": ("nothing",)}, Y),
        ("TW021", {"target": "y", "split": "group:q"}, Y),
        ("TW021", {"target": "y", "protected": ("q",)}, Y),
        ("TW015", {"target": "y", "weight": "y"}, Y),
        ("TW015", {"target": "y", "drop": ("y",)}, Y),
        ("TW015", {"target": "y", "split": "time:y"}, Y),
        ("TW015", {"target": "y", "split": "given"}, Y),
        ("TW015", {"target": "y", "split": "given:a", "test": "t.csv"}, Y),
        ("TW016", {"target": "y", "task": "binry"}, Y),
        ("TW016", {"target": "y", "task": "multiclass"}, Y),
        ("TW016", {"target": "y", "task": "binary"}, {"y": words("p", "q", SECRET)}),
        ("TW016", {"target": "y", "task": "regression"}, {"y": words("p", SECRET)}),
        ("TW017", {"target": "y", "positive": "maybe"}, {"y": words("p", SECRET)}),
        ("TW017", {"target": "y", "positive": "p"}, {"y": words("p", "q", SECRET)}),
        ("TW018", {"target": "y"}, {"y": words(SECRET)}),
        ("TW018", {"target": "y"}, {"y": numbers(3)}),
        ("TW018", {"target": "y"}, {"y": numbers(np.nan)}),
        ("TW018", {"target": "y"}, {"y": np.append(np.arange(N - 1.0), np.inf)}),
        ("TW018", {"target": "y", "split": "given:p"}, {"y": numbers(0, 1), "p": words("train", "test")}),
        ("TW019", {"target": "y"}, {"y": RARE}),
        ("TW019", {"target": "y", "split": "group:g"}, {"y": numbers(0, 1), "g": numbers(1, 1, 2, 2)}),
        ("TW019", {"target": "y", "split": "time:t"}, {"y": numbers(0, 1), "t": np.ones(N)}),
        ("TW034", {"target": "y", "split": "time:t"}, {"y": numbers(0, 1), "t": words("May", SECRET)}),
        ("TW034", {"target": "y", "split": "given:p"}, {"y": numbers(0, 1), "p": words("train", "test", SECRET)}),
        ("TW034", {"target": "y", "split": "given:p"}, {"y": numbers(0, 1), "p": words("train")}),
        ("TW034", {"target": "y", "split": "given:p"}, {"y": numbers(0, 1), "p": numbers(0, 1, 2)}),
        ("TW018", {"target": "y", "drop": ("a", "b")}, Y),
        ("TW034", {"target": "y", "weight": "w"}, {"y": numbers(0, 1), "w": numbers(1, -1)}),
        ("TW034", {"target": "y", "weight": "w"}, {"y": numbers(0, 1), "w": numbers(1, np.inf)}),
        ("TW034", {"target": "y", "weight": "w"}, {"y": numbers(0, 1), "w": words("1", SECRET)}),
    ],
)
def test_what_cannot_be_learned_is_refused(code, plan, more):
    assert refusal(plan, table(columns(**more))).code == code


@pytest.mark.parametrize("kind", ["text", "identifier", "datetime"])
def test_a_target_of_another_kind_is_refused(kind):
    target = np.arange(N) * 1.0 if kind == "datetime" else words("p", SECRET)
    assert refusal({"target": "y"}, table(columns(y=target), kinds={"y": kind})).code == "TW018"


def test_too_few_rows_are_refused_with_the_number_needed():
    error = refusal({"target": "y"}, table(FEW))
    assert error.code == "TW019"
    assert "12" in error.what
    assert "20" in error.what


def test_a_misspelt_column_names_the_nearest():
    error = refusal({"target": "incom"}, table(columns(income=numbers(0, 1))))
    assert "'income'" in error.fix


@pytest.mark.parametrize("change", ["gone", "kind"])
def test_a_test_table_that_does_not_fit_is_refused(change):
    train = table(columns(**Y))
    held = dict(train.columns)
    if change == "gone":
        del held["b"]
    else:
        held["b"] = np.zeros(N)
    assert refusal({"target": "y", "test": "t.csv"}, train, table(held)).code == "TW039"


def test_columns_that_only_the_test_table_has_are_left_out_and_noted():
    train = table(columns(**Y))
    joined = append(train, table({**train.columns, "extra": np.ones(N)}))
    assert "extra" not in joined.columns
    assert any("extra" in note for note in joined.source.notes)
    assert joined.rows == 2 * N


def test_columns_of_the_test_table_that_were_not_read_are_counted():
    train = table(columns(**Y))
    made = table(train.columns)
    joined = append(train, dataclasses.replace(made, source=dataclasses.replace(made.source, columns=len(train.columns) + 3)))
    assert any(note.startswith("3 columns of the test table were not read") for note in joined.source.notes)
    assert not any("not read" in note for note in append(train, made).source.notes)


def test_no_target_lists_the_likeliest_first():
    more = {"id": words(*map(str, range(N))), "income": numbers(0, 1), "last": numbers(*range(40))}
    made = table(columns(**more), kinds={"id": "identifier"})
    likely = likely_targets(made)
    assert likely[0][0] == "income"
    assert "id" not in dict(likely)
    assert "the last column" in dict(likely)["last"]
    assert "income" in refusal({}, made).fix


# --- promises over many tables --------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(60, 900),
    missing=st.floats(0, 0.3),
    split=st.sampled_from(["auto", "group:g", "time:t"]),
    regression=st.booleans(),
)
def test_every_row_is_used_once_or_counted(seed, rows, missing, split, regression):
    rng = np.random.default_rng(seed)

    def holed(values):
        return np.where(rng.random(rows) < missing, np.nan, values)

    target = holed(rng.normal(size=rows) if regression else rng.integers(0, 2, size=rows))
    made = table({"a": rng.normal(size=rows), "g": holed(rng.integers(0, 40, size=rows)), "t": holed(rng.integers(0, 50, size=rows)), "y": target})
    dataset = prepare(Plan(target="y", split=split, seed=seed), made)
    splits = dataset.splits
    used = np.concatenate([splits.open, splits.sealed])
    assert len(np.unique(used)) == len(used) == rows - sum(dataset.dropped.values())
    assert not np.isnan(target[used]).any()
    for fold in splits.folds:
        assert np.isin(np.concatenate([fold.train, fold.test]), splits.open).all()
    assert prepare(Plan(target="y", split=split, seed=seed), made).digest == dataset.digest
    assert prepare(Plan(target="y", split=split, seed=seed + 1), made).digest != dataset.digest or split == "time:t"


# --- real tables ----------------------------------------------------------------------------------------------------------

SHARED = Path(__file__).parents[2] / "../shared/data"


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="needs the shared data sets")
@pytest.mark.parametrize(
    ("path", "plan", "task", "design"),
    [
        ("pbc_visits_groups/pbc_visits.csv", {"target": "status", "split": "group:id"}, "multiclass", "nested"),
        ("bike_sharing_hour/bike_sharing_hour.csv.gz", {"target": "cnt", "split": "time:dteday"}, "regression", "sealed"),
    ],
)
def test_real_tables_are_split_as_they_should(path, plan, task, design):
    asked = Plan(**plan)
    dataset = prepare(asked, read_table(SHARED / path, roles=roles_of(asked)))
    assert (dataset.task, dataset.splits.design) == (task, design)
    key = pd.read_csv(SHARED / path)[plan["split"].partition(":")[2]]
    key = (pd.to_datetime(key) if design == "sealed" else key).to_numpy()
    for fold in dataset.splits.folds:
        if design == "nested":
            assert not set(key[fold.train]) & set(key[fold.test])
        else:
            assert key[fold.train].max() < key[fold.test].min() <= key[fold.test].max() < key[dataset.splits.sealed].min()

"""Inference: made columns of which a person knows the kind, and what is told about each."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest

from trainwright.data.describe import MANY
from trainwright.data.sources import read_table
from trainwright.errors import SourceError


def one(cells, *, role="feature", kind=None, name="c", more=None):
    """Read one column (beside another) and give its description and typed column."""
    frame = {name: cells, **(more or {"other": [0.5 + at for at in range(len(cells))]})}
    table = read_table(pl.DataFrame(frame), roles={name: role}, kinds={name: kind} if kind else {})
    return next(d for d in table.described if d.schema.name == name), table.columns[name]


def kind_of(cells, **asked):
    return one(cells, **asked)[0].schema.kind


KINDS = {
    "number": (["1.5", "2", "-3e2", ""] * 5, "number"),
    "numbers with a mark": (["1.5", "2", "7", "?"] * 5, "number"),
    "categories": (["red", "green", "blue"] * 5, "category"),
    "a scale": (["low", "High", "medium"] * 5, "ordered"),
    "two of a scale": (["low", "high"] * 5, "category"),
    "yes and no": (["Yes", "no", "YES"] * 5, "yesno"),
    "0 and 1": (["0", "1", ""] * 5, "yesno"),
    "1 and 2": (["1", "2"] * 8, "category"),
    "few whole numbers": (["1", "2", "3", "4"] * 8, "number"),
    "dates": ([f"2020-01-{d:02}" for d in range(1, 29)], "datetime"),
    "keys": ([f"k{d:05}" for d in range(40)], "identifier"),
    "sentences": ([f"the {d}th quick brown fox jumps" for d in range(40)], "text"),
    "one value": (["x"] * 20, "constant"),
    "nothing": ([""] * 20, "constant"),
    "nothing but marks": (["NA", "?"] * 10, "constant"),
    "none is a word": (["none", "some", "many"] * 9, "category"),
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds(name):
    cells, kind = KINDS[name]
    described, _ = one(cells)
    assert described.schema.kind == kind
    assert described.why
    assert described.flag.startswith("--kind c=")


def test_missing_marks_are_those_present_and_are_said():
    described, column = one(["1", "NA", " ? ", "4", "n/a", "7.5"] * 4)
    assert described.schema.missing == ("?", "NA", "n/a")
    assert "'NA'" in described.why
    assert described.missing == 12
    np.testing.assert_array_equal(column[:6], [1, np.nan, np.nan, 4, np.nan, 7.5])


def test_a_few_words_among_numbers_are_missing_and_said():
    cells = [str(k / 4) for k in range(97)] + ["refused", "refused", "error"]
    described, column = one(cells)
    assert described.schema.kind == "number"
    assert described.schema.missing == ("error", "refused")
    assert "2 other words in 3 cells are read as missing" in described.why
    assert "refused" not in described.why
    assert np.isnan(column[97:]).all()
    many = [str(k / 4) for k in range(90)] + [f"w{k % 3}" for k in range(10)]
    assert kind_of(many) != "number"


@pytest.mark.parametrize(
    ("cells", "marks", "numbers"),
    [
        (["1,5", "2,25", "-3"], (",", ""), [1.5, 2.25, -3]),
        (["1,234", "12,345", "7"], (".", ","), [1234, 12345, 7]),
        (["1,234.5", "12", "1,000,000"], (".", ","), [1234.5, 12, 1e6]),
        (["1.234,5", "12", "1.000.000"], (",", "."), [1234.5, 12, 1e6]),
        (["1 234,5", "12", "1 000 000"], (",", " "), [1234.5, 12, 1e6]),
        (["1'234.5", "12", "7.5"], (".", "'"), [1234.5, 12, 7.5]),
        (["1.234", "2.5", "7"], (".", ""), [1.234, 2.5, 7]),
    ],
)
def test_decimal_and_thousands_marks(cells, marks, numbers):
    described, column = one(cells * 4)
    assert (described.schema.decimal, described.schema.thousands) == marks
    np.testing.assert_array_equal(column, numbers * 4)


def test_ambiguous_thousands_follow_the_rest_of_the_file():
    described, column = one(["1.234", "12.345", "7"] * 4, more={"sure": ["1,5", "2,75", "3"] * 4})
    assert (described.schema.decimal, described.schema.thousands) == (",", ".")
    assert column[:3].tolist() == [1234, 12345, 7]
    _, column = one(["1,234", "12,345", "7"] * 4, more={"sure": ["1,5", "2,75", "3"] * 4})
    assert column[:3].tolist() == [1.234, 12.345, 7]


def test_a_semicolon_file_reads_commas_as_decimals(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a;b\n1,234;x\n2,345;y\n7,125;x\n")
    assert read_table(path).columns["a"].tolist() == [1.234, 2.345, 7.125]


def seconds(*days):
    return [dt.datetime(*day, tzinfo=dt.UTC).timestamp() for day in days]


def test_day_or_month_first_is_decided_by_all_cells():
    described, column = one(["01/02/2020", "03/04/2020", "25/12/2020"])
    assert described.schema.formats == ("%d/%m/%Y",)
    assert column.tolist() == seconds((2020, 2, 1), (2020, 4, 3), (2020, 12, 25))
    described, _ = one(["01/02/2020", "03/04/2020", "12/25/2020"])
    assert described.schema.formats == ("%m/%d/%Y",)
    assert "month first" in described.why


def test_ambiguous_dates_follow_the_order_of_rows_and_it_is_said():
    days = [dt.date(2020, month, day) for month in (1, 2, 3) for day in range(1, 13)]
    described, _ = one([day.strftime("%m/%d/%Y") for day in days])
    assert described.schema.formats == ("%m/%d/%Y",)
    described, _ = one([day.strftime("%d/%m/%Y") for day in days])
    assert described.schema.formats == ("%d/%m/%Y",)
    assert "could be exchanged" in described.why


def test_two_formats_in_one_column_are_both_kept():
    described, column = one(["2020-01-31", "31.01.2020", "2020-02-01", "15.03.2020"] * 3)
    assert set(described.schema.formats) == {"iso", "%d.%m.%Y"}
    assert column[:4].tolist() == seconds((2020, 1, 31), (2020, 1, 31), (2020, 2, 1), (2020, 3, 15))
    described, column = one(["25/12/2020", "26/12/2020", "27/12/2020", "12/31/2020"] * 3)
    assert described.schema.formats == ("%d/%m/%Y", "%m/%d/%Y")
    assert not np.isnan(column).any()


@pytest.mark.parametrize(
    ("cells", "kind"),
    [(["0", "1"] * 9, "category"), ([str(k % 7) for k in range(60)], "category"), ([str(k % 11) for k in range(99)], "number"),
     (["yes", "no"] * 9, "category"),
     ([f"{k % 3}.0" for k in range(30)], "category"), ([str(k * k) for k in range(60)], "number"), ([f"{k % 3}.5" for k in range(30)], "number")],
)  # fmt: skip
def test_targets_are_not_typed_away(cells, kind):
    described, column = one(cells, role="target")
    assert described.schema.kind == kind
    assert "target" in described.why
    if cells[0] == "0" and len(set(cells)) == 2:
        assert "read as classes" in described.why
        assert column.words()[:2] == ["0", "1"]


def test_roles_and_their_kinds():
    assert kind_of(["1", "2", "1"] * 5, role="group") == "identifier"
    assert kind_of(["2020-01-01", "2020-01-02"] * 5, role="group") == "identifier"
    assert kind_of(["1", "2", "1"] * 5, role="weight") == "number"
    assert kind_of(["2011", "2012", "2013"] * 5, role="time") == "number"
    assert kind_of(["2020-01-01", "2020-02-01"] * 5, role="time") == "datetime"
    for role in ("weight", "time"):
        with pytest.raises(SourceError, match="TW034"):
            one(["a", "b", "a"] * 5, role=role)


def test_identifiers_by_name_and_by_counting():
    rows = list(range(100, 200))
    assert kind_of(rows, name="customer_id") == "identifier"
    assert kind_of(rows, name="customerID") == "identifier"
    assert kind_of([k // 2 for k in rows], name="id") == "category" or len({k // 2 for k in rows}) <= 50
    assert kind_of([k % 60 for k in range(600)], name="patient_id") == "identifier"
    assert kind_of(rows, name="humidity") == "number"
    assert kind_of(rows, name="row") == "identifier"
    assert kind_of([10115 + k % 40 for k in range(600)], name="zip_code") == "category"


def test_images_and_sounds_name_their_extra():
    paths = [f"pictures/{k}.jpg" for k in range(20)]
    for cells in (paths, [f"{k}.WAV" for k in range(20)]):
        with pytest.raises(SourceError, match="deep") as caught:
            one(cells)
        assert caught.value.code == "TW033"
    assert kind_of(paths, role="set aside") == "image"
    assert kind_of(paths, kind="category") == "category"


def test_asked_kinds():
    assert kind_of(["1", "2", "3"] * 4, kind="category") == "category"
    described, column = one(["3", "1", "2"] * 4, kind="ordered")
    assert described.schema.order == ("1", "2", "3")
    described, _ = one(["hot", "ice", "mild"] * 4, kind="ordered:ice<mild<hot")
    assert described.schema.order == ("ice", "mild", "hot")
    assert "as asked" in described.why
    described, column = one(["0", "86400"] * 4, kind="datetime")
    assert described.schema.formats == ("seconds",)
    assert column[:2].tolist() == [0, 86400]
    for kind in ("number", "datetime", "yesno", "ordered", "nonsense"):
        with pytest.raises(SourceError, match="TW032"):
            one(["alpha", "beta", "gamma"] * 4, kind=kind)
    assert kind_of([1, 2, 3] * 4, kind="category") == "category"


def test_infinities_are_missing_and_counted():
    described, column = one(["1.5", "inf", "2.5", "-Infinity"] * 3)
    assert described.note == "6 infinities read as missing"
    np.testing.assert_array_equal(column[:4], [1.5, np.nan, 2.5, np.nan])
    described, _ = one([1.5, np.inf, 2.5] * 3)
    assert described.note == "3 infinities read as missing"


def test_types_of_a_frame():
    n = 12
    frame = pl.DataFrame({
        "flag": [True, False] * 6, "when": [dt.datetime(2020, 1, 1 + k) for k in range(n)],
        "level": pl.Series(["b", "a", "c"] * 4, dtype=pl.Enum(["c", "b", "a"])),
        "word": pl.Series(["b", "a", "c"] * 4, dtype=pl.Categorical), "none": [None] * n, "big": [2**60 + k for k in range(n)],
    })  # fmt: skip
    table = read_table(frame, kinds={"big": "identifier"})
    kinds = {d.schema.name: d.schema.kind for d in table.described}
    assert kinds == {"flag": "yesno", "when": "datetime", "level": "ordered", "word": "category", "none": "constant", "big": "identifier"}
    assert table.schema("level").order == ("c", "b", "a")
    assert table.columns["big"].words() == [str(2**60 + k) for k in range(n)]
    pandas = pd.DataFrame({"level": pd.Categorical(["b", "a", "c"] * 4, categories=["c", "b", "a"], ordered=True)})
    assert read_table(pandas).schema("level").order == ("c", "b", "a")


def test_a_sample_that_misleads_is_contradicted_by_the_rows():
    rows = MANY + 1
    cells = [str(k % 1000 / 8) for k in range(rows)]
    cells[7] = "sensor failed"  # on no row of the sample, which takes every second
    described, column = one(cells, more={"other": np.arange(rows) / 7})
    assert described.schema.kind == "number"
    assert described.schema.missing == ("sensor failed",)
    assert np.isnan(column[7])
    words = ["a"] * rows
    words[9] = "b"
    described, column = one(words, more={"other": np.arange(rows) / 7})
    assert described.schema.kind == "category"
    assert column.words()[9] == "b"
    described, _ = one([f"w{k % 9}" for k in range(rows)], more={"other": np.arange(rows) / 7})
    assert "from a sample of" in described.why


def test_every_row_is_counted(rng):
    cells = [None if rng.random() < 0.2 else f"w{rng.integers(5)}" for _ in range(200)]
    described, column = one(cells)
    assert described.missing == cells.count(None)
    assert described.distinct == 5
    assert column.words() == cells

"""Typing raw values: the rules cell by cell, and every kind of rows leading to the same typed columns."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.errors import BadInput, BundleError
from trainwright.runtime.cells import NotTyped, number_of, parsed, seconds_of, word_of, yesno_of
from trainwright.runtime.columns import Coded
from trainwright.runtime.schema import ColumnSchema
from trainwright.runtime.step import parts
from trainwright.runtime.typed import Typed, type_values

NUMBER = ColumnSchema(name="n", kind="number", missing=("?", "-999"))
GERMAN = ColumnSchema(name="n", kind="number", decimal=",", thousands=".")
WORD = ColumnSchema(name="w", kind="category", missing=("?",))
TEXT = ColumnSchema(name="w", kind="text")
YESNO = ColumnSchema(name="b", kind="yesno", yes=("ja",), no=("nein",))
DATE = ColumnSchema(name="d", kind="datetime", formats=("%d/%m/%Y", "iso", "%d %b %Y %I:%M %p"))


def instant(*parts: int) -> float:
    return dt.datetime(*parts, tzinfo=dt.UTC).timestamp()  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("value", "number"),
    [("3", 3), (" 3.50 ", 3.5), ("+.5e-3", 0.0005), ("1.", 1), (True, 1), (np.float32(0.5), 0.5), (np.int8(-3), -3), (Decimal("2.25"), 2.25),
     (10**400, math.nan),
     ("", math.nan), ("?", math.nan), ("-999", math.nan), ("inf", math.nan), ("-Infinity", math.nan), ("NaN", math.nan), (None, math.nan),
     (float("nan"), math.nan),
     (float("inf"), math.nan), (pd.NA, math.nan), (pd.NaT, math.nan), ("1e999", math.nan), ("\u00a07\u202f", 7)],
)  # fmt: skip
def test_numbers(value, number):
    np.testing.assert_equal(number_of(value, NUMBER), float(number))


@pytest.mark.parametrize(
    "value", ["1,5", "1_000", "0x10", "abc", "1 2", "--1", "\u0663", "1e", [1], {}, dt.date(2020, 1, 1), b"3", np.timedelta64(3, "s")]
)
def test_no_numbers(value):
    with pytest.raises(NotTyped):
        number_of(value, NUMBER)


def test_notations():
    assert number_of("1.234.567,5", GERMAN) == 1234567.5
    assert number_of("3,25", GERMAN) == 3.25
    blanks = ColumnSchema(name="n", kind="number", thousands=" ")
    assert number_of("1 234\u00a0567", blanks) == 1234567
    for wrong in ("1.23,5", "12.34.567", "1234.567"):
        with pytest.raises(NotTyped):
            number_of(wrong, GERMAN)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("31/12/2011", instant(2011, 12, 31)), ("1/2/2011", instant(2011, 2, 1)), ("2011-02-01", instant(2011, 2, 1)),
     ("2011-02-01T03:04", instant(2011, 2, 1, 3, 4)),
     ("2011-02-01 03:04:05.25", instant(2011, 2, 1, 3, 4, 5) + 0.25), ("2011-02-01T03:04:05Z", instant(2011, 2, 1, 3, 4, 5)),
     ("2011-02-01T03:04:05+05:30", instant(2011, 1, 31, 21, 34, 5)), ("2 Feb 2011 12:05 AM", instant(2011, 2, 2, 0, 5)),
     ("2 February 2011 12:05 pm", instant(2011, 2, 2, 12, 5)),
     (dt.date(2011, 2, 1), instant(2011, 2, 1)), (dt.datetime(2011, 2, 1, 3), instant(2011, 2, 1, 3)),
     (np.datetime64("2011-02-01"), instant(2011, 2, 1)),
     (dt.datetime(2011, 2, 1, 3, tzinfo=dt.timezone(dt.timedelta(hours=2))), instant(2011, 2, 1, 1)),
     (pd.Timestamp("2011-02-01"), instant(2011, 2, 1)),
     (1296518400, instant(2011, 2, 1)), (1296518400.5, instant(2011, 2, 1) + 0.5), (None, math.nan), ("", math.nan), (pd.NaT, math.nan),
     (np.datetime64("NaT"), math.nan)],
)  # fmt: skip
def test_date_times(value, seconds):
    np.testing.assert_equal(seconds_of(value, DATE), seconds)


@pytest.mark.parametrize("value", ["31/31/2011", "2011-02-30", "2011-02-01T25:00", "soon", "29/02/2011", True, [2011]])
def test_no_date_times(value):
    with pytest.raises(NotTyped):
        seconds_of(value, DATE)


@given(st.datetimes(min_value=dt.datetime(1900, 1, 1), max_value=dt.datetime(2100, 1, 1)))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_date_formats_equal_strptime(moment):
    for form in ("%Y-%m-%d %H:%M:%S.%f", "%d/%m/%y %H:%M", "%b %d, %Y", "%I:%M %p %d-%B-%Y", "%Y%m%d%H%M%S", "%a, %d %b %Y"):
        text = moment.strftime(form)
        truth = (dt.datetime.strptime(text, form) - dt.datetime(1970, 1, 1)).total_seconds()
        assert parsed(text, form) == pytest.approx(truth, abs=1e-6)


@pytest.mark.parametrize(
    ("value", "word"),
    [(" a b ", "a b"), ("3.0", "3"), ("-3.00", "-3"), ("3.10", "3.10"), (3.0, "3"), (3, "3"), (2.5, "2.5"), (np.float32(2.1), "2.1"),
     (np.int64(7), "7"), (True, "true"),
     (np.False_, "false"), ("?", None), ("", None), (None, None), (math.nan, None), (math.inf, None), (b"x", "x"),
     (dt.date(2020, 1, 2), "2020-01-02")],
)  # fmt: skip
def test_words(value, word):
    assert word_of(value, WORD) == word


def test_running_text_is_left_alone():
    assert word_of("3.0", TEXT) == "3.0"
    with pytest.raises(NotTyped):
        word_of(["a"], TEXT)


@pytest.mark.parametrize(("value", "answer"), [("Ja", 1), ("NEIN ", 0), (True, 1), (0, 0), (1.0, 1), ("", math.nan), (None, math.nan)])
def test_yes_and_no(value, answer):
    np.testing.assert_equal(yesno_of(value, YESNO), float(answer))


@pytest.mark.parametrize("value", ["yes", 2, "1", 0.5])
def test_neither_yes_nor_no(value):
    with pytest.raises(NotTyped):
        yesno_of(value, YESNO)


# ── columns ──


def same(left, right):
    if isinstance(left, Coded):
        assert left.words() == right.words()
        assert len(set(left.vocabulary)) == len(left.vocabulary)
        assert left.codes.dtype == np.int32
    else:
        np.testing.assert_array_equal(left, right)
        assert left.dtype == np.float64


RAW = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(-3, 3).map(lambda x: round(x, 1)),
    st.sampled_from(["1", "2.0", " ?", "", "x", "Ja", "2011-02-01", "nan"]),
)


@given(st.lists(RAW, max_size=12))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_every_vectorised_road_equals_cell_by_cell(values):
    readers = {"number": number_of, "category": word_of, "text": word_of, "yesno": yesno_of, "datetime": seconds_of}
    for schema in (NUMBER, WORD, TEXT, YESNO, DATE):
        truth, bad = [], []
        for row, value in enumerate(values):
            try:
                truth.append(readers[schema.kind](value, schema))
            except NotTyped:
                bad.append(row)
        for raw in (values, np.array(values, dtype=object), pd.Series(values, dtype=object)):
            rows = {schema.name: raw}
            if bad:
                with pytest.raises(BadInput, match=f"row(s)? {bad[0]}"):
                    Typed((schema,)).apply(rows)  # type: ignore[arg-type]
                continue
            column = Typed((schema,)).apply(rows)[schema.name]  # type: ignore[arg-type]
            if isinstance(column, Coded):
                assert column.words() == truth
            else:
                np.testing.assert_array_equal(column, np.array(truth, dtype=float))


SCHEMA = (
    ColumnSchema(name="n", kind="number"), ColumnSchema(name="i", kind="number"), ColumnSchema(name="w", kind="category"),
    ColumnSchema(name="b", kind="yesno"),
    ColumnSchema(name="d", kind="datetime", formats=("iso",)), ColumnSchema(name="c", kind="category"),
)  # fmt: skip
DATA = {
    "n": [1.5, None, math.inf, -2.0], "i": [1, 2, 3, 4], "w": ["a", None, " b", "a"], "b": [True, False, None, True],
    "d": [dt.datetime(2020, 1, 2, 3, 4, 5, 250_000), dt.datetime(1960, 1, 1), None, dt.datetime(2020, 1, 2)], "c": [3, 4, 3, 3],
}  # fmt: skip


def test_all_kinds_of_rows_give_the_same_columns():
    step = Typed(SCHEMA)  # type: ignore[arg-type]
    rows = [dict(zip(DATA, cells, strict=True)) for cells in zip(*DATA.values(), strict=True)]
    truth = step.apply(rows)
    np.testing.assert_array_equal(truth["n"], [1.5, np.nan, np.nan, -2.0])
    assert truth["d"][:2].tolist() == [instant(2020, 1, 2, 3, 4, 5) + 0.25, instant(1960, 1, 1)]
    assert truth["w"].words() == ["a", None, "b", "a"]
    assert truth["c"].words() == ["3", "4", "3", "3"]
    polars = pl.DataFrame(DATA)
    pandas = pd.DataFrame(DATA)
    others = [
        DATA, polars, polars.lazy(), pandas, pa.table(DATA), truth,
        polars.with_columns(pl.col("w").cast(pl.Categorical), pl.col("d").dt.replace_time_zone("UTC")),
        pandas.astype({"w": "category", "c": "category", "b": "boolean", "n": "Float64", "i": "Int64"}),
        pandas.assign(d=pandas["d"].dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")),
        pandas.astype({"w": object, "c": str}), polars.select(reversed(polars.columns)).with_columns(extra=pl.lit(1)),
        polars.with_columns(pl.col("i").cast(pl.String)),
        {name: np.array(cells, dtype=object) for name, cells in DATA.items()}, pandas.to_dict("records"), tuple(rows),
        np.array([[row[name] for name in DATA] for row in rows], dtype=object),
        pa.table(DATA).set_column(2, "w", pa.array(DATA["w"]).dictionary_encode()),
    ]  # fmt: skip
    for other in others:
        columns = step.apply(other)
        assert list(columns) == list(DATA)
        for name in DATA:
            same(columns[name], truth[name])
    for at, row in enumerate(rows):
        for one in ([row], row):
            for name, column in step.apply(one).items():
                same(
                    column,
                    Coded(truth[name].codes[at : at + 1], truth[name].vocabulary) if isinstance(truth[name], Coded) else truth[name][at : at + 1],
                )


def test_codes_shared_through_numpy_matrix():
    columns = Typed(SCHEMA[:2]).apply(np.array([[1, 2], [3, np.inf]]))  # type: ignore[arg-type]
    np.testing.assert_array_equal(columns["i"], [2, np.nan])


def test_missing_columns_name_the_nearest():
    step = Typed(SCHEMA)  # type: ignore[arg-type]
    for rows in ([{"N ": 1}], [{"N ": 1}, {"N ": 2}], {"N ": [1]}, pl.DataFrame({"N ": [1]}), pd.DataFrame({"N ": [1]})):
        with pytest.raises(BadInput) as caught:
            step.apply(rows)
        assert caught.value.code == "TW040"
        assert "5 others" in caught.value.what
    full = {name: cells[0] for name, cells in DATA.items()}
    with pytest.raises(BadInput) as caught:
        step.apply([{("weekday" if k == "w" else k): v for k, v in full.items()}])
    assert "'w'" in caught.value.what


def test_a_key_that_some_rows_lack_is_a_missing_cell():
    columns = Typed(SCHEMA[:3]).apply([{"n": 1, "i": 2, "w": "a"}, {"n": 2}])  # type: ignore[arg-type]
    np.testing.assert_array_equal(columns["i"], [2, np.nan])
    assert columns["w"].words() == ["a", None]


@pytest.mark.parametrize(
    "rows",
    [3, "text", [1, 2], np.zeros(3), np.zeros((2, 5)), {"n": 1, "i": [1]}, pd.DataFrame([[1, 2]], columns=["n", "n"]), {"n": [1, 2], "i": [1]}],
)
def test_what_is_no_table(rows):
    with pytest.raises(BadInput) as caught:
        Typed(SCHEMA[:2]).apply(rows)  # type: ignore[arg-type]
    assert caught.value.code == "TW042"


def test_errors_name_rows_and_never_values():
    for values in (["1", "secret", "3"] * 5, np.array(["1", "secret", "3"] * 5), np.array([1, "secret", None] * 5, dtype=object)):
        with pytest.raises(BadInput) as caught:
            type_values(values, NUMBER)
        assert "rows 1, 4, 7 and 2 more of column 'n'" in caught.value.what
        assert "secret" not in str(caught.value)
    with pytest.raises(BadInput, match="row 0 of column 'n'"):
        Typed((NUMBER,)).apply([{"n": "secret"}])  # type: ignore[arg-type]


def test_the_step_is_plain_data():
    step = Typed((NUMBER, WORD, YESNO, DATE))  # type: ignore[arg-type]
    settings_, arrays, graphs = parts(step)
    assert not arrays
    assert not graphs

    assert Typed.from_parts(json.loads(json.dumps(settings_)), {}, {}) == step
    with pytest.raises(TypeError):
        Typed.from_parts({"schema": [], "more": 1}, {}, {})
    with pytest.raises(BundleError):
        Typed((NUMBER, NUMBER))  # type: ignore[arg-type]
    hostile = [{"kind": "nonsense"}, {"kind": []}, {"name": 3}, {"decimal": "x"}, {"thousands": "(.*)+"}, {"formats": ("%Q",)},
     {"formats": ("%Y %Y",)}, {"formats": ("%",)},
               {"missing": (3,)}, {"yes": "yes"}, {"decimal": ",", "thousands": ","}]  # fmt: skip
    for fields in hostile:
        with pytest.raises(BundleError):
            Typed.from_parts({"schema": [{"name": "x", "kind": "number"} | fields]}, {}, {})


def test_typed_columns_pass_through_untouched():
    words = Coded(np.array([1, -1, 0], np.int32), ("x", "y"))
    assert type_values(words, WORD) is words
    numbers = Coded(np.array([1, -1, 0], np.int32), ("7", "8.5"))
    np.testing.assert_array_equal(type_values(numbers, NUMBER), [8.5, np.nan, 7])


def test_no_rows():
    columns = Typed(SCHEMA).apply([])  # type: ignore[arg-type]
    assert [len(column) for column in columns.values()] == [0] * 6
    assert [len(column) for column in Typed(SCHEMA).apply(pl.DataFrame(DATA).clear()).values()] == [0] * 6  # type: ignore[arg-type]

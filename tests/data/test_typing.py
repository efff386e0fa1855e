"""Polars' typing of whole columns is, cell by cell, the runtime's: the promise by which a served value means what it meant in training."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.data.cells import type_series
from trainwright.data.infer import DATES, _shaped
from trainwright.runtime import spelling
from trainwright.runtime.cells import NotTyped, parsed, reader_of
from trainwright.runtime.columns import Coded
from trainwright.runtime.schema import ColumnSchema

ODD = ["", " ", "?", "NA", "nan", "-NaN", "inf", "+Infinity", "1e400", "-1e-400", "1_000", "0x1A", "1.", ".5", "+.5e-3", "1e", "--1", "1,5",
 "1.234,5", "1,234.5",
       "12,34", "1 234", "1\u00a0234,5", "1'234.5", "00012", "3.0", "-3.00", "3.10", "٣", "\u00a07\u2009", "7\ufeff", "7\x1c", "True", "ja", "JA ",
       "nein", "0", "1", "1.0",
       "9007199254740993", "0.1", "1e22", "1e23", "123456789012345678901234567890.5", "4.9e-324", "a\nb", "3.0\n", "e5", "∞", "-", "1.0.0", "1..0",
       "+", "ß", "SS"]  # fmt: skip
DATED = ["2011-02-30", "2011-02-28", "2012-02-29", "1900-02-29", "2000-02-29", "0000-01-01", "0001-01-01", "9999-12-31", "2011-1-1", "31/12/2011",
 "12/31/2011", "1/2/11",
         "1/2/69", "1/2/68", "2011-02-01T24:00", "2011-02-01 23:59:59", "2011-02-01 23:59:60", "2011-02-01T01:02:03.5Z",
         "2011-02-01 01:02:03,123456789 +05:30",
         "2011-02-01T01:02+0530", "2011-02-01T01:02-08", "2 Feb 2011", "02-sept-2011", "2 Foo 2011", "Feb 30, 2011", "20110201", "2011021",
         "1/2/2011 12:05 am",
         "1/2/2011 13:05 PM", "1/2/2011 0:05 PM", "Sat, 01 Jan 2011 00:00:00 +0100", "1296518400", "1e9", "inf", " 2011-02-01 ",
         "٢٠١١-02-01"]  # fmt: skip
SCHEMAS = [
    ColumnSchema(name="c", kind="number"), ColumnSchema(name="c", kind="number", missing=("?", "NA", "0")),
    ColumnSchema(name="c", kind="number", decimal=","),
    ColumnSchema(name="c", kind="number", decimal=",", thousands="."), ColumnSchema(name="c", kind="number", thousands=","),
    ColumnSchema(name="c", kind="number", decimal=",", thousands=" "), ColumnSchema(name="c", kind="number", thousands="'"),
    ColumnSchema(name="c", kind="category", missing=("?", "3")), ColumnSchema(name="c", kind="text", missing=("NA",)),
    ColumnSchema(name="c", kind="identifier"),
    ColumnSchema(name="c", kind="number", missing=("?",), low=-1.5, high=1000), ColumnSchema(name="c", kind="number", decimal=",", high=0.0),
    ColumnSchema(name="c", kind="category", missing=("na",), spelling=("casefold", "punctuation"), aliases=(("ja", "yes"), ("1 5", "?"))),
    ColumnSchema(name="c", kind="yesno", yes=("ja", "1"), no=("nein", "0", "ss"), missing=("?",)),
    ColumnSchema(name="c", kind="datetime", formats=("iso",)),
    ColumnSchema(name="c", kind="datetime", formats=("%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "iso", "seconds")),
    ColumnSchema(name="c", kind="datetime", formats=("%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%Y%m%d", "%d/%m/%Y %I:%M %p", "%a, %d %b %Y %H:%M:%S %z")),
]  # fmt: skip


def assert_equal_cell_by_cell(texts: list[str | None], schema: ColumnSchema) -> None:
    cells = type_series(pl.Series("c", texts, dtype=pl.String), schema)
    bad = []
    for row, text in enumerate(texts):
        try:
            truth = reader_of(schema)(text, schema)
        except NotTyped:
            bad.append(row)
            truth = None
        if isinstance(cells.column, Coded):
            code = int(cells.column.codes[row])
            assert (cells.column.vocabulary[code] if code >= 0 else None) == truth, (text, schema)
        else:
            np.testing.assert_equal(cells.column[row], np.nan if truth is None else truth, err_msg=f"{text!r} {schema}")
    assert cells.bad.tolist() == bad
    if isinstance(cells.column, Coded):
        assert len(set(cells.column.vocabulary)) == len(cells.column.vocabulary)
        assert cells.column.codes.dtype == np.int32


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda s: f"{s.kind}-{s.decimal}{s.thousands}{len(s.formats)}")
def test_odd_cells(schema):
    assert_equal_cell_by_cell([*ODD, *DATED, None], schema)


PIECES = st.lists(st.sampled_from([*"0123456789", "1", "00", ".", ",", "'", " ", "\u00a0", "\u202f", "-", "+", "e", "E", "/", ":", "T", "Z", "nan",
 "inf", "Feb", "?", "2011", "x"]),
                  max_size=9).map("".join)  # fmt: skip
CELLS = st.one_of(st.none(), PIECES, st.sampled_from(ODD + DATED), st.floats(allow_nan=False).map(repr), st.text(max_size=6))


@given(st.lists(CELLS, min_size=1, max_size=30), st.sampled_from(SCHEMAS))
@settings(max_examples=400, deadline=None, derandomize=True)
def test_random_cells(texts, schema):
    assert_equal_cell_by_cell(texts, schema)


@pytest.mark.parametrize("form", DATES)
def test_every_date_format_in_both_engines(form, rng):
    import datetime as dt

    from trainwright.data.cells import parse_dates

    moments = [dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=int(s)) for s in rng.integers(0, 3_000_000_000, size=20)]
    texts = [moment.isoformat(sep=" ") if form == "iso" else moment.strftime(form) for moment in moments]
    truth = [parsed(text, form) for text in texts]
    assert None not in truth
    np.testing.assert_array_equal(parse_dates(pl.Series(texts), form), np.array(truth, dtype=float))
    if "S" in form or form == "iso":
        np.testing.assert_array_equal(truth, [moment.timestamp() for moment in moments])
    for text in texts:  # the shortcut by a text's shape leaves out no format that reads it
        shaped = [one for one in _shaped(re.sub("[0-9]", "0", text)) if parsed(text, one) is not None]
        assert shaped == [one for one in DATES if parsed(text, one) is not None]


@given(st.text(st.sampled_from("aBé ß_-.,+%<>=1٣Å\u0301ﬁ\u200b"), max_size=8))
def test_plain_words_take_no_other_way_than_odd_ones(word):
    """The shortcuts for words of ASCII or of letters alone, against the rules as they are written down."""
    plain = "".join(mark for mark in unicodedata.normalize("NFD", word) if not unicodedata.combining(mark))
    told = {
        "casefold": unicodedata.normalize("NFKC", word).casefold(),
        "accents": unicodedata.normalize("NFC", plain),
        "punctuation": " ".join(re.sub(r"(?!(?<!\w)-\d)[^\w\s+%<>=]|_", " ", word).split()),
    }
    for rule, form in told.items():
        assert spelling._RULES[rule](word) == form


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        (pl.Int64, [1, None, 3]),
        (pl.Float32, [1.5, None, float("inf")]),
        (pl.Boolean, [True, None, False]),
        (pl.Decimal(10, 2), ["1.50", None, "2.00"]),
    ],
)
def test_columns_with_a_type_of_their_own(dtype, values):
    series = pl.Series("c", values).cast(dtype)
    truth = [np.nan if v is None or np.isinf(float(v)) else float(v) for v in series.to_list()]
    cells = type_series(series, SCHEMAS[0])
    np.testing.assert_array_equal(cells.column, truth)
    assert cells.endless == (dtype == pl.Float32)


def test_infinities_are_counted():
    assert type_series(pl.Series("c", ["1", "inf", "-inf", "nan", " Infinity ", "1e999"]), SCHEMAS[0]).endless == 4


def test_the_vocabulary_has_one_order():
    series = pl.Series("c", [f"w{k % 777}" for k in range(50_000)])
    assert type_series(series, SCHEMAS[9]).column.vocabulary == [f"w{k}" for k in range(777)]

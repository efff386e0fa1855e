"""JSON lines and arrays: the same table as the CSV file, and every fault with its line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from same_tables import assert_same, made_rows, write_csv

from trainwright.data.sources import line_of, read_table
from trainwright.errors import SourceError
from trainwright.runtime.columns import Coded


def lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def fault(path: Path, **asked: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        read_table(path, **asked)
    return caught.value


def test_lines_array_and_gzip_equal_the_csv_file(tmp_path, rng):
    rows = made_rows(rng)
    truth = read_table(write_csv(tmp_path / "t.csv", rows))
    assert_same(read_table(lines(tmp_path / "t.jsonl", rows)), truth)
    short = [rows[0], *({name: cell for name, cell in row.items() if cell is not None} for row in rows[1:])]  # the first gives the order
    assert_same(read_table(lines(tmp_path / "t.ndjson", short)), truth)
    (tmp_path / "t.json").write_text(json.dumps(rows, indent=1))
    assert_same(read_table(tmp_path / "t.json"), truth)
    (tmp_path / "t.jsonl.gz").write_bytes(gzip.compress((tmp_path / "t.jsonl").read_bytes()))
    assert_same(read_table(tmp_path / "t.jsonl.gz"), truth)


cells = st.one_of(
    st.none(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False, allow_infinity=False, width=32), st.sampled_from(["x", "y z", "nö"])
)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.fixed_dictionaries({"a": cells, "b": st.integers(-9, 9), "c": st.sampled_from(["u", "v"])}), min_size=1, max_size=30))
def test_any_rows_equal_the_csv_file(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("json")
    kinds = {"a": "text", "b": "number", "c": "category"}
    ours = read_table(lines(folder / "t.jsonl", rows), kinds=kinds)
    truth = read_table(write_csv(folder / "t.csv", rows), kinds=kinds)
    for name in "bc":
        assert_same(ours, truth, but=("a", "b" if name == "c" else "c"))
    assert isinstance(ours.columns["a"], Coded)
    for word, row in zip(ours.columns["a"].words(), rows, strict=True):
        value = row["a"]
        assert (word is None) == (value is None)
        assert value is None or (word == value if isinstance(value, str) else float(word or "nan") == value)


def test_batches_do_not_change_the_table(tmp_path, rng, monkeypatch):
    rows = made_rows(rng)
    rows[50]["late"] = 3  # a key that appears late
    path = lines(tmp_path / "t.jsonl", rows)
    whole = read_table(path)
    monkeypatch.setattr("trainwright.data.sources.jsonlines.BATCH", 7)
    assert_same(read_table(path), whole)


def test_what_is_odd_is_said(tmp_path):
    path = lines(
        tmp_path / "t.jsonl", [{"a": 1.0, "b": "x"}, {"a": float("nan"), "b": 2, "c": True}, {"a": 2**60 + 1, "b": "y", "t": [1, 2]}, {"a": 4}]
    )
    table = read_table(path, kinds={"a": "identifier"})
    notes = " | ".join(table.source.notes)
    assert "'b' in 1" in notes
    assert "'c' in 3" in notes
    assert "1 NaN or Infinity" in notes
    assert "several types, read by the rules of text cells: 'b'" in notes
    assert "beyond 2^53" in notes
    assert "'t' (first on line 3)" in notes
    assert set(table.columns) == {"a", "b", "c"}
    assert isinstance(table.columns["a"], Coded)
    assert table.columns["a"].words() == ["1", None, str(2**60 + 1), "4"]  # not rounded
    error = fault(path, roles={"t": "target"})
    assert (error.code, "line 3" in error.what) == ("TW036", True)


@pytest.mark.parametrize(
    ("text", "code", "line", "says"),
    [
        ('{"a": 1}\n{"a": }\n', "TW061", 2, "not JSON"),
        ('{"a": 1}\n\n[1]\n', "TW061", 3, "a list"),
        ('{"a": 1}\n"x"\n', "TW061", 2, "a text"),
        ('{"a": 1}\n{"a": 1} {"a": 2}\n', "TW061", 2, "not JSON"),
        ('{"a": 1}\n{"a": 1, "b": 2, "a": 3}\n', "TW061", 2, "'a' stands twice"),
        ('{"a": 1}\n{"a": "\\ud800"}\n', "TW035", 2, "surrogate"),
        ('{"a": 1}\n{"a": ' + "9" * 5000 + "}\n", "TW061", 2, "digits"),
        ('{"a": 1}\n' + "[" * 100_000 + "\n", "TW061", 2, "nested"),
        ('[{"a": 1},\n{"a": 2}\n{"a": 3}]', "TW061", 2, "neither a comma"),
        ('[{"a": 1},\n\n{"a": x}]', "TW061", 3, "not JSON"),
        ('[{"a": 1},\n{"a": 2}] more', "TW061", 2, "more text"),
        ('[{"a": 1},\n7]', "TW061", 2, "a number"),
        ('{\n "a": 1\n}\n', "TW061", 1, "not JSON"),
        ("[]", "TW024", None, "no records"),
        ("{}\n{}\n", "TW024", None, "no records"),
        (" \n", "TW023", None, "empty"),
        ('{"a": 1, "": 2}\n', "TW029", None, "without a name"),
    ],
)
def test_faults_name_their_line(tmp_path, text, code, line, says):
    path = tmp_path / "t.json"
    path.write_text(text)
    error = fault(path)
    assert error.code == code
    assert says in error.what
    assert line is None or error.where == f"{path}:{line}"


@pytest.mark.parametrize("shape", ["lines", "array"])
def test_a_row_knows_its_line(tmp_path, shape):
    path = tmp_path / "t.json"
    path.write_text('{"a": 1}\n\n{"a": 2}\n{"a": 3}\n' if shape == "lines" else '[\n {"a": 1},\n\n {"a": 2}, {"a":\n 3}\n]\n')
    table = read_table(path)
    assert [line_of(table.source, row) for row in range(3)] == ([1, 3, 4] if shape == "lines" else [2, 4, 4])
    assert line_of(table.source, 3) is None
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"a": 1}\n\n{"a": 2}\n{"a": "x"}\n')
    error = fault(bad, like=[table.schema("a")])
    assert (error.code, error.where) == ("TW032", f"{bad}:4")


def test_as_before_only_its_columns_are_read(tmp_path, rng):
    rows = made_rows(rng)
    table = read_table(lines(tmp_path / "t.jsonl", rows))
    again = read_table(tmp_path / "t.jsonl", like=[table.schema("real"), table.schema("word")])
    assert set(again.columns) == {"real", "word"}
    np.testing.assert_array_equal(again.columns["real"], table.columns["real"])

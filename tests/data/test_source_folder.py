"""A folder of files as one table: the same as the one file of all its rows; differences are reconciled and said, or refused with the file."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st
from same_tables import assert_same, made_rows, write_csv

from trainwright.data.room import Room
from trainwright.data.sources import open_source, place_of_row, read_table
from trainwright.errors import TrainwrightError
from trainwright.runtime.columns import Coded


def fault(source: object, **asked: Any) -> TrainwrightError:
    with pytest.raises(TrainwrightError) as caught:
        read_table(source, **asked)
    return caught.value


def parts(rows: list[dict[str, Any]], count: int) -> list[list[dict[str, Any]]]:
    size = -(-len(rows) // count)
    return [rows[start : start + size] for start in range(0, len(rows), size)]


def write_excel(path: Path, rows: list[dict[str, Any]]) -> None:
    book = xlsxwriter.Workbook(str(path))
    sheet = book.add_worksheet("s")
    for at, line in enumerate([list(rows[0]), *(list(row.values()) for row in rows)]):
        for column, cell in enumerate(line):
            if cell is not None:
                sheet.write(at, column, cell)
    book.close()


@pytest.mark.parametrize("format_", ["csv", "csv.gz", "jsonl", "parquet", "xlsx"])
def test_parts_equal_the_whole(tmp_path, rng, format_):
    rows = made_rows(rng)
    truth = read_table(write_csv(tmp_path / "whole.csv", rows))
    folder = tmp_path / "parts"
    folder.mkdir()
    for number, part in enumerate(parts(rows, 4)):
        path = folder / f"part-{number}.{format_}"
        if format_.startswith("csv"):
            write_csv(path, part)
            if format_ == "csv.gz":
                path.write_bytes(gzip.compress(path.read_bytes()))
        elif format_ == "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in part))
        elif format_ == "parquet":
            plain = [{**row, "mixed": None if row["mixed"] is None else str(row["mixed"])} for row in part]
            pl.DataFrame(plain, infer_schema_length=None).write_parquet(path)
        else:
            write_excel(path, part)
    table = read_table(folder)
    assert_same(table, truth)
    assert table.source.details["files"] == 4
    assert any("4 files were read as one table" in note for note in table.source.notes)


def test_in_chunks_as_at_once(tmp_path, rng):
    rows = made_rows(rng, 400)
    for number, part in enumerate(parts(rows, 4)):
        write_csv(tmp_path / f"{number}.csv", [{name: cell for name, cell in row.items() if name != "word" or number != 2} for row in part])
    table = read_table(tmp_path, room=Room(streamed=10_000, chunk=3000))
    assert_same(table, read_table(tmp_path))
    assert table.source.digest == read_table(tmp_path).source.digest
    assert open_source(tmp_path, Room(streamed=10_000)).scanned.chunks is not None
    assert place_of_row(table.source, 150) == f"{tmp_path}/1.csv:52"


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_order_and_choice_of_columns_equals_the_union(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("union")
    union: list[dict[str, Any]] = []
    seen: list[str] = []
    for number in range(data.draw(st.integers(1, 4))):
        names = data.draw(st.permutations(["a", "b", "c", "d"]))[: data.draw(st.integers(1, 4))]
        seen += [name for name in names if name not in seen]
        rows = [{name: data.draw(st.integers(0, 99)) for name in names} for _ in range(data.draw(st.integers(1, 5)))]
        write_csv(folder / f"{number}.csv", rows)
        union += rows
    truth = {name: [float(row[name]) if name in row else np.nan for row in union] for name in seen}
    table = read_table(folder, kinds=dict.fromkeys(seen, "number"))
    assert list(table.columns) == seen
    for name in seen:
        np.testing.assert_array_equal(table.columns[name], truth[name])
    lacking = {name for name in seen if np.isnan(truth[name]).any()}
    for name in seen:
        assert any(f"column '{name}' is not in" in note for note in table.source.notes) == (name in lacking)


def test_each_file_is_sniffed_by_itself_and_names_its_lines(tmp_path):
    (tmp_path / "a.csv").write_text("x,name\n1,Zoë\n2,Eva\n")
    (tmp_path / "b.tsv").write_bytes("name\tx\nIrène\t3\n\nOla\t4\n".encode("utf-16"))
    table = read_table(tmp_path, kinds={"name": "text"})
    assert table.columns["x"].tolist() == [1, 2, 3, 4]
    assert isinstance(table.columns["name"], Coded)
    assert table.columns["name"].words() == ["Zoë", "Eva", "Irène", "Ola"]
    assert "b.tsv: the encoding is UTF-16 with a byte-order mark" in table.source.notes
    places = [place_of_row(table.source, row) for row in range(4)]
    assert places == [f"{tmp_path}/a.csv:2", f"{tmp_path}/a.csv:3", f"{tmp_path}/b.tsv:2", f"{tmp_path}/b.tsv:4"]
    (tmp_path / "c.csv").write_text("x,name\n5,Bo\nfive,Mo\n")
    error = fault(tmp_path, like=[table.schema("x")])
    assert (error.code, error.where) == ("TW032", f"{tmp_path}/c.csv:3")
    (tmp_path / "d.csv").write_text("x,name\n5\n")
    error = fault(tmp_path)
    assert (error.code, error.where) == ("TW025", f"{tmp_path}/d.csv:2")


def test_the_digest_is_of_all_files_and_their_names(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n2\n")
    (tmp_path / "b.csv").write_text("x\n3\n4\n")
    first = read_table(tmp_path).source.digest
    assert read_table(tmp_path).source.digest == first
    (tmp_path / "b.csv").write_text("x\n3\n5\n")
    second = read_table(tmp_path).source.digest
    (tmp_path / "b.csv").rename(tmp_path / "c.csv")
    assert len({first, second, read_table(tmp_path).source.digest}) == 3


def test_types_of_parquet_files_widen_or_are_refused(tmp_path):
    pl.DataFrame({"n": [1, 2, 3], "k": ["a", "b", "b"]}).write_parquet(tmp_path / "1.parquet")
    pl.DataFrame({"k": ["c", "a"], "n": [0.5, None], "more": [1, 5]}).write_parquet(tmp_path / "2.parquet")
    pl.DataFrame({"n": pl.Series([7], dtype=pl.Int8), "k": pl.Series(["c"], dtype=pl.Categorical)}).write_parquet(tmp_path / "3.parquet")
    table = read_table(tmp_path)
    np.testing.assert_array_equal(table.columns["n"], [1, 2, 3, 0.5, np.nan, 7])
    assert isinstance(table.columns["k"], Coded)
    assert table.columns["k"].words() == ["a", "b", "b", "c", "a", "c"]
    assert any("'more' is not in 1.parquet, 3.parquet" in note for note in table.source.notes)
    pl.DataFrame({"n": ["x"]}).write_parquet(tmp_path / "4.parquet")
    error = fault(tmp_path)
    assert error.code == "TW038"
    assert "'n' is Int64 in 1.parquet and" in error.what or "'n'" in error.what


def test_text_files_of_other_types_are_read_by_the_cell_rules(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"v": 1, "w": true}\n{"v": 2.5, "w": false}\n')
    (tmp_path / "b.jsonl").write_text('{"v": "n/a", "w": "true"}\n{"v": "7", "w": "false"}\n')
    table = read_table(tmp_path)
    np.testing.assert_array_equal(table.columns["v"], [1, 2.5, np.nan, 7])
    np.testing.assert_array_equal(table.columns["w"], [1, 0, 1, 0])


def test_subfolders_named_like_columns(tmp_path):
    for year, month, rows in ((2023, "05", [1, 2]), (2024, "01", [3]), (2024, "__HIVE_DEFAULT_PARTITION__", [4])):
        folder = tmp_path / f"year={year}" / f"place=K%C3%B6ln {month}" if month == "05" else tmp_path / f"year={year}" / f"place={month}"
        folder.mkdir(parents=True)
        pl.DataFrame({"x": rows}).write_parquet(folder / "data.parquet")
    (tmp_path / "_SUCCESS").write_text("")
    table = read_table(tmp_path, kinds={"year": "number", "place": "text", "x": "number"})
    assert table.columns["x"].tolist() == [1, 2, 3, 4]
    assert table.columns["year"].tolist() == [2023, 2023, 2024, 2024]
    assert isinstance(table.columns["place"], Coded)
    assert table.columns["place"].words() == ["Köln 05", "Köln 05", "01", None]
    pl.DataFrame({"x": [1], "year": [1]}).write_parquet(tmp_path / "year=2024" / "clash.parquet")
    assert fault(tmp_path).code == "TW063"


def test_folders_that_are_no_table(tmp_path):
    assert fault(tmp_path).code == "TW022"
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    error = fault(tmp_path)
    assert (error.code, "photo.png" in error.why) == ("TW022", True)
    (tmp_path / "a.csv").write_text("x\n1\n2\n")
    (tmp_path / "README.txt").write_text("see the wiki")
    (tmp_path / "old").mkdir()
    notes = read_table(tmp_path).source.notes
    assert "not read: README.txt, old/, photo.png" in notes
    (tmp_path / "b.jsonl").write_text('{"x": 1}\n')
    error = fault(tmp_path)
    assert (error.code, "a.csv" in error.why, "b.jsonl" in error.why) == ("TW063", True, True)


def test_text_files_count_where_there_is_nothing_else(tmp_path):
    (tmp_path / "a.txt").write_text("x y z\n1 2 3\n4 5 6\n7 8 10\n")
    assert read_table(tmp_path).columns["z"].tolist() == [3, 6, 10]

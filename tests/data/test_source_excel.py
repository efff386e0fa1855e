"""Workbooks: the same table as the CSV file, whatever the sheet looks like; faults with the row of the sheet."""

from __future__ import annotations

import datetime
import io
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st
from same_tables import assert_same, made_rows, write_csv

from trainwright.data.sources import line_of, read_table
from trainwright.data.sources.place import Place
from trainwright.errors import TrainwrightError
from trainwright.runtime.columns import Coded


def write(path: Path, sheets: dict[str, list[list[Any]]], *, row: int = 0, column: int = 0) -> Path:
    """Cells as they are given; None is no cell, a text with "=" at its start a formula whose last result is 7, an error stands as its name."""
    book = xlsxwriter.Workbook(str(path))
    date = book.add_format({"num_format": "yyyy-mm-dd"})
    for name, cells in sheets.items():
        sheet = book.add_worksheet(name)
        for at, line in enumerate(cells, start=row):
            for place, cell in enumerate(line, start=column):
                if isinstance(cell, datetime.date):
                    sheet.write_datetime(at, place, datetime.datetime(cell.year, cell.month, cell.day), date)
                elif isinstance(cell, str) and cell.startswith("="):
                    sheet.write_formula(at, place, cell, None, 7)
                elif isinstance(cell, str) and cell.startswith("#"):
                    sheet.write_formula(at, place, "=NA()", None, cell)
                elif isinstance(cell, str):
                    sheet.write_string(at, place, cell)
                elif cell is not None:
                    sheet.write(at, place, cell)
    book.close()
    return path


def grid(rows: list[dict[str, Any]]) -> list[list[Any]]:
    return [list(rows[0]), *(list(row.values()) for row in rows)]


def fault(source: object, **asked: Any) -> TrainwrightError:
    with pytest.raises(TrainwrightError) as caught:
        read_table(source, **asked)
    error = caught.value
    assert error.what
    assert error.where
    assert error.fix
    return error


def test_a_sheet_equals_the_csv_file(tmp_path, rng):
    rows = made_rows(rng)
    truth = read_table(write_csv(tmp_path / "t.csv", rows))
    dated = [{**row, "day": None if row["day"] is None else datetime.date.fromisoformat(row["day"])} for row in rows]
    assert_same(read_table(write(tmp_path / "t.xlsx", {"one": grid(rows)})), truth)
    assert_same(read_table(write(tmp_path / "d.xlsx", {"one": grid(dated)})), truth)


numbers = st.floats(allow_nan=False, allow_infinity=False, width=64).filter(lambda x: x == 0 or 1e-300 < abs(x) < 1e300)


@settings(max_examples=15, deadline=None)
@given(
    column=st.lists(st.one_of(st.none(), numbers, st.integers(-(10**15), 10**15), st.sampled_from(["low", "high", "007"])), min_size=2, max_size=20)
)
def test_no_cell_loses_a_digit_or_a_word(column, tmp_path_factory):
    cells = [["name", "k"], *([cell, at] for at, cell in enumerate(column))]
    table = read_table(write(tmp_path_factory.mktemp("excel") / "t.xlsx", {"one": cells}), kinds={"name": "text"})
    words = table.columns["name"]
    assert isinstance(words, Coded)
    for word, cell in zip(words.words(), column, strict=True):
        if isinstance(cell, str) or cell is None:
            assert word == cell
        else:
            assert float(word or "nan") == float(f"{cell:.16G}")  # what the writer stores


def test_where_the_table_stands_does_not_matter(tmp_path, rng):
    rows = made_rows(rng, 30)
    truth = read_table(write(tmp_path / "a.xlsx", {"one": grid(rows)}))
    moved = read_table(write(tmp_path / "b.xlsx", {"one": grid(rows)}, row=4, column=3))
    assert_same(moved, truth)
    assert [line_of(moved.source, row) for row in (0, 29)] == [6, 35]
    titled = [["Report of the year"], [None], *grid(rows), [None], [None]]
    table = read_table(write(tmp_path / "c.xlsx", {"one": titled}))
    assert_same(table, truth)
    assert any("1 rows of one cell above" in note for note in table.source.notes)
    assert line_of(table.source, 0) == 4


def test_empty_rows_between_are_skipped_and_counted(tmp_path):
    cells = [["a", "b"], [1, 2], [None, None], [3, 4], ["", " "], [5, "x"]]
    table = read_table(write(tmp_path / "t.xlsx", {"one": cells}))
    assert table.columns["a"].tolist() == [1, 3, 5]
    assert "2 empty rows were skipped" in table.source.notes
    assert [line_of(table.source, row) for row in range(3)] == [2, 4, 6]
    error = fault(tmp_path / "t.xlsx", like=[read_table({"b": [1.0, 2.0, 4.5]}).schema("b")])
    assert (error.code, error.where) == ("TW032", f"{tmp_path / 't.xlsx'}, sheet 'one', row 6")


def test_sheets(tmp_path):
    path = write(tmp_path / "t.xlsx", {"none": [], "first": [["a"], [1], [2], [4]], "second": [["b"], [5], [6], [9]]})
    table = read_table(path)
    assert table.source.details["sheet"] == "first"
    assert any("the first of 2 that are not empty: 'first', 'second' (--sheet)" in note for note in table.source.notes)
    named = read_table(Place(str(path), sheet="second"))
    assert named.columns["b"].tolist() == [5, 6, 9]
    assert named.source.notes == ()
    error = fault(Place(str(path), sheet="secnd"))
    assert (error.code, "'second'" in error.fix) == ("TW062", True)
    assert fault(Place(str(path), sheet="none")).code == "TW024"
    assert fault(Place(str(path), table="x")).code == "TW009"


def test_formulas_errors_and_truths(tmp_path):
    cells = [
        ["f", "e", "t", "w"],
        *([f"={i}*1", "#N/A" if i % 3 == 0 else i * 1.5, bool(i % 2), "#DIV/0!" if i == 4 else f"w{i % 2}"] for i in range(12)),
    ]
    table = read_table(write(tmp_path / "t.xlsx", {"one": cells}))
    assert table.schema("f").kind == "constant"
    np.testing.assert_array_equal(table.columns["e"], [np.nan if i % 3 == 0 else i * 1.5 for i in range(12)])
    np.testing.assert_array_equal(table.columns["t"], [i % 2 for i in range(12)])
    assert table.described[3].missing == 1
    assert "5 cells of the sheet hold an error such as #N/A: they are read as missing" in table.source.notes


def test_headers_as_in_csv(tmp_path):
    assert list(read_table(write(tmp_path / "a.xlsx", {"s": [[1, 2.5], [3, 4.5], [5, 6.5]]})).columns) == ["column_1", "column_2"]
    assert list(read_table(write(tmp_path / "b.xlsx", {"s": [["k", 2001, 2002], ["x", 1, 2], ["y", 3, 4]]})).columns) == ["k", "2001", "2002"]
    assert fault(write(tmp_path / "c.xlsx", {"s": [["a", "b", "a"], [1, 2, 3]]})).code == "TW028"
    assert fault(write(tmp_path / "d.xlsx", {"s": [["a", None, "c"], [1, 2, 3]]})).code == "TW029"
    assert list(read_table(write(tmp_path / "e.xlsx", {"s": [["a", None, "c"], [1, None, 3], [2, None, 5]]})).columns) == ["a", "c"]
    assert fault(write(tmp_path / "f.xlsx", {"s": [["a", "b"]]})).code == "TW024"
    assert fault(write(tmp_path / "g.xlsx", {"s": []})).code == "TW024"


def test_an_opendocument_sheet(tmp_path):
    lines = "".join(
        f'<table:table-row><table:table-cell office:value-type="float" office:value="{i / 3!r}"/>'
        f'<table:table-cell office:value-type="string"><text:p>{"uv"[i % 2]}</text:p></table:table-cell></table:table-row>'
        for i in range(6)
    )
    head = "".join(f'<table:table-cell office:value-type="string"><text:p>{name}</text:p></table:table-cell>' for name in "ab")
    content = (
        '<?xml version="1.0"?><office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0">'
        f'<office:body><office:spreadsheet><table:table table:name="s"><table:table-row>{head}</table:table-row>{lines}'
        "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(tmp_path / "t.ods", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>')
        archive.writestr("content.xml", content)
    table = read_table(tmp_path / "t.ods")
    np.testing.assert_array_equal(table.columns["a"], [i / 3 for i in range(6)])
    assert table.schema("b").kind == "category"


def test_damaged_and_locked_workbooks(tmp_path, rng):
    good = write(tmp_path / "t.xlsx", {"one": grid(made_rows(rng, 20))}).read_bytes()
    for content in (b"", b"PK\x03\x04 no", good[: len(good) // 2], b"a,b\n1,2\n"):
        (tmp_path / "bad.xlsx").write_bytes(content)
        assert fault(tmp_path / "bad.xlsx").code == "TW066"
    (tmp_path / "locked.xlsx").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504) + "EncryptedPackage".encode("utf-16-le") + bytes(600))
    assert "password" in fault(tmp_path / "locked.xlsx").what
    broken = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as old, zipfile.ZipFile(broken, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name)[:200] if name.endswith("sheet1.xml") else old.read(name))
    (tmp_path / "broken.xlsx").write_bytes(broken.getvalue())
    assert fault(tmp_path / "broken.xlsx").code == "TW066"
    (tmp_path / "named.csv").write_bytes(good)
    assert fault(tmp_path / "named.csv").code == "TW027"


def test_without_the_package_the_extra_is_named(tmp_path, rng):
    path = write(tmp_path / "t.xlsx", {"one": grid(made_rows(rng, 20))})
    script = f"import sys; sys.modules['fastexcel'] = None; from trainwright.data.sources import read_table; read_table({str(path)!r})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "trainwright[excel]" in done.stderr

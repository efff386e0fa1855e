"""Sources: whatever is odd about a file is mended and said; what cannot be read is refused with its code and line."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import time
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.data.sources import line_of, read_table
from trainwright.errors import MachineError, SourceError, TrainwrightError
from trainwright.runtime.columns import Coded, Column

TEXT = "name,size,city\nanna,1.5,Zürich\nbert,2,Köln\ncarl,-3e2,Zürich\ndora,,Köln\n"
SIZE = [1.5, 2.0, -300.0, np.nan]
CITY = ["Zürich", "Köln", "Zürich", "Köln"]


def written(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def words(column: Column) -> list[str | None]:
    assert isinstance(column, Coded)
    return column.words()


def code_of(source: object, **asked: object) -> TrainwrightError:
    with pytest.raises(TrainwrightError) as caught:
        read_table(source, **asked)  # type: ignore[arg-type]
    error = caught.value
    assert error.what
    assert error.where
    assert error.why
    assert error.fix
    return error


# ── works, and says what it did ──


@pytest.mark.parametrize(
    ("encoding", "said"),
    [("utf-8", ""), ("utf-8-sig", "UTF-8 with a byte-order mark"), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16-LE"), ("utf-16-be", "UTF-16-BE"),
     ("utf-32", "UTF-32"),
     ("latin-1", "CP1252"), ("cp1252", "CP1252")],
)  # fmt: skip
def test_encodings(tmp_path, encoding, said):
    table = read_table(written(tmp_path, TEXT.encode(encoding)))
    assert words(table.columns["city"]) == CITY
    np.testing.assert_array_equal(table.columns["size"], SIZE)
    assert said in " ".join(table.source.notes)
    assert bool(said) == bool(table.source.notes)


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|", ":"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_delimiters_and_line_ends(tmp_path, delimiter, end):
    table = read_table(written(tmp_path, TEXT.replace(",", delimiter).replace("\n", end)))
    assert table.source.details["delimiter"] == delimiter
    assert words(table.columns["city"]) == CITY
    np.testing.assert_array_equal(table.columns["size"], SIZE)
    assert ("the delimiter is" in " ".join(table.source.notes)) == (delimiter != ",")


def test_blanks_as_delimiter_and_excels_first_line(tmp_path):
    assert read_table(written(tmp_path, "a b\n1 2\n3 4\n5 7\n")).columns["b"].tolist() == [2, 4, 7]
    table = read_table(written(tmp_path, "sep=;\na;b\n1,5;2\n2,5;3\n"))
    assert table.columns["a"].tolist() == [1.5, 2.5]
    assert line_of(table.source, 0) == 3


def test_quoted_cells_of_every_kind_equal_the_csv_module(tmp_path, rng):
    alphabet = ["a", '"', ",", "\n", " ", "é", "x", ";"]
    rows = [["".join(rng.choice(alphabet, size=rng.integers(0, 8))) + "z" for _ in range(3)] for _ in range(300)]
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([["p", "q", "r"], *rows])
    path = written(tmp_path, buffer.getvalue())
    table = read_table(path, kinds=dict.fromkeys("pqr", "text"))
    for at, name in enumerate("pqr"):
        assert words(table.columns[name]) == [row[at].strip() or None for row in rows]
    lines, reader = [], csv.reader(io.StringIO(buffer.getvalue()))
    before = 0
    for _ in reader:
        lines.append(before + 1)
        before = reader.line_num
    assert [line_of(table.source, row) for row in range(300)] == lines[1:]


def test_single_quotes_and_stray_quotes(tmp_path):
    table = read_table(written(tmp_path, "a,b\n'x, y',1\n'z',2\n"))
    assert words(table.columns["a"]) == ["x, y", "z"]
    pipes = read_table(written(tmp_path, 'a,b\n5" pipe,1\nrod,2\n"6"" pipe",3\n', "u.csv"))
    assert words(pipes.columns["a"]) == ['5" pipe', "rod", '6" pipe']
    assert any("quoting is irregular" in note for note in pipes.source.notes)


def test_a_cell_of_one_megabyte(tmp_path):
    table = read_table(written(tmp_path, 'a,b\n1,"' + "word,\n" * 180_000 + '"\n2,short\n'), kinds={"b": "text"})
    assert len(words(table.columns["b"])[0] or "") == 6 * 180_000 - 1
    assert [line_of(table.source, row) for row in (0, 1)] == [2, 180_003]


def test_one_column_with_commas_in_its_text(tmp_path):
    table = read_table(written(tmp_path, "text\n" + "".join(f"hello, you {'and, ' * k}\n" for k in range(5))))
    assert table.source.details["delimiter"] == "none"
    assert words(table.columns["text"])[2] == "hello, you and, and,"


def test_no_header_and_years_as_header(tmp_path):
    table = read_table(written(tmp_path, "1,2,x\n3,4,y\n5,6,x\n"))
    assert list(table.columns) == ["column_1", "column_2", "column_3"]
    assert table.rows == 3
    assert line_of(table.source, 0) == 1
    assert any("no header" in note for note in table.source.notes)
    wide = read_table(written(tmp_path, "2019,2020\n1,2\n3,5\n", "w.csv"))
    assert list(wide.columns) == ["2019", "2020"]


def test_empty_lines_are_skipped_and_lines_stay_right(tmp_path):
    table = read_table(written(tmp_path, "\na,b\n1,2.5\n\n\n3,5\n\n"))
    assert table.columns["b"].tolist() == [2.5, 5]
    assert [line_of(table.source, row) for row in (0, 1)] == [3, 6]
    assert any("empty lines" in note for note in table.source.notes)


def test_pandas_index_column(tmp_path):
    path = tmp_path / "t.csv"
    pd.DataFrame({"a": np.arange(12) * 1.5, "b": list("xy" * 6)}).to_csv(path)
    table = read_table(path)
    assert table.schema("Unnamed: 0").kind == "identifier"
    assert any("no name" in note for note in table.source.notes)


def test_gzip_and_any_extension(tmp_path):
    path = written(tmp_path, gzip.compress(TEXT.encode()[:30]) + gzip.compress(TEXT.encode()[30:]), "t.data")
    assert words(read_table(path).columns["city"]) == CITY


def test_parquet_folder_and_frames_agree_with_the_file(tmp_path):
    frame = pl.read_csv(TEXT.encode())
    (tmp_path / "parts").mkdir()
    frame.head(2).write_parquet(tmp_path / "parts" / "a.parquet")
    frame.tail(2).write_parquet(tmp_path / "parts" / "b.parquet")
    frame.write_parquet(tmp_path / "t.parquet")
    pandas = frame.to_dict(as_series=False)
    sources = [tmp_path / "parts", str(tmp_path / "t.parquet"), frame, frame.lazy(), pd.DataFrame(pandas), pa.table(pandas), frame.to_dicts(), pandas,
               pd.DataFrame(pandas).astype({"city": "category"})]  # fmt: skip
    truth = read_table(written(tmp_path, TEXT))
    for source in sources:
        table = read_table(source)
        assert [d.schema for d in table.described] == [d.schema for d in truth.described]
        assert words(table.columns["city"]) == CITY
        np.testing.assert_array_equal(table.columns["size"], SIZE)


def test_digest_of_a_frame_follows_its_values():
    frame = pl.DataFrame({"a": [1.0, 2.5, None], "b": ["x", "y", "x"]})
    digest = read_table(frame).source.digest
    assert read_table(frame.clone()).source.digest == digest
    assert read_table(frame.with_columns(b=pl.Series(["x", "y", "y"]))).source.digest != digest
    assert read_table(frame.with_columns(a=pl.Series([1.0, 2.5, 0.0]))).source.digest != digest


def test_digest_of_a_file_is_sha256_of_its_bytes(tmp_path):
    path = written(tmp_path, TEXT)
    assert read_table(path).source.digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_like_reads_by_the_first_tables_rules(tmp_path):
    train = read_table(written(tmp_path, "a;b;c\n1,5;x;01/02/2020\n2,5;?;13/02/2020\n3,5;y;14/02/2020\n"))
    schemas = [d.schema for d in train.described]
    test = read_table(written(tmp_path, "c;extra;b;a\n03/04/2021;1;?;7,25\n", "u.csv"), like=schemas)
    assert list(test.columns) == [d.schema.name for d in test.described] == ["a", "b", "c"]
    assert test.source.columns == 4
    assert test.columns["a"].tolist() == [7.25]
    assert words(test.columns["b"]) == [None]
    assert test.columns["c"].tolist() == [pd.Timestamp("2021-04-03", tz="UTC").timestamp()]
    error = code_of(written(tmp_path, "aa;b;c\n1;x;01/02/2020\n", "v.csv"), like=schemas)
    assert (error.code, "'aa'" in error.fix) == ("TW039", True)
    error = code_of(written(tmp_path, "a;b;c\n1;x;01/02/2020\nlots;x;01/02/2020\n", "w.csv"), like=schemas)
    assert error.code == "TW032"
    assert error.where.endswith("w.csv:3")
    assert "lots" not in str(error)


def test_ten_thousand_columns_in_seconds(tmp_path):
    header = ",".join(f"c{at}" for at in range(10_000))
    rows = [",".join(str((at * row) % 97) if at % 3 else "ab"[(at + row) % 2] for at in range(10_000)) for row in range(1, 41)]
    path = written(tmp_path, header + "\n" + "\n".join(rows) + "\n")
    start = time.perf_counter()
    table = read_table(path)
    assert time.perf_counter() - start < 20  # a few seconds on a free machine
    assert len(table.columns) == 10_000
    assert table.columns["c7"].tolist() == [(7 * row) % 97 for row in range(1, 41)]


def _asked_of(monkeypatch: pytest.MonkeyPatch, name: str) -> list[list[str]]:
    """The columns of each reading of a file, by the lazy frame that `pl.scan_csv` or `pl.scan_parquet` gives."""
    asked: list[list[str]] = []
    make = getattr(pl, name)

    def scan(*args: object, **options: object) -> pl.LazyFrame:
        frame = make(*args, **options)
        select = frame.select

        def noted(columns: object) -> pl.LazyFrame:
            if isinstance(columns, list):
                asked.append(list(columns))
            return select(columns)

        frame.select = noted
        return frame

    monkeypatch.setattr(pl, name, scan)
    return asked


def _large() -> pl.DataFrame:
    at = pl.int_range(0, 700, eager=True)
    numbers = {f"n{k}": (at * (k + 3)) % 101 / 2 for k in range(20)}
    texts = {f"t{k}": (at * (k + 1) % 7).replace_strict(list(range(7)), [*list("abcdef"), None], return_dtype=pl.String) for k in range(20)}
    return pl.DataFrame({**numbers, **texts, "id": "user " + at.cast(pl.String), "day": "2024-01-" + (1 + at % 28).cast(pl.String).str.zfill(2)})


def test_a_file_is_read_a_few_columns_at_a_time(tmp_path, monkeypatch):
    frame = _large()
    truth = read_table(frame)
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_csv(tmp_path / "t.csv", quote_style="always")
    monkeypatch.setattr("trainwright.data.sources.scanned.CELLS", 1400)  # two columns
    for name, most in (("t.parquet", 2), ("t.csv", -(-len(frame.columns) // 4))):
        asked = _asked_of(monkeypatch, f"scan_{name[2:]}")
        table = read_table(tmp_path / name)
        assert max(map(len, asked)) == most
        assert table.source.columns == len(frame.columns)
        assert table.described == read_table(frame.cast(pl.String) if name == "t.csv" else frame).described
        for column in frame.columns:
            if frame[column].dtype == pl.String:
                assert words(table.columns[column]) == frame[column].to_list() if column != "day" else table.schema("day").kind == "datetime"
            else:
                np.testing.assert_array_equal(table.columns[column], truth.columns[column])
        assert name == "t.parquet" or len(asked) <= 8
        monkeypatch.undo()
        monkeypatch.setattr("trainwright.data.sources.scanned.CELLS", 1400)


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_like_reads_no_other_column(tmp_path, monkeypatch, name):
    frame = _large()
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_csv(tmp_path / "t.csv")
    schemas = [read_table(frame).schema(column) for column in ("t3", "n5")]
    asked = _asked_of(monkeypatch, f"scan_{name[2:]}")
    table = read_table(tmp_path / name, like=schemas)
    assert asked == ([["t3", "n5"]] if name == "t.parquet" else [[str(frame.columns.index("t3")), str(frame.columns.index("n5"))]])
    assert words(table.columns["t3"]) == frame["t3"].to_list()
    assert table.columns["n5"].tolist() == frame["n5"].to_list()
    assert (list(table.columns), table.source.columns) == (["t3", "n5"], len(frame.columns))


def test_a_mark_within_the_text_is_no_empty_line(tmp_path):
    table = read_table(written(tmp_path, b"a\n\xef\xbb\xbf\nx\n"))
    assert table.rows == 2
    assert table.columns["a"].words() == [None, "x"]  # type: ignore[union-attr]


def test_words_from_a_sample_say_so_and_all_rows_are_typed():
    table = read_table(pl.DataFrame({"a": ["x", "y"] * 30_000, "b": ["1", "2,5"] * 30_000, "c": ["1", "2"] * 30_000}))
    assert ["from a sample of" in described.why for described in table.described] == [True, True, False]  # c is counted in whole
    assert all(len(column) == 60_000 for column in table.columns.values())


# ── refused ──

BAD = {
    "empty": (b"", "TW023"), "only blanks": (b"\n \n\n", "TW023"), "header only": (b"a,b\n", "TW024"), "NUL bytes": (b"a,b\n1,2\n3,\x00\n", "TW026"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(50), "TW027"), "JPEG": (b"\xff\xd8\xff\xe0" + bytes(50), "TW027"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\n", "TW027"),
    "zip": (b"PK\x03\x04\x14\0" + bytes(50), "TW027"), "pickle": (b"\x80\x04\x95\x10\0\0\0\0\0\0\0}", "TW027"),
    "web page": (b"<!DOCTYPE html><html></html>", "TW027"),
    "duplicate": (b"a,b,a\n1,2,3\n", "TW028"), "unnamed": (b"a,,c,\n1,2,3,4\n", "TW029"),
    "cut gzip": (gzip.compress(b"a,b\n1,2\n" * 99)[:-9], "TW035"),
    "damaged UTF-16": ("a,b\n1,2\n".encode("utf-16") + b"\x00", "TW035"),
    "open quote": (b'a,b\n1,"x\n2,3\n4,5\n6,7\n', "TW037"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_refused_files(tmp_path, name):
    content, code = BAD[name]
    assert code_of(written(tmp_path, content)).code == code


@pytest.mark.parametrize(
    ("content", "line", "count"), [("a,b\n1,2\n3\n4,5\n", 3, 1), ("a,b\n1,2\n1,2\n3,4,5\n", 4, 3), ('a,b\n"x\ny",2\n3,4,5\n6,7\n', 4, 3)]
)
def test_ragged_rows_name_their_line(tmp_path, content, line, count):
    error = code_of(written(tmp_path, content))
    assert error.code == "TW025"
    assert error.where.endswith(f"t.csv:{line}")
    assert f"line {line} has {count}" in error.what


def test_nul_bytes_name_their_line(tmp_path):
    assert code_of(written(tmp_path, BAD["NUL bytes"][0])).where.endswith(":3")


def test_paths(tmp_path):
    written(tmp_path, TEXT, "adult.csv")
    error = code_of(tmp_path / "adlt.csv")
    assert (error.code, "adult.csv" in error.fix) == ("TW020", True)
    assert code_of(tmp_path / "no" / "where.csv").code == "TW020"
    (tmp_path / "empty").mkdir()
    assert code_of(tmp_path / "empty").code == "TW022"
    for name in ("t.feather", "t.sas7bdat", "https://example.org/t.csv", "mysql://me:secret@host/db"):
        error = code_of(name)
        assert error.code == "TW027"
        assert "secret" not in str(error)


def test_parquet_faults(tmp_path):
    assert code_of(written(tmp_path, b"a,b\n1,2\n", "t.parquet")).code == "TW030"
    good = io.BytesIO()
    pl.DataFrame({"a": [1, 2]}).write_parquet(good)
    assert code_of(written(tmp_path, good.getvalue()[:-20], "u.parquet")).code == "TW030"
    part = bytearray(good.getvalue())
    part[4:40] = bytes(36)  # the index is whole, a column is not
    assert code_of(written(tmp_path, bytes(part), "v.parquet")).code == "TW030"
    folder = tmp_path / "folder"
    folder.mkdir()
    written(folder, good.getvalue(), "a.parquet")
    pl.DataFrame({"a": ["x"]}).write_parquet(folder / "b.parquet")
    error = code_of(folder)
    assert error.code == "TW038"
    assert "'a' is Int64 in a.parquet and String in b.parquet" in error.what


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_no_permission(tmp_path):
    path = written(tmp_path, TEXT)
    path.chmod(0)
    with pytest.raises(MachineError, match="TW091"):
        read_table(path)


def test_permission_error_becomes_ours(tmp_path, monkeypatch):
    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    path = written(tmp_path, TEXT)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert code_of(path).code == "TW091"


def test_frames_that_are_no_tables():
    assert code_of(42).code == "TW036"
    assert code_of([1, 2]).code == "TW036"
    assert code_of(pl.DataFrame({"a": [[1], [2]]})).code == "TW036"
    assert code_of(pl.DataFrame({"a": []})).code == "TW024"
    assert code_of(pd.DataFrame({"a": pd.to_timedelta([1, 2], unit="h")})).code == "TW036"
    assert code_of(pd.DataFrame([[1, 2]], columns=["a", "a"])).code == "TW028"
    table = read_table(pl.DataFrame({"a": [[1], [2]], "b": [1.5, 2.5]}), roles={"a": "set aside"})
    assert list(table.columns) == ["b"]


def test_unknown_columns_name_the_nearest(tmp_path):
    path = written(tmp_path, TEXT)
    error = code_of(path, roles={"citty": "target"})
    assert (error.code, "'city'" in error.fix, "target" in error.why) == ("TW021", True, True)
    assert code_of(path, kinds={"siz": "category"}).code == "TW021"


FRAGMENTS = [
    b"a",
    b"1",
    b",",
    b";",
    b"\n",
    b"\r\n",
    b'"',
    b"'",
    b" ",
    b"\t",
    b"\xe9",
    b"\xc3\xa9",
    b"\xff\xfe",
    b"\0",
    b"x,y\n",
    b"1,2\n",
    b"sep=;",
    b"\xef\xbb\xbf",
    b"2020-01-01",
    b"nan",
    b"-",
    b".",
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=40).map(b"".join))
@settings(max_examples=400, deadline=None, derandomize=True)
def test_any_bytes_are_a_table_or_one_clear_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzz.csv"
    path.write_bytes(data)
    code, table = "", None
    try:
        table = read_table(path)
    except TrainwrightError as error:
        code = error.code
    assert (table is None) == (code in {f"TW0{n}" for n in range(20, 40)})
    if table is None:
        return
    assert table.rows >= 1
    assert all(len(column) == table.rows for column in table.columns.values())
    lines = [line_of(table.source, row) for row in range(table.rows)]
    assert None not in lines
    assert lines == sorted(lines)  # type: ignore[type-var]


def test_blanks_around_names_and_points_of_whole_words_are_said(tmp_path):
    table = read_table(written(tmp_path, "a, b\n1.0,x\n2.0,y\n1.0,z\n"))
    assert list(table.columns) == ["a", "b"]
    assert any("blanks around 1 column names" in note for note in table.source.notes)
    assert words(table.columns["a"]) == ["1", "2", "1"]
    assert "without a point" in table.described[0].note


SHARED = Path(__file__).parents[2] / "../shared/data"


def _plain(frame: pd.DataFrame, name: str) -> np.ndarray:
    return pd.to_numeric(frame[name], errors="coerce").to_numpy(float)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="the shared data sets are not there")
def test_shared_tables_equal_pandas():
    """Every table is read with as many rows as pandas sees, and every number column has pandas' numbers."""
    seen = 0
    for path in sorted([*SHARED.glob("*/*.csv"), *SHARED.glob("*/*.csv.gz"), *SHARED.glob("*/*.parquet")]):
        truth = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, low_memory=False)
        files = {name: "set aside" for name in truth.columns if name == "file"}
        table = read_table(path, roles=files)  # type: ignore[arg-type]
        assert table.rows == len(truth), path
        assert list(table.columns) == list(truth.columns), path
        for described in table.described:
            if described.schema.kind in ("number", "yesno") and truth[described.schema.name].dtype.kind in "fiu":
                np.testing.assert_array_equal(
                    table.columns[described.schema.name], _plain(truth, described.schema.name), err_msg=f"{path} {described.schema.name}"
                )
        seen += 1
    assert seen > 30


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="the shared data sets are not there")
def test_shared_tables_have_the_kinds_a_person_would_say():
    telco = read_table(SHARED / "telco_churn/telco_churn.csv", roles={"Churn": "target"})
    total = next(d for d in telco.described if d.schema.name == "TotalCharges")
    assert (total.schema.kind, total.missing) == ("number", 11)
    assert telco.schema("customerID").kind == "identifier"
    assert telco.schema("Churn").kind == "category"
    assert telco.schema("Partner").kind == "yesno"
    bike = read_table(SHARED / "bike_sharing_hour/bike_sharing_hour.csv.gz")
    assert bike.schema("dteday").formats == ("%m/%d/%Y",)
    assert bike.columns["dteday"][0] == pd.Timestamp("2011-01-01", tz="UTC").timestamp()
    assert bike.schema("instant").kind == "identifier"
    mushrooms = read_table(SHARED / "mushrooms/mushrooms.csv")
    assert mushrooms.schema("stalk_root").missing == ("?",)
    assert mushrooms.schema("veil_type").kind == "constant"
    assert read_table(SHARED / "diamonds/diamonds.csv.gz").schema("cut").order == ("Fair", "Good", "Very Good", "Premium", "Ideal")
    assert read_table(SHARED / "rt_polarity/rt_polarity.csv").schema("text").kind == "text"
    german = read_table(SHARED / "german_credit/german_credit.csv")
    assert "none" in {word for word in words(german.columns["other_debtors"]) if word}
    assert read_table(SHARED / "online_retail").rows == 541_909
    with pytest.raises(SourceError, match="TW033"):
        read_table(SHARED / "blood_cells/labels.csv")

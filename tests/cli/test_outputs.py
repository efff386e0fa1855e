"""Files that are written: never over what is read; and what is said of a column, a table or a sheet that was named."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import polars as pl
import pytest
import xlsxwriter

import every_step
from small_bundles import make, rows
from trainwright import api
from trainwright.cli import main
from trainwright.data.room import Room
from trainwright.errors import RequestError, SourceError
from trainwright.predict import predict_file

TABLE = "age,city,bought\n" + "".join(f"{20 + i % 50},{'ab'[i % 2]},{'yn'[(i * 7) % 3 == 0]}\n" for i in range(120))


NAMES = ("table.csv", "test.csv", "linked.yaml", "sealed.yml")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a table, the same under a second name (a link), a test table, and a folder of tables; the commands run in it."""
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text(TABLE)
    Path("test.csv").write_text(TABLE)
    Path("linked.yaml").symlink_to("table.csv")
    Path("sealed.yml").symlink_to("test.csv")
    Path("parts").mkdir()
    Path("parts/1.csv").write_text(TABLE)
    return tmp_path


@pytest.mark.parametrize("words", [
    ["check", "table.csv", "--target", "bought", "--write", "table.csv"],
    ["check", "table.csv", "--target", "bought", "--write", "./parts/../table.csv"],
    ["check", "table.csv", "--target", "bought", "--write", "linked.yaml"],
    ["check", "table.csv", "--target", "bought", "--write", "plan.csv"],
    ["check", "table.csv", "--target", "bought", "--test", "test.csv", "--write", "test.csv"],
    ["check", "table.csv", "--target", "bought", "--test", "test.csv", "--write", "sealed.yml"],
    ["plan", "table.csv", "--target", "bought", "--test", "test.csv", "-o", "sealed.yml"],
    ["check", "parts", "--target", "bought", "--write", "parts/1.csv"],
    ["plan", "table.csv", "--target", "bought", "-o", "table.csv"],
    ["plan", "table.csv", "--target", "bought", "-o", "linked.yaml"],
    ["plan", "table.csv", "--target", "bought", "-o", "plan.txt"],
    ["plan", "table.csv", "--target", "bought", "--test", "test.csv", "-o", "test.csv"],
])  # fmt: skip
def test_a_plan_is_written_over_no_table_and_only_where_it_is_read_as_a_plan(
    here: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert "TW009" in error
    assert words[-2] in error
    assert ("would overwrite what is read" in error) == (Path(words[-1]).exists())
    assert {path.name: path.read_text() for path in here.iterdir() if path.is_file()} == dict.fromkeys(NAMES, TABLE)
    assert Path("parts/1.csv").read_text() == TABLE


def test_a_plan_is_written_where_it_may_be(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "table.csv", "--target", "bought", "-o", "plan.yml"]) == 0
    assert main(["check", "plan.yml", "--write", "plan.yml"]) == 0  # a plan may be written again
    assert "source: table.csv" in Path("plan.yml").read_text()
    with pytest.raises(RequestError, match="TW009"):
        api.resolve("table.csv", target="bought", write="table.csv")


def test_predictions_are_written_over_no_table(here: Path) -> None:
    make(here / "bundle")
    given = "age,height,job\n" + "".join(f"{row['age']},{row['height']},{row['job']}\n" for row in rows(20))
    for name in ("rows.csv", "parts/1.csv"):
        Path(name).write_text(given)
    Path("linked.csv").symlink_to("rows.csv")
    for source, output in (("rows.csv", "rows.csv"), ("rows.csv", "linked.csv"), ("linked.csv", "rows.csv"), ("parts", "parts/1.csv")):
        with pytest.raises(RequestError, match=r"TW009: -o would overwrite what is read"):
            predict_file("bundle", source, Path(output))
    assert (Path("rows.csv").read_text(), Path("parts/1.csv").read_text()) == (given, given)
    assert predict_file("bundle", "rows.csv", Path("parts/out.csv"))["rows"] == 20


@pytest.mark.parametrize("room", [None, Room(streamed=0, chunk=200)])
def test_an_identifier_that_is_not_there_is_named_by_its_flag(here: Path, room: Room | None) -> None:
    make(here / "bundle")
    Path("rows.csv").write_text("age,height,job,number\n" + "".join(f"{row['age']},{row['height']},{row['job']},7\n" for row in rows(20)))
    with pytest.raises(SourceError) as caught:
        predict_file("bundle", "rows.csv", Path("out.csv"), identifier="nubmer", room=room)
    assert caught.value.code == "TW021"
    assert caught.value.where.startswith("--id")
    assert "did you mean 'number'?" in caught.value.fix
    assert "earlier" not in str(caught.value)
    assert not Path("out.csv").exists()


def test_that_windows_keep_a_source_whole_is_noted_where_it_would_have_been_read_in_chunks(here: Path) -> None:
    every_step.make(here / "looks back", "columns")
    every_step.make(here / "does not", "numbers")
    pl.DataFrame(every_step.rows(30, seed=4)).write_csv("rows.csv")
    Path("folder").mkdir()
    shutil.copy("rows.csv", "folder/1.csv")
    small, large = Room(streamed=0, chunk=200), Room(streamed=Path("rows.csv").stat().st_size)
    for source, model, room, noted in (
        ("rows.csv", "looks back", small, True), ("folder", "looks back", small, True), ("rows.csv", "looks back", large, False),
        ("rows.csv", "does not", small, False),
    ):  # fmt: skip
        done = predict_file(model, source, Path("out.csv"), room=room)
        assert done["rows"] == 30
        assert any("read at once" in note and "windows" in note for note in done["notes"]) == noted


def workbook(path: Path) -> None:
    book = xlsxwriter.Workbook(str(path))
    for name in ("first", "the second"):
        sheet = book.add_worksheet(name)
        for at, line in enumerate(TABLE.splitlines()):
            sheet.write_row(at, 0, [name[0] + cell if at == 0 else cell for cell in line.split(",")])
    book.close()


def test_where_columns_are_listed_is_said_of_the_same_part(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command that an error names lists the columns of the sheet or table in which one was not found."""
    workbook(here / "book.xlsx")
    Path("books").mkdir()
    shutil.copy("book.xlsx", "books/1.xlsx")
    with sqlite3.connect("base.db") as base:
        base.execute("CREATE TABLE one (x)")
        base.execute("CREATE TABLE two (a, b)")
        base.executemany("INSERT INTO two VALUES (?, ?)", [(at, at % 2) for at in range(40)])
    base.close()
    query = "SELECT a, b -- all\nFROM two ORDER BY a"
    sheet = ["--sheet", "the second"]
    for words, said in (
        (["book.xlsx", *sheet, "--target", "nosuch"], "trainwright check book.xlsx --sheet 'the second'`"),
        (["books", *sheet, "--target", "nosuch"], "trainwright check books --sheet 'the second'`"),
        (["base.db", "--table", "two", "--target", "nosuch"], "trainwright check base.db --table two`"),
        (["base.db", "--query", query, "--target", "nosuch"], f"trainwright check base.db --query '{query}'`"),
        (["base.db", "--table", "two", "--target", "b", "--protected", "nosuch"], "trainwright check base.db --table two`"),
    ):
        assert main(["train", *words, "--json"]) == 2
        error = json.loads(capsys.readouterr().out)
        assert error["code"] == "TW021"
        assert said in error["fix"]
    assert main(["check", "base.db", "--query", query]) == 0
    assert "query 'SELECT a, b -- all FROM two ORDER BY a'" in capsys.readouterr().out  # on one line, where it is only told

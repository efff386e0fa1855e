"""Columns that are made of a streamed table's stay in files as well: joined with test rows, merged, capped, made of earlier rows."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainwright.data.append import append, joined_words
from trainwright.data.cleaning import clean_columns
from trainwright.data.dataset import Dataset, Table
from trainwright.data.digest import digest_column
from trainwright.data.read import Means, look_at
from trainwright.data.room import Allowance, Room
from trainwright.data.sources import read_table
from trainwright.data.words import LongWords
from trainwright.plan.read import make_plan
from trainwright.runtime.columns import Coded, Column

ROWS = 3000


def tight(step: int = 2000) -> Room:
    """Reads everything in chunks and holds nothing."""
    return Room(streamed=0, chunk=4000, step=step, held=Allowance(0))


def mapped(column: Column) -> bool:
    """Whether a column's array lies in a file."""
    base: Any = column.codes if isinstance(column, Coded) else column
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base.obj if isinstance(base, memoryview) else base, mmap.mmap)


def written(path: Path, rows: int, seed: int) -> Path:
    rng = np.random.default_rng(seed)
    lines = ["id,town,x,n,day,y"]
    for row in range(rows):
        town = rng.choice(["Berlin", "berlin", "BERLIN", "Rome", ""])
        lines.append(
            f"K{rng.integers(0, 10**6):06d}-{row % 1500},{town},{rng.normal():.5f},{rng.integers(0, 9)},{rng.integers(0, 400)},{rng.integers(0, 2)}"
        )
    path.write_text("\n".join(lines) + "\n")
    return path


def same(one: Table, other: Table) -> None:
    assert one.described == other.described
    assert list(one.columns) == list(other.columns)
    for name, column in one.columns.items():
        again = other.columns[name]
        if isinstance(column, Coded):
            assert isinstance(again, Coded)
            assert again.words() == column.words(), name
            assert list(again.vocabulary) == list(column.vocabulary), name
        else:
            assert again.tobytes() == column.tobytes(), name
        assert digest_column(again, tight()) == digest_column(column), name


def both(folder: Path, room: Room) -> tuple[Table, Table]:
    """A table and its test rows."""
    first = read_table(written(folder / "first.csv", ROWS, 1), room=room, kinds={"id": "identifier"})
    return first, read_table(written(folder / "test.csv", ROWS // 2, 2), room=room, like=[d.schema for d in first.described])


def test_test_rows_are_appended_in_files(tmp_path: Path) -> None:
    room = tight()
    first, test = both(tmp_path, room)
    assert isinstance(first.columns["id"].vocabulary, LongWords)  # the table was streamed
    joined = append(first, test, room)
    same(append(*both(tmp_path, Room())), joined)
    assert all(map(mapped, joined.columns.values()))
    assert isinstance(joined.columns["id"].vocabulary, LongWords)
    truth = [line.partition(",")[0] for name in ("first.csv", "test.csv") for line in (tmp_path / name).read_text().splitlines()[1:]]
    assert joined.columns["id"].words() == truth


def test_columns_are_merged_and_capped_in_files(tmp_path: Path) -> None:
    clean = [
        {"do": "merge", "column": "town", "rule": "casefold"},
        {"do": "merge", "column": "id", "rule": "punctuation"},
        {"do": "cap", "column": "x", "low": -1, "high": 1},
    ]
    entries = make_plan({"clean": [entry | {"because": "test"} for entry in clean]}).clean
    room = tight()
    (first, _), (whole, _) = both(tmp_path, room), both(tmp_path, Room())
    cleaned, done = clean_columns(first, entries, room=room)
    plain, did = clean_columns(whole, entries)
    same(plain, cleaned)
    assert [entry.as_dict() for entry in done.values()] == [entry.as_dict() for entry in did.values()]
    assert all(mapped(cleaned.columns[name]) for name in ("town", "id", "x"))
    assert isinstance(cleaned.columns["id"].vocabulary, LongWords)
    cells = [line.split(",") for line in (tmp_path / "first.csv").read_text().splitlines()[1:]]
    assert cleaned.columns["town"].words() == [cell[1].lower() or None for cell in cells]
    assert cleaned.columns["x"].tolist() == [min(max(float(cell[2]), -1), 1) for cell in cells]
    assert done[0].cells == sum(cell[1] != cell[1].lower() for cell in cells)
    assert done[1].cells == ROWS  # each has its dash


@pytest.mark.parametrize("more", [{"test": "test.csv"}, {"split": "time:day", "transforms": "x by town over 30"}], ids=["test rows", "windows"])
def test_a_whole_dataset_is_the_same_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]) -> None:
    both(tmp_path, Room())
    monkeypatch.chdir(tmp_path)
    plan = make_plan(
        {
            "source": "first.csv",
            "target": "y",
            **more,
            "kinds": {"id": "identifier", "day": "number", "n": "number", "town": "category"},
            "clean": [{"do": "merge", "column": "town", "rule": "casefold", "because": "test"}],
        }
    )

    def made(room: Room) -> Dataset:
        return look_at(plan, None, Means(room))

    whole, pieces = made(Room()), made(tight(step=200_000))
    same(whole.table, pieces.table)
    assert pieces.digest == whole.digest
    names = [name for name in pieces.table.columns if " over " in name]
    assert len(names) == (4 if "transforms" in more else 0)
    assert all(map(mapped, pieces.table.columns.values()))


@pytest.mark.parametrize("side", ["first", "second"])
def test_missing_words_stay_missing_when_joined(side: str) -> None:
    one, other = Coded(np.array([0, -1], np.int32), ["a"]), Coded(np.array([-1, 1, 0], np.int32), ["b", "a"])
    joined = joined_words(one, other, tight()) if side == "first" else joined_words(other, one, tight())
    assert joined.words() == (["a", None, None, "a", "b"] if side == "first" else [None, "a", "b", "a", None])

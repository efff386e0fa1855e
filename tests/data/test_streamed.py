"""Both roads from a file to typed columns, whole in memory and chunk by chunk, must give the same to the last bit, and say the same."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainwright.data import describe, stream
from trainwright.data.digest import digest_column
from trainwright.data.room import Allowance, Room
from trainwright.data.sources import digest_columns, read_table
from trainwright.errors import SourceError
from trainwright.runtime.columns import Coded

WHOLE = Room(streamed=1 << 60)


def chunked(chunk: int = 900, step: int = 500) -> Room:
    """Reads everything in chunks of a few rows, and holds next to nothing."""
    return Room(streamed=-1, chunk=chunk, step=step, held=Allowance(0))


def written(folder: Path, content: bytes | str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def same(path: Path, room: Room | None = None, *, order: bool = True, **asked: Any) -> Any:
    """Read by both roads, compare all that can be seen; the table, when both read it.

    Without `order`, the order of a vocabulary may differ: that of numbers read as words is not by first appearance, and carries no meaning.
    """
    outcomes: list[Any] = []
    for way in (WHOLE, room or chunked()):
        try:
            outcomes.append(read_table(path, room=way, **asked))
        except SourceError as error:
            outcomes.append(str(error.as_dict()))
    whole, pieces = outcomes
    if isinstance(whole, str) or isinstance(pieces, str):
        assert whole == pieces
        return whole
    assert pieces.source == whole.source
    assert pieces.described == whole.described
    assert list(pieces.columns) == list(whole.columns)
    for name, column in whole.columns.items():
        other = pieces.columns[name]
        if isinstance(column, Coded):
            assert isinstance(other, Coded)
            assert other.words() == column.words(), name
            assert other.codes.dtype == column.codes.dtype
            assert not order or list(other.vocabulary) == list(column.vocabulary), name
        else:
            assert other.tobytes() == column.tobytes(), name
        assert digest_column(other, chunked()) == digest_column(column), name
    assert not order or digest_columns(pieces.columns) == digest_columns(whole.columns)
    return whole


def mixed(rows: int, rng: np.random.Generator) -> list[list[str]]:
    """Columns of every kind that text can be taken for, with odd cells strewn in."""
    scale = ["low", "medium", "high"]
    table = [["id", "amount", "money", "when", "day", "flag", "grade", "city", "zip", "note", "still", "gaps", "endless", "user", "pt"]]
    for row in range(rows):
        table.append(  # noqa: PERF401 - a row at a time reads better
            [
                f"K{row:05d}",
                f"{rng.normal():.4f}",
                f"{rng.integers(1, 9)},{rng.integers(100, 999)}.{rng.integers(10, 99)}",
                f"2021-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}T10:{rng.integers(0, 60):02d}:00",
                f"{rng.integers(13, 29)}/{rng.integers(1, 13):02d}/2020",
                rng.choice(["yes", "no"]),
                str(rng.choice(scale)),
                str(rng.choice(["Köln", "Łódź", " Paris ", "NA", ""])),
                f"{rng.integers(0, 99999):05d}",
                f"some words number {row} {rng.integers(0, 9)}",
                "same",
                "" if rng.random() < 0.3 else str(rng.integers(0, 50)),
                "inf" if rng.random() < 0.05 else f"{rng.normal():.2f}",
                f"user {rng.integers(0, rows // 2)}",
                f"{rng.integers(0, 3)}.0" if rng.random() < 0.5 else str(rng.integers(0, 3)),
            ]
        )
    return table


def as_text(table: list[list[str]], delimiter: str = ",", end: str = "\n", quote: bool = False) -> str:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if quote or delimiter in text or '"' in text or "\n" in text else text

    return end.join(delimiter.join(cell(text) for text in line) for line in table) + end


@pytest.fixture(params=[None, 40], ids=["whole look", "sampled look"])
def look(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kinds are inferred from all rows, or from a sample of about 40."""
    if request.param is not None:
        for module in (describe, stream):
            monkeypatch.setattr(module, "MANY", 60)
            monkeypatch.setattr(module, "SAMPLE", request.param)


@pytest.mark.usefixtures("look")
class TestText:
    @pytest.mark.parametrize("chunk", [130, 2000, 1 << 20])
    @pytest.mark.parametrize("quote", [False, True])
    def test_all_kinds(self, tmp_path: Path, rng: np.random.Generator, chunk: int, quote: bool) -> None:
        table = same(written(tmp_path, as_text(mixed(111, rng), quote=quote)), chunked(chunk))
        kinds = {d.schema.kind for d in table.described}
        assert kinds >= {"identifier", "number", "datetime", "yesno", "ordered", "category", "text", "constant"}

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "latin-1"])
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_encodings_and_line_ends(
        self, tmp_path: Path, rng: np.random.Generator, encoding: str, end: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from trainwright.data.sources import stretched

        monkeypatch.setattr(stretched, "READ", 7)  # line ends and characters are cut
        text = as_text(mixed(75, rng), end=end)
        content = text.replace("Ł", "L").replace("ó", "\x81" if encoding == "latin-1" else "o").replace("ź", "z").encode(encoding)
        same(written(tmp_path, content))

    def test_gzip_of_several_members(self, tmp_path: Path, rng: np.random.Generator) -> None:
        text = as_text(mixed(90, rng)).encode()
        packed = gzip.compress(text[:1000], mtime=0) + gzip.compress(text[1000:], mtime=0) + b"\0" * 20
        assert same(written(tmp_path, packed, "t.csv.gz")).rows == 90
        same(written(tmp_path, packed[: len(packed) // 2], "cut.csv.gz"))
        same(written(tmp_path, packed[:200] + b"xxxx" + packed[204:], "bad.csv.gz"))

    def test_cells_that_span_lines_and_hold_delimiters(self, tmp_path: Path, rng: np.random.Generator) -> None:
        table = mixed(70, rng)
        for row in range(1, 70, 3):
            table[row][9] = f'line one, of {row}\nline "two"\n\nline four'
        assert same(written(tmp_path, as_text(table))).rows == 70

    def test_empty_lines_anywhere(self, tmp_path: Path) -> None:
        lines = ["", "a,b", "", "1,x", "2,y", "", "", *[f"{n},z" for n in range(80)], "", ""]
        same(written(tmp_path, "\n".join(lines)), chunked(5))
        same(written(tmp_path, "\n".join(lines) + "\n"), chunked(50))

    @pytest.mark.parametrize("extra", ["5,6,7", "5", '5,"6', '5,x"6"'])
    @pytest.mark.parametrize("at", [3, 79])
    def test_what_is_ragged_or_oddly_quoted(self, tmp_path: Path, extra: str, at: int) -> None:
        lines = ["a,b", *[f"{n},w{n % 3}" for n in range(80)]]
        same(written(tmp_path, "\n".join([*lines[:at], extra, *lines[at:]]) + "\n"), chunked(17))

    def test_no_last_line_end_no_header_and_one_column(self, tmp_path: Path) -> None:
        same(written(tmp_path, "a,b\n" + "\n".join(f"{n},{n * n}" for n in range(99))))
        same(written(tmp_path, "\n".join(f"{n},{n * n}" for n in range(99)) + "\n"))
        same(written(tmp_path, "a\n" + "\n".join(str(n) for n in range(99)) + "\n"))
        same(written(tmp_path, "sep=;\na;b\n" + "\n".join(f"{n},5;{n}" for n in range(99)) + "\n"))

    @pytest.mark.parametrize(
        "content", [b"", b"\n\n", b"a,b\n", b"a,a\n1,2\n", b"a,\n1,2\n", b"a,b\n1,\x002\n", b"\x89PNG\n", "ä\n".encode("utf-16")[:-1]]
    )
    def test_what_is_no_table_is_refused_in_the_same_words(self, tmp_path: Path, content: bytes) -> None:
        assert isinstance(same(written(tmp_path, content)), str)

    def test_decimal_commas_of_a_file(self, tmp_path: Path, rng: np.random.Generator) -> None:
        rows = [(n, f"{rng.integers(1, 9)}.{rng.integers(100, 999)}", f"{rng.normal():.2f}") for n in range(90)]
        same(written(tmp_path, "a;b;c\n" + "\n".join(f"{a};{b};{c}" for a, b, c in rows) + "\n"))
        table = same(written(tmp_path, "a;b;c\n" + "\n".join(f"{a};{b};{c.replace('.', ',')}" for a, b, c in rows) + "\n"))
        assert table.schema("b").thousands == "."

    @pytest.mark.parametrize("name", ["amount", "when", "city", "flag", "gaps", "zip"])
    def test_roles(self, tmp_path: Path, rng: np.random.Generator, name: str) -> None:
        table = mixed(70, rng)
        at = table[0].index(name)
        path = written(tmp_path, as_text([[line[at], line[1]] for line in table]))
        for role in ("target", "group", "time", "weight", "set aside"):
            same(path, chunked(400), roles={name: role})

    @pytest.mark.parametrize(
        "kind", ["category", "text", "identifier", "number", "datetime", "yesno", "ordered", "ordered:low<medium<high", "constant"]
    )
    def test_kinds_that_are_asked_for(self, tmp_path: Path, rng: np.random.Generator, kind: str) -> None:
        table = mixed(70, rng)
        for name in ("amount", "money", "when", "grade", "flag", "gaps", "pt"):
            at = table[0].index(name)
            same(written(tmp_path, as_text([[line[at], line[0]] for line in table])), chunked(400), kinds={name: kind})

    def test_an_earlier_tables_rules(self, tmp_path: Path, rng: np.random.Generator) -> None:
        table = mixed(80, rng)
        first = read_table(written(tmp_path, as_text(table)))
        schemas = [d.schema for d in first.described][3:]
        same(written(tmp_path, as_text(mixed(90, rng)), "later.csv"), like=schemas)
        table[50][3] = table[20][3] = table[70][3] = "no date"  # the first of them is named
        same(written(tmp_path, as_text(table), "wrong.csv"), like=schemas)
        same(written(tmp_path, as_text([line[:6] for line in table]), "narrow.csv"), like=schemas)


@pytest.mark.parametrize("late", ["x", "2.5e400", "no", "12/31/2020", "1,5"])
@pytest.mark.parametrize("column", ["n", "d", "f", "k", "u", "s"])
def test_what_contradicts_the_sample_late_in_the_file(tmp_path: Path, column: str, late: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (describe, stream):
        monkeypatch.setattr(module, "MANY", 60)
        monkeypatch.setattr(module, "SAMPLE", 20)
    columns = {"n": "{}.5", "d": "2020-01-{:02d}", "f": "yes", "k": "same", "u": "U{}", "s": "low"}
    lines = [",".join(columns)]
    for row in range(200):
        cells = [text.format(row if name == "u" else row % 28 + 1) for name, text in columns.items()]
        cells[2], cells[5] = "yes" if row % 2 else "no", ("low", "medium", "high")[row % 3]
        if row == 193:
            cells[list(columns).index(column)] = f'"{late}"'
        lines.append(",".join(cells))
    same(written(tmp_path, "\n".join(lines) + "\n"), chunked(120))


@pytest.mark.slow
def test_parquet_of_all_types(tmp_path: Path, rng: np.random.Generator) -> None:
    import polars as pl

    n = 300
    frame = pl.DataFrame(
        {
            "whole": rng.integers(0, 9, n),
            "real": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
            "endless": np.where(rng.random(n) < 0.1, np.inf, rng.normal(size=n)),
            "id": np.arange(n),
            "bit": rng.integers(0, 2, n),
            "truth": rng.random(n) < 0.5,
            "only": np.ones(n, bool),
            "nothing": pl.Series([None] * n, dtype=pl.Null),
            "moment": pl.Series(rng.integers(10**15, 2 * 10**15, n)).cast(pl.Datetime("us")),
            "nano": pl.Series(rng.integers(10**18, 2 * 10**18, n)).cast(pl.Datetime("ns")),
            "date": pl.Series(rng.integers(0, 20000, n)).cast(pl.Int32).cast(pl.Date),
            "words": pl.Series([f"w{n}" for n in rng.integers(0, 5, n)]),
            "many": pl.Series([f"many words here {n}" for n in range(n)]),
            "category": pl.Series([f"c{n}" for n in rng.integers(0, 5, n)], dtype=pl.Categorical),
            "scale": pl.Series([("s", "m", "l")[n] for n in rng.integers(0, 3, n)], dtype=pl.Enum(["s", "m", "l"])),
            "two": pl.Series([("s", "m")[n] for n in rng.integers(0, 2, n)], dtype=pl.Enum(["s", "m"])),
            "money": pl.Series([f"{n}.25" for n in range(n)]).cast(pl.Decimal(10, 2)),
        }
    ).with_columns(pl.when(pl.int_range(n) % 7 == 0).then(None).otherwise(pl.col("words")).alias("words"))
    path = tmp_path / "t.parquet"
    frame.write_parquet(path, row_group_size=70)
    for room in (chunked(), chunked(8 * 17 * 40)):
        same(path, room, order=False)
    for role in ("target", "group", "set aside"):
        for name in ("whole", "truth", "date", "scale", "words", "bit"):
            same(path, roles={name: role}, order=False)
    same(path, kinds={"bit": "category", "words": "text", "whole": "identifier", "moment": "category"}, order=False)
    folder = tmp_path / "parts"
    folder.mkdir()
    for part in range(3):
        frame.slice(100 * part, 100).write_parquet(folder / f"{part}.parquet")
    same(folder, order=False)


def test_words_beyond_what_is_held_are_told_apart_exactly(tmp_path: Path, rng: np.random.Generator) -> None:
    words = [f"w{n}" for n in rng.permutation(3000) % 1700]
    words[77] = "line\nend"
    text = "a,b\n" + "".join(f'"{word}",{at}\n' for at, word in enumerate(words))
    table = same(written(tmp_path, text), chunked(2000, 20_000), kinds={"a": "identifier"})
    assert list(table.columns["a"].vocabulary) == list(dict.fromkeys(words))

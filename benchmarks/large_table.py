"""A table of any length with columns of all kinds, written piece by piece, so that making it takes no more memory than a piece.

Takes    rows, columns, a seed and a path (.csv or .parquet).
Gives    the file: numbers of several spreads (some with gaps), whole numbers, categories of 3 to 300 words, yes/no, dates, a text, an identifier, and
         the target `label`, which depends on some of them.
Why      the benchmarks of large tables need the same file each time, and the shared data has none of that size.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

PIECE = 50_000  # rows that are made at a time
KINDS = ("number", "number", "number", "gappy", "whole", "few", "many", "yesno", "date", "number")  # column i is of the kind i modulo 10
WORDS = ("quick", "brown", "fox", "jumps", "over", "lazy", "dog", "stone", "river", "cloud", "green", "early", "paper", "window", "north", "salt")


def columns_of(columns: int) -> list[str]:
    """The names of the columns: an identifier, a text, the features, the target."""
    return ["record_id", "remark", *(f"{KINDS[at % 10]}_{at:02d}" for at in range(columns - 3)), "label"]


def piece(start: int, rows: int, columns: int, seed: int) -> Any:
    """Rows `start` to `start + rows` as a Polars frame; the same whatever the size of the other pieces."""
    import polars as pl

    rng = np.random.default_rng((seed, start))
    made: dict[str, Any] = {
        "record_id": pl.Series([f"R{number:09d}" for number in range(start, start + rows)]),
        "remark": pl.Series([" ".join(WORDS[word] for word in line) for line in rng.integers(0, len(WORDS), (rows, 5)).tolist()]),
    }
    score = np.zeros(rows)
    for at, name in enumerate(columns_of(columns)[2:-1]):
        kind = KINDS[at % 10]
        if kind in ("number", "gappy"):
            values = rng.normal(at, 1 + at % 7, rows).round(4)
            score += 0.3 * (values - at) / (1 + at % 7) if at % 4 == 0 else 0
            series = pl.Series(values)
            made[name] = pl.select(pl.when(pl.Series(rng.random(rows) < 0.1)).then(None).otherwise(series)).to_series() if kind == "gappy" else series
        elif kind == "whole":
            made[name] = pl.Series(rng.integers(0, 1000 + at, rows))
        elif kind in ("few", "many"):
            codes = rng.integers(0, 3 + at % 5 if kind == "few" else 300, rows)
            score += 0.2 * (codes % 3 - 1) if at < 20 else 0
            made[name] = pl.Series(np.array([f"{WORDS[code % 16]}-{code}" for code in range(300)])[codes])
        elif kind == "yesno":
            made[name] = pl.Series(np.array(["no", "yes"])[rng.integers(0, 2, rows)])
        else:
            seconds = pl.Series(rng.integers(1_577_836_800, 1_677_836_800, rows))  # from 2020 on
            made[name] = pl.from_epoch(seconds).dt.strftime("%Y-%m-%d %H:%M:%S")
    made["label"] = pl.Series(np.array(["stays", "leaves"])[(score + rng.logistic(0, 1, rows) > 1.2).astype(int)])
    return pl.DataFrame(made)


def write(path: Path, rows: int, columns: int, seed: int = 0) -> None:
    """The whole table at `path`; nothing happens when it is there. It appears only when it is whole."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    if path.suffix == ".parquet":
        import polars as pl

        folder = path.with_name(f".{path.name}.pieces")
        folder.mkdir(exist_ok=True)
        for start in range(0, rows, PIECE):
            piece(start, min(PIECE, rows - start), columns, seed).write_parquet(folder / f"{start:012d}.parquet")
        pl.scan_parquet(folder / "*.parquet").sink_parquet(beside)
        for part in folder.iterdir():
            part.unlink()
        folder.rmdir()
    else:
        with beside.open("wb") as file:
            for start in range(0, rows, PIECE):
                piece(start, min(PIECE, rows - start), columns, seed).write_csv(file, include_header=start == 0)
    beside.replace(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("rows", type=int)
    parser.add_argument("columns", type=int)
    asked = parser.parse_args()
    write(asked.path, asked.rows, asked.columns)

"""A dataset as files: arrays that worker processes map, and one JSON with the rest. Shared between runs by content.

Takes    a dataset.
Gives    a folder: `dataset.json`; `numbers-NNN.npy` float64 and `codes-NNN.npy` int32 (columns, rows), in blocks, target, weight and
         group among them; `words.json` for short vocabularies, `words-NNN.json` for each long one, `words-NNN.txt` and `.npy` for one that is
         longer than memory (words and where they end); `splits.npy`.
         `keep` lays the files into `STORE/DIGEST/` and links them into the run's `data/`; runs on the same rows share them.
Why      workers see numpy only (Polars has threads of its own, which a forking server may not have), and need no copy. Few files,
         since each durable write costs milliseconds, and there may be ten thousand columns.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import mmap
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from trainwright.data.dataset import Dataset, Described, Finding, Fold, Source, Splits, Table
from trainwright.data.digest import digest_of
from trainwright.data.room import blocks
from trainwright.data.words import LongWords
from trainwright.errors import CheckFailed
from trainwright.record import files
from trainwright.record.digests import canonical, digest_bytes, digest_file
from trainwright.runtime.columns import Coded, Column, Rows
from trainwright.runtime.schema import ColumnSchema

__all__ = ["digest_of", "forget", "keep", "link", "load", "save"]

INDEX = "dataset.json"
FORMAT = 1
CHECK = b'{"check":"'
BLOCK = 64 << 20  # bytes of an array file, about: what is held twice while it is written
SHORT = 1000  # words; a longer vocabulary is a file of its own, read when somebody asks for a word
NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES, errno.ENOSYS)


class Words(Sequence[str]):
    """A long vocabulary that stays in its file until a word is asked for: workers need codes, hardly ever words."""

    def __init__(self, path: Path, length: int) -> None:
        self._path, self._length = path, length

    @cached_property
    def _words(self) -> list[str]:
        words = _json(self._path)
        if not isinstance(words, list) or len(words) != self._length:
            raise _damaged(self._path)
        return words

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, place: int) -> str: ...
    @overload
    def __getitem__(self, place: slice) -> list[str]: ...
    def __getitem__(self, place: int | slice) -> str | list[str]:
        return self._words[place]

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)


def save(dataset: Dataset, folder: Path) -> None:
    """Write the dataset; the index comes last, so a folder without one is not a dataset. Raises MachineError."""
    layout, contents = _contents(dataset)
    held = {}
    for name, make in contents.items():
        counted = _Counted(make())
        files.write_parts(folder / name, counted)
        held[name] = [counted.size, counted.digest.hexdigest()]
    _write_index(dataset, folder, held, layout)


def load(folder: Path, *, check: bool = False) -> Dataset:
    """The dataset in `folder`, its arrays mapped read-only, not read.

    Sizes are always compared, the index by its digest; `check` reads every byte and compares the digests as well.
    Raises CheckFailed TW085 for a file that is missing or damaged, and names it.
    """
    index = _index(folder)
    for name, (size, digest) in index["files"].items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != size or (check and digest_file(path) != digest):
            raise _damaged(path)
    try:
        return _dataset(index["dataset"], index["layout"], folder)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise _damaged(folder / INDEX) from error


def keep(dataset: Dataset, run_folder: Path, store_folder: Path) -> None:
    """Put the dataset at `run_folder/data`, sharing its files with every run of the same digest through `store_folder/DIGEST`.

    A stored file that is damaged is written anew. Where the file system refuses hard links, files are copied.
    """
    stored, data = store_folder / dataset.digest, run_folder / "data"
    try:
        load(stored, check=True)
    except CheckFailed:
        save(dataset, stored)
    index = _index(stored)
    for name in index["files"]:
        link(str(stored / name), str(data / name))
    _write_index(dataset, data, index["files"], index["layout"])


def forget(run_folder: Path) -> None:
    """Erase the rows of a run, and the stored copy when no other run links to it. Digests elsewhere in the run stay.

    Raises MachineError when the operating system refuses. Nothing happens where no rows are kept.
    """
    data = run_folder / "data"
    try:
        digest = _index(data)["dataset"]["digest"]
    except CheckFailed:
        digest = None  # interrupted before: what is left still goes, the stored copy when another run is forgotten
    if digest is not None:
        stored = run_folder.parent / ".data" / digest
        names = list(_index(data)["files"])
        if stored.is_dir() and _ours_alone(data, stored, names):
            _erase(stored)
    _erase(data)


def link(source: str, destination: str) -> str:
    """Give a file a second name, or copy it where links are refused; made to be `shutil.copytree(copy_function=…)`, too.

    The index is always copied: it is written over, and a link would change both. Gives `destination`.
    """
    target = Path(destination)
    with files.machine_errors(target, doing="keep the rows"):
        files.make_folder(target.parent)
        target.unlink(missing_ok=True)
        try:
            if target.name != INDEX:
                files.link(Path(source), target)
                return destination
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
        files.write(target, Path(source).read_bytes())
    return destination


def _ours_alone(data: Path, stored: Path, names: list[str]) -> bool:
    """Whether no run but this one links to the stored files. Where links were refused, each run has copies, and needs no store."""
    for name in names:
        one, other = data / name, stored / name
        if other.is_file():
            shared = one.is_file() and one.samefile(other)
            if other.stat().st_nlink > (2 if shared else 1):
                return False
    return True


def _erase(folder: Path) -> None:
    if not folder.is_dir():
        return
    index = folder / INDEX
    files.remove(index)  # first: a folder without an index is not a dataset
    with files.machine_errors(folder, doing="erase the rows"):
        for path in sorted(folder.iterdir()):
            path.unlink()
        folder.rmdir()
        files.sync_folder(folder.parent)


Layout = list[list[Any]]  # of each column: the stem of its array file, its row there, and, for words, where they are and how many


Part = bytes | memoryview


class _Counted:
    """Bytes as they go by: how many, and their digest."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self._parts, self.size, self.digest = parts, 0, hashlib.sha256()

    def __iter__(self) -> Iterator[Part]:
        for part in self._parts:
            self.size += len(part)
            self.digest.update(part)
            yield part


def _contents(dataset: Dataset) -> tuple[Layout, dict[str, Callable[[], Iterable[Part]]]]:
    """Where each column goes, and file name → a function that gives its bytes piece by piece, so that nothing large is held twice."""
    columns = _all_columns(dataset)
    per_block = {"codes": max(1, BLOCK // (4 * dataset.table.rows)), "numbers": max(1, BLOCK // (8 * dataset.table.rows))}
    blocks: dict[str, list[NDArray[Any]]] = {}
    seen = {"codes": 0, "numbers": 0}
    layout: Layout = []
    short: dict[str, list[str]] = {}
    contents: dict[str, Callable[[], Iterable[Part]]] = {}
    for number, column in enumerate(columns):
        kind = "codes" if isinstance(column, Coded) else "numbers"
        block, row = divmod(seen[kind], per_block[kind])
        seen[kind] += 1
        stem = f"{kind}-{block:03d}"
        blocks.setdefault(stem, []).append(column.codes if isinstance(column, Coded) else column)
        place: list[Any] = [stem, row]
        if isinstance(column, Coded):
            if isinstance(column.vocabulary, LongWords):
                long = column.vocabulary
                name = f"words-{number:05d}.txt"
                contents[name] = lambda long=long: _pieces(np.frombuffer(long.data, np.uint8))  # type: ignore[misc]  # as below
                contents[f"words-{number:05d}.npy"] = lambda long=long: _npy([long.ends])  # type: ignore[misc]  # as below
                layout.append([*place, name, len(long)])
                continue
            words = list(column.vocabulary)
            name = "words.json" if len(words) <= SHORT else f"words-{number:05d}.json"
            if len(words) <= SHORT:
                short[str(number)] = words
            else:
                contents[name] = lambda words=words: (_words_bytes(words),)  # type: ignore[misc]  # the default binds this turn's list
            place += [name, len(words)]
        layout.append(place)
    for stem, arrays in blocks.items():
        contents[f"{stem}.npy"] = lambda arrays=arrays: _npy(arrays, stacked=True)  # type: ignore[misc]  # as above
    contents["words.json"] = lambda: (_words_bytes(short),)
    contents["splits.npy"] = lambda: _npy([rows.astype(np.int64) for rows in (*_row_lists(dataset.splits), dataset.struck)])
    return layout, contents


def _all_columns(dataset: Dataset) -> list[Column]:
    """The table's columns, then target, weight and group where there are any."""
    columns = [dataset.table.columns[described.schema.name] for described in dataset.table.described]
    return columns + [column for column in (dataset.target, dataset.weight, dataset.group) if column is not None]


def _words_bytes(words: object) -> bytes:
    return json.dumps(words, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes().decode("utf-8", "surrogatepass"))
    except (OSError, ValueError) as error:
        raise _damaged(path) from error


def _npy(arrays: Sequence[NDArray[Any]], *, stacked: bool = False) -> Iterator[Part]:
    """An .npy file of arrays of one type, one after another, or as the rows of a matrix."""
    header = io.BytesIO()
    shape = (len(arrays), len(arrays[0])) if stacked else (sum(map(len, arrays)),)
    described = {"descr": np.lib.format.dtype_to_descr(arrays[0].dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, described)
    yield header.getvalue()
    for array in arrays:
        yield from _pieces(array)


def _pieces(array: NDArray[Any]) -> Iterator[Part]:
    for rows in blocks(len(array), BLOCK // 8):
        yield np.ascontiguousarray(array[rows]).data.cast("B") if rows.stop > rows.start else b""


def _row_lists(splits: Splits) -> list[Rows]:
    lists = [splits.open, splits.sealed]
    for fold in (*splits.folds, *(fold for folds in splits.inner for fold in folds)):
        lists += [fold.train, fold.test]
    return lists


def _write_index(dataset: Dataset, folder: Path, held: dict[str, Any], layout: Layout) -> None:
    table, splits = dataset.table, dataset.splits
    source = {name: getattr(table.source, name) for name in ("path", "format", "digest", "rows", "columns", "details")}
    value = {
        "source": source | {"notes": list(table.source.notes)},
        "described": [
            {"schema": d.schema.as_dict()} | {name: getattr(d, name) for name in ("role", "why", "flag", "missing", "distinct", "note")}
            for d in table.described
        ],
        "features": [feature.as_dict() for feature in dataset.features],
        "target": dataset.target is not None,
        "target_name": dataset.target_name,
        "task": dataset.task,
        "why_task": dataset.why_task,
        "classes": list(dataset.classes),
        "weight": dataset.weight is not None,
        "group": dataset.group is not None,
        "splits": {name: getattr(splits, name) for name in ("design", "how", "repeats", "why", "given")}
        | {"lengths": [len(rows) for rows in _row_lists(splits)], "folds": len(splits.folds), "inner": [len(folds) for folds in splits.inner]},
        "findings": [finding.as_dict() for finding in dataset.findings],
        "dropped": dataset.dropped,
        "struck": len(dataset.struck),  # the last rows of splits.npy
        "cleaned": list(dataset.cleaned),
        "coverage": dataset.coverage,
        "digest": dataset.digest,
    }
    index = {"format": FORMAT, "files": held, "layout": layout, "dataset": value}
    content = canonical(index)
    files.write(folder / INDEX, CHECK + digest_bytes(content).encode() + b'",' + content[1:])  # JSON still, its own digest first


def _index(folder: Path) -> dict[str, Any]:
    """The index, after its own digest was compared."""
    path = folder / INDEX
    start = len(CHECK) + 64
    try:
        data = path.read_bytes()
        content = b"{" + data[start + 2 :]
        whole = data[:start] == CHECK + digest_bytes(content).encode()
        index = json.loads(content) if whole else {}
    except (OSError, ValueError) as error:
        raise _damaged(path) from error
    if not whole or index["format"] != FORMAT:
        raise _damaged(path)
    found: dict[str, Any] = index
    return found


def _dataset(value: dict[str, Any], layout: Layout, folder: Path) -> Dataset:
    described = tuple(Described(**{**entry, "schema": ColumnSchema.from_dict(entry["schema"])}) for entry in value["described"])
    found = _columns(layout, folder)
    columns = {d.schema.name: column for d, column in zip(described, found, strict=False)}  # target, weight and group come after
    rest = iter(found[len(described) :])
    target, weight, group = (next(rest) if value[name] else None for name in ("target", "weight", "group"))
    if isinstance(target, Coded) or isinstance(weight, Coded) or not isinstance(group, Coded | None):
        raise TypeError("target and weight are numbers, the group is coded")
    source = Source(**{**value["source"], "notes": tuple(value["source"]["notes"])})
    row_lists = _array(folder / "splits.npy")
    return Dataset(
        table=Table(source, described, columns),
        features=tuple(ColumnSchema.from_dict(entry) for entry in value["features"]),
        target=target,
        target_name=value["target_name"],
        task=value["task"],
        why_task=value["why_task"],
        classes=tuple(value["classes"]),
        weight=weight,
        group=group,
        splits=_splits(value["splits"], row_lists),
        findings=tuple(Finding.from_dict(entry) for entry in value["findings"]),
        dropped=value["dropped"],
        digest=value["digest"],
        cleaned=tuple(value.get("cleaned", ())),  # kept rows of before there was a ledger have none
        coverage=value.get("coverage"),
        struck=row_lists[len(row_lists) - value.get("struck", 0) :],
    )


def _splits(value: dict[str, Any], rows: Rows) -> Splits:
    ends = np.cumsum(value["lengths"])
    lists = iter([rows[end - length : end] for end, length in zip(ends, value["lengths"], strict=True)])
    opened, sealed = next(lists), next(lists)
    folds = tuple(Fold(next(lists), next(lists)) for _ in range(value["folds"]))
    inner = tuple(tuple(Fold(next(lists), next(lists)) for _ in range(count)) for count in value["inner"])
    return Splits(value["design"], value["how"], opened, sealed, folds, inner, value["repeats"], value["why"], value["given"])


def _columns(layout: Layout, folder: Path) -> list[Column]:
    blocks = {stem: _array(folder / f"{stem}.npy") for stem in {place[0] for place in layout}}
    short = _json(folder / "words.json")
    columns: list[Column] = []
    for number, (stem, row, *words) in enumerate(layout):
        values = blocks[stem][row]
        if words:
            name, length = words
            columns.append(Coded(values, _vocabulary(folder, name, length, short.get(str(number)))))
        else:
            columns.append(values)
    return columns


def _vocabulary(folder: Path, name: str, length: int, short: list[str] | None) -> Sequence[str]:
    """The words of a column: of `words.json`, or in a file of their own, which is read when somebody asks for one."""
    if name == "words.json":
        if short is None:
            raise _damaged(folder / name)
        return short
    if not name.endswith(".txt"):
        return Words(folder / name, length)
    with (folder / name).open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    return LongWords(data, _array(folder / name.replace(".txt", ".npy")))


def _array(path: Path) -> NDArray[Any]:
    """The array in a file, mapped and seen as a plain array (cheaper to index than numpy's memmap class)."""
    try:
        mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path) from error
    return np.asarray(mapped)


def _damaged(path: Path) -> CheckFailed:
    return CheckFailed(
        "TW085",
        "the kept rows are damaged" if path.exists() else "the kept rows are gone",
        where=str(path),
        why="a model trained on other rows than were checked could not be defended",
        fix="train again from the source; the record of the old run stays",
    )

"""A dataset as files: arrays that worker processes map, and one JSON with the rest. Shared between runs by content.

Takes    a dataset.
Gives    a folder: `dataset.json`, an `.npy` for each column, the target, weight, group and splits, a `.json` for each vocabulary.
         `keep` lays the files into `STORE/DIGEST/` and links them into the run's `data/`; runs on the same rows share them.
Why      workers see numpy only (Polars has threads of its own, which a forking server may not have), and need no copy.
"""

from __future__ import annotations

import errno
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainwright.data.dataset import Dataset, Described, Finding, Fold, Source, Splits, Table
from trainwright.data.digest import digest_of
from trainwright.errors import CheckFailed
from trainwright.record import files
from trainwright.record.digests import canonical, digest_bytes, digest_file, digest_json
from trainwright.runtime.columns import Coded, Column, Rows
from trainwright.runtime.schema import ColumnSchema

__all__ = ["digest_of", "forget", "keep", "link", "load", "save"]

INDEX = "dataset.json"
FORMAT = 1
NO_LINKS = (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES, errno.ENOSYS)


def save(dataset: Dataset, folder: Path) -> None:
    """Write the dataset; the index comes last, so a folder without one is not a dataset. Raises MachineError."""
    named = _contents(dataset)
    sizes = {}
    for name, data in named.items():
        content = data()
        files.write(folder / name, content)
        sizes[name] = [len(content), digest_bytes(content)]
    _write_index(dataset, folder, sizes)


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
        return _dataset(index["dataset"], folder)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise _damaged(folder / INDEX) from error


def keep(dataset: Dataset, run_folder: Path, store_folder: Path) -> None:
    """Put the dataset at `run_folder/data`, sharing its files with every run of the same digest through `store_folder/DIGEST`.

    A stored file that is damaged is written anew. Where the file system refuses hard links, files are copied.
    """
    stored, data = store_folder / dataset.digest, run_folder / "data"
    try:
        held = _index(stored)["files"]
        load(stored, check=True)
    except CheckFailed:
        save(dataset, stored)
        held = _index(stored)["files"]
    for name in held:
        link(str(stored / name), str(data / name))
    _write_index(dataset, data, held)


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
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            if target.name != INDEX:
                os.link(source, destination)
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


def _contents(dataset: Dataset) -> dict[str, Callable[[], bytes]]:
    """File name → a function that gives its bytes, so that one array at a time is held twice."""
    named: dict[str, Callable[[], bytes]] = {}

    def add(stem: str, column: Column | None) -> None:
        if isinstance(column, Coded):
            named[f"{stem}.npy"] = lambda: _npy(column.codes)
            named[f"{stem}.json"] = lambda: json.dumps(list(column.vocabulary), ensure_ascii=False, separators=(",", ":")).encode(
                "utf-8", "surrogatepass"
            )
        elif column is not None:
            named[f"{stem}.npy"] = lambda: _npy(column)

    for number, described in enumerate(dataset.table.described):
        add(_stem(number), dataset.table.columns[described.schema.name])
    add("target", dataset.target)
    add("weight", dataset.weight)
    add("group", dataset.group)
    named["splits.npy"] = lambda: _npy(np.concatenate(_row_lists(dataset.splits)).astype(np.int64))
    return named


def _stem(number: int) -> str:
    return f"c{number:05d}"


def _npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def _row_lists(splits: Splits) -> list[Rows]:
    lists = [splits.open, splits.sealed]
    for fold in (*splits.folds, *(fold for folds in splits.inner for fold in folds)):
        lists += [fold.train, fold.test]
    return lists


def _write_index(dataset: Dataset, folder: Path, held: dict[str, Any]) -> None:
    table, splits = dataset.table, dataset.splits
    source = {name: getattr(table.source, name) for name in ("path", "format", "digest", "rows", "columns", "details")}
    value = {
        "source": source | {"notes": list(table.source.notes)},
        "described": [
            {"schema": d.schema.as_dict()} | {name: getattr(d, name) for name in ("role", "why", "flag", "missing", "distinct", "note")}
            for d in table.described
        ],
        "coded": [isinstance(table.columns[d.schema.name], Coded) for d in table.described],
        "features": [feature.as_dict() for feature in dataset.features],
        "target": dataset.target is not None,
        "target_name": dataset.target_name,
        "task": dataset.task,
        "why_task": dataset.why_task,
        "classes": list(dataset.classes),
        "weight": dataset.weight is not None,
        "group": dataset.group is not None,
        "splits": {name: getattr(splits, name) for name in ("design", "how", "repeats", "why")}
        | {"lengths": [len(rows) for rows in _row_lists(splits)], "folds": len(splits.folds), "inner": [len(folds) for folds in splits.inner]},
        "findings": [finding.as_dict() for finding in dataset.findings],
        "dropped": dataset.dropped,
        "digest": dataset.digest,
    }
    index = {"format": FORMAT, "files": held, "dataset": value}
    files.write(folder / INDEX, canonical({**index, "check": digest_json(index)}))


def _index(folder: Path) -> dict[str, Any]:
    """The index, after its own digest was compared."""
    path = folder / INDEX
    try:
        index = json.loads(path.read_bytes())
        check = index.pop("check")
        whole = check == digest_json(index) and index["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path) from error
    if not whole:
        raise _damaged(path)
    found: dict[str, Any] = index
    return found


def _dataset(value: dict[str, Any], folder: Path) -> Dataset:
    described = tuple(Described(**{**entry, "schema": ColumnSchema.from_dict(entry["schema"])}) for entry in value["described"])
    columns = {d.schema.name: _column(folder, _stem(number), coded) for number, (d, coded) in enumerate(zip(described, value["coded"], strict=True))}
    source = Source(**{**value["source"], "notes": tuple(value["source"]["notes"])})
    group = _column(folder, "group", True) if value["group"] else None
    assert group is None or isinstance(group, Coded)
    return Dataset(
        table=Table(source, described, columns),
        features=tuple(ColumnSchema.from_dict(entry) for entry in value["features"]),
        target=_array(folder / "target.npy") if value["target"] else None,
        target_name=value["target_name"],
        task=value["task"],
        why_task=value["why_task"],
        classes=tuple(value["classes"]),
        weight=_array(folder / "weight.npy") if value["weight"] else None,
        group=group,
        splits=_splits(value["splits"], _array(folder / "splits.npy")),
        findings=tuple(Finding(**{**entry, "columns": tuple(entry["columns"])}) for entry in value["findings"]),
        dropped=value["dropped"],
        digest=value["digest"],
    )


def _splits(value: dict[str, Any], rows: Rows) -> Splits:
    ends = np.cumsum(value["lengths"])
    lists = iter([rows[end - length : end] for end, length in zip(ends, value["lengths"], strict=True)])
    opened, sealed = next(lists), next(lists)
    folds = tuple(Fold(next(lists), next(lists)) for _ in range(value["folds"]))
    inner = tuple(tuple(Fold(next(lists), next(lists)) for _ in range(count)) for count in value["inner"])
    return Splits(value["design"], value["how"], opened, sealed, folds, inner, value["repeats"], value["why"])


def _column(folder: Path, stem: str, coded: bool) -> Column:
    values = _array(folder / f"{stem}.npy")
    if not coded:
        return values
    path = folder / f"{stem}.json"
    try:
        return Coded(values, json.loads(path.read_bytes().decode("utf-8", "surrogatepass")))
    except ValueError as error:
        raise _damaged(path) from error


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

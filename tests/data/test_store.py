"""A dataset in files: exact round trip, shared by content, damage noticed, rows erased when nobody holds them."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import time

import numpy as np
import pytest
from made_tables import coded, table

from trainwright.data import store
from trainwright.data.dataset import Finding
from trainwright.data.prepare import prepare
from trainwright.errors import CheckFailed, MachineError
from trainwright.plan.model import Plan
from trainwright.record import files
from trainwright.runtime.columns import Coded


def made(*, split="auto", columns=0, n=400, path="made.csv", order=("é", "b", "")):
    rng = np.random.default_rng(11)
    values = {
        "a": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
        "b": coded([order[code] if code < 3 else None for code in rng.integers(0, 4, size=n)], list(order)),
        "g": rng.integers(0, 40, size=n).astype(np.float64),
        "w": rng.random(n),
        "y": coded(rng.choice(["no", "yes"], size=n).tolist()),
    }
    values |= {f"n{i}": rng.normal(size=n) for i in range(columns)}
    dataset = prepare(Plan(target="y", split=split, weight="w"), table(values, path=path))
    finding = Finding("TW101", "title", False, "column a", "what", "why", "fix", ("a",), {"share": 0.1})
    return dataclasses.replace(dataset, findings=(finding,))


def assert_same(one, other):
    """Every field equal, arrays exactly and of the same type."""
    if dataclasses.is_dataclass(one):
        assert type(one) is type(other)
        for field in dataclasses.fields(one):
            assert_same(getattr(one, field.name), getattr(other, field.name))
    elif isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for name, value in one.items():
            assert_same(value, other[name])
    elif store.Words in (type(one), type(other)):
        assert list(one) == list(other)
    elif isinstance(one, (tuple, list)):
        assert type(one) is type(other)
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_same(left, right)
    else:
        assert one == other


@pytest.mark.parametrize("split", ["auto", "group:g", "time:g"])
def test_what_is_loaded_is_what_was_saved(tmp_path, split):
    dataset = made(split=split)
    store.save(dataset, tmp_path / "data")
    loaded = store.load(tmp_path / "data", check=True)
    assert_same(dataset, loaded)
    assert store.digest_of(loaded) == dataset.digest


def test_columns_in_several_blocks_and_long_vocabularies_come_back(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "BLOCK", 3 * 8 * 400)  # three columns of numbers, six of codes
    monkeypatch.setattr(store, "SHORT", 2)
    dataset = made(columns=8, split="group:g")
    store.save(dataset, tmp_path)
    assert len(list(tmp_path.glob("numbers-*.npy"))) == 5  # 3 + 8 columns, the target and the weight
    assert len(list(tmp_path.glob("words-*.json"))) == 2  # of b and of the group
    assert_same(store.load(tmp_path, check=True), dataset)


def test_a_long_vocabulary_is_not_read_before_a_word_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SHORT", 2)
    dataset = made()
    store.save(dataset, tmp_path)
    column = store.load(tmp_path).table.columns["b"]
    path = next(tmp_path.glob("words-*.json"))
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    assert len(column.vocabulary) == 3
    assert column.codes.max() == 2
    with pytest.raises(CheckFailed) as caught:
        column.words()
    assert caught.value.where == str(path)
    path.write_bytes(data)
    assert column.words() == dataset.table.columns["b"].words()
    assert column.vocabulary[1:] == ["b", ""]


def test_columns_are_mapped_not_read(tmp_path):
    store.save(made(), tmp_path)
    column = store.load(tmp_path).table.columns["a"]
    assert isinstance(column.base.base, np.memmap)  # the column in its block in the file
    assert not column.flags.writeable


def test_loading_twenty_columns_takes_milliseconds(tmp_path):
    store.save(made(columns=15), tmp_path)

    def once():
        started = time.perf_counter()
        store.load(tmp_path)
        return time.perf_counter() - started

    assert min(once() for _ in range(20)) < 0.005


def test_the_digest_names_the_content_and_nothing_else():
    dataset = made()
    assert made(path="/elsewhere/other.csv").digest == dataset.digest
    assert made(split="group:g").digest != dataset.digest
    words = dataset.table.columns["b"]
    turned = Coded(np.where(words.codes < 0, -1, 2 - words.codes).astype(np.int32), list(words.vocabulary)[::-1])
    assert turned.words() == words.words()
    again = dataclasses.replace(dataset, table=dataclasses.replace(dataset.table, columns={**dataset.table.columns, "b": turned}))
    assert store.digest_of(again) == dataset.digest
    for name in ("a", "b"):  # one cell more missing
        column = dataset.table.columns[name]
        values = (column.codes if isinstance(column, Coded) else column).copy()
        values[np.flatnonzero(values > 0)[0]] = -1 if isinstance(column, Coded) else np.nan
        changed = Coded(values, column.vocabulary) if isinstance(column, Coded) else values
        other = dataclasses.replace(dataset, table=dataclasses.replace(dataset.table, columns={**dataset.table.columns, name: changed}))
        assert store.digest_of(other) != dataset.digest


@pytest.mark.parametrize("harm", ["cut", "gone", "flipped"])
def test_damage_to_any_file_is_noticed_and_named(tmp_path, harm):
    store.save(made(), tmp_path / "whole")
    for name in sorted(path.name for path in (tmp_path / "whole").iterdir()):
        folder = tmp_path / f"{harm}-{name}"
        shutil.copytree(tmp_path / "whole", folder)
        path = folder / name
        data = bytearray(path.read_bytes())
        if harm == "cut":
            path.write_bytes(data[:-1])
        elif harm == "gone":
            path.unlink()
        else:
            data[len(data) // 2] ^= 1
            path.write_bytes(data)
        with pytest.raises(CheckFailed) as caught:
            store.load(folder, check=harm == "flipped")
        assert caught.value.code == "TW085"
        assert caught.value.where == str(path)


def test_runs_on_the_same_rows_share_their_files(tmp_path):
    dataset, shelf = made(), tmp_path / ".data"
    store.keep(dataset, tmp_path / "one", shelf)
    store.keep(dataclasses.replace(dataset, findings=()), tmp_path / "two", shelf)
    for name in ("numbers-000.npy", "codes-000.npy", "words.json", "splits.npy"):
        assert (tmp_path / "one/data" / name).samefile(tmp_path / "two/data" / name)
        assert (shelf / dataset.digest / name).stat().st_nlink == 3
    assert_same(store.load(tmp_path / "one/data", check=True), dataset)
    assert store.load(tmp_path / "two/data").findings == ()  # what may differ between runs is each run's own


def test_an_equal_dataset_with_other_codes_is_read_with_the_vocabulary_that_is_shared(tmp_path):
    one, two = made(order=("é", "b", "")), made(order=("é", "b", ""))
    words = two.table.columns["b"]
    turned = Coded(np.where(words.codes < 0, -1, 2 - words.codes).astype(np.int32), list(words.vocabulary)[::-1])
    two = dataclasses.replace(two, table=dataclasses.replace(two.table, columns={**two.table.columns, "b": turned}))
    store.keep(one, tmp_path / "one", tmp_path / ".data")
    store.keep(two, tmp_path / "two", tmp_path / ".data")
    assert store.load(tmp_path / "two/data").table.columns["b"].words() == words.words()


def test_a_damaged_store_is_mended_when_the_rows_come_again(tmp_path):
    dataset, shelf = made(), tmp_path / ".data"
    store.keep(dataset, tmp_path / "one", shelf)
    broken = shelf / dataset.digest / "numbers-000.npy"
    data = bytearray(broken.read_bytes())
    data[-1] ^= 1
    broken.write_bytes(data)
    store.keep(dataset, tmp_path / "two", shelf)
    assert_same(store.load(tmp_path / "two/data", check=True), dataset)


def test_where_links_are_refused_files_are_copied(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.EXDEV, "no links here")

    monkeypatch.setattr(os, "link", refused)  # stands for a file system without hard links
    dataset = made()
    store.keep(dataset, tmp_path / "one", tmp_path / ".data")
    assert_same(store.load(tmp_path / "one/data", check=True), dataset)
    store.forget(tmp_path / "one")
    assert not (tmp_path / "one/data").exists()
    assert not (tmp_path / ".data" / dataset.digest).exists()


def test_a_refused_copy_is_a_machine_error(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(MachineError, match="TW090"):
        store.keep(made(), tmp_path / "one", tmp_path / ".data")


def test_rows_are_erased_with_the_last_run_that_holds_them(tmp_path):
    dataset, shelf = made(), tmp_path / ".data"
    for run in ("one", "two"):
        store.keep(dataset, tmp_path / run, shelf)
    store.forget(tmp_path / "one")
    assert not (tmp_path / "one/data").exists()
    assert_same(store.load(tmp_path / "two/data", check=True), dataset)
    assert (shelf / dataset.digest).exists()
    store.forget(tmp_path / "two")
    assert not (shelf / dataset.digest).exists()
    store.forget(tmp_path / "two")  # nothing is left to forget


def test_a_copied_run_folder_shares_files_too(tmp_path):
    dataset = made()
    store.keep(dataset, tmp_path / "one", tmp_path / ".data")
    shutil.copytree(tmp_path / "one/data", tmp_path / "two/data", copy_function=store.link)
    assert (tmp_path / "one/data/numbers-000.npy").samefile(tmp_path / "two/data/numbers-000.npy")
    assert not (tmp_path / "one/data/dataset.json").samefile(tmp_path / "two/data/dataset.json")
    store.forget(tmp_path / "one")
    assert_same(store.load(tmp_path / "two/data", check=True), dataset)


def test_a_kill_at_any_durable_operation_leaves_nothing_that_loads_wrongly(tmp_path):
    """Fail each durable operation in turn: what is left either loads as it was, or is said to be damaged; a second try mends it."""
    dataset = made(n=60)
    seen = []
    with files.faults(lambda operation, path: seen.append(operation)):
        store.keep(dataset, tmp_path / "whole", tmp_path / "shelf")
    for stop in range(0, len(seen), 5):
        run, shelf = tmp_path / f"run{stop}", tmp_path / f"shelf{stop}"
        left = [stop]

        def kill(operation, path, left=left):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt), files.faults(kill):
            store.keep(dataset, run, shelf)
        try:
            assert_same(store.load(run / "data", check=True), dataset)
        except CheckFailed as error:
            assert error.code == "TW085"  # noqa: PT017 - loading may also succeed
        store.keep(dataset, run, shelf)
        assert_same(store.load(run / "data", check=True), dataset)

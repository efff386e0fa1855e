"""The simulated disk tells what is durable from what is not, so that a run which survives it would survive a power cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from power_cut import CUTS, Cut, Disk, State, as_it_is, watched
from trainwright.record import files
from trainwright.record.log import Log, read_events


def after(disk: Disk, cut: Cut, seed: int = 0) -> State:
    return disk.after_a_cut(as_it_is(disk.root), cut, np.random.default_rng(seed))


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    (tmp_path / "root").mkdir()
    return Disk(tmp_path / "root")


@pytest.mark.parametrize("cut", CUTS)
def test_what_record_files_wrote_is_there(disk: Disk, cut: Cut) -> None:
    with watched(disk):
        files.write(disk.root / "a" / "b" / "f", b"old")
        files.write(disk.root / "a" / "b" / "f", b"new")
    assert after(disk, cut).content == {"a": None, "a/b": None, "a/b/f": b"new"}


def test_what_nobody_synced_is_not(disk: Disk) -> None:
    (disk.root / "plain").write_bytes(b"data")
    assert after(disk, "dropped").content == {}
    assert after(disk, "names without data").content == {"plain": b""}
    assert {after(disk, "some of each", seed).content.get("plain") for seed in range(60)} == {None, b"", b"d", b"da", b"dat", b"data"}


def test_a_rename_without_its_folder_may_be_undone_and_without_its_data_be_empty(disk: Disk) -> None:
    with watched(disk):
        files.write(disk.root / "f", b"old")
        (disk.root / "beside").write_bytes(b"new")
        (disk.root / "beside").replace(disk.root / "f")
        assert after(disk, "dropped").content == {"f": b"old"}
        assert after(disk, "names without data").content == {"f": b""}
        files.sync_folder(disk.root)
    assert after(disk, "dropped").content == {"f": b""}


def test_a_removal_may_come_back_until_the_folder_is_synced(disk: Disk) -> None:
    with watched(disk):
        files.write(disk.root / "f", b"data")
        (disk.root / "f").unlink()
        assert after(disk, "dropped").content == {"f": b"data"}
        files.sync_folder(disk.root)
    assert after(disk, "dropped").content == {}


def test_an_append_that_was_not_synced_is_torn_or_reads_as_zeros(disk: Disk) -> None:
    with watched(disk):
        with Log(disk.root) as log:
            log.append("one")
        whole = (disk.root / "events.jsonl").read_bytes()
        with (disk.root / "events.jsonl").open("ab") as file:
            file.write(b'{"number": 1}\n')
    assert after(disk, "dropped").content == {"events.jsonl": whole}
    zeros = after(disk, "names without data").content["events.jsonl"]
    assert zeros is not None
    assert zeros.startswith(whole + b"\0")
    (disk.root / "events.jsonl").write_bytes(zeros)
    assert [event.kind for event in read_events(disk.root / "events.jsonl")[0]] == ["one"]


def test_a_state_is_laid_down_as_it_was_with_its_links(disk: Disk, tmp_path: Path) -> None:
    files.write(disk.root / "store" / "f", b"rows")
    (disk.root / "run").mkdir()
    (disk.root / "run" / "f").hardlink_to(disk.root / "store" / "f")
    as_it_is(disk.root).lay_down(tmp_path / "again")
    assert (tmp_path / "again" / "run" / "f").samefile(tmp_path / "again" / "store" / "f")
    assert as_it_is(tmp_path / "again").key() == as_it_is(disk.root).key()
    (tmp_path / "again" / "run" / "f").unlink()
    (tmp_path / "again" / "run" / "f").write_bytes(b"rows")
    assert as_it_is(tmp_path / "again").key() != as_it_is(disk.root).key()  # the same bytes, but no longer one file


def test_what_is_done_is_told_after_what_is_to_be_done(tmp_path: Path) -> None:
    told: list[tuple[str, str]] = []
    with files.faults(lambda operation, path: told.append(("before", operation)), after=lambda operation, path: told.append(("after", operation))):
        files.write(tmp_path / "f", b"data")
    assert told == [(phase, operation) for operation in ("write", "sync", "rename", "sync") for phase in ("before", "after")]

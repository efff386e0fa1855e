"""Files are whole or absent whatever fails, and every durable operation can fail."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainwright.errors import MachineError
from trainwright.record import files

OPERATIONS_OF_A_NEW_FOLDER = [("folder", "new"), ("sync", "."), ("write", "new/f"), ("sync", "new/f"), ("rename", "new/f"), ("sync", "new")]


class Refuse:
    """Counts durable operations; refuses the one with the number `at`."""

    def __init__(self, at: int = -1, code: int = errno.EIO) -> None:
        self.at, self.code, self.seen = at, code, list[tuple[str, Path]]()

    def __call__(self, operation: str, path: Path) -> None:
        self.seen.append((operation, path))
        if len(self.seen) - 1 == self.at:
            raise OSError(self.code, os.strerror(self.code))


def test_the_durable_operations_of_a_write_in_their_order(tmp_path: Path) -> None:
    with files.faults(seen := Refuse()):
        files.write(tmp_path / "new" / "f", b"data")
    assert [(operation, str(path.relative_to(tmp_path))) for operation, path in seen.seen] == OPERATIONS_OF_A_NEW_FOLDER
    assert (tmp_path / "new" / "f").read_bytes() == b"data"
    with files.faults(again := Refuse()):
        files.write(tmp_path / "new" / "f", b"more")
    assert len(again.seen) == 4  # the folder is there


@pytest.mark.parametrize(
    ("code", "expected"),
    [(errno.ENOSPC, "TW090"), (errno.EDQUOT, "TW090"), (errno.EACCES, "TW091"), (errno.EPERM, "TW091"), (errno.EROFS, "TW091"), (errno.EIO, "TW092")],
)
def test_a_refusal_at_any_operation_leaves_old_or_new(tmp_path: Path, code: int, expected: str) -> None:
    for at in range(len(OPERATIONS_OF_A_NEW_FOLDER)):
        for old in (None, b"old and longer than the new"):
            path = tmp_path / f"{at}{old is None}" / "f"
            if old is not None:
                path.parent.mkdir()
                path.write_bytes(old)
            fault = Refuse(at, code)
            if old is not None and at >= 4:
                continue  # fewer operations: the folder is there
            with files.faults(fault), pytest.raises(MachineError) as caught:
                files.write(path, b"new")
            assert caught.value.code == expected
            assert os.strerror(code).lower() in caught.value.what
            assert caught.value.fix
            now = path.read_bytes() if path.exists() else None
            last = fault.seen[-1] == ("sync", path.parent) and fault.seen[-2][0] == "rename"
            assert now == (b"new" if last else old)
            assert [p for p in path.parent.iterdir() if p != path] == [] if path.parent.exists() else True  # nothing half-done beside it
            files.write(path, b"new")  # and it goes on once the disk is well
            assert path.read_bytes() == b"new"


KILLED = """
import os, sys
from pathlib import Path
from trainwright.record import files
count = 0
def fault(operation, path):
    global count
    if count == int(sys.argv[2]):
        os.kill(os.getpid(), 9)
    count += 1
with files.faults(fault):
    files.write(Path(sys.argv[1]), b"new" * 100_000)
"""


def test_a_kill_at_any_operation_leaves_old_or_new(tmp_path: Path) -> None:
    for at in range(4):
        path = tmp_path / str(at)
        path.write_bytes(b"old")
        ran = subprocess.run([sys.executable, "-c", KILLED, str(path), str(at)], check=False)
        assert ran.returncode == -9
        assert path.read_bytes() == (b"new" * 100_000 if at == 3 else b"old")
        files.write(path, b"after")
        assert path.read_bytes() == b"after"


def test_the_real_systems_refusals_are_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="TW092"):
        files.write(tmp_path / "file" / "below", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(MachineError, match="TW09"):
        files.write(tmp_path / "folder", b"")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk(tmp_path: Path) -> None:
    handle = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(MachineError) as caught:
            files.append(handle, tmp_path / "log", b"line\n")
    finally:
        os.close(handle)
    assert (caught.value.code, caught.value.exit_code) == ("TW090", 6)


def test_errors_that_are_not_the_systems_go_through_and_leave_nothing(tmp_path: Path) -> None:
    def interrupt(operation: str, path: Path) -> None:
        if operation == "rename":
            raise KeyboardInterrupt

    with files.faults(interrupt), pytest.raises(KeyboardInterrupt):
        files.write(tmp_path / "f", b"data")
    assert list(tmp_path.iterdir()) == []


def test_faults_end_with_their_block(tmp_path: Path) -> None:
    with pytest.raises(MachineError), files.faults(Refuse(0)):
        files.write(tmp_path / "f", b"")
    files.write(tmp_path / "f", b"x")


def test_remove(tmp_path: Path) -> None:
    files.write(tmp_path / "f", b"x")
    for at in (0, 1):
        with files.faults(Refuse(at)), pytest.raises(MachineError):
            files.remove(tmp_path / "f")
        assert (tmp_path / "f").exists() == (at == 0)
    files.remove(tmp_path / "f")  # not there: nothing happens


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(value=json_values.filter(lambda v: "\\ud" not in json.dumps(v)))
def test_json_comes_back(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.mktemp("json") / "v.json"
    files.write_json(path, value)
    assert files.read_json(path) == value


@pytest.mark.parametrize("value", [float("nan"), {"a": [float("inf")]}])
def test_what_json_cannot_carry_is_refused_before_the_old_file_goes(tmp_path: Path, value: object) -> None:
    files.write_json(tmp_path / "f", 1)
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "f", value)
    assert files.read_json(tmp_path / "f") == 1

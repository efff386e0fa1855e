"""The event log: a chain that shows every change, sound after any failure, one writer at a time."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trainwright.errors import CheckFailed, MachineError
from trainwright.record import files
from trainwright.record.log import Log, read_events


def fill(folder: Path, count: int = 4) -> Path:
    with Log(folder, clock=lambda: 1_700_000_000.1234) as log:
        for number in range(count):
            log.append("step", name=f"n{number}", value=number / 7)
    return log.path


def test_the_chain_by_hand(tmp_path: Path) -> None:
    before = "0" * 64
    for number, line in enumerate(fill(tmp_path).read_bytes().split(b"\n")[:-1]):
        text = f'{{"at":1700000000.123,"before":"{before}","kind":"step","number":{number},"what":{{"name":"n{number}","value":{number / 7!r}}}}}'
        assert line.decode() == text
        before = hashlib.sha256(line + b"\n").hexdigest()


def test_events_come_back_and_are_found(tmp_path: Path) -> None:
    fill(tmp_path)
    with Log(tmp_path) as log:
        assert [event.what["name"] for event in log.events] == ["n0", "n1", "n2", "n3"]
        added = log.append("pair", both=(1, 2), deep={"k": None})
        assert added.what == {"both": [1, 2], "deep": {"k": None}}
        assert log.last("step") == log.events[3]
        assert log.last("step", name="n1") == log.events[1]
        assert log.last("step", name="none") is None
        assert list(log.all("step", value=0.0)) == [log.events[0]]
    with Log(tmp_path) as log:
        assert log.events[-1] == added


def test_keys_that_are_numbers_are_text_in_one_order(tmp_path: Path) -> None:
    """Whole numbers sort 2, 10; their texts "10", "2". The line must be the one that a reader would write."""
    with Log(tmp_path) as log:
        assert log.append("folds", best={2: "a", 10: "b"}).what == {"best": {"2": "a", "10": "b"}}
        log.append("after")
    assert len(read_events(tmp_path / "events.jsonl")[0]) == 2


@settings(max_examples=40, deadline=None, derandomize=True)
@given(cut=st.integers(min_value=1), tail=st.binary(max_size=8).filter(lambda b: b"\n" not in b and b"\r" not in b))
def test_a_torn_last_line_is_cut_off(tmp_path_factory: pytest.TempPathFactory, cut: int, tail: bytes) -> None:
    folder = tmp_path_factory.mktemp("torn")
    path = fill(folder)
    whole = path.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    path.write_bytes(whole[: len(whole) - 1 - cut % last] + (tail if cut % last < last - 1 else b""))
    with Log(folder) as log:
        assert len(log.events) == 3
        log.append("step", name="n3 again")
    events, sound = read_events(path)
    assert [event.number for event in events] == [0, 1, 2, 3]
    assert sound == path.stat().st_size


@settings(max_examples=80, deadline=None, derandomize=True)
@given(position=st.integers(min_value=0), value=st.integers(1, 255))
@example(position=-1, value=32)  # the end of the line before the last
def test_any_byte_changed_before_the_last_line_is_refused(tmp_path_factory: pytest.TempPathFactory, position: int, value: int) -> None:
    path = fill(tmp_path_factory.mktemp("edited"))
    whole = bytearray(path.read_bytes())
    ahead = len(whole) - len(bytes(whole).splitlines(keepends=True)[-1])
    position %= ahead
    if whole[position] == value:
        value ^= 1
    whole[position] = value
    path.write_bytes(whole)
    with pytest.raises(CheckFailed) as caught:
        Log(path.parent)
    assert (caught.value.code, caught.value.exit_code) == ("TW080", 5)
    assert path.read_bytes() == bytes(whole)  # evidence is not touched


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[1:],  # the beginning cut off
        lambda lines: [lines[0], *lines[2:]],  # the middle cut out
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [lines[0], lines[0], *lines[1:]],  # an event replayed
        lambda lines: [*lines, lines[-1]],
        lambda lines: [*lines[:-1], lines[-1].replace(b"n3", b"n3 ").replace(b'"number":3', b'"number":4')],
        lambda lines: [*lines[:-1], lines[-1].replace(b":3", b": 3")],  # a whole last line is not a torn one
        lambda lines: [lines[0], b"\n", *lines[1:]],
        lambda lines: [lines[0], b"[" * 100_000 + b"\n", *lines[1:]],
        lambda lines: [lines[0].replace(b'":', b'": ', 1), *lines[1:]],  # the same JSON, other bytes
    ],
)
def test_lines_cut_swapped_or_replayed_are_refused(tmp_path: Path, change: object) -> None:
    path = fill(tmp_path)
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))  # type: ignore[operator]
    with pytest.raises(CheckFailed, match="TW080"):
        read_events(path)


def test_a_refused_log_gives_its_lock_back(tmp_path: Path) -> None:
    path = fill(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[10:])
    with pytest.raises(CheckFailed):
        Log(tmp_path)
    path.write_bytes(whole)  # restored from a copy
    with Log(tmp_path) as log:
        assert len(log.events) == 4


def test_a_block_that_never_reached_the_disk_is_torn(tmp_path: Path) -> None:
    path = fill(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) + b"\0" * (len(lines[-1]) - 20) + lines[-1][-20:])
    with Log(tmp_path) as log:
        assert len(log.events) == 3


@pytest.mark.parametrize("torn", [False, True])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("refused", [{"append"}, {"sync"}, {"append", "truncate"}, {"sync", "truncate"}])
def test_a_refused_append_leaves_the_log_sound(tmp_path: Path, refused: set[str], code: int, torn: bool) -> None:
    with Log(tmp_path) as log:
        log.append("kept")

        def fault(operation: str, path: Path) -> None:
            if operation in refused:
                if operation == "append" and torn:
                    os.write(log._handle, b'{"at":1,"before":"')  # the disk took a part of it
                raise OSError(code, os.strerror(code))

        for _ in range(2):
            with files.faults(fault), pytest.raises(MachineError) as caught:
                log.append("lost")
            assert caught.value.code == ("TW090" if code == errno.ENOSPC else "TW092")
            assert [event.kind for event in log.events] == ["kept"]
        log.append("after")
    events, sound = read_events(log.path)
    assert [event.kind for event in events] == ["kept", "after"]
    assert sound == log.path.stat().st_size


def test_an_interrupt_at_any_operation_leaves_the_log_sound(tmp_path: Path) -> None:
    with Log(tmp_path) as log:
        for stop in ("append", "sync"):

            def interrupt(operation: str, path: Path, stop: str = stop) -> None:
                if operation == stop:
                    raise KeyboardInterrupt

            with files.faults(interrupt), pytest.raises(KeyboardInterrupt):
                log.append("lost")
            log.append(stop)
    assert [event.kind for event in read_events(log.path)[0]] == ["append", "sync"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, "\ud800", {1: 0, "1": 0}])
def test_what_is_not_json_is_refused_and_nothing_is_written(tmp_path: Path, value: object) -> None:
    path = fill(tmp_path)
    whole = path.read_bytes()
    with Log(tmp_path) as log, pytest.raises(ValueError, match=r"."):
        log.append("bad", value=value)
    assert path.read_bytes() == whole


def test_a_closed_log_refuses(tmp_path: Path) -> None:
    with Log(tmp_path) as log:
        pass
    log.close()
    with pytest.raises(ValueError, match="closed"):
        log.append("late")


@pytest.mark.parametrize("operation", ["folder", "sync", "truncate"])
def test_opening_on_a_failing_disk_is_our_error_and_gives_the_lock_back(tmp_path: Path, operation: str) -> None:
    folder = tmp_path / "run"
    if operation == "truncate":
        path = fill(folder)
        path.write_bytes(path.read_bytes()[:-1])

    def fault(seen: str, path: Path) -> None:
        if seen == operation:
            raise OSError(errno.EIO, "x")

    with files.faults(fault), pytest.raises(MachineError, match="TW092"):
        Log(folder)
    with Log(folder) as log:
        log.append("now")


HOLD = """
import sys
from pathlib import Path
from trainwright.record.log import Log
with Log(Path(sys.argv[1])) as log:
    log.append("held")
    print("held", flush=True)
    sys.stdin.read()
"""


def test_one_writer_at_a_time_and_a_killed_one_gives_the_lock_back(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(MachineError) as caught:
        Log(tmp_path)
    assert (caught.value.code, caught.value.exit_code) == ("TW093", 6)
    assert len(read_events(tmp_path / "events.jsonl")[0]) == 1  # reading needs no lock
    other.kill()
    other.communicate()
    with Log(tmp_path) as log:
        assert [event.kind for event in log.events] == ["held"]


KILLED = """
import os, sys
from pathlib import Path
from trainwright.record import files
from trainwright.record.log import Log
count = 0
def fault(operation, path):
    global count
    if count == int(sys.argv[2]):
        if operation == "append":
            os.write(log._handle, b"{")
        os.kill(os.getpid(), 9)
    count += 1
with Log(Path(sys.argv[1])) as log, files.faults(fault):
    log.append("acknowledged")
    print("acknowledged", flush=True)
    log.append("next")
"""


def test_a_kill_at_any_operation_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    for at in range(4):
        folder = tmp_path / str(at)
        ran = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(at)], capture_output=True, text=True, check=False)
        assert ran.returncode == -9
        with Log(folder) as log:
            kinds = [event.kind for event in log.events]
            assert kinds == ["acknowledged", "next"][: len(kinds)]
            assert len(kinds) >= ran.stdout.count("acknowledged")
            log.append("after")
        assert json.loads((folder / "events.jsonl").read_bytes().splitlines()[-1])["kind"] == "after"
